"""Polynomials mean the same before and after normal form, and nothing false is proved."""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorc import algebra
from tensorc.algebra import ONE, ZERO, Atom, Index, Poly, Quotient, Remainder, Size, poly, size

N, M = size("N"), size("M")
ROW, COLUMN = Index(0, N), Index(1, poly(4))
ATOMS: tuple[Atom, ...] = (Size("N"), Size("M"), ROW, COLUMN)
Values = Mapping[Atom, int]


def value(p: Poly, values: Values) -> int:
    """The polynomial's value, by the definition of its parts."""
    total = 0
    for monomial, c in p.terms:
        for a in monomial:
            match a:
                case Quotient(n, d):
                    bottom = value(d, values)
                    c *= value(n, values) // bottom if bottom else 0
                case Remainder(n, d):
                    bottom = value(d, values)
                    c *= value(n, values) % bottom if bottom else 0
                case _:
                    c *= values[a]
        total += c
    return total


def points(limit: int = 5) -> list[dict[Atom, int]]:
    """Every small assignment in which the indices are in range."""
    return [
        {Size("N"): n, Size("M"): m, ROW: i, COLUMN: j}
        for n, m in itertools.product(range(limit), repeat=2)
        for i in range(n)
        for j in range(4)
    ]  # fmt: skip


POINTS = points()


def in_range(values: Values) -> bool:
    n, m, i, j = (values[a] for a in ATOMS)
    return n >= 0 and m >= 0 and 0 <= i < n and 0 <= j < 4


@dataclass(frozen=True)
class Expression:
    """A polynomial as it is built, beside its meaning as plain arithmetic."""

    built: Poly
    meaning: Callable[[Values], int]
    divisors: tuple[Callable[[Values], int], ...] = ()

    def defined(self, values: Values) -> bool:
        return all(d(values) > 0 for d in self.divisors)


def leaf(a: Atom) -> Expression:
    return Expression(poly(a), lambda values: values[a])


def constant(n: int) -> Expression:
    return Expression(poly(n), lambda values: n)


def combine(operation: str, a: Expression, b: Expression) -> Expression:
    f, g, divisors = a.meaning, b.meaning, a.divisors + b.divisors
    match operation:
        case "+":
            return Expression(a.built + b.built, lambda v: f(v) + g(v), divisors)
        case "-":
            return Expression(a.built - b.built, lambda v: f(v) - g(v), divisors)
        case "*":
            return Expression(a.built * b.built, lambda v: f(v) * g(v), divisors)
        case "//":
            return Expression(a.built // b.built, lambda v: f(v) // g(v), (*divisors, g))
        case _:
            return Expression(a.built % b.built, lambda v: f(v) % g(v), (*divisors, g))


LEAVES = st.sampled_from(ATOMS).map(leaf) | st.integers(-6, 6).map(constant)
EXPRESSIONS = st.recursive(LEAVES, lambda e: st.builds(combine, st.sampled_from(["+", "-", "*", "*", "//", "//", "%"]), e, e), max_leaves=8)
LINEAR = st.recursive(LEAVES, lambda e: st.builds(combine, st.sampled_from(["+", "-", "*"]), e, e), max_leaves=6)


@settings(max_examples=600, deadline=None)
@given(EXPRESSIONS)
def test_normal_form_keeps_the_value(e: Expression) -> None:
    for values in POINTS:
        if e.defined(values):
            assert value(e.built, values) == e.meaning(values), (str(e.built), values)


@settings(max_examples=300, deadline=None)
@given(LINEAR, LINEAR, LINEAR)
def test_equal_polynomials_are_one_object(a: Expression, b: Expression, c: Expression) -> None:
    x, y, z = a.built, b.built, c.built
    assert x + y is y + x and x * y is y * x
    assert (x + y) + z is x + (y + z) and (x * y) * z is x * (y * z)
    assert x * (y + z) is x * y + x * z
    assert x - x is ZERO and x * ONE is x and x + 0 is x and ZERO - (-x) is x
    assert pickle.loads(pickle.dumps(x)) is x


@settings(max_examples=600, deadline=None)
@given(EXPRESSIONS, st.booleans())
def test_nonnegative_never_claims_a_falsehood(e: Expression, strict: bool) -> None:
    p = e.built - 1 if strict else e.built
    claims = algebra.nonnegative(p), algebra.nonnegative(-p - 1)
    for values in POINTS:
        if e.defined(values):
            assert not claims[0] or value(p, values) >= 0, (str(p), values)
            assert not claims[1] or value(p, values) < 0, (str(p), values)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.sets(LINEAR.map(lambda e: e.built).filter(algebra.is_static), max_size=2))
def test_nonnegative_with_facts_holds_where_the_facts_hold(e: Expression, facts: set[Poly]) -> None:
    if algebra.nonnegative(e.built, frozenset(facts)):
        for values in POINTS:
            if e.defined(values) and all(value(f, values) >= 0 for f in facts):
                assert value(e.built, values) >= 0, (str(e.built), facts, values)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_bounds_hold(e: Expression) -> None:
    low, high = algebra.bound(e.built, upper=False), algebra.bound(e.built, upper=True)
    for end in (low, high):
        assert end is None or algebra.is_static(end)
    for values in POINTS:
        if e.defined(values):
            assert low is None or value(low, values) <= value(e.built, values), (str(e.built), str(low), values)
            assert high is None or value(high, values) >= value(e.built, values), (str(e.built), str(high), values)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.sampled_from(ATOMS), LINEAR)
def test_substitution_commutes_with_evaluation(e: Expression, atom: Atom, by: Expression) -> None:
    replaced = algebra.substitute(e.built, {atom: by.built})
    for values in POINTS:
        moved = {**values, atom: by.meaning(values)}
        if e.defined(values) and e.defined(moved) and in_range(moved):
            assert value(replaced, values) == value(e.built, moved), (str(e.built), str(by.built), values)
    assert algebra.substitute(e.built, {atom: poly(atom)}) is e.built
    assert algebra.rebuild(e.built, lambda a: None) is e.built


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.sampled_from(ATOMS))
def test_split_takes_the_coefficient_out(e: Expression, atom: Atom) -> None:
    parts = algebra.split(e.built, atom)
    if parts is not None:
        coefficient, rest = parts
        assert coefficient * atom + rest is e.built
        assert atom not in algebra.atoms(coefficient) | algebra.atoms(rest)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_text_reads_back_as_the_polynomial(e: Expression) -> None:
    names = {"N": N, "M": M, "i": poly(ROW), "j": poly(COLUMN)}
    assert eval(re.sub(r"(\d+)", r"poly(\1)", str(e.built)), {"poly": poly}, names) is e.built
    assert algebra.show(poly(ROW) * 2 + 1, lambda a: "row" if a is ROW else None) == "2*row + 1"


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS.filter(lambda e: algebra.is_static(e.built)))
def test_evaluate_is_the_value(e: Expression) -> None:
    for n, m in itertools.product(range(5), repeat=2):
        assert algebra.evaluate(e.built, {"N": n, "M": m}) == value(e.built, {Size("N"): n, Size("M"): m})


def test_text() -> None:
    assert str(2 * N + poly(ROW) - 1) == "i + 2*N - 1"
    assert str(ZERO) == "0" and str(poly(-3)) == "-3" and str(-N) == "-N" and str(1 - N) == "1 - N"
    assert str((N + 1) // 2) == "(N + 1) // 2" and str(N % M - 1) == "N % M - 1" and str(-(N % M)) == "-(N % M)"
    assert str(N * N * M * 3) == "3*M*N*N"
    assert [algebra.letter(n) for n in (0, 1, 13, 14)] == ["i", "j", "h", "i14"]


def test_quotients_and_remainders_that_are_known() -> None:
    i, j, half = poly(ROW), poly(COLUMN), N // 2
    assert (4 * i + j) // 4 is i and (4 * i + j) % 4 is j
    assert (N * M) // M is N and (N * M) % N is ZERO and (N * M + N) // N is M + 1
    assert (2 * N + 1) // 2 is N and (2 * N + 1) % 2 is ONE and (2 * N - 1) // 2 is N - 1
    assert 2 * half + N % 2 is N
    assert poly(-7) // 2 is poly(-4) and poly(-7) % 2 is ONE and poly(7) % -2 is poly(-1) and poly(7) // -2 is poly(-4)
    assert N // 0 is ZERO and N % 0 is ZERO
    assert algebra.divisors(N // M + N % 2) == {M}


@pytest.mark.parametrize(
    "p",
    [
        N,
        N * M,
        N - 1 - poly(ROW),
        poly(ROW),
        3 - poly(COLUMN),
        N * 4 - 1 - (4 * poly(ROW) + poly(COLUMN)),
        N - N // 2,
        N - 2 * (N // 2),
        N % 3,
        2 - N % 3,
    ],
    ids=str,
)
def test_what_must_be_proved(p: Poly) -> None:
    assert algebra.nonnegative(p)


@pytest.mark.parametrize(
    "p",
    [
        poly(ROW) * (poly(-5) // poly(COLUMN)) * M,  # a quotient of what is negative is negative, and so is its coefficient's sign
        poly(COLUMN) * (poly(-5) // N),
        poly(ROW) * ((poly(ROW) - 2 * N) // M),
        poly(COLUMN) * ((M - N) // (poly(COLUMN) + 3)),
        -1 - (poly(-2) // M) % poly(COLUMN),
        poly(ROW) * (poly(-6) // poly(ROW)) + N // 3,
        -1 - (poly(-N) // M + 1) % poly(ROW),
    ],
    ids=str,
)
def test_what_must_not_be_proved(p: Poly) -> None:
    assert not algebra.nonnegative(p)


def test_facts_decide() -> None:
    assert not algebra.nonnegative(N - 3) and algebra.nonnegative(N - 3, frozenset({N - 3}))
    assert algebra.nonnegative(2 * N - 6, frozenset({N - 3})) and algebra.positive(N, frozenset({N - 3}))
    assert algebra.equal(N, M, frozenset({N - M, M - N})) and not algebra.equal(N, M)
    assert not algebra.nonnegative(N - 4, frozenset({N - 3}))


def test_atoms_are_found_inside_quotients() -> None:
    p = (poly(ROW) + N) // 2 * M
    assert algebra.indices(p) == {ROW} and algebra.sizes(p) == {Size("N"), Size("M")}
    assert algebra.is_static(N // 2) and not algebra.is_static(p)


def test_evaluate_names_what_is_missing() -> None:
    with pytest.raises(KeyError, match="M"):
        algebra.evaluate(N + M, {"N": 1})
    with pytest.raises(ValueError, match="sizes only"):
        algebra.evaluate(poly(ROW), {})
    assert algebra.evaluate(N * M, {"N": 1 << 62, "M": 1 << 62}) == 1 << 124


def test_fresh_indices_differ() -> None:
    assert algebra.fresh(N) is not algebra.fresh(N)
    assert Index(0, N) is Index(0, size("N"))


@pytest.mark.parametrize("factor", [2, -2, 6])
def test_a_multiple_of_an_exact_quotient_is_one_of_its_numerator(factor: int) -> None:
    half = algebra.exact(N, poly(2))
    assert half is not N
    assert half * factor is N * (factor // 2)
    assert poly(factor) * half is N * (factor // 2)


def test_a_constant_is_added_to_what_stands_there() -> None:
    p = 2 * N + ROW - 3
    assert p + 3 is 2 * N + ROW
    assert p - 1 + 4 is 2 * N + ROW
    assert (p + 0, p - p) == (p, ZERO)
