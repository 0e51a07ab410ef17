"""grad, value_and_grad, vjp, jvp, vmap and what is built of them, as functions that make a Function of a Function."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tensorc import compiler
from tensorc.algebra import poly
from tensorc.api.definition import Definition, Derived, Instance, Prepared
from tensorc.api.function import Function
from tensorc.api.specs import Spec
from tensorc.diagnostics import error
from tensorc.dtypes import DType
from tensorc.elaborate import ResultTree
from tensorc.elaborate.arrays import constant
from tensorc.elaborate.values import Builtin, List, Routine, Transformed, Tuple, Value
from tensorc.errors import DTypeError, ShapeError, suggestion
from tensorc.frontend.trace import current_trace
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input
from tensorc.runtime import arrays
from tensorc.transform import programs

Names = str | int | Sequence[str | int] | None
"""Parameters by name or position: one, whose gradient is bare, or several; by default every float parameter."""

Axes = int | None | Sequence[int | None]

Like = tuple[DType, int]
"""A dtype and a rank."""


def grad(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The function that gives the gradient of f's scalar result by the parameters `wrt`: bare for one, a tuple for several."""
    return _transformed("grad", f, wrt)


def value_and_grad(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The function that gives f's scalar result and its gradient, as `grad` does."""
    return _transformed("value_and_grad", f, wrt)


def vjp(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The function of f's arguments and a cotangent of each float result that gives (f's results, the cotangents of `wrt`)."""
    return _transformed("vjp", f, wrt)


def jvp(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The function of f's arguments and a tangent of each of `wrt` that gives (f's results, their tangents)."""
    return _transformed("jvp", f, wrt)


def vmap(f: Callable[..., Any], in_axes: Axes = 0) -> Function:
    """f for each place along an axis of its arguments; results have that axis first. `in_axes` is an axis or None, or a list of such."""
    return Function(_Batched(_definition(f), in_axes))


def hvp(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The function of f's arguments and a vector like each of `wrt` that gives the product of f's Hessian and the vectors."""
    return _transformed("hvp", f, wrt)


def jacrev(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The derivative of f's result by `wrt` with the axes [*result, *parameter], by reverse mode."""
    return _transformed("jacrev", f, wrt)


def jacfwd(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The derivative of f's result by `wrt` with the axes [*result, *parameter], by forward mode."""
    return _transformed("jacfwd", f, wrt)


def hessian(f: Callable[..., Any], wrt: Names = None) -> Function:
    """The second derivative of f's scalar result by one parameter, [*parameter, *parameter]."""
    return jacfwd(grad(f, wrt), wrt)


def _definition(f: Callable[..., Any]) -> Definition:
    if isinstance(f, Function):
        return f._definition
    if callable(f):
        from tensorc.api.jit import TracedDefinition

        return TracedDefinition(f)
    raise TypeError(f"a function is differentiated, not a {type(f).__name__}: `tc.grad(f)(x)`, not `tc.grad(f(x))`")


def _transformed(kind: str, f: Callable[..., Any], wrt: Names) -> Function:
    return Function(Derivative(kind, _definition(f), wrt))


def _names(kind: str, inner: Definition, wrt: Names) -> tuple[str, ...] | None:
    """The parameters that `wrt` names. TypeError for what is none."""
    if wrt is None:
        return None
    found = []
    for item in [wrt] if isinstance(wrt, (str, int)) else wrt:
        if isinstance(item, int):
            if not -len(inner.parameters) <= item < len(inner.parameters):
                raise TypeError(f"`{kind}` by parameter {item} of `{inner.name}`, which has {len(inner.parameters)}")
            item = inner.parameters[item]
        if item not in inner.parameters:
            known = ", ".join(inner.parameters)
            raise TypeError(f"`{kind}`: `{inner.name}` has no parameter `{item}`{suggestion(str(item), inner.parameters)}; it has {known}")
        found.append(item)
    return tuple(found)


# Definitions.


@dataclass(frozen=True)
class Derivative(Derived):
    """A function's derivative: its arguments are the function's, then cotangents or tangents."""

    kind: str
    inner: Definition
    wrt: Names
    _taken: dict[Any, int] = field(default_factory=dict, repr=False, compare=False)  # by the number and names of arguments
    _likes: dict[Hashable, tuple[Like, ...]] = field(default_factory=dict, repr=False, compare=False)  # by the key of the function's own

    def __post_init__(self) -> None:
        _names(self.kind, self.inner, self.wrt)

    def __reduce__(self) -> Any:
        return Derivative, (self.kind, self.inner, self.wrt)

    @property
    def _takes_more(self) -> bool:
        return self.kind in ("vjp", "jvp", "hvp")

    # Arguments.

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        if not self._takes_more:
            prepared = self.inner.prepare(args, kwargs)
            return replace(prepared, key=(self.kind, prepared.key))
        prepared, taken, wanted = self._split(args, kwargs)
        extra = list(_flat(args[taken:]))
        leaves = []
        for number, (value, like) in enumerate(zip(extra, wanted, strict=True)):
            leaves.append(_like(value, like, f"the {self._what} {number} of `{self.name}`"))
        key: list[Hashable] = [(leaf.dtype.numpy if isinstance(leaf, Spec) else leaf.dtype, leaf.ndim) for leaf in leaves]
        specs = any(isinstance(leaf, Spec) for leaf in leaves)
        torch = any(map(arrays.is_torch, extra))
        return Prepared(
            (self.kind, prepared.key, *key),
            [*prepared.leaves, *leaves],
            (prepared, prepared.values),
            prepared.torch or torch,
            prepared.has_specs or specs,
        )

    @property
    def _what(self) -> str:
        return "cotangent" if self.kind == "vjp" else "tangent"

    def _split(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Prepared, int, tuple[Like, ...]]:
        """(the function's own arguments, how many of the positional ones these are, what the others are like)."""
        shape = len(args), tuple(kwargs)
        known = self._taken.get(shape)
        failure: Exception | None = None
        for taken in range(len(args) - 1, -1, -1) if known is None else (known, *range(len(args) - 1, -1, -1)):
            try:
                prepared = self.inner.prepare(args[:taken], kwargs)
                wanted = self._wanted(prepared)
            except (TypeError, ValueError) as reason:
                failure = failure or reason
                continue
            if sum(1 for _ in _flat(args[taken:])) == len(wanted):
                self._taken[shape] = taken
                return prepared, taken, wanted
        if failure is not None and len(args) <= 1:
            raise failure
        of = "float result" if self.kind == "vjp" else "parameter that it differentiates by"
        takes = f"`{self.name}` takes the arguments of `{self.inner.name}` and one {self._what} for each {of}"
        raise TypeError(f"{takes}; {len(args)} were given")

    def _wanted(self, prepared: Prepared) -> tuple[Like, ...]:
        """What the cotangents or tangents are like, for arguments of a kind."""
        found = self._likes.get(prepared.key)
        if found is None:
            instance = _instance(self.inner, prepared)
            tensors = programs.float_results(instance.program) if self.kind == "vjp" else self._inputs(instance)[0]
            found = self._likes[prepared.key] = tuple((t.dtype, len(t.extents)) for t in tensors)
        return found

    def _inputs(self, instance: Instance) -> tuple[list[Input], ResultTree]:
        """(the inputs that the function is differentiated by, their tree)."""
        names = _names(self.kind, self.inner, self.wrt)
        own = list(zip(instance.names, instance.program.inputs, strict=True))[: len(instance.names) - len(instance.captured)]
        if names is None:
            found = [i for _, i in own if i.dtype.is_float]
            if not found:
                raise DTypeError(f"`{self.kind}`: `{self.inner.name}` has no float argument, and integers and bools have no derivative")
            return found, (0 if len(found) == 1 else tuple(range(len(found))))
        groups: list[list[Input]] = []
        for name in names:
            group = [i for n, i in own if n == name or n.startswith(f"{name}[")]
            wrong = next((i for i in group if not i.dtype.is_float), None)
            if wrong is not None or not group:
                what = "a static parameter" if wrong is None else str(wrong.dtype)
                raise DTypeError(f"`{self.kind}`: parameter `{name}` of `{self.inner.name}` is {what}, which has no derivative")
            groups.append(group)
        numbers = iter(range(sum(map(len, groups))))
        trees: list[ResultTree] = [next(numbers) if len(g) == 1 else tuple(next(numbers) for _ in g) for g in groups]
        return [i for g in groups for i in g], trees[0] if isinstance(self.wrt, (str, int)) else tuple(trees)

    # Programs.

    def instantiate(self, prepared: Prepared) -> Instance:
        own = prepared.values[0] if self._takes_more else prepared
        instance = _instance(self.inner, own if self._takes_more else replace(own, key=own.key[1]))  # type: ignore[index]
        wrt, tree = self._inputs(instance)
        program, result = _DERIVE[self.kind](self, instance, wrt, tree)
        count = len(instance.program.inputs)
        captured = len(instance.captured)
        further = program.inputs[count:]
        inputs = (*program.inputs[: count - captured], *further, *program.inputs[count - captured : count])
        names = list(instance.names)
        names[count - captured : count - captured] = [i.name for i in further]
        program = replace(program, name=self.name, inputs=inputs)
        return Instance(program, result, self.signature, tuple(names), instance.captured)

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        made = current_trace(args, kwargs)
        lifted = {k: made.lift(v) for k, v in kwargs.items()}
        return made.lower(made.elaboration.invoke(_value(self), [made.lift(a) for a in args], lifted))  # type: ignore[arg-type]

    def representative(self) -> Prepared | None:
        found = self.inner.representative()
        if found is None or self._takes_more:
            return None
        return replace(found, key=(self.kind, found.key))


def _instance(inner: Definition, prepared: Prepared) -> Instance:
    with compiler.LOCK:
        return inner.instantiate(prepared)


def _flat(values: Sequence[Any]) -> Any:
    """The arrays in tuples, lists and dicts, in order."""
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        elif isinstance(value, dict):
            yield from _flat(list(value.values()))
        else:
            yield value


def _like(value: Any, like: Like, what: str) -> Any:
    """A cotangent or tangent as an array of the dtype and rank of what it is for. DTypeError or ShapeError for another."""
    wanted, rank = like
    if arrays.is_number(value):
        value = arrays.number(value, wanted, what)
    leaf = value if isinstance(value, Spec) else arrays.view(value, what)
    dtype: DType = leaf.dtype if isinstance(leaf, Spec) else arrays.dtype_of(leaf)
    if dtype is not wanted:
        raise DTypeError(f"{what} is {wanted}; it got {dtype}")
    if leaf.ndim != rank:
        raise ShapeError(f"{what} has rank {rank}; it got {leaf.ndim}")
    return leaf


# What each kind makes of a program: (the program, its tree of results).

Made = tuple[Program, ResultTree]


def _moved(tree: ResultTree, by: int) -> ResultTree:
    return tree + by if isinstance(tree, int) else tuple(_moved(t, by) for t in tree)


def _make_value_and_grad(d: Derivative, instance: Instance, wrt: list[Input], tree: ResultTree) -> Made:
    program = instance.program
    if (
        len(program.results) != 1
        or not isinstance(instance.result, int)
        or program.results[0].extents
        or not program.results[0].dtype.is_float
    ):
        shown = ", ".join(f"{t.dtype}[{', '.join(map(str, t.extents))}]" if t.extents else str(t.dtype) for t in program.results)
        help = "sum it to a scalar, or use `vjp` with a cotangent of its shape"
        raise error(
            "E0701",
            f"`{d.kind}` wants a scalar result, but `{d.inner.name}` returns {shown}",
            program.spans.get(program.results[0]),
            shown,
            help=help,
        )
    return programs.value_and_grad(program, wrt), (0, _moved(tree, 1))


def _make_grad(d: Derivative, instance: Instance, wrt: list[Input], tree: ResultTree) -> Made:
    program, _ = _make_value_and_grad(d, instance, wrt, tree)
    return replace(program, results=program.results[1:]), tree


def _make_vjp(d: Derivative, instance: Instance, wrt: list[Input], tree: ResultTree) -> Made:
    return programs.pullback(instance.program, wrt), (instance.result, _moved(tree, len(instance.program.results)))


def _make_jvp(d: Derivative, instance: Instance, wrt: list[Input], tree: ResultTree) -> Made:
    program = programs.pushforward(instance.program, wrt)
    return program, (instance.result, _tangent_tree(instance, len(instance.program.results)))


def _tangent_tree(instance: Instance, first: int) -> ResultTree:
    """The tree of the tangents of float results: bare where there is one alone."""
    floats = [n for n, t in enumerate(instance.program.results) if t.dtype.is_float]
    if len(floats) == len(instance.program.results):
        return _moved(instance.result, first)
    return first if len(floats) == 1 else tuple(range(first, first + len(floats)))


def _make_hvp(d: Derivative, instance: Instance, wrt: list[Input], tree: ResultTree) -> Made:
    gradient, _ = _make_grad(d, instance, wrt, tree)
    program = programs.pushforward(gradient, wrt)
    return replace(program, results=program.results[len(wrt) :]), tree


def _make_jacobian(d: Derivative, instance: Instance, wrt: list[Input], tree: ResultTree) -> Made:
    if not programs.float_results(instance.program):
        raise error("E0701", f"`{d.kind}` wants a float result, but `{d.inner.name}` returns none", None)
    made = programs.jacobian(instance.program, wrt, forward=d.kind == "jacfwd")
    return made, _by_result(_tangent_tree(instance, 0), tree, len(wrt))


def _by_result(results: ResultTree, tree: ResultTree, count: int) -> ResultTree:
    """The tree of derivatives of each result, which are `count` of the given tree."""
    return _moved(tree, results * count) if isinstance(results, int) else tuple(_by_result(r, tree, count) for r in results)


_DERIVE: dict[str, Callable[[Derivative, Instance, list[Input], ResultTree], Made]] = {
    "grad": _make_grad,
    "value_and_grad": _make_value_and_grad,
    "vjp": _make_vjp,
    "jvp": _make_jvp,
    "hvp": _make_hvp,
    "jacfwd": _make_jacobian,
    "jacrev": _make_jacobian,
}


@dataclass(frozen=True)
class _Batched(Derived):
    """A function for each place along an axis of its arguments."""

    inner: Definition
    in_axes: Axes

    kind = "vmap"

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        axes: list[int | None] = []
        leaves: list[Any] = []
        given = iter(self.in_axes) if not isinstance(self.in_axes, int) and self.in_axes is not None else None
        torch = False

        def one(value: Any) -> Any:
            nonlocal torch
            if isinstance(value, (tuple, list)) and any(isinstance(v, Spec) or arrays.is_array(v) for v in _flat(value)):
                return type(value)(one(v) for v in value)
            if not isinstance(value, Spec) and not arrays.is_array(value):
                return value
            torch = torch or arrays.is_torch(value)
            leaf = value if isinstance(value, Spec) else arrays.view(value, f"an argument of `{self.name}`")
            axis = self._axis(given, leaf, len(leaves))
            axes.append(axis)
            leaves.append(leaf)
            dtype = leaf.dtype if isinstance(leaf, Spec) else arrays.dtype_of(leaf)
            extents = leaf.extents if isinstance(leaf, Spec) else tuple(map(poly, leaf.shape))
            return Spec(dtype, tuple(e for n, e in enumerate(extents) if n != axis))

        prepared = self.inner.prepare([one(a) for a in args], {k: one(v) for k, v in kwargs.items()})
        if given is not None and next(given, self) is not self:
            raise TypeError(f"`in_axes` of `{self.name}` has {len(tuple(self.in_axes))} entries for {len(leaves)} arrays")  # type: ignore[arg-type]
        self._check_sizes(axes, leaves)
        rest = iter(leaves)
        whole = [next(rest) if isinstance(leaf, Spec) else leaf for leaf in prepared.leaves]
        by_leaf = iter(axes)
        order = tuple(next(by_leaf) if isinstance(leaf, Spec) else None for leaf in prepared.leaves)
        specs = any(isinstance(leaf, Spec) for leaf in whole)
        return Prepared(("vmap", prepared.key, order), whole, (prepared, order), prepared.torch or torch, specs)

    def _axis(self, given: Any, leaf: Any, number: int) -> int | None:
        axis: Any = self.in_axes if given is None else next(given, self)
        if axis is self:
            raise TypeError(f"`in_axes` of `{self.name}` has {number} entries, and there are more arrays")
        if axis is None:
            return None
        if not isinstance(axis, int) or not -leaf.ndim <= axis < leaf.ndim:
            raise ShapeError(f"`{self.name}`: axis {axis} of array {number}, which has {leaf.ndim}")
        return int(axis % leaf.ndim)

    def _check_sizes(self, axes: Sequence[int | None], leaves: Sequence[Any]) -> None:
        sizes = {leaf.shape[a] for a, leaf in zip(axes, leaves, strict=True) if a is not None and not isinstance(leaf, Spec)}
        if len(sizes) > 1:
            raise ShapeError(f"`{self.name}`: the axes that it runs over have the sizes {', '.join(map(str, sorted(sizes)))}")
        if all(a is None for a in axes):
            raise ShapeError(f"`{self.name}` runs over no axis; give one in `in_axes`")

    def instantiate(self, prepared: Prepared) -> Instance:
        own, order = prepared.values
        instance = _instance(self.inner, own)
        axes = (*order, *[None] * len(instance.captured))
        program = replace(programs.batched(instance.program, axes), name=self.name)
        return Instance(program, instance.result, self.signature, instance.names, instance.captured)

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        made = current_trace(args, kwargs)
        lifted = {k: made.lift(v) for k, v in kwargs.items()}
        return made.lower(made.elaboration.invoke(_value(self), [made.lift(a) for a in args], lifted))  # type: ignore[arg-type]


# Functions as values of the language, for calls from within a trace.

_ABSENT = object()


def _value(definition: Any) -> Routine | Builtin | Transformed:
    """A definition as the function that a program being traced can call."""
    from tensorc.api.library import LibraryDefinition
    from tensorc.api.tx import TxDefinition

    match definition:
        case Derivative(kind=kind, inner=inner, wrt=wrt):
            names = _names(kind, inner, wrt)
            option: Value = None if names is None else names[0] if isinstance(wrt, (str, int)) else Tuple(names)
            callee = _value(inner)
            return Transformed(kind, Transformed("grad", callee, option) if kind == "hvp" else callee, option)
        case _Batched(inner=inner, in_axes=in_axes):
            every = [in_axes] if isinstance(in_axes, int) or in_axes is None else list(in_axes)
            axes = [None if a is None else constant(a) for a in every]
            whole = isinstance(in_axes, int) or in_axes is None
            return Transformed("vmap", _value(inner), axes[0] if whole else List(tuple(axes)))
        case TxDefinition():
            return Routine(definition.unit, definition.unit.functions[definition.name])
        case LibraryDefinition():
            return definition._callee
        case _:
            return _python_value(definition)


def _python_value(definition: Definition) -> Builtin:
    """A function that runs in Python: it is called with tracers, and absent arguments are left out."""

    def call(context: Any, *values: Any) -> Value:
        given = {n: v for n, v in zip(definition.parameters, values, strict=True) if v is not _ABSENT}
        from tensorc.frontend.trace import active_trace

        made = active_trace()
        assert made is not None
        result = definition.inline((), {n: made.lower(v) for n, v in given.items()})
        return made.elaboration.lift(made.lift(result))

    return Builtin(definition.name, tuple((n, _ABSENT) for n in definition.parameters), call)
