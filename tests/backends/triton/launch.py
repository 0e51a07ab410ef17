"""Launches a program by Triton's own launcher on a driver that only writes down: `python launch.py DRIVER`, a pickled job on its input.

A job is (program, sizes, strides, addresses, stream, whether launches are tuned, for which more threads are less time); what was launched
goes to the standard output as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import sys
import time
from importlib.metadata import version
from types import ModuleType, SimpleNamespace
from typing import Any


class Config(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint) for name in ("gx", "gy", "gz", "bx", "by", "bz", "shared")),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("count", ctypes.c_uint),
    )


class NoTorch:
    """Hides torch, whose build for the processor would tell Triton that there is no GPU."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "torch":
            raise ImportError("torch is hidden")


def torch_of_a_gpu() -> ModuleType:
    """What Triton before 3.8 asks of torch, which it cannot launch without."""
    torch, cuda, internals = (ModuleType(name) for name in ("torch", "torch.cuda", "torch._C"))
    vars(torch).update(
        cuda=cuda, _C=internals, version=SimpleNamespace(hip=None), Tensor=type("Tensor", (), {}), dtype=type("dtype", (), {})
    )
    vars(cuda).update(
        is_available=lambda: True,
        get_device_capability=lambda device=0: (9, 0),
        current_device=lambda: 0,
        set_device=lambda device: None,
        device=lambda name, number=0: number,
    )
    vars(internals).update(_cuda_getCurrentRawStream=lambda device: 0)
    return torch


def main(driver: str) -> None:
    if tuple(map(int, version("triton").split(".")[:2])) < (3, 8):
        torch = torch_of_a_gpu()
        sys.modules.update({"torch": torch, "torch.cuda": torch.cuda, "torch._C": torch._C})
    else:
        sys.meta_path.insert(0, NoTorch())  # type: ignore[arg-type]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    library = ctypes.CDLL(driver, mode=ctypes.RTLD_GLOBAL)
    sys.setrecursionlimit(100_000)
    program, sizes, strides, addresses, stream, is_tuned = pickle.load(sys.stdin.buffer)

    from tensorc.runtime.device import OnDevice

    device = OnDevice(program)
    configs = (Config * 64).in_dll(library, "driver_configs")
    launched: Any = ctypes.c_uint.in_dll(library, "driver_launches")
    tries: list[int] = []

    def time_of(call: Any) -> float:
        call()
        tries.append(configs[launched.value - 1].bx)
        return 1 / tries[-1]

    if is_tuned:
        device.tune(sizes, strides, addresses, stream, time_of)
        launched.value = 0
    found = device.launches(sizes, strides, addresses[: len(program.inputs)])
    counts = (ctypes.c_uint * 64).in_dll(library, "driver_count")
    for n, step in enumerate(found.steps):
        counts[n] = len(step.pointers)
    found(addresses, stream)
    arguments = (ctypes.c_uint64 * 24 * 64).in_dll(library, "driver_arguments")
    kernels = [
        {
            "grid": [configs[n].gx, configs[n].gy, configs[n].gz],
            "threads": configs[n].bx,
            "shared": configs[n].shared,
            "stream": configs[n].stream,
            "arguments": list(arguments[n])[: len(found.steps[n].pointers)],
        }
        for n in range(launched.value)
    ]
    count = 200
    taken = []
    for _ in range(20):
        started = time.process_time()
        for _ in range(count):
            device.launches(sizes, strides, addresses[: len(program.inputs)])(addresses, stream)
        taken.append((time.process_time() - started) / count)
    seconds = min(taken)
    answer = {
        "kernels": kernels,
        "workspace": found.workspace,
        "results": found.results,
        "target": str(device.target),
        "seconds": seconds,
        "counts": found.counts,
        "tries": tries,
    }
    json.dump(answer, answers)


if __name__ == "__main__":
    main(sys.argv[1])
