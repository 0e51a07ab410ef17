"""Programs of any size and depth are checked in good time, or refused with a diagnostic."""

from __future__ import annotations

from typing import Any

import pytest
from steps import steps

LARGE = 4611686018427387904  # 2**62
LARGEST = 9223372036854775807

X = "fn f(x: f32[N]) = "
I = "fn f(x: i64[N]) = "  # noqa: E741

DEEP = {
    "parentheses": (X + "(" * 10_000 + "x" + ")" * 10_000, []),
    "lists": (X + "[" * 10_000 + "1" + "]" * 10_000, ["E0310"]),
    "tuples": (X + "(" * 10_000 + "x" + ",)" * 10_000, ["E0310"]),
    "signs": (X + "- " * 10_000 + "x", []),
    "signs of dims": (X + "- " * 10_000 + "N", []),
    "complements": (I + "~" * 10_000 + "x", []),
    "negations": ("fn f(x: bool[N]) = " + "not " * 10_000 + "x", []),
    "calls": (X + "exp(" * 5_000 + "x" + ")" * 5_000, []),
    "calls of the library's own files": (X + "relu(" * 1_000 + "x" + ")" * 1_000, []),
    "casts": (X + "cast(" * 5_000 + "x" + ", f64)" * 5_000, []),
    "gathers": (I + "x[" * 1_000 + "x" + "]" * 1_000, []),
    "subscripts": (I + "tensor[i](" + "x[" * 1_000 + "i" + "]" * 1_000 + ")", []),
    "attributes": (X + "x" + ".T" * 5_000, []),
    "slices": (X + "x" + "[1:]" * 500, []),
    "new axes": (X + "x" + "[None]" * 50, []),
    "choices": (X + "where(x > 0, x, " * 1_000 + "x" + ")" * 1_000, []),
    "choices of dims": (X + "where(N > 0, N, " * 1_000 + "N" + ")" * 1_000, []),
    "choices of indices": (X + "tensor[i < N](" + "where(i > 0, i, " * 1_000 + "i" + ")" * 1_000 + ")", []),
    "reductions": (X + "".join(f"sum[j{k}](x[j{k}] * " for k in range(100)) + "1" + ")" * 100, []),
    "quotients of dims": (X + "N" + " // 2" * 1_000, []),
    "quotients by dims": (X + "zeros([N" + " // (N + 1)" * 100 + "])", ["E0604"]),
    "powers of dims": ("fn f(x: f32[N], y: f32[((((N + 1) ** 8) ** 8) ** 8) ** 8]) = N", ["E0604"]),
    "types": ("fn f(x: f32[N]) -> " + "(" * 2_000 + "f32[N]" + ",)" * 2_000 + " = x", ["E0605"]),
    "patterns": ("fn f(x: f32[N]) { let " + "(" * 2_000 + "a" + ",)" * 2_000 + " = x return x }", ["E0605"]),
    "negated conditions": ("fn f(x: f32[N]) { require " + "not " * 1_000 + "N > 3 return x }", []),
    "functions": ("".join(f"fn g{i}(x: f32[N]) = g{i + 1}(x)\n" for i in range(100)) + "fn g100(x: f32[N]) = x", []),
}


SIZES = ", ".join(f"x{i}: f32[N{i}]" for i in range(60))
SUM = f"({' + '.join(f'N{i}' for i in range(60))})"

LONG = {
    "sums": (X + " + ".join(["x"] * 20_000), []),
    "sums of numbers": (X + " + ".join(["1"] * 20_000), []),
    "sums of dims": (X + " + ".join(["N"] * 20_000), []),
    "sums of elements": (X + "tensor[i](" + " + ".join(["x[i]"] * 5_000) + ")", []),
    "sums of indices": (X + "tensor[i < N](" + " + ".join(["i"] * 5_000) + ")", []),
    "unknown names": (X + " + ".join(["nope"] * 2_000), ["E0201"] * 20),
    "lets": ("fn f(a0: f32[N]) {" + "".join(f"let a{i} = a{i - 1} * 2 + {i}\n" for i in range(1, 2_000)) + "return a1999 }", []),
    "definitions": ("fn f(a0: f32[N]) {" + "".join(f"let a{i}[i] = a{i - 1}[i] + {i}\n" for i in range(1, 1_000)) + "return a999 }", []),
    "requirements": ("fn f(x: f32[N]) {" + "".join(f"require N > {i}\n" for i in range(2_000)) + "return x[1999:] }", []),
    "conditions": ("fn f(x: f32[N]) { require " + " and ".join(["N > 1"] * 5_000) + " return x }", []),
    "alternatives": ("fn f(x: f32[N]) { require " + " or ".join(f"N == {i}" for i in range(60)) + " return x }", []),
    "literals": (X + "[" + ", ".join(map(str, range(2_000))) + "]", []),
    "rows": (X + "[" + ", ".join(["x"] * 500) + "]", []),
    "joins": (X + "concat([" + ", ".join(["x"] * 500) + "])", []),
    "parameters": ("fn f(" + ", ".join(f"x{i}: f32[N{i}]" for i in range(500)) + ") = x0", []),
    "products of dims": ("fn f(" + SIZES + ") = " + " * ".join([SUM] * 9), []),
}


GREAT = {
    "dims": (f"fn f(x: f32[{LARGE}]) = x + 1", []),
    "sizes": (f"fn f() = zeros([{LARGE}, {LARGE}])", []),
    "shapes": (f"fn f() = reshape(zeros([{LARGE}, 4]), [4, {LARGE}])", []),
    "progressions": (f"fn f() = arange({LARGE})", []),
    "parts": (X + f"split(x, {LARGE})", ["E0611"]),
    "many parts": (X + "split(x, 1000000)", ["E0611"]),
    "exponents": (X + f"N ** {LARGEST} + 7 ** {LARGEST}", []),
    "exponents of dims": ("fn f(x: f32[N], y: f32[N ** 100000]) = N", ["E0604"]),
    "shifts": (X + f"1 << {LARGEST}", []),
    "slices": (X + f"x[:{LARGEST}][-{LARGEST}:]", []),
    "places": (X + f"x[{LARGEST}] + x[-{LARGEST}]", []),
    "ranges": (X + f"sum[i < {LARGEST}](i)", []),
    "repeats": (X + f"(repeat(x, {LARGEST}), tile(x, {LARGEST}), roll(x, {LARGEST}), pad(x, {LARGEST}))", []),
    "axes": (X + f"sum(x, axis={LARGEST})", ["E0304"]),
    "steps": (X + f"x[::{LARGEST}]", []),
    "static parameters": (f"fn g(x: f32[N], k: int) = x * k\nfn f(x: f32[N]) = g(x, {LARGEST})", []),
}


@pytest.mark.parametrize("name", [*DEEP, *LONG, *GREAT])
def test_in_good_time(tx: Any, name: str) -> None:
    source, codes = (DEEP | LONG | GREAT)[name]
    found: list[Any] = []
    assert steps(lambda: found.append(tx.refused(source))) < 20_000_000
    assert found == [codes]
