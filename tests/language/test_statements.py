"""Statements: `let` with its patterns and types, `require`, `return`, and what a body must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

X = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.arange(6, dtype=np.float32)


def test_let(tx: Any) -> None:
    tx.gives(V * 2 + 1, "fn f(x: f32[N]) { let y = x * 2 let z = y + 1 return z }", V)
    tx.gives(V, "fn f(x: f32[N]) {let y=x\n\n\nreturn\ny}", V)


def test_tuple_patterns(tx: Any) -> None:
    source = """
    fn g(x: f32[N]) = (x, (x + 1, x + 2), x + 3)
    fn f(x: f32[N]) {
        let (a, (b, _), _) = g(x)
        let (c,) = (a * b,)
        let (_, (_, d), e) = g(c)
        return d + e
    }
    """
    tx.gives(V * (V + 1) * 2 + 5, source, V)
    tx.gives((V[:3], V[3:]), "fn f(x: f32[6]) { let (a, b) = split(x, 2) return a, b }", V)


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("let a = x let a = x return a", ["E0204"]),
        ("let x = x + 1 return x", ["E0204"]),
        ("let N = 3 return x", ["E0204"]),
        ("let (a, a) = (x, x) return a", ["E0204"]),
        ("let (a, b) = (x, x, x) return a", ["E0605"]),
        ("let (a, b) = x return a", ["E0605"]),
        ("let (a, (b, c)) = (x, x) return a", ["E0605"]),
        ("let a[i] = x[i] let a = x return a", ["E0204"]),
        ("let a = x let a[i] = x[i] return a", ["E0204"]),
        ("let _ = x let _ = x return x", []),
        ("let (_, _) = (x, x) return x", []),
        ("let a = a + x return a", ["E0210"]),
        ("let a[i] = a[i - 1 else 0] + x[i] return a", ["E0210"]),
        ("return _", ["E0201"]),
        ("return x return x", ["E0205"]),
        ("return x let a = zz return a", ["E0205"]),
        ("let a = x", ["E0206"]),
        ("", ["E0206"]),
        ("let a: f32[M] = x return a", ["E0203"]),
        ("let a: f32[N, N] = x return a", ["E0303"]),
        ("let a: f64[N] = x return a", ["E0401"]),
        ("let a: f32[N + 1] = x return a", ["E0302"]),
        ("let a: int = x return a", ["E0604"]),
    ],
)
def test_what_a_body_may_not_be(tx: Any, body: str, codes: list[str]) -> None:
    assert tx.refused(f"fn f(x: f32[N]) {{ {body} }}") == codes


def test_annotations(tx: Any) -> None:
    source = """
    fn f(x: f32[N, M]) {
        let y: f32[N, M] = x
        let (a, b): (f32[N], f32[_]) = (y[:, 0], y[0])
        let c: f32[...] = b
        let k: int = 3
        let e: float = 1
        let s: str = "mean"
        let z: f64 = 1.5
        let w: f64[2] = [1, 2]
        return a, c, k, z + 0.0, w
    }
    """
    tx.gives((X[:, 0], X[0], np.int64(3), np.float64(1.5), np.array([1.0, 2.0])), source, X)


def test_return(tx: Any) -> None:
    tx.gives((V, V + 1), "fn f(x: f32[N]) { return x, x + 1 }", V)
    tx.gives((V, V + 1), "fn f(x: f32[N]) { return x, x + 1, }", V)
    tx.gives((V, V), "fn f(x: f32[N]) = x, x", V)
    tx.gives((V, (V, V)), "fn f(x: f32[N]) = (x, (x, x))", V)
    tx.gives(np.array([1, 2]), "fn f() = [1, 2]")
    tx.gives(np.int64(3), "fn f() = 3")
    tx.gives(np.bool_(True), "fn f() = true")
    tx.gives(np.float32(np.inf), "fn f() = inf")


@pytest.mark.parametrize("value", ['"a"', "none", "f32", "softmax", "g", "(x, none)"])
def test_what_is_no_result(tx: Any, value: str) -> None:
    assert tx.refused(f"fn g(x: f32) = x\nfn f(x: f32) = {value}") == ["E0610"]


def test_statements_after_a_wrong_one_are_checked(tx: Any) -> None:
    source = """
    fn f(x: f32[N], y: f32[M]) {
        let a = x + y
        let b = a * zz
        let (c, d) = (a, b, c0)
        let e[i] = x[i + 1] + y[i]
        require q > 3
        return a + b + c + d + e + nope
    }
    """
    assert tx.refused(source) == ["E0301", "E0201", "E0201", "E0505", "E0201", "E0201"]


# Requirements.


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("N % 2 == 0", [2, 4, 6]),
        ("N > 2", [3, 4, 5, 6]),
        ("2 < N", [3, 4, 5, 6]),
        ("N >= 2 and N <= 4", [2, 3, 4]),
        ("(N >= 2 and N <= 4)", [2, 3, 4]),
        ("N != 3", [1, 2, 4, 5, 6]),
        ("not N == 3", [1, 2, 4, 5, 6]),
        ("not N < 3", [3, 4, 5, 6]),
        ("N == 1 or N == 4", [1, 4]),
        ("N < 2 or N > 4", [1, 5, 6]),
        ("not (N < 2 or N > 4)", [2, 3, 4]),
        ("N < 3 and (N == 1 or N == 2) or N == 6", [1, 2, 6]),
        ("(N < 3) == (N < 5)", [1, 2, 5, 6]),
        ("(N < 3) != (N < 5)", [3, 4]),
        ("N // 2 == 2", [4, 5]),
        ("N ** 2 > 10", [4, 5, 6]),
        ("N * N + N < 30", [1, 2, 3, 4]),
        ("x.shape[0] == 3", [3]),
        ("x.size >= 5", [5, 6]),
        ("x.ndim == 1", [1, 2, 3, 4, 5, 6]),
        ("k < N", [3, 4, 5, 6]),
        ("k == 2", [1, 2, 3, 4, 5, 6]),
        ("eps > 0 and eps < 1", [1, 2, 3, 4, 5, 6]),
        ('mode == "a" or mode == "b"', [1, 2, 3, 4, 5, 6]),
        ("flag", [1, 2, 3, 4, 5, 6]),
        ("flag and N > 1", [2, 3, 4, 5, 6]),
        ("not flag or N > 1", [2, 3, 4, 5, 6]),
        ("axis == none", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_conditions(tx: Any, condition: str, holds: list[int]) -> None:
    parameters = 'k: int = 2, eps: float = 0.5, mode: str = "a", flag: bool = true, axis: axes = none'
    source = f'fn f(x: f32[N], {parameters}) {{ require {condition}, "it must hold" return x }}'
    for n in range(1, 7):
        if n in holds:
            tx.gives(V[:n], source, V[:n])
        else:
            assert "it must hold" in tx.fails(source, V[:n])


def test_the_message_of_a_condition(tx: Any) -> None:
    assert "`N % 2 == 0` does not hold" in tx.fails("fn f(x: f32[N]) { require N % 2 == 0 return x }", V[:3])
    assert "`N > 4` does not hold" in tx.fails("fn f(x: f32[N]) { require N > 1 and N > 4 return x }", V[:3])
    assert "N = 3" in tx.fails("fn f(x: f32[N]) { require N % 2 == 0 return x }", V[:3])


def test_what_is_no_condition(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) { require x[0] > 0 return x }") == ["E0612"]
    assert tx.refused("fn f(x: f32[N]) { require any(x > 0) return x }") == ["E0612"]
    assert tx.refused("fn f(x: f32[N]) { require x > 0 return x }") == ["E0612"]
    assert tx.refused("fn f(x: f32[N]) { require N return x }") == ["E0612"]
    assert tx.refused('fn f(x: f32[N]) { require "a" return x }') == ["E0601"]


def test_a_condition_that_never_holds(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) { require N < 0 return x }") == ["E0305"]
    assert tx.refused("fn f(x: f32[3]) { require x.size == 4 return x }") == ["E0305"]
    assert tx.refused('fn f(x: f32[N], m: str = "a") { require m == "b" return x }') == ["E0305"]
    assert tx.refused("fn f(x: f32[N]) { require 1 > 2 return x }") == ["E0305"]


def test_what_follows_may_rely_on_a_condition(tx: Any) -> None:
    tx.gives(V * 2, "fn f(x: f32[N], y: f32[M]) { require N == M return x + y }", V, V)
    assert "does not hold" in tx.fails("fn f(x: f32[N], y: f32[M]) { require N == M return x + y }", V, V[:1])
    source = "fn f(x: f32[N], y: f32[M]) { require N <= M let z[i < N] = x[i] + y[i] return z }"
    tx.gives(V[:3] + V[:3], source, V[:3], V)
    tx.gives(V[2:], "fn f(x: f32[N]) { require N >= 4 let z[i in 2..N] = x[i] return z }", V)
    tx.gives(
        X.reshape(2, 6) + 1,
        "fn f(x: f32[N], y: f32[2, H]) { require 2 * H == N return reshape(x, [2, H]) + y * 0 + 1 }",
        X.reshape(12),
        X.reshape(2, 6),
    )


def test_a_condition_of_a_callee_is_checked_at_the_call(tx: Any) -> None:
    source = 'fn g(x: f32[K]) { require K % 2 == 0, "pairs" return x }\nfn f(x: f32[N]) = g(x[1:])'
    tx.gives(V[1:5], source, V[:5])
    assert "pairs" in tx.fails(source, V)
