"""Calls of programs built by hand: sizes, conditions, memory, trees of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tensorc.algebra import Poly, poly, size
from tensorc.compiler import Oracle
from tensorc.dtypes import f32
from tensorc.errors import ShapeError
from tensorc.ir.program import Condition, Program
from tensorc.ir.tensor import Input
from tensorc.runtime.call import Call, Constraint, flatten, rebuild

N, M = size("N"), size("M")


def program(*extents: tuple[Poly, ...], conditions: tuple[Condition, ...] = ()) -> Program:
    inputs = tuple(Input(f"x{n}", e, f32) for n, e in enumerate(extents))
    return Program("f", inputs, inputs, conditions)


def call(p: Program, tree: Any = 0, extra: tuple[Constraint, ...] = ()) -> Call:
    return Call(p, tree, Oracle(p), [i.name for i in p.inputs], extra)


def arrays(*shapes: tuple[int, ...]) -> list[Any]:
    return [np.ones(s, np.float32) for s in shapes]


def test_plain_sizes_bind_wherever_they_stand_and_others_are_checked() -> None:
    c = call(program((N * 2 + 1, M), (M, N)), (0, 1))
    assert c.bind(arrays((7, 4), (4, 3))) == {"N": 3, "M": 4}
    with pytest.raises(
        ShapeError, match=r"parameter `x0` of `f`: axis 0 has 8, but must have 2\*N \+ 1 = 7, where N = 3 is axis 1 of `x1`"
    ):
        c.bind(arrays((8, 4), (4, 3)))
    with pytest.raises(ShapeError, match=r"parameter `x1` of `f`: axis 0 is M = 5, but `x0` \(axis 1\) has M = 4"):
        c.bind(arrays((7, 4), (5, 3)))


def test_constants_and_repeated_sizes() -> None:
    c = call(program((N, N, poly(3))))
    assert c.bind(arrays((2, 2, 3))) == {"N": 2}
    with pytest.raises(ShapeError, match=r"axis 1 is N = 4, but `x0` \(axis 0\) has N = 2"):
        c.bind(arrays((2, 4, 3)))
    with pytest.raises(ShapeError, match="axis 2 has 4, but must have 3"):
        c.bind(arrays((2, 2, 4)))
    with pytest.raises(ShapeError, match="axis 0 has 2, but must have 7"):
        call(program((N,)), extra=(Constraint(0, 0, poly(7)),)).bind(arrays((2,)))


def test_conditions() -> None:
    even = Condition(N % 2, "==", "{N} is odd")
    less = Condition(M - N, ">=", "N exceeds M")
    c = call(program((N,), (M,), conditions=(even, less)), (0, 1))
    assert c.bind(arrays((2,), (3,))) == {"N": 2, "M": 3}
    with pytest.raises(ShapeError, match="f: 3 is odd, but N = 3 is axis 0 of `x0`"):
        c.bind(arrays((3,), (3,)))
    with pytest.raises(ShapeError, match="f: N exceeds M, but M = 3 is axis 0 of `x1` and N = 4 is axis 0 of `x0`"):
        c.bind(arrays((4,), (3,)))


class Silent:
    """An executable that only records what it is given."""

    def __init__(self) -> None:
        self.outputs: Sequence[Any] = ()

    def run(self, inputs: Sequence[Any], sizes: Mapping[str, int], outputs: Sequence[Any]) -> int | None:
        self.outputs = outputs
        for number, o in enumerate(outputs):
            o[...] = number
        return None


def test_negative_and_huge_results() -> None:
    x = Input("x", (N,), f32)
    less, huge = Input("y", (N - 3,), f32), Input("z", tuple([N * N * N * N] * 4), f32)
    with pytest.raises(ShapeError, match=r"f: the result would have the shape \[-1\]"):
        Call(Program("f", (x,), (less,)), 0, Silent(), ["x"])(arrays((2,)))
    with pytest.raises(ShapeError, match="larger than any memory"):
        Call(Program("f", (x,), (huge,)), 0, Silent(), ["x"])([np.broadcast_to(np.float32(1), (1 << 20,))])


def test_trees() -> None:
    assert rebuild(((0, 1), 2), ["a", "b", "c"]) == (("a", "b"), "c")
    assert flatten(((0, 1), 2), (("a", "b"), "c"), "f") == ["a", "b", "c"]
    c = call(program((N,), (M,)), (1, (0, 1)))
    a, (b, d) = c(arrays((2,), (3,)))
    assert (a.shape, b.shape, d.shape) == ((3,), (2,), (3,)) and not np.shares_memory(a, d)
    outs = arrays((3,), (2,), (3,))
    assert c(arrays((2,), (3,)), out=(outs[0], (outs[1], outs[2])))[1][1] is outs[2]


def test_out_reaches_the_kernel_unless_it_overlaps() -> None:
    p = program((N,), (N,))
    silent = Silent()
    c = Call(p, (0, 1), silent, ["a", "b"])
    memory = np.zeros(12, np.float32)
    a, b = memory[:4], memory[4:8]
    c(arrays((4,), (4,)), out=(a, b))
    assert silent.outputs[0] is a and silent.outputs[1] is b and memory.tolist() == [0] * 4 + [1] * 4 + [0] * 4
    c([memory[2:6], memory[8:]], out=(a, b))
    assert silent.outputs[0] is not a and silent.outputs[1] is not b
    c(arrays((4,), (4,)), out=(memory[:4], memory[3:7]))
    assert memory.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]
