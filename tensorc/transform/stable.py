"""Formulas written as in a textbook, made the stable ones of the same value: a table of rules on the structure of scalars.

A rule takes out a rounding or an overflow between two operations and puts none in. `1 + x` and `exp(x)` that anything else reads keep their
rounding: programs that undo a rounding error (`u = 1 + x`, then `log(u) * x / (u - 1)`) need the same rounded value in all places.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeGuard

from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.ir import build, walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Const, Define, Load, Scalar, Scan, Scatter, Select, Stop, Tensor, View
from tensorc.transform.graph import elements_changed, number_changed, with_sources

ROOM = 12
"""The levels that a rule may add to a scalar: the rest of `build.DEPTH` is for what it reads through a definition."""

MOST_SEEN = 64
"""The tensors that are looked at for what an exponent is relative to."""

LINKS = 8
"""The definitions of one element each that are looked through, one after the other."""


def stabilise(program: Program) -> Program:
    """The program by stable formulas; itself where no rule fits. Results keep their order, shapes and dtypes."""
    new = _Pass(program).run()
    if all(made is t for t, made in new.items()):
        return program
    alive = frozenset(new.values())
    return replace(
        program,
        results=tuple(new[t] for t in program.results),
        checks=tuple(replace(c, place=new[c.place]) for c in program.checks),
        names={new.get(t, t): name for t, name in program.names.items() if new.get(t, t) in alive},
        spans={new.get(t, t): span for t, span in program.spans.items() if new.get(t, t) in alive},
    )


class _Pass:
    """One pass over a program: rules match the program as it was, and what they give reads the tensors made so far."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.order = walk.topological(program.outputs)
        self.made: dict[Tensor, Tensor] = {}
        self.memo: dict[Scalar, Scalar] = {}
        self.totals: dict[Define, Logarithm | None] = {}
        self.parents: dict[Scalar, set[Scalar | Tensor]] = {}
        self.ranks: dict[Load, int] = {}
        self.places: dict[Tensor, set[Load | Tensor]] = {t: {t} for t in program.outputs}
        for t in self.order:
            self._count(t)

    def _count(self, t: Tensor) -> None:
        if not isinstance(t, (Define, Scatter)):
            for source in walk.sources(t):
                self.places.setdefault(source, set()).add(t)
            return
        if isinstance(t, Scatter) and t.base is not None:
            self.places.setdefault(t.base, set()).add(t)
        self.parents.setdefault(t.body, set()).add(t)
        for s in walk.postorder(t.body):
            for c in walk.children(s):
                self.parents.setdefault(c, set()).add(s)
        rank = len(t.extents) + len(t.bound) if isinstance(t, Define) else len(t.iteration)
        for read in walk.loads(t.body):
            self.ranks[read] = max(rank, self.ranks.get(read, 0))
            self.places.setdefault(read.tensor, set()).add(read)

    def run(self) -> dict[Tensor, Tensor]:
        for t in self.order:
            if isinstance(t, Define):
                body = self.scalar(t.body)
                self.made[t] = t if body is t.body else Define(t.extents, t.monoid, t.bound, body)
            elif isinstance(t, Scatter):
                places = tuple(number_changed(p, self.made) for p in t.subscripts)
                base = None if t.base is None else self.made[t.base]
                self.made[t] = Scatter(t.extents, t.iteration, places, self.scalar(t.body), base)
            else:
                self.made[t] = with_sources(t, self.made)
        return self.made

    def scalar(self, s: Scalar) -> Scalar:
        """s by stable formulas, of the new tensors."""
        found = self.memo.get(s)
        if found is None:
            found = self.memo[s] = self._scalar(s)
        return found

    def _scalar(self, s: Scalar) -> Scalar:
        match s:
            case Apply(operation, arguments, dtype):
                for rule in RULES if dtype.is_float else ():
                    found = rule.rewrite(self, s) if operation in rule.roots else None
                    if found is not None:
                        return found
                new = tuple(map(self.scalar, arguments))
                same = all(x is y for x, y in zip(new, arguments, strict=True))
                return s if same else build.apply(operation, *new, dtype=dtype)
            case Select(c, a, b):
                return build.select(self.scalar(c), self.scalar(a), self.scalar(b))
            case Load(t, subscripts):
                return Load(self.made[t], tuple(number_changed(p, self.made) for p in subscripts))
            case _:
                return walk.rewrite(s, {}, None, elements_changed(self.made))

    def only(self, s: Scalar, reader: Scalar) -> Scalar | None:
        """The operation whose value s is, where nothing but `reader` reads that value."""
        if self.parents.get(s) != {reader}:
            return None
        if isinstance(s, Apply):
            return s
        if not isinstance(s, Load) or not _is_pointwise(s.tensor) or self.places[s.tensor] != {s}:
            return None
        body = s.tensor.body
        if self.parents[body] != {s.tensor} or not self._is_whole(s) or walk.depth(body) > build.DEPTH - ROOM:
            return None
        return _at(s.tensor, s.subscripts)

    def _is_whole(self, read: Load) -> bool:
        """Whether each element is read in one place, so that computing it there is no more work."""
        return len({p.atom for p in read.subscripts if isinstance(p.atom, Index)}) == self.ranks[read]


def _is_pointwise(t: Tensor) -> TypeGuard[Define]:
    return isinstance(t, Define) and t.monoid is None


def _at(t: Define, subscripts: tuple[Poly, ...]) -> Scalar:
    """The body of a definition of single elements, at a place."""
    values: dict[Atom, Poly] = dict(zip(t.indices, subscripts, strict=True))
    return walk.rewrite(t.body, values)


def _through(s: Scalar) -> Scalar:
    """The operation that s is, seen through definitions of single elements."""
    for _ in range(LINKS):
        if not isinstance(s, Load) or not _is_pointwise(s.tensor) or walk.depth(s.tensor.body) > build.DEPTH - ROOM:
            break
        s = _at(s.tensor, s.subscripts)
    return s


def _uncast(s: Scalar) -> Scalar:
    """The operation that s is, seen through casts between floats too: without them it is as exact."""
    for _ in range(LINKS):
        s = _through(s)
        if not isinstance(s, Apply) or s.operation != "cast" or not s.arguments[0].dtype.is_float:
            break
        (s,) = s.arguments
    return s


# The logarithm of a sum of exponentials.


@dataclass(frozen=True)
class Logarithm:
    """log(sum(exp(e))) as `log` + `shift`, tensors over the axes of the sum and of its dtype; no shift where e is relative to one."""

    log: Tensor
    shift: Tensor | None


def _exponent(term: Scalar) -> Scalar | None:
    """e of a term that is exp(e), or a choice between such terms and 0, which is exp(-inf). A cast may widen."""
    match _through(term):
        case Apply("exp", (e,), _):
            return e
        case Apply("cast", (wide,), dtype) if wide.dtype.is_float and wide.dtype.bits <= dtype.bits:
            return _exponent(wide)
        case Select(c, a, b):
            zero = [isinstance(x, Const) and x.value == 0 for x in (a, b)]
            one, other = (None if z else _exponent(x) for x, z in zip((a, b), zero, strict=True))
            known = one or other
            if known is None or (one is None and not zero[0]) or (other is None and not zero[1]):
                return None
            nothing = Const(-math.inf, known.dtype)
            one, other = one or nothing, other or nothing
            return build.select(c, one, other) if one.dtype is other.dtype else None
        case _:
            return None


def _is_relative(e: Scalar) -> bool:
    """Whether e reads a maximum or minimum (or a running one), as what is already shifted does."""
    seen: set[Tensor] = set()
    stack = [read.tensor for read in walk.loads(e)]
    while stack and len(seen) < MOST_SEEN:
        t = stack.pop()
        if t in seen:
            continue
        seen.add(t)
        if isinstance(t, (Define, Scan)) and t.monoid in ("max", "min"):
            return True
        if _is_pointwise(t) or isinstance(t, (View, Stop)):
            stack.extend(walk.sources(t))
    return False


def _logarithm(by: _Pass, t: Define) -> Logarithm | None:
    """Of a sum whose terms are exponentials, None of another. A shift is finite: of nothing, of -inf alone, of inf and of NaN it is 0."""
    e = _exponent(t.body)
    if t.monoid != "sum" or e is None or e.dtype.bits > t.dtype.bits:
        return None
    here = tuple(map(poly, t.indices))
    if _is_relative(e):
        return Logarithm(Define(t.extents, None, (), build.apply("log", Load(by.made[t], here))), None)
    e = by.scalar(e)
    top = Load(Define(t.extents, "max", t.bound, e), here)
    finite = build.select(build.apply("isfinite", top), top, Const(0.0, e.dtype))
    shift = Define(t.extents, None, (), build.cast(finite, t.dtype))
    term = build.apply("exp", build.apply("sub", build.cast(e, t.dtype), Load(shift, here)))
    total = Define(t.extents, "sum", t.bound, term)
    return Logarithm(Define(t.extents, None, (), build.apply("log", Load(total, here))), shift)


def _logarithm_of(by: _Pass, s: Scalar) -> tuple[Logarithm, tuple[Poly, ...]] | None:
    """log(s) where s is an element of a sum of exponentials, and the element's place."""
    total = _uncast(s)
    if not isinstance(total, Load) or not isinstance(total.tensor, Define) or total.tensor.monoid is None:
        return None
    if total.tensor not in by.totals:
        by.totals[total.tensor] = _logarithm(by, total.tensor)
    found = by.totals[total.tensor]
    return None if found is None else (found, tuple(number_changed(p, by.made) for p in total.subscripts))


# The rules.


def _is(s: Scalar, value: float) -> bool:
    return isinstance(s, Const) and s.value == value


def _of_one_more(by: _Pass, s: Apply) -> Scalar | None:
    match by.only(s.arguments[0], s):
        case Apply("add", (one, x), dtype) if _is(one, 1):
            pass
        case Apply("add", (x, one), dtype) if _is(one, 1):
            pass
        case Apply("sub", (one, y), dtype) if _is(one, 1):
            return build.apply("log1p", build.apply("neg", by.scalar(y)))
        case _:
            return None
    inner = _through(x)
    if not isinstance(inner, Apply) or inner.operation != "exp":
        return build.apply("log1p", by.scalar(x))
    z = by.scalar(inner.arguments[0])
    small = build.apply("exp", build.apply("neg", build.apply("abs", z)))
    return build.apply("add", build.apply("maximum", z, Const(0.0, dtype)), build.apply("log1p", small))


def _of_exponential_less_one(by: _Pass, s: Apply) -> Scalar | None:
    a, b = s.arguments
    if s.operation == "add":
        inner, negated = (a if _is(b, -1) else b if _is(a, -1) else None), False
    else:
        inner, negated = (a if _is(b, 1) else b if _is(a, 1) else None), _is(a, 1)
    match None if inner is None else by.only(inner, s):
        case Apply("exp", (x,), _):
            made = build.apply("expm1", by.scalar(x))
            return build.apply("sub", build.constant(0, made.dtype), made) if negated else made  # 0 - 0 is 0, where -0 is not
        case _:
            return None


def _of_sum(by: _Pass, s: Apply) -> Scalar | None:
    found = _logarithm_of(by, s.arguments[0])
    if found is None:
        return None
    made, place = found
    if made.shift is None:
        return None
    return build.cast(build.apply("add", Load(made.log, place), Load(made.shift, place)), s.dtype)


def _of_share(by: _Pass, s: Apply) -> Scalar | None:
    share = _uncast(s.arguments[0])
    if not isinstance(share, Apply) or share.operation != "div":
        return None
    e, found = _exponent(share.arguments[0]), _logarithm_of(by, share.arguments[1])
    if e is None or found is None or e.dtype.bits > found[0].log.dtype.bits:
        return None
    made, place = found
    wide = build.cast(by.scalar(e), made.log.dtype)
    if made.shift is not None:
        wide = build.apply("sub", wide, Load(made.shift, place))
    return build.cast(build.apply("sub", wide, Load(made.log, place)), s.dtype)


@dataclass(frozen=True)
class Rule:
    """`naive` is computed as `stable`; `roots` are the operations that it may end with. `rewrite` gives None where it does not fit."""

    naive: str
    stable: str
    roots: frozenset[str]
    rewrite: Callable[[_Pass, Apply], Scalar | None]


RULES = (
    Rule("log(exp(z) / sum(exp(x)))", "(z - max(x)) - log(sum(exp(x - max(x))))", frozenset({"log"}), _of_share),
    Rule("log(sum(exp(x)))", "max(x) + log(sum(exp(x - max(x))))", frozenset({"log"}), _of_sum),
    Rule("log(1 + x)", "log1p(x); for x = exp(z), max(z, 0) + log1p(exp(-|z|))", frozenset({"log"}), _of_one_more),
    Rule("exp(x) - 1", "expm1(x)", frozenset({"add", "sub"}), _of_exponential_less_one),
)
