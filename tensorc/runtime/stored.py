"""Kernels whose code comes from the cache on disk, and is made and kept there where it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache, cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorc.backends.llvm import target
from tensorc.config import log
from tensorc.ir.program import Program
from tensorc.ir.text import show
from tensorc.runtime import plan, texts
from tensorc.runtime.cache import Entry, get, key_of, put, store
from tensorc.runtime.executable import Executable, Image, Key, Orders
from tensorc.runtime.plan import Plan
from tensorc.version import __version__

if TYPE_CHECKING:
    from tensorc.loops.nest import Schedule
    from tensorc.runtime.kernels import Scheduled

USUAL = "row-major"
"""What the cache calls the code for row-major arrays."""

STAGES = ("typed", "opt")
"""The stages that an entry has as text, beside those of its schedule."""


def executable(
    program: Program,
    schedule: Callable[[], Schedule],
    text: Callable[[str], str],
    cpu: str | None,
    fast: bool,
    permit: Callable[[str], None],
    reorder: Callable[[Orders], Executable],
) -> Executable:
    """The program's executable for a CPU. `schedule` is called where the cache lacks it, and `text` for the stages that are kept.

    `fast` says that functions may be off by 4 units in the last place rather than by 1.
    `permit` is called with the program's name before code is made later on, for arrays with other strides; `reorder` makes the executable
    for inputs whose axes are in another order.
    """
    machine = replace(target.host(cpu), fast=fast)

    if store() is None:
        from tensorc.runtime.kernels import Scheduled

        return Executable(Scheduled(schedule(), machine), program.name, permit, reorder)
    return Executable(Stored(program, schedule, text, machine), program.name, permit, reorder)


class Stored:
    """Kernels by the hash of all that they are made from: the program, the CPU, the compiler and LLVM."""

    def __init__(self, program: Program, schedule: Callable[[], Schedule], text: Callable[[str], str], machine: target.Target) -> None:
        self.name = program.name
        self.target = machine
        self._schedule = schedule
        self._text = text
        self._parts = ("program", compiler(), target.llvm_version(), str(machine), *_texts(program))
        self.texts: Mapping[str, str] = texts.stages(self._llvm, machine)

    @cached_property
    def _scheduled(self) -> Scheduled:
        from tensorc.runtime.kernels import Scheduled

        return Scheduled(self._schedule(), self.target)

    @cached_property
    def _usual(self) -> Entry:
        """The entry for row-major arrays, made where there is none."""
        key = self._key(USUAL)
        found = self._found(key)
        if found is None:
            made = self._scheduled
            found = self._made(key, USUAL, made.plan.usual)
        return found

    @cached_property
    def plan(self) -> Plan:
        return plan.from_json(self._usual.header["plan"])

    def image(self, key: Key) -> Image:
        if key == self.plan.usual:
            return _image(self._usual)
        name = self._key(str(key))
        return _image(self._found(name) or self._made(name, str(key), key))

    def _key(self, strides: str) -> str:
        return key_of(*self._parts, strides)

    def _found(self, key: str) -> Entry | None:
        found = get(key)
        if found is not None and (found.header.get("kind") != "program" or not {"object", "llvm"} <= set(found.parts)):
            return None
        log("cache", f"{self.name}: {'found' if found else 'not found'} {key[:16]}")
        return found

    def _made(self, key: str, strides: str, known: Key) -> Entry:
        made = self._scheduled
        text, image = made.compiled(known)
        header: dict[str, Any] = {
            "kind": "program",
            "name": self.name,
            "strides": strides,
            "target": asdict(self.target),
            "tensorc": __version__,
            "llvm": target.llvm_version(),
            "entry": made.entry,
            "symbols": list(image.symbols),
            "lengths": list(map(len, image.objects)),
            "plan": plan.to_json(made.plan),
        }
        parts = {stage: self._text(stage).encode() for stage in STAGES} | made.stages
        parts |= {"llvm": text.encode(), "object": b"".join(image.objects)}
        entry = Entry(header, parts)
        put(key, entry)
        return entry

    # Stages.

    def _llvm(self) -> str:
        return self._usual.parts["llvm"].decode()


def _image(entry: Entry) -> Image:
    whole, ends = entry.parts["object"], list(accumulate(entry.header["lengths"], initial=0))
    objects = tuple(whole[start:end] for start, end in pairwise(ends))
    return Image(objects, entry.header["entry"], tuple(entry.header["symbols"]))


def _texts(program: Program) -> tuple[str, ...]:
    """What tells a program from every other, as texts."""
    whole = replace(program, results=program.outputs, checks=())
    return show(whole), str(len(program.results)), *(str(c.extent) for c in program.checks)


@cache
def compiler() -> str:
    """A name for this compiler: its version, and a hash of its text from the typed program on, since versions are not counted up by every
    change."""
    found = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for part in ("", "ir", "transform", "schedule", "loops", "backends", "runtime"):
        folder = root / part
        for file in sorted(folder.glob("**/*.py") if part else folder.glob("*.py")):
            found.update(file.relative_to(root).as_posix().encode() + b"\0")
            found.update(file.read_bytes())
    return f"{__version__} {found.hexdigest()}"
