"""E06xx: calls and static arguments."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = ()
