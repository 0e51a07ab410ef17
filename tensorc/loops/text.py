"""Kernels as text, to be read: loops, accumulators and stores, one a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.tensor import Apply, Const, Int, IsZero, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.loops.nest import Bind, Carry, Done, Fold, For, Init, Kernel, Let, Memory, Schedule, SortRow, Statement, Store, Update

Names = Mapping[Index, str]


def show(kernel: Kernel) -> str:
    """A kernel and its nest."""
    reads, writes = (", ".join(map(_declared, part)) for part in (kernel.reads, kernel.writes))
    lines = [f"kernel {kernel.name}({reads}) -> {writes}"]
    lines += [f"  scratch {_declared(s)}" for s in kernel.scratch]
    for s in kernel.body:
        lines += _statement(s, kernel.names, "  ")
    return "\n".join(lines)


def show_schedule(schedule: Schedule) -> str:
    """What is stored and which kernels run, without their nests."""
    lines = [f"schedule {schedule.name}({', '.join(map(_declared, schedule.inputs))})"]
    for title, buffers in (("result", schedule.results), ("check", schedule.checks), ("intermediate", schedule.intermediates)):
        lines += [f"  {title} {_declared(b)}" for b in buffers]
    lines += [f"  view {_declared(view)} of {base.name}" for view, base in schedule.aliases.items()]
    for k in schedule.kernels:
        lines.append(f"  kernel {k.name}({', '.join(m.name for m in k.reads)}) -> {', '.join(m.name for m in k.writes)}")
    return "\n".join(lines)


def _declared(m: Memory) -> str:
    return f"{m.name}: {m.dtype}[{', '.join(map(str, m.extents))}]"


def _statement(s: Statement, names: Names, indent: str) -> list[str]:
    match s:
        case For(axis, bind, body, parallel, within):
            space = f"block of {names[axis]}" if within else algebra.show(axis.extent)
            lines = [f"{indent}for {names[axis]} in {space}: {'parallel ' if parallel else ''}{_bind(bind)}"]
            for inner in body:
                lines += _statement(inner, names, indent + "  ")
            return lines
        case Let(var, value):
            return [f"{indent}{var.name} = {show_scalar(value, names)}"]
        case Init(var, monoid, over, bind):
            apart = "" if bind.kind == "serial" else f", {_bind(bind)}"
            return [f"{indent}acc {var.name} = {monoid} over {', '.join(names[a] for a in over)}{apart}"]
        case Fold(var, monoid, value, _):
            return [f"{indent}{var.name} {monoid}= {show_scalar(value, names)}"]
        case Carry(var, monoid, value, decay):
            factor = "" if decay is None else f"   after {var.name} *= {show_scalar(decay, names)}"
            return [f"{indent}{var.name} {monoid}= {show_scalar(value, names)}{factor}"]
        case Done(var, _, _):
            return [f"{indent}done {var.name}"]
        case Store(memory, subscripts, value, where):
            return [f"{indent}{_place(memory, subscripts, names)} = {show_scalar(value, names)}{_where(where, names)}"]
        case Update(memory, subscripts, monoid, value, _, where):
            return [f"{indent}{_place(memory, subscripts, names)} {monoid}= {show_scalar(value, names)}{_where(where, names)}"]
        case SortRow(keys, permutation, row, _, descending, _):
            at = "".join(f"{_poly(s, names)}, " for s in row)
            return [f"{indent}{permutation.name}[{at}:] = order of {keys.name}[{at}:]{', descending' if descending else ''}"]
        case _:
            assert_never(s)


def _bind(bind: Bind) -> str:
    return bind.kind if bind.kind == "serial" else f"{bind.kind} {bind.count}"


def _where(where: Scalar | None, names: Names) -> str:
    return "" if where is None else f" where {show_scalar(where, names)}"


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


def show_scalar(s: Scalar, names: Names) -> str:
    """A scalar as .tx text; a term that stands in it twice is written twice."""
    return _scalar(s, names)


def _scalar(s: Scalar, names: Names, inner: bool = False) -> str:
    match s:
        case Const(value, _):
            return str(value).lower() if isinstance(value, bool) else repr(value)
        case Int(p):
            text = _poly(p, names)
            return f"({text})" if inner and len(p.terms) > 1 else text
        case Nonnegative(p):
            return _grouped(_comparison(p, ">=", names), inner)
        case IsZero(p):
            return _grouped(_comparison(p, "==", names), inner)
        case Load(t, subscripts):
            return _place(t, subscripts, names)
        case Select(condition, then, otherwise):
            return f"where({', '.join(_scalar(part, names) for part in (condition, then, otherwise))})"
        case Apply(operation, arguments, dtype):
            texts = [_scalar(a, names, True) for a in arguments]
            infix = OPERATIONS[operation].infix
            if infix is not None and len(texts) == 2:
                return _grouped(f"{texts[0]} {infix} {texts[1]}", inner)
            if operation == "neg":
                return f"-{texts[0]}"
            plain = [_scalar(a, names) for a in arguments]
            return f"{operation}({', '.join(plain + [dtype.name] * OPERATIONS[operation].converts)})"
        case _:
            assert_never(s)


def _comparison(p: Poly, relation: str, names: Names) -> str:
    """`p >= 0` with what is subtracted on the right."""
    left = Poly(tuple((m, c) for m, c in p.terms if c > 0))
    right = Poly(tuple((m, -c) for m, c in p.terms if c < 0))
    return f"{_poly(left, names)} {relation} {_poly(right, names)}"


def _grouped(text: str, inner: bool) -> str:
    return f"({text})" if inner else text
