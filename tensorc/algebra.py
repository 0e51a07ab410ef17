"""Integer polynomials in normal form: dims, subscripts and guards, with equality, bounds and divisibility.

Atoms are sizes, indices, floor quotients, remainders and elements of integer tensors. Equal polynomials are one object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import count
from typing import TYPE_CHECKING, Union, assert_never

from tensorc.node import Node, node

if TYPE_CHECKING:
    from tensorc.ir.tensor import Tensor


class _Atom(Node):
    folds = False
    """Whether it may be one thing with other terms of a sum."""

    @property
    def key(self) -> str:
        """Orders atoms in a monomial, the same in every process: indices first, sizes last."""
        return _key(self)

    def __str__(self) -> str:
        return show_atom(self)  # type: ignore[arg-type]


@node
class Size(_Atom):
    """A dimension's name: an integer of at least 0."""

    name: str


@node
class Index(_Atom):
    """An index in 0 .. extent-1. Levels number the axes of a definition, output axes first, then reduced ones."""

    level: int
    extent: Poly


@node
class Quotient(_Atom):
    """numerator // divisor, floored; 0 where the divisor is 0."""

    numerator: Poly
    divisor: Poly


@node
class Exact(Quotient):
    """A quotient that is read only under a guard that divisor divides numerator: divisor * it is the numerator again. Transforms use it."""

    folds = True


@node
class Remainder(_Atom):
    """numerator % divisor, with the divisor's sign; 0 where the divisor is 0."""

    folds = True

    numerator: Poly
    divisor: Poly


@node
class Element(_Atom):
    """tensor[subscripts] of an integer tensor, as a subscript: known only when running."""

    tensor: Tensor
    subscripts: tuple[Poly, ...]


Atom = Size | Index | Quotient | Remainder | Element
Monomial = tuple[Atom, ...]
Integer = Union["Poly", Atom, int]


@node
class Poly(Node):
    """The sum of coefficient * product of atoms. `terms` is sorted, no monomial twice, no coefficient 0."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Integer) -> Poly:
        return _combine(self, poly(other), 1)

    __radd__ = __add__

    def __sub__(self, other: Integer) -> Poly:
        return _combine(self, poly(other), -1)

    def __rsub__(self, other: Integer) -> Poly:
        return _combine(poly(other), self, -1)

    def __neg__(self) -> Poly:
        return _times(self, -1)

    def __mul__(self, other: Integer) -> Poly:
        return _multiply(self, poly(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Integer) -> Poly:
        return floordiv(self, poly(other))

    def __mod__(self, other: Integer) -> Poly:
        return mod(self, poly(other))

    @property
    def constant(self) -> int | None:
        """The value where there is no atom."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    @property
    def atom(self) -> Atom | None:
        """The atom where this is one atom alone."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            return self.terms[0][0][0]
        return None

    def __str__(self) -> str:
        return show(self)

    __repr__ = __str__


_fresh = count(1 << 20)


def fresh(extent: Integer) -> Index:
    """An index that nothing else has yet."""
    return Index(next(_fresh), poly(extent))


def poly(value: Integer) -> Poly:
    if isinstance(value, Poly):
        return value
    return _of_number(int(value)) if isinstance(value, int) else _of_atom(value)


@lru_cache(maxsize=1024)
def _of_number(value: int) -> Poly:
    return Poly((((), value),) if value else ())


@cache
def _of_atom(a: Atom) -> Poly:
    return Poly((((a,), 1),))


def size(name: str) -> Poly:
    return poly(Size(name))


@cache
def _key(a: Atom) -> str:
    match a:
        case Index(level, _):
            return f"0{level:08d}{a.serial}"
        case Element(t, subscripts):
            return f"1{t.serial:08d}" + ",".join(map(_poly_key, subscripts))
        case Quotient(n, d):
            return f"2{_poly_key(n)}{':' if isinstance(a, Exact) else '/'}{_poly_key(d)}"
        case Remainder(n, d):
            return f"3{_poly_key(n)}%{_poly_key(d)}"
        case Size(name):
            return f"4{name}"
        case _:
            assert_never(a)


@cache
def _poly_key(p: Poly) -> str:
    return "+".join(f"{c}" + "*".join(map(_key, m)) for m, c in p.terms)


@cache
def _order(m: Monomial) -> tuple[bool, list[str]]:
    """Sorts the monomials of a sum, the constant last."""
    return not m, [_key(a) for a in m]


def _make(total: dict[Monomial, int]) -> Poly:
    for m, c in total.items():
        for a in m if c else ():
            if not a.folds:
                continue
            if isinstance(a, Exact) and (folded := _fold_exact(total, m, a)) is not None:
                return folded
            if isinstance(a, Remainder) and len(a.divisor.terms) == 1:  # d * (n // d) + n % d = n
                ((dm, dc),) = a.divisor.terms
                others = list(m)
                others.remove(a)
                twin = tuple(sorted((*others, *dm, Quotient(a.numerator, a.divisor)), key=_key))
                if total.get(twin) == c * dc:
                    rest = _make({k: v for k, v in total.items() if k not in (m, twin)})
                    return rest + Poly(((tuple(others), c),)) * a.numerator
    monomials = [m for m, c in total.items() if c]
    if len(monomials) > 1:
        monomials.sort(key=_order)
    return Poly(tuple([(m, total[m]) for m in monomials]))


def _fold_exact(total: dict[Monomial, int], m: Monomial, a: Exact) -> Poly | None:
    """The sum with the monomial's d * Exact(n, d) as n; None where its factors are no multiple of d."""
    factors, rest = divide_terms(Poly(((_without(m, a), total[m]),)), a.divisor)
    if rest is not ZERO:
        return None
    return _make({k: v for k, v in total.items() if k != m}) + factors * a.numerator


def _without(m: Monomial, a: Atom) -> Monomial:
    others = list(m)
    others.remove(a)
    return tuple(others)


KNOWN = 1 << 16
"""Sums and products that are remembered: a compile asks for each of its own several times."""


@lru_cache(maxsize=KNOWN)
def _multiply(p: Poly, q: Poly) -> Poly:
    if q.constant is not None:
        return _times(p, q.constant)
    if p.constant is not None:
        return _times(q, p.constant)
    total: dict[Monomial, int] = {}
    for a, x in p.terms:
        for b, y in q.terms:
            key = tuple(sorted(a + b, key=_key))
            total[key] = total.get(key, 0) + x * y
    return _make(total)


@lru_cache(maxsize=KNOWN)
def _combine(p: Poly, q: Poly, sign: int) -> Poly:
    """p + sign * q."""
    if not q.terms:
        return p
    if q.constant is not None:
        return _plus(p, sign * q.constant)
    total = dict(p.terms)
    for m, c in q.terms:
        total[m] = total.get(m, 0) + sign * c
    return _make(total)


def _plus(p: Poly, number: int) -> Poly:
    """p + number: the constant is the last term."""
    terms = p.terms
    if terms and not terms[-1][0]:
        number += terms[-1][1]
        terms = terms[:-1]
    return Poly((*terms, ((), number)) if number else terms)


def _times(p: Poly, number: int) -> Poly:
    if number == 1 or p is ZERO:
        return p
    if number == -1:
        return Poly(tuple([(m, -c) for m, c in p.terms]))
    return _make({m: c * number for m, c in p.terms})


ZERO = poly(0)
ONE = poly(1)


@cache
def atoms(p: Poly) -> frozenset[Atom]:
    """Every atom of p, those inside quotients, remainders and elements too."""
    found: set[Atom] = set()
    for m, _ in p.terms:
        for a in m:
            found.add(a)
            match a:
                case Quotient(n, d) | Remainder(n, d):
                    found |= atoms(n) | atoms(d)
                case Element(_, subscripts):
                    found.update(*(atoms(s) for s in subscripts))
                case _:
                    pass
    return frozenset(found)


@cache
def depth(p: Poly) -> int:
    """How deep quotients, remainders and elements stand in one another."""
    inside: list[Poly] = []
    for m, _ in p.terms:
        for a in m:
            match a:
                case Quotient(n, d) | Remainder(n, d) | Exact(n, d):
                    inside += [n, d]
                case Element(_, subscripts):
                    inside += subscripts
                case _:
                    pass
    return 1 + max(map(depth, inside)) if inside else 0


@cache
def indices(p: Poly) -> frozenset[Index]:
    return frozenset(a for a in atoms(p) if isinstance(a, Index))


@cache
def elements(p: Poly) -> frozenset[Element]:
    return frozenset(a for a in atoms(p) if isinstance(a, Element))


@cache
def sizes(p: Poly) -> frozenset[Size]:
    """The sizes in p, those in the extents of its indices not counted."""
    return frozenset(a for a in atoms(p) if isinstance(a, Size))


@cache
def is_static(p: Poly) -> bool:
    """Whether p is of sizes only: known at the call."""
    return not any(isinstance(a, (Index, Element)) for a in atoms(p))


@lru_cache(maxsize=KNOWN)
def split(p: Poly, atom: Atom) -> tuple[Poly, Poly] | None:
    """(c, r) with p = c * atom + r and atom in neither, or None where p is not linear in atom."""
    inside: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for m, c in p.terms:
        if m.count(atom) > 1:
            return None
        if atom in m:
            inside[tuple(a for a in m if a is not atom)] = c
        else:
            rest[m] = c
    coefficient, remainder = _make(inside), _make(rest)
    if atom in atoms(coefficient) or atom in atoms(remainder):
        return None
    return coefficient, remainder


# Quotients and remainders.


def divide_terms(n: Poly, d: Poly) -> tuple[Poly, Poly]:
    """(q, r) with n = q * d + r, q collecting the terms that a one-term divisor divides."""
    if n is d:
        return ONE, ZERO
    if len(d.terms) != 1:
        return ZERO, n
    ((dm, dc),) = d.terms
    q: dict[Monomial, int] = {}
    r: dict[Monomial, int] = {}
    for m, c in n.terms:
        left = list(m)
        try:
            for a in dm:
                left.remove(a)
        except ValueError:
            r[m] = c
            continue
        if c // dc:
            q[tuple(left)] = c // dc
        if c % dc:
            r[m] = c % dc
    return _make(q), _make(r)


def floordiv(n: Poly, d: Poly) -> Poly:
    """n // d as Python floors it; 0 where d is the constant 0. A symbolic divisor is taken to be at least 1: whoever divides checks it."""
    if d.constant == 0:
        return ZERO
    if d.constant is not None and d.constant < 0:
        return floordiv(-n, -d)
    if n.constant is not None and d.constant is not None:
        return poly(n.constant // d.constant)
    q, r = divide_terms(n, d)
    if _is_residue(r, d):
        return q
    if r.constant == -1:
        return q - 1
    return q + poly(Quotient(r, d))


def mod(n: Poly, d: Poly) -> Poly:
    """n % d with the divisor's sign; 0 where d is the constant 0. A symbolic divisor is taken to be at least 1."""
    if d.constant == 0:
        return ZERO
    if n.constant is not None and d.constant is not None:
        return poly(n.constant % d.constant)
    if d.constant is not None and d.constant < 0:
        return -mod(-n, -d)
    _, r = divide_terms(n, d)
    return r if _is_residue(r, d) else poly(Remainder(r, d))


def _is_residue(r: Poly, d: Poly) -> bool:
    return r is ZERO or (nonnegative(r) and nonnegative(d - 1 - r))


def exact(n: Poly, d: Poly) -> Poly:
    """n / d, where a guard says that d divides n."""
    q, r = divide_terms(n, d)
    return q if r is ZERO else q + poly(Exact(r, d))


@cache
def divisors(p: Poly) -> frozenset[Poly]:
    """The symbolic divisors in p."""
    found = {a.divisor for a in atoms(p) if isinstance(a, (Quotient, Remainder))}
    return frozenset(d for d in found if d.constant is None)


# Proofs.

Facts = frozenset[Poly]
"""Polynomials of sizes that are known to be at least 0."""

NO_FACTS: Facts = frozenset()


@cache
def nonnegative(p: Poly, facts: Facts = NO_FACTS) -> bool:
    """True where p >= 0 is proved for every value of the indices in it (an index in scope has an extent of at least 1), given the facts."""
    low = bound(p, upper=False, facts=facts)
    if low is None or _open_term(low) is None:
        return low is not None
    return _nonnegative_sizes(low, _premises(facts, atoms(p) | atoms(low)), 4, {})


Premises = Mapping[Monomial, Sequence[tuple[Poly, int]]]
"""Polynomials that are at least 0, by each of their monomials, with its coefficient."""


@cache
def _premises(facts: Facts, inner: frozenset[Atom]) -> Premises:
    """What is known of sizes by facts, and where these atoms are."""
    known = set(facts)
    known |= {a.extent - 1 for a in inner if isinstance(a, Index)}
    for f in facts:
        inner = inner | atoms(f)
        if any(isinstance(a, Remainder) for a in atoms(f)):
            known.add(
                rebuild(f, lambda a: a.numerator - a.divisor * poly(Quotient(a.numerator, a.divisor)) if isinstance(a, Remainder) else None)
            )
    for a in inner:
        if isinstance(a, Remainder):
            known |= {a.divisor - 1 - poly(a), poly(a)}
        elif isinstance(a, Exact):
            known |= {a.numerator - a.divisor * a, a.divisor * a - a.numerator}
        elif isinstance(a, Quotient):  # d * (n // d) <= n < d * (n // d) + d
            known |= {a.numerator - a.divisor * a, a.divisor * a + a.divisor - 1 - a.numerator}
    found: dict[Monomial, list[tuple[Poly, int]]] = {}
    for f in sorted((f for f in known if f.constant is None and is_static(f)), key=_poly_key):
        for monomial, coefficient in f.terms:
            found.setdefault(monomial, []).append((f, coefficient))
    return found


MOST_STEPS = 2000
"""Of one proof; the ones that are found take a few."""


def _nonnegative_sizes(p: Poly, premises: Premises, depth: int, tried: dict[Poly, int]) -> bool:
    """Whether p is premises, each some times, and a rest with no negative part; they take away, in turn, what may be negative.

    `tried` holds what was not proved, with the depth to which it was tried.
    """
    open_term = _open_term(p)
    if open_term is None:
        return True
    if depth == 0 or tried.get(p, 0) >= depth or len(tried) >= MOST_STEPS:
        return False
    tried[p] = depth
    monomial, scale = open_term
    for f, mine in premises.get(monomial, ()):
        if mine * scale > 0:
            rest = p - f * (scale // mine) if scale % mine == 0 else p * abs(mine) - f * abs(scale)
            if _nonnegative_sizes(rest, premises, depth - 1, tried):
                return True
    return False


def _open_term(p: Poly) -> tuple[Monomial, int] | None:
    """The first term that may be negative."""
    for m, c in p.terms:
        if c < 0 or not all(map(is_size, m)):
            return m, c
    return None


def positive(p: Poly, facts: Facts = NO_FACTS) -> bool:
    return nonnegative(p - 1, facts)


def equal(p: Poly, q: Poly, facts: Facts = NO_FACTS) -> bool:
    """True where p == q is proved."""
    return p is q or (bool(facts) and nonnegative(p - q, facts) and nonnegative(q - p, facts))


@cache
def bound(p: Poly, upper: bool, facts: Facts = NO_FACTS) -> Poly | None:
    """A lower (upper) bound of p that has sizes only, or None."""
    for m, _ in p.terms:
        for a in m:
            if is_size(a):
                continue
            parts = split(p, a) or _split_outer(p, a)
            ends = _ends(a, facts)
            if parts is None or ends is None:
                return None
            c, rest = parts
            if not all(_never_negative(b, facts) for n, _ in c.terms for b in n):
                return None
            if all(k >= 0 for _, k in c.terms):
                end = ends[1 if upper else 0]
            elif all(k <= 0 for _, k in c.terms):
                end = ends[0 if upper else 1]
            else:
                return None
            return None if end is None or a in atoms(end) else bound(c * end + rest, upper, facts)
    return p


@cache
def is_size(a: Atom) -> bool:
    """A size, or a quotient or remainder of sizes that is at least 0."""
    match a:
        case Size():
            return True
        case Quotient(n, d) | Remainder(n, d):
            return is_static(n) and is_static(d) and nonnegative(n)
        case _:
            return False


def _never_negative(a: Atom, facts: Facts) -> bool:
    """Whether the atom is at least 0."""
    match a:
        case Size() | Index() | Remainder():
            return True
        case Quotient(n, _):
            return nonnegative(n, facts)
        case Element():
            return False
        case _:
            assert_never(a)


def _split_outer(p: Poly, atom: Atom) -> tuple[Poly, Poly] | None:
    inside: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for m, c in p.terms:
        if m.count(atom) > 1:
            return None
        if atom in m:
            inside[tuple(a for a in m if a is not atom)] = c
        else:
            rest[m] = c
    return _make(inside), _make(rest)


def _ends(a: Atom, facts: Facts) -> tuple[Poly | None, Poly | None] | None:
    match a:
        case Index(_, extent):
            return ZERO, extent - 1
        case Remainder(_, d):
            return ZERO, d - 1
        case Quotient(n, d):
            high = bound(n, True, facts)
            low = bound(n, False, facts)
            return (None if low is None else ZERO if nonnegative(low, facts) else floordiv(low, d)), (
                None if high is None else floordiv(high, d)
            )
        case Size():
            return ZERO, None
        case Element():
            return None
        case _:
            assert_never(a)


# Rewriting and evaluating.


def substitute(p: Poly, values: Mapping[Atom, Poly]) -> Poly:
    """p with the atoms in `values` replaced, inside quotients, remainders and elements too; the result is in normal form."""
    if not values or atoms(p).isdisjoint(values):
        return p
    return rebuild(p, lambda a: values.get(a))


def rebuild(p: Poly, change: Callable[[Atom], Poly | None]) -> Poly:
    """p with each atom replaced by change(atom); where that is None the atom is rebuilt from its changed parts."""
    total: dict[Monomial, int] = {}
    for m, c in p.terms:
        for monomial, k in _product([_rebuild_atom(a, change) for a in m]):
            total[monomial] = total.get(monomial, 0) + c * k
    if len(total) == 1:
        ((monomial, k),) = total.items()
        if k == 1 and len(monomial) == 1:
            return _of_atom(monomial[0])
    return _make(total)


def _product(factors: list[Poly]) -> tuple[tuple[Monomial, int], ...]:
    """The terms of a product."""
    if not factors:
        return (((), 1),)
    product = factors[0]
    for f in factors[1:]:
        product = product * f
    return product.terms


def _rebuild_atom(a: Atom, change: Callable[[Atom], Poly | None]) -> Poly:
    changed = change(a)
    if changed is not None:
        return changed
    match a:
        case Exact(n, d):
            return exact(rebuild(n, change), rebuild(d, change))
        case Quotient(n, d):
            return floordiv(rebuild(n, change), rebuild(d, change))
        case Remainder(n, d):
            return mod(rebuild(n, change), rebuild(d, change))
        case Element(t, subscripts):
            return poly(Element(t, tuple(rebuild(s, change) for s in subscripts)))
        case Size() | Index():
            return poly(a)
        case _:
            assert_never(a)


def evaluate(p: Poly, values: Mapping[str, int]) -> int:
    """The value of a polynomial of sizes. KeyError names a size that has no value."""
    total = 0
    for m, c in p.terms:
        for a in m:
            match a:
                case Size(name):
                    c *= values[name]
                case Quotient(n, d):
                    bottom = evaluate(d, values)
                    c *= evaluate(n, values) // bottom if bottom else 0
                case Remainder(n, d):
                    bottom = evaluate(d, values)
                    c *= evaluate(n, values) % bottom if bottom else 0
                case _:
                    raise ValueError(f"{p} is not of sizes only")
        total += c
    return total


# Text.

LETTERS = "ijklmnabcdefgh"


def letter(level: int) -> str:
    """The name that prints for an index of a level."""
    return LETTERS[level] if level < len(LETTERS) else f"i{level}"


def show_atom(a: Atom, name: Callable[[Atom], str | None] = lambda a: None) -> str:
    given = name(a)
    if given is not None:
        return given
    match a:
        case Size(n):
            return n
        case Index(level, _):
            return letter(level)
        case Quotient(n, d):
            return f"({_group(n, name)} // {_group(d, name)})"
        case Remainder(n, d):
            return f"({_group(n, name)} % {_group(d, name)})"
        case Element(t, subscripts):
            return f"t{t.serial}[{', '.join(show(s, name) for s in subscripts)}]"
        case _:
            assert_never(a)


def _group(p: Poly, name: Callable[[Atom], str | None]) -> str:
    text = show(p, name)
    simple = isinstance(p.atom, (Size, Index, Element)) or (p.constant is not None and p.constant >= 0)
    return text if simple else f"({text})"


def show(p: Poly, name: Callable[[Atom], str | None] = lambda a: None) -> str:
    """p as .tx text: `2*N + i - 1`. `name` may give an atom its text."""
    text = ""
    for m, c in sorted(p.terms, key=lambda t: t[1] < 0):
        body = "*".join(show_atom(a, name) for a in m)
        if len(m) == 1 and c == 1 and isinstance(m[0], (Quotient, Remainder)):
            body = body.removeprefix("(").removesuffix(")")  # `//` and `%` bind tighter than `+`
        part = body if abs(c) == 1 and body else f"{abs(c)}*{body}" if body else str(abs(c))
        text += (" - " if c < 0 else " + ") + part
    if not text:
        return "0"
    return text[3:] if text.startswith(" + ") else "-" + text[3:]
