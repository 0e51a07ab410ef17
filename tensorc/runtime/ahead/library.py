"""Programs as one library for C: its LLVM IR, assembly, object file, shared library and header."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tensorc.backends.llvm import elf, library, target
from tensorc.backends.llvm.emit import ENTRY, emit
from tensorc.errors import TargetUnavailable
from tensorc.ir.program import Program
from tensorc.loops.nest import Schedule
from tensorc.runtime.ahead.contract import Contract, c_name
from tensorc.runtime.ahead.header import header
from tensorc.runtime.ahead.wrapper import Wrapper
from tensorc.runtime.executable import Key
from tensorc.runtime.kernels import Scheduled


@dataclass(frozen=True)
class Function:
    """A program under the name that it is to have, and its schedule. `results` are names for its results."""

    name: str
    program: Program
    schedule: Schedule
    doc: str = ""
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Library:
    """Functions for a processor. The code is that of calls from Python, and so are the results, bit by bit."""

    name: str
    functions: tuple[Function, ...]
    machine: target.Target

    @cached_property
    def contracts(self) -> tuple[Contract, ...]:
        return tuple(Contract(replace(f.program, name=f.name), c_name(f.name), f.doc, f.results) for f in self.functions)

    @property
    def exports(self) -> tuple[str, ...]:
        return tuple(name for c in self.contracts for name in (c.name, f"{c.name}_error"))

    @property
    def header(self) -> str:
        return header(self.name, self.contracts)

    @cached_property
    def module(self) -> Any:
        """All functions as one module of LLVM's."""
        found = target.Linked(self.machine)
        for number, (function, contract) in enumerate(zip(self.functions, self.contracts, strict=True)):
            made = Scheduled(function.schedule, self.machine)
            plan = made.plan
            names = {plan.usual: f"rows.{number}", plan.none: f"any.{number}"}
            if plan.usual == plan.none:
                names = {plan.usual: f"rows.{number}"}
            for key, name in names.items():
                found.add(_kernels(made, key), {ENTRY: name})
            found.add(
                Wrapper(contract, plan, names[plan.usual], names[plan.none]).text(),
                {n: n for n in (contract.name, f"{contract.name}_error")},
            )
        return found.module(self.exports)

    @property
    def llvm(self) -> str:
        return str(self.module)

    @property
    def assembly(self) -> str:
        return target.assembly_of(self.module, self.machine)

    @cached_property
    def object(self) -> bytes:
        return target.object_of_module(self.module, self.machine)

    @property
    def shared(self) -> bytes:
        """The shared library: linked here for Linux on x86-64, elsewhere by the C compiler. TargetUnavailable where there is none."""
        if sys.platform == "linux" and self.machine.triple.startswith("x86_64") and platform.libc_ver()[0] == "glibc":
            return elf.shared_library(self.object, self.exports, f"lib{self.name}.so", ("libm.so.6", "libc.so.6"))
        return linked_by_compiler(self.object, self.name)


def _kernels(made: Scheduled, key: Key) -> str:
    """The kernels for arrays of such strides; functions of the C library under their own names."""
    frame = made.frame
    emitted = emit(frame, dict(zip(frame.strided, key, strict=True)), made.target)
    text = emitted.text
    for symbol in emitted.symbols:
        text = re.sub(rf"@{library.PREFIX}{symbol}\b(?!\.)", f"@{symbol}", text)
    return text


def linked_by_compiler(image: bytes, name: str) -> bytes:
    """The same by the C compiler."""
    compiler = shutil.which("cc") or shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        raise TargetUnavailable("a shared library is linked by the C compiler on this system, and there is none; --emit o,h needs none")
    with tempfile.TemporaryDirectory(prefix="tensorc-") as folder:
        source, made = Path(folder, f"{name}.o"), Path(folder, f"lib{name}.so")
        source.write_bytes(image)
        ran = subprocess.run([compiler, "-shared", "-o", made, source, "-lm"], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise TargetUnavailable(f"`{compiler}` cannot link the library: {ran.stderr.strip()}")
        return made.read_bytes()
