"""What messages say of sizes: where each was declared, and what would make two that differ agree."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from tensorc import algebra
from tensorc.algebra import Poly, Size, poly
from tensorc.elaborate.context import Context
from tensorc.elaborate.values import Array
from tensorc.ir.tensor import Load
from tensorc.source import Span
from tensorc.syntax import tree

Declared = tuple[Array, int, Poly]
"""An array, one of its axes, and the extent that the axis would have to have."""


def agreement(context: Context, p: Poly, q: Poly, *declared: Declared) -> str | None:
    """What makes the dims p and q agree: another type of a parameter, the last one first, or a requirement."""
    for value, axis, want in reversed(declared):
        text = _redeclared(context, value, axis, want)
        if text is not None:
            return f"declare `{text}`"
    return equality(context, p, q)


def equality(context: Context, p: Poly, q: Poly) -> str | None:
    """The requirement that two dims are equal, where the program can say it."""
    if p.constant is not None and q.constant is not None:
        return None
    if not (_can_be_said(context, p) and _can_be_said(context, q)):
        return None
    where = "before the call" if context.calls else "first"
    return f"if they are always equal, say so {where}: `require {p} == {q}`"


def inequality(context: Context, low: Poly, high: Poly) -> str | None:
    """The requirement low <= high, where the program can say it."""
    if not (_can_be_said(context, low) and _can_be_said(context, high)):
        return None
    where = "before the call" if context.calls else "first"
    return f"if it always holds, say so {where}: `require {low} <= {high}`"


def conversion(span: Span | None, dtype: object) -> str:
    """How a value becomes one of another dtype."""
    text = "..." if span is None or len(span.text) > 24 or "\n" in span.text or span.source.name.startswith("std/") else span.text
    return f"convert it: `cast({text}, {dtype})`"


def _can_be_said(context: Context, p: Poly) -> bool:
    """Whether every size in p has a name in the program's text."""
    return all(s in context.origins and s not in context.unnamed for s in algebra.sizes(p))


def _redeclared(context: Context, value: Array, axis: int, want: Poly) -> str | None:
    """The declaration of the parameter that the array is, with another dim; None where it is none, or its dim stands in other types too."""
    body = value.body
    if context.calls or not isinstance(body, Load) or body.subscripts != tuple(map(poly, value.axes)):
        return None
    parameter = context.parameters.get(body.tensor)
    own = value.extents[axis]
    if parameter is None or not isinstance(own.atom, Size) or not _can_be_said(context, want):
        return None
    assert isinstance(parameter.type, tree.TensorType)
    dims = parameter.type.dims
    splice = next((n for n, d in enumerate(dims) if isinstance(d, tree.Splice)), len(dims))
    at = axis if axis < splice else axis - value.rank + len(dims)
    if at <= splice < len(dims) and at != axis:
        return None  # one of the axes that `...` stands for
    if not isinstance(dims[at], (tree.Name, tree.Wildcard)) or _used_elsewhere(context, parameter, own.atom):
        return None
    if any(want is e for e in value.extents):
        return None  # two axes of one size: hardly what is meant
    texts = [str(want) if n == at else d.span.text for n, d in enumerate(dims)]
    return f"{parameter.name}: {parameter.type.dtype}[{', '.join(texts)}]"


def _used_elsewhere(context: Context, parameter: tree.Parameter, size: Size) -> bool:
    """Whether another parameter's extents speak of the size."""
    others = (t for t, p in context.parameters.items() if p is not parameter)
    return any(size in algebra.sizes(e) for t in others for e in t.extents)


FOREIGN = {
    "True": "write `true`",
    "False": "write `false`",
    "len": "the extent of an axis is `x.shape[0]`, or the name of its dim",
    "range": "an index ranges where it is bound: `let y[i < N] = ...`; `arange(N)` is a tensor",
    "np": "the functions of the library have no prefix: `exp(x)`",
    "torch": "the functions of the library have no prefix: `exp(x)`",
    "cat": "write `concat`",
    "view": "write `reshape`",
    "int": "write `cast(x, i64)`",
    "float": "write `cast(x, f32)`",
    "if": "`where(condition, a, b)` chooses element by element",
}
"""Names of other languages, and what is meant by them."""


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str | None:
    """The known name that is nearest, whatever the case of its letters."""
    names = sorted(set(known))
    close = [n for n in names if n.lower() == name.lower()] or get_close_matches(name, names, 1, 0.65)
    return f"did you mean `{prefix}{close[0]}`?" if close else None
