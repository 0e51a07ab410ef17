"""Times every legal nest of programs' kernels, and holds the one that the scheduler chooses against the best of them.

    python benchmarks/nests.py                # each program with its choice, the best, and how far apart they are
    python benchmarks/nests.py --only softmax

A nest is an order of all axes, and an axis that goes in lanes, so many registers at a time. Times are of the processor, on one thread, so
that other work on the machine matters little.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, permutations
from typing import Any
from unittest import mock

import numpy as np

import tensorc
from tensorc import algebra
from tensorc.algebra import Index
from tensorc.errors import InternalError
from tensorc.ir.program import Program
from tensorc.loops.check import check
from tensorc.loops.nest import Bind, Kernel, Schedule
from tensorc.runtime.executable import compile_schedule
from tensorc.schedule import build
from tensorc.schedule import program as scheduler
from tensorc.schedule.bind import bound_as
from tensorc.schedule.members import members
from tensorc.schedule.online import NOTHING
from tensorc.schedule.stages import Loop, Part, Plan, Sweep, arrange, rules

PROGRAMS = {
    "map": ("fn f(x: f32[N, M], b: f32[M]) = silu(x + b)", {"N": 1024, "M": 1000}),
    "turned": ("fn f(x: f32[N, M], y: f32[M, N]) = x + y.T", {"N": 1024, "M": 1000}),
    "permuted": ("fn f(x: f32[A, N, M]) = permute(x, 1, 0, 2) * 2", {"A": 16, "N": 128, "M": 500}),
    "softmax": ("fn f(x: f32[N, M]) = softmax(x)", {"N": 1024, "M": 1000}),
    "softmax of columns": ("fn f(x: f32[N, M]) = softmax(x, axis=0)", {"N": 1024, "M": 1000}),
    "layer norm": ("fn f(x: f32[N, M], w: f32[M], b: f32[M]) = layer_norm(x, w, b)", {"N": 1024, "M": 1000}),
    "sums of rows": ("fn f(x: f32[N, M]) = sum(x, axis=1)", {"N": 1024, "M": 1000}),
    "sums of columns": ("fn f(x: f32[N, M]) = sum(x, axis=0)", {"N": 1024, "M": 1000}),
    "sums of the middle": ("fn f(x: f32[A, N, M]) = sum(x, axis=1)", {"A": 16, "N": 128, "M": 500}),
    "argmax": ("fn f(x: f32[N, M]) = argmax(x, axis=1)", {"N": 1024, "M": 1000}),
    "heat": (
        "fn f(u: f32[N, M]) = u[1:-1, 1:-1] + 0.1 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1])",
        {"N": 1024, "M": 1000},
    ),
}

REGISTERS = (1, 2, 4)


@dataclass(frozen=True)
class Nest:
    """A schedule in which one kernel is another than the scheduler chooses: an order of axes with one of them in lanes."""

    kernel: str
    order: str
    schedule: Schedule


def legal(program: Program) -> Iterator[Nest]:
    """Every legal nest of each kernel in turn, the others as the scheduler makes them."""
    for group in count():
        for number in count():
            found = _replaced(program, group, number)
            if found is None:
                break
            if isinstance(found, Nest):
                yield found
        if number == 0:
            return


def _replaced(program: Program, group: int, number: int) -> Nest | str | None:
    """The schedule with nest `number` of kernel `group`; why there is none, or None behind the last."""
    usual = scheduler.kernel
    seen: list[tuple[str, Kernel | None]] = []

    def kernel(name: str, space: Any, storage: Any, names: Any, estimate: Any) -> Kernel:
        if len(seen) != group:
            seen.append((name, None))
            return usual(name, space, storage, names, estimate)
        every = list(_orders(space))
        if number >= len(every):
            raise StopIteration
        order, axis, registers = every[number]
        made = _kernel(name, members(space, storage), order, axis, registers, names)
        seen.append((name, made))
        return made if made is not None else usual(name, space, storage, names, estimate)

    with mock.patch.object(scheduler, "kernel", kernel):
        try:
            found = scheduler.schedule(program)
        except StopIteration:
            return None
        except (InternalError, AssertionError) as reason:
            return str(reason)
    made = next((k for _, k in seen if k is not None), None)
    if len(seen) <= group:
        return None
    if made is None:
        return "no nest has this order"
    try:
        check(found)
    except InternalError as reason:
        return str(reason)
    lines = [line.strip() for line in str(_text(made)).splitlines() if line.strip().startswith("for ")]
    return Nest(made.name, "; ".join(line.removeprefix("for ").rstrip(":") for line in lines), found)


def _text(kernel: Kernel) -> str:
    from tensorc.loops.text import show

    return show(kernel)


def _orders(space: Any) -> Iterator[tuple[Sequence[Index], Index, int]]:
    axes = sorted({a for r in space.rules for a in (*space.out[r], *space.over[r])}, key=lambda a: a.level)
    for order in permutations(axes):
        for axis in axes:
            for registers in REGISTERS:
                yield order, axis, registers


def _kernel(name: str, every: Sequence[Any], order: Sequence[Index], axis: Index, registers: int, names: Any) -> Kernel | None:
    """The kernel with these loops; None where they cannot hold it."""
    loops = {a: Loop(a) for a in order}
    nest = arrange(every, Plan({m: tuple(loops[a] for a in order if a in m.space) for m in every}))
    if nest is None or not any(isinstance(p, Sweep) for p in nest):
        return None
    bound = tuple(_in_lanes(p, axis, Bind("vector", registers)) for p in nest)
    try:
        return build.kernel(name, bound, NOTHING, names)
    except (AssertionError, InternalError):
        return None


def _in_lanes(part: Part, axis: Index, bind: Bind) -> Part:
    if not isinstance(part, Sweep):
        return part
    accumulates = any(axis in m.over and any(a not in (part.axis,) for a in m.out) and _is_inside(part, m) for m in rules(part.body))
    if part.axis is axis and not accumulates:
        return bound_as(part, bind)
    return bound_as(part, part.bind, tuple(_in_lanes(p, axis, bind) for p in part.body))


def _is_inside(part: Sweep, member: Any) -> bool:
    """Whether a loop over the member's result stands inside, so that it accumulates in memory."""
    inside = {s.axis for s in _sweeps(part.body)}
    return any(a in inside for a in member.out)


def _sweeps(parts: Sequence[Part]) -> Iterator[Sweep]:
    for p in parts:
        if isinstance(p, Sweep):
            yield p
            yield from _sweeps(p.body)


# Running.


def arrays(program: Program, sizes: dict[str, int]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal([algebra.evaluate(e, sizes) for e in t.extents]).astype(t.dtype.numpy) for t in program.inputs]


def outputs(program: Program, sizes: dict[str, int]) -> list[Any]:
    return [np.empty([algebra.evaluate(e, sizes) for e in t.extents], t.dtype.numpy) for t in program.results]


def seconds(schedule: Schedule, program: Program, sizes: dict[str, int], budget: float = 0.05) -> float:
    """The least processor time of a run."""
    executable = compile_schedule(schedule, program)
    given, results = arrays(program, sizes), outputs(program, sizes)
    executable.run(given, sizes, results)
    least, end = float("inf"), time.process_time() + budget
    while time.process_time() < end:
        started = time.process_time()
        executable.run(given, sizes, results)
        least = min(least, time.process_time() - started)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    os.environ["TENSORC_NUM_THREADS"] = "1"
    print("| program | legal nests | chosen, ms | best, ms | chosen / best | best |\n|---|---|---|---|---|---|")
    for name, (text, sizes) in PROGRAMS.items():
        if options.only in name:
            f = tensorc.compile(text).f
            program = f.lower(*(tensorc.spec(_spec(t)) for t in _inputs(text))).optimised
            every = list(legal(program))
            times = [(seconds(n.schedule, program, sizes), n) for n in every]
            chosen = min(seconds(scheduler.schedule(program), program, sizes) for _ in range(2))
            best, nest = min(times, key=lambda t: t[0])
            best = min(best, seconds(nest.schedule, program, sizes), chosen)
            print(f"| {name} | {len(every)} | {chosen * 1e3:.3g} | {best * 1e3:.3g} | {chosen / best:.2f} | {nest.order} |", flush=True)


def _inputs(text: str) -> list[str]:
    inside = text.split("(", 1)[1].split(") =")[0]
    return [p.split(": ")[1] for p in inside.removesuffix("]").split("], ")]


def _spec(text: str) -> str:
    return f"{text}]"


if __name__ == "__main__":
    main()
