"""log and its kin: x = 2**e * (1 + f) with f in -1/3 .. 1/3, and log(1 + f) = f + a rest.

The rest of f64 is made as in fdlibm's e_log.c (Sun Microsystems, 1993), by atanh. What rounding takes from e * ln 2 + f is added to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import ATANH, LOG
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import Value, constant

# Constants in two parts; those that are multiplied by an exponent have so few bits in the first that the product is exact.
LN2 = {"float": (0.693145752, 1.42860677e-6), "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}
LOG10_2 = {"float": (0.301025391, 4.60503907e-6), "double": (3.01029995663611771306e-01, 3.69423907715893078616e-13)}
LOG2_E = {"float": (1.44269502, 1.92596299e-8), "double": (1.4426950408889634, 2.0355273740931033e-17)}
LOG10_E = {"float": (0.434294492, -1.01030500e-8), "double": (0.4342944819032518, 1.098319650216765e-17)}

# Beyond these 1 + x is x.
GREAT = {"float": 2.0**60, "double": 2.0**100}


@dataclass(frozen=True)
class Parts:
    """log x = exponent / unit * ln 2 + f + rest, where 1 + f is in 2/3 .. 4/3; any values where x is not positive and finite.

    `half` is -f**2 / 2, and `tail` what is left of the rest, for those who add them up with more bits than the rest has.
    `bits` are those of the power of two that x was divided by, as a difference of exponents in place.
    """

    exponent: Value
    f: Value
    rest: Value
    half: Value
    tail: Value
    bits: Value
    unit: float


def log(code: Code, x: Value) -> Value:
    return _everywhere(code, x, "log", _log)


def _log(code: Code, x: Value, subnormal: bool) -> Value:
    return natural(code, parts(code, x, subnormal))


def natural(code: Code, p: Parts) -> Value:
    return n.sum_of(code, _natural(code, p))


def _natural(code: Code, p: Parts) -> Pair:
    first, second = (part / p.unit for part in LN2[p.f.type.element])
    high = n.multiply_add(code, p.exponent, first, p.f)
    low = n.add(code, p.f, n.multiply_add(code, p.exponent, first, code.negate(high))) if code.compensated else None
    return Pair(high, n.plus(code, n.multiply_add(code, p.exponent, second, p.rest), low))


def log_in_parts(code: Code, p: Parts) -> Pair:
    """The natural logarithm, more accurate than its rounding."""
    pair = _natural(code, p)
    assert pair.low is not None
    return n.exact_sum(code, pair.high, pair.low)


def log2(code: Code, x: Value) -> Value:
    return _everywhere(code, x, "log2", _log2)


def _log2(code: Code, x: Value, subnormal: bool) -> Value:
    p = parts(code, x, subnormal, whole=True)
    first, second = LOG2_E[x.type.element]
    whole = n.exact_product(code, p.f, first)
    most = n.exact_sum(code, p.exponent, whole.high)
    small = n.plus(code, n.plus_product(code, p.f, second, whole.low), most.low)
    low = n.plus_product(code, p.half, first, n.plus_product(code, p.tail, first, small))
    return n.sum_of(code, Pair(most.high, low))


def log10(code: Code, x: Value) -> Value:
    return _everywhere(code, x, "log10", _log10)


def _log10(code: Code, x: Value, subnormal: bool) -> Value:
    """From a little above 2/3 on, so that what cancels is not just less than 1/8, of which a unit in the last place is half as much."""
    p = parts(code, x, subnormal, least=0.6668)
    first, second = (part / p.unit for part in LOG10_2[x.type.element])
    factor, more = LOG10_E[x.type.element]
    whole = n.exact_product(code, p.f, factor)
    most = n.exact_sum(code, n.multiply(code, p.exponent, first), whole.high)
    small = n.plus(code, n.plus_product(code, p.f, more, whole.low), most.low)
    small = n.plus_product(code, p.half, factor, n.plus_product(code, p.tail, factor, small))
    low = n.plus_product(code, p.exponent, second, small)
    return n.sum_of(code, Pair(most.high, low))


def _everywhere(code: Code, x: Value, name: str, function: Callable[[Code, Value, bool], Value]) -> Value:
    """A logarithm of normal numbers, and rarely of others."""

    def rare(code: Code, arguments: list[Value]) -> Value:
        (x,) = arguments
        return _special(code, x, function(code, x, True))

    return code.rarely_by(n.is_edge(code, x, least=n.LEAST_NORMAL[x.type.element]), function(code, x, False), name, rare, x)


def log1p(code: Code, x: Value) -> Value:
    """Of 1 + x and what rounding takes from it. u - 1 is exact but where a 1 is too little to count."""
    u = n.add(code, x, 1.0)
    lost = n.subtract(code, x, n.add(code, u, -1.0))
    result = code.intrinsic("copysign", natural(code, _with_lost(code, parts(code, u, subnormal=False), lost)), x)
    return code.rarely_by(n.is_edge(code, u, GREAT[x.type.element]), result, "log1p", _log1p_at_edges, u, result)


def _log1p_at_edges(code: Code, arguments: list[Value]) -> Value:
    u, usual = arguments
    great = n.compare(code, "oge", u, GREAT[u.type.element])
    return _special(code, u, code.select(great, _log(code, u, subnormal=False), usual))


def log_of_pair(code: Code, u: Value, lost: Value, more_exponent: Value | None = None) -> Value:
    """log((u + lost) * 2**more), for |lost| of at most a rounding error of u >= 1/2: accurate near 1 too."""
    p = log_of_pair_in_parts(code, u, lost)
    if more_exponent is not None:
        p = replace(p, exponent=n.multiply_add(code, more_exponent, p.unit, p.exponent))
    return natural(code, p)


def log_of_pair_in_parts(code: Code, u: Value, lost: Value) -> Parts:
    """log(u + lost) of normal numbers, the rest with what was lost: nothing where u is GREAT."""
    p = parts(code, u, subnormal=False)
    most = n.subtract_bits(code, GREAT[u.type.element], 1.0, u)
    return replace(_with_lost(code, replace(p, bits=code.intrinsic("smin", p.bits, most)), lost), bits=p.bits)


def _with_lost(code: Code, p: Parts, lost: Value) -> Parts:
    """The rest with what was lost as a share of 1 + f."""
    power = code.binary("sub", n.bits_of(lost, 1.0), p.bits)
    c = n.multiply(code, lost, n.floating(code, power, lost))
    return replace(p, rest=n.multiply_add(code, c, n.polynomial(code, p.f, (1.0, -1.0, 1.0)), p.rest))


def parts(
    code: Code, x: Value, subnormal: bool = True, tail: tuple[float, ...] = ATANH["double"], least: float = 2 / 3, whole: bool = False
) -> Parts:
    """x in parts. `subnormal` says whether it may be so small, `tail` how precise the rest of f64 is to be, `least` is that of 1 + f, and
    `whole` whether the exponent's unit is 1."""
    exponent, f, above, unit = exponent_and_rest(code, x, subnormal, least, whole)
    first, second, half = _rest_double(code, f, tail) if n.is_double(x) else _rest_single(code, f)
    return Parts(exponent, f, n.multiply_add(code, first, second, half), half, n.multiply(code, first, second), above, unit)


def exponent_and_rest(
    code: Code, x: Value, subnormal: bool = True, least: float = 2 / 3, whole: bool = True
) -> tuple[Value, Value, Value, float]:
    """(e * unit, f, the bits of e in place, unit) with x = 2**e * (1 + f)."""
    mantissa = _mantissa(x)
    tiny = n.compare(code, "olt", x, n.LEAST_NORMAL[x.type.element])
    bits = n.bits(code, n.choose(code, tiny, n.multiply(code, x, 2.0 ** (mantissa + 1)), x) if subnormal else x)
    above = code.binary("sub", bits, n.bits_of(x, least))
    above = code.binary("and", above, constant(bits.type, -1 << mantissa))
    m = n.floating(code, code.binary("sub", bits, above), x)
    unit = 1.0 if whole else 2.0**mantissa
    exponent = code.convert("sitofp", code.binary("ashr", above, constant(bits.type, mantissa)) if whole else above, x.type)
    if subnormal:
        exponent = n.choose(code, tiny, n.add(code, exponent, -(mantissa + 1) * unit), exponent)
    return exponent, n.add(code, m, -1.0), above, unit


def _mantissa(x: Value) -> int:
    return 52 if n.is_double(x) else 23


def _rest_single(code: Code, f: Value) -> tuple[Value, Value, Value]:
    """f*f*f, P(f) and -f*f/2: the rest is the product of the first two, and the third."""
    tail = n.polynomial(code, f, LOG["float"])
    z = n.multiply(code, f, f)
    return n.multiply(code, z, f), tail, n.multiply(code, z, -0.5)


def _rest_double(code: Code, f: Value, coefficients: tuple[float, ...]) -> tuple[Value, Value, Value]:
    """s, f*f/2 + 2 R(s*s) and -f*f/2 with s = f / (2 + f)."""
    s = n.divide(code, f, n.add(code, f, 2.0))
    z = n.multiply(code, s, s)
    half = n.multiply(code, n.multiply(code, f, f), 0.5)
    return s, n.multiply_add(code, n.polynomial(code, z, coefficients), n.add(code, z, z), half), code.negate(half)


def _special(code: Code, x: Value, result: Value) -> Value:
    """-inf of 0, NaN of what is negative, and infinity and NaN of themselves."""
    result = n.choose(code, n.compare(code, "olt", x, float("inf")), result, x)
    result = n.choose(code, n.compare(code, "olt", x, 0.0), float("nan"), result)
    return n.choose(code, n.compare(code, "oeq", x, 0.0), float("-inf"), result)
