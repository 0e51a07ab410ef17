"""The functions of the LLVM backend: the same bits in vectors of every width, within their bounds at hard points, and their fast forms."""

from __future__ import annotations

import ctypes
import math
from dataclasses import replace
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest

from tensorc.backends.llvm import casts, target
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.emit import module_for
from tensorc.backends.llvm.spellings import apply
from tensorc.backends.llvm.types import POINTER, Value, integer, memory_element, of
from tensorc.dtypes import DType, f32, f64
from tensorc.ir.operations import FAST, OPERATIONS

mp = mpmath.mp
EXACT: dict[str, Any] = {
    "exp": mp.exp,
    "exp2": lambda x: mp.power(2, x),
    "expm1": mp.expm1,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "log": mp.log,
    "log2": lambda x: mp.log(x, 2),
    "log10": mp.log10,
    "log1p": mp.log1p,
    "rsqrt": lambda x: 1 / mp.sqrt(x),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "lgamma": lambda x: mp.re(mp.loggamma(x)),
    "atan2": mp.atan2,
    "pow": mp.power,
}
DOMAINS = dict.fromkeys(("log", "log2", "log10", "rsqrt", "pow"), (0.0, math.inf)) | {
    "log1p": (-1.0, math.inf),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "atanh": (-1.0, 1.0),
    "acosh": (1.0, math.inf),
    "exp": (-745.0, 709.0),
    "exp2": (-1074.0, 1023.0),
    "sigmoid": (-745.0, 745.0),
    "expm1": (-745.0, 709.0),
    "sinh": (-710.0, 710.0),
    "cosh": (-710.0, 710.0),
    "erfc": (-6.0, 27.2),
    "lgamma": (0.0, 1e300),
}
# Where a range is reduced or a formula changes, and arguments whose angle is nearest to a multiple of pi/2 (J.-M. Muller, Elementary
# Functions, 2016, 11.3.2) or great.
HARD = [
    *(1.0, 0.5, 2 / 3, 4 / 3, 0.75, 0.25, 0.41421356237309503, 2.414213562373095, math.pi / 4, math.pi / 2, math.pi, 3 * math.pi / 2),
    *(2.0**-30, 2.0**-54, 2.0**-26, 2.0**-13, 2.0**-1074, 2.0**-149, 2.0**-1022, 2.0**-126, 2.0, 3.0, 4.0, 6.0, 20.0, 37.4, 40.0),
    *(6381956970095103.0 * 2.0**797, 16367173.0 * 2.0**72, 1e30, 1e22, 1e5, 1e9, 1.7e308, 3.4e38, 88.722839, 103.97208, 709.78, 745.13),
    *(10.05, 26.54, 27.2, 26.6, 9.2, 1.4616321449683623, 1.46, 2.9999999, 0.34657359, 0.17328679, 3.593232995368502e16),
]


@cache
def points(operation: str, dtype: DType) -> tuple[Any, ...]:
    """Hard arguments and their neighbours, special ones, and random ones of every magnitude."""
    random = np.random.default_rng(len(operation))
    with np.errstate(all="ignore"):
        hard = np.array([*HARD, *(-h for h in HARD)]).astype(dtype.numpy)
        near = [np.nextafter(hard, dtype.numpy.type(end)) for end in (-np.inf, np.inf)]
        special = np.array([0.0, -0.0, math.inf, -math.inf, math.nan], dtype.numpy)
        spread = (random.standard_normal(500) * 10.0 ** random.uniform(-6, 3, 500)).astype(dtype.numpy)
        bits = random.integers(0, 1 << dtype.bits - 1, 300, dtype="u8").astype(f"u{dtype.bytes}").view(dtype.numpy)
        one = np.concatenate([hard, *near, special, spread, bits, -bits])
    if OPERATIONS[operation].arity == 1:
        return (one,)
    return one, np.concatenate([random.permutation(one[:-400]), np.rint(random.uniform(-9, 9, 400)).astype(dtype.numpy)])


def text(operation: str, dtype: DType, lanes: tuple[int, ...], fast: bool, cpu: str | None) -> str:
    """A module with a function f<lanes>(n, a, b, y) of n registers for each width."""
    module = module_for(replace(target.host(cpu), fast=fast))
    arity = OPERATIONS[operation].arity
    for width in lanes:
        code = Code(module)
        element = of(memory_element(dtype), width)

        def step(counter: Value, carried: list[Value], code: Code = code, width: int = width, element: Any = element) -> list[Value]:
            at = code.mul(counter, integer(max(width, 1)))
            places = [code.pure(POINTER, f"getelementptr {element.element}, ptr %p{k}, i64 {at.text}", at) for k in range(arity + 1)]
            given = [code.pinned(element, f"load {element}, ptr {p.text}, align 1") for p in places[:-1]]
            value = casts.to_memory(code, apply(code, operation, given, dtype, dtype), dtype)
            code.effect(f"store {value.type} {value.text}, ptr {places[-1].text}, align 1")
            return []

        code.loop(integer(0), Value("%n", of("i64")), 1, [], step)
        code.effect("ret void")
        parameters = "".join(f", ptr %p{k}" for k in range(arity + 1))
        body = f"define void @f{width}(i64 %n{parameters}) #0 {{\n{code.text()}}}\n"
        module.define(f"f{width}", lambda body=body: body)
    assert not module.symbols or not target.host().has_fused_multiply_add, module.symbols  # nothing of the C library
    return module.text()


@cache
def results(operation: str, dtype: DType, lanes: tuple[int, ...], fast: bool = False, cpu: str | None = None) -> list[Any]:
    """What each width makes of the points."""
    from tensorc.backends.llvm import library

    names = [f"f{width}" for width in lanes]
    image = target.emit_object(text(operation, dtype, lanes, fast, cpu), target.host(cpu))
    loaded = target.load([image], names, library.addresses([]))
    found = []
    for width, name in zip(lanes, names, strict=True):
        given = points(operation, dtype)
        n = -(-len(given[0]) // max(width, 1))
        padded = [np.resize(a, n * max(width, 1)) for a in given]
        out = np.zeros(len(padded[0]), dtype.numpy)
        function = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (len(padded) + 1))(loaded.addresses[name])
        function(n, *(a.ctypes.data for a in padded), out.ctypes.data)
        found.append(out[: len(given[0])])
    return found


def worst(operation: str, dtype: DType, got: Any) -> tuple[float, Any]:
    """The largest error in units in the last place at finite points of the domain whose result is finite, by mpmath; and where it is."""
    digits, least = (23, -149) if dtype is f32 else (52, -1074)
    low, high = DOMAINS.get(operation, (-math.inf, math.inf))
    largest, place = 0.0, None
    given = points(operation, dtype)
    with mpmath.workdps(40):
        for k in range(0, len(given[0]), 3 if dtype is f64 else 2):
            x = [float(a[k]) for a in given]
            if not low <= x[0] <= high or not all(map(math.isfinite, [*x, float(got[k])])) or x[0] == 0 or x[-1] == 0:
                continue
            digits_of_angle = max(0, math.frexp(x[0])[1]) // 3 if operation in ("sin", "cos", "tan") else 0
            with mpmath.workdps(40 + digits_of_angle):
                exact = EXACT[operation](*map(mp.mpf, x))
            unit = mp.ldexp(1, max(mp.frexp(exact)[1] - 1 - digits, least) if exact else least)
            error = float(abs(mp.mpf(float(got[k])) - exact) / unit)
            if error > largest:
                largest, place = error, (x, got[k], exact)
    return largest, place


fused = pytest.mark.skipif(not target.host().has_fused_multiply_add, reason="the CPU has no fused multiply-add")
FUNCTIONS = pytest.mark.parametrize("operation", EXACT)
DTYPES = pytest.mark.parametrize("dtype", [f32, f64], ids=str)


@fused
@FUNCTIONS
@DTYPES
def test_every_width_has_the_same_bits(operation: str, dtype: DType) -> None:
    lanes = (0, 4, 8, 16)
    first, *others = (out.view(f"u{dtype.bytes}") for out in results(operation, dtype, lanes))
    nan = np.isnan(first.view(dtype.numpy))
    for width, other in zip(lanes[1:], others, strict=True):
        same = (first == other) | (nan & np.isnan(other.view(dtype.numpy)))
        at = int(np.argmin(same))
        assert same.all(), (width, [a[at] for a in points(operation, dtype)], first[at], other[at])


@fused
@pytest.mark.skipif("avx512f" not in target.host().features, reason="the CPU has narrower vectors anyway")
@pytest.mark.parametrize("operation", ["exp", "exp2", "expm1", "sigmoid", "log", "rsqrt", "sinh", "tanh", "sin", "erfc", "pow", "lgamma"])
@DTYPES
def test_a_cpu_with_narrower_vectors_has_the_same_bits(operation: str, dtype: DType) -> None:
    """One without the instructions of AVX-512, by which powers of two are put in."""
    (wide,), (narrow,) = results(operation, dtype, (64 // dtype.bytes,)), results(operation, dtype, (8,), cpu="x86-64-v3")
    nan = np.isnan(wide)
    assert np.array_equal(wide.view(f"u{dtype.bytes}")[~nan], narrow.view(f"u{dtype.bytes}")[~nan]) and np.isnan(narrow[nan]).all()


@fused
@FUNCTIONS
@DTYPES
def test_bounds_at_hard_points(operation: str, dtype: DType) -> None:
    largest, place = worst(operation, dtype, results(operation, dtype, (0, 4, 8, 16))[0])
    assert largest <= OPERATIONS[operation].accuracy, place


@fused
@pytest.mark.parametrize("operation", ["exp", "log2", "sin", "tan", "atan2", "tanh", "pow", "erfc", "lgamma", "acosh", "asinh", "atanh"])
@DTYPES
def test_fast_functions(operation: str, dtype: DType) -> None:
    (got,) = results(operation, dtype, (8,), fast=True)
    largest, place = worst(operation, dtype, got)
    assert largest <= FAST, place
    (accurate,) = results(operation, dtype, (8,))
    with np.errstate(all="ignore"):
        special = ~np.isfinite(accurate) | (accurate == 0)
    assert np.array_equal(got[special], accurate[special], equal_nan=True)
    assert np.array_equal(np.signbit(got[special & (accurate == 0)]), np.signbit(accurate[special & (accurate == 0)]))


@fused
@DTYPES
def test_special_values(dtype: DType) -> None:
    """Signs of zero, infinities and NaN, as C99's Annex F has them."""
    inf, nan = math.inf, math.nan
    odd = ("expm1", "log1p", "cbrt", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "erf")
    for name in odd:
        given, (out,) = points(name, dtype)[0], results(name, dtype, (8,))
        zero = given == 0
        assert (out[zero] == 0).all() and np.array_equal(np.signbit(out[zero]), np.signbit(given[zero])), name
    ends = {"exp": (inf, 0), "log": (inf, nan), "sin": (nan, nan), "tanh": (1, -1), "erf": (1, -1), "erfc": (0, 2), "lgamma": (inf, inf)}
    ends |= {"expm1": (inf, -1), "atanh": (nan, nan), "acosh": (inf, nan), "cosh": (inf, inf), "rsqrt": (0, nan), "sinh": (inf, -inf)}
    for name, expected in ends.items():
        given, (out,) = points(name, dtype)[0], results(name, dtype, (8,))
        for argument, value in zip((inf, -inf, nan), (*expected, nan), strict=True):
            found = out[np.isnan(given) if argument != argument else given == argument]
            assert len(found) and np.array_equal(found, np.full(len(found), value, dtype.numpy), equal_nan=True), (name, argument, found)
