"""A program as a module of its own: its kernels, and a function of torch tensors that launches them. It needs Triton and torch alone.

The module has kernels for the sizes that it is made for, and kernels that serve any other sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tensorc import algebra
from tensorc.algebra import Atom, Poly, Size
from tensorc.backends.triton.context import RESERVED, Naming
from tensorc.backends.triton.emit import FINISHED, Emitted, EmittedKernel, module
from tensorc.backends.triton.types import TRITON
from tensorc.dtypes import DType
from tensorc.ir.program import Condition, Program
from tensorc.ir.tensor import Input
from tensorc.loops.nest import Buffer, Memory, Schedule
from tensorc.loops.text import declared

PASSED = (1 << 63) - 1

ALIGNED = 16
"""Bytes that memory which is loaded by descriptors is aligned to."""

LARGEST = "2**30"
"""Elements below which indices of 32 bits do, and what is added to them."""


def standalone(program: Program, variants: Sequence[Emitted]) -> str:
    """The text of the module. The last of the variants serves all sizes that the others are not for."""
    writer = _Writer(program, variants)
    functions = [k.text for v in variants for k in v.kernels]
    text = module(program.name, [*functions, writer.function()])
    return text.replace("\nimport triton\n", "\nimport torch\nimport triton\n", 1)


class _Writer:
    def __init__(self, program: Program, variants: Sequence[Emitted]) -> None:
        self.program = program
        self.variants = variants
        kernels = [k.name for v in variants for k in v.kernels]
        self.names = Naming([*RESERVED, *kernels])
        self.name = self.names.of("function", program.name)
        self.lines: list[str] = []
        for tensor in program.inputs:
            self.names.of(tensor, tensor.name)
        for size in sorted({s.name for t in program.inputs for e in t.extents for s in algebra.sizes(e)}):
            self.names.of(Size(size), size)

    def function(self) -> str:
        parameters = ", ".join(self.names.of(t, t.name) for t in self.program.inputs)
        results = ", ".join(f"{t.dtype}[{', '.join(map(str, t.extents))}]" for t in self.program.results)
        takes = ", ".join(map(declared, self.program.inputs))
        self.lines = [f"def {self.name}({parameters}):", f'    """{takes} -> {results}"""']
        self._arguments()
        for n, emitted in enumerate(self.variants):
            last = n == len(self.variants) - 1
            if not last:
                self.lines.append(f"    if {self._is_for(emitted)}:")
            self._launches(emitted, "    " if last else "        ")
        return "\n".join(self.lines)

    # Arguments.

    def _arguments(self) -> None:
        add = self.lines.append
        inputs = self.program.inputs
        ranked = next((t for t in inputs if t.extents), None)
        device = f"{self.names.of(ranked, ranked.name)}.device" if ranked is not None else '"cuda"'
        device_name = self.names.of("device", "device")
        add(f"    {device_name} = {device}")
        for t in inputs:
            name = self.names.of(t, t.name)
            if t.extents:
                wanted = _quoted(f"{t.name} must be {declared(t).removeprefix(f'{t.name}: ')}")
                add(f"    assert {name}.dtype == {_torch(t.dtype)} and {name}.ndim == {len(t.extents)}, {wanted}")
                add(f"    {name} = {name}.contiguous()")
            else:
                add(f"    {name} = torch.as_tensor({name}, dtype={_torch(t.dtype)}, device={device_name})")
        bound: set[str] = set()
        checks: list[tuple[Input, int, Poly]] = []
        for t in inputs:
            for axis, e in enumerate(t.extents):
                if isinstance(e.atom, Size) and e.atom.name not in bound:
                    bound.add(e.atom.name)
                    add(f"    {self._poly(e)} = {self.names.of(t, t.name)}.shape[{axis}]")
                else:
                    checks.append((t, axis, e))
        for t, axis, e in checks:
            what = _quoted(f"axis {axis} of {t.name} must be {e}")
            add(f"    assert {self.names.of(t, t.name)}.shape[{axis}] == {self._poly(e)}, {what}")
        for c in self.program.conditions:
            add(f"    assert {self._condition(c)}, {_quoted(c.message)}")

    def _condition(self, c: Condition) -> str:
        return f"{self._poly(c.value)} {c.relation} 0"

    def _is_for(self, emitted: Emitted) -> str:
        """Whether the kernels are right for the sizes: what they rely on."""
        found: dict[Poly, list[tuple[str, int]]] = {}
        for r in (r for k in emitted.kernels for r in k.relied):
            found.setdefault(r.extent, []).append((r.relation, r.count))
        for extent, count in emitted.planned.exact:
            found.setdefault(extent, []).append(("%", count))
        parts = [part for extent, relations in found.items() for part in self._relations(extent, relations)]
        described = dict.fromkeys(m for k in emitted.kernels for m in k.described if m in emitted.planned.schedule.inputs)
        parts += [f"{self._memory(emitted, m)}.data_ptr() % {ALIGNED} == 0" for m in described]
        if any(k.index_bits == 32 for k in emitted.kernels):
            large = [m for k in emitted.kernels for m in k.pointers if m.extents]
            counts = dict.fromkeys(" * ".join(_grouped(self._poly(e)) for e in m.extents) for m in large)
            parts.append(f"max({', '.join(counts)}) < {LARGEST}" if len(counts) > 1 else f"{next(iter(counts), '0')} < {LARGEST}")
        return " and ".join(parts)

    def _relations(self, extent: Poly, relations: list[tuple[str, int]]) -> Iterator[str]:
        text = self._poly(extent)
        most = min((n for relation, n in relations if relation == "<="), default=None)
        exactly = next((n for relation, n in relations if relation == "=="), None)
        multiple = max((n for relation, n in relations if relation == "%"), default=1)
        if exactly is not None or multiple == most:
            yield f"{text} == {multiple if exactly is None else exactly}"
            return
        if most is not None:
            yield f"{text} <= {most}"
        if multiple > 1:
            yield f"{_grouped(text)} % {multiple} == 0"
        if ("%", 1) in relations or (multiple > 1 and most is not None):
            yield f"{text} > 0"

    # Launches.

    def _launches(self, emitted: Emitted, indent: str) -> None:
        s = emitted.planned.schedule
        for b in (*s.results, *s.intermediates, *s.checks):
            shape = ", ".join(map(self._poly, b.extents))
            shape = f"({shape}{',' if len(b.extents) == 1 else ''})"
            device = self.names.of("device", "device")
            self.lines.append(f"{indent}{self._memory(emitted, b)} = torch.empty({shape}, dtype={_torch(b.dtype)}, device={device})")
        if any(FINISHED in k.pointers for k in emitted.kernels):
            device = self.names.of("device", "device")
            self.lines.append(f"{indent}{self._memory(emitted, FINISHED)} = torch.zeros((), dtype=torch.int32, device={device})")
        if any(k.described for k in emitted.kernels):  # descriptors lie in memory
            device = self.names.of("device", "device")
            memory = f"lambda size, alignment, stream: torch.empty(size, dtype=torch.int8, device={device})"
            self.lines.append(f"{indent}triton.set_allocator({memory})")
        for k in emitted.kernels:
            self.lines += _wrapped(self._launch(emitted, k, s), indent)
        for b, check in zip(s.checks, self.program.checks, strict=True):
            message = _quoted(f"an index is out of range for axis {check.axis} of {check.subject}")
            self.lines += [f"{indent}if {self._memory(emitted, b)}.item() != {PASSED}:", f"{indent}    raise IndexError({message})"]
        self.lines.append(f"{indent}return {', '.join(self._memory(emitted, b) for b in s.results)}")

    def _launch(self, emitted: Emitted, k: EmittedKernel, s: Schedule) -> list[str]:
        grid = [" * ".join(self._blocks(e, block) for e, block in dimension) or "1" for dimension in k.grid]
        arguments = [self._memory(emitted, m) for m in k.pointers] + [self.names.of(Size(name), name) for name in k.sizes]
        arguments += [f"{name}={value}" for name, value in k.constants.items()]
        arguments += [f"num_warps={k.launch.warps}", f"num_stages={k.launch.stages}", f"enable_fp_fusion={k.fusion}"]
        return [f"{k.name}[({', '.join(grid)},)](", *arguments]

    def _blocks(self, extent: Poly, block: int) -> str:
        text = self._poly(extent)
        return f"triton.cdiv({text}, {block})" if block > 1 else text if extent.atom or extent.constant is not None else f"({text})"

    def _memory(self, emitted: Emitted, m: Memory) -> str:
        base = emitted.planned.schedule.aliases.get(m, m) if isinstance(m, Buffer) else m
        return self.names.of(base, base.name)

    def _poly(self, p: Poly) -> str:
        def name(a: Atom) -> str | None:
            return self.names.of(a, a.name) if isinstance(a, Size) else None

        return algebra.show(p, name)


def _grouped(text: str) -> str:
    return f"({text})" if " " in text else text


def _wrapped(parts: Sequence[str], indent: str) -> Iterator[str]:
    """A call on one line where it fits."""
    head, *arguments = parts
    line = f"{indent}{head}{', '.join(arguments)})"
    if len(line) <= 120:
        yield line
        return
    yield indent + head
    yield from (f"{indent}    {a}," for a in arguments)
    yield f"{indent})"


def _torch(dtype: DType) -> str:
    return "torch.bool" if TRITON[dtype] == "int1" else f"torch.{TRITON[dtype]}"


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
