"""`tc.autograd`: derivatives along the tape of tc.Tensor, by PyTorch's names."""

from __future__ import annotations

from tensorc.eager.differentiation import backward as backward
from tensorc.eager.differentiation import grad as grad
from tensorc.eager.modes import enable_grad as enable_grad
from tensorc.eager.modes import inference_mode as inference_mode
from tensorc.eager.modes import no_grad as no_grad
from tensorc.eager.modes import set_grad_enabled as set_grad_enabled
