"""What programs are written with: white space, comments, names, literals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

V = np.arange(6, dtype=np.float32)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("12", np.int64(12)),
        ("1_000", np.int64(1000)),
        ("0xff", np.int64(255)),
        ("0xFF_FF", np.int64(65535)),
        ("1e-5", np.float32(1e-5)),
        (".5", np.float32(0.5)),
        ("2.5", np.float32(2.5)),
        ("1e3", np.float32(1000)),
        ("inf", np.float32(np.inf)),
        ("-inf", np.float32(-np.inf)),
        ("nan", np.float32(np.nan)),
        ("pi", np.float32(np.pi)),
        ("true", np.bool_(True)),
        ("false", np.bool_(False)),
        ("[1, 2.5]", np.array([1, 2.5], "f4")),
        ("[[1, 0], [0, 1],]", np.eye(2, dtype="i8")),
        ("[true, false]", np.array([True, False])),
        ("[true, 2]", np.array([1, 2])),
        ("[[[1]]]", np.ones((1, 1, 1), "i8")),
        ("9223372036854775807", np.int64(2**63 - 1)),
        ("-9223372036854775808", np.int64(-(2**63))),
        ("cast(18446744073709551615, u64)", np.uint64(2**64 - 1)),
        ("cast(18446744073709551615, i64)", np.int64(-1)),
        ("cast(9223372036854775808, f64)", np.float64(2**63)),
    ],
)
def test_literals(tx: Any, literal: str, value: Any) -> None:
    tx.is_equal(literal, value)


def test_literals_out_of_range(tx: Any) -> None:
    assert tx.refused("fn f() = 9223372036854775808") == ["E0403"]
    assert tx.refused("fn f() = -9223372036854775809") == ["E0403"]
    assert tx.refused("fn f() = 18446744073709551616") == ["E0104"]
    assert tx.refused("fn f() = 1e999") == ["E0104"]
    tx.gives(np.array([2**64 - 1], "u8"), "fn f(x: u64[N]) = x + 0xffffffffffffffff", np.array([0], "u8"))
    assert tx.refused("fn f(x: i64[N]) = x + 0xffffffffffffffff") == ["E0403"]


def test_array_literals(tx: Any) -> None:
    tx.gives(np.stack([V, V + 1]), "fn f(x: f32[N]) = [x, x + 1]", V)
    tx.gives(np.array([0, 5, 1], "f4"), "fn f(x: f32[N]) = [x[0], x[-1], 1]", V)
    tx.gives(np.array([[6, 1], [2, 3]]), "fn f(x: f32[N]) = [[N, 1], [2, 3]]", V)
    assert tx.refused("fn f() = [[1, 2], [3]]") == ["E0306"]
    assert tx.refused("fn f() = [1, [2]]") == ["E0306"]
    assert tx.refused("fn f() = []") == ["E0309"]
    assert tx.refused("fn f() = [[], []]") == ["E0309"]
    assert tx.refused('fn f() = [1, "a"]') == ["E0601"]
    assert tx.refused(f"fn f() = {'[' * 65}1{']' * 65}") == ["E0310"]


def test_white_space_and_comments_never_matter(tx: Any) -> None:
    tx.gives(V + 2, "fn f(x:f32[N])->f32[N]{let y=x+1 return y+1}", V)
    tx.gives(V + 2, "\n\n# a file\nfn\tf (\n x :\n f32 [ N ]\n) # head\n{ let y\n=\nx\n+ 1 # one\nreturn y + # two\n 1 }\n#", V)
    tx.gives(V - 1, "fn f(x: f32[N]) { let y = x\n- 1 return y }", V)


def test_documentation(tx: Any) -> None:
    doc = "## First line.\n## Second.\nfn f(x: f32) = x\n"
    assert tx.function(doc).__doc__ == "First line.\nSecond."
    assert tx.function("## elsewhere\n\nfn f(x: f32) = x").__doc__ is None
    assert tx.function("fn f(x: f32) { ## inside\n return x }").__doc__ is None


def test_names(tx: Any) -> None:
    tx.gives(V, "fn f(_x1: f32[N_2]) { let Let = _x1 let fn_ = Let return fn_ }", V)


@pytest.mark.parametrize(
    "word",
    [
        "fn",
        "let",
        "require",
        "return",
        "import",
        "as",
        "in",
        "else",
        "and",
        "or",
        "not",
        "true",
        "false",
        "none",
        "None",
        "inf",
        "nan",
        "pi",
    ],
)
def test_reserved_words_are_no_names(tx: Any, word: str) -> None:
    assert tx.refused(f"fn f(x: f32) {{ let {word} = x return x }}")
    assert tx.refused(f"fn {word}(x: f32) = x")


def test_none_has_two_spellings(tx: Any) -> None:
    tx.gives(V[:, None], "fn f(x: f32[N]) = x[:, none]", V)
    tx.gives(V[:, None], "fn f(x: f32[N]) = x[:, None]", V)


def test_trailing_commas(tx: Any) -> None:
    source = "fn f<T: float,>(x: T[N,], k: int = 1,) -> (T[N,], i64,) { let (a, b,) = (x, k,) let y[i,] = a[i,] return y, sum([1, 2,],) }"
    tx.gives((V, np.int64(3)), source, V)


def test_strings_stand_only_where_they_are_known(tx: Any) -> None:
    assert tx.refused('fn f(x: f32) = x + "a"') == ["E0601"]
    assert tx.refused('fn f(x: f32[N]) = x["a"]') == ["E0503"]
    tx.gives(V, "fn f(x: f32[N]) { require N > 0, 'it\\'s \"empty\"' return x }", V)
