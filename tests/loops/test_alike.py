"""What a kernel does is told apart from the memory that it does it to."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.algebra import Index, poly, size
from tensorc.dtypes import DType, f32, f64, i64
from tensorc.ir import build
from tensorc.ir.tensor import Input, Load
from tensorc.loops.alike import Form, form
from tensorc.loops.nest import SERIAL, Buffer, For, Kernel, Memory, Store

N = size("N")
ROW = Index(0, N)


def memory(name: str, dtype: DType = f32) -> Input:
    return Input(name, (N,), dtype)


def added(a: Input, b: Input, to: Buffer) -> Kernel:
    """to[i] = a[i] + b[i]"""
    value = build.apply("add", Load(a, (poly(ROW),)), Load(b, (poly(ROW),)))
    return Kernel("added", (For(ROW, body=(Store(to, (poly(ROW),), value),), bind=SERIAL),), (a, b), (to,), (), {ROW: "i"})


def told(kernel: Kernel, known: Sequence[Memory] = ()) -> tuple[Form, tuple[Memory, ...]]:
    return form(kernel, lambda m: (m in known, m))


X, Y, Z = memory("x"), memory("y"), memory("z")
P, Q = Buffer("p", (N,), f32), Buffer("q", (N,), f32)


def test_other_memory_is_the_same_form() -> None:
    (one, its), (other, others) = told(added(X, Y, P)), told(added(Z, X, Q))
    assert one == other
    assert (its, others) == ((P, X, Y), (Q, Z, X))


def test_which_memory_is_one_tells() -> None:
    forms = [told(added(a, b, to))[0] for a, b, to in ((X, Y, P), (X, X, P), (P, Y, P), (X, P, P))]
    assert len(set(forms)) == 4


def test_what_is_known_of_memory_tells() -> None:
    assert told(added(X, Y, P))[0] != told(added(X, Y, P), known=[X])[0]
    doubles = memory("a", f64), memory("b", f64), Buffer("c", (N,), f64)
    assert told(added(X, Y, P))[0] != told(added(*doubles))[0]


def test_shapes_of_one_memory_are_told() -> None:
    shape = Buffer("shape", (N,), f32)
    apart = form(added(shape, Y, P), lambda m: (None, m))[0]
    same = form(added(shape, Y, P), lambda m: (None, P if m is shape else m))[0]
    other = form(added(shape, Y, P), lambda m: (None, Q if m is shape else m))[0]
    assert len({apart, same, other}) == 3


def test_subscripts_that_are_data_are_told() -> None:
    rows, others = memory("rows", i64), memory("others", i64)
    forms = []
    for a, b in ((rows, X), (others, Y), (rows, Y)):
        place = build.number(Load(a, (poly(ROW),)))
        assert place is not None
        kernel = Kernel("read", (For(ROW, body=(Store(P, (poly(ROW),), Load(b, (place,))),), bind=SERIAL),), (a, b), (P,), (), {ROW: "i"})
        forms.append(told(kernel)[0])
    assert len(set(forms)) == 1
