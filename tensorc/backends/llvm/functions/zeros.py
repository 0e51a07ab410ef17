"""lgamma of f64 near its zeros below 0, where the reflection's terms cancel: by the distance from the zero.

With d = x - z for the zero z, and its distance e from the pole beside it, lgamma(x) = d * (s + d * P(d)) - log(1 + d / e). Between the
zeros of -3 .. -2 it is c and such a polynomial. This is rare: a lane at a time.
"""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions import precise
from tensorc.backends.llvm.functions.coefficients import LGAMMA_ZEROS
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import INT, POINTER, Value, integer, number_text

TABLE = "tensorc.lgamma_zeros"
WIDTH = len(LGAMMA_ZEROS[0])

# Where a zero is near: between these, and the result is less than NEAR.
FIRST, LAST = -2.0, -17.5
NEAR = 0.36
LEAST = (-2.66, -2.55)  # between the zeros of -3 .. -2


def near_zeros(code: Code, x: Value, usual: Value) -> Value:
    """`usual`, lgamma(x) by the reflection, but near a zero what its table says."""
    small = n.compare(code, "olt", code.intrinsic("fabs", usual), NEAR)
    inside = code.binary("and", n.compare(code, "olt", x, FIRST), n.compare(code, "ogt", x, LAST))
    near = code.binary("and", small, inside)
    given = n.choose(code, near, x, n.number(x, LGAMMA_ZEROS[0][0]))
    helper = code.module.helper(f"tensorc.lgamma_zeros.{x.type.suffix}", x.type, [x.type], _each_lane)
    return code.select(near, code.call(helper, x.type, given), usual)


def _each_lane(code: Code, arguments: list[Value]) -> Value:
    """The lanes pass through memory."""
    (x,) = arguments
    element = x.type.with_lanes(0)
    lanes = code.alloca(x.type)
    code.effect(f"store {x.type} {x.text}, ptr {lanes.text}, align 64")

    def one(lane: Value, carried: list[Value]) -> list[Value]:
        slot = code.pure(POINTER, f"getelementptr {element}, ptr {lanes.text}, i64 {lane.text}", lane)
        result = _near(code, code.pinned(element, f"load {element}, ptr {slot.text}"))
        code.effect(f"store {element} {result.text}, ptr {slot.text}")
        return []

    with code.compensating(True):
        code.loop(integer(0), integer(max(x.type.lanes, 1)), 1, [], one)
    return code.pinned(x.type, f"load {x.type}, ptr {lanes.text}, align 64")


def _near(code: Code, x: Value) -> Value:
    zero, zero_low, distance, distance_low, slope, slope_low, start, start_low, *coefficients = _row(code, x)
    d = n.exact_sum_of_any(code, n.subtract(code, x, zero), code.negate(zero_low))  # x is too near for the difference to round
    t = n.quotient(code, d, Pair(distance, distance_low))
    u = n.exact_sum_of_any(code, t.high, n.number(x, 1.0))
    logarithm = _log(code, u, t.low)
    rest = coefficients[0]
    for c in coefficients[1:]:
        rest = n.multiply_add(code, rest, d.high, c)
    change = n.exact_product(code, d.high, rest)
    steep = n.exact_sum_of_any(code, slope, change.high)
    product = n.exact_product(code, d.high, steep.high)
    most = n.exact_sum_of_any(code, start, product.high)
    total = n.exact_sum_of_any(code, most.high, code.negate(logarithm.high))
    steep_low = n.plus(code, steep.low, slope_low, change.low)
    assert steep_low is not None
    low = n.plus_product(
        code, d.low, slope, n.plus(code, n.plus_product(code, d.high, steep_low, start_low), product.low, total.low, most.low)
    )
    assert low is not None and logarithm.low is not None
    return n.add(code, total.high, n.subtract(code, low, logarithm.low))


def _log(code: Code, u: Pair, more: Value | None) -> Pair:
    """log(u + more), to more bits than a pair of the usual logarithm has."""
    found = precise.log(code, u.high, subnormal=False)
    lost = n.plus(code, u.low, more)
    assert lost is not None
    return Pair(found.high, n.add(code, found.low, n.divide(code, lost, u.high)))


def _table() -> str:
    rows = ", ".join(f"double {number_text('double', v)}" for row in LGAMMA_ZEROS for v in row)
    return f"@{TABLE} = internal constant [{len(LGAMMA_ZEROS) * WIDTH} x double] [{rows}]\n"


def _row(code: Code, x: Value) -> list[Value]:
    """The numbers of the row: of the zeros by the poles from -2 down, of each but -2 first that on its right."""
    code.module.once(TABLE, _table)
    pole = n.choose(code, n.compare(code, "ogt", x, LEAST[1]), -2.0, code.intrinsic("roundeven", x))
    number = code.convert("fptosi", code.negate(pole), INT)
    right = code.convert("zext", n.compare(code, "ogt", x, pole), INT)
    place = code.binary("sub", code.binary("shl", code.binary("sub", number, integer(2)), integer(1)), right)
    place = code.intrinsic("smin", code.intrinsic("smax", place, integer(0)), integer(len(LGAMMA_ZEROS) - 2))
    between = code.binary("and", n.compare(code, "ogt", x, LEAST[0]), n.compare(code, "olt", x, LEAST[1]))
    place = code.select(between, integer(len(LGAMMA_ZEROS) - 1), place)
    first = code.pure(POINTER, f"getelementptr [{WIDTH} x double], ptr @{TABLE}, i64 {place.text}", place)
    found = []
    for k in range(WIDTH):
        slot = code.pure(POINTER, f"getelementptr double, ptr {first.text}, i64 {k}", first)
        found.append(code.pure(x.type, f"load double, ptr {slot.text}", slot))
    return found
