"""A program as a Function, called with an array for each input: what operations on tensors run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tensorc.api.definition import Instance, Prepared
from tensorc.api.function import Function
from tensorc.config import config
from tensorc.ir.program import Program
from tensorc.ir.text import show
from tensorc.locks import BRIEF
from tensorc.runtime import arrays
from tensorc.runtime.entry import Remembered


class ProgramDefinition:
    """A program, whose inputs are the parameters. Results are a tuple. `names` are what messages call the inputs."""

    doc = ""

    def __init__(self, program: Program, names: Sequence[str]) -> None:
        self.program = program
        self.names = tuple(names)
        self.name = program.name
        self.parameters = tuple(i.name for i in program.inputs)
        self.numbers = (False,) * len(program.inputs)

    @property
    def source(self) -> str:
        return show(self.program)

    @property
    def signature(self) -> str:
        return self.source.partition(" {")[0]

    def ast(self) -> str:
        return self.source

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        leaves = [arrays.view(a, f"`{n}`") for a, n in zip(args, self.names, strict=True)]
        return Prepared(None, leaves, None, any(map(arrays.is_torch, args)))

    def instantiate(self, prepared: Prepared) -> Instance:
        return Instance(self.program, tuple(range(len(self.program.results))), self.signature, self.names)

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NoReturn:
        raise AssertionError("a program is not traced")

    def representative(self) -> Prepared | None:
        return None


class ProgramFunction(Function):
    """A call is neither recorded nor traced by anybody: arrays are read as they are. Dtypes and ranks are taken to be the program's."""

    def __call__(self, *args: Any) -> Any:
        prepared = self._definition.prepare(args, {})
        entry = self._entries.get((self._target or config.current.code, None))
        if entry is None:
            entry = self._entry(prepared)
        call = entry.call if entry.call is not None else self._executable(entry)
        with BRIEF:
            self._calls += 1
        value = call(prepared.leaves, None, prepared.torch)
        if self._calls > 1:
            self._remember(self._definition, False, Remembered(args, {}, None, call, prepared.leaves, (), None, prepared.torch))
        return value
