"""Whatever the text is: it parses, or there are diagnostics that can be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorc.diagnostics import CompileError
from tensorc.render import render, to_json
from tensorc.source import Source
from tensorc.syntax.parse import parse, parse_expression, parse_signature, parse_type, read_source

SPELLED = """
fn let require return import as in else and or not true false none None inf nan pi x y N T f32 i64 bool int _ sum tensor
( ) [ ] { } < > , : = == != <= >= + - * / // % @ ** ~ & | ^ << >> . .. ... -> && ; ! $ é × if retrun
1 2.5 1e-5 0xff 007 1e999 99999999999999999999 "s" 'it' "open
"""
WORDS = (*SPELLED.split(), "# comment\n", "## doc\n")

GOOD = """\
## Doc.
fn f<T: float>(x: T[...S, N], w: f32[N, K], eps: float = 1e-5) -> (f32[N], f32) {
    let (a, (b, _)) = value_and_grad(g, wrt="w")(w, x[1:-1, ::2, none])
    let c[i < N, j in 1..N - 1] = sum[k](x[i - 1, k else 0] * w[k, j]) ** -2
    require N % 2 == 0, "even"
    return not a and b, [c, 1.5]
}
fn g(x: f32[2*N + 1]) = (x, x.T @ x)
"""


def survives(text: str) -> bool:
    """Whether the text parses; if not, its diagnostics lie inside of it and can be shown."""
    source = Source("noise.tx", text)
    try:
        parse(source)
    except CompileError as error:
        assert error.diagnostics
        for diagnostic in error.diagnostics:
            assert diagnostic.message and diagnostic.code.startswith("E01")
            assert diagnostic.labels[0].primary
            for label in diagnostic.labels:
                assert 0 <= label.span.start <= label.span.end <= len(text)
        render(error.diagnostics, color=True).encode()
        to_json(error.diagnostics)
        return False
    return True


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    survives(text)


@given(data=st.binary(max_size=200))
@settings(max_examples=50)
def test_any_bytes(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = tmp_path_factory.mktemp("noise") / "noise.tx"
    path.write_bytes(data)
    try:
        source = read_source(path)
    except CompileError as error:
        str(error).encode()
    else:
        survives(source.text)


@given(st.lists(st.sampled_from(WORDS), max_size=60), st.sampled_from([" ", "\n"]), st.booleans())
@settings(max_examples=300)
def test_any_words(words: list[str], separator: str, inside: bool) -> None:
    text = separator.join(words)
    survives(f"fn f(x: f32) {{ {text} }}" if inside else text)


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_words_in_the_other_starts(words: list[str]) -> None:
    for start in (parse_expression, parse_type, parse_signature):
        try:
            start(Source("s", " ".join(words)))
        except CompileError as error:
            str(error).encode()


@given(st.integers(0, len(GOOD)), st.integers(0, 8), st.one_of(st.just(""), st.sampled_from(WORDS)))
@settings(max_examples=300)
def test_a_good_program_with_a_change(position: int, removed: int, put: str) -> None:
    survives(GOOD[:position] + put + GOOD[position + removed :])


def test_the_good_program_is_good() -> None:
    assert survives(GOOD)


@pytest.mark.parametrize(
    "piece", ["{", "(", "[", "}", "let ", "fn f(x: f32) = (", "\xe9 ", "\0", "fn f( { ", "a", '"', "1", "- ", "let x = ; "]
)
def test_much_noise(piece: str) -> None:
    assert not survives("fn f(x: f32) { return " + piece * (200_000 // len(piece)))
