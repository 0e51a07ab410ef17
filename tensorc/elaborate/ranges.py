"""The ranges of bound indices, inferred in rounds from the reads in which the indices stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, Quotient, Size, fresh, poly
from tensorc.diagnostics import CompileError, Label
from tensorc.elaborate.context import Access, Context, is_unknown
from tensorc.elaborate.hints import equality
from tensorc.source import Span


@dataclass(frozen=True)
class Unknown:
    """A bound index whose range is not written: `index` stands for it while its range is inferred."""

    name: str
    index: Index
    span: Span


def placeholder() -> Index:
    """An index whose extent is not known yet."""
    made = fresh(0)
    return Index(made.level, algebra.size(f"?{made.level}"))


Offer = tuple[Index, Poly]
"""An index and an extent that a read gives it."""

Proposal = Callable[[Access, Poly, Poly], Iterator[Offer]]
"""What a read proposes, with what is known so far put into its subscript and extent."""


class Ranges:
    """Solves for the extents of unknown indices. `values` holds each solved index and extent, `shown_by` the read that decided."""

    def __init__(self, context: Context, unknown: Sequence[Unknown], accesses: Sequence[Access]) -> None:
        self.context = context
        self.unknown = {u.index: u for u in unknown}
        self.extents_of = {u.index.extent.atom: u.index for u in unknown}
        self.accesses = accesses
        self.extents: dict[Index, Poly] = {}
        self.values: dict[Atom, Poly] = {}
        self.shown_by: dict[Index, Access] = {}
        self.errors: list[CompileError] = []

    def solve(self) -> dict[Index, Poly]:
        """The extent of each unknown index, or diagnostics for those that have none or two."""
        self._settle()
        while self._round(self._guarded):
            self._settle()
        for u in self.unknown.values() if not self.errors else ():
            if u.index not in self.extents:
                help = f"write its range: `{u.name} < N`, or `{u.name} in 1..N`"
                message = f"the range of index `{u.name}` is not known"
                self.errors.append(self.context.error("E0502", message, u.span, "no read determines it", help=help))
        if self.errors:
            raise CompileError([d for e in self.errors for d in e.diagnostics])
        return self.extents

    def _settle(self) -> None:
        """All that plain subscripts give, then all that compound ones give with it."""
        while self._round(self._plain) or self._round(self._compound):
            pass

    def _round(self, propose: Proposal) -> bool:
        """What all reads propose, accepted together. Whether anything new was found."""
        offers: dict[Index, list[tuple[Poly, Access]]] = {}
        for a in self.accesses:
            extent = algebra.substitute(a.extent, self.values)
            if any(s in self.extents_of for s in algebra.sizes(extent)):
                continue
            for index, found in propose(a, algebra.substitute(a.subscript, self.values), extent):
                if index not in self.extents:
                    offers.setdefault(index, []).append((found, a))
        for index, found_for in offers.items():
            self._accept(index, *self._agree(index, found_for, propose == self._compound))
        return bool(offers)

    def _accept(self, index: Index, extent: Poly, access: Access) -> None:
        self.extents[index] = extent
        self.shown_by[index] = access
        if isinstance(size := index.extent.atom, Size):
            self.values[size] = extent
        self.values[index] = poly(Index(index.level, extent))

    def _agree(self, index: Index, offers: Sequence[tuple[Poly, Access]], smallest: bool) -> tuple[Poly, Access]:
        """The extent that all offers give; of compound subscripts the smallest one."""
        extent, access = offers[0]
        for other, at in offers[1:]:
            if self.context.equal(extent, other) or is_unknown(other) or (smallest and self.context.nonnegative(other - extent)):
                continue
            if is_unknown(extent) or (smallest and self.context.nonnegative(extent - other)):
                extent, access = other, at
                continue
            self.errors.append(self._disagreement(self.unknown[index].name, (extent, access), (other, at)))
            break
        return extent, access

    def _disagreement(self, name: str, first: tuple[Poly, Access], second: tuple[Poly, Access]) -> CompileError:
        (extent, access), (other, at) = first, second
        context = self.context
        written = f"write the range: `{name} < ...`"
        equal = equality(context, extent, other)
        return context.error(
            "E0501",
            f"index `{name}` has two ranges: {name} < {extent} and {name} < {other}",
            at.span,
            f"axis {at.axis} of {at.subject}: {name} < {other}",
            Label(access.span, f"axis {access.axis} of {access.subject}: {name} < {extent}"),
            notes=(f"the extents are {context.sized(extent)} and {context.sized(other)}",),
            help=written if equal is None else f"{equal}; or {written}",
        )

    def _unsolved(self, p: Poly) -> list[Index]:
        return [a for a in self.unknown if a in algebra.atoms(p) and a not in self.extents]

    def _plain(self, a: Access, subscript: Poly, extent: Poly) -> Iterator[Offer]:
        """The index alone runs over the whole axis."""
        atom = subscript.atom
        if not a.guarded and isinstance(atom, Index) and atom in self.unknown:
            yield atom, extent

    def _compound(self, a: Access, subscript: Poly, extent: Poly) -> Iterator[Offer]:
        """The largest range of the one unknown index for which the subscript stays inside."""
        inside = self._unsolved(subscript)
        if a.guarded or len(inside) != 1 or algebra.elements(subscript):
            return
        found = self._largest(inside[0], subscript, extent)
        if found is not None:
            yield inside[0], found

    def _largest(self, index: Index, p: Poly, extent: Poly) -> Poly | None:
        """The number of values that the index may have, from 0, so that p is in 0 .. extent-1; p grows or falls with the index."""
        facts = self.context.facts
        atom: Atom = index
        if algebra.split(p, index) is None:  # in a quotient, n // d, which is below q as long as n is below q * d
            quotients = [q for m, _ in p.terms for q in m if isinstance(q, Quotient) and index in algebra.atoms(q.numerator)]
            if len(quotients) != 1:
                return None
            atom = quotients[0]
        parts = algebra.split(p, atom)
        if parts is None:
            return None
        factor, rest = parts
        if (
            factor.constant != 0 and algebra.is_static(factor) and algebra.nonnegative(factor, facts)
        ):  # and where it is 0, the call is refused
            high = algebra.bound(rest, True, facts)
            if high is None:
                return None
            count = algebra.floordiv(extent - 1 - high, factor) + 1
        elif algebra.is_static(factor) and algebra.nonnegative(-factor, facts):
            low = algebra.bound(rest, False, facts)
            if low is None:
                return None
            count = algebra.floordiv(low, -factor) + 1
        else:
            return None
        if isinstance(atom, Quotient):
            return self._largest(index, atom.numerator, count * atom.divisor)
        return count

    def _guarded(self, a: Access, subscript: Poly, extent: Poly) -> Iterator[Offer]:
        """An index that nothing else determines takes the extent of the axis that it moves along step by step."""
        for index in self._unsolved(subscript):
            parts = algebra.split(subscript, index)
            if parts is not None and parts[0].constant == 1:
                yield index, extent
