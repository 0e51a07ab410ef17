"""What a C function takes and what it checks of it, from a program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorc.algebra import Poly, Size
from tensorc.dtypes import DType
from tensorc.ir.program import Program

NULL, SIZE, MEMORY = -1, -2, -3
"""Codes that every function may return, beside 0 and the number of a rule."""

GENERAL = {
    NULL: "an argument is NULL, or its shape or its data",
    SIZE: "a size is negative, or there is more than any memory holds",
    MEMORY: "there is no memory for the intermediates",
}

_WORDS = """
    auto break case char const continue default do double else enum extern float for goto if inline int long register restrict
    return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false nullptr constexpr
    thread_local typeof alignas alignof static_assert asm and and_eq bitand bitor catch class compl concept co_await co_return
    co_yield const_cast decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq operator or
    or_eq private protected public reinterpret_cast requires static_cast template this throw try typeid typename using virtual
    wchar_t xor xor_eq main abort abs atexit atof atoi atol calloc div exit free getenv labs ldiv malloc qsort rand realloc srand
    strtod strtol system memchr memcmp memcpy memmove memset strcat strchr strcmp strcpy strlen strncmp strstr acos acosh asin
    asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 exp10 expm1 fabs fdim floor fma fmax fmin fmod frexp
    hypot ilogb j0 j1 jn ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter
    nexttoward pow remainder remquo rint round roundeven scalbln scalbn signbit sin sinh sqrt tan tanh tgamma trunc gamma y0 y1 yn
    index printf puts read write open close time clock signal raise select send bind accept connect listen pipe fork wait kill
    sleep link unlink unix linux errno NULL INFINITY NAN int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t
"""
_RESERVED = frozenset(_WORDS.split())
"""Words that stand for something else in C, in C++ or in their libraries."""


def c_name(name: str) -> str:
    """A name that C and its library leave free: `name` itself, or `name_`."""
    twin = re.sub(r"[fl]$", "", name)
    taken = name in _RESERVED or (twin in _RESERVED and len(twin) > 1) or name.startswith(("_", "tc_"))
    return f"{name.lstrip('_') or 'f'}_" if taken else name


@dataclass(frozen=True)
class Argument:
    """An array of the caller's."""

    name: str
    dtype: DType
    extents: tuple[Poly, ...]
    is_result: bool


@dataclass(frozen=True)
class Rule:
    """What may be wrong: that an axis of an argument is not `extent`, a condition on sizes, or a check while running, these by number."""

    text: str
    axis: tuple[int, int] | None = None
    extent: Poly | None = None
    condition: int | None = None
    check: int | None = None


class Contract:
    """The C function `name` of a program. `binders` say which axis gives a size; the number of a rule in `rules` is its code less 1."""

    def __init__(self, program: Program, name: str, doc: str = "", results: Sequence[str] = ()) -> None:
        self.program = program
        self.name = name
        self.doc = doc
        names = _unlike([i.name for i in program.inputs], list(results) or _results(program))
        tensors = [*program.inputs, *program.results]
        self.arguments = tuple(
            Argument(n, t.dtype, t.extents, k >= len(program.inputs)) for k, (n, t) in enumerate(zip(names, tensors, strict=True))
        )
        self.binders: dict[str, tuple[int, int]] = {}
        for number, tensor in enumerate(program.inputs):
            for axis, extent in enumerate(tensor.extents):
                if isinstance(extent.atom, Size):
                    self.binders.setdefault(extent.atom.name, (number, axis))
        self.rules = tuple(self._rules())

    @property
    def inputs(self) -> int:
        return len(self.program.inputs)

    def _rules(self) -> Iterator[Rule]:
        for number, argument in enumerate(self.arguments):
            for axis, extent in enumerate(argument.extents):
                if self.binders.get(str(extent)) != (number, axis) or argument.is_result:
                    yield Rule(f"axis {axis} of {argument.name} is not {extent}{self._where(extent)}", (number, axis), extent)
            if number == self.inputs - 1:
                yield from self._conditions()
        if not self.inputs:
            yield from self._conditions()
        for number, check in enumerate(self.program.checks):
            place = f", line {check.span.line}" if check.span is not None else ""
            yield Rule(f"an index is out of range for axis {check.axis} of {check.subject}, which has {check.extent}{place}", check=number)

    def _conditions(self) -> Iterator[Rule]:
        for number, condition in enumerate(self.program.conditions):
            place = f", line {condition.span.line}" if condition.span is not None else ""
            yield Rule(re.sub(r"\{(\w+)\}", r"\1", condition.message) + place, condition=number)

    def _where(self, extent: Poly) -> str:
        atom = extent.atom
        if not isinstance(atom, Size):
            return ""
        number, axis = self.binders[atom.name]
        return f", which axis {axis} of {self.arguments[number].name} is"


def _results(program: Program) -> list[str]:
    return ["result"] if len(program.results) == 1 else [f"result{n}" for n in range(len(program.results))]


def _unlike(inputs: Sequence[str], results: Sequence[str]) -> list[str]:
    """Names that C leaves free, each once."""
    found: list[str] = []
    for name in (*inputs, *results):
        free = c_name(name)
        while free in found:
            free += "_"
        found.append(free)
    return found
