"""Built-ins that contract: matrix products and Einstein sums. They keep the dtype and want equal ones; half floats accumulate in f32."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.dtypes import bool_
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.arrays import Where
from tensorc.elaborate.context import Context
from tensorc.elaborate.hints import agreement, conversion
from tensorc.elaborate.library.registry import builtin, tensor
from tensorc.elaborate.values import Array, Tuple, Value, describe
from tensorc.ir import build
from tensorc.ir.tensor import Scalar


def same_dtype(context: Context, name: str, values: Sequence[Array], spans: Where) -> list[Array]:
    """The operands of a product, which have one dtype; literals take it."""
    strong = [v.dtype for v in values if not v.weak]
    want = strong[0] if strong else arrays.strong_dtype(arrays.weak_dtype([v.dtype for v in values]))
    for d in strong:
        if d is not want:
            raise arrays.refusal(
                context, "E0402", f"`{name}` of {want} and {d}", values, spans, help=conversion(spans[-1] if spans else None, want)
            )
    if want is bool_:
        raise context.error(
            "E0404",
            f"`{name}` is not defined for bool",
            None,
            "",
            *arrays.labels(values, spans),
            help="cast to an integer or a float first",
        )
    return [arrays.convert(context, v, want) for v in values]


def _product(bodies: Sequence[Scalar]) -> Scalar:
    result = bodies[0]
    for b in bodies[1:]:
        result = build.apply("mul", result, b)
    return result


def matmul(context: Context, left: Array, right: Array, spans: Where = ()) -> Array:
    """`a @ b`: [..., N, K] with [..., K, M]; a vector stands as a row on the left and as a column on the right."""
    a, b = (context.settle(v) for v in same_dtype(context, "@", (left, right), spans))
    for v, s in zip((a, b), spans or (None, None), strict=True):
        if v.rank == 0:
            raise context.error(
                "E0303", "`@` wants at least one axis on each side", s, describe(v), help="the product with a number is `*`"
            )
    k = a.axes[-1]
    inner = b.axes[-2] if b.rank > 1 else b.axes[0]
    met = context.meet(k.extent, inner.extent)
    if met is None:
        left_, right_ = context.sized(k.extent), context.sized(inner.extent)
        notes = (f"the last axis on the left is {left_}, the {_inner_axis(b)} axis on the right is {right_}",)
        if b.rank > 1 and context.meet(k.extent, b.extents[-1]) is not None and len(spans) > 1 and spans[1] is not None:
            help: str | None = _transposition(spans[1].text, "T" if b.rank == 2 else "mT")
        else:
            declared = ((a, a.rank - 1, inner.extent), (b, max(b.rank - 2, 0), k.extent))
            help = agreement(context, k.extent, inner.extent, *declared)
        raise arrays.refusal(context, "E0302", "shapes do not fit together in `@`", (a, b), spans, notes, help)
    batch = tuple(map(fresh, arrays.broadcast_extents(context, [a.extents[:-2], b.extents[:-2]], spans, (a, b))))
    row = tuple(fresh(e) for e in a.extents[-2:-1])
    column = tuple(fresh(e) for e in b.extents[-1:]) if b.rank > 1 else ()
    bound = fresh(met)
    x = a.at((*_batch(a, batch, 2), *map(poly, row), poly(bound)))
    y = b.at((*_batch(b, batch, 2), poly(bound), *map(poly, column)))
    body = notation.accumulate("sum", [bound], _product((x, y)))
    return context.settle(Array((*batch, *row, *column), body))


def _transposition(text: str, attribute: str) -> str:
    """Advice to transpose what the text says, or not to, where it does that already."""
    if text.endswith(f".{attribute}"):
        return f"leave the right side as it is: `{text.removesuffix(f'.{attribute}')}`"
    return f"transpose the right side: `{text}.{attribute}`"


def _inner_axis(right: Array) -> str:
    return "second last" if right.rank > 1 else "only"


def _batch(value: Array, batch: Sequence[Index], inner: int) -> tuple[Poly, ...]:
    own = value.axes[: max(value.rank - inner, 0)]
    return tuple(algebra.ZERO if a.extent is algebra.ONE else poly(t) for a, t in zip(own, batch[len(batch) - len(own) :], strict=True))


@builtin("matmul", "x y")
def matmul_(context: Context, x: Value, y: Value) -> Array:
    """`x @ y`: the last axis of x with the second last of y (or the only one); axes before these broadcast.

    The dtypes are equal and kept; half floats accumulate in f32.
    """
    spans = (context.argument_spans.get("x"), context.argument_spans.get("y"))
    return matmul(context, tensor(context, x, "x"), tensor(context, y, "y"), spans)


@builtin("dot", "x y")
def dot(context: Context, x: Value, y: Value) -> Array:
    """The inner product of two vectors of one dtype, which is kept; half floats accumulate in f32."""
    a, b = tensor(context, x, "x"), tensor(context, y, "y")
    for v, n in ((a, "x"), (b, "y")):
        if v.rank != 1:
            raise context.error(
                "E0303",
                f"`dot` wants vectors, found rank {v.rank}",
                context.argument_spans.get(n),
                describe(v),
                help="`@` multiplies matrices",
            )
    return matmul(context, a, b, (context.argument_spans.get("x"), context.argument_spans.get("y")))


@builtin("outer", "x y")
def outer(context: Context, x: Value, y: Value) -> Array:
    """x[i] * y[j] of two vectors."""
    a, b = tensor(context, x, "x"), tensor(context, y, "y")
    for v, n in ((a, "x"), (b, "y")):
        if v.rank != 1:
            raise context.error("E0303", f"`outer` wants vectors, found rank {v.rank}", context.argument_spans.get(n), describe(v))
    column = Array((*a.axes, fresh(1)), a.body, a.weak)
    return arrays.binary(context, "*", column, b, (context.argument_spans.get("x"), context.argument_spans.get("y")))


@builtin("einsum", "equation xs", variadic=True)
def einsum(context: Context, equation: Value, xs: Value) -> Array:
    """Einstein's sum: `einsum("bik,bkj->bij", x, y)`. `...` stands for leading axes, which broadcast.

    Without `->` the result has the letters that occur once, sorted. The dtypes are equal and kept; half floats accumulate in f32.
    """
    span = context.argument_spans.get("equation")
    if not isinstance(equation, str):
        raise context.error("E0604", f'`einsum` wants its equation first: `einsum("ij,jk->ik", x, y)`, found {describe(equation)}', span)
    given = xs.items if isinstance(xs, Tuple) else (xs,)
    values = same_dtype(
        context, "einsum", [context.settle(arrays.as_array(context, v, context.argument_spans.get("xs"))) for v in given], ()
    )
    text, _, result = equation.replace(" ", "").partition("->")
    terms = text.split(",")
    if len(terms) != len(values):
        raise context.error("E0607", f'"{equation}" has {len(terms)} operands, {len(values)} are given', span)
    dots = [v.rank - len(t.replace("...", "")) for t, v in zip(terms, values, strict=True)]
    for t, v, d in zip(terms, values, dots, strict=True):
        if d < 0 or ("..." not in t and d) or (not t.replace("...", "").isalpha() and t.replace("...", "")):
            raise context.error("E0303", f'"{t}" does not fit {describe(v)}', span)
    shapes = [v.extents[t.index("...") : t.index("...") + d] for t, v, d in zip(terms, values, dots, strict=True) if "..." in t]
    batch = tuple(map(fresh, arrays.broadcast_extents(context, shapes)))
    letters = _letters(context, terms, values, dots, span)
    if "->" not in equation:
        every = text.replace(",", "").replace("...", "")
        result = ("..." if batch else "") + "".join(sorted(c for c in set(every) if every.count(c) == 1))
    names = result.replace("...", "")
    for c in names:
        if c not in letters or names.count(c) > 1:
            raise context.error(
                "E0611", f'`{c}` in the result of "{equation}" is {"there twice" if c in letters else "in no operand"}', span
            )
    bodies = []
    for t, v, d in zip(terms, values, dots, strict=True):
        head, has, tail = t.partition("...")
        own = v.axes[len(head) : len(head) + d] if has else ()
        middle = tuple(
            algebra.ZERO if a.extent is algebra.ONE else poly(b) for a, b in zip(own, batch[len(batch) - len(own) :], strict=True)
        )
        bodies.append(v.at((*(poly(letters[c]) for c in head), *middle, *(poly(letters[c]) for c in tail))))
    at = result.find("...")
    kept = [letters[c] for c in names]
    axes = (*kept[: max(at, 0)], *batch, *kept[max(at, 0) :]) if at >= 0 else tuple(kept)
    bound = [i for c, i in letters.items() if c not in names] + ([] if at >= 0 else list(batch))
    body = _product(bodies)
    return context.settle(Array(axes, notation.accumulate("sum", bound, body) if bound else body))


def _letters(context: Context, terms: Sequence[str], values: Sequence[Array], dots: Sequence[int], span: object) -> dict[str, Index]:
    """The index of each letter: all axes that it names have one extent."""
    extents: dict[str, Poly] = {}
    for t, v, d in zip(terms, values, dots, strict=True):
        head, _, tail = t.partition("...")
        pairs = [*zip(head, v.extents, strict=False), *zip(tail, v.extents[len(head) + d :], strict=True)]
        for c, e in pairs:
            met = context.meet(extents[c], e) if c in extents else e
            if met is None:
                raise context.error("E0302", f"`einsum`: `{c}` is {extents[c]} and {e}", None, notes=context.origin(extents[c], e))
            extents[c] = met
    return {c: fresh(e) for c, e in extents.items()}


@builtin("trace", "x")
def trace(context: Context, x: Value) -> Array:
    """The sum of the diagonal of a matrix; i64 for integers and bool."""
    from tensorc.elaborate.library.gathering import diagonal

    value = tensor(context, x, "x")
    if value.rank != 2:
        raise context.error("E0303", f"`trace` wants a matrix, found rank {value.rank}", context.argument_spans.get("x"), describe(value))
    main = diagonal(context, value, *map(arrays.constant, (0, 0, 1)))
    return Array((), notation.reduce(context, "sum", main.axes, Array((), main.body), context.current))
