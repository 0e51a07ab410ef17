"""`tc.linalg`: products and norms of tc.Tensor, by PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorc.eager import shapes
from tensorc.eager.further import chain_matmul
from tensorc.eager.methods import function
from tensorc.eager.named import call
from tensorc.eager.tensor import Tensor


def _known(name: str) -> Any:
    found = function(name)
    assert found is not None, name
    return found


cross = _known("cross")
matmul = _known("matmul")
matrix_power = _known("matrix_power")


def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of all elements, or along axes."""
    given = x if dtype is None else x.to(dtype)
    if dim is None and given.ndim != 1:
        found = call("norm", shapes.reshape(given, -1), ord, 0)
        return shapes.reshape(found, [1] * given.ndim) if keepdim else found
    return call("norm", given, ord, 0 if dim is None else dim, keepdim)  # type: ignore[no-any-return]


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False) -> Tensor:
    """The norm of matrices: "fro", or the largest (smallest, below 0) sum of a column (1) or of a row (inf)."""
    rows, columns = (A._axis(d) for d in dim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord not in (1, -1, float("inf"), -float("inf")):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    along, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = call("sum", call("abs", A), along, True)
    found = call("amax" if ord > 0 else "amin", sums, other, True)
    return found if keepdim else shapes.squeeze(found, (rows, columns))


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of a vector or a matrix, by what `dim` or the rank says."""
    given = A if dtype is None else A.to(dtype)
    if ord is None:
        return vector_norm(given, 2, dim, keepdim)
    axes = tuple(range(given.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if len(axes) == 2:
        return matrix_norm(given, ord, axes, keepdim)
    if len(axes) != 1:
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {given.ndim}D.")
    return vector_norm(given, ord, axes, keepdim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The product of vectors along an axis."""
    return call("sum", x * y, dim)  # type: ignore[no-any-return]


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices."""
    return chain_matmul(*tensors)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    return shapes.diagonal(A, offset, dim1, dim2)
