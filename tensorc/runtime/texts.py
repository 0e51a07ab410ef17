"""Texts that are made when they are asked for, and those of a module of LLVM IR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tensorc.backends.llvm import target


class Texts(Mapping[str, str]):
    """A text for each name, from a function that makes it."""

    def __init__(self, makers: Mapping[str, Callable[[], str]]) -> None:
        self._makers = makers

    def __getitem__(self, stage: str) -> str:
        return self._makers[stage]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def stages(module: Callable[[], str], machine: target.Target) -> Texts:
    """The stages from LLVM IR on, of the module that `module` gives."""
    return Texts(
        {
            "llvm": module,
            "llvm-opt": lambda: target.emit_module(module(), machine),
            "asm": lambda: target.emit_assembly(module(), machine),
        }
    )
