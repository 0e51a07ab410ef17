"""Rules in one nest, as a GPU takes them: their loops, what their indices are in these, and two changes of loops.

`merged` makes one loop of two that are neighbours in all memory; `chunked` makes two of one, so that what is reduced over it is reduced a
chunk at a time, by programs that run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from tensorc import algebra
from tensorc.algebra import ONE, Atom, Index, Poly, Quotient, Remainder, poly
from tensorc.ir import build
from tensorc.ir.tensor import Apply, Scalar, Tensor
from tensorc.schedule import axes
from tensorc.schedule.axes import Classes, Loops, joined
from tensorc.schedule.gpu.sizes import Sizes
from tensorc.schedule.rules import Made, Rule


@dataclass(frozen=True)
class Situation:
    """What a schedule is made for: the classes of sizes, and the inputs that are not row-major.

    `strides` gives for each axis of such an input 0, 1 or None; a stride that is None is a size of its own, `stride_name`. `relief` is how
    often the rows that registers hold were halved, because those of the kernels made before did not fit.
    """

    sizes: Sizes
    strides: tuple[tuple[str, tuple[int | None, ...]], ...] = ()
    relief: int = 0

    @cached_property
    def _strides(self) -> Mapping[str, tuple[int | None, ...]]:
        return dict(self.strides)

    def strides_of(self, tensor: Tensor) -> tuple[Poly, ...]:
        """The strides in elements of an input, or of memory that is row-major."""
        known = self._strides.get(getattr(tensor, "name", ""))
        if known is not None:
            name = getattr(tensor, "name", "")
            return tuple(algebra.size(stride_name(name, axis)) if s is None else poly(s) for axis, s in enumerate(known))
        return row_major(tensor.extents)

    def address(self, tensor: Tensor, subscripts: Sequence[Poly]) -> Poly:
        """Where the element lies, in elements from the first."""
        return dot(subscripts, self.strides_of(tensor))


def stride_name(name: str, axis: int) -> str:
    """What the stride of an input that is not row-major is called among the sizes."""
    return f"{name}_s{axis}"


def row_major(extents: Sequence[Poly]) -> tuple[Poly, ...]:
    strides: list[Poly] = []
    step = ONE
    for e in reversed(extents):
        strides.append(step)
        step = step * e
    return tuple(reversed(strides))


def dot(subscripts: Sequence[Poly], strides: Sequence[Poly]) -> Poly:
    return sum((s * t for s, t in zip(subscripts, strides, strict=True)), algebra.ZERO)


@dataclass(frozen=True, eq=False)
class Space:
    """Rules in order. `out` and `over` are the loops of each rule's result and those it reduces, the outermost first; `values` are its
    indices in these loops; `exists` is at least 0 at those points of the loops that are points of the rule (None: all are).
    """

    rules: tuple[Rule, ...]
    out: Mapping[Rule, Loops]
    over: Mapping[Rule, Loops]
    values: Mapping[Rule, Mapping[Atom, Poly]]
    exists: Mapping[Rule, Poly | None]

    @cached_property
    def members(self) -> Mapping[Tensor, Rule]:
        return {r.tensor: r for r in self.rules if r.tensor is not None}

    @cached_property
    def loops(self) -> Loops:
        """Every loop, those of results first."""
        found = dict.fromkeys(a for r in self.rules for a in self.out[r])
        found |= dict.fromkeys(a for r in self.rules for a in self.over[r])
        return tuple(found)

    @cached_property
    def read(self) -> frozenset[Rule]:
        """The rules that others of the space read."""
        return frozenset(self.members[load.tensor] for r in self.rules for load in r.loads if load.tensor in self.members)

    @cached_property
    def own(self) -> tuple[Rule, ...]:
        """The rules of which each program does a part, not all."""
        return tuple(r for r in self.rules if not r.repeated)

    def of(self, r: Rule) -> Loops:
        return self.out[r] + self.over[r]

    def reducing(self, axis: Index) -> list[Rule]:
        return [r for r in self.rules if axis in self.over[r]]

    def fresh(self, extent: Poly) -> Index:
        """A loop that the space has not yet."""
        return Index(1 + max((a.level for a in self.loops), default=-1), extent)


def unify(rules: Sequence[Rule]) -> Space | None:
    """The rules in one nest; None where one reads another elsewhere than at its own indices.

    Indices by which one rule reads another are one loop. So are, where nothing speaks against it, those that read the same memory at the
    same place, and those of two rules of the same shape.
    """
    classes = joined(rules)
    if classes is None:
        return None
    shapes: dict[Hashable, Rule] = {}
    for r in rules:
        twin = shapes.setdefault((shape(r), r.repeated), r)
        for a, b in zip(_by_extent(r), _by_extent(twin), strict=True):
            classes.union(r, a, twin, b)
    return _space(tuple(rules), classes)


def shape(r: Rule) -> Hashable:
    """The extents of a rule's loops, in whatever order."""
    return tuple(tuple(sorted(str(a.extent) for a in part)) for part in (r.out, r.over))


def _by_extent(r: Rule) -> list[Index]:
    return [a for part in (r.out, r.over) for a in sorted(part, key=lambda a: str(a.extent))]


def _space(rules: tuple[Rule, ...], classes: Classes) -> Space:
    found = axes.Space(rules, classes.loops())
    values: dict[Rule, Mapping[Atom, Poly]] = {r: {a: poly(a) for a in r.space} | found.values(r) for r in rules}
    return Space(rules, found.out, found.over, values, dict.fromkeys(rules))


def merged(space: Space, keeps: Callable[[Space, Index], bool]) -> Space:
    """The space with every two neighbouring loops made one that `keeps` lets be: given the space with them merged, and their loop."""
    changed = True
    while changed:
        changed = False
        for a, b in _neighbours(space):
            made = _merge(space, a, b)
            if made is not None and keeps(*made):
                space, changed = made[0], True
                break
    return space


def _neighbours(space: Space) -> list[tuple[Index, Index]]:
    pairs = (list(pairwise(loops)) for r in space.rules for loops in (space.out[r], space.over[r]))
    return list(dict.fromkeys(pair for several in pairs for pair in several))


def _merge(space: Space, a: Index, b: Index) -> tuple[Space, Index] | None:
    """The loops a, b as one, where every rule has both side by side or neither."""
    f = space.fresh(a.extent * b.extent)
    places = [[_merged_loops(loops[r], a, b, f) for r in space.rules] for loops in (space.out, space.over)]
    if any(found is None for part in places for found in part):
        return None
    out, over = (dict(zip(space.rules, (p or () for p in part), strict=True)) for part in places)
    moved: dict[Atom, Poly] = {a: algebra.floordiv(poly(f), b.extent), b: algebra.mod(poly(f), b.extent)}
    values = {r: {i: algebra.substitute(v, moved) for i, v in vs.items()} for r, vs in space.values.items()}
    exists = {r: None if e is None else algebra.substitute(e, moved) for r, e in space.exists.items()}
    return Space(space.rules, out, over, values, exists), f


def _merged_loops(loops: Loops, a: Index, b: Index, f: Index) -> Loops | None:
    if a not in loops and b not in loops:
        return loops
    n = loops.index(a) if a in loops else -1
    return (*loops[:n], f, *loops[n + 2 :]) if n >= 0 and loops[n + 1 : n + 2] == (b,) else None


def divides(p: Poly, axis: Index) -> bool:
    """Whether a quotient or a remainder of the axis stands in p."""
    return any(isinstance(a, (Quotient, Remainder)) and axis in algebra.indices(a.numerator) for a in algebra.atoms(p))


# Chunks.


@dataclass(frozen=True, eq=False)
class Chunked:
    """A space with `axis` in chunks: `chunk` numbers them and `within` the points of each. `finals` complete what is now partial."""

    space: Space
    chunk: Index
    within: Index
    finals: tuple[Rule, ...]


def chunked(space: Space, axis: Index, size: int, exact: bool, name: Callable[[Rule, str], str]) -> Chunked:
    """The loop `axis` in chunks of `size` points. Rules that reduce it make partial results, one a chunk.

    `exact` says that no chunk is short. `name` gives names to what is made of a rule.
    """
    count = axis.extent // size if exact else (axis.extent + size - 1) // size
    chunk = Index(space.fresh(ONE).level, count)
    within = Index(chunk.level + 1, poly(size))
    place = poly(chunk) * size + within
    moved: dict[Atom, Poly] = {axis: place}
    inside = None if exact else axis.extent - 1 - place
    rules: list[Rule] = []
    finals: list[Rule] = []
    out, over, values, exists = {}, {}, {}, {}
    for r in space.rules:
        made = r
        loops = {a: (chunk, within) if a is axis else (a,) for a in space.of(r)}
        mine = tuple(b for a in space.out[r] for b in loops[a])
        reduced = tuple(b for a in space.over[r] for b in loops[a])
        value = {i: algebra.substitute(v, moved) for i, v in space.values[r].items()}
        if axis in space.over[r]:
            made, rest = _partial(r, chunk, name)
            finals += rest
            mine, reduced = (chunk, *mine), tuple(b for b in reduced if b is not chunk)
            value[made.axes[0]] = poly(chunk)
        rules.append(made)
        out[made], over[made], values[made] = mine, reduced, value
        exists[made] = _both(space.exists[r], inside if axis in space.of(r) else None, moved)
    return Chunked(Space(tuple(rules), out, over, values, exists), chunk, within, tuple(finals))


def _both(old: Poly | None, new: Poly | None, moved: Mapping[Atom, Poly]) -> Poly | None:
    assert old is None or new is None, "an axis is put in chunks once"
    return new if old is None else algebra.substitute(old, moved)


def _partial(r: Rule, chunk: Index, name: Callable[[Rule, str], str]) -> tuple[Rule, list[Rule]]:
    """The rule of one chunk's result, and the rules that make the result of those: sums of half floats are f32 until then."""
    from tensorc.dtypes import f32

    assert r.monoid is not None
    wide = f32 if r.body.dtype.is_half and r.monoid in ("sum", "prod") else r.body.dtype
    body = widened(r.body) if wide is not r.body.dtype else r.body
    number = algebra.fresh(chunk.extent)
    made = Made(name(r, "part"), (chunk.extent, *(a.extent for a in r.axes)), wide)
    partial = Rule(made, f"{r.name}_part", (number, *r.axes), r.monoid, r.reduced, body)
    parts = tuple(poly(a) for a in (number, *r.axes))
    read = build.load(made, parts)
    if wide is r.body.dtype:
        return partial, [Rule(r.tensor, r.name, r.axes, r.monoid, (number,), read, list(r.targets))]
    total = Made(name(r, "sum"), tuple(a.extent for a in r.axes), wide)
    value = build.cast(build.load(total, parts[1:]), r.body.dtype)
    return partial, [
        Rule(total, f"{r.name}_sum", r.axes, r.monoid, (number,), read),
        Rule(r.tensor, r.name, r.axes, None, (), value, list(r.targets)),
    ]


def widened(body: Scalar) -> Scalar:
    """A half float's value as f32, before it is rounded where it is a product."""
    from tensorc.dtypes import f32

    match body:
        case Apply("mul", (a, b), _):
            return build.apply("mul", build.cast(a, f32), build.cast(b, f32))
        case _:
            return build.cast(body, f32)
