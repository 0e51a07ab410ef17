"""Sums and products in canonical form, for the scalars that transforms make: like terms meet, and what cancels is gone.

What a user writes keeps its order of arithmetic; a derivative is the transform's own, and may be reassociated. Its sums and products are
Apply nodes of two operations that are not in the operations' table, SUM and PRODUCT, so that every walk over scalars works on them; `lower`
makes them rows of the table again. They are f32 or f64: a half float is computed in f32, and rounded where it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Exact, Poly, Quotient, Remainder, poly
from tensorc.dtypes import DType, bool_, f32
from tensorc.ir import build
from tensorc.ir.build import FALSE, TRUE
from tensorc.ir.tensor import Apply, Const, Define, Int, IsZero, Load, Nonnegative, Scalar, Scatter, Select, Tensor
from tensorc.ir.walk import atoms
from tensorc.transform.order import key

SUM = "sum of"
"""Apply(SUM, (term, coefficient, term, coefficient, ...)), the coefficients being constants."""

PRODUCT = "product of"
"""Apply(PRODUCT, (base, exponent, base, exponent, ...)), the exponents being constant integers other than 0."""

Pairs = tuple[tuple[Scalar, float], ...]


def wide(dtype: DType) -> DType:
    """The dtype that values of a float dtype are computed in."""
    return f32 if dtype.is_half else dtype


@cache
def constant(value: float, dtype: DType) -> Const:
    return Const(float(value), dtype)


def is_constant(s: Scalar, value: float) -> bool:
    return isinstance(s, Const) and s.value == value


def is_sum(s: Scalar) -> bool:
    return isinstance(s, Apply) and s.operation == SUM


def is_product(s: Scalar) -> bool:
    return isinstance(s, Apply) and s.operation == PRODUCT


def _constant_of(s: Scalar) -> float:
    assert isinstance(s, Const)
    return s.value


@cache
def terms(s: Scalar) -> Pairs:
    """s as terms with their coefficients; a constant is the term 1."""
    match s:
        case Apply(operation, arguments, _) if operation == SUM:
            return tuple((t, _constant_of(k)) for t, k in zip(arguments[::2], arguments[1::2], strict=True))
        case Const(value, dtype) if isfinite(value):
            return ((constant(1.0, dtype), value),)
        case _:
            return ((s, 1.0),)


@cache
def factors(s: Scalar) -> tuple[tuple[Scalar, int], ...]:
    """s as bases with their exponents."""
    match s:
        case Apply(operation, arguments, _) if operation == PRODUCT:
            return tuple((b, int(_constant_of(n))) for b, n in zip(arguments[::2], arguments[1::2], strict=True))
        case _:
            return ((s, 1),)


# Sums and products.


def add(*xs: Scalar) -> Scalar:
    """The sum of values of one dtype."""
    dtype = xs[0].dtype
    total: dict[Scalar, float] = {}
    for x in xs:
        for t, k in terms(x):
            total[t] = total.get(t, 0.0) + k
    return _sum({t: k for t, k in total.items() if k != 0}, dtype)


def _sum(total: dict[Scalar, float], dtype: DType) -> Scalar:
    merged = _merge_selects(total, dtype)
    if merged is not None:
        return merged
    if not total:
        return constant(0.0, dtype)
    if len(total) == 1:
        ((t, k),) = total.items()
        if isinstance(t, Const):
            return constant(k * t.value, dtype)
        if k == 1:
            return t
    parts = sorted(total.items(), key=lambda part: key(part[0]))
    return Apply(SUM, tuple(a for t, k in parts for a in (t, constant(k, dtype))), dtype)


def _merge_selects(total: dict[Scalar, float], dtype: DType) -> Scalar | None:
    """where(c, a, b) + where(c, d, e) -> where(c, a + d, b + e)."""
    groups: dict[Scalar, list[Select]] = {}
    for t in total:
        if isinstance(t, Select):
            groups.setdefault(t.condition, []).append(t)
    for c, group in groups.items():
        if len(group) > 1:
            rest = [scale(total[t], t) for t in total if t not in group]
            then = add(*(scale(total[t], t.then) for t in group))
            otherwise = add(*(scale(total[t], t.otherwise) for t in group))
            return add(select(c, then, otherwise), *rest)
        opposite = groups.get(negation(c)) if isinstance(c, Apply) and c.operation == "not" else None
        if opposite and is_constant(group[0].otherwise, 0) and is_constant(opposite[0].otherwise, 0):
            one, other = group[0], opposite[0]  # where(not c, a, 0) + where(c, b, 0) -> where(c, b, a)
            rest = [scale(k, t) for t, k in total.items() if t is not one and t is not other]
            return add(select(other.condition, scale(total[other], other.then), scale(total[one], one.then)), *rest)
    return None


def scale(k: float, x: Scalar) -> Scalar:
    return x if k == 1 else mul(constant(k, x.dtype), x)


def mul(*xs: Scalar) -> Scalar:
    """The product of values of one dtype."""
    dtype = xs[0].dtype
    coefficient = 1.0
    powers: dict[Scalar, int] = {}
    todo = [(x, 1) for x in reversed(xs)]
    while todo:
        x, n = todo.pop()
        number = _power_of(x.value, n) if isinstance(x, Const) else None
        if number is not None:
            coefficient *= number
        elif is_product(x):
            todo.extend((b, k * n) for b, k in factors(x))
        elif is_sum(x) and len(terms(x)) == 1 and (outer := _power_of(terms(x)[0][1], n)) is not None:
            coefficient *= outer
            todo.append((terms(x)[0][0], n))
        elif isinstance(x, Select) and n == 1 and is_constant(x.otherwise, 0):
            # The guard goes outside the whole product: 0 * inf in the dead branch cannot make a NaN.
            others = [power(y, k) for y, k in todo] + [power(y, k) for y, k in powers.items()]
            return select(x.condition, mul(constant(coefficient, dtype), x.then, *others), constant(0.0, dtype))
        else:
            powers[x] = powers.get(x, 0) + n
            if isinstance(x, Apply) and x.operation == "sqrt" and abs(powers[x]) >= 2:
                half, odd = divmod(abs(powers[x]), 2)
                sign = 1 if powers.pop(x) > 0 else -1
                todo.append((x.arguments[0], sign * half))
                if odd:
                    powers[x] = sign
    return _scaled_product(coefficient, {b: n for b, n in powers.items() if n}, dtype)


def _scaled_product(coefficient: float, powers: dict[Scalar, int], dtype: DType) -> Scalar:
    if coefficient == 0 or not isfinite(coefficient):
        if coefficient == 0:
            return constant(0.0, dtype)
        powers = {**powers, constant(coefficient, dtype): 1}
        coefficient = 1.0
    if not powers:
        return constant(coefficient, dtype)
    if len(powers) == 1:
        ((b, n),) = powers.items()
        if n == 1:
            if coefficient != 1 and is_sum(b):
                return _sum({t: k * coefficient for t, k in terms(b)}, dtype)
            return b if coefficient == 1 else Apply(SUM, (b, constant(coefficient, dtype)), dtype)
    parts = sorted(powers.items(), key=lambda part: key(part[0]))
    product = Apply(PRODUCT, tuple(a for b, n in parts for a in (b, constant(n, dtype))), dtype)
    return product if coefficient == 1 else Apply(SUM, (product, constant(coefficient, dtype)), dtype)


def _power_of(value: float, n: int) -> float | None:
    """value ** n where it is finite; 1 / 0 and infinities stay as factors, which keep their IEEE meaning."""
    if not isfinite(value) or (value == 0 and n < 0):
        return None
    try:
        found = float(value) ** n
    except OverflowError:
        return None
    return found if isfinite(found) else None


def power(x: Scalar, n: int) -> Scalar:
    if n == 1:
        return x
    if n == 0:
        return constant(1.0, x.dtype)
    if is_product(x):
        return mul(*(Apply(PRODUCT, (b, constant(k * n, x.dtype)), x.dtype) if k * n != 1 else b for b, k in factors(x)))
    if isinstance(x, (Const, Apply)):
        return mul(Apply(PRODUCT, (x, constant(n, x.dtype)), x.dtype))
    return Apply(PRODUCT, (x, constant(n, x.dtype)), x.dtype)


# Conditions and choices.


def conjuncts(c: Scalar) -> tuple[Scalar, ...]:
    if isinstance(c, Apply) and c.operation == "and" and c.dtype is bool_:
        return conjuncts(c.arguments[0]) + conjuncts(c.arguments[1])
    return (c,)


def both(*conditions: Scalar) -> Scalar:
    """The conjunction, each part once, in canonical order."""
    parts = {p for c in conditions for p in conjuncts(c)} - {TRUE}
    if FALSE in parts or any(negation(p) in parts for p in parts):
        return FALSE
    return build.both(*sorted(parts, key=key))


def negation(c: Scalar) -> Scalar:
    if isinstance(c, Const):
        return FALSE if c.value else TRUE
    if isinstance(c, Apply) and c.operation == "not" and c.dtype is bool_:
        return c.arguments[0]
    if isinstance(c, Nonnegative):
        return build.nonnegative(-c.value - 1)
    return Apply("not", (c,), bool_)


def select(c: Scalar, a: Scalar, b: Scalar) -> Scalar:
    if isinstance(c, Const):
        return a if c.value else b
    if isinstance(a, Select) and a.condition is c:
        return select(c, a.then, b)
    if isinstance(b, Select) and b.condition is c:
        return select(c, a, b.otherwise)
    if a is b:
        return a
    if is_constant(a, 0) and a.dtype.is_float:  # what is 0 stands last, where products and sums look for it
        return select(negation(c), b, a)
    if isinstance(c, Apply) and c.operation == "not" and c.dtype is bool_ and not is_constant(b, 0):
        return select(c.arguments[0], b, a)
    if isinstance(a, Select) and a.otherwise is b:
        return select(both(c, a.condition), a.then, b)
    return Select(c, a, b)


# Values of ordinary scalars.


def number_of(p: Poly, dtype: DType) -> Scalar:
    """An integer as a float: a product of sizes as a product, so that its factors cancel."""
    if len(p.terms) != 1:
        return constant(0.0, dtype) if not p.terms else build.cast(build.integer(p), dtype)
    ((monomial, k),) = p.terms
    return mul(constant(float(k), dtype), *(Apply("cast", (Int(poly(a)),), dtype) for a in monomial))


def convert(s: Scalar, dtype: DType) -> Scalar:
    """A float in another float dtype; a value that was rounded only to be stored comes back unrounded."""
    if s.dtype is dtype:
        return s
    if isinstance(s, Const):
        return constant(s.value, dtype)
    if isinstance(s, Apply) and s.operation == "cast" and s.arguments[0].dtype is dtype and s.dtype.bits < dtype.bits:
        return s.arguments[0]
    return Apply("cast", (s,), dtype)


@cache
def value(s: Scalar) -> Scalar:
    """A float scalar as a canonical one, in the dtype that it is computed in."""
    to = wide(s.dtype)
    match s:
        case Const(number, _):
            return constant(float(number), to)
        case Select(c, a, b):
            then, otherwise = value(a), value(b)
            return select(c, _exact(c, then), otherwise)
        case Apply("add", (a, b), _):
            return add(value(a), value(b))
        case Apply("sub", (a, b), _):
            return add(value(a), scale(-1.0, value(b)))
        case Apply("neg", (a,), _):
            return scale(-1.0, value(a))
        case Apply("mul", (a, b), _):
            return mul(value(a), value(b))
        case Apply("div", (a, b), _):
            return mul(value(a), power(value(b), -1))
        case Apply("pow", (a, Const(n, _)), _) if n == int(n if isfinite(n) else 0) and 0 < abs(n) <= 8:
            return power(value(a), int(n))
        case Apply("cast", (a,), _):
            return convert(value(a), to) if a.dtype.is_float else number_of(a.value, to) if isinstance(a, Int) else build.cast(a, to)
        case Apply(operation, arguments, _) if all(a.dtype.is_float for a in arguments) and operation != "bitcast":
            return build.apply(operation, *map(value, arguments))
        case _:
            return convert(s, to)


def _exact(condition: Scalar, s: Scalar) -> Scalar:
    """s with n // d as an exact quotient where the condition says that d divides n: so it inverts without a remainder."""
    values: dict[Atom, Poly] = {}
    for c in conjuncts(condition):
        if isinstance(c, IsZero) and isinstance(a := c.value.atom, Remainder):
            values[Quotient(a.numerator, a.divisor)] = poly(Exact(a.numerator, a.divisor))
    return rewrite(s, values) if values and not atoms(s).isdisjoint(values) else s


def stored(s: Scalar, dtype: DType) -> Scalar:
    """A canonical value as an element of a tensor of the dtype."""
    if isinstance(s, Const) and s.dtype is not dtype:
        return build.constant(float(s.value), dtype)
    if isinstance(s, Apply) and s.operation == "cast" and s.arguments[0].dtype is dtype and s.dtype.bits >= dtype.bits:
        return s.arguments[0]
    return s if s.dtype is dtype else Apply("cast", (s,), dtype)


# Reading and rewriting.


def load(tensor: Tensor, subscripts: tuple[Poly, ...]) -> Scalar:
    """tensor[subscripts] in the tensor's dtype; a definition that only moves, scales or names a constant is read through."""
    if isinstance(tensor, Define) and tensor.monoid is None:
        body = tensor.body
        if is_sum(body) and len(terms(body)) == 1 and isinstance(terms(body)[0][0], Load):
            moved = Define(tensor.extents, None, (), terms(body)[0][0])
            if build.is_move(moved):
                return scale(terms(body)[0][1], load(moved, subscripts))
    if isinstance(tensor, Scatter) and tensor.base is None and is_constant(tensor.body, 0):
        return constant(0.0, tensor.dtype)
    return build.load(tensor, subscripts)


def element(tensor: Tensor, subscripts: tuple[Poly, ...]) -> Scalar:
    """tensor[subscripts] as a canonical value."""
    found = load(tensor, subscripts)
    return convert(found, wide(found.dtype))


def rewrite(
    s: Scalar,
    values: Mapping[Atom, Poly],
    load: Callable[[Load], Scalar] | None = None,
    change: Callable[[Atom], Poly | None] | None = None,
    memo: dict[Scalar, Scalar] | None = None,
) -> Scalar:
    """As `walk.rewrite`, for scalars whose float parts are canonical. `memo` holds what some parts become."""
    memo = {} if memo is None else memo
    read = _reread if load is None else load

    def number(p: Poly) -> Poly:
        return algebra.substitute(p, values) if change is None else algebra.rebuild(p, change)

    def go(s: Scalar) -> Scalar:
        found = memo.get(s)
        if found is None:
            found = memo[s] = changed(s)
        return found

    def changed(s: Scalar) -> Scalar:
        match s:
            case Const():
                return s
            case Int(p):
                return build.integer(number(p))
            case Nonnegative(p):
                return build.nonnegative(number(p))
            case IsZero(p):
                return build.is_zero(number(p))
            case Load(tensor, subscripts):
                return read(Load(tensor, tuple(map(number, subscripts))))
            case Select(c, a, b):
                return (select if s.dtype.is_float else build.select)(go(c), go(a), go(b))
            case Apply(operation, arguments, dtype):
                new = tuple(map(go, arguments))
                if new == arguments:
                    return s
                if operation == SUM:
                    return add(*(scale(k, t) for t, (_, k) in zip(new[::2], terms(s), strict=True)))
                if operation == PRODUCT:
                    return mul(*(power(b, n) for b, (_, n) in zip(new[::2], factors(s), strict=True)))
                if operation == "cast" and dtype.is_float and not dtype.is_half:
                    if new[0].dtype.is_float:
                        return convert(new[0], dtype)
                    if isinstance(new[0], Int):
                        return number_of(new[0].value, dtype)
                return build.apply(operation, *new, dtype=dtype)
            case _:
                assert_never(s)

    return go(s)


def _reread(moved: Load) -> Scalar:
    return load(moved.tensor, moved.subscripts)
