"""tensorc's functions as operations of PyTorch: imported when the first torch tensor is passed to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorc.torch_bridge.lanes import lane as lane
from tensorc.torch_bridge.operator import run as run


def backend(module: Any, inputs: Sequence[Any], **options: Any) -> Any:
    """What `torch.compile(model, backend="tensorc")` compiles a graph with."""
    from tensorc.torch_bridge.backend import backend as compile_graph

    return compile_graph(module, inputs, **options)
