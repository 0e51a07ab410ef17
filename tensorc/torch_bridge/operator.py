"""The operator `tensorc::run`, by which torch.compile, export, FakeTensor and make_fx see a program: its text is an argument."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tensorc.algebra import Poly, Size, evaluate
from tensorc.api.primitive import Primitive as Primitive
from tensorc.api.primitive import primitive_of as primitive_of
from tensorc.api.specs import spec
from tensorc.elaborate import library_names
from tensorc.elaborate.reading import read
from tensorc.errors import ShapeError
from tensorc.ir.program import BoundsCheck, Program
from tensorc.ir.text import show
from tensorc.source import Source
from tensorc.torch_bridge.memory import TORCH_OF, execute
from tensorc.torch_bridge.saving import cotangents, save

# Programs as text.

_CHECK = re.compile(r"# check (\d+) of (.*): axis (\d+), (.*)")

_lock = threading.Lock()
_by_text: dict[str, Primitive] = {}


def text_of(primitive: Primitive) -> str:
    """The program as an argument of the operator, from which any process makes the same program again."""
    found = vars(primitive).get("_text")
    if found is None:
        p = primitive.program
        name = f"{p.name}_" if p.name in library_names() else p.name  # a function of the library's name would call itself
        whole = Program(name, p.inputs, p.outputs, p.conditions, (), p.names, p.spans)
        places = range(len(p.results), len(p.outputs))
        checks = [f"# check {n} of i64[{c.extent}]: axis {c.axis}, {c.subject}\n" for n, c in zip(places, p.checks, strict=True)]
        found = "".join(checks) + show(whole)
        with _lock:
            _by_text.setdefault(found, primitive)
        vars(primitive)["_text"] = found
    return found


def primitive_of_text(text: str) -> Primitive:
    """The program of a text."""
    with _lock:
        found = _by_text.get(text)
    if found is None:
        whole = read(Source("<program>", text))
        checks = [_check(whole, *match.groups()) for match in _CHECK.finditer(text)]
        count = len(whole.results) - len(checks)
        name = whole.name.removesuffix("_") if whole.name.removesuffix("_") in library_names() else whole.name
        program = Program(name, whole.inputs, whole.results[:count], whole.conditions, tuple(checks), whole.names)
        with _lock:
            found = _by_text.setdefault(text, Primitive(program))
    return found


def _check(whole: Program, place: str, extent: str, axis: str, subject: str) -> BoundsCheck:
    return BoundsCheck(whole.results[int(place)], spec(extent).extents[0], subject, int(axis))


# The operator.


@torch.library.custom_op("tensorc::run", mutates_args=(), schema="(str program, Tensor[] inputs) -> Tensor[]")
def run(program: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The results of a program."""
    return execute(primitive_of_text(program), inputs)


@run.register_fake
def _(program: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    primitive = primitive_of_text(program)
    shapes = result_shapes(primitive, [tuple(t.shape) for t in inputs])
    like = inputs[0] if inputs else torch.empty(())
    return [like.new_empty(s, dtype=TORCH_OF[r.dtype]) for s, r in zip(shapes, primitive.program.results, strict=True)]


def result_shapes(primitive: Primitive, shapes: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The shapes of the results, of ints or of symbols, which then must meet the program's conditions. ShapeError where ints do not."""
    program = primitive.program
    if all(type(e) is int for s in shapes for e in s):
        return [tuple(s) for s in primitive.shapes(tuple(shapes))]
    sizes: dict[str, Any] = {}
    rest: list[tuple[Any, Poly]] = []
    for tensor, shape in zip(program.inputs, shapes, strict=True):
        for extent, found in zip(tensor.extents, shape, strict=True):
            if isinstance(extent.atom, Size) and extent.atom.name not in sizes:
                sizes[extent.atom.name] = found
            else:
                rest.append((found, extent))
    for found, extent in rest:
        _require(found == value(extent, sizes), f"{program.name}: an axis has {found}, but must have {extent}")
    for c in program.conditions:
        v = value(c.value, sizes)
        _require(v == 0 if c.relation == "==" else v >= 0, f"{program.name}: {c.message}")
    return [tuple(value(e, sizes) for e in r.extents) for r in program.results]


def _require(condition: Any, message: str) -> None:
    if condition is False:
        raise ShapeError(message)
    if condition is not True:
        torch._check(condition, lambda: message)  # type: ignore[no-untyped-call]


def value(p: Poly, sizes: Mapping[str, Any]) -> Any:
    """A polynomial for sizes of which some are symbols."""
    return evaluate(p, sizes)


# Derivatives.


def _setup(ctx: Any, inputs: Any, output: Sequence[Tensor]) -> None:
    program, tensors = inputs
    ctx.program = program
    save(ctx, primitive_of_text(program), tuple([t.requires_grad for t in tensors]), tensors, output)


def _backward(ctx: Any, given: Sequence[Tensor | None]) -> tuple[None, list[Tensor | None]]:
    primitive = primitive_of_text(ctx.program)
    found = cotangents(ctx, primitive, ctx.kept.wanted, given, lambda p, inputs: torch.ops.tensorc.run(text_of(p), inputs))
    return None, [found.get(n) for n in range(len(primitive.program.inputs))]


run.register_autograd(_backward, setup_context=_setup)


@run.register_vmap
def _(info: Any, in_dims: Any, program: str, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    batched, moved = in_front(in_dims[1], inputs)
    derived = primitive_of_text(program).vmap(batched)
    results = torch.ops.tensorc.run(text_of(derived), moved)
    return results, [0] * len(results)


def in_front(dims: Sequence[int | None], inputs: Sequence[Tensor]) -> tuple[tuple[int, ...], list[Tensor]]:
    """Which inputs are batched, and all of them with the batch on their first axis."""
    batched = tuple(n for n, d in enumerate(dims) if d is not None)
    return batched, [t if d is None else t.movedim(d, 0) for t, d in zip(inputs, dims, strict=True)]
