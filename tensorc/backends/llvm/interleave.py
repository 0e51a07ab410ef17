"""Orders the instructions of several computations by when their operands are there, so that a processor that looks at them in turn finds
some to run while results of others are on their way."""

from __future__ import annotations

import re
from collections.abc import Iterable

AT_ONCE = 2
"""So many computations are interleaved: more of them need more registers than there are."""

_NAMES = re.compile(r"%v(\d+)")

LATENCY = {"call": 4, "fdiv": 12, "fmul": 3}
"""About how many cycles instructions take whose results are waited for; others take two."""


def interleaved(lines: Iterable[str]) -> list[str] | None:
    """The lines of straight code in another order; None where some have effects.

    A line that is several is a branch that is rarely taken and the place where it comes back. These stay in order: their labels name what
    came before.
    """
    ready: dict[str, int] = {}
    order: list[tuple[int, int, str]] = []
    last_branch = 0
    for k, line in enumerate(lines):
        branch = "\n" in line
        names = _NAMES.findall(line)
        if branch:
            at = last_branch = max(last_branch, *(ready.get(name, 0) for name in names))
            ready[_NAMES.findall(line, line.rindex("\n"))[0]] = at
        elif line.startswith("  %v"):
            at = 0
            for name in names[1:]:
                found = ready.get(name)
                if found is not None and found > at:
                    at = found
            opcode = line[line.index("= ") + 2 :].partition(" ")[0]
            ready[names[0]] = at + LATENCY.get(opcode, 2)
        else:
            return None
        order.append((at, k, line))
    order.sort(key=lambda found: found[:2])
    return [line for _, _, line in order]
