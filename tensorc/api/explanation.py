"""Explains how a program runs: its kernels, what each has to do, what was fused into it, and why not the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tensorc import algebra
from tensorc.algebra import Poly
from tensorc.api.cost import Cost, elements, kernel_flops
from tensorc.loops.nest import Kernel, Schedule

if TYPE_CHECKING:
    from tensorc.api.lowered import Lowered


@dataclass(frozen=True)
class Explained:
    """A kernel. `flops` are the operations on floats that it does, `bytes` what it reads and writes of memory, each element once.

    `fused` are the definitions that it computes, and `apart` says of earlier kernels whose values it reads why they are others.
    """

    name: str
    fused: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    flops: Poly
    bytes: Poly
    apart: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """`str` of it is the whole, to be read. `sizes` are those that are known, for which figures are numbers.

    `stored` are the intermediates with their bytes; `saved` says what a backward pass keeps of the forward one, and what it computes again.
    """

    signature: str
    kernels: tuple[Explained, ...]
    stored: Mapping[str, Poly]
    saved: tuple[str, ...]
    cost: Cost
    derived: Mapping[str, Poly]
    sizes: Mapping[str, int]

    def number(self, p: Poly) -> int | str:
        """A figure, as a number where all sizes that it depends on are known."""
        p = algebra.substitute(p, {algebra.Size(name): value for name, value in self._derived().items()})
        if {s.name for s in algebra.sizes(p)} <= set(self.sizes):
            return algebra.evaluate(p, self.sizes)
        return str(p)

    def _derived(self) -> dict[str, Poly]:
        found: dict[str, Poly] = {}
        for name, value in self.derived.items():
            found[name] = algebra.substitute(value, {algebra.Size(n): v for n, v in found.items()})
        return found

    def __str__(self) -> str:
        lines = [self.signature, f"{len(self.kernels)} kernel{'' if len(self.kernels) == 1 else 's'}; {self._work(self.cost)}", ""]
        for k in self.kernels:
            lines.append(f"kernel {k.name}({', '.join(k.reads)}) -> {', '.join(k.writes)}")
            lines.append(f"  fused: {', '.join(k.fused)}")
            lines.append(f"  {self._work(k)}")
            lines += [f"  not with {name}: {why}" for name, why in k.apart.items()]
        if self.stored:
            lines += ["", "stored between kernels: " + ", ".join(f"{n} ({self.number(b)} bytes)" for n, b in self.stored.items())]
        if self.saved:
            lines += ["", "backward pass:", *(f"  {line}" for line in self.saved)]
        return "\n".join(lines)

    def _work(self, figures: Cost | Explained) -> str:
        return f"flops = {self.number(figures.flops)}, bytes = {self.number(figures.bytes)}"


def explain(lowered: Lowered) -> Explanation:
    """The explanation of a program for the sizes that its arguments have."""
    from tensorc.schedule.program import grouped
    from tensorc.schedule.reasons import reason

    sizes = lowered.sizes
    schedule, groups = grouped(lowered.optimised)
    found: list[Explained] = []
    for n, (group, kernels) in enumerate(groups):
        apart = {before[0].name: why for g, before in groups[:n] if (why := reason(g, group)) is not None}
        for number, kernel in enumerate(k for k in kernels if _runs(k, schedule, sizes)):
            found.append(_explained(kernel, tuple(r.name for r in group.rules), apart if number == 0 else {}))
    stored = {b.name: elements(b.extents) * b.dtype.bytes for b in schedule.intermediates}
    return Explanation(lowered.signature, tuple(found), stored, _saved(lowered), lowered.cost(), dict(schedule.derived), sizes)


def _runs(kernel: Kernel, schedule: Schedule, sizes: Mapping[str, int]) -> bool:
    """Whether a kernel runs in a call of such sizes; where they are not all known, in one of large arrays."""
    known = dict(sizes)
    for name, value in schedule.derived.items():
        if all(s.name in known for s in algebra.sizes(value)):
            known[name] = algebra.evaluate(value, known)
    needed = {s.name for switch, _ in kernel.when for tests in switch.ways for t in tests for s in algebra.sizes(t.value)}
    return kernel.runs(known) if needed <= known.keys() else kernel.is_usual


def _explained(kernel: Kernel, fused: tuple[str, ...], apart: Mapping[str, str]) -> Explained:
    moved = algebra.ZERO
    for m in (*kernel.reads, *kernel.writes):
        moved = moved + elements(m.extents) * m.dtype.bytes
    reads, writes = (tuple(m.name for m in several) for several in (kernel.reads, kernel.writes))
    return Explained(kernel.name, fused, reads, writes, kernel_flops(kernel), moved, apart)


def _saved(lowered: Lowered) -> tuple[str, ...]:
    """What the backward pass keeps and computes again, in words; nothing where there is none."""
    try:
        text = lowered.as_text("grad")
    except ValueError:
        return ()
    return tuple(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))
