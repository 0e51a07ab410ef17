"""Writes docs/library.md: the functions of the built-in library with their signatures, formulas, dtypes, derivatives and accuracy.

All is made from the library's sources, from what the compiler makes of them, and from the tables of tests/library, whose first row for a
function is its example here. Run `python docs/library.py` after a change of the library; a test holds the page to what this makes.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tensorc.diagnostics import CompileError
from tensorc.dtypes import DTYPES, DType, f64
from tensorc.elaborate import ArgumentType, instantiate, load_unit
from tensorc.elaborate.library import library, library_names
from tensorc.elaborate.values import MISSING, Array, Builtin, static_constant
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.program import Program
from tensorc.ir.text import show
from tensorc.source import Source
from tensorc.syntax import tree
from tensorc.transform.programs import float_inputs, float_results, pullback

HERE = Path(__file__).resolve().parent

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

*Dtypes* are those that the example (or, without one, the function itself) takes, with the dtype of its result. *Derivatives* are what the
compiler makes of the definition: of one element, with the result `r` and its cotangent `dr`, or the example's, as a program that ends
with the result and the cotangents of its arguments (`dy` is that of the result); longer ones are left out, and `tensorc grad` prints
them. *Accuracy* is in units in the last place (ulp): what the table of operations promises, what [accuracy.md](accuracy.md) measured of
f32 and f64, or how near to PyTorch's result the tests want it to be.
"""

LINES = 8
"""Longer derivatives are left out."""

EXACT = ("Making tensors", "Shapes", "Order")
"""Sections whose functions only move numbers, or make exact ones; those in ROUNDED round."""

ROUNDED = ("linspace", "scatter_add", "scatter", "random_uniform", "random_normal")

SECTIONS = {
    "Element by element": """
        abs neg sign floor ceil round trunc exp exp2 expm1 log log2 log10 log1p sqrt rsqrt cbrt reciprocal square sin cos tan asin acos atan
        atan2 sinh cosh tanh asinh acosh atanh erf erfc erfinv lgamma sigmoid logit relu leaky_relu elu selu gelu silu mish softplus
        softsign hardtanh hardswish hardsigmoid add sub mul div floordiv remainder fmod pow maximum minimum hypot copysign clamp where lerp
        isnan isinf isfinite signbit logaddexp xlogy nan_to_num cast bitcast""",
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
        parts += [entry(name, [] if title == "Derivatives and batches" else facts(name, title)) for name in names.split()]
    return "\n".join(parts)


def facts(name: str, section: str) -> list[str]:
    """What the tables and the compiler itself say of a function: an example, its dtypes, its derivative, and how accurate it is."""
    row = OPERATIONS.get(name)
    case = example(name)
    lines = []
    if case is not None:
        lines.append(f"example: fn f({parameters(case, case.dtypes[0])[0]}) = {case.text}")
        lines.append(f"dtypes: {dtypes(case)}")
    elif section == "Making tensors":
        lines.append("dtypes: that of `dtype`" + (", a float" if name.startswith("random") else ""))
    else:
        lines.append("dtypes: f16, bf16, f32, f64")
    lines += derivative(name, case)
    lines.append(f"accuracy: {accuracy(name, section, row, case)}")
    return lines


@cache
def _cases() -> dict[str, Any]:
    """The first row of each function in the tables of the tests."""
    before = list(sys.path)
    sys.path[:] = [str(HERE.parent / "tests"), *(p for p in before if Path(p).resolve() != HERE)]  # there, `library` is this file
    try:
        from library import elementwise, neural, reductions, structure
    finally:
        sys.path[:] = before
    found: dict[str, Any] = {}
    for case in (*elementwise.CASES, *reductions.CASES, *structure.CASES, *neural.CASES):
        if not case.refused:
            found.setdefault(case.name, case)
    return found


def example(name: str) -> Any:
    """The row that stands for a function; None where it takes no tensor."""
    case = _cases().get(name)
    return None if case is None or case.fixed == "it takes no tensor" else case


def parameters(case: Any, dtype: DType) -> tuple[str, list[ArgumentType]]:
    """(the declaration of an example's arguments, their types); equal sizes are one dim."""
    declared, types = [], []
    letters: dict[int, str] = {1: "1"}
    for name, given in zip("xyzw", case.variants[0], strict=False):
        own = given.dtype or dtype
        shape = given.make(own, np.random.default_rng(0)).shape
        dims = [letters.setdefault(e, "NMKLHWO"[len(letters) - 1]) for e in shape]
        declared.append(f"{name}: {own}[{', '.join(dims)}]")
        types.append(ArgumentType(own, len(shape), frozenset(n for n, e in enumerate(shape) if e == 1)))
    return ", ".join(declared), types


def instance(case: Any, dtype: DType) -> Program:
    """The example as a program. CompileError where it does not take the dtype."""
    declared, types = parameters(case, dtype)
    return instantiate(load_unit(Source("library.tx", f"fn f({declared}) = {case.text}")), "f", types).program


def dtypes(case: Any) -> str:
    """The dtypes that an example takes, and those of its first result."""
    groups: dict[str, list[str]] = {}
    for name, dtype in DTYPES.items():
        if dtype not in case.dtypes:
            continue
        try:
            result = str(instance(case, dtype).results[0].dtype)
        except CompileError:
            continue
        groups.setdefault("the same" if result == name else result, []).append(name)
    return "; ".join(f"{', '.join(names)} -> {result}" for result, names in groups.items())


def derivative(name: str, case: Any) -> list[str]:
    """Of a scalar function a line for each argument; of another one the program of its example."""
    found = library(name)
    assert found is not None
    if isinstance(found, Builtin):
        required = [n for n, default in found.parameters if default is MISSING]
    else:
        declared = found.function.parameters
        required = [q.name for q in declared if q.default is None and not isinstance(q.type, tree.StaticType)]
    if name == "dropout":
        return ["derivative: dr / (1 - p) where an element is kept, else 0"]
    if case is None or f64 not in case.dtypes:
        return ["derivative: none"]
    program = instance(case, f64)
    wrt = float_inputs(program)
    if not wrt or not float_results(program) or name in ("isnan", "isinf", "isfinite", "signbit", "bitcast"):
        return ["derivative: none, the result has no floats"]
    if name in SECTIONS["Element by element"].split() and name not in ("cast", "where", "clamp") and len(required) <= 3:
        lines = [f"derivative by {q}: {text}" for q, text in zip(required, derivatives(name, required), strict=False)]
        if lines:
            return lines
    back = list(_lines(pullback(program, wrt)))
    return ["derivative:", *(f"    {line}" for line in back)] if len(back) <= LINES else [f"derivative: {len(back)} definitions"]


def _lines(program: Program) -> Iterator[str]:
    """The definitions and the results of a program, without its head."""
    for line in show(program).splitlines()[1:-1]:
        yield line.strip()


def accuracy(name: str, section: str, row: Any, case: Any) -> str:
    """What is promised, measured or tested."""
    if row is not None:
        promised = f"within {row.accuracy} ulp" if row.accuracy else "exact, or rounded once"
        return promised + (f"; measured {measured()[name]}" if name in measured() else "")
    if name in measured():
        return f"measured {measured()[name]}"
    if name.startswith("random"):
        return "the same bits everywhere"
    if name == "dropout" or (section in EXACT and name not in ROUNDED):
        return "exact" if name != "dropout" else "rounded once"
    if case is None:
        return "exact, or rounded once"
    rest = "" if not case.slack else f", or {max(case.slack, 1):g} ulp of the greatest number in it"
    return f"tested to be within {case.ulps:g} ulp of PyTorch's result{rest}; half floats within 1 ulp of the exact one"


@cache
def measured() -> dict[str, str]:
    """The largest errors in the tables of accuracy.md: `1.18 ulp (f32), 1.03 (f64)`."""
    found: dict[str, dict[str, str]] = {}
    dtype = ""
    for line in (HERE / "accuracy.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            dtype = line[3:].removeprefix("Samples of ")
        match = re.match(r"\| `(\w+)` \| ([\d.]+) \|", line)
        if match and dtype in ("f32", "f64"):
            found.setdefault(match[1], {})[dtype] = match[2]
    return {name: " and ".join(f"{e} ulp in {d}" for d, e in errors.items()) for name, errors in found.items()}


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
        signature = " ".join(found.function.head.text.removeprefix("fn ").split()).replace("( ", "(").replace(", )", ")").replace(" )", ")")
        doc = found.function.doc
    if not doc:
        raise ValueError(f"`{name}` has no documentation")
    paragraphs = [textwrap.wrap(" ".join(part.split()), WIDTH) for part in (signature, *doc.split("\n\n"))]
    text = "\n\n".join("\n    ".join(lines) if n == 0 else "\n".join(lines) for n, lines in enumerate(paragraphs))
    text += "".join("\n" + ("\n" if n == 0 else "") + _wrapped(line) for n, line in enumerate(more))
    return f"### {name}\n\n```text\n{text}\n```\n"


def _wrapped(line: str) -> str:
    """A line of facts; what belongs to the one above keeps its place."""
    return line if line.startswith("    ") else "\n    ".join(textwrap.wrap(line, WIDTH))


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
