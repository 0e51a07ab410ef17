"""The operations of tc.Tensor: methods, operators, and functions by PyTorch's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from tensorc.dtypes import bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8
from tensorc.eager import copies, forms, further, indexing, inplace, operators, shapes, views
from tensorc.eager.creation import as_tensor, full, ones, rand, randn, zeros
from tensorc.eager.named import Function, elementwise, operation_of
from tensorc.eager.names import names, traced
from tensorc.eager.tensor import Tensor
from tensorc.frontend import numpy_names

_ELEMENTWISE = (
    "add sub subtract rsub mul multiply true_divide pow eq ne not_equal lt less le less_equal gt "
    "greater ge greater_equal atan2 arctan2 maximum minimum hypot copysign logaddexp xlogy bitwise_and bitwise_or bitwise_xor logical_and "
    "logical_or logical_xor fmax fmin isclose"
)

_RANKS = {
    "mm": ((2, 2), "self must be a matrix: mm of {}D and {}D"),
    "mv": ((2, 1), "vector + matrix @ vector expected, got {}D and {}D"),
    "dot": ((1, 1), "1D tensors expected, but got {}D and {}D tensors"),
    "vdot": ((1, 1), "1D tensors expected, but got {}D and {}D tensors"),
    "bmm": ((3, 3), "batch1 must be a 3D tensor: bmm of {}D and {}D"),
}

OVERRIDES: dict[str, Function] = {
    **{n: elementwise(n) for n in _ELEMENTWISE.split()},
    **{n: forms.pair(n) for n in ("kthvalue", "cummax", "cummin")}, "sort": forms.sort, "argsort": forms.argsort, "topk": forms.topk,
    **{n: forms.gathered(n) for n in ("gather", "scatter_add", "take_along_dim", "index_add")},
    **{n: forms.checked_ranks(n, ranks, message) for n, (ranks, message) in _RANKS.items()},
    "max": forms.extremum("max"), "min": forms.extremum("min"), "argmax": forms.arg_extremum("argmax"),
    "argmin": forms.arg_extremum("argmin"), "median": forms.median, "where": forms.where, "nonzero": forms.nonzero,
    "argwhere": forms.nonzero, "masked_select": forms.masked_select, "take": forms.take, "sum_to_size": forms.sum_to_size,
    "repeat": forms.repeat, "unique": forms.unique, "bincount": forms.bincount, "equal": forms.equal, "allclose": forms.allclose,
    "scatter": forms.scatter, "index_fill": forms.index_fill, "matmul": forms.matmul, "norm": forms.norm, "trace": forms.trace,
    "renorm": forms.renorm, "cat": forms.cat, "concat": forms.cat, "concatenate": forms.cat, "meshgrid": forms.meshgrid,
    "broadcast_tensors": forms.broadcast_tensors, "clone": copies.clone, "contiguous": copies.contiguous, "detach": copies.detach,
    "view": shapes.view_, "reshape": shapes.reshape, "permute": shapes.permute, "transpose": shapes.transpose, "swapaxes": shapes.transpose,
    "swapdims": shapes.transpose, "movedim": shapes.movedim, "moveaxis": shapes.movedim, "t": shapes.t, "squeeze": shapes.squeeze,
    "unsqueeze": shapes.unsqueeze, "expand": shapes.expand, "broadcast_to": shapes.expand, "flatten": shapes.flatten,
    "ravel": shapes.flatten, "unflatten": shapes.unflatten, "select": shapes.select, "narrow": shapes.narrow, "unbind": shapes.unbind,
    **further.FUNCTIONS, "clamp": forms.clamp, "clip": forms.clamp, "div": forms.div, "divide": forms.div,
    **{n: forms.whole(n) for n in ("floor_divide", "remainder", "fmod")},
    "split": shapes.split, "chunk": shapes.chunk, "tensor_split": shapes.tensor_split, "diagonal": shapes.diagonal, "unfold": shapes.unfold,
}  # fmt: skip
"""Operations that are no more than a row of names: views, and what has several forms."""

METHODS: dict[str, Function] = {
    "to": copies.to, "type": copies.type_, "type_as": lambda x, other: x.to(other.dtype), "detach_": copies.detach_,
    "cpu": lambda x: x, "float": lambda x: x.to(f32), "double": lambda x: x.to(f64), "half": lambda x: x.to(f16),
    "bfloat16": lambda x: x.to(bf16), "int": lambda x: x.to(i32), "long": lambda x: x.to(i64), "short": lambda x: x.to(i16),
    "char": lambda x: x.to(i8), "byte": lambda x: x.to(u8), "bool": lambda x: x.to(bool_),
    "view_as": lambda x, other: shapes.view_(x, other.shape), "reshape_as": lambda x, other: shapes.reshape(x, other.shape),
    "expand_as": lambda x, other: shapes.expand(x, other.shape), "new_zeros": forms.new_made(zeros), "new_ones": forms.new_made(ones),
    "new_empty": forms.new_made(zeros), "new_full": forms.new_made(full), "new_tensor": forms.new_tensor,
    "where": further.where_method, "fill_diagonal_": further.fill_diagonal_, "as_strided": shapes.as_strided,
    **{f"{n}_": inplace.turned(getattr(shapes, n)) for n in ("t", "transpose", "squeeze", "unsqueeze")},
    "swapaxes_": inplace.turned(shapes.transpose), "resize_": inplace.resize_, "set_": inplace.set_,
    "copy_": inplace.copy_, "fill_": inplace.fill_, "zero_": inplace.zero_, "uniform_": forms.fill_random(rand),
    "normal_": forms.fill_random(randn), "__getitem__": indexing.getitem, "__setitem__": indexing.setitem,
    "__neg__": operation_of("neg"), "__pos__": lambda x: x, "__abs__": operation_of("abs"), "__invert__": operation_of("bitwise_not"),
}  # fmt: skip

_IN_PLACE = (
    "add sub subtract mul multiply div divide true_divide floor_divide remainder fmod pow neg negative abs absolute exp exp2 expm1 log "
    "log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid relu erf erfc "
    "erfinv floor ceil round trunc frac sign clamp clip clamp_min clamp_max lerp addcmul addcdiv addmm addmv addr masked_fill scatter "
    "scatter_add index_add index_fill cumsum cumprod bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor logical_not "
    "eq ne lt le gt ge tril triu nan_to_num copysign hypot xlogy atan2 logit index_copy index_put put scatter_reduce sinc gcd lcm "
    "renorm"
)


@cache
def function(name: str) -> Function | None:
    """The operation of a name on tensors; None where there is none."""
    if name in OVERRIDES:
        return OVERRIDES[name]
    return None if traced(name) is None else operation_of(name)


def _known(name: str) -> Function:
    found = function(name)
    assert found is not None, name
    return found


def _in_place(operation: Function) -> Function:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return inplace.inplace(self, operation, args, kwargs)

    return method


def install(take: Function) -> None:
    """Give Tensor its methods; `take` takes over the calls of Functions with tensors."""
    own = set(vars(Tensor))
    found: dict[str, Any] = {
        name: _known(name) for name in {*names(), *OVERRIDES} if name.isidentifier() and not name.startswith("__") and name not in own
    }
    found |= {f"{name}_": _in_place(_known(name)) for name in _IN_PLACE.split()}
    found |= operators.dunders(_known)
    found |= METHODS | {"__tensorc_function__": staticmethod(take)}
    for name, method in found.items():
        setattr(Tensor, name, method)
    properties = {
        "T": property(_transposed),
        "H": property(_transposed),
        "mT": property(_matrix_transposed),
        "data": property(copies.data, copies.set_data),
    }
    for name, made in properties.items():
        setattr(Tensor, name, made)


def _transposed(x: Tensor) -> Tensor:
    return views.view(x, "Permute", lambda a: a.T)


def _matrix_transposed(x: Tensor) -> Tensor:
    if x.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor.")
    return shapes.transpose(x, -2, -1)


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
