"""E02xx: names and declarations."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = ()
