"""A program: results made of inputs, with what is checked at the call and while running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from tensorc.algebra import Facts, Poly
from tensorc.ir.tensor import Input, Tensor
from tensorc.source import Span


@dataclass(frozen=True)
class Condition:
    """`value >= 0` or `value == 0` on sizes, which the call must meet.

    `message` says what is wrong where it does not; `{...}` holds a size's name.
    """

    value: Poly
    relation: Literal[">=", "=="]
    message: str
    span: Span | None = None


@dataclass(frozen=True)
class BoundsCheck:
    """Every element of `place` (i64) must be in 0 .. extent-1, or IndexError: it is a subscript of `axis` of what is called `subject`."""

    place: Tensor
    extent: Poly
    subject: str
    axis: int
    span: Span | None = None


@dataclass(frozen=True)
class Program:
    """`results` are made of `inputs`, in the order of the parameters. Sizes are the names in the inputs' extents.

    `names` and `spans` are what messages and printed text call a tensor and where it comes from; they are not part of its identity.
    """

    name: str
    inputs: tuple[Input, ...]
    results: tuple[Tensor, ...]
    conditions: tuple[Condition, ...] = ()
    checks: tuple[BoundsCheck, ...] = ()
    names: Mapping[Tensor, str] = field(default_factory=dict)
    spans: Mapping[Tensor, Span] = field(default_factory=dict)

    @cached_property
    def facts(self) -> Facts:
        """What holds of sizes wherever the program runs, at least 0 each."""
        zeros = [-c.value for c in self.conditions if c.relation == "=="]
        return frozenset([*(c.value for c in self.conditions), *zeros])

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What must be computed: the results and the places to check."""
        return self.results + tuple(c.place for c in self.checks)
