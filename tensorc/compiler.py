"""The pipeline on one page: a typed program, simplified, scheduled into kernels, made machine code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tensorc.collector import seldom
from tensorc.config import config
from tensorc.config import log as log
from tensorc.diagnostics import CompileError, Diagnostic
from tensorc.errors import CompileForbidden, ConfigError, DTypeError, InternalError, ShapeError, TargetUnavailable, suggestion
from tensorc.ir.program import Program
from tensorc.locks import LOCK as LOCK
from tensorc.recursion import roomy

if TYPE_CHECKING:
    from tensorc.loops.nest import Schedule
    from tensorc.runtime.arrays import Array
    from tensorc.runtime.call import Executable
    from tensorc.runtime.executable import Executable as Compiled
    from tensorc.runtime.executable import Orders
    from tensorc.transform.partition import Partition

Result = TypeVar("Result")

STAGES = ("ast", "typed", "grad", "opt", "schedule", "loops", "llvm", "llvm-opt", "asm", "triton", "ttir", "ttgir", "ptx", "sass")

_forbidden: ContextVar[bool] = ContextVar("tensorc_no_compile", default=False)


class Compilation:
    """The stages of one program, each made when it is first asked for."""

    def __init__(self, program: Program, target: str | None = None) -> None:
        self.typed = program
        self.target = config.code if target is None else target

    @cached_property
    def optimised(self) -> Program:
        from tensorc.transform.simplify import optimise

        return self._stage("opt", lambda: optimise(self.typed))

    @cached_property
    def schedule(self) -> Schedule:
        from tensorc.schedule.program import schedule

        return self._stage("schedule", lambda: schedule(self.optimised))

    @cached_property
    def passes(self) -> Partition | None:
        """What a call that is to be differentiated keeps, and its backward pass; None where there is no derivative."""
        from tensorc.schedule.passes import passes

        return self._stage("grad", lambda: passes(self.typed))

    @cached_property
    def executable(self) -> Executable:
        refuse_compile(self.typed.name)
        started = time.perf_counter()
        made = self._stage("compile", self._make)
        took = f"{(time.perf_counter() - started) * 1e3:.0f} ms"
        log("compile", f"{self.typed.name} in {took} for {self.target}, the first call with such arrays: {_inputs(self.typed)}")
        if config.dump is not None:
            self._dump(config.dump, getattr(made, "texts", {}))
        return made

    def _make(self) -> Executable:
        match self.target:
            case "cpu" | "cpu:fast":
                from tensorc.runtime.stored import executable

                fast = self.target == "cpu:fast"
                return executable(self.typed, lambda: self.schedule, self.text, config.cpu, fast, refuse_compile, self._reordered)
            case "reference":
                return Oracle(self.typed)
            case "triton":
                from tensorc.runtime.gpu import executable as on_gpu

                return on_gpu(self.optimised)
            case _:
                raise ConfigError(f"there is no target `{self.target}`{suggestion(self.target, ('cpu', 'reference', 'triton'))}")

    def _reordered(self, orders: Orders) -> Compiled:
        """The executable for inputs whose axes are in another order."""
        from tensorc.runtime.executable import Executable as Compiled
        from tensorc.transform.layout import reordered

        made = Compilation(reordered(self.typed, orders), self.target).executable
        assert isinstance(made, Compiled)
        return made

    def text(self, stage: str, sizes: Mapping[str, int] | None = None) -> str:
        """What a stage makes of the program, to be read. ValueError for a stage that there is not, or that the target has not.

        `sizes` are those that code for a GPU is made for.
        """
        from tensorc.ir.text import show
        from tensorc.loops.text import show as show_kernel
        from tensorc.loops.text import show_schedule

        match stage:
            case "typed":
                return show(self.typed)
            case "grad":
                return self._grad()
            case "opt":
                return show(self.optimised)
            case "triton" | "ttir" | "ttgir" | "ptx" | "sass":
                return self._gpu(stage, sizes or {})
            case "schedule" | "loops" if self.target not in ("cpu", "cpu:fast", "reference"):
                return self._gpu(stage, sizes or {})
            case "schedule":
                return show_schedule(self.schedule)
            case "loops":
                return "\n\n".join(map(show_kernel, self.schedule.kernels))
        if self.target.startswith(("cuda:", "hip:")):
            raise ValueError(
                f"the target `{self.target}` has no stage `{stage}`; it has typed grad opt schedule loops triton ttir ttgir ptx sass"
            )
        if stage not in STAGES:
            raise ValueError(f"there is no stage `{stage}`{suggestion(stage, STAGES)}; the stages are {' '.join(STAGES)}")
        texts: Mapping[str, str] = getattr(self.executable, "texts", {})
        if stage not in texts:
            raise ValueError(
                f"the target `{self.target}` has no stage `{stage}`; it has typed grad opt schedule loops {' '.join(texts)}".rstrip()
            )
        return texts[stage]

    def _gpu(self, stage: str, sizes: Mapping[str, int]) -> str:
        """A stage for a GPU, which need not be there."""
        from tensorc.runtime.gpu import stage_text

        if stage == "ptx" and self.target.startswith("hip:"):
            raise ValueError(f"the target `{self.target}` has no stage `ptx`; its assembly is the stage `sass`")
        return self._stage(stage, lambda: stage_text(self.optimised, stage, self.target, sizes))

    def _grad(self) -> str:
        """The backward pass of the program, headed by what it keeps of the forward pass and what it computes again."""
        from tensorc.ir.text import show
        from tensorc.transform.partition import describe
        from tensorc.transform.programs import float_inputs

        found = self.passes
        if found is None:
            missing = "result" if float_inputs(self.typed) else "parameter"
            raise ValueError(f"`{self.typed.name}` has no derivative: it has no float {missing}")
        return "\n".join(f"# {line}" for line in describe(found)) + "\n" + show(found.backward)

    @roomy
    def _stage(self, stage: str, run: Callable[[], Result]) -> Result:
        """Run a stage; what it raises that is no error of the user's becomes an InternalError with a file to reproduce it."""
        with LOCK, seldom():
            try:
                return run()
            except (CompileError, ShapeError, DTypeError, ConfigError, TargetUnavailable, InternalError, MemoryError):
                raise
            except Exception as failure:
                raise InternalError(f"{type(failure).__name__}: {failure}", stage, self._reproducer(failure)) from failure

    def _reproducer(self, failure: Exception) -> str | None:
        """A file with the program and the traceback; None where none can be written."""
        import tempfile
        import traceback

        from tensorc.ir.text import show

        try:
            folder = config.dump or Path(tempfile.gettempdir())
            folder.mkdir(parents=True, exist_ok=True)
            trace = "".join(traceback.format_exception(failure))
            with tempfile.NamedTemporaryFile(
                "w", dir=folder, prefix=f"tensorc-{self.typed.name}-", suffix=".txt", delete=False, encoding="utf-8"
            ) as file:
                file.write("".join(f"# {line}\n" for line in trace.splitlines()) + "\n" + show(self.typed) + "\n")
            return file.name
        except Exception:
            return None

    def _dump(self, folder: Path, texts: Mapping[str, str]) -> None:
        """Write every stage that the target has to a file of its own."""
        target = folder / self.typed.name
        target.mkdir(parents=True, exist_ok=True)
        stages = {stage: self.text(stage) for stage in (("typed", "opt", "schedule", "loops") if texts else ("typed",))}
        for stage, text in {**stages, **texts}.items():
            (target / f"{stage}.txt").write_text(text + "\n", encoding="utf-8")


def _inputs(program: Program) -> str:
    """The types of the inputs: `x: f32[N, M], k: i64`."""
    dims = [f"[{', '.join(map(str, i.extents))}]" if i.extents else "" for i in program.inputs]
    return ", ".join(f"{i.name}: {i.dtype}{d}" for i, d in zip(program.inputs, dims, strict=True)) or "none"


class Oracle:
    """A program run by NumPy, definition by definition: what every backend is held to."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def run(self, inputs: Sequence[Array], sizes: Mapping[str, int], outputs: Sequence[Array]) -> int | None:
        from tensorc.backends.reference.evaluate import evaluate, failed_check

        failed = failed_check(self.program, inputs) if self.program.checks else None
        if failed is not None:
            return self.program.checks.index(failed[0])
        for output, value in zip(outputs, evaluate(self.program, inputs), strict=False):
            output[...] = value
        return None


@contextmanager
def no_compile() -> Iterator[None]:
    """Inside, a call that would have to compile raises CompileForbidden (a CompileError) instead."""
    token = _forbidden.set(True)
    try:
        yield
    finally:
        _forbidden.reset(token)


def refuse_compile(name: str) -> None:
    """Raise CompileForbidden inside of `no_compile`."""
    if _forbidden.get():
        help = "call `warmup` with the dtypes and ranks that come before"
        raise CompileForbidden((Diagnostic("E0901", f"`{name}` would have to be compiled, which `no_compile` forbids", help=help),))
