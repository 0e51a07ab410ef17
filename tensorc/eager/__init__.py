"""tc.Tensor: an eager tensor with PyTorch's face on NumPy memory, run by the same compiled operations, with a tape for derivatives."""

from __future__ import annotations

from tensorc.eager.calls import call
from tensorc.eager.methods import install
from tensorc.eager.tensor import Tensor as Tensor

install(call)
