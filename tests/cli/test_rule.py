"""`tensorc rule`: each code's page, the list, and codes that there are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tensorc.rules import RULES

PAGE = """\
E0111: `=` and `==` taken for one another

`=` gives a value to a name, in a `let`, a default or a keyword argument; `==` compares.

Wrong:

    fn f(x: f32[N]) -> f32[N] {
        require N = 4
        return x
    }

    error[E0111]: `=` does not compare
      --> wrong.tx:2:15
       |
     2 |     require N = 4
       |               ^ gives a value to a name
       = help: write `==`

Right:

    fn f(x: f32[N]) -> f32[N] {
        require N == 4
        return x
    }
"""


def test_a_page(tensorc: Callable[..., Any]) -> None:
    assert tensorc("rule", "E0111").out == PAGE
    assert tensorc("rule", "e0111").out == PAGE


@pytest.mark.parametrize("code", RULES)
def test_every_page_shows_what_is_said(tensorc: Callable[..., Any], code: str) -> None:
    ran = tensorc("rule", code)
    assert ran.code == 0 and ran.err == "" and ran.out.startswith(f"{code}: {RULES[code].title}\n")
    assert (f"error[{code}]" in ran.out) == bool(RULES[code].wrong)
    data = tensorc("rule", code, "--json").envelope["result"]
    assert data["code"] == code and data["wrong"] == RULES[code].wrong and data["right"] == RULES[code].right


def test_the_list(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("rule")
    assert [line.split()[0] for line in ran.out.splitlines()] == sorted(RULES)
    assert [row["code"] for row in tensorc("rule", "--json").envelope["result"]["rules"]] == sorted(RULES)


def test_an_unknown_code(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("rule", "E111")
    assert ran.code == 2 and ran.out == ""
    assert ran.err == "error: there is no code `E111`\n   = help: did you mean E0111? `tensorc rule` lists them all\n"
    assert tensorc("rule", "nonsense").code == 2
