"""E07xx: derivatives and transforms."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = ()
