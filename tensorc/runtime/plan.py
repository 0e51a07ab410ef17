"""What a call must know of a schedule whose kernels are compiled: small, and all of it can be written as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from tensorc import algebra
from tensorc.algebra import Atom, Exact, Poly, Quotient, Remainder, Size, poly
from tensorc.loops.nest import Switch, Test

W = TypeVar("W")

Strides = tuple[int | None, ...]
"""What code may rely on of a memory's strides, in elements: 0, 1, or nothing, for each axis."""


@dataclass(frozen=True)
class Owned:
    """Row-major memory in the workspace, in use from kernel `first` to kernel `last`."""

    extents: tuple[Poly, ...]
    itemsize: int
    first: int
    last: int

    def is_used(self, running: Sequence[bool]) -> bool:
        """Whether one of the kernels that run uses it, or the caller."""
        return self.last >= len(running) or any(running[self.first : self.last + 1])

    def bytes(self, sizes: Mapping[str, int]) -> int:
        """At least one element along each axis: a clamped subscript reads the first."""
        count = self.itemsize
        for extent in self.extents:
            count *= max(algebra.evaluate(extent, sizes), 1)
        return count


@dataclass(frozen=True)
class Region:
    """A piece of a kernel, by its number, that is shared out among threads: the extents and the steps of its loops, and how much work there
    is in it.
    """

    kernel: int
    loops: tuple[tuple[Poly, int], ...]
    work: Poly

    def units(self, sizes: Mapping[str, int]) -> int:
        """How many blocks there are to share out."""
        total = 1
        for extent, step in self.loops:
            total *= -(-algebra.evaluate(extent, sizes) // step)
        return total


@dataclass(frozen=True)
class Plan:
    """The frame of a schedule, from the caller's side. `usual` are the strides of row-major inputs and results.

    `derived` are sizes that follow from those of the inputs and from earlier ones. `owned` are first the intermediates, then the checks'
    cells, both whole, then what each thread has for itself, from `shared` on. Each kernel has in `when` the ways that switches, by their
    numbers, must take for it to run.
    """

    sizes: tuple[str, ...]
    derived: tuple[tuple[str, Poly], ...]
    usual: tuple[Strides, ...]
    owned: tuple[Owned, ...]
    intermediates: int
    checks: int
    regions: tuple[Region, ...]
    work: Poly
    length: int
    inputs: int
    switches: tuple[Switch, ...] = ()
    when: tuple[tuple[tuple[int, int], ...], ...] = ()

    def running(self, sizes: Mapping[str, int]) -> tuple[bool, ...]:
        """Of each kernel whether it runs at such sizes, derived ones among them."""
        taken = [s.taken(sizes) for s in self.switches]
        return tuple(all(taken[switch] == way for switch, way in when) for when in self.when)

    def complete(self, sizes: Mapping[str, int]) -> Mapping[str, int]:
        """The sizes of the inputs with those that follow from them."""
        if not self.derived:
            return sizes
        found = dict(sizes)
        for name, value in self.derived:
            found[name] = algebra.evaluate(value, found)
        return found

    def words(
        self,
        sizes: Iterable[W],
        strides: Iterable[W],
        places: Iterable[W],
        threads: Sequence[W],
        regions: Iterable[tuple[W, W]],
        runs: Iterable[W],
        none: W,
    ) -> list[W]:
        """The words of the frame behind the pointers, in its order. `threads` are how many, what runs them, and where their scratch
        begins and how far apart it is; `regions` the units and the chunk of each; `runs` is 0 for each of the kernels that do not always
        run that does not; `none` stands for what a kernel writes itself.
        """
        return [*sizes, *strides, *places, *threads, *(word for region in regions for word in region), *runs, none]

    @property
    def shared(self) -> int:
        return self.intermediates + self.checks

    @property
    def pointers(self) -> int:
        """How many words at the start of the frame change with each call."""
        return len(self.usual) + 1

    @cached_property
    def none(self) -> tuple[Strides, ...]:
        """Strides that nothing is known of."""
        return tuple((None,) * len(known) for known in self.usual)


# As JSON.


def to_json(plan: Plan) -> dict[str, Any]:
    return {
        "sizes": plan.sizes,
        "derived": [[name, _sum(value)] for name, value in plan.derived],
        "usual": plan.usual,
        "owned": [[_sums(o.extents), o.itemsize, o.first, o.last] for o in plan.owned],
        "intermediates": plan.intermediates,
        "checks": plan.checks,
        "regions": [[r.kernel, [[_sum(extent), step] for extent, step in r.loops], _sum(r.work)] for r in plan.regions],
        "work": _sum(plan.work),
        "length": plan.length,
        "inputs": plan.inputs,
        "switches": [[[[_sum(t.value), t.least, t.most] for t in tests] for tests in s.ways] for s in plan.switches],
        "when": plan.when,
    }


def from_json(made: Mapping[str, Any]) -> Plan:
    return Plan(
        tuple(made["sizes"]),
        tuple((name, _poly(value)) for name, value in made["derived"]),
        tuple(tuple(known) for known in made["usual"]),
        tuple(Owned(tuple(map(_poly, extents)), *rest) for extents, *rest in made["owned"]),
        made["intermediates"],
        made["checks"],
        tuple(
            Region(kernel, tuple((_poly(extent), step) for extent, step in loops), _poly(work)) for kernel, loops, work in made["regions"]
        ),
        _poly(made["work"]),
        made["length"],
        made["inputs"],
        tuple(Switch(tuple(tuple(Test(_poly(value), *rest) for value, *rest in tests) for tests in ways)) for ways in made["switches"]),
        tuple(tuple((switch, way) for switch, way in when) for when in made["when"]),
    )


def _sums(polys: Sequence[Poly]) -> list[Any]:
    return list(map(_sum, polys))


def _sum(p: Poly) -> Any:
    """A number, or the terms: each a coefficient and its factors. ValueError for what depends on more than sizes."""
    if p.constant is not None:
        return p.constant
    return [[coefficient, *map(_factor, atoms)] for atoms, coefficient in p.terms]


def _factor(a: Atom) -> Any:
    match a:
        case Size(name):
            return name
        case Exact(numerator, divisor):
            return {"exact": [_sum(numerator), _sum(divisor)]}
        case Quotient(numerator, divisor):
            return {"//": [_sum(numerator), _sum(divisor)]}
        case Remainder(numerator, divisor):
            return {"%": [_sum(numerator), _sum(divisor)]}
        case _:
            raise ValueError(f"{a} is known at no call")


_ATOMS: dict[str, type[Exact] | type[Quotient] | type[Remainder]] = {"exact": Exact, "//": Quotient, "%": Remainder}


def _poly(made: Any) -> Poly:
    if isinstance(made, int):
        return poly(made)
    total = poly(0)
    for coefficient, *factors in made:
        term = poly(coefficient)
        for factor in factors:
            term = term * _atom(factor)
        total = total + term
    return total


def _atom(made: Any) -> Poly:
    if isinstance(made, str):
        return algebra.size(made)
    ((kind, (numerator, divisor)),) = made.items()
    atom: Exact | Quotient | Remainder = _ATOMS[kind](_poly(numerator), _poly(divisor))
    return poly(atom)
