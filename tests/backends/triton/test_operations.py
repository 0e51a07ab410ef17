"""Every operation on every dtype that it takes, by a kernel in the interpreter, against the oracle at special values."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from backends.test_llvm_spellings import check, pairs, values
from backends.triton.worker import Worker

from tensorc.algebra import fresh, poly, size
from tensorc.dtypes import DTYPES, DType
from tensorc.ir import build
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Scalar

N = size("N")


@cache
def rows() -> list[tuple[str, DType]]:
    return [(name, t) for name, row in OPERATIONS.items() for t in DTYPES.values() if row.takes(t) and not row.converts]


def program(operation: str, argument: DType, results: list[DType], constant: float | None = None) -> Program:
    """y = operation(a, b), for each of the results' dtypes."""
    row = OPERATIONS[operation]
    inputs = tuple(Input("ab"[n], (N,), argument) for n in range(row.arity - (constant is not None)))
    made = []
    for result in results:
        i = fresh(N)
        arguments: list[Scalar] = [build.load(x, [poly(i)]) for x in inputs]
        if constant is not None:
            arguments.append(build.constant(constant, argument))
        made.append(build.define([i], build.apply(operation, *arguments, dtype=result)))
    return Program(operation, inputs, tuple(made))


def run(
    interpreter: Worker, operation: str, arrays: list[Any], argument: DType, results: list[DType], constant: float | None = None
) -> list[Any]:
    return interpreter.run(program(operation, argument, results, constant), arrays, {"N": len(arrays[0])})


@pytest.mark.parametrize(("operation", "argument"), rows(), ids=lambda p: str(p))
def test_operation(interpreter: Worker, operation: str, argument: DType) -> None:
    row = OPERATIONS[operation]
    arrays = [values(argument)] if row.arity == 1 else list(pairs(argument))
    result = row.result(argument)
    (got,) = run(interpreter, operation, arrays, argument, [result])
    check(operation, arrays, argument, result, got)


@pytest.mark.parametrize("argument", DTYPES.values(), ids=str)
def test_casts(interpreter: Worker, argument: DType) -> None:
    arrays = [values(argument)]
    results = [t for t in DTYPES.values() if t is not argument]
    for result, got in zip(results, run(interpreter, "cast", arrays, argument, results), strict=True):
        check("cast", arrays, argument, result, got)


@pytest.mark.parametrize("argument", [t for t in DTYPES.values() if OPERATIONS["bitcast"].takes(t)], ids=str)
def test_bitcasts(interpreter: Worker, argument: DType) -> None:
    arrays = [values(argument)]
    results = [t for t in DTYPES.values() if t.bits == argument.bits and t is not argument]
    for result, got in zip(results, run(interpreter, "bitcast", arrays, argument, results), strict=True):
        check("bitcast", arrays, argument, result, got)


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div", "pow", "maximum", "lt", "floordiv", "remainder", "copysign"])
def test_constants(interpreter: Worker, operation: str) -> None:
    """A constant operand has the dtype of the other."""
    for argument in DTYPES.values():
        if not OPERATIONS[operation].takes(argument) or argument.kind == "bool":
            continue
        for constant in (2.5, -1e-3, 3.0) if argument.is_float else (3, 1):
            arrays = [values(argument)]
            result = OPERATIONS[operation].result(argument)
            (got,) = run(interpreter, operation, arrays, argument, [result], constant)
            second = np.full_like(arrays[0], constant)
            check(operation, [*arrays, second], argument, result, got)
