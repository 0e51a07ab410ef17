"""Kernels as text, to be read: loops, accumulators and stores, one a line.

`s sum= x` folds into an accumulator or updates memory; `acc` begins an accumulator and `done` ends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.tensor import Apply, Const, Int, IsZero, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.ir.walk import children, postorder
from tensorc.loops.nest import (
    Bind,
    Carry,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Memory,
    Schedule,
    SortRow,
    Statement,
    Store,
    Test,
    Update,
    When,
    scalars,
)

Names = Mapping[Index, str]


def show(kernel: Kernel) -> str:
    """A kernel and its nest."""
    reads, writes = (", ".join(map(declared, part)) for part in (kernel.reads, kernel.writes))
    lines = [f"kernel {kernel.name}({reads}) -> {writes}{_when(kernel.when)}"]
    lines += [f"  scratch {declared(s)}" for s in kernel.scratch]
    for s in kernel.body:
        lines += _statement(s, kernel.names, "  ")
    return "\n".join(lines)


def show_schedule(schedule: Schedule) -> str:
    """What is stored and which kernels run, without their nests."""
    lines = [f"schedule {schedule.name}({', '.join(map(declared, schedule.inputs))})"]
    lines += [f"  size {name} = {value}" for name, value in schedule.derived.items()]
    for title, buffers in (("result", schedule.results), ("check", schedule.checks), ("intermediate", schedule.intermediates)):
        lines += [f"  {title} {declared(b)}" for b in buffers]
    lines += [f"  view {declared(view)} of {base.name}" for view, base in schedule.aliases.items()]
    for k in schedule.kernels:
        lines.append(f"  kernel {k.name}({', '.join(m.name for m in k.reads)}) -> {', '.join(m.name for m in k.writes)}{_when(k.when)}")
    return "\n".join(lines)


def _when(when: When) -> str:
    """Where a kernel runs, of those that do the same in other ways: the first whose tests hold."""
    told = [" and ".join(map(_test, switch.ways[way])) for switch, way in when]
    return "".join(f" if {tests}" if tests else " otherwise" for tests in told)


def _test(t: Test) -> str:
    value = algebra.show(t.value)
    return f"{value} <= {t.most}" if t.least == 0 else f"{value} >= {t.least}"


def statement(s: Statement, names: Names) -> list[str]:
    """A statement as lines; a loop with all that is in it."""
    return _statement(s, names, "")


def declared(m: Memory) -> str:
    """Memory with its type."""
    return f"{m.name}: {m.dtype}[{', '.join(map(str, m.extents))}]"


def _statement(s: Statement, names: Names, indent: str) -> list[str]:
    text = _Scalars(scalars(s), names)
    return [indent + line for line in text.lines] + _line(s, names, text, indent)


def _line(s: Statement, names: Names, scalars: _Scalars, indent: str) -> list[str]:
    match s:
        case For(axis, bind, body, parallel, within, part, only):
            space = f"block of {names[axis]}" if within else algebra.show(axis.extent)
            if part is not None:
                space += f", part {names[part.number]} of {algebra.show(part.size)}"
            if only:
                space += f" where {' and '.join(_comparison(p, '>=', names) for p in only)}"
            lines = [f"{indent}for {names[axis]} in {space}: {'parallel ' if parallel else ''}{_bind(bind)}"]
            for inner in body:
                lines += _statement(inner, names, indent + "  ")
            return lines
        case Let(var, value):
            return [f"{indent}{var.name} = {scalars.text(value)}"]
        case Init(var, monoid, over, bind):
            apart = "" if bind.kind == "serial" else f", {_bind(bind)}"
            return [f"{indent}acc {var.name} = {monoid} over {', '.join(names[a] for a in over)}{apart}"]
        case Fold(var, monoid, value, _):
            return [f"{indent}{var.name} {monoid}= {scalars.text(value)}"]
        case Carry(var, monoid, value, decay):
            factor = "" if decay is None else f"   after {var.name} *= {scalars.text(decay)}"
            return [f"{indent}{var.name} {monoid}= {scalars.text(value)}{factor}"]
        case Done(var, _, _):
            return [f"{indent}done {var.name}"]
        case Store(memory, subscripts, value, where):
            return [f"{indent}{_place(memory, subscripts, names)} = {scalars.text(value)}{_where(where, scalars)}"]
        case Update(memory, subscripts, monoid, value, _, where):
            return [f"{indent}{_place(memory, subscripts, names)} {monoid}= {scalars.text(value)}{_where(where, scalars)}"]
        case SortRow(keys, permutation, row, _, descending, _, first):
            places = ":" if first is None else f":{first}"
            at = "".join(f"{_poly(s, names)}, " for s in row)
            return [f"{indent}{permutation.name}[{at}{places}] = order of {keys.name}[{at}:]{', descending' if descending else ''}"]
        case _:
            assert_never(s)


def _bind(bind: Bind) -> str:
    return bind.kind if bind.kind == "serial" else f"{bind.kind} {bind.count}"


def _where(where: Scalar | None, scalars: _Scalars) -> str:
    return "" if where is None else f" where {scalars.text(where)}"


def _place(t: Tensor, subscripts: tuple[Poly, ...], names: Names) -> str:
    name = getattr(t, "name", f"t{t.serial}")
    return f"{name}[{', '.join(_poly(s, names) for s in subscripts)}]" if subscripts else name


def _poly(p: Poly, names: Names) -> str:
    def name(a: Atom) -> str | None:
        match a:
            case Index():
                return names.get(a)
            case Element(t, subscripts):
                return _place(t, subscripts, names)
            case _:
                return None

    return algebra.show(p, name)


class _Scalars:
    """Scalars as .tx text. A large term that stands in several places is written once, as a line of its own before the statement."""

    def __init__(self, scalars: Sequence[Scalar], names: Names) -> None:
        self.names = names
        self.lines: list[str] = []
        self.given: dict[Scalar, str] = {}
        for s in _shared(scalars):
            text = self.text(s)
            self.given[s] = f"${len(self.lines)}"
            self.lines.append(f"{self.given[s]} = {text}")

    def text(self, s: Scalar, inner: bool = False) -> str:
        if s in self.given:
            return self.given[s]
        match s:
            case Const(value, _):
                return str(value).lower() if isinstance(value, bool) else repr(value)
            case Int(p):
                return _grouped(_poly(p, self.names), inner and len(p.terms) > 1)
            case Nonnegative(p):
                return _grouped(_comparison(p, ">=", self.names), inner)
            case IsZero(p):
                return _grouped(_comparison(p, "==", self.names), inner)
            case Load(t, subscripts):
                return _place(t, subscripts, self.names)
            case Select(condition, then, otherwise):
                return f"where({', '.join(self.text(part) for part in (condition, then, otherwise))})"
            case Apply():
                return self._apply(s, inner)
            case _:
                assert_never(s)

    def _apply(self, s: Apply, inner: bool) -> str:
        row = OPERATIONS[s.operation]
        if row.infix is not None and row.arity == 2:
            left, right = (self.text(a, True) for a in s.arguments)
            return _grouped(f"{left} {row.infix} {right}", inner)
        if s.operation == "neg":
            return f"-{self.text(s.arguments[0], True)}"
        return f"{s.operation}({', '.join([*map(self.text, s.arguments), *[s.dtype.name] * row.converts])})"


def _shared(scalars: Sequence[Scalar]) -> list[Scalar]:
    """The terms that stand in several places and would make the text long, inner ones first."""
    order = list(dict.fromkeys(part for s in scalars for part in postorder(s)))
    places = Counter(c for s in order for c in children(s))
    length: dict[Scalar, int] = {}  # of the text, where shared terms are named
    found = []
    for s in order:
        length[s] = 1 + sum(length[c] for c in children(s))
        if places[s] > 1 and length[s] > 12:
            found.append(s)
            length[s] = 1
    return found


def _comparison(p: Poly, relation: str, names: Names) -> str:
    """`p >= 0` with what is subtracted on the right."""
    left = Poly(tuple((m, c) for m, c in p.terms if c > 0))
    right = Poly(tuple((m, -c) for m, c in p.terms if c < 0))
    return f"{_poly(left, names)} {relation} {_poly(right, names)}"


def _grouped(text: str, inner: bool) -> str:
    return f"({text})" if inner else text
