"""Lanes of registers combined, by what the instructions do to lists of lanes."""

from __future__ import annotations

import re

import pytest

from tensorc.backends.llvm.code import Code, Module
from tensorc.backends.llvm.combine import across_lanes
from tensorc.backends.llvm.types import Value, register
from tensorc.dtypes import DType, f32, f64


def in_halves(lanes: list[str]) -> str:
    """What the lanes of one vector come to, as text."""
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [f"({a}+{b})" for a, b in zip(lanes[:half], lanes[half:], strict=True)]
    return lanes[0]


def run(code: Code, registers: dict[str, list[str]]) -> None:
    """Adds what each instruction of the code gives, as texts of lanes."""
    for line in code.scope.lines:
        name, _, text = line.strip().partition(" = ")
        operands = [registers[o] for o in re.findall(r"%\w+", text)]
        match text.split(" ")[0]:
            case "shufflevector":
                both = operands[0] + operands[1]
                registers[name] = ["?" if n == "poison" else both[int(n)] for n in re.findall(r"i32 (\w+)", text)]
            case "fadd":
                registers[name] = [f"({a}+{b})" for a, b in zip(*operands, strict=True)]
            case "extractelement":
                registers[name] = [operands[0][int(text.rsplit(" ", 1)[1])]]
            case other:
                raise AssertionError(other)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 19])
@pytest.mark.parametrize(("dtype", "lanes"), [(f32, 16), (f64, 4), (f32, 2)])
def test_each_vector_is_combined_as_it_would_be_alone(count: int, dtype: DType, lanes: int) -> None:
    code = Code(Module())
    vectors = [Value(f"%x{n}", register(dtype, lanes)) for n in range(count)]
    found = across_lanes(code, "sum", vectors, dtype)
    registers = {v.text: [f"{v.text}.{lane}" for lane in range(lanes)] for v in vectors}
    expected = [in_halves(lane) for lane in registers.values()]
    run(code, registers)
    assert [registers[v.text] for v in found] == [[e] for e in expected]


def test_vectors_share_instructions() -> None:
    lengths = []
    for count in (1, 6):
        code = Code(Module())
        across_lanes(code, "sum", [Value(f"%x{n}", register(f32, 16)) for n in range(count)], f32)
        lengths.append(len(code.scope.lines))
    assert lengths[1] < 3 * lengths[0]
