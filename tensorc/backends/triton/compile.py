"""Triton kernels compiled ahead of time, for a target that need not be there: each stage as text, and what the machine code takes."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from tensorc.backends.triton.emit import Emitted, EmittedKernel
from tensorc.backends.triton.types import pointer
from tensorc.errors import ConfigError, TargetUnavailable, suggestion
from tensorc.loops.nest import Memory

STAGES = ("triton", "ttir", "ttgir", "ptx", "sass")
"""The stages that this module has, by their names for users."""

ALIGNED = 16
"""Bytes that memory given to kernels is aligned to."""


@dataclass(frozen=True)
class Target:
    """A GPU's architecture: `vendor` is `cuda` or `hip`, `arch` is `sm_90` or `gfx942`."""

    vendor: str
    arch: str

    def __str__(self) -> str:
        return f"{self.vendor}:{self.arch}"

    @property
    def threads(self) -> int:
        """The threads of a warp."""
        return 64 if self.arch.startswith("gfx9") else 32

    @property
    def has_descriptors(self) -> bool:
        """Whether the hardware walks descriptors of tiles: NVIDIA's from Hopper on."""
        return self.vendor == "cuda" and int(self.arch.removeprefix("sm_")) >= 90

    @property
    def triton(self) -> Any:
        """The target as Triton has it."""
        from triton.backends.compiler import GPUTarget

        arch = int(self.arch.removeprefix("sm_")) if self.vendor == "cuda" else self.arch
        return GPUTarget(self.vendor, arch, self.threads)


def parse(text: str) -> Target:
    """The target that a text such as `cuda:sm_90` names. ConfigError for any other."""
    match = re.fullmatch(r"cuda:sm_(\d{2,3})|hip:gfx([0-9a-f]{3,4})", text)
    if match is None:
        close = suggestion(text, ("cuda:sm_90", "hip:gfx942"))
        raise ConfigError(f"there is no target `{text}`; a GPU is written cuda:sm_90 or hip:gfx942{close}")
    vendor, _, arch = text.partition(":")
    return Target(vendor, arch)


def require() -> ModuleType:
    """Triton, to compile with. TargetUnavailable where it is missing, or was imported as an interpreter."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise TargetUnavailable("TRITON_INTERPRET=1 makes Triton an interpreter, which compiles nothing; unset it")
    try:
        import triton
    except ImportError as reason:
        raise TargetUnavailable(f"Triton is not installed ({reason}); it is the extra `gpu`") from None
    found: ModuleType = triton
    return found


def signature(kernel: EmittedKernel) -> dict[str, str]:
    """The types of a kernel's parameters, in order."""
    names = kernel.parameters
    types = [pointer(m.dtype) for m in kernel.pointers]
    types += [f"i{kernel.index_bits}"] * len(kernel.sizes) + ["constexpr"] * len(kernel.constants)
    return dict(zip(names, types, strict=True))


def divisors(emitted: Emitted, kernel: EmittedKernel, unaligned: Container[Memory] = ()) -> dict[int, int]:
    """The powers of two, up to 16, that divide parameters: the addresses of aligned memory, and the sizes of this class."""
    ranges = emitted.planned.situation.sizes.by_name
    count = len(kernel.pointers)
    found = {n: 1 if m in unaligned else ALIGNED for n, m in enumerate(kernel.pointers)}
    for n, name in enumerate(kernel.sizes):
        multiple = ranges[name].multiple if name in ranges else 1
        found[count + n] = min(multiple & -multiple or ALIGNED, ALIGNED)
    return {n: d for n, d in found.items() if d > 1}


def options(kernel: EmittedKernel, target: Target) -> dict[str, Any]:
    """What Triton is told, on any version: it contracts nothing that the program did not write so, unless the settings say otherwise."""
    warps = max(kernel.launch.warps * 32 // target.threads, 1)
    return {"num_warps": warps, "num_stages": kernel.launch.stages, "enable_fp_fusion": kernel.fusion}


def compile_kernel(emitted: Emitted, kernel: EmittedKernel, module: ModuleType, target: Target, unaligned: Container[Memory] = ()) -> Any:
    """Triton's compiled kernel. All memory but that which is `unaligned` lies at a multiple of 16 bytes."""
    triton = require()
    from triton.compiler import ASTSource

    function = getattr(module, kernel.name)
    attributes = {(n,): [["tt.divisibility", d]] for n, d in divisors(emitted, kernel, unaligned).items()}
    source = ASTSource(function, signature(kernel), constexprs=dict(kernel.constants), attrs=attributes)
    return triton.compile(source, target=target.triton, options=options(kernel, target))


@dataclass(frozen=True)
class Compiled:
    """A kernel's compiled stages."""

    kernel: EmittedKernel
    target: Target
    asm: Mapping[str, Any]
    shared: int  # bytes of memory that the threads of a program share

    def text(self, stage: str) -> str:
        """A stage: `ttir`, `ttgir`, `ptx`, or `sass`, the assembly. ValueError for one that the target has not."""
        if stage == "sass":
            return self.sass if self.target.vendor == "cuda" else str(self.asm["amdgcn"])
        if stage not in self.asm:
            raise ValueError(f"the target `{self.target}` has no stage `{stage}`; its assembly is the stage `sass`")
        return str(self.asm[stage])

    @cached_property
    def sass(self) -> str:
        return _tool("nvdisasm", ["-c"], self.asm["cubin"])

    @cached_property
    def usage(self) -> Mapping[str, int]:
        """`REG` registers a thread, and `STACK` and `LOCAL` bytes of memory of its own: spilled registers lie there."""
        if self.target.vendor == "cuda":
            text = _tool("cuobjdump", ["-res-usage"], self.asm["cubin"])
            return {name: int(n) for name, n in re.findall(r"\b(REG|STACK|LOCAL|SHARED):(\d+)", text)}
        text = str(self.asm["amdgcn"])
        found = {"REG": r"\.vgpr_count:\s+(\d+)", "STACK": r"\.private_segment_fixed_size:\s+(\d+)"}
        return {name: int(m[1]) for name, form in found.items() if (m := re.search(form, text)) is not None}

    @property
    def spilled(self) -> int:
        """Bytes of a thread's own memory; a function of the library may take some whatever registers there are."""
        return self.usage.get("STACK", 0) + self.usage.get("LOCAL", 0)

    @property
    def spills(self) -> bool:
        """Whether registers did not suffice."""
        return bool(self.spilled)


def compile_all(emitted: Emitted, module: ModuleType, target: Target) -> list[Compiled]:
    """Every kernel of a module, for a target."""
    found = []
    for kernel in emitted.kernels:
        made = compile_kernel(emitted, kernel, module, target)
        found.append(Compiled(kernel, target, dict(made.asm), made.metadata.shared))
    return found


def _tool(name: str, arguments: Sequence[str], image: bytes) -> str:
    """The output of one of the CUDA tools that Triton brings."""
    from triton import knobs

    path = getattr(knobs.nvidia, name).path
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(image)
        return subprocess.run([path, *arguments, str(file)], capture_output=True, text=True, check=True).stdout
