"""What a row of the registry of diagnostics holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One code: a title as in a list, an explanation in a few sentences, a program that is wrong and one that is right.

    Tests run both. `wrong` gives this code, among others perhaps; where no program alone can show the mistake both are empty.
    """

    code: str
    title: str
    explanation: str
    wrong: str = ""
    right: str = ""
