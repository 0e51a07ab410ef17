"""How diagnostics look, as text and as data."""

from __future__ import annotations

import re

import pytest

from tensorc.diagnostics import CompileError, Diagnostic, Label
from tensorc.render import WIDEST_LINE, render, to_json
from tensorc.source import Source, Span

MLP = Source(
    "mlp.tx",
    """\
# An MLP.
fn mlp(x: f32[N, D], w: f32[D, H], b: f32[K]) -> f32[N, H] {
    # the layer
    let y = x @ w + b
    return tanh(
        y
    )
}
""",
)


def at(source: Source, text: str, occurrence: int = 0) -> Span:
    start = [match.start() for match in re.finditer(re.escape(text), source.text)][occurrence]
    return Span(source, start, start + len(text))


def diagnostic(*labels: Label) -> Diagnostic:
    return Diagnostic("E0301", "shapes do not broadcast", labels)


BROADCAST = Diagnostic(
    "E0301",
    "shapes do not broadcast",
    (Label(Span(MLP, at(MLP, "+ b").end - 1, at(MLP, "+ b").end), "f32[K]", primary=True), Label(at(MLP, "x @ w"), "f32[N, H]")),
    ("the last axes differ: H (declared by w, line 2) and K (declared by b, line 2)",),
    "declare `b: f32[H]`",
)


def lines(found: Diagnostic) -> list[str]:
    """What is shown below the heading."""
    return render([found]).split("\n")[1:]


def test_the_example_of_the_language_page() -> None:
    assert render([BROADCAST]) == (
        "error[E0301]: shapes do not broadcast\n"
        "  --> mlp.tx:4:13\n"
        "   |\n"
        " 4 |     let y = x @ w + b\n"
        "   |             -----   ^ f32[K]\n"
        "   |             |\n"
        "   |             f32[N, H]\n"
        "   = the last axes differ: H (declared by w, line 2) and K (declared by b, line 2)\n"
        "   = help: declare `b: f32[H]`"
    )


def test_the_text_of_a_compile_error_is_the_rendering() -> None:
    assert str(CompileError([BROADCAST, BROADCAST])) == f"{render([BROADCAST])}\n\n{render([BROADCAST])}"


def test_three_labels_on_one_line_hang_from_the_right() -> None:
    found = diagnostic(Label(at(MLP, "x @"), "one", primary=True), Label(at(MLP, "w +"), "two"), Label(at(MLP, "let"), "three"))
    assert lines(found) == [
        "  --> mlp.tx:4:5",
        "   |",
        " 4 |     let y = x @ w + b",
        "   |     ---     ^^^ --- two",
        "   |     |       |",
        "   |     |       one",
        "   |     three",
    ]


def test_a_label_inside_of_another_one() -> None:
    found = diagnostic(Label(at(MLP, "@"), "inner", primary=True), Label(at(MLP, "x @ w + b"), "outer"))
    assert lines(found)[2:] == [
        " 4 |     let y = x @ w + b",
        "   |             --^------",
        "   |             | |",
        "   |             | inner",
        "   |             outer",
    ]


def test_two_labels_at_one_place() -> None:
    found = diagnostic(Label(at(MLP, "x @"), "one", primary=True), Label(at(MLP, "x @"), "two"))
    assert lines(found)[3:] == ["   |             ^^^ two", "   |             |", "   |             one"]


def test_lines_apart_have_dots_between_and_a_single_one_is_shown() -> None:
    far = diagnostic(Label(at(MLP, "tanh"), "here", primary=True), Label(at(MLP, "mlp"), "of this"))
    assert lines(far) == [
        "  --> mlp.tx:5:12",
        "   |",
        " 2 | fn mlp(x: f32[N, D], w: f32[D, H], b: f32[K]) -> f32[N, H] {",
        "   |    --- of this",
        "...",
        " 5 |     return tanh(",
        "   |            ^^^^ here",
    ]
    near = diagnostic(Label(at(MLP, "let"), "here", primary=True), Label(at(MLP, "mlp"), "of this"))
    assert lines(near)[2:] == [
        " 2 | fn mlp(x: f32[N, D], w: f32[D, H], b: f32[K]) -> f32[N, H] {",
        "   |    --- of this",
        " 3 |     # the layer",
        " 4 |     let y = x @ w + b",
        "   |     ^^^ here",
    ]


def test_a_label_over_several_lines_shows_its_first_and_last() -> None:
    found = diagnostic(Label(at(MLP, "tanh(\n        y\n    )"), "f32[N, K]", primary=True))
    assert lines(found)[2:] == [
        " 5 |     return tanh(",
        "   |            ^^^^^",
        " 6 |         y",
        " 7 |     )",
        "   |     ^ f32[N, K]",
    ]


def test_labels_in_two_files() -> None:
    other = Source("lib/nn.tx", "\n" * 98 + "fn scale(x: f32[N]) = x\n")
    found = diagnostic(Label(at(MLP, "tanh"), "called here", primary=True), Label(at(other, "scale"), "defined here"))
    assert lines(found) == [
        "   --> mlp.tx:5:12",
        "    |",
        "  5 |     return tanh(",
        "    |            ^^^^ called here",
        "   ::: lib/nn.tx:99:4",
        "    |",
        " 99 | fn scale(x: f32[N]) = x",
        "    |    ----- defined here",
    ]


def test_the_end_of_the_text() -> None:
    source = Source("a.tx", "fn f(x: f32) =")
    assert lines(diagnostic(Label(Span(source, 14, 14), "an expression", primary=True)))[2:] == [
        " 1 | fn f(x: f32) =",
        "   |               ^ an expression",
    ]
    empty = Source("a.tx", "")
    assert lines(diagnostic(Label(Span(empty, 0, 0), "nothing", primary=True))) == ["  --> a.tx:1:1", "   |", " 1 |", "   | ^ nothing"]


def test_no_place() -> None:
    found = Diagnostic(
        "E0100", "cannot read `a.tx`: No such file or directory", notes=("one\ntwo",), help="look\nelsewhere", severity="warning"
    )
    assert render([found]) == (
        "warning[E0100]: cannot read `a.tx`: No such file or directory\n   = one\n     two\n   = help: look\n           elsewhere"
    )


@pytest.mark.parametrize(
    ("text", "shown", "underlined"),
    [
        ("\tlet x = \ty", "    let x =     y", "                ^"),
        ("# 日本語 y", "# 日本語 y", "         ^"),
        ("# e\u0301\u0301 y", "# e\u0301\u0301 y", "    ^"),
        ("# \x1b[31m y", "# \u241b[31m y", "        ^"),
        ("# \u202e y", "# \ufffd y", "    ^"),
        ("# \ud800 y", "# \ufffd y", "    ^"),
    ],
)
def test_the_underline_stands_below_what_is_shown(text: str, shown: str, underlined: str) -> None:
    source = Source("a.tx", text)
    found = lines(diagnostic(Label(at(source, "y"), primary=True)))
    assert found[2:] == [f" 1 | {shown}", f"   | {underlined}"]
    "\n".join(found).encode()


def test_messages_cannot_move_the_cursor() -> None:
    found = Diagnostic("E0100", "a\x1b[2Jb\nc", (Label(at(MLP, "let"), "d\re", primary=True),))
    text = render([found])
    assert "\x1b" not in text and "\r" not in text and text.startswith("error[E0100]: a␛[2Jb␊c\n")


def test_long_lines_are_cut_around_the_primary_label() -> None:
    source = Source("a.tx", "a" * 500 + "XYZ" + "b" * 500)
    found = diagnostic(
        Label(at(source, "XYZ"), "here", primary=True), Label(Span(source, 0, 3), "front"), Label(Span(source, 900, 905), "back")
    )
    shown, underline = lines(found)[2:4]
    assert shown[5:8] == "..." and shown[-3:] == "..." and len(shown) == WIDEST_LINE + 5
    place = shown.index("XYZ")
    assert underline[place : place + 3] == "^^^" and underline[place - 1] == " "
    assert any(line.strip(" |") == "here" for line in lines(found)) and len(max(lines(found), key=len)) < WIDEST_LINE + 20
    start = lines(diagnostic(Label(Span(source, 0, 3), "here", primary=True)))
    assert start[2].startswith(" 1 | aaa") and start[2].endswith("...") and start[3] == "   | ^^^ here"
    end = lines(diagnostic(Label(Span(source, 1000, 1003), "here", primary=True)))
    assert end[2].endswith("bbb") and end[3].endswith("^^^ here") and len(end[2]) == end[3].index("here") - 1


def test_colour_only_adds_codes() -> None:
    colored = render([BROADCAST], color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render([BROADCAST])
    assert "\x1b[1;31merror[E0301]\x1b[0m" in colored and "\x1b[1;31m^\x1b[0m" in colored


def test_json() -> None:
    (found,) = to_json([BROADCAST])
    assert found == {
        "code": "E0301",
        "severity": "error",
        "message": "shapes do not broadcast",
        "file": "mlp.tx",
        "line": 4,
        "column": 13,
        "end_line": 4,
        "end_column": 18,
        "labels": [
            {"file": "mlp.tx", "line": 4, "column": 21, "end_line": 4, "end_column": 22, "text": "f32[K]", "primary": True},
            {"file": "mlp.tx", "line": 4, "column": 13, "end_line": 4, "end_column": 18, "text": "f32[N, H]", "primary": False},
        ],
        "notes": ["the last axes differ: H (declared by w, line 2) and K (declared by b, line 2)"],
        "help": "declare `b: f32[H]`",
    }
    (nowhere,) = to_json([Diagnostic("E0100", "cannot read")])
    assert nowhere["file"] is None and nowhere["line"] is None and nowhere["labels"] == []
