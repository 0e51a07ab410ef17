"""The threads that kernels run on: how many, and the code that hands out chunks to them (`pool.ll`).

They are a pool that starts with the first large kernel, and sleeps soon. An OpenMP runtime would wait for each of its threads at the end of
a region, and on a processor that others use too that takes as long as the system likes; this pool waits only for those that have come. On
Windows kernels run on the thread that calls them.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from tensorc.backends.llvm import target
from tensorc.config import config, processors
from tensorc.locks import LOCK
from tensorc.loops import SMALL
from tensorc.runtime import entry, words
from tensorc.runtime.cache import kept, key_of

MOST = 256
"""The most threads that a kernel runs on."""

SPINS = 2000
"""How often a thread looks for work before it sleeps: some ten microseconds."""

GRAIN = 1 << 17
"""The least work in a chunk."""

LONG = 1 << 33
"""The most work in a chunk, where there are units enough: what takes longer than a tenth of a second can be interrupted."""

CHUNKS = 8
"""So many chunks for each thread even out what differs between chunks, and between processors."""

IMPORTS = (
    "pthread_create",
    "pthread_join",
    "pthread_sigmask",
    "sigfillset",
    "pthread_mutex_init",
    "pthread_mutex_lock",
    "pthread_mutex_unlock",
    "pthread_cond_init",
    "pthread_cond_wait",
    "pthread_cond_broadcast",
    "sched_yield",
)

SUPPORTED = sys.platform != "win32"


EXPORTED = ("tensorc.parallel", "tensorc.reset", "tensorc.stop", "tensorc.spins", "tensorc.poll", "tensorc.stopped")


def count() -> int:
    """How many threads a kernel may run on here."""
    if not SUPPORTED:
        return 1
    chosen = config.num_threads
    return min(_available() if chosen is None else chosen, MOST)


@cache
def _available() -> int:
    return processors()


@dataclass(frozen=True)
class Region:
    """A number of units, and how many of them a thread takes at a time; 0 where one thread takes them all.

    What is computed does not depend on the chunk: a unit is a block of points that nothing is combined across.
    """

    units: int
    chunk: int


def region(units: int, work: int, threads: int) -> Region:
    """How units of so much work, in units of `loops.work`, are shared out."""
    if units < 2 or work < (SMALL if threads > 1 else LONG) or not SUPPORTED:
        return Region(units, 0)
    chunks = min(threads * CHUNKS, max(work // GRAIN, 2)) if threads > 1 else 2
    return Region(units, -(-units // min(units, max(chunks, work // LONG))))


# The pool.


@dataclass(frozen=True)
class Pool:
    """The code of `pool.ll` in this process. `parallel` is the address of the function that runs a region."""

    loaded: target.Loaded
    parallel: int

    def call(self, name: str) -> Any:
        return ctypes.CFUNCTYPE(ctypes.c_int32)(self.loaded.addresses[name])()

    def set(self, name: str, value: int) -> None:
        ctypes.c_int64.from_address(self.loaded.addresses[name]).value = value

    def is_stopped(self) -> bool:
        return ctypes.c_int64.from_address(self.loaded.addresses["tensorc.stopped"]).value != 0


def parallel() -> int:
    """The address of the function that runs a region: void (part, frame, units, chunk, threads, scratch, slot), see `pool.ll`."""
    global _pool
    with LOCK:
        if _pool is None:
            _pool = _load()
    _pool.set("tensorc.spins", SPINS if count() <= _available() else 0)  # who spins keeps others from the processor
    return _pool.parallel


_pool: Pool | None = None


def raise_if_stopped() -> None:
    """Raise what a signal's handler has raised while this thread's kernels ran: the rest of them was left out."""
    if _pool is not None and _pool.is_stopped() and threading.current_thread() is threading.main_thread():
        code = entry.code()
        assert code is not None, "it is what stops kernels"
        code.raise_stopped()


def _load() -> Pool:
    libc = ctypes.CDLL(None)
    imports = {name: ctypes.cast(getattr(libc, name), ctypes.c_void_p).value or 0 for name in IMPORTS}
    machine = target.Target(target.host().triple, "", "")
    written = text(machine.triple)
    key = key_of("entry", written, machine.triple, target.llvm_version())
    image = kept(key, {"kind": "entry", "name": "threads"}, lambda: target.emit_object(written, machine))
    loaded = target.load([image], EXPORTED, imports)
    pool = Pool(loaded, loaded.addresses["tensorc.parallel"])
    pool.call("tensorc.reset")
    code = entry.code()
    if code is not None:
        code.context[words.STOPPED_AT] = loaded.addresses["tensorc.stopped"]
        pool.set("tensorc.poll", code.addresses["poll"])
    atexit.register(_stop, pool)
    return pool


def text(triple: str) -> str:
    """`pool.ll` for a machine."""
    made = files("tensorc.runtime").joinpath("pool.ll").read_text(encoding="utf-8")
    for name, code in _machine(triple.partition("-")[0]).items():
        made = made.replace(f"  {name}\n", "".join(f"  {line}\n" for line in code if not line.startswith("declare")))
        made += "".join(f"{line}\n" for line in code if line.startswith("declare"))
    return made.replace("SETMASK", str(int(signal.SIG_SETMASK)))


def _machine(architecture: str) -> dict[str, tuple[str, ...]]:
    match architecture:
        case "x86_64":
            return {
                "RELAX": ("call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"),
                "MODE": ("call void @llvm.x86.sse.stmxcsr(ptr %place)", "declare void @llvm.x86.sse.stmxcsr(ptr)"),
                "ADOPT": ("call void @llvm.x86.sse.ldmxcsr(ptr %place)", "declare void @llvm.x86.sse.ldmxcsr(ptr)"),
            }
        case "aarch64" | "arm64":
            return {
                "RELAX": ("call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"),
                "MODE": (
                    "%control = call i64 @llvm.aarch64.get.fpcr()",
                    "%short = trunc i64 %control to i32",
                    "store i32 %short, ptr %place",
                    "declare i64 @llvm.aarch64.get.fpcr()",
                ),
                "ADOPT": (
                    "%control = zext i32 %mode to i64",
                    "call void @llvm.aarch64.set.fpcr(i64 %control)",
                    "declare void @llvm.aarch64.set.fpcr(i64)",
                ),
            }
        case _:
            return {"RELAX": (), "MODE": (), "ADOPT": ()}


# Forks and the end.


def _after_fork() -> None:
    _available.cache_clear()
    if _pool is not None:
        _pool.call("tensorc.reset")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _stop(pool: Pool) -> None:
    """End the pool's threads, before their code goes. A kernel that still runs, on a thread that nobody waits for, keeps them."""
    for _ in range(100):
        if pool.call("tensorc.stop"):
            return
        time.sleep(0.001)
