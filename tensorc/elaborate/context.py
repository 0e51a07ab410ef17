"""The state of one program while it is built: what is known and what must be checked about sizes, and where things come from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

from tensorc import algebra
from tensorc.algebra import Facts, Index, Poly, Size
from tensorc.diagnostics import CompileError, Diagnostic, Label, error
from tensorc.elaborate.values import Array, Value, of_tensor
from tensorc.ir import build
from tensorc.ir.program import BoundsCheck, Condition
from tensorc.ir.tensor import Const, Int, Load, Tensor
from tensorc.ir.walk import depth, indices
from tensorc.source import Span
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.signatures import Signatures

MOST_CALLS = 20_000
"""Of the functions of files, all told, that a function may expand to."""


@dataclass(frozen=True)
class Access:
    """A read in index notation: `subscript` of an axis of `extent`; seen while ranges are inferred."""

    subscript: Poly
    extent: Poly
    guarded: bool
    subject: str
    axis: int
    span: Span


def is_unknown(p: Poly) -> bool:
    """Whether p has the extent of an index whose range is still being inferred."""
    return any(s.name.startswith("?") for s in algebra.sizes(p))


class Context:
    """Facts, conditions and checks of the program being built.

    `infer_equal` is the tracer's mode: two sizes that meet are taken to be equal, which becomes a condition of the call.
    `exact` is the reader's mode: the text of an IR means just the nodes that it names, with nothing checked, converted or rewritten.
    `accesses` is a list while the ranges of an index definition are inferred, and None otherwise.
    `signatures` are there while a file is checked: `is_whole` says whether all calls were gone through nevertheless.
    """

    def __init__(
        self,
        infer_equal: bool = False,
        exact: bool = False,
        where: Callable[[], Span | None] = lambda: None,
        signatures: Signatures | None = None,
    ) -> None:
        self.exact = exact
        self.infer_equal = infer_equal
        self.where = where
        self.facts: Facts = algebra.NO_FACTS
        self.conditions: list[Condition] = []
        self.checks: list[BoundsCheck] = []
        self.names: dict[Tensor, str] = {}
        self.spans: dict[Tensor, Span] = {}
        self.origins: dict[Size, Label] = {}
        self.unnamed: set[Size] = set()  # those that have no name in the program's text
        self.parameters: dict[Tensor, tree.Parameter] = {}
        self.accesses: list[Access] | None = None
        self.live: tuple[Index, ...] = ()
        self.index_names: dict[Index, tuple[str, Poly]] = {}  # with the first of its values
        self.calls: tuple[tuple[str, Span | None], ...] = ()
        self.expanded = 0  # calls of functions of files
        self.results: dict[Hashable, Value] = {}  # of calls of functions of files
        self.divides = False  # by sizes, of which the indices in scope are taken into account
        self.signatures = signatures
        self.is_whole = True
        self.current: Span | None = None
        self.library_call: Span | None = None  # the user's call of the library's function that is being evaluated
        self.argument_spans: dict[str, Span | None] = {}  # of the built-in that is being called

    # Places.

    def place(self, span: Span | None) -> Span | None:
        return span or self.current or self.where()

    def user_place(self, span: Span | None) -> Span | None:
        """The place, or that of the call where it is inside of the library's own files."""
        return self.library_call or self.place(span)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        label: str = "",
        *others: Label,
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> CompileError:
        """A diagnostic at the span, or at the expression that is being elaborated; says through which calls it was reached."""
        chain = tuple(f"in the call of `{name}` at {at}" for name, at in reversed(self.calls) if at is not None)
        return error(code, message, self.place(span), label, *others, notes=notes + chain, help=help)

    def sized(self, p: Poly) -> str:
        """A dim with where its sizes were declared: `H (declared by w, line 2)`."""
        places = []
        for s in sorted(algebra.sizes(p) & self.origins.keys(), key=lambda s: s.name):
            label = self.origins[s]
            name = "" if p.atom is s else f"{s.name} "
            places.append(f"{name}declared by {label.text}, line {label.span.line}")
        return f"{p} ({', '.join(places)})" if places else str(p)

    def origin(self, *dims: Poly) -> tuple[str, ...]:
        """A note that says where the sizes in some dims were declared."""
        sizes = dict.fromkeys(s for d in dims for s in sorted(algebra.sizes(d) & self.origins.keys(), key=lambda s: s.name))
        places = [f"{s.name} is declared by {self.origins[s].text}, line {self.origins[s].span.line}" for s in sizes]
        return (", ".join(places),) if places else ()

    # Sizes.

    @property
    def here(self) -> Facts:
        """What is known of sizes where the indices in scope have a value."""
        return _here(self.facts, self.live)

    def nonnegative(self, p: Poly) -> bool:
        """Whether p >= 0 is proved, each index in scope having an extent of at least 1."""
        return algebra.nonnegative(p, self.here)

    def equal(self, p: Poly, q: Poly) -> bool:
        return algebra.equal(p, q, self.facts)

    def require(
        self, value: Poly, relation: Literal[">=", "=="], message: str, span: Span | None = None, code: str = "E0308", label: str = ""
    ) -> None:
        """Prove the relation of sizes, or have the call check it; what follows may rely on it. One that never holds is an error now."""
        if self.exact:
            return
        proved = self.equal(value, algebra.ZERO) if relation == "==" else algebra.nonnegative(value, self.facts)
        if proved:
            return
        if self.accesses is None and self.refutes(value, relation):
            raise self.error(code, message, span, label, notes=self.origin(value))
        self.conditions.append(Condition(value, relation, message, self.user_place(span)))
        self.learn(value, relation)

    def refutes(self, value: Poly, relation: Literal[">=", "=="]) -> bool:
        """Whether the relation of sizes is known not to hold."""
        return algebra.nonnegative(-value - 1, self.facts) or (relation == "==" and algebra.nonnegative(value - 1, self.facts))

    def require_divisors(self, p: Poly, span: Span | None = None) -> None:
        """The algebra takes symbolic divisors to be at least 1: prove it where an index is in scope, or have the call check it."""
        for d in sorted(algebra.divisors(p), key=str):
            if not self.nonnegative(d - 1):
                elements = algebra.ONE
                self.divides = True
                for index in self.live:
                    elements = elements * index.extent
                self.require(elements * (d - 1), ">=", f"a division by {d}, which must be at least 1", span, code="E0308")

    def learn(self, value: Poly, relation: Literal[">=", "=="]) -> None:
        for fact in (value,) if relation == ">=" else (value, -value):
            alike = {f for f in self.facts if _parted(f)[0] == _parted(fact)[0]}
            strongest = min((fact, *alike), key=lambda f: _parted(f)[1])
            self.facts = self.facts - alike | {strongest}

    def meet(self, p: Poly, q: Poly) -> Poly | None:
        """The size that two equal axes have; None where they are not known to be equal."""
        if p is q or self.equal(p, q):
            return q if q.constant is not None else p
        if self.accesses is not None and (is_unknown(p) or is_unknown(q)):
            return q if is_unknown(p) else p
        if self.infer_equal and self.accesses is None and not (p.constant is not None and q.constant is not None):
            if self.nonnegative(p - q - 1) or self.nonnegative(q - p - 1):
                return None
            self.require(p - q, "==", f"{p} and {q} must be equal: these axes meet", self.place(None))
            return q if q.constant is not None else p
        return None

    def count_calls(self, name: str, span: Span | None, number: int = 1) -> None:
        """Count calls of functions of files, of which there may be so many."""
        self.expanded += number
        if self.expanded > MOST_CALLS:
            help = "functions are expanded where they are called: call a smaller one several times from Python"
            raise self.error("E0614", f"the calls expand to more than {MOST_CALLS:,}", span, f"a call of `{name}`", help=help)

    # Arrays.

    def settle(self, value: Array, name: str | None = None, span: Span | None = None) -> Array:
        """The array as one load of a tensor of its own, if it is more than a move; open and weak 0-d arrays only where they are deep."""
        if isinstance(value.body, (Load, Const, Int)):
            if isinstance(value.body, Load) and not value.free and name is not None:
                self.remember(value.body.tensor, name, span)
            return value
        if value.free or (value.weak and not value.axes):
            return self.shallow(value, span)
        return self._own(value, name, span)

    def shallow(self, value: Array, span: Span | None = None) -> Array:
        """The array itself, or where its body has grown deep, a load of a tensor of its own."""
        return value if self.exact or depth(value.body) < build.DEPTH // 2 else self._own(value, None, span)

    def _own(self, value: Array, name: str | None, span: Span | None) -> Array:
        tensor = value.tensor()
        self.remember(tensor, name, span)
        own = of_tensor(tensor, value.free)
        return Array(own.axes, own.body, value.weak)

    def remember(self, tensor: Tensor, name: str | None, span: Span | None) -> None:
        """A tensor's name and place: the first that it is given."""
        if self.accesses is None:
            if name is not None:
                self.names.setdefault(tensor, name)
            at = self.user_place(span)
            if at is not None:
                self.spans.setdefault(tensor, at)

    @contextmanager
    def collecting(self) -> Iterator[list[Access]]:
        """Evaluation that only records accesses: conditions, checks and facts that it comes to are forgotten, and calls not counted."""
        kept = self.facts, len(self.conditions), len(self.checks), self.accesses, self.results, self.expanded
        found: list[Access] = []
        self.accesses, self.results = found, {}
        try:
            yield found
        finally:
            self.facts = kept[0]
            del self.conditions[kept[1] :]
            del self.checks[kept[2] :]
            self.accesses, self.results, self.expanded = kept[3:]

    @contextmanager
    def scope(self, live: Sequence[Index]) -> Iterator[None]:
        """Indices that are in scope."""
        kept = self.live
        self.live = (*kept, *live)
        try:
            yield
        finally:
            self.live = kept

    def check_place(self, place: Poly, extent: Poly, subject: str, axis: int, span: Span | None) -> None:
        """Have every value that `place` takes checked while running to be in 0 .. extent-1."""
        if self.accesses is not None:
            return
        body = build.integer(place)
        free = sorted(indices(body), key=lambda a: a.level)
        self.checks.append(BoundsCheck(build.define(free, body), extent, subject, axis, self.user_place(span)))


@lru_cache(maxsize=256)
def _here(facts: Facts, live: tuple[Index, ...]) -> Facts:
    return facts | {a.extent - 1 for a in live}


@cache
def _parted(p: Poly) -> tuple[tuple[tuple[algebra.Monomial, int], ...], int]:
    """The terms of p that have atoms, and its constant."""
    return tuple(t for t in p.terms if t[0]), next((c for m, c in p.terms if not m), 0)


def merge(errors: Sequence[CompileError]) -> list[Diagnostic]:
    """All diagnostics of several errors: of those of one code at one place the one with the fewest notes, which no call led to."""
    seen: dict[tuple[str, str], Diagnostic] = {}
    for e in errors:
        for d in e.diagnostics:
            key = d.code, str(d.span)
            if key not in seen or len(d.notes) < len(seen[key].notes):
                seen[key] = d
    return list(seen.values())
