"""Names for sizes that follow from those of a call, so that what is made of them is short."""

from __future__ import annotations

from tensorc import algebra
from tensorc.algebra import Poly, Size, poly
from tensorc.ir.program import Program
from tensorc.schedule.memory import Names


class Derived:
    """The sizes of a schedule that follow from the program's: each one's value, of the program's and earlier ones."""

    def __init__(self, program: Program) -> None:
        self._names = Names(s.name for t in program.inputs for e in t.extents for s in algebra.sizes(e))
        self._known: dict[Poly, Poly] = {}
        self.values: dict[str, Poly] = {}

    def named(self, extent: Poly, name: str, value: Poly) -> Poly:
        """A size of that value, which is at least 0, and is of an axis of that extent: one for each value. A constant is itself."""
        if value.constant is not None:
            return value
        if value not in self._known:
            made = self._names.unique(f"{extent.atom.name if isinstance(extent.atom, Size) else 'axis'}_{name}")
            self.values[made] = value
            self._known[value] = poly(Size(made))
        return self._known[value]
