"""Formatted files: the same tree, all comments, formatted once for all, and in the form that docs/cli.md describes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorc
from tensorc.diagnostics import CompileError
from tensorc.source import Source
from tensorc.syntax.format import format_source
from tensorc.syntax.layout import WIDTH
from tensorc.syntax.parse import parse
from tensorc.syntax.show import show
from tensorc.syntax.tokens import comments, tokenize

PACKAGE = Path(tensorc.__file__).parent
ROOT = Path(__file__).parents[2]
FILES = [*PACKAGE.glob("std/*.tx"), *ROOT.glob("examples/**/*.tx")]
PAGES = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/golden/**/*.md")]


def tree(text: str) -> str:
    """The tree without places."""
    return re.sub(r" @\d+:\d+$", "", show(parse(Source("f.tx", text))), flags=re.MULTILINE)


def said(text: str) -> list[str]:
    """The comments in order."""
    source = Source("f.tx", text)
    return [source.text[c.start : c.end].rstrip() for c in comments(source, tokenize(source))]


def formatted(text: str) -> str:
    """The formatted text, after it has been seen to be what it should."""
    found = format_source(Source("f.tx", text))
    assert tree(found) == tree(text)
    assert said(found) == said(text)
    assert format_source(Source("f.tx", found)) == found
    return found


def blocks(page: Path) -> list[str]:
    """The programs of a page that parse."""
    found = []
    for text in re.findall(r"^```tx\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        try:
            parse(Source("f.tx", text))
        except CompileError:
            continue
        found.append(text)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_our_own_files_are_formatted(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert formatted(text) == text


def test_every_program_of_the_pages() -> None:
    found = [text for page in PAGES for text in blocks(page)]
    assert len(found) > 100
    for text in found:
        formatted(text)


CASES = [
    ("fn f( x:f32[N,M] )->f32=sum( x )", "fn f(x: f32[N, M]) -> f32 = sum(x)\n"),
    ("fn f<T:float,U : int>(x:T[ ... ,N],n:int=- 3)=x", "fn f<T: float, U: int>(x: T[..., N], n: int = -3) = x\n"),
    ("fn f(x: f32[N]) { let y=x return y }", "fn f(x: f32[N]) {\n    let y = x\n    return y\n}\n"),
    ("fn f(x: f32[N]) = x[1 : N - 1]", "fn f(x: f32[N]) = x[1:N-1]\n"),
    ("fn f(x: f32[N,M]) = x[ :: 2,:-1 , none]", "fn f(x: f32[N, M]) = x[::2, :-1, none]\n"),
    ("fn f(x: f32[N]) = tensor[i in 1 .. N - 1, j<3](x[i-1 else 0])", "fn f(x: f32[N]) = tensor[i in 1..N-1, j < 3](x[i - 1 else 0])\n"),
    ("fn f(x: f32[N]) = x ** - 2+- -x", "fn f(x: f32[N]) = x ** -2 + --x\n"),
    ("fn f(x: f32[N]) = sum (x,axis = 0) . T", "fn f(x: f32[N]) = sum(x, axis=0).T\n"),
    ("fn f(x: f32[2*N+1]) = (x,)", "fn f(x: f32[2 * N + 1]) = (x,)\n"),
    ("fn f(x: f32[N]) { let (a,(b,_))=g(x)\n\n\n\n  # note  \n  return not a and b }#end",
     "fn f(x: f32[N]) {\n    let (a, (b, _)) = g(x)\n\n    # note\n    return not a and b\n}  #end\n"),
    ("import std.nn as nn fn f(x: f32) = x ## of g\nfn g(x: f32) = x",
     "import std.nn as nn\n\nfn f(x: f32) = x  ## of g\n\nfn g(x: f32) = x\n"),
    ("fn f(x: f32) = x\n# a\n## b\nfn g(x: f32) = x", "fn f(x: f32) = x\n\n# a\n## b\nfn g(x: f32) = x\n"),
    ("fn f(x: f32) = g(x,\n1, 2,\n   3, 4)", "fn f(x: f32) = g(x,\n    1, 2,\n    3, 4)\n"),
    ("fn f(x: f32) = g(\n x,\n 1)", "fn f(x: f32) = g(\n    x,\n    1\n)\n"),
    ("fn f(x: f32) = g(\n x, 1)", "fn f(x: f32) = g(x, 1)\n"),
    ("fn f(x: f32) = g(x, # one\n 1)", "fn f(x: f32) = g(x,  # one\n    1)\n"),
    ("fn f(x: f32) = x # one\n + 1", "fn f(x: f32) = x  # one\n    + 1\n"),
    ("fn f(x: f32) = x\r\n\r\n", "fn f(x: f32) = x\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_form(text: str, wanted: str) -> None:
    found = format_source(Source("f.tx", text))
    assert found == wanted
    assert format_source(Source("f.tx", found)) == found


def test_long_lines_are_broken() -> None:
    names = [f"parameter_{n}" for n in range(12)]
    found = formatted(
        f"fn f({', '.join(f'{n}: f32[N]' for n in names)}) = {' + '.join(names)}\n"
        f"fn g(x: f32[N], y: f32[N]) -> f32[N] = some_function_of(x, y, another_one(x), a_third(y)) * f({', '.join(['x'] * 12)})\n"
        f"fn h(x: f32[N]) {{ let y = function({', '.join(f'value_{n}' for n in range(20))}) return y, {' * '.join(names)} }}\n"
    )
    assert all(len(line) <= WIDTH for line in found.splitlines())
    assert "\n    parameter_0: f32[N],\n" in found and "\n    + parameter_3\n" in found
    assert "\n    let y = function(\n        value_0,\n" in found and "\n    return y,\n" in found


@pytest.mark.parametrize("piece", ["(", "-", "[", "f(a, ", "x + ", "[0]", ".T", "(1)(2)"])
def test_depth_and_length(piece: str) -> None:
    many = 3_000
    close = {"(": ")", "[": "]", "f(a, ": ")"}.get(piece, "")
    expression = "x" + piece * many if piece in ("[0]", ".T", "(1)(2)") else piece * many + "x" + close * many
    assert len(format_source(Source("f.tx", f"fn f(x: f32) = {expression}"))) < 8 * len(expression)


# Programs with any white space and comments.

OPERATORS = ["+", "-", "*", "/", "//", "%", "@", "**", "<<", ">>", "&", "^", "|", "and", "or"]
ATOMS = [
    "x",
    "y",
    "long_name_of_a_value",
    "1",
    "2.5",
    ".5",
    "1e-5",
    "true",
    "none",
    "pi",
    '"text # no comment"',
    "[1, 2]",
    "()",
    "[...S, N]",
]


def expressions() -> st.SearchStrategy[str]:
    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        several = st.lists(inner, min_size=1, max_size=6).map(", ".join)
        return st.one_of(
            st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
            st.tuples(inner, st.sampled_from(["<", "==", ">="]), inner).map(lambda p: f"({' '.join(p)})"),
            st.tuples(st.sampled_from(["-", "+", "~"]), inner).map(lambda p: f"{p[0]} ({p[1]})"),
            several.map(lambda a: f"f({a})"),
            several.map(lambda a: f"f({a}, axis = 0,)"),
            several.map(lambda a: f"[{a},]"),
            several.map(lambda a: f"(({a})).T"),
            st.tuples(several, inner).map(lambda p: f"x[{p[0]} else {p[1]}]"),
            st.tuples(inner, inner).map(lambda p: f"x[({p[0]}) - 1:({p[1]}), ..., ::2]"),
            st.tuples(inner, inner).map(lambda p: f"sum[i, j < ({p[0]}), k in 0 .. ({p[1]}) + 1](x[i, j])"),
        )

    return st.recursive(st.sampled_from(ATOMS), larger, max_leaves=25)


STATEMENTS = st.one_of(
    expressions().map(lambda e: f"let a = {e}"),
    expressions().map(lambda e: f"let (a, _): (f32[N], f32) = {e}"),
    expressions().map(lambda e: f"let a[i, j < N]: f32[N, M] = {e}"),
    expressions().map(lambda e: f'require {e}, "it holds"'),
    st.lists(expressions(), min_size=1, max_size=3).map(lambda e: f"return {', '.join(e)}"),
)
FUNCTIONS = st.one_of(
    st.lists(STATEMENTS, max_size=4).map(lambda s: f"fn f<T: float>(x: T[..., N], n: int = -1) -> (T[N], f32) {{ {' '.join(s)} }}"),
    expressions().map(lambda e: f"fn f(x: f32[N, 2 * N], y: bool) = {e}"),
)
SPACES = st.sampled_from([" ", " ", " ", "  ", "\n", "\n", "\r\n", "\n\n\n", "# c\n", " ## doc\n", "\n## doc\n", "\n  # c\n\n"])


@given(st.lists(FUNCTIONS, min_size=1, max_size=3), st.data())
@settings(max_examples=80, deadline=None)
def test_any_program_with_any_white_space(functions: list[str], data: st.DataObject) -> None:
    source = Source("f.tx", "\n".join(functions))
    tokens = tokenize(source)
    words = [source.text[t.start : t.end] for t in tokens[:-1]]
    spaces = data.draw(st.lists(SPACES, min_size=1, max_size=40))
    text = "".join(f"{word}{spaces[n % len(spaces)]}" for n, word in enumerate(words))
    formatted(text.replace("\r\n", "\n") if data.draw(st.booleans()) else text)
