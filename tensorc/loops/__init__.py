"""The loop IR."""

SMALL = 1 << 18
"""Work of a few microseconds, in units of `loops.work`: one thread does it sooner than two."""
