"""How large sizes are taken to be where they are not known: an estimate that decisions rest on, and never what is right."""

from __future__ import annotations

from collections.abc import Callable

from tensorc.algebra import Poly, evaluate, sizes

UNKNOWN = 512
"""A size of which nothing is known."""

LESS = 2
"""A size of which nothing is known but that it is subtracted from another."""

Estimate = Callable[[Poly], int]


def estimate(extent: Poly) -> int:
    """About how large an extent is."""
    less = Poly(tuple((m, c) for m, c in extent.terms if c < 0))
    more = Poly(tuple((m, c) for m, c in extent.terms if c > 0))
    return max(evaluate(more, {s.name: UNKNOWN for s in sizes(more)}) + evaluate(less, {s.name: LESS for s in sizes(less)}), 1)
