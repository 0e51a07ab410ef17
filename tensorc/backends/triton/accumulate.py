"""Reductions: a block at a time, its points apart until the end; of a whole axis at once; and of products of matrices by `tl.dot`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tensorc.algebra import Index
from tensorc.backends.triton import access, spellings, vanishing
from tensorc.backends.triton.context import WIDTH, Accumulator, Axes, Context, Value, expand, full
from tensorc.backends.triton.scalar import evaluate, union
from tensorc.backends.triton.spellings import ATOM, PRODUCT, SUM, Text
from tensorc.backends.triton.types import constant, name_of, plain, register
from tensorc.dtypes import DType, bool_, f32, f64
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, Const, Load, Scalar, Select
from tensorc.loops import text
from tensorc.loops.nest import Done, Fold, For, Init, Statement, Update, Var, statements
from tensorc.schedule.gpu.product import LEAST, Sides, sides


def type_of(dtype: DType) -> str:
    """The type of a register."""
    return name_of(register(dtype))


def identity(monoid: str, dtype: DType) -> str:
    return constant(MONOIDS[monoid].identity(dtype), dtype)


def filled(context: Context, monoid: str, axes: Axes, dtype: DType) -> str:
    """The identity at every point of the axes."""
    return f"tl.full({context.shape(axes)}, {plain(MONOIDS[monoid].identity(dtype), dtype)}, {type_of(dtype)})"


def loops_of(body: Sequence[Statement]) -> dict[Var, tuple[tuple[For, ...], Fold]]:
    """For each variable that is folded, the loops between its Init and its Fold."""
    started: dict[Var, int] = {}
    found: dict[Var, tuple[tuple[For, ...], Fold]] = {}

    def go(body: Sequence[Statement], path: tuple[For, ...]) -> None:
        for s in body:
            match s:
                case For():
                    go(s.body, (*path, s))
                case Init(var, _, _, _):
                    started[var] = len(path)
                case Fold(var, _, _, _):
                    found[var] = (path[started[var] :], s)
                case _:
                    pass

    go(body, ())
    return found


def init(context: Context, s: Init) -> None:
    if s.var not in context.folded or context.recall(("var", s.var)) is not None:  # it is there already
        return
    loops, fold_ = context.folded[s.var]
    apart = next((f.axis for f in loops if f.bind.count > 1), None)
    if product(context, fold_) is not None:
        apart = None
    axes = context.axes_of(frozenset(s.var.axes))
    looped = any(not context.is_whole(f) for f in loops)
    context.accumulators[s.var] = Accumulator(s.monoid, axes, apart, looped)
    if looped:
        context.comment(text.statement(s, context.kernel.names))
        every = context.axes_of({*axes, *([apart] if apart is not None else [])})
        name = context.names.of(("acc", s.var), s.var.name if apart is None else f"{s.var.name}_acc")
        context.line(f"{name} = {filled(context, s.monoid, every, s.var.dtype)}")


def fold(context: Context, s: Fold) -> None:
    accumulator = context.accumulators.get(s.var)
    if accumulator is None:
        return
    context.comment(text.statement(s, context.kernel.names))
    every = context.axes_of({*accumulator.axes, *([accumulator.apart] if accumulator.apart is not None else [])})
    found = product(context, s)
    if found is not None:
        _dot(context, s, found, accumulator)
        return
    exists = [] if accumulator.apart is None else needed(context, s.monoid, s.value, [accumulator.apart])
    if accumulator.looped:
        mask = expand(exists[0], every).text if exists else None
        name = context.names.of(("acc", s.var), s.var.name)
        new = _step(context, s.monoid, Text(name), s.value, every, s.var.dtype)
        context.line(f"{name} = {new.text if mask is None else f'tl.where({mask}, {new.text}, {name})'}")
        return
    assert accumulator.apart is not None
    value = _where(context, exists, _term(context, s.monoid, s.value), identity(s.monoid, s.var.dtype))
    if len(value.text.text) > WIDTH:
        value = context.named(("term", s.var), value, f"{s.var.name}_term")
    total = reduced(full(context, value, every, type_of(s.var.dtype)), every.index(accumulator.apart), s.monoid, s.var.dtype)
    _finished(context, s.var, total, accumulator.axes)


def existing(context: Context, axes: Sequence[Index]) -> list[Value]:
    """Which points of the axes exist, where not all do."""
    return [Value(Text(m), (a,)) for a in axes if (m := context.bound[a].mask) is not None]


def needed(context: Context, monoid: str, value: Scalar, axes: Sequence[Index]) -> list[Value]:
    """Which points of the axes exist, where the value is not the identity already at those that do not."""
    return [] if all(vanishing.is_identity(context, monoid, value, a) for a in axes) else existing(context, axes)


def _where(context: Context, conditions: Sequence[Value], value: Value, otherwise: str) -> Value:
    """The value where all conditions hold."""
    if not conditions:
        return value
    axes = union(context, [*conditions, value])
    mask = " & ".join(expand(c, axes).inside(spellings.AND + 1) for c in conditions)
    return Value(Text(f"tl.where({mask}, {expand(value, axes).text}, {otherwise})"), axes)


def done(context: Context, s: Done) -> None:
    accumulator = context.accumulators.pop(s.var, None)
    if accumulator is None or not accumulator.looped:
        return
    name = context.names.of(("acc", s.var), s.var.name)
    value = Text(name)
    if accumulator.apart is not None:
        every = context.axes_of({*accumulator.axes, accumulator.apart})
        value = reduced(name, every.index(accumulator.apart), accumulator.monoid, s.var.dtype)
    _finished(context, s.var, value, accumulator.axes)


def _finished(context: Context, var: Var, value: Text, axes: Axes) -> None:
    """Name the result of a reduction; a half float is rounded here, once."""
    if var.dtype.is_half:
        value = spellings.rounded(value, var.dtype)
    context.named(("var", var), Value(value, axes), var.name)


def _factors(monoid: str, value: Scalar) -> tuple[Scalar, Scalar] | None:
    """The factors of a product that is added up: it is not rounded before."""
    if monoid == "sum" and isinstance(value, Apply) and value.operation == "mul" and value.dtype.is_float:
        return value.arguments[0], value.arguments[1]
    return None


def _term(context: Context, monoid: str, value: Scalar) -> Value:
    factors = _factors(monoid, value)
    if factors is None or context.recall(("scalar", value)) is not None:
        return evaluate(context, value)
    parts = [evaluate(context, f) for f in factors]
    axes = union(context, parts)
    a, b = (expand(p, axes) for p in parts)
    return Value(Text(f"{a.inside(PRODUCT)} * {b.inside(PRODUCT + 1)}", PRODUCT), axes)


def _step(context: Context, monoid: str, old: Text, value: Scalar, axes: Axes, dtype: DType) -> Text:
    """The accumulator combined with the value: with one rounding where it is a product that is added."""
    factors = _factors(monoid, value)
    if factors is not None and register(dtype) in (f32, f64):
        a, b = (expand(evaluate(context, f), axes).text for f in factors)
        return Text(f"tl.fma({a}, {b}, {old.text})")
    return combine(monoid, old, expand(evaluate(context, value), axes), dtype)


def combine(monoid: str, a: Text, b: Text, dtype: DType) -> Text:
    """a and b combined. Which of two equal zeros is the greater is left open."""
    if dtype is bool_ and monoid == "sum":
        monoid = "any"  # true + true is true
    match monoid:
        case "sum":
            return Text(f"{a.inside(SUM)} + {b.inside(SUM + 1)}", SUM)
        case "prod":
            return Text(f"{a.inside(PRODUCT)} * {b.inside(PRODUCT + 1)}", PRODUCT)
        case "max" | "min" if dtype.is_float:
            return Text(f"{'largest' if monoid == 'max' else 'smallest'}({a.text}, {b.text})")
        case "max" | "min" if dtype is not bool_:
            return Text(f"tl.{monoid}imum({a.text}, {b.text})")
        case _:
            operator, binds = ("|", spellings.OR) if monoid in ("any", "max") else ("&", spellings.AND)
            return Text(f"{a.inside(binds)} {operator} {b.inside(binds + 1)}", binds)


FUNCTIONS = {"sum": "plus", "prod": "times", "max": "largest", "min": "smallest", "any": "either", "all": "both"}
"""What combines two terms, as a function."""


def reduced(value: str, dimension: int, monoid: str, dtype: DType) -> Text:
    """A tensor combined along a dimension."""
    if dtype is bool_:
        function = "max" if monoid in ("any", "max") else "min"
        return Text(f"tl.{function}({Text(value, SUM).inside(ATOM)}.to(tl.int32), {dimension}) != 0", spellings.COMPARE)
    if monoid == "sum":
        made = Text(f"tl.sum({value}, {dimension})")
    elif monoid in ("max", "min") and not dtype.is_float:
        made = Text(f"tl.{monoid}({value}, {dimension})")
    else:
        return Text(f"tl.reduce({value}, {dimension}, {FUNCTIONS[monoid]})")
    return spellings.convert(made, dtype) if dtype.is_integer and dtype.bits < 32 else made


# Rows in registers.


def update(context: Context, s: Update) -> None:
    """A row in registers, with one more term at each of its points."""
    row = context.rows[s.memory]  # type: ignore[index]
    over = list(context.axes_of(frozenset(s.over)))
    every = context.axes_of({*row.axes, *over})
    where = [] if s.where is None else [evaluate(context, s.where)]
    where += needed(context, s.monoid, s.value, over)
    old = row.text
    if not over:
        mask = " & ".join(expand(w, every).inside(spellings.AND + 1) for w in where) or None
        new = _step(context, s.monoid, old, s.value, row.axes, s.memory.dtype)
        context.line(f"{old.text} = {new.text if mask is None else f'tl.where({mask}, {new.text}, {old.text})'}")
        return
    (apart,) = over
    value = _where(context, where, _term(context, s.monoid, s.value), identity(s.monoid, s.memory.dtype))
    term = reduced(full(context, value, every, type_of(s.memory.dtype)), every.index(apart), s.monoid, s.memory.dtype)
    context.line(f"{old.text} = {combine(s.monoid, old, term, s.memory.dtype).text}")


# Matrix products.


def product(context: Context, s: Fold) -> Sides | None:
    """The two sides of a product of matrices, where the blocks are large enough for one."""
    if s.monoid != "sum" or not s.var.dtype.is_float:
        return None
    found = sides(s.value, s.var.axes, s.over)
    if found is None:
        return None
    rows, columns, depth = (
        [a for a in part if a in context.bound and context.bound[a].block >= LEAST] for part in (found.rows, found.columns, found.depth)
    )
    others = [a for a in context.axes_of(frozenset(s.var.axes)) if a not in (*rows, *columns)]
    return found if len(rows) == len(columns) == len(depth) == 1 and not others else None


def _dot(context: Context, s: Fold, found: Sides, accumulator: Accumulator) -> None:
    (row,), (column,), (depth,) = (
        [a for a in part if context.bound[a].block >= LEAST] for part in (found.rows, found.columns, found.depth)
    )
    dtype = found.dtype
    left, right = found.operands()
    if accumulator.axes == (column, row):
        left, right, row, column = right, left, column, row
    left_text = _operand(context, left, (row, depth), depth, dtype)
    right_text = _operand(context, right, (depth, column), depth, dtype)
    if dtype is f64 and context.vendor == "hip":
        start = context.names.of(("acc", s.var), s.var.name) if accumulator.looped else filled(context, "sum", accumulator.axes, dtype)
        text_ = f"dot_f64({left_text}, {right_text}, {start})"
    else:
        start = f", {context.names.of(('acc', s.var), s.var.name)}" if accumulator.looped else ""
        precision = f', input_precision="{_precision(context, found)}"' if dtype is f32 else ""
        wide = ", out_dtype=tl.float64" if dtype is f64 else ""
        text_ = f"tl.dot({left_text}, {right_text}{start}{precision}{wide})"
    if accumulator.looped:
        context.line(f"{context.names.of(('acc', s.var), s.var.name)} = {text_}")
        return
    _finished(context, s.var, Text(text_), accumulator.axes)


def _precision(context: Context, found: Sides) -> str:
    """Of a product of f32. A half float is one part of three parts of TF32 alone: with those of the other side nothing is lost."""
    return "tf32x3" if context.precision == "ieee" and found.is_half_exact and context.vendor == "cuda" else context.precision


def _operand(context: Context, side: Scalar, order: Axes, depth: Index, dtype: DType) -> str:
    """A factor as a matrix: in the memory's own type, 0 where there is no point of what is summed over."""
    if isinstance(side, Load) and access.is_memory(side.tensor) and set(context.axes(side)) == set(order):
        return access.load(context, side.tensor, side.subscripts, raw=True, order=order).text.text
    if isinstance(side, Select) and isinstance(side.then, Load) and isinstance(side.otherwise, Const):
        load = side.then
        if access.takes_guard(context, load, side.condition) and set(context.axes(load)) == set(order):
            guard = side.condition, side.otherwise.value
            return access.load(context, load.tensor, load.subscripts, raw=True, order=order, guard=guard).text.text
    value = evaluate(context, side)
    axes = context.axes_of(frozenset(order))
    text_ = expand(value, axes).text
    mask = context.bound[depth].mask
    if mask is not None:
        mask = expand(Value(Text(mask), (depth,)), axes).text
        text_ = f"tl.where({mask}, {text_}, {constant(0, dtype)})"
    elif value.axes != axes:
        text_ = f"tl.broadcast_to({text_}, {context.shape(axes)})"
    if dtype.is_half:
        text_ = spellings.convert(Text(text_, SUM), dtype).text
    return text_ if axes == order else f"tl.trans({text_})"


def order_of(kernel_body: Sequence[Statement], loops: Iterable[Index]) -> dict[Index, int]:
    """The order of dimensions: that of the loops, but rows, then what is summed over, then columns, for every product of matrices."""
    order = list(dict.fromkeys(loops))
    for s in statements(tuple(kernel_body)):
        if isinstance(s, Fold) and s.monoid == "sum":
            found = sides(s.value, s.var.axes, s.over)
            if found is not None:
                first = min(order.index(a) for a in (*found.rows, *found.columns))
                wanted = [*found.rows, *found.depth, *found.columns]
                rest = [a for a in order if a not in wanted]
                order = [*rest[:first], *wanted, *rest[first:]]
    return {a: n for n, a in enumerate(order)}
