"""The operations of tc.Tensor under PyTorch's names: methods, operators and functions."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorc.api.definition import as_dtype
from tensorc.dtypes import DType, bool_, bf16, f16, f32, f64, i8, i16, i32, i64, u8
from tensorc.frontend import numpy_names
from tensorc.runtime import arrays
from tensorc.eager import indexing, inplace, views
from tensorc.eager.creation import as_tensor, full, ones, randn, rand, zeros
from tensorc.eager.errors import PlaceError, SizeError
from tensorc.eager.modes import state
from tensorc.eager.names import NUMBERS, names, traced
from tensorc.eager.operations import apply
from tensorc.eager.tape import Cotangents, Node
from tensorc.eager.tensor import Tensor, device

Function = Callable[..., Any]


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """The operation of a name on tensors. `out=` writes its result over a tensor."""
    out = kwargs.pop("out", None) if kwargs else None
    if kwargs:
        kwargs = {_SPELLINGS.get(k, k): v for k, v in kwargs.items()}
    found = traced(name)
    if found is None:
        raise AttributeError(f"tc.Tensor has no operation `{name}`")
    if out is not None and state.recording and any(isinstance(a, Tensor) and a.requires_grad for a in (*args, *kwargs.values())):
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.")
    result = apply(name, found, args, kwargs, name in NUMBERS)
    return result if out is None else _written(out, result)


_SPELLINGS = {"axis": "dim", "keepdims": "keepdim"}
"""NumPy's names of arguments, which PyTorch takes too."""


def _written(out: Any, result: Any) -> Any:
    if isinstance(result, tuple):
        return type(result)(*(_written(o, r) for o, r in zip(out, result, strict=True)))
    inplace.check_dtype(result.dtype, out.dtype)
    if out._array.shape != result._array.shape:
        raise RuntimeError(f"out has the shape {list(out.shape)}, but the result has {list(result.shape)}")
    return inplace.copy_(out, result)


def _checked(shape: Sequence[Any]) -> None:
    """Raise the error of shapes that do not broadcast, as PyTorch words it."""
    a, b = (s._array.shape for s in shape)
    rank = max(len(a), len(b))
    for n, (m, k) in enumerate(zip(((1,) * rank + a)[-rank:] if rank else (), ((1,) * rank + b)[-rank:] if rank else (), strict=True)):
        if m != k and 1 not in (m, k):
            raise SizeError(f"The size of tensor a ({m}) must match the size of tensor b ({k}) at non-singleton dimension {n}")


def _elementwise(name: str) -> Function:
    """An operation of two operands that broadcast."""

    def operation(input: Any, other: Any, **options: Any) -> Any:
        try:
            return call(name, input, other, **options)
        except SizeError:
            if isinstance(input, Tensor) and isinstance(other, Tensor):
                _checked((input, other))
            raise

    return operation


# Operators.

_OPERATORS = {
    "__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div", "__floordiv__": "floor_divide", "__mod__": "remainder",
    "__pow__": "pow", "__matmul__": "matmul", "__and__": "bitwise_and", "__or__": "bitwise_or", "__xor__": "bitwise_xor",
    "__lshift__": "bitwise_left_shift", "__rshift__": "bitwise_right_shift",
    "__eq__": "eq", "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge",
}  # fmt: skip

_REFLECTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")


def _is_operand(value: Any) -> bool:
    return isinstance(value, (Tensor, int, float, np.ndarray, np.generic))


def _operator(function: Function, reflected: bool = False) -> Function:
    def operator(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        if isinstance(other, np.ndarray):
            other = as_tensor(other)
        if not reflected:
            return function(self, other)
        return function(other if isinstance(other, Tensor) else full((), other, dtype=_weak_dtype(other, self.dtype)), self)

    return operator


def _weak_dtype(value: Any, dtype: DType) -> DType:
    """The dtype of a number on the left of an operator: it gives way to the tensor's, unless it is of a higher kind."""
    own = arrays.natural_dtype(value)
    return own if own.category > dtype.category else dtype


def _comparison(function: Function, otherwise: bool | None = None) -> Function:
    """A comparison; `==` and `!=` with what is no number at all are known."""

    def compare(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented if otherwise is None else otherwise
        return function(self, as_tensor(other) if isinstance(other, np.ndarray) else other)

    return compare


# Casts and copies.


def to(x: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False, memory_format: Any = None) -> Tensor:
    """x in another dtype: that given, or that of another tensor. x itself where nothing changes."""
    for value in args:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif isinstance(value, bool):
            copy = copy or value
        elif as_dtype(value) is not None and not (isinstance(value, str) and value == "cpu"):
            dtype = value
        else:
            device = value
    if device is not None:
        _on_cpu(device)
    wanted = x.dtype if dtype is None else as_dtype(dtype)
    if wanted is None:
        raise TypeError(f"to() received {dtype!r}, which is no dtype")
    if wanted is not x.dtype:
        return _renamed(call("cast", x, wanted), "ToCopy")
    return clone(x) if copy else x


def _on_cpu(where: Any) -> None:
    if not isinstance(where, device):
        device(where)


def _renamed(x: Tensor, title: str) -> Tensor:
    if x._edge is not None:
        x._edge[0].name = f"{title}Backward0"
    return x


class Copied(Node):
    """A copy, whose gradient is the same."""

    def backward(self, cotangents: Cotangents, needed: Sequence[bool]) -> Cotangents:
        return cotangents


def clone(x: Tensor, memory_format: Any = None) -> Tensor:
    """A copy in memory of its own, which gradients pass through."""
    made = Tensor._of(np.array(x._array, order="K"))
    edge = x._gradient_edge() if state.recording else None
    if edge is not None:
        made._edge = (Copied("CloneBackward0", [edge]), 0)
    return made


def contiguous(x: Tensor, memory_format: Any = None) -> Tensor:
    """x with its elements in row-major order: itself where it is so."""
    if x._array.flags.c_contiguous:
        return x
    made = clone(x)
    made._array = np.ascontiguousarray(made._array)
    return made


def detach(x: Tensor) -> Tensor:
    """The same memory, without a history."""
    made = Tensor._of(x._array)
    views.share(made, x)
    return made


def detach_(x: Tensor) -> Tensor:
    if x._base is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    x._edge, x._requires_grad = None, False
    return x


def _data(x: Tensor) -> Tensor:
    return Tensor._of(x._array)


def _set_data(x: Tensor, value: Tensor) -> None:
    x._array = value._array


def _type(x: Tensor, dtype: Any = None) -> Any:
    return x.to(dtype) if dtype is not None else f"tc.{inplace.NAMES.get(x.dtype.name, x.dtype.name)}Tensor"


# Operations with more than one form.


def _named(title: str) -> Any:
    return namedtuple(title, ["values", "indices"])


_RESULTS = {title: _named(title) for title in ("max", "min", "sort", "topk", "median", "kthvalue", "mode", "cummax", "cummin")}


def _pair(title: str) -> Function:
    def operation(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return _RESULTS[title](*call(title, input, *args, **kwargs))

    return operation


def _extremum(title: str) -> Function:
    """Of all elements; of an axis, with the places; of two tensors."""

    def operation(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        dim = axis if dim is None else dim
        other = dim if isinstance(dim, Tensor) else other
        if other is not None:
            return _elementwise(f"{title}imum")(input, other)
        if dim is None:
            _not_empty(input, title)
            return call(title, input)
        _not_empty(input, title, dim)
        return _RESULTS[title](*call(title, input, dim, keepdim or keepdims))

    return operation


def _not_empty(input: Tensor, title: str, dim: int | None = None) -> None:
    if dim is None and not input._array.size:
        raise RuntimeError(f"{title}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
    if dim is not None and input.ndim and not input._array.shape[input._axis(dim)]:
        raise IndexError(f"{title}(): Expected reduction dim {dim} to have non-zero size.")


def _arg_extremum(title: str) -> Function:
    def operation(input: Tensor, dim: int | None = None, keepdim: bool = False, **options: Any) -> Any:
        dim = options.get("axis", dim)
        if dim is None and not input._array.size:
            raise IndexError(f"{title}(): Expected reduction dim to be specified for input.numel() == 0.")
        _not_empty(input, title, dim)
        return call(title, input, dim, options.get("keepdims", keepdim))

    return operation


def _median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    if dim is not None:
        return _RESULTS["median"](*call("median", input, dim, keepdim))
    return call("median", views.flatten(input) if input.ndim else input, 0)[0]


def _where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    if input is None:
        return nonzero(condition, as_tuple=True)
    return call("where", condition, input, other)


def nonzero(x: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not 0: a row for each, or a tensor for each axis."""
    if as_tuple:
        array = x._array if x.ndim else x._array.reshape(1)
        return tuple(Tensor._of(np.ascontiguousarray(p)) for p in array.nonzero())
    return Tensor._of(np.argwhere(x._array).astype(np.int64))


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    shape = np.broadcast_shapes(x._array.shape, mask._array.shape)
    return indexing.getitem(views.expand(x, shape), views.expand(mask, shape))


def take(x: Tensor, index: Tensor) -> Tensor:
    """The elements at places of the flattened tensor."""
    return indexing.getitem(views.reshape(x, -1), index)


def _sum_to_size(x: Tensor, *size: Any) -> Tensor:
    """x summed along the axes that the shape broadcasts to it."""
    shape = views.sizes(size)
    lead = x.ndim - len(shape)
    axes = [*range(lead), *(n + lead for n, e in enumerate(shape) if e == 1 and x._array.shape[n + lead] != 1)]
    if lead < 0 or any(e not in (1, x._array.shape[n + lead]) for n, e in enumerate(shape)):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(x.shape)}}}.")
    return views.reshape(call("sum", x, axes, True), shape) if axes else x


def _repeat(x: Tensor, *repeats: Any) -> Tensor:
    counts = views.sizes(repeats)
    if len(counts) < x.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    return call("repeat", x, list(counts))  # type: ignore[no-any-return]


def _unique(x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    found = np.unique(x._array, return_inverse=return_inverse, return_counts=return_counts, axis=dim)
    if not (return_inverse or return_counts):
        return Tensor._of(found)
    parts = [Tensor._of(f) for f in found]
    if return_inverse and dim is None:
        parts[1] = views.reshape(parts[1], x.shape)
    return tuple(parts)


def _bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    if x.dtype.is_float:
        raise NotImplementedError(f'"bincount_cpu" not implemented for \'{inplace.NAMES[x.dtype.name]}\'')
    if x.ndim != 1 or (x._array.size and int(x._array.min()) < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    count = max(int(x._array.max()) + 1 if x._array.size else 0, minlength)
    added = ones(x.shape, dtype=i64) if weights is None else weights
    return call("scatter_add", zeros(count, dtype=added.dtype), 0, x.to(i64), added)  # type: ignore[no-any-return]


def _trace(x: Tensor) -> Tensor:
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
    return _renamed(call("sum", views.diagonal(x)), "Trace")


def _gathered(name: str) -> Function:
    """An operation whose places must be inside; PyTorch says so by a RuntimeError."""

    def operation(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(name, *args, **kwargs)
        except IndexError as error:
            raise PlaceError(str(error)) from None

    return operation


def _equal(x: Tensor, other: Tensor) -> bool:
    """Whether shapes and elements are the same."""
    return x._array.shape == other._array.shape and bool((x == other).all()) if x._array.shape == other._array.shape else False


def _allclose(x: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    return bool(call("isclose", x, other, rtol, atol, equal_nan).all())


def _scatter(x: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Tensor:
    """x with src's elements at the places of index along an axis."""
    source = full(index.shape, value if src is None else src, dtype=x.dtype) if not isinstance(src, Tensor) else src
    if reduce == "add":
        return call("scatter_add", x, dim, index, source)  # type: ignore[no-any-return]
    if reduce is not None:
        raise RuntimeError(f"scatter reduces by `add` alone, not by `{reduce}`")
    made = clone(x)
    axis = x._axis(dim)
    grid = [Tensor._of(g.astype(np.int64)) for g in np.indices(index._array.shape)]
    if not x.ndim:
        return source.reshape(())  # type: ignore[no-any-return]
    grid[axis] = index
    part = source[tuple(slice(e) for e in index._array.shape)]
    indexing.setitem(made, tuple(grid), part)
    return made


def _index_fill(x: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    made = clone(x)
    indexing.setitem(made, (*[slice(None)] * x._axis(dim), index), value)
    return made


def _new(make: Function) -> Function:
    def method(x: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Any:
        return make(*size, dtype=x.dtype if dtype is None else dtype, **options)

    return method


def _new_tensor(x: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    from tensorc.eager.creation import tensor

    return tensor(data, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def _checked_ranks(name: str, ranks: tuple[int, ...], message: str) -> Function:
    """A product that takes operands of these ranks alone."""

    def operation(input: Tensor, other: Tensor, **options: Any) -> Any:
        found = input.ndim, other.ndim
        if found != ranks:
            raise RuntimeError(message.format(*found))
        try:
            return call(name, input, other, **options)
        except SizeError:
            shapes = " and ".join("x".join(map(str, x.shape)) for x in (input, other))
            raise SizeError(f"{name}: the shapes cannot be multiplied ({shapes})") from None

    return operation


def _matmul(input: Tensor, other: Any, **options: Any) -> Any:
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise TypeError("matmul(): both arguments must be tensors")
    if not (input.ndim and other.ndim):
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D")
    result = call("matmul", input, other, **options)
    titles = {(1, 1): "Dot", (2, 1): "Mv", (2, 2): "Mm"}
    return _renamed(result, titles.get((input.ndim, other.ndim), "UnsafeView"))


def _norm(x: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    return _renamed(call("norm", x, p, dim, keepdim, dtype=dtype), "LinalgVectorNorm")


def _cat(tensors: Sequence[Tensor], dim: int = 0, **options: Any) -> Tensor:
    """Tensors joined along an axis; empty vectors among them do not matter."""
    given = list(tensors)
    if not given:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    kept = [t for t in given if t._array.shape != (0,)] or given[:1]
    rank = kept[0].ndim
    if any(t.ndim == 0 for t in given):
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    if any(t.ndim != rank for t in kept):
        raise RuntimeError("Tensors must have same number of dimensions: got " + " and ".join(str(t.ndim) for t in kept[:2]))
    axis = kept[0]._axis(dim)
    return call("cat", kept, axis, **options)  # type: ignore[no-any-return]


def _meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    given = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)
    shape = [t.numel() for t in given]
    grids = [views.expand(views.reshape(t, [-1 if k == n else 1 for k in range(len(given))]), shape) for n, t in enumerate(given)]
    return tuple(g.swapaxes(0, 1) for g in grids) if indexing == "xy" and len(grids) > 1 else tuple(grids)


def _broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    shape = np.broadcast_shapes(*(t._array.shape for t in tensors))
    return tuple(views.expand(t, shape) for t in tensors)


def _fill_random(make: Function) -> Function:
    def method(x: Tensor, *parameters: float, generator: Any = None) -> Tensor:
        inplace.check_writable(x)
        low, high = parameters or (0.0, 1.0)
        drawn = make(x.shape, dtype=x.dtype, generator=generator)
        x._array[...] = (drawn * (high - low) + low if make is rand else drawn * high + low)._array
        return inplace.changed(x, None, "Random")

    return method


OVERRIDES: dict[str, Function] = {
    **{n: _elementwise(n) for n in "add sub subtract rsub mul multiply div divide true_divide floor_divide remainder fmod pow eq ne not_equal lt less le less_equal gt greater ge greater_equal atan2 arctan2 maximum minimum hypot copysign logaddexp xlogy bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor fmax fmin isclose".split()},
    "max": _extremum("max"), "min": _extremum("min"), "argmax": _arg_extremum("argmax"), "argmin": _arg_extremum("argmin"),
    **{n: _pair(n) for n in ("sort", "topk", "kthvalue", "cummax", "cummin")},
    "median": _median, "where": _where, "nonzero": nonzero, "argwhere": nonzero, "masked_select": masked_select, "take": take,
    "sum_to_size": _sum_to_size, "repeat": _repeat, "unique": _unique, "bincount": _bincount, "equal": _equal, "allclose": _allclose,
    "scatter": _scatter, "index_fill": _index_fill, "clone": clone, "contiguous": contiguous, "detach": detach,
    "matmul": _matmul, "mm": _checked_ranks("mm", (2, 2), "self must be a matrix: mm of {}D and {}D"),
    "mv": _checked_ranks("mv", (2, 1), "vector + matrix @ vector expected, got {}D and {}D"),
    "dot": _checked_ranks("dot", (1, 1), "1D tensors expected, but got {}D and {}D tensors"),
    "vdot": _checked_ranks("vdot", (1, 1), "1D tensors expected, but got {}D and {}D tensors"),
    "bmm": _checked_ranks("bmm", (3, 3), "batch1 must be a 3D tensor: bmm of {}D and {}D"),
    "norm": _norm, "trace": _trace, **{n: _gathered(n) for n in ("gather", "scatter_add", "take_along_dim", "index_add")},
     "cat": _cat, "concat": _cat, "concatenate": _cat,
    "meshgrid": _meshgrid, "broadcast_tensors": _broadcast_tensors,
    "view": views.view_, "reshape": views.reshape, "permute": views.permute, "transpose": views.transpose, "swapaxes": views.transpose,
    "swapdims": views.transpose, "movedim": views.movedim, "moveaxis": views.movedim, "t": views.t, "squeeze": views.squeeze,
    "unsqueeze": views.unsqueeze, "expand": views.expand, "broadcast_to": views.expand, "flatten": views.flatten,
    "ravel": views.flatten, "unflatten": views.unflatten, "select": views.select, "narrow": views.narrow, "unbind": views.unbind,
    "split": views.split, "chunk": views.chunk, "tensor_split": views.tensor_split, "diagonal": views.diagonal, "unfold": views.unfold,
}  # fmt: skip
"""Operations that are no more than a row of names: views, and what has several forms."""


def function(name: str) -> Function | None:
    """The operation of a name on tensors; None where there is none."""
    if name in OVERRIDES:
        return OVERRIDES[name]
    if traced(name) is None:
        return None

    def operation(*args: Any, **kwargs: Any) -> Any:
        return call(name, *args, **kwargs)

    operation.__name__ = operation.__qualname__ = name
    return operation


METHODS: dict[str, Function] = {
    "to": to, "type": _type, "type_as": lambda x, other: x.to(other.dtype), "detach_": detach_,
    "cpu": lambda x: x, "numpy_force": lambda x: x.detach().numpy(),
    "float": lambda x: x.to(f32), "double": lambda x: x.to(f64), "half": lambda x: x.to(f16), "bfloat16": lambda x: x.to(bf16),
    "int": lambda x: x.to(i32), "long": lambda x: x.to(i64), "short": lambda x: x.to(i16), "char": lambda x: x.to(i8),
    "byte": lambda x: x.to(u8), "bool": lambda x: x.to(bool_),
    "view_as": lambda x, other: views.view_(x, other.shape), "reshape_as": lambda x, other: views.reshape(x, other.shape),
    "expand_as": lambda x, other: views.expand(x, other.shape),
    "new_zeros": _new(zeros), "new_ones": _new(ones), "new_empty": _new(zeros), "new_full": _new(full), "new_tensor": _new_tensor,
    "copy_": inplace.copy_, "fill_": inplace.fill_, "zero_": inplace.zero_,
    "uniform_": _fill_random(rand), "normal_": _fill_random(randn),
    "__getitem__": indexing.getitem, "__setitem__": indexing.setitem,
    "__neg__": lambda x: call("neg", x), "__pos__": lambda x: x, "__abs__": lambda x: call("abs", x),
    "__invert__": lambda x: call("bitwise_not", x), "__rmatmul__": _operator(_matmul, True),
}  # fmt: skip

_IN_PLACE = (
    "add sub subtract mul multiply div divide true_divide floor_divide remainder fmod pow neg negative abs absolute exp exp2 expm1 log log2 log10 "
    "log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid relu erf erfc floor ceil "
    "round trunc frac sign clamp clip clamp_min clamp_max lerp addcmul addcdiv addmm addmv addr masked_fill scatter scatter_add index_add index_fill "
    "cumsum cumprod bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor logical_not eq ne lt le gt ge tril triu nan_to_num "
    "copysign hypot xlogy atan2 logit"
)


def _in_place(operation: Function) -> Function:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return inplace.inplace(self, operation, args, kwargs)

    return method


def install() -> None:
    """Give Tensor its methods."""
    own = set(vars(Tensor))
    found: dict[str, Any] = {}
    for name in sorted({*names(), *OVERRIDES}):
        if name.isidentifier() and not name.startswith("__") and name not in own:
            found[name] = function(name)
    for name in _IN_PLACE.split():
        operation = function(name)
        assert operation is not None, name
        found[f"{name}_"] = _in_place(operation)
    for dunder, name in _OPERATORS.items():
        operation = function(name)
        assert operation is not None, name
        if dunder in ("__eq__", "__ne__"):
            found[dunder] = _comparison(operation, dunder == "__ne__")
        elif name in ("lt", "le", "gt", "ge"):
            found[dunder] = _comparison(operation)
        else:
            found[dunder] = _operator(operation)
            plain = dunder.strip("_")
            if plain in _REFLECTED:
                found[f"__r{plain}__"] = _operator(operation, True)
                found[f"__i{plain}__"] = _in_place_operator(operation)
    found |= METHODS
    for name, method in found.items():
        setattr(Tensor, name, method)
    Tensor.T = property(_transposed)  # type: ignore[attr-defined]
    Tensor.mT = property(_matrix_transposed)  # type: ignore[attr-defined]
    Tensor.H = Tensor.T  # type: ignore[attr-defined]
    Tensor.data = property(_data, _set_data)  # type: ignore[attr-defined]


def _in_place_operator(operation: Function) -> Function:
    def operator(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return inplace.inplace(self, operation, (as_tensor(other) if isinstance(other, np.ndarray) else other,), {})

    return operator


def _transposed(x: Tensor) -> Tensor:
    return views.view(x, "Permute" if x.ndim > 2 else "T", lambda a: a.T)


def _matrix_transposed(x: Tensor) -> Tensor:
    if x.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor.")
    return views.transpose(x, -2, -1)


_UFUNCS = {"power": "pow", "equal": "eq", "invert": "bitwise_not", "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift"}


def apply_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A function of NumPy on a tensor."""
    name = _UFUNCS.get(ufunc.__name__, numpy_names.UFUNCS.get(ufunc.__name__, ufunc.__name__))
    operation = function(name) if method == "__call__" and not kwargs else None
    if operation is None:
        plain = [i.numpy() if isinstance(i, Tensor) else i for i in inputs]
        found = getattr(ufunc, method)(*plain, **kwargs)
        return Tensor._of(found) if isinstance(found, np.ndarray) else found
    return operation(*(as_tensor(i) if isinstance(i, np.ndarray) else i for i in inputs))
