"""The registry of diagnostics: what each code means, with a wrong and a right program."""

from __future__ import annotations

from tensorc.rules import calls, derivatives, dtypes, imports, indices, names, shapes, syntax, tracing
from tensorc.rules.rule import Rule

__all__ = ["RULES", "Rule", "rule"]

RULES: dict[str, Rule] = {
    row.code: row for table in (syntax, names, shapes, dtypes, indices, calls, derivatives, imports, tracing) for row in table.RULES
}


def rule(code: str) -> Rule | None:
    """The row of a code, in either case of letters."""
    return RULES.get(code.strip().upper())
