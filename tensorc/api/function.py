"""Function: what users call. It makes arrays and a key of the arguments, a compiled program of the key, and keeps it for the next call."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from tensorc import compiler
from tensorc.api.definition import Definition, Instance, Prepared, split_out
from tensorc.api.lanes import handle, in_graph, is_dynamo, taker
from tensorc.collector import seldom
from tensorc.config import config
from tensorc.errors import DTypeError
from tensorc.frontend.trace import active_trace, find_trace
from tensorc.locks import BRIEF
from tensorc.recursion import roomy
from tensorc.runtime import arrays
from tensorc.runtime.call import Call, Further
from tensorc.runtime.entry import Callable, Remembered

if TYPE_CHECKING:
    from tensorc.api.bench import Bench
    from tensorc.api.explanation import Explanation
    from tensorc.api.lowered import Lowered


@dataclass(frozen=True)
class Stats:
    """What a Function has done: its calls, its compiles, and the seconds that those took."""

    calls: int
    compiles: int
    seconds: float


class _Entry:
    """The program of one key: compiled when it is first run."""

    def __init__(self, instance: Instance, target: str) -> None:
        self.instance = instance
        self.compilation = compiler.Compilation(instance.program, target)
        self.call: Call | None = None

    def inputs(self, prepared: Prepared) -> tuple[list[Any], bool]:
        """The program's inputs and whether one is a torch tensor; arrays that the function closes over are read anew."""
        captured = self.instance.captured
        if not captured:
            return prepared.leaves, prepared.torch
        views = [arrays.view(c, f"an array that `{self.instance.program.name}` closes over") for c in captured]
        return [*prepared.leaves, *views], prepared.torch or any(map(arrays.is_torch, captured))


class Function(Callable):
    """A function of arrays, compiled for each combination of dtypes, ranks and static values when it is first called with one.

    NumPy arrays give NumPy arrays, and torch tensors torch tensors. `out=` writes the results into given arrays.
    Calling raises TypeError, DTypeError or ShapeError for wrong arguments, IndexError for a subscript out of range, and CompileError where
    the function has no meaning for the arguments.
    """

    def __init__(self, definition: Definition, target: str | None = None) -> None:
        self._definition = definition
        self._target = target
        self._entries: dict[Hashable, _Entry] = {}
        self._calls = 0
        self._compiles = 0
        self._seconds = 0.0
        self._takes_out = "out" in definition.parameters
        self._handle = handle(self)
        self.__name__ = self.__qualname__ = definition.name
        self.__doc__ = definition.doc or None

    # Calling.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_dynamo():
            return self._in_graph(args, kwargs)
        if active_trace() is not None and find_trace(args, kwargs) is not None:
            return self._definition.inline(args, kwargs)
        taken = taker(args, kwargs)
        if taken is not None:
            return taken(self, args, kwargs)
        out, options = split_out(kwargs, self._takes_out)
        prepared = self._definition.prepare(args, options)
        if prepared.has_specs:
            self._refuse_specs()
        entry = self._entries.get((self._target or config.current.code, prepared.key))
        if entry is None:
            entry = self._entry(prepared)
        call = entry.call
        if call is None:
            call = self._executable(entry)
        captured = entry.instance.captured
        if captured and (taken := taker(captured, {})) is not None:
            return taken(self, args, kwargs)
        inputs, torch = entry.inputs(prepared)
        with BRIEF:
            self._calls += 1
        value = call(inputs, out, torch)
        if self._calls > 1:  # the first call may be the last one
            self._remember(self._definition, self._takes_out, Remembered(args, kwargs, prepared.key, call, inputs, captured, out, torch))
        return value

    def _in_graph(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The call as torch.compile sees it, which reads this code."""
        from tensorc.torch_bridge.dynamo import call_in_graph

        return call_in_graph(self._handle, in_graph(args), in_graph(kwargs))

    @roomy
    def _entry(self, prepared: Prepared, target: str | None = None) -> _Entry:
        """The program for a key, made if it is new."""
        target = target or self._target or config.current.code
        with compiler.LOCK, seldom():
            found = self._entries.get((target, prepared.key))
            if found is None:
                compiler.refuse_compile(self.name)
                started = time.perf_counter()
                found = _Entry(self._definition.instantiate(prepared), target)
                self._seconds += time.perf_counter() - started
                self._entries[(target, prepared.key)] = found
            return found

    def _executable(self, entry: _Entry) -> Call:
        with compiler.LOCK:
            if entry.call is None:
                started = time.perf_counter()
                instance = entry.instance
                entry.call = Call(instance.program, instance.result, entry.compilation.executable, instance.names)
                self._seconds += time.perf_counter() - started
                self._compiles += 1
            return entry.call

    def _refuse_specs(self) -> NoReturn:
        raise DTypeError(f"`{self.name}` is called with arrays; a spec stands for one in `lower`, `warmup` and `inspect`")

    # What it is.

    @property
    def name(self) -> str:
        return self._definition.name

    @property
    def signature(self) -> str:
        """The declaration, on one line."""
        return self._definition.signature

    @property
    def source(self) -> str:
        """The text of the definition."""
        return self._definition.source

    @property
    def doc(self) -> str:
        """The `##` lines above the definition, or the docstring."""
        return self._definition.doc

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self._definition.parameters

    @property
    def stats(self) -> Stats:
        with BRIEF:
            made = [e.call.executable for e in self._entries.values() if e.call is not None]
            further = [e for e in made if isinstance(e, Further)]
            compiles, seconds = sum(e.further for e in further), sum(e.seconds for e in further)
            return Stats(self._calls + self._answered, self._compiles + compiles, self._seconds + seconds)

    def __repr__(self) -> str:
        return f"<tensorc function {self.signature}>"

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bound as a method where it is the attribute of a class."""
        from types import MethodType

        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        module = sys.modules.get(getattr(self, "__module__", ""))
        found: Any = module
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is self:
            return self.__qualname__
        return Function, (self._definition, self._target)

    # Its derivatives.

    def grad(self, wrt: Any = None) -> Function:
        """The function that gives the gradient of the scalar result by the parameters `wrt`: see `tc.grad`."""
        from tensorc.api.derivatives import grad

        return grad(self, wrt)

    def vjp(self, wrt: Any = None) -> Function:
        """The function of the arguments and the results' cotangents: see `tc.vjp`."""
        from tensorc.api.derivatives import vjp

        return vjp(self, wrt)

    def jvp(self, wrt: Any = None) -> Function:
        """The function of the arguments and their tangents: see `tc.jvp`."""
        from tensorc.api.derivatives import jvp

        return jvp(self, wrt)

    def vmap(self, in_axes: Any = 0) -> Function:
        """The function for each place along an axis of its arguments: see `tc.vmap`."""
        from tensorc.api.derivatives import vmap

        return vmap(self, in_axes)

    # Looking at it, and getting it ready.

    def lower(self, *args: Any, target: str | None = None, **kwargs: Any) -> Lowered:
        """The program for arguments or specs of these dtypes and ranks, with its stages as text, its cost, and `compile()`."""
        prepared = self._definition.prepare(args, kwargs)
        return self._lowered(self._entry(prepared, target), prepared)

    def _lowered(self, entry: _Entry, prepared: Prepared | None) -> Lowered:
        from tensorc.api.lowered import Lowered

        return Lowered(self, entry, prepared)

    def warmup(self, *args: Any, **kwargs: Any) -> None:
        """Compile for arguments or specs of these dtypes and ranks, so that a call finds it done."""
        prepared = self._definition.prepare(args, kwargs)
        self._executable(self._entry(prepared))

    def reference(self, *args: Any, **kwargs: Any) -> Any:
        """The value for arguments as NumPy computes it, definition by definition; NumPy arrays, whatever came in."""
        prepared = self._definition.prepare(args, kwargs)
        if prepared.has_specs:
            self._refuse_specs()
        entry = self._entry(prepared)
        instance = entry.instance
        oracle = Call(instance.program, instance.result, compiler.Oracle(instance.program), instance.names)
        return oracle(entry.inputs(prepared)[0])

    def inspect(self, stage: str, *args: Any, **kwargs: Any) -> str:
        """A stage (`ast typed opt schedule loops llvm asm`) for arguments or specs; without any, for the latest program."""
        if stage == "ast":
            return self._definition.ast()
        return self._lowered(self._any_entry(args, kwargs), None).as_text(stage)

    def _any_entry(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Entry:
        if args or kwargs:
            return self._entry(self._definition.prepare(args, kwargs))
        if self._entries:
            return next(reversed(self._entries.values()))
        prepared = self._definition.representative()
        if prepared is None:
            raise ValueError(f"`{self.name}` has no program yet; give arguments or specs: `f.inspect(stage, tc.spec('f32[N]'))`")
        return self._entry(prepared)

    def bench(self, *args: Any, seconds: float = 0.5, **kwargs: Any) -> Bench:
        """How long a call takes with these arguments, with the compile done before; the rates that come of it, and their share of what
        this machine can do.
        """
        from tensorc.api.bench import measure

        self(*args, **kwargs)
        prepared = self._definition.prepare(args, kwargs)
        entry = self._entry(prepared)
        assert entry.call is not None
        sizes = entry.call.bind(entry.inputs(prepared)[0])
        lowered = self._lowered(entry, prepared)
        return measure(lambda: self(*args, **kwargs), lowered.cost(), sizes, seconds, lowered.widest)

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """The kernels for arguments or specs, with their flops and bytes, what was fused into each, and why not the rest."""
        entry = self._any_entry(args, kwargs)
        prepared = self._definition.prepare(args, kwargs) if args or kwargs else None
        return self._lowered(entry, prepared).explain()
