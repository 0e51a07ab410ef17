"""Calls: arguments, unification of dims and dtypes, functions of functions, recursion, imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.diagnostics import CompileError

V = np.arange(6, dtype=np.float32)
X = np.arange(12, dtype=np.float32).reshape(3, 4)

G = "fn g(x: f32[N], k: int = 2, s: float = 0.5) = x * k + s\n"


@pytest.mark.parametrize(
    ("call", "k", "s"),
    [
        ("g(x)", 2, 0.5),
        ("g(x, 3)", 3, 0.5),
        ("g(x, 3, 1)", 3, 1),
        ("g(x, s=1)", 2, 1),
        ("g(x, s=1, k=4)", 4, 1),
        ("g(x=x)", 2, 0.5),
        ("g(k=5, x=x)", 5, 0.5),
        ("x.g(7)", 7, 0.5),
        ("x.g(s=0)", 2, 0),
        ("g(x, 3,)", 3, 0.5),
    ],
)
def test_by_position_and_keyword(tx: Any, call: str, k: int, s: float) -> None:
    tx.gives(V * k + np.float32(s), f"{G}fn f(x: f32[N]) = {call}", V)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("g()", "E0607"),
        ("g(k=2)", "E0607"),
        ("g(x, 1, 2, 3)", "E0607"),
        ("g(x, q=1)", "E0608"),
        ("g(x, x=x)", "E0609"),
        ("g(x, k=1, k=2)", "E0609"),
        ("g(x, 1, k=2)", "E0609"),
        ("g(k=2, x)", "E0112"),
        ("x.g(x)", "E0604"),
        ("softmax()", "E0607"),
        ("exp(x, 0)", "E0607"),
        ("softmax(x, axes2=0)", "E0608"),
        ("sum(x, axis=0, dim=0)", "E0609"),
        ('g("a")', "E0601"),
        ("g(none)", "E0601"),
        ("g(softmax)", "E0601"),
        ("g((x, x))", "E0601"),
    ],
)
def test_wrong_arguments(tx: Any, call: str, code: str) -> None:
    assert tx.refused(f"{G}fn f(x: f32[N]) = {call}") == [code]


def test_torchs_names_of_arguments_are_accepted(tx: Any) -> None:
    tx.gives(X.sum(1, keepdims=True), "fn f(x: f32[N, M]) = sum(x, dim=1, keepdim=true)", X)
    tx.gives(X.sum(1, keepdims=True), "fn f(x: f32[N, M]) = x.sum(dim=-1, keepdims=true)", X)
    tx.gives(X.sum(1, keepdims=True), "fn f(x: f32[N, M]) = sum(input=x, axis=1, keepdim=true)", X)


# Unification.


def test_each_call_unifies_its_own_dims(tx: Any) -> None:
    source = """
    fn dot2(a: f32[N], b: f32[N]) -> f32 = sum(a * b)
    fn f(x: f32[N, M]) = dot2(x[0], x[1]) + dot2(x[:, 0], x[:, 1]) + dot2([1, 2], [3, 4])
    """
    tx.gives(X[0] @ X[1] + X[:, 0] @ X[:, 1] + 11, source, X)


@pytest.mark.parametrize(
    ("parameters", "call"),
    [
        ("x: f32[N], y: f32[M]", "g(x, y)"),
        ("x: f32[N], y: f32[3]", "g(x, y)"),
        ("x: f32[2], y: f32[3]", "g(x, y)"),
        ("x: f32[H // 2], y: f32[K], h: f32[H]", "g(x, y)"),
        ("x: f32[N]", "g(x, x[1:])"),
        ("x: f32[N]", "h(x)"),
        ("x: f32[N, M]", "k(x)"),
    ],
)
def test_dims_that_do_not_agree(tx: Any, parameters: str, call: str) -> None:
    functions = "fn g(a: f32[P], b: f32[P]) = a + b\nfn h(a: f32[3]) = a\nfn k(a: f32[P, P]) = a\n"
    assert tx.refused(f"{functions}fn f({parameters}) = {call}") == ["E0302"]


def test_the_error_suggests_require(tx: Any) -> None:
    functions = "fn g(a: f32[P], b: f32[P]) = a + b\n"
    wrong = functions + "fn f(x: f32[H], y: f32[K]) { let z = x[:H // 2] return g(z, y) }"
    assert "require K == H // 2" in tx.message(wrong) or "require H // 2 == K" in tx.message(wrong)
    right = wrong.replace("{ let z", "{ require K == H // 2 let z")
    tx.gives(V[:3] + V[3:], right, V, V[3:])
    assert "does not hold" in tx.fails(right, V, V)


def test_dims_of_results_are_known_to_the_caller(tx: Any) -> None:
    source = """
    fn halves(x: f32[N]) -> (f32[N // 2], f32[N // 2]) { require N % 2 == 0 let (a, b) = split(x, 2) return a, b }
    fn f(x: f32[N]) { let (a, b) = halves(x) return a * b }
    """
    tx.gives(V[:3] * V[3:], source, V)


def test_dtypes_unify(tx: Any) -> None:
    source = "fn g<T: float>(a: T[N], b: T[N]) -> T[N] = a + b\nfn f(x: f64[N]) = g(x, x)"
    tx.gives(V.astype("f8") * 2, source, V.astype("f8"))
    mixed = "fn g<T: float>(a: T[N], b: T) -> T[N] = a + b\nfn f(x: f16[N]) = g(x, 0.1)"
    tx.gives(V.astype("f2") + np.float16(0.1), mixed, V.astype("f2"))
    tx.gives(np.float32(1.5), "fn g<T: num>(a: T, b: T) -> T = a + b\nfn f() = g(1, 0.5)")
    tx.gives(np.int64(3), "fn g<T: num>(a: T, b: T) -> T = a + b\nfn f() = g(1, 2)")
    tx.gives(np.float32(3), "fn g<T: float>(a: T) -> T = a\nfn f() = g(3)")
    assert tx.refused("fn g(a: f32) = a\nfn f(x: f64) = g(x)") == ["E0401"]
    assert tx.refused("fn g(a: i64) = a\nfn f() = g(0.5)") == ["E0401"]
    assert tx.refused("fn g(a: u8) = a\nfn f() = g(300)") == ["E0403"]
    assert tx.refused("fn g(a: f32[N]) = a\nfn f(x: f32) = g(x)") == ["E0303"]


def test_literals_are_arguments(tx: Any) -> None:
    tx.gives(np.array([2.5, 4.5], "f4"), f"{G}fn f() = g([1, 2])")
    tx.gives(np.float64(0.1 + 1), "fn g(a: f64) = a + 1\nfn f() = g(0.1)")


def test_a_callee_sees_nothing_of_the_caller(tx: Any) -> None:
    assert tx.refused("fn g(a: f32[N]) = a + y\nfn f(x: f32[N], y: f32) = g(x)") == ["E0201"]
    tx.gives(V * 2 + 1, "fn g(y: f32[N]) { let z = y * 2 return z }\nfn f(x: f32[N]) { let z = g(x) return z + 1 }", V)


def test_functions_are_used_before_they_are_defined(tx: Any) -> None:
    tx.gives(V + 1, "fn f(x: f32[N]) = later(x)\nfn later(x: f32[N]) = x + 1", V)


def test_recursion_is_an_error(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) = f(x)") == ["E0606"]
    assert tx.refused("fn g(x: f32[N]) = f(x)\nfn f(x: f32[N]) = g(x)") == ["E0606", "E0606"]
    assert tx.refused("fn h(x: f32[N]) = h(x)\nfn f(x: f32[N]) = h(x)") == ["E0606"]
    tx.gives(np.exp(np.exp(V / 9)), "fn exp2x(x: f32[N]) = exp(exp(x))\nfn f(x: f32[N]) = exp2x(x / 9)", V)


def test_many_calls_of_one_function(tx: Any) -> None:
    tx.gives(V + 8, "fn g(x: f32[N]) = x + 1\nfn f(x: f32[N]) = g(g(g(g(g(g(g(g(x))))))))", V)


# Mistakes in callees.


def test_a_mistake_in_a_callee_is_reported_once(tx: Any) -> None:
    source = "fn g(x: f32[N], y: f32[M]) = x + y\nfn f(a: f32[N], b: f32[M]) = g(a, b)\nfn h(a: f32[K], b: f32[L]) = g(a, b) * 2"
    (mistake,) = tx.mistakes(source)
    assert mistake.code == "E0301" and str(mistake.span) == "test.tx:1:34" and not any("in the call" in n for n in mistake.notes)


def test_a_mistake_of_one_call_says_through_which_calls(tx: Any) -> None:
    source = "fn g(x: f32[...S]) = x[0, 0]\nfn h(x: f32[...S]) = g(x)\nfn f(x: f32[N]) = h(x)"
    (mistake,) = tx.mistakes(source)
    assert mistake.code == "E0510" and str(mistake.span) == "test.tx:1:22"
    assert mistake.notes == ("in the call of `g` at test.tx:2:22", "in the call of `h` at test.tx:3:19")


def test_mistakes_of_several_functions_come_in_the_order_of_the_text(tx: Any) -> None:
    source = "fn a(x: f32[N]) = x + q1\nfn b(x: f32[N]) = q2\nfn c(x: f32[N]) = a(b(x))\nfn d(x: f32[N]) = x(1)"
    assert tx.refused(source) == ["E0201", "E0201", "E0603"]


# Imports.


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.tx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "main.tx"


def load_codes(path: Path) -> list[str]:
    try:
        tc.load(path)
    except CompileError as error:
        str(error).encode()
        return [d.code for d in error.diagnostics]
    return []


def test_a_relative_import(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='import "lib/ops.tx" as ops\nfn f(x: f32[N]) = ops.twice(x) + ops.base(x)\nfn twice(x: f32[N]) = x',
        lib__ops='import "base.tx" as b\nfn twice(x: f32[N]) = x * two()\nfn two() = 2\nfn base(x: f32[N]) = b.one(x)',
        lib__base="fn one(x: f32[N]) = x * 0 + 1",
    )
    np.testing.assert_array_equal(tc.load(main).f(V), V * 2 + 1)


def test_the_library_is_imported(tx: Any) -> None:
    e = np.exp(V - V.max())
    tx.gives(e / e.sum(), "import std.nn as nn\nfn f(x: f32[N]) = nn.softmax(x)", V)
    tx.gives(e / e.sum(), "import std.nn as softmax\nfn f(x: f32[N]) = softmax.softmax(x)", V)
    tx.gives(X[[1, 0]], "import std.nn as nn\nfn f(x: f32[V, D], i: i64[N]) = nn.embedding(i, x)", X, np.array([1, 0]))
    assert tx.refused("import std.nn as nn\nfn f(x: f32[N]) = nn.softmx(x)") == ["E0202"]
    assert tx.refused("import std.nnn as nn\nfn f(x: f32[N]) = x") == ["E0803"]
    assert tx.refused("import nn as nn\nfn f(x: f32[N]) = x") == ["E0803"]
    assert tx.refused("import std.nn as nn\nfn f(x: f32[N]) = nn + x") == ["E0601"]
    assert tx.refused("import std.nn as nn\nfn f(x: f32[N]) = nn(x)") == ["E0603"]
    assert tx.refused("import std.nn as f\nfn f(x: f32[N]) = x") == ["E0204"]
    assert tx.refused("import std.nn as a\nimport std.nn as a\nfn f(x: f32[N]) = x") == ["E0204"]


def test_what_an_import_may_not_be(tmp_path: Path) -> None:
    good = "fn g(x: f32[N]) = x"
    assert load_codes(write(tmp_path, main='import "no.tx" as n\nfn f(x: f32) = x')) == ["E0801"]
    assert load_codes(write(tmp_path, main='import "." as n\nfn f(x: f32) = x')) == ["E0801"]
    assert load_codes(write(tmp_path, main='import "a.tx" as n\nfn f(x: f32[N]) = n.h(x)', a=good)) == ["E0202"]
    assert load_codes(write(tmp_path, main='import "a.tx" as n\nfn f(x: f32[N]) = n.g(x)', a="fn g(x: f32[N]) = x +")) == ["E0106"]
    (tmp_path / "bytes.tx").write_bytes(b"fn g(x: f32) = x # \xff")
    assert load_codes(write(tmp_path, main='import "bytes.tx" as n\nfn f(x: f32) = x')) == ["E0801"]


def test_files_that_import_each_other(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='import "a.tx" as a\nfn f(x: f32) = x',
        a='import "b.tx" as b\nfn f(x: f32) = x',
        b='import "a.tx" as a\nfn f(x: f32) = x',
    )
    assert load_codes(main) == ["E0802"]
    itself = write(tmp_path, main='import "main.tx" as a\nfn f(x: f32) = x')
    assert load_codes(itself) == ["E0802"]
    diamond = write(
        tmp_path,
        main='import "a.tx" as a\nimport "b.tx" as b\nfn f(x: f32) = a.f(x) + b.f(x)',
        a='import "c.tx" as c\nfn f(x: f32) = c.f(x)',
        b='import "c.tx" as c\nfn f(x: f32) = c.f(x)',
        c="fn f(x: f32) = x",
    )
    assert load_codes(diamond) == []


def test_all_mistakes_of_imports_are_reported(tmp_path: Path) -> None:
    main = write(tmp_path, main='import "no.tx" as a\nimport "nor.tx" as b\nimport std.q as c\nfn f(x: f32) = x\nfn f(x: f32) = x')
    assert sorted(load_codes(main)) == ["E0204", "E0801", "E0801", "E0803"]


def test_a_mistake_in_an_imported_file_shows_that_file(tmp_path: Path) -> None:
    main = write(tmp_path, main='import "a.tx" as a\nfn f(x: f32[N]) = a.g(x)', a="fn g(x: f32[N]) = x + zz")
    with pytest.raises(CompileError) as caught:
        tc.load(main)
    assert "a.tx:1:23" in str(caught.value) and "in the call of `g`" in str(caught.value)


def test_mistakes_of_heads_and_imports_come_with_those_of_bodies(tx: Any) -> None:
    source = """
    import "no.tx" as no
    fn a(x: f32[N], x: f32) = x + nope
    fn b(x: g32[N]) = x
    fn c(x: f32[N]) = a(x, x) + b(x) + no.f(x)
    fn d(x: f32[N]) = c(x) + nobody
    fn d(x: f32[N]) = x
    """
    assert tx.refused(source) == ["E0801", "E0204", "E0407", "E0201", "E0204"]


def test_a_path_may_go_up_and_down(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='import "a/../a/x.tx" as x\nfn f(x1: f32[N]) = x.g(x1)',
        a__x='import "../a/y.tx" as y\nfn g(x: f32[N]) = y.g(x)',
        a__y="fn g(x: f32[N]) = x",
    )
    np.testing.assert_array_equal(tc.load(main).f(V), V)
    circle = write(
        tmp_path, main='import "a/x.tx" as x\nfn f(x1: f32[N]) = x.g(x1)', a__x='import "../a/../main.tx" as y\nfn g(x: f32[N]) = y.f(x)'
    )
    assert load_codes(circle) == ["E0802"]
    chain = {f"c{n}": f'import "c{n + 1}.tx" as next\nfn f(x: f32) = x' for n in range(150)}
    assert load_codes(write(tmp_path, main='import "c0.tx" as c\nfn f(x: f32) = x', **chain)) == ["E0801"]
