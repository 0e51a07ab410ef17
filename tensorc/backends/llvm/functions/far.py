"""Large angles, reduced with as many bits of 2 / pi as they need (M. H. Payne and R. N. Hanek, SIGNUM Newsletter 18(1), 1983).

A lane at a time and in integers of 128 bits: it is rare.
"""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import TWO_OVER_PI
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import INT, POINTER, Value, constant, integer, of

WIDE = of("i128")
DOUBLE = of("double")
TABLE = "tensorc.two_over_pi"
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)

# The least exponent with which the table is read; smaller numbers give any result.
LEAST_EXPONENT = 900
PART = 43  # bits of a part of the fraction, so that each is exactly a double


def far(code: Code, x: Value) -> tuple[Pair, Value]:
    """(r, i) with x = i * pi/2 + r, i modulo 4, for finite |x| > 1."""
    word = x.type.integer
    helper = code.module.helper(f"tensorc.far.{x.type.suffix}", None, [x.type, POINTER, POINTER, POINTER], _each_lane)
    places = [code.alloca(x.type), code.alloca(x.type), code.alloca(word)]
    code.effect(f"call void @{helper}({x.type} {x.text}, {', '.join(f'ptr {p.text}' for p in places)})")
    high, low = (code.pinned(x.type, f"load {x.type}, ptr {p.text}, align 64") for p in places[:2])
    quadrant = code.pinned(word, f"load {word}, ptr {places[2].text}, align 64")
    return Pair(high, low if code.compensated else None), quadrant


def _each_lane(code: Code, arguments: list[Value]) -> None:
    x, *results = arguments
    element, word = x.type.with_lanes(0), x.type.integer.with_lanes(0)
    given = code.alloca(x.type)
    code.effect(f"store {x.type} {x.text}, ptr {given.text}, align 64")

    def one(lane: Value, carried: list[Value]) -> list[Value]:
        slots = [code.pure(POINTER, f"getelementptr {element}, ptr {p.text}, i64 {lane.text}", lane, p) for p in (given, *results)]
        value = code.pinned(element, f"load {element}, ptr {slots[0].text}")
        with code.compensating(True):
            high, low, quadrant = _reduced(code, value if element is DOUBLE else code.convert("fpext", value, DOUBLE))
        if element is not DOUBLE:
            single = code.convert("fptrunc", high, element)
            low = code.convert("fptrunc", n.add(code, n.subtract(code, high, code.convert("fpext", single, DOUBLE)), low), element)
            high, quadrant = single, code.convert("trunc", quadrant, word)
        for value, slot in zip((high, low, quadrant), slots[1:], strict=True):
            code.effect(f"store {value.type} {value.text}, ptr {slot.text}")
        return []

    code.loop(integer(0), integer(max(x.type.lanes, 1)), 1, [], one)


def _reduced(code: Code, x: Value) -> tuple[Value, Value, Value]:
    """r, what it is off by, and i. x = m * 2**e: m times the 192 bits of 2 / pi that are neither of whole turns nor too far behind."""
    bits = n.bits(code, x)
    exponent = code.binary("and", code.binary("lshr", bits, integer(52)), integer(0x7FF))
    mantissa = code.binary("or", code.binary("and", bits, integer((1 << 52) - 1)), integer(1 << 52))
    words = _words(code, code.add(code.greatest(exponent, integer(LEAST_EXPONENT)), integer(190 - 1075)))
    m = code.convert("zext", mantissa, WIDE)
    top, middle, low = (code.binary("mul", code.convert("zext", w, WIDE), m) for w in words)
    turned = code.binary("add", code.binary("shl", top, constant(WIDE, 64)), middle)
    turned = code.binary("add", turned, code.binary("lshr", low, constant(WIDE, 64)))  # quarter turns, times 2**126
    rounded = code.binary("add", turned, constant(WIDE, 1 << 125))
    quadrant = code.convert("trunc", code.binary("lshr", rounded, constant(WIDE, 126)), INT)
    fraction = code.binary("ashr", code.binary("shl", turned, constant(WIDE, 2)), constant(WIDE, 2))
    high, low = _times_half_pi(code, *_as_doubles(code, fraction))
    negative = code.compare("icmp slt", bits, integer(0))
    high, low = (code.select(negative, code.negate(part), part) for part in (high, low))
    return high, low, code.select(negative, code.binary("sub", integer(0), quadrant), quadrant)


def _table() -> str:
    words = ", ".join(f"i64 {constant(INT, word).text}" for word in (0, 0, 0, *TWO_OVER_PI))
    return f"@{TABLE} = internal constant [{len(TWO_OVER_PI) + 3} x i64] [{words}]\n"


def _words(code: Code, start: Value) -> list[Value]:
    """The 192 bits of the table from bit `start` on, in words of 64."""
    code.module.once(TABLE, _table)
    first = code.binary("lshr", start, integer(6))
    raw = []
    for k in range(4):
        slot = code.pure(POINTER, f"getelementptr i64, ptr @{TABLE}, i64 {code.add(first, integer(k)).text}", first)
        raw.append(code.pure(INT, f"load i64, ptr {slot.text}", slot))
    shift = code.binary("and", start, integer(63))
    return [code.intrinsic("fshl", raw[k], raw[k + 1], shift) for k in range(3)]


def _as_doubles(code: Code, fraction: Value) -> tuple[Value, Value]:
    """fraction / 2**126 as the sum of two doubles: of three parts that each is one exactly."""
    mask = constant(WIDE, (1 << PART) - 1)
    shifted = [code.binary("ashr", fraction, constant(WIDE, PART * k)) if k else fraction for k in (2, 1, 0)]
    parts = [shifted[0], *(code.binary("and", s, mask) for s in shifted[1:])]
    numbers = [code.convert("sitofp", code.convert("trunc", p, INT), DOUBLE) for p in parts]
    first, second, third = (n.multiply(code, x, 2.0 ** (PART * k - 126)) for x, k in zip(numbers, (2, 1, 0), strict=True))
    high, low = _both(n.exact_sum(code, first, second))
    return _both(n.exact_sum(code, high, n.add(code, low, third)))


def _times_half_pi(code: Code, high: Value, low: Value) -> tuple[Value, Value]:
    product, lost = _both(n.exact_product(code, high, HALF_PI[0]))
    return _both(n.exact_sum(code, product, n.multiply_add(code, high, HALF_PI[1], n.multiply_add(code, low, HALF_PI[0], lost))))


def _both(pair: Pair) -> tuple[Value, Value]:
    assert pair.low is not None
    return pair.high, pair.low
