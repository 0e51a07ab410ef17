"""Polynomials as numbers: subscripts, addresses and guards over the points that are bound."""

from __future__ import annotations

from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly, Quotient, Remainder, Size
from tensorc.backends.triton.context import Axes, Context, Value, expand
from tensorc.backends.triton.spellings import ATOM, COMPARE, PRODUCT, SUM, Text, convert
from tensorc.dtypes import i64


def number(context: Context, p: Poly, axes: Axes | None = None) -> Value:
    """The value of p as a tensor over `axes` (by default those that it has), in the type of indices.

    What does not differ between points comes first, so that it is added up once.
    """
    own = context.axes(p)
    axes = own if axes is None else axes
    terms = sorted((t for t in p.terms if not _is_zero(context, t[0])), key=lambda t: (t[1] < 0, len(_axes(context, t[0])), not t[0]))
    if not terms:
        return Value(Text("0"), ())
    text, binds = "", ATOM
    for monomial, coefficient in terms:
        part = _monomial(context, monomial, abs(coefficient), axes)
        if not text:
            text, binds = (f"-{part.inside(PRODUCT)}", PRODUCT) if coefficient < 0 else (part.text, part.binds)
        else:
            text, binds = f"{text} {'-' if coefficient < 0 else '+'} {part.inside(PRODUCT)}", SUM
    return Value(Text(text, binds), axes if own else ())


def _is_zero(context: Context, monomial: tuple[Atom, ...]) -> bool:
    """Whether one of the factors is the only point of an axis."""
    return any(isinstance(a, Index) and a in context.bound and context.bound[a].name == "0" for a in monomial)


def _axes(context: Context, monomial: tuple[Atom, ...]) -> Axes:
    return context.axes(Poly(((monomial, 1),))) if monomial else ()


def _monomial(context: Context, monomial: tuple[Atom, ...], coefficient: int, axes: Axes) -> Text:
    factors = [expand(_atom(context, a), axes) for a in monomial]
    if coefficient != 1 or not factors:
        factors.append(Text(str(coefficient)))
    if len(factors) == 1:
        return factors[0]
    return Text(" * ".join([factors[0].inside(PRODUCT), *(f.inside(ATOM) for f in factors[1:])]), PRODUCT)


def _atom(context: Context, a: Atom) -> Value:
    match a:
        case Index():
            bound = context.bound[a]
            return Value(Text(bound.name), (a,) if bound.block > 1 else ())
        case Size(name):
            return Value(Text(context.size(name)), ())
        case Quotient(n, d):
            return _division(context, a, n, d)
        case Remainder(n, d):
            return _division(context, a, n, d)
        case Element(tensor, subscripts):
            from tensorc.backends.triton import access

            value = access.load(context, tensor, subscripts)
            return value if tensor.dtype is i64 else Value(convert(value.text, i64), value.axes)
        case _:
            assert_never(a)


def _division(context: Context, a: Quotient | Remainder, n: Poly, d: Poly) -> Value:
    key = ("division", a)
    found = context.recall(key)
    if found is not None:
        return found
    top, bottom = number(context, n), number(context, d)
    is_quotient = isinstance(a, Quotient)
    if algebra.nonnegative(n, context.facts) and (d.constant is None or d.constant > 0):
        operator = "//" if is_quotient else "%"
        text = Text(f"{top.text.inside(PRODUCT)} {operator} {bottom.text.inside(ATOM)}", PRODUCT)
    else:
        text = Text(f"{'floordiv' if is_quotient else 'remainder'}_signed({top.text.text}, {bottom.text.text})")
    value = Value(text, top.axes or bottom.axes)
    if not value.axes:
        return value
    atom = n.atom
    base = context.bound[atom].name if isinstance(atom, Index) else "place"
    return context.named(key, value, f"{base}_{'div' if is_quotient else 'mod'}")


def comparison(context: Context, p: Poly, relation: str) -> Value:
    """The guard `p >= 0` or `p == 0`, with what is subtracted on the right."""
    if relation == ">=" and dict(p.terms).get((), 0) == -1:  # a block that begins at a multiple remains one
        p, relation = p + 1, ">"
    left = Poly(tuple((m, c) for m, c in p.terms if c > 0))
    right = Poly(tuple((m, -c) for m, c in p.terms if c < 0))
    axes = context.axes(p)
    texts = [number(context, side, axes if context.axes(side) else None).text.inside(COMPARE + 1) for side in (left, right)]
    return Value(Text(f"{texts[0]} {relation} {texts[1]}", COMPARE), axes)
