"""Index arithmetic: polynomials as i64 values, and which lanes of a vector a guard holds in."""

from __future__ import annotations

from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly, Quotient, Remainder, Size, poly
from tensorc.backends.llvm import integers
from tensorc.backends.llvm.context import Context, Coordinates, Tile
from tensorc.backends.llvm.types import INT, Type, Value, constant, integer, of


def number(context: Context, p: Poly, at: Coordinates) -> Value:
    """p at a point of the blocks: a scalar, or a vector where it differs between the lanes."""
    if p.constant is not None:
        return integer(p.constant)
    key = (p, context.point(p, at))
    known: Value | None = context.known.get(key)
    if known is not None:
        return known
    volatile = any(e.tensor in context.written for e in algebra.elements(p))
    found = context.passing.get(key) if volatile else None
    if found is None:
        found = _sum(context, [_product(context, monomial, coefficient, at) for monomial, coefficient in p.terms])
        if volatile:
            context.passing[key] = found
        else:
            context.remember(key, found, found.depth)
    return found


def _sum(context: Context, terms: list[Value]) -> Value:
    """Outer terms first, so that their sum stays outside the loops that it does not depend on; lanes last."""
    total = integer(0)
    for term in sorted(terms, key=lambda t: (t.type.lanes, t.depth)):
        total = context.code.add(total, term)
    return total


def _product(context: Context, monomial: tuple[Atom, ...], coefficient: int, at: Coordinates) -> Value:
    total = integer(coefficient)
    for factor in sorted((atom(context, a, at) for a in monomial), key=lambda v: (v.type.lanes, v.depth)):
        total = context.code.mul(total, factor)
    return total


def atom(context: Context, a: Atom, at: Coordinates) -> Value:
    match a:
        case Size(name):
            return context.sizes[name]
        case Index():
            return _index(context, a, at)
        case Quotient(n, d):
            return _divided(context, n, d, at, quotient=True)
        case Remainder(n, d):
            tile = _tile(context, a)
            if tile is not None:
                return context.code.sub(_index(context, tile[0], at), tile[1])
            return _divided(context, n, d, at, quotient=False)
        case Element(tensor, subscripts):
            from tensorc.backends.llvm import access

            value = access.load(context, tensor, subscripts, at)
            return integers.resize(context.code, tensor.dtype.kind == "int", value, INT.with_lanes(value.type.lanes))
        case _:
            assert_never(a)


def _index(context: Context, axis: Index, at: Coordinates) -> Value:
    block = context.bound[axis]
    first = origin(context, axis, at)
    return context.code.add(first, context.code.iota(context.lanes)) if block.vector else first


def origin(context: Context, axis: Index, at: Coordinates) -> Value:
    """The axis' point, or the first lane's."""
    block = context.bound[axis]
    step = context.lanes if block.vector else 1
    return context.code.add(block.base, integer(at.get(axis, 0) * step))


def _tile(context: Context, a: Remainder) -> tuple[Index, Value] | None:
    """(the axis, where its tile starts) of a point's place in its tile: the difference of the two."""
    axis = a.numerator.atom
    if not isinstance(axis, Index):
        return None
    start = next((t.start for t in context.tiles.get(axis, ()) if t.count == a.divisor.constant), None)
    return None if start is None else (axis, start)


def _divided(context: Context, n: Poly, d: Poly, at: Coordinates, quotient: bool) -> Value:
    a, b = context.code.unify(number(context, n, at), number(context, d, at))
    divisor = d.constant
    if divisor is not None and divisor > 0 and divisor & (divisor - 1) == 0:
        if quotient:
            return context.code.binary("ashr", a, constant(a.type, divisor.bit_length() - 1))
        return context.code.binary("and", a, constant(a.type, divisor - 1))
    return (integers.floordiv if quotient else integers.remainder)(context.code, True, a, b)


def linear(context: Context, p: Poly, axis: Index) -> tuple[Poly, Poly, Tile | None] | None:
    """(c, r, tile) with p = c * (axis - the tile's start) + r, or of no tile p = c * axis + r; None where there is none."""
    parts = algebra.split(p, axis)
    if parts is not None:
        return *parts, None
    for tile in context.tiles.get(axis, ()):
        parts = algebra.split(p, Remainder(poly(axis), poly(tile.count)))
        if parts is not None and parts[0].terms and axis not in context.axes(parts[0]) | context.axes(parts[1]):
            return *parts, tile
    return None


def along_lanes(context: Context, p: Poly, at: Coordinates) -> tuple[Value, Value] | None:
    """(first, step), both scalars, with p = first + step * lane; None where p is not linear in the vector axis."""
    axis = context.vector
    if axis is None or axis not in context.axes(p):
        return number(context, p, at), integer(0)
    parts = linear(context, p, axis)
    if parts is None:
        return None
    first = origin(context, axis, at)
    if parts[2] is not None:
        first = context.code.sub(first, parts[2].start)
    step, rest = (number(context, q, at) for q in parts[:2])
    if step.type.lanes or rest.type.lanes:
        return None
    return _sum(context, [rest, context.code.mul(step, first)]), step


# Guards.


def is_nonnegative(context: Context, p: Poly, at: Coordinates) -> Value:
    if p in context.proved:
        return constant(of("i1"), True)
    if context.proved and -p - 1 in context.proved:
        return constant(of("i1"), False)
    return _guard(context, p, at, "icmp sge")


def is_between(context: Context, p: Poly, q: Poly, at: Coordinates) -> Value | None:
    """Whether p and q are at least 0 both, by one comparison: p is data, and p + q an extent less 1; None where it is not so."""
    extent = p + q + 1
    if not algebra.elements(p) or algebra.elements(extent) or algebra.indices(extent) or not algebra.nonnegative(extent, context.facts):
        return None
    if p in context.proved or q in context.proved:
        return None
    return context.code.compare("icmp ult", *context.code.unify(number(context, p, at), number(context, extent, at)))


def is_zero(context: Context, p: Poly, at: Coordinates) -> Value:
    return _guard(context, p, at, "icmp eq")


def _guard(context: Context, p: Poly, at: Coordinates, predicate: str) -> Value:
    code = context.code
    line = along_lanes(context, p, at)
    if line is not None:
        first, step = line
        match step.number:
            case 0:
                return code.compare(predicate, first, integer(0))
            case 1:  # first + lane >= 0
                base, more = _apart(context, first)
                return code.compare(predicate, lane_numbers(context, more), _short(context, code.sub(integer(0), base)))
            case -1:  # first - lane >= 0
                base, more = _apart(context, first)
                return code.compare(predicate, _short(context, base), lane_numbers(context, -more))
    value = number(context, p, at)
    return code.compare(predicate, value, constant(value.type, 0))


def _apart(context: Context, scalar: Value) -> tuple[Value, int]:
    """(b, c) with scalar = b + c, for a c that lane numbers may have added: several registers then share b."""
    base, more = context.code.without_constant(scalar)
    return (base, more) if -127 <= more and more + context.lanes <= 127 and -more + context.lanes <= 127 else (scalar, 0)


def lane_numbers(context: Context, first: int = 0) -> Value:
    """first, first + 1, ... as bytes: enough to number lanes, and one comparison makes a mask of them."""
    return Value(f"<{', '.join(f'i8 {first + n}' for n in range(context.lanes))}>", _bytes(context))


def _short(context: Context, scalar: Value) -> Value:
    """An i64 in every lane as a byte, those beyond the lanes' numbers clamped: comparisons with lane numbers stay the same."""
    code = context.code
    clamped = code.least(code.greatest(scalar, integer(-128)), integer(127))
    return code.splat(code.convert("trunc", clamped, of("i8")), context.lanes)


def _bytes(context: Context) -> Type:
    return of("i8", context.lanes)


def lanes_below(context: Context, count: Value) -> Value:
    """The lanes whose number is less than an i64."""
    base, more = _apart(context, count)
    return context.code.compare("icmp slt", lane_numbers(context, -more), _short(context, base))


def lanes_from(context: Context, first: Value) -> Value:
    """The lanes whose number is an i64 or more."""
    base, more = _apart(context, first)
    return context.code.compare("icmp sge", lane_numbers(context, -more), _short(context, base))
