"""Writes docs/library.md: the functions of the built-in library with their signatures and documentation, from their sources.

Run `python docs/library.py` after a change of the library; a test holds the page to what this makes.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from tensorc.dtypes import DTYPES, f64
from tensorc.elaborate import ArgumentType, instantiate, load_unit
from tensorc.elaborate.library import library, library_names
from tensorc.elaborate.values import MISSING, Array, Builtin, static_constant
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.text import show
from tensorc.source import Source
from tensorc.syntax import tree
from tensorc.transform.programs import pullback

WIDTH = 120
"""Columns of the signatures and texts, which stand as they are written: they are full of stars and brackets."""

INTRODUCTION = """\
# The built-in library

Functions that every file may use without an import. Names, the order of arguments, defaults and results are PyTorch's; what differs is in
[the language](language.md#the-built-in-library). This page is made from the sources of the library by `docs/library.py`.

A function that is written in the language itself shows its declaration. There `T[...]` is a tensor of any shape; `float`, `int`, `num` and
`any` say which dtypes `T` may be; parameters of the types `int float bool str dtype dims axes` are known when compiling; and what has the
default `none` may be left out. Axes may be negative. PyTorch's names of arguments are taken as well: `dim` for `axis`, `keepdim`, `input`,
`other`, `weight`, `bias` and so on. Every function is also a method: `x.softmax(axis=0)`.

What is computed of half floats (`f16`, `bf16`) is computed in f32 and rounded once. Where a function of floats takes integers or bool, they
count as f32. A place that data gives (`take`, `gather`, classes) is checked at the call, which fails with an `IndexError`.

Derivatives are what the compiler makes of the definition, for one element: `r` is the result, `dr` its cotangent. Accuracy is in units of
the last place, at most; [accuracy.md](accuracy.md) has what was measured.
"""

SECTIONS = {
    "Element by element": """
        abs neg sign floor ceil round trunc exp exp2 expm1 log log2 log10 log1p sqrt rsqrt cbrt reciprocal square sin cos tan asin acos atan
        atan2 sinh cosh tanh asinh acosh atanh erf erfc lgamma sigmoid logit relu leaky_relu elu selu gelu silu mish softplus softsign
        hardtanh hardswish hardsigmoid add sub mul div floordiv remainder fmod pow maximum minimum hypot copysign clamp where lerp isnan
        isinf isfinite signbit logaddexp xlogy nan_to_num cast bitcast""",
    "Reductions": "sum prod mean var std min max amin amax argmin argmax any all logsumexp norm softmax log_softmax count_nonzero",
    "Scans": "cumsum cumprod cummax cummin logcumsumexp scan",
    "Making tensors": "zeros ones full eye arange linspace tril triu random_uniform random_normal",
    "Shapes": """
        reshape flatten squeeze unsqueeze transpose permute swapaxes broadcast_to expand concat stack split pad flip roll repeat tile take
        gather scatter_add scatter one_hot diagonal unfold""",
    "Linear algebra": "matmul dot einsum outer trace",
    "Layers": """
        linear layer_norm rms_norm batch_norm group_norm conv conv1d conv2d conv3d max_pool max_pool1d max_pool2d max_pool3d avg_pool
        avg_pool1d avg_pool2d avg_pool3d embedding dropout scaled_dot_product_attention""",
    "Losses": "cross_entropy nll_loss mse_loss l1_loss huber_loss bce_with_logits kl_div cosine_similarity",
    "Order": "sort argsort topk",
    "Derivatives and batches": "grad value_and_grad vjp jvp hvp jacrev jacfwd hessian vmap stop_gradient detach",
}


def page() -> str:
    """The whole page. KeyError where a function is in no section, or a name in one is no function."""
    listed = [name for names in SECTIONS.values() for name in names.split()]
    wrong = set(listed) ^ library_names()
    if wrong:
        raise KeyError(f"in a section or in the library alone: {', '.join(sorted(wrong))}")
    parts = [INTRODUCTION]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [entry(name, facts(name) if title == "Element by element" else []) for name in names.split()]
    return "\n".join(parts)


def facts(name: str) -> list[str]:
    """What the tables and the compiler itself say of a scalar function: its dtypes, how accurate it is, and its derivative."""
    found = library(name)
    assert found is not None
    row = OPERATIONS.get(name)
    lines = []
    if row is not None:
        lines.append(f"dtypes: {', '.join(t.name for t in DTYPES.values() if row.takes(t))}")
        lines.append(f"accuracy: {f'within {row.accuracy} ulp' if row.accuracy else 'exact, or rounded once'}")
    if isinstance(found, Builtin):
        parameters = [n for n, default in found.parameters if default is MISSING]
    else:
        declared = found.function.parameters
        parameters = [q.name for q in declared if q.default is None and not isinstance(q.type, tree.StaticType)]
    if name in ("cast", "bitcast", "where", "clamp", "isnan", "isinf", "isfinite", "signbit") or len(parameters) > 3:
        return lines
    return lines + [f"derivative by {q}: {text}" for q, text in zip(parameters, derivatives(name, parameters), strict=False)]


def derivatives(name: str, parameters: list[str]) -> list[str]:
    """The cotangent of each argument, where `r` is the result and `dr` its cotangent; none where it takes several lines."""
    given = ", ".join(f"{q}: f64" for q in parameters)
    unit = load_unit(Source("library.tx", f"fn f({given}) = {name}({', '.join(parameters)})"))
    program = instantiate(unit, "f", [ArgumentType(f64, 0) for _ in parameters]).program
    backward = pullback(program, program.inputs)
    lets = dict(re.findall(r"let (\w+) = (.*)", show(backward)))
    results = re.search(r"return (.*)", show(backward))
    assert results is not None
    value, *wanted = results[1].split(", ")
    if set(lets) - {value, *wanted}:
        return []
    renamed = [re.sub(r"\bdy\b", "dr", lets.get(w, w)) for w in wanted]
    return [re.sub(r"cast\(0\.0, f64\)", "0.0", re.sub(rf"\b{value}\b", "r", text) if value in lets else text) for text in renamed]


def entry(name: str, more: list[str]) -> str:
    """A function's heading, signature and documentation, with what more is known of it."""
    found = library(name)
    assert found is not None
    if isinstance(found, Builtin):
        signature, doc = _signature(found), inspect.cleandoc(found.call.__doc__ or "")
    else:
        signature = " ".join(found.function.head.text.removeprefix("fn ").split()).replace("( ", "(").replace(", )", ")")
        doc = found.function.doc
    if not doc:
        raise ValueError(f"`{name}` has no documentation")
    paragraphs = [textwrap.wrap(" ".join(part.split()), WIDTH) for part in (signature, *doc.split("\n\n"))]
    text = "\n\n".join("\n    ".join(lines) if n == 0 else "\n".join(lines) for n, lines in enumerate(paragraphs))
    text += "".join("\n" + ("\n" if n == 0 else "") + "\n    ".join(textwrap.wrap(line, WIDTH)) for n, line in enumerate(more))
    return f"### {name}\n\n```text\n{text}\n```\n"


def _signature(builtin: Builtin) -> str:
    shown = [n if default is MISSING else f"{n}={_literal(default)}" for n, default in builtin.parameters]
    if builtin.variadic:
        shown[-1] += "..."
    return f"{builtin.name}({', '.join(shown)})"


def _literal(value: object) -> str:
    if isinstance(value, Array):
        value = static_constant(value)
    return {None: "none", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
