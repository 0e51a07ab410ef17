"""E08xx: imports and files."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = ()
