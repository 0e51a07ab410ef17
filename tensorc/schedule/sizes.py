"""How large sizes are taken to be where they are not known: an estimate that decisions rest on, and never what is right."""

from __future__ import annotations

from collections.abc import Callable

from tensorc.algebra import Poly, evaluate, sizes

UNKNOWN = 512
"""A size of which nothing is known."""

Estimate = Callable[[Poly], int]


def estimate(extent: Poly) -> int:
    """About how large an extent is."""
    return max(evaluate(extent, {s.name: UNKNOWN for s in sizes(extent)}), 0)
