"""Programs whose best code depends on how large their arrays are: an executable for each class of sizes, made when a call needs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from tensorc.collector import seldom
from tensorc.config import log
from tensorc.errors import CompileForbidden
from tensorc.locks import LOCK
from tensorc.runtime.arrays import Array
from tensorc.runtime.executable import Executable, Layout
from tensorc.schedule.sizes import Class, Deciding


class Classes(Executable):
    """Executables by class. Each is right for all sizes, and best for those of its class.

    `deciding` is what decides, `make` makes the code for a class, and `permit` is called before any but the first is made.
    """

    def __init__(self, make: Callable[[Class], Executable], deciding: Deciding, name: str, permit: Callable[[str], None]) -> None:
        self.name = name
        self._make = make
        self._deciding = deciding
        self._permit = permit
        self._classes: dict[Class, Executable] = {}
        self._fixed: Executable | None = None
        self._further = 0
        self._seconds = 0.0

    def of(self, sizes: Mapping[str, int]) -> Executable:
        """The executable for sizes, of which some may not be known."""
        if self._fixed is not None:
            return self._fixed
        key = self._deciding.class_of(sizes)
        found = self._classes.get(key)
        return found if found is not None else self._new(key)

    def settle(self, sizes: Mapping[str, int]) -> None:
        """Make the code for sizes. Where some are not known, all calls use it from now on, so that none makes another."""
        made = self.of(sizes)
        if any(name not in sizes for name in self._deciding.sizes):
            self._fixed = made

    def _new(self, key: Class) -> Executable:
        with LOCK, seldom():
            if key in self._classes:
                return self._classes[key]
            if self._classes:
                try:
                    self._permit(self.name)
                except CompileForbidden:
                    return next(iter(self._classes.values()))
            started = time.perf_counter()
            made = self._make(key)
            seconds = time.perf_counter() - started
            self._further += bool(self._classes)
            self._seconds += seconds
            self._classes[key] = made
            about = ", ".join(f"{name} about {size}" for name, size in key)
            log("compile", f"{self.name} in {seconds * 1e3:.0f} ms, for arrays of such sizes: {about or 'any'}")
            return made

    @property
    def further(self) -> int:  # type: ignore[override]  # an attribute of the others
        return self._further + sum(e.further for e in self._classes.values())

    @property
    def seconds(self) -> float:  # type: ignore[override]
        return self._seconds + sum(e.seconds for e in self._classes.values())

    @property
    def texts(self) -> Mapping[str, str]:
        """Those of the class that was made first."""
        return next(iter(self._classes.values())).texts if self._classes else self.of({}).texts

    def work(self, sizes: Mapping[str, int]) -> int:
        return self.of(sizes).work(sizes)

    def run(self, inputs: Sequence[Array], sizes: Mapping[str, int], outputs: Sequence[Array]) -> int | None:
        return self.of(sizes).run(inputs, sizes, outputs)

    def layout(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> Layout:
        return self.of(sizes).layout(arrays, sizes)
