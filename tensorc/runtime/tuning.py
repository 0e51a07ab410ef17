"""Launches of kernels chosen by trying them: how many warps, and how many stages of loads ahead. What was found is kept beside the cache.

The analytic model's own choice is among those that are tried, and stands where nothing is faster.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tensorc.backends.triton.compile import Target
from tensorc.backends.triton.emit import EmittedKernel
from tensorc.config import config
from tensorc.runtime import cache
from tensorc.schedule.gpu import Launch

MOST_WARPS = 32

FASTER = 0.97
"""A choice takes at most this part of the model's time to be taken instead."""

Measure = Callable[[Launch], float]
"""Seconds, or any measure of time, of a kernel that is launched so; infinite where it cannot be."""


def candidates(launch: Launch) -> list[Launch]:
    """What is tried, the model's choice first."""
    warps = [n for n in (launch.warps, launch.warps // 2, launch.warps * 2) if 1 <= n <= MOST_WARPS]
    stages = [launch.stages, *(n for n in (2, 3, 4) if n != launch.stages)]
    return [Launch(w, s) for w in warps for s in stages]


def tuned(kernel: EmittedKernel, target: Target, measure: Measure) -> EmittedKernel:
    """The kernel with the launch that is fastest, by what was found before or by trying."""
    path = _path(kernel, target)
    known = None if path is None else _read(path)
    if known is None:
        model, *others = [(measure(c), c) for c in candidates(kernel.launch)]
        best = min(others, key=lambda found: found[0])
        known = best[1] if best[0] < FASTER * model[0] else model[1]
        if path is not None and config.cache == "rw":
            _write(path, known)
    return replace(kernel, launch=known)


def _path(kernel: EmittedKernel, target: Target) -> Path | None:
    if config.cache == "off":
        return None
    from triton import __version__

    said = repr((__version__, str(target), kernel.text, sorted(kernel.constants.items()), kernel.launch))
    return cache.folder() / "triton" / "tuned" / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> Launch | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Launch(int(found["warps"]), int(found["stages"]))
    except (OSError, ValueError, KeyError, TypeError):  # it is not there, or was damaged
        return None


def _write(path: Path, launch: Launch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"warps": launch.warps, "stages": launch.stages}, file)
    os.replace(temporary, path)
