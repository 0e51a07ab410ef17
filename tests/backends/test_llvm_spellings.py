"""Every operation on every dtype it takes, as scalar and as vector code, against the oracle at special values."""

from __future__ import annotations

import ctypes
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from tensorc.backends.llvm import casts, library, target
from tensorc.backends.llvm.code import Code, Module
from tensorc.backends.llvm.emit import module_for
from tensorc.backends.llvm.spellings import CONVERSIONS, SPELLINGS, apply
from tensorc.backends.llvm.types import POINTER, Value, constant, integer, memory_element, of
from tensorc.dtypes import DTYPES, DType, bf16, f16, f32, f64
from tensorc.ir.operations import OPERATIONS, evaluate

FLOATS = """0 1 -1 0.5 1.5 2.5 3 -3 7.25 10 -0.75 1e-3 100 88.5 -103.9 1e4 -65504 1e-7 3e9 1e19 1e-300 1e300 0.1 -0.3 255.5 256 -128.5 127.9
65519.9 65520 -0.0 inf -inf nan 5e-324 6e-8 3.141592653589793 2.718281828459045"""
POWERS = [2.0**31, -(2.0**31), 2.0**63, 2.0**64, 2.0**-149, -(2.0**-24), 1 - 2**-11, 1 + 2**-11]
TIES = [1 + 2**-8 + 2**-30, 1 + 2**-11 + 2**-40, 1 + 3 * 2**-8]
FLOAT_VALUES = [*map(float, FLOATS.split()), *POWERS, *TIES]
INTEGERS = "0 1 2 3 5 7 8 31 32 63 64 100 -1 -2 -3 -7 -64 16777217 1077936129 4629700416936869889"
RANDOM = np.random.default_rng(5)


@cache
def values(dtype: DType) -> Any:
    if dtype.kind == "bool":
        return np.array([False, True])
    if dtype.is_float:
        spread = RANDOM.standard_normal(40) * 10.0 ** RANDOM.integers(-5, 5, 40)
        with np.errstate(all="ignore"):
            return np.array(FLOAT_VALUES + spread.tolist()).astype(dtype.numpy)
    low, high = dtype.range
    near = [*map(int, INTEGERS.split()), high, high - 1, high // 2, low, low + 1]
    return np.array([v for v in near if low <= v <= high], dtype.numpy)


@cache
def pairs(dtype: DType) -> tuple[Any, Any]:
    one = values(dtype)
    if dtype.is_float:
        one = one[:: 1 + (len(one) > 60)]
    a, b = np.meshgrid(one, one)
    return a.ravel().copy(), b.ravel().copy()


def build(operation: str, argument: DType, result: DType, lanes: int, cpu: str | None, constant_second: float | None) -> tuple[str, Module]:
    """f(n, a, b, y): y = operation(a, b) for n registers."""
    module = module_for(target.host(cpu))
    code = Code(module)
    arity = OPERATIONS[operation].arity
    pointers = [Value(f"%p{k}", POINTER) for k in range(arity + 1)]

    def step(counter: Value, carried: list[Value]) -> list[Value]:
        at = code.mul(counter, integer(max(lanes, 1)))
        loaded = []
        for p in pointers[:-1]:
            element = of(memory_element(argument), lanes)
            place = code.pure(POINTER, f"getelementptr {element.element}, ptr {p.text}, i64 {at.text}", at)
            raw = code.pinned(element, f"load {element}, ptr {place.text}, align 1")
            loaded.append(casts.from_memory(code, raw, argument))
        if constant_second is not None:
            loaded[1] = constant(loaded[0].type, constant_second)
        value = casts.to_memory(code, apply(code, operation, loaded, argument, result), result)
        place = code.pure(POINTER, f"getelementptr {value.type.element}, ptr {pointers[-1].text}, i64 {at.text}", at)
        code.effect(f"store {value.type} {value.text}, ptr {place.text}, align 1")
        return []

    code.loop(integer(0), Value("%n", of("i64")), 1, [], step)
    code.effect("ret void")
    parameters = "".join(f", ptr %p{k}" for k in range(arity + 1))
    module.define("f", lambda: f"define void @f(i64 %n{parameters}) #0 {{\n{code.text()}}}\n")
    return module.text(), module


def run(
    operation: str,
    arrays: list[Any],
    argument: DType,
    result: DType,
    lanes: int,
    cpu: str | None = None,
    constant_second: float | None = None,
) -> Any:
    text, module = build(operation, argument, result, lanes, cpu, constant_second)
    loaded = target.load([target.emit_object(text, target.host(cpu))], ["f"], library.addresses(module.symbols))
    width = max(lanes, 1)
    n = -(-len(arrays[0]) // width)
    padded = [np.resize(a, n * width) for a in arrays]
    out = np.zeros(n * width, result.numpy)
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (len(arrays) + 1))(loaded.addresses["f"])
    function(n, *(a.ctypes.data for a in padded), out.ctypes.data)
    return out[: len(arrays[0])]


def bits(x: Any) -> Any:
    return x.view(f"u{x.dtype.itemsize}")


def check(operation: str, arrays: list[Any], argument: DType, result: DType, got: Any) -> None:
    want = evaluate(operation, arrays, result)
    accuracy = OPERATIONS[operation].accuracy
    if not result.is_float or not accuracy:
        nan = np.isnan(want.astype(np.float64)) if result.is_float else np.zeros(len(want), bool)
        assert np.array_equal(np.isnan(got.astype(np.float64)), nan) if result.is_float else True
        same = (bits(got) == bits(want)) | nan
        at = int(np.argmin(same))
        assert same.all(), (operation, [a[at] for a in arrays], got[at], want[at])
        return
    # The oracle's f64 is not exact itself, so that bounds are wider; of the other dtypes it is the rounded exact value.
    accuracy += ORACLE.get(operation, 4) if result is f64 else 0.5
    wide, exact = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(all="ignore"):
        special = ~np.isfinite(exact) | (exact == 0)
        assert np.array_equal(wide[special], exact[special], equal_nan=True), operation
        digits = {f16: 10, bf16: 7, f32: 23, f64: 52}[result]
        least = {f16: -24, bf16: -133, f32: -149, f64: -1074}[result]
        unit = np.ldexp(1.0, np.maximum(np.frexp(exact)[1] - 1 - digits, least))
        if operation == "lgamma":  # the oracle's has a small absolute error near its zeros, not a relative one
            unit = np.maximum(unit, 2.0**-digits)
        error = np.where(special, 0.0, np.abs(wide - exact) / unit)
    at = int(np.argmax(error))
    assert error[at] <= accuracy, (operation, [a[at] for a in arrays], got[at], want[at], error[at])


ORACLE = {"lgamma": 16, "erfc": 8}
"""Units in the last place by which the oracle's f64 may be off, where that is more than 4."""

CASES = [(name, d) for name, row in OPERATIONS.items() for d in DTYPES.values() if row.takes(d) and not row.converts]


def test_every_row_has_a_spelling_for_each_dtype() -> None:
    assert set(OPERATIONS) == set(SPELLINGS) | set(CONVERSIONS)
    for name, dtype in CASES:
        assert (SPELLINGS[name].floats if dtype.is_float else SPELLINGS[name].integers) is not None, (name, dtype)


@pytest.mark.parametrize("lanes", [0, 8])
@pytest.mark.parametrize(("operation", "dtype"), CASES, ids=[f"{n}-{d}" for n, d in CASES])
def test_operation(operation: str, dtype: DType, lanes: int) -> None:
    row = OPERATIONS[operation]
    arrays = [values(dtype)] if row.arity == 1 else list(pairs(dtype))
    got = run(operation, arrays, dtype, row.result(dtype), lanes)
    check(operation, arrays, dtype, row.result(dtype), got)


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("source", DTYPES.values(), ids=str)
def test_casts(source: DType, lanes: int) -> None:
    for result in DTYPES.values():
        got = run("cast", [values(source)], source, result, lanes)
        check("cast", [values(source)], source, result, got)


def test_rounding_to_bf16() -> None:
    """Of normal and subnormal numbers, ties, infinities and NaN alike, with and without an instruction for it."""
    high = np.arange(1 << 16, dtype="u4") << 16
    low = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], "u4")
    given = (high[:, None] | low).view("f4").ravel()
    for lanes in (0, 8, 16):
        check("cast", [given], f32, bf16, run("cast", [given], f32, bf16, lanes))


@pytest.mark.parametrize("lanes", [0, 8])
def test_bitcasts(lanes: int) -> None:
    for source, result in product(DTYPES.values(), DTYPES.values()):
        if source.bits == result.bits and source.bits > 1:
            given = values(source)
            if source.bits == 16 and not source.is_float and result.is_float:
                given = given[~np.isnan(given.view(result.numpy).astype(np.float32))]
            check("bitcast", [given], source, result, run("bitcast", [given], source, result, lanes))


@pytest.mark.skipif(not target.host().triple.startswith("x86_64"), reason="the models are of x86-64")
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v2"])
def test_a_cpu_without_wide_vectors(cpu: str) -> None:
    for operation in ("round", "floor", "fmod", "maximum", "add", "exp", "sin", "erf"):
        for dtype in (f16, bf16, f32, f64):
            arrays = [values(dtype)] if OPERATIONS[operation].arity == 1 else list(pairs(dtype))
            got = run(operation, arrays, dtype, dtype, 4, cpu)
            check(operation, arrays, dtype, dtype, got)
    for source in DTYPES.values():
        check("cast", [values(source)], source, f16, run("cast", [values(source)], source, f16, 4, cpu))
        check("cast", [values(f16)], f16, source, run("cast", [values(f16)], f16, source, 4, cpu))


def any_bits(dtype: DType, count: int) -> Any:
    """Floats of every magnitude, and of those near 1."""
    words = RANDOM.integers(0, 1 << dtype.bits - 1, count, dtype="u8").astype(f"u{dtype.bytes}").view(dtype.numpy)
    signs = RANDOM.choice([-1, 1], count).astype(dtype.numpy)
    with np.errstate(all="ignore"):
        near = [RANDOM.standard_normal(count) * scale + shift for scale, shift in ((1, 0), (0.01, 1), (30, 0))]
        return np.concatenate([words * signs, *(part.astype(dtype.numpy) for part in near)])


@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
@pytest.mark.parametrize("operation", [row.name for row in OPERATIONS.values() if row.rounds and row.arity == 1 and row.name != "lgamma"])
def test_accuracy_at_random(operation: str, dtype: DType) -> None:
    arrays = [any_bits(dtype, 4000)]
    check(operation, arrays, dtype, dtype, run(operation, arrays, dtype, dtype, 8))


@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
@pytest.mark.parametrize("operation", ["pow", "atan2", "fmod", "remainder", "floordiv"])
def test_two_arguments_at_random(operation: str, dtype: DType) -> None:
    a, b = any_bits(dtype, 4000), RANDOM.permutation(any_bits(dtype, 4000))
    with np.errstate(all="ignore"):
        b[::3] = np.rint(b[::3])
        a[1::3] = b[1::3] * np.arange(len(a[1::3])).astype(dtype.numpy)
    check(operation, [a, b], dtype, dtype, run(operation, [a, b], dtype, dtype, 8))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0, 3.0, 4.0, -0.5, -1.0, 2.5])
def test_constant_powers(exponent: float) -> None:
    a = np.concatenate([values(f32), any_bits(f32, 500)])
    check(
        "pow", [a, np.full_like(a, exponent)], f32, f32, run("pow", [a, np.full_like(a, exponent)], f32, f32, 8, constant_second=exponent)
    )
