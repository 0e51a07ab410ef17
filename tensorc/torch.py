"""tensorc's functions as operations of PyTorch: imported when the first torch tensor is passed to one."""

from __future__ import annotations

from tensorc.torch_bridge.lanes import lane as lane
from tensorc.torch_bridge.operator import run as run
