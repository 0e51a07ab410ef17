"""How torch.compile sees a call of a Function: as one node, which is traced into with fake tensors and becomes `tensorc::run`."""

from __future__ import annotations

from typing import Any

import torch

from tensorc.api.lanes import held


@torch._dynamo.allow_in_graph  # type: ignore[untyped-decorator]
def call_in_graph(name: str, args: Any, kwargs: Any) -> Any:
    """The value of the Function of a handle."""
    return held(name)(*args, **kwargs)
