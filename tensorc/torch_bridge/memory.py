"""torch tensors and NumPy arrays on the same memory: what a program reads and writes directly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tensorc.api.primitive import Primitive
from tensorc.dtypes import DTYPES, DType
from tensorc.errors import DTypeError, TargetUnavailable
from tensorc.runtime import arrays
from tensorc.runtime.arrays import Array

DTYPE_OF: dict[torch.dtype, DType] = {
    getattr(torch, arrays.torch_name(t)): t for t in DTYPES.values() if hasattr(torch, arrays.torch_name(t))
}
TORCH_OF: dict[DType, torch.dtype] = {ours: theirs for theirs, ours in DTYPE_OF.items()}

_PLAIN = (Tensor, torch.nn.Parameter)


def is_plain(tensor: Tensor) -> bool:
    """Whether the tensor is torch's own and on the processor, so that its memory can be read as it is."""
    return type(tensor) in _PLAIN and tensor.device.type == "cpu" and not torch._is_functional_tensor(tensor)


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether the tensor is torch's own and on a GPU that Triton may have kernels for."""
    return type(tensor) in _PLAIN and tensor.device.type == "cuda" and not torch._is_functional_tensor(tensor)


def dtype_of(tensor: Tensor, what: str) -> DType:
    """The tensor's dtype. DTypeError for one that tensorc does not have, and for tensors that are not strided."""
    found = DTYPE_OF.get(tensor.dtype)
    if tensor.is_quantized:
        raise DTypeError(f"{what} is a quantized tensor; write `x.dequantize()`")
    if tensor.layout != torch.strided:
        raise DTypeError(f"{what} is a {str(tensor.layout)[6:]} tensor; write `x.to_dense()`")
    if found is None:
        if tensor.dtype.is_complex:
            raise DTypeError(f"{what} is complex ({str(tensor.dtype)[6:]}); tensorc has no complex numbers, pass `torch.view_as_real(x)`")
        raise DTypeError(f"{what} has the dtype {str(tensor.dtype)[6:]}, which tensorc does not have")
    if tensor.device.type not in ("cpu", "meta", "cuda"):
        raise TargetUnavailable(f"{what} is on the device {tensor.device}, where no target runs; write `x.cpu()`")
    return found


def of_array(array: Array) -> Tensor:
    """A NumPy array's memory as a tensor; a copy where torch cannot have the array's strides, or must not write to it."""
    if not array.flags.writeable or any(s < 0 or s % array.itemsize for s in array.strides):
        array = array.copy()
    tensor: Tensor = arrays.to_torch(array)
    return tensor


def run(primitive: Primitive, tensors: Sequence[Tensor | None], shapes: Sequence[torch.Size]) -> list[Tensor]:
    """The results of a program for plain tensors of these shapes; None for what is not read."""
    found = primitive(tensors, shapes)
    return [r if isinstance(r, Tensor) else of_array(r) for r in found]  # NumPy's where no tensor is read


def execute(primitive: Primitive, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The results of a program for plain tensors, or for those of a GPU. What is not read may be any tensors of the right shape."""
    if any(t.device.type == "cuda" for t in tensors):
        from tensorc.torch_bridge import device

        return device.execute(primitive, tensors)
    try:
        return run(primitive, tensors, [t.shape for t in tensors])
    except (RuntimeError, DTypeError):
        if any(map(_is_batched, tensors)):
            return _batched(primitive, tensors)
        raise


# torch.autograd's own vmap (`is_grads_batched`, gradcheck's `check_batched_grad`) is older than torch.func, and knows no rules of others.

_BATCHED = "Batched"


def _is_batched(tensor: Tensor) -> bool:
    return torch._C._dispatch_keys(tensor).has(_BATCHED)


def _batched(primitive: Primitive, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The results for tensors of which some hide a batch axis, which the results hide too."""
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    if level != 1:
        raise RuntimeError("batches of batches of gradients are not supported by torch.autograd; use torch.func.vmap")
    batched = tuple(n for n, t in enumerate(tensors) if _is_batched(t))
    physical = [torch._remove_batch_dim(t, level, 1, 0) if n in batched else t for n, t in enumerate(tensors)]
    return [torch._add_batch_dim(r, 0, level) for r in execute(primitive.vmap(batched), physical)]


def witness(shape: Sequence[Any], dtype: torch.dtype, like: Tensor) -> Tensor:
    """A tensor of which only the shape matters, without memory for its elements."""
    return torch.empty((), dtype=dtype, device=like.device).expand(tuple(shape))
