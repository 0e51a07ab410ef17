"""grad, vjp, jvp, vmap and their kin as functions of functions: what they give is called like any other function.

The function is elaborated with placeholders for its arguments, its graph is transformed, and the arguments take the placeholders' places.
So they nest in any order, and the same arguments may be given twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from tensorc.algebra import Poly
from tensorc.diagnostics import CompileError
from tensorc.dtypes import DTYPES, DType
from tensorc.elaborate import arrays
from tensorc.elaborate.boundary import Boundary, bare, by_result, flatten, rebuilt
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import builtin
from tensorc.elaborate.values import (
    MISSING,
    Array,
    Builtin,
    List,
    Routine,
    Transformed,
    Tuple,
    Value,
    describe,
    static_constant,
)
from tensorc.ir import build
from tensorc.ir.tensor import Input, Tensor
from tensorc.source import Span
from tensorc.syntax import tree

Function = Routine | Builtin | Transformed

Argument = tuple[str | None, Value, Span | None]


def derive() -> ModuleType:
    """What differentiates, which programs without derivatives need not load."""
    from tensorc.transform import derive

    return derive


# The functions of functions.


def _register(kind: str, option: str, doc: str) -> None:
    def make(context: Context, f: Value, option: Value) -> Transformed:
        span = context.argument_spans.get("f")
        if not isinstance(f, (Routine, Builtin, Transformed)):
            raise context.error(
                "E0704", f"`{kind}` wants a function, found {describe(f)}", span, describe(f), help=f"`{kind}(f)(x)`, not `{kind}(f(x))`"
            )
        if isinstance(f, Builtin) and f.name in KINDS:
            raise context.error(
                "E0704", f"`{kind}` wants a function of tensors, and `{f.name}` is one of functions", span, help=f"`{kind}({f.name}(g))`"
            )
        match kind:
            case "hvp":
                return Transformed("hvp", Transformed("grad", f, option), option)
            case "hessian":
                return Transformed("jacfwd", Transformed("grad", f, option), option)
            case _:
                return Transformed(kind, f, option)

    make.__doc__ = doc
    defaults: dict[str, Any] = {option: arrays.constant(0) if kind == "vmap" else None}
    builtin(kind, f"f {option}", **defaults)(make)


KINDS = {
    "grad": ("wrt", "The function that gives the gradient of f's scalar result by its arguments `wrt`: names, or every float tensor."),
    "value_and_grad": ("wrt", "As `grad`, of (f's value, the gradient)."),
    "vjp": ("wrt", "The function of f's arguments and its results' cotangents that gives (f's results, the arguments' cotangents)."),
    "jvp": ("wrt", "The function of f's arguments and their tangents that gives (f's results, their tangents)."),
    "hvp": ("wrt", "The function of f's arguments and tangents like `wrt` that gives the product of f's Hessian and the tangents."),
    "jacrev": ("wrt", "The function that gives the derivative of f's result by `wrt`, of axes [*result, *argument], by reverse mode."),
    "jacfwd": ("wrt", "As `jacrev`, by forward mode."),
    "hessian": ("wrt", "The function that gives the second derivative of f's scalar result by `wrt`, of axes [*argument, *argument]."),
    "vmap": (
        "in_axes",
        "f for each place along an axis of its arguments: `in_axes` is an axis, none, or one of these for each tensor argument.",
    ),
}

for _kind, (_option, _doc) in KINDS.items():
    _register(_kind, _option, _doc)


# Arguments.


@dataclass(frozen=True)
class Given:
    """An argument of a function that is transformed: `label` is the parameter's name; `is_static` arguments pass as they are."""

    name: str | None
    value: Value
    span: Span | None
    label: str
    is_static: bool

    @property
    def is_float(self) -> bool:
        return not self.is_static and isinstance(self.value, Array) and self.value.dtype.is_float

    @property
    def argument(self) -> Argument:
        return self.name, self.value, self.span


def given(context: Context, f: Function, arguments: Sequence[Argument]) -> list[Given]:
    """The arguments with the parameters that they are for; tensors have the dtype that the function takes them in."""
    inner = f
    while isinstance(inner, Transformed):
        inner = inner.function
    found = []
    for position, (name, value, span) in enumerate(arguments):
        label, declared = _parameter(inner, name, position)
        if declared is None:
            static = not isinstance(value, (Array, List)) or (
                isinstance(value, Array) and value.weak and not value.axes and isinstance(inner, Builtin)
            )
        else:
            static = isinstance(declared.type, tree.StaticType)
        if not static:
            value = arrays.as_array(context, value, span)
        found.append(Given(name, value, span, label, static))
    return [replace(g, value=_settled(context, inner, g, found)) for g in found]


def _parameter(f: Routine | Builtin, name: str | None, position: int) -> tuple[str, tree.Parameter | None]:
    """(what the argument is called, its declaration where there is one)."""
    if isinstance(f, Builtin):
        names = [n for n, _ in f.parameters]
        return name or (names[position] if position < len(names) else f"argument {position}"), None
    declared = list(f.function.parameters)
    found = next((p for p in declared if p.name == name), None) if name else declared[position] if position < len(declared) else None
    return (found.name if found is not None else name or f"argument {position}"), found


def _settled(context: Context, f: Routine | Builtin, g: Given, every: Sequence[Given]) -> Value:
    """A tensor argument as one of a dtype of its own: weak ones take the parameter's."""
    if g.is_static or not isinstance(g.value, Array) or not g.value.weak:
        return g.value
    want: DType = arrays.strong_dtype(g.value.dtype)
    if isinstance(f, Routine):
        declared = {p.name: p.type.dtype for p in f.function.parameters if isinstance(p.type, tree.TensorType)}
        if g.label not in declared:
            return g.value  # a cotangent or tangent takes the dtype of what it is for
        written = declared[g.label]
        others = (o.value.dtype for o in every if declared.get(o.label) == written and isinstance(o.value, Array) and not o.value.weak)
        kind = next((t.kind for t in f.function.type_parameters if t.name == written), None)
        want = DTYPES.get(written) or next(others, DTYPES["f32"] if kind == "float" else want)
    return arrays.convert(context, g.value, want, g.span) if g.value.dtype.category <= want.category else g.value


def required(f: Function, keywords: Sequence[str | None]) -> int:
    """How many positional arguments a function wants at least."""
    while isinstance(f, Transformed):
        f = f.function
    if isinstance(f, Builtin):
        names = [n for n, d in f.parameters if d is MISSING]
    else:
        names = [p.name for p in f.function.parameters if p.default is None]
    return sum(n not in keywords for n in names)


def selected(context: Context, kind: str, wrt: Value, arguments: Sequence[Given]) -> tuple[list[Given], bool]:
    """(the arguments that `wrt` names, whether there is one alone to be given bare)."""
    span = context.current
    floats = [g for g in arguments if g.is_float]
    if wrt is None:
        if not floats:
            raise context.error("E0703", f"`{kind}` of a function of no float tensor", span, help="integers and bools have no derivative")
        return floats, len(floats) == 1
    names = list(wrt.items) if isinstance(wrt, (Tuple, List)) else [wrt]
    found = []
    for name in names:
        known = ", ".join(f"`{g.label}`" for g in floats)
        if not isinstance(name, str):
            raise context.error(
                "E0702", f"`wrt` is a parameter's name or several, found {describe(name)}", span, help=f"the float tensors are {known}"
            )
        g = next((g for g in arguments if g.label == name), None)
        if g is None:
            raise context.error("E0702", f"`wrt` names `{name}`, which is no argument here", span, help=f"the float tensors are {known}")
        if not g.is_float:
            raise context.error(
                "E0703",
                f"`{name}` is {describe(g.value)}: it has no derivative",
                g.span or span,
                describe(g.value),
                help=f"the float tensors are {known}",
            )
        found.append(g)
    return found, isinstance(wrt, str)


# Calls. Each takes what calls the function inside, so that elaboration and tracing share them.


class Call:
    """One call of a transformed function: `inside` gives the function's arguments, `finish` makes the result of what it returns."""

    def __init__(self, context: Context, f: Transformed, arguments: Sequence[Argument]) -> None:
        self.context = context
        self.kind = f.kind
        self.option = f.option
        self.function = f.function
        self.span = context.current
        self.arguments = given(context, f.function, arguments)
        self.boundary = Boundary(context, None if f.kind != "vmap" else self._batch_extent())
        self.extra: list[Given] = []

    def inside(self) -> list[Argument]:
        """The arguments of the function, as placeholders."""
        if self.kind in ("jvp", "hvp"):
            self._split(self._tangents())
        elif self.kind == "vjp":
            self._split(required(self.function, [g.name for g in self.arguments]))
        return self._enter()

    def again(self, result: Value) -> list[Argument] | None:
        """The arguments for a second try, where the number of a vjp's results says that more of them are the function's."""
        if self.kind != "vjp":
            return None
        wanted = sum(a.dtype.is_float for a in flatten(self.context, result, self.kind))
        if len(self.extra) <= wanted:
            return None
        self.arguments = self.arguments + self.extra
        positional = sum(g.name is None for g in self.arguments)
        self.extra = []
        self.boundary = Boundary(self.context)
        self._split(positional - wanted)
        return self._enter()

    def _enter(self) -> list[Argument]:
        self.placeholders: dict[str, Array] = {}
        found: list[Argument] = []
        axes = self._axes() if self.kind == "vmap" else {}
        for g in self.arguments:
            if g.is_static:
                found.append(g.argument)
            else:
                assert isinstance(g.value, Array)
                self.placeholders[g.label] = self.boundary.enter(g.label, g.value, axes.get(g.label))
                found.append((g.name, self.placeholders[g.label], g.span))
        return found

    def finish(self, result: Value) -> Value:
        self.context.current = self.span
        return getattr(self, f"_{self.kind}")(result)  # type: ignore[no-any-return]

    # grad, value_and_grad.

    def _value_and_grad(self, result: Value) -> Value:
        context = self.context
        if not isinstance(result, Array) or result.rank or not result.dtype.is_float:
            help = (
                "sum it to a scalar, or use `vjp` with a cotangent of its shape"
                if isinstance(result, Array) and result.dtype.is_float
                else "return one float scalar"
            )
            raise context.error(
                "E0701", f"`{self.kind}` wants a scalar result, found {describe(result)}", self.span, describe(result), help=help
            )
        chosen, alone = selected(context, self.kind, self.option, self.arguments)
        value = arrays.strong(context, result).tensor()
        wrt = [self._input(g) for g in chosen]
        one = build.define((), build.constant(1, value.dtype))
        found = wrt if self.boundary.is_draft else derive().vjp([value], [one], wrt, context.facts)
        whole = self.boundary.leave([value, *found])
        return Tuple((whole[0], bare(whole[1:], alone)))

    def _grad(self, result: Value) -> Value:
        pair = self._value_and_grad(result)
        assert isinstance(pair, Tuple)
        return pair.items[1]

    # vjp, jvp.

    def _vjp(self, result: Value) -> Value:
        context = self.context
        outputs = flatten(context, result, self.kind)
        floats = [a for a in outputs if a.dtype.is_float]
        if len(floats) != len(self.extra):
            raise self._wrong_number(len(floats), "cotangent", "float result")
        seeds = [self._seed(g, a) for g, a in zip(self.extra, floats, strict=True)]
        chosen, alone = selected(context, self.kind, self.option, self.arguments)
        wrt = [self._input(g) for g in chosen]
        tensors = [a.tensor() for a in outputs]
        found = wrt if self.boundary.is_draft else derive().vjp([a.tensor() for a in floats], seeds, wrt, context.facts)
        whole = self.boundary.leave([*tensors, *found])
        return Tuple((rebuilt(result, whole[: len(tensors)]), bare(whole[len(tensors) :], alone)))

    def _jvp(self, result: Value) -> Value:
        context = self.context
        outputs = flatten(context, result, self.kind)
        tensors = [a.tensor() for a in outputs]
        floats = [a.tensor() for a in outputs if a.dtype.is_float]
        chosen, _ = selected(context, self.kind, self.option, self.arguments)
        given = {self._input(g): self._seed(t, self.placeholders[g.label]) for g, t in zip(chosen, self.extra, strict=True)}
        found = floats if self.boundary.is_draft else derive().jvp(floats, given)
        whole = self.boundary.leave([*tensors, *found])
        return Tuple((rebuilt(result, whole[: len(tensors)]), by_result(result, whole[len(tensors) :])))

    def _hvp(self, gradient: Value) -> Value:
        pair = self._jvp(gradient)
        assert isinstance(pair, Tuple)
        return pair.items[1]

    # jacrev, jacfwd.

    def _jacobian(self, result: Value) -> Value:
        context = self.context
        floats = [a.tensor() for a in flatten(context, result, self.kind) if a.dtype.is_float]
        if not floats:
            raise context.error("E0701", f"`{self.kind}` wants a float result, found {describe(result)}", self.span, describe(result))
        chosen, alone = selected(context, self.kind, self.option, self.arguments)
        wrt = [self._input(g) for g in chosen]
        found = [part for y in floats for part in self._derivatives(y, wrt)]
        parts = self.boundary.leave(found)
        groups = [parts[n : n + len(wrt)] for n in range(0, len(parts), len(wrt))]
        return by_result(result, [bare(g, alone) for g in groups])

    _jacrev = _jacfwd = _jacobian

    def _derivatives(self, y: Tensor, wrt: Sequence[Tensor]) -> Sequence[Tensor]:
        forward = self.kind == "jacfwd"
        if self.boundary.is_draft:
            return [Input("jacobian~", (*y.extents, *x.extents), y.dtype if forward else x.dtype) for x in wrt]
        found: Sequence[Tensor] = derive().derivative_tensors(y, wrt, forward, self.context.facts)
        return found

    def _input(self, g: Given) -> Tensor:
        return self.placeholders[g.label].tensor()

    def _seed(self, g: Given, like: Array) -> Tensor:
        """The placeholder of a cotangent or tangent, which has the extents and dtype of what it is for."""
        context = self.context
        value = g.value
        assert isinstance(value, Array)
        if value.weak:
            value = arrays.convert(context, value, like.dtype, g.span)
        if (
            value.dtype is not like.dtype
            or value.rank != like.rank
            or any(context.meet(p, q) is None for p, q in zip(value.extents, like.extents, strict=True))
        ):
            name = "cotangent" if self.kind == "vjp" else "tangent"
            raise context.error(
                "E0705",
                f"the {name} of {describe(like)} is {describe(g.value)}",
                g.span or self.span,
                describe(g.value),
                help="it has the same shape and dtype",
            )
        return self.boundary.enter("cotangent" if self.kind == "vjp" else "tangent", value).tensor()

    def _tangents(self) -> int:
        """How many of the positional arguments are the function's: the others are one tangent for each float tensor of these."""
        keywords = [g for g in self.arguments if g.name is not None]
        positional = [g for g in self.arguments if g.name is None]
        for taken in range(required(self.function, [g.name for g in keywords]), len(positional) + 1):
            chosen = self._chosen([*positional[:taken], *keywords])
            if taken + len(chosen) == len(positional):
                return taken
        taken = required(self.function, [g.name for g in keywords])
        self.extra = positional[taken:]
        raise self._wrong_number(len(self._chosen([*positional[:taken], *keywords])), "tangent", "float tensor argument")

    def _chosen(self, arguments: Sequence[Given]) -> list[Given]:
        if self.option is None:
            return [g for g in arguments if g.is_float]
        return selected(self.context, self.kind, self.option, arguments)[0]

    def _split(self, taken: int) -> None:
        """The positional arguments behind the first `taken` are cotangents or tangents."""
        positional = [g for g in self.arguments if g.name is None]
        rest = positional[max(taken, 0) :]
        self.extra = [self._as_tensor(g) for g in rest]
        self.arguments = [g for g in self.arguments if g not in rest]

    def _as_tensor(self, g: Given) -> Given:
        return replace(g, value=arrays.as_array(self.context, g.value, g.span), is_static=False)

    def _wrong_number(self, wanted: int, what: str, of: str) -> CompileError:
        plural = "" if wanted == 1 else "s"
        message = f"`{self.kind}` wants {wanted} {what}{plural}, one for each {of}, found {len(self.extra)}"
        return self.context.error("E0705", message, self.span, help=f"they follow the function's own arguments: `{self.kind}(f)(x, dx)`")

    # vmap.

    def _axes(self) -> dict[str, int | None]:
        """The axis that the vmap runs over, of each tensor argument."""
        context = self.context
        tensors = [g for g in self.arguments if not g.is_static]
        option = self.option
        items: list[Value] = list(option.items) if isinstance(option, (Tuple, List)) else [option] * len(tensors)
        if len(items) != len(tensors):
            message = f"`in_axes` has {len(items)} entries for {len(tensors)} tensor argument{'' if len(tensors) == 1 else 's'}"
            raise context.error("E0706", message, self.span, help="one for each tensor argument: an axis, or none")
        found: dict[str, int | None] = {}
        for g, item in zip(tensors, items, strict=True):
            assert isinstance(g.value, Array)
            axis = None if item is None else static_constant(item)
            if axis is not None and (not isinstance(axis, int) or isinstance(axis, bool) or not -g.value.rank <= axis < g.value.rank):
                shown = describe(item) if not isinstance(axis, int) else str(axis)
                help = "write `none` for an argument that all share"
                raise context.error(
                    "E0706",
                    f"`in_axes` is {shown} for `{g.label}`, which is {describe(g.value)}",
                    g.span or self.span,
                    describe(g.value),
                    help=help,
                )
            found[g.label] = None if axis is None else axis % g.value.rank
        return found

    def _batch_extent(self) -> Poly:
        extent: Poly | None = None
        axes = self._axes()
        for g in self.arguments:
            axis = axes.get(g.label)
            if axis is None or g.is_static or not isinstance(g.value, Array):
                continue
            own = g.value.extents[axis]
            met = own if extent is None else self.context.meet(extent, own)
            if met is None:
                message = f"`vmap` runs over {extent} and over {own}: axis {axis} of `{g.label}`"
                raise self.context.error("E0706", message, g.span or self.span, describe(g.value), notes=self.context.origin(own))
            extent = met
        if extent is None:
            raise self.context.error("E0706", "`vmap` over no axis", self.span, help="give an argument's axis in `in_axes`")
        return extent

    def _vmap(self, result: Value) -> Value:
        outputs = flatten(self.context, result, self.kind)
        return rebuilt(result, self.boundary.leave([a.tensor() for a in outputs]))


def invoke(evaluator: Any, f: Transformed, arguments: Sequence[Argument], span: Span | None) -> Any:
    """The task of a call of a transformed function."""
    from tensorc.elaborate import calls

    context = evaluator.context
    context.current = span
    call = Call(context, f, arguments)
    result = yield calls.invoke(evaluator, f.function, call.inside(), span)
    context.current = span
    second = call.again(result)
    if second is not None:
        result = yield calls.invoke(evaluator, f.function, second, span)
    return call.finish(result)


def apply(context: Context, f: Transformed, arguments: Sequence[Argument], run: Callable[[Function, list[Argument]], Value]) -> Value:
    """As `invoke`, where `run` calls the function."""
    call = Call(context, f, arguments)
    result = run(f.function, call.inside())
    second = call.again(result)
    return call.finish(result if second is None else run(f.function, second))
