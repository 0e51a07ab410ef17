"""Rows for functions that make, shape, join and gather tensors, and for products of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from library.judge import ALL, FLOATS, INTEGERS, UNSIGNED, Case, Given

from tensorc.dtypes import DTYPES, DType, bool_, f32, f64, i32, i64

X34, X43, X5, X0, ONE, X235 = Given((3, 4)), Given((4, 3)), Given((5,)), Given((0, 3)), Given(()), Given((2, 3, 5))


def of(name: str, text: str, function: Callable[..., Any], *variants: Any, **rest: Any) -> Case:
    """A row; a variant is one argument or a tuple of them."""
    return Case(name, text, function, tuple(v if isinstance(v, tuple) else (v,) for v in variants), **rest)


def made(name: str, text: str, value: Any) -> Case:
    """Of no tensor: `value` is what PyTorch makes. The argument is there to give the dtype that the row is run with."""
    return Case(name, f"({text}, x)", lambda x: (torch.as_tensor(value), x), ((ONE,),), (f32,), fixed="it takes no tensor")


def ids(values: Any, dtype: DType = i64) -> Given:
    return Given(values=values, dtype=dtype)


TORCH = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64", "bool": "bool",
}  # fmt: skip

MAKING = [
    made("zeros", "zeros([2, 3])", torch.zeros(2, 3)),
    made("zeros", "zeros(3, i32)", torch.zeros(3, dtype=torch.int32)),
    made("zeros", "zeros(size=[0, 3], dtype=bool)", torch.zeros(0, 3, dtype=torch.bool)),
    made("ones", "ones([], f64)", torch.ones((), dtype=torch.float64)),
    made("ones", "ones([3, 1], u8)", torch.ones(3, 1, dtype=torch.uint8)),
    made("full", "full([2, 2], 7)", torch.full((2, 2), 7)),
    made("full", "full([2], 0.5)", torch.full((2,), 0.5)),
    made("full", "full([2], fill_value=1.5, dtype=f64)", torch.full((2,), 1.5, dtype=torch.float64)),
    made("full", "full(2, true)", torch.full((2,), True)),
    of("full", "full([2, 3], x)", lambda x: torch.full((2, 3), x.item(), dtype=x.dtype), ONE),
    *(
        made(name, text.format(d), function(getattr(torch, t)))
        for d, t in TORCH.items()
        for name, text, function in (
            ("zeros", "zeros([2, 3], {})", lambda t: torch.zeros(2, 3, dtype=t)),
            ("ones", "ones([2, 3], {})", lambda t: torch.ones(2, 3, dtype=t)),
            ("full", "full([2, 3], 1, {})", lambda t: torch.full((2, 3), 1, dtype=t)),
            ("eye", "eye(3, 2, {})", lambda t: torch.eye(3, 2, dtype=torch.float64).to(t)),
            ("arange", "arange(0, 7, 3, {})", lambda t: torch.arange(0, 7, 3).to(t)),
            ("linspace", "linspace(0, 6, 3, {})", lambda t: torch.linspace(0, 6, 3).to(t)),
        )
        if not (d == "bool" and name in ("arange", "linspace"))
    ),
    made("eye", "eye(3)", torch.eye(3)),
    made("eye", "eye(2, 4, dtype=i64)", torch.eye(2, 4, dtype=torch.int64)),
    made("eye", "eye(4, 2, bool)", torch.eye(4, 2, dtype=torch.bool)),
    made("eye", "eye(0)", torch.eye(0)),
    made("arange", "arange(5)", torch.arange(5)),
    made("arange", "arange(2, 9, 3)", torch.arange(2, 9, 3)),
    made("arange", "arange(start=5, end=0, step=-2)", torch.arange(5, 0, -2)),
    made("arange", "arange(0, 1, 0.3)", torch.arange(0, 1, 0.3)),
    made("arange", "arange(0.0)", torch.arange(0.0)),
    made("arange", "arange(0, 4, dtype=f16)", torch.arange(0, 4, dtype=torch.float16)),
    made("arange", "arange(1.5, 4)", torch.arange(1.5, 4)),
    made("linspace", "linspace(0, 1, 5)", torch.linspace(0, 1, 5)),
    made("linspace", "linspace(2, -3.5, steps=4, dtype=f64)", torch.linspace(2, -3.5, 4, dtype=torch.float64)),
    made("linspace", "linspace(0, 5, 4, i64)", torch.linspace(0, 5, 4, dtype=torch.int64)),
    made("linspace", "linspace(0, 1, 1)", torch.linspace(0, 1, 1)),
    made("linspace", "linspace(0, 1, 0)", torch.linspace(0, 1, 0)),
    of("tril", "tril(x)", torch.tril, X34, X235, Given((0, 3)), Given(values=((float("nan"), float("inf")), (1, 2)), floats_only=True)),
    of("tril", "tril(x, -1)", lambda x: torch.tril(x, -1), X34, X43),
    of("triu", "triu(x)", torch.triu, X34, X235),
    of("triu", "x.triu(diagonal=2)", lambda x: torch.triu(x, 2), X34, X43),
]

SHAPES = [
    of("reshape", "reshape(x, [4, 3])", lambda x: x.reshape(4, 3), X34, X43),
    of("reshape", "x.reshape(2, -1)", lambda x: x.reshape(2, -1), X34, X235),
    of("reshape", "reshape(x, -1)", lambda x: x.reshape(-1), X34, ONE),
    of("reshape", "reshape(x, [])", lambda x: x.reshape(()), Given((1, 1))),
    of("reshape", "reshape(x, [3, 0])", lambda x: x.reshape(3, 0), X0),
    of("flatten", "flatten(x)", torch.flatten, X235, ONE, X0),
    of("flatten", "flatten(x, 1)", lambda x: torch.flatten(x, 1), X235, X34),
    of("flatten", "flatten(x, start_dim=0, end_dim=-2)", lambda x: torch.flatten(x, 0, -2), X235),
    of("squeeze", "squeeze(x)", torch.squeeze, Given((1, 3, 1)), X34, ONE),
    of("squeeze", "squeeze(x, -1)", lambda x: torch.squeeze(x, -1), Given((1, 3, 1))),
    of("squeeze", "squeeze(x, (0, 2))", lambda x: torch.squeeze(x, (0, 2)), Given((1, 3, 1))),
    of("unsqueeze", "unsqueeze(x, 0)", lambda x: torch.unsqueeze(x, 0), X34, ONE),
    of("unsqueeze", "x.unsqueeze(-1)", lambda x: torch.unsqueeze(x, -1), X34, X0),
    of("transpose", "transpose(x, 0, 1)", lambda x: torch.transpose(x, 0, 1), X34, X235),
    of("transpose", "transpose(x, dim0=-1, dim1=0)", lambda x: torch.transpose(x, -1, 0), X235),
    of("swapaxes", "swapaxes(x, 0, -1)", lambda x: torch.swapaxes(x, 0, -1), X34, X235),
    of("permute", "permute(x, 2, 0, 1)", lambda x: x.permute(2, 0, 1), X235),
    of("permute", "x.permute((1, -1, 0))", lambda x: x.permute(1, -1, 0), X235),
    of("broadcast_to", "broadcast_to(x, [2, 3, 4])", lambda x: torch.broadcast_to(x, (2, 3, 4)), Given((1, 1)), Given((1,)), ONE),
    of("broadcast_to", "x.broadcast_to(2, x.shape[0], 4)", lambda x: torch.broadcast_to(x, (2, x.shape[0], 4)), Given((3, 1))),
    of("expand", "expand(x, [2, -1, 4])", lambda x: x.expand(2, -1, 4), Given((3, 1))),
    of("expand", "x.expand(2, -1, -1)", lambda x: x.expand(2, -1, -1), X34),
    of("concat", "concat([x, y])", lambda x, y: torch.concat([x, y]), (X34, Given((2, 4))), (X34, Given((0, 4)))),
    of("concat", "concat((x, y, x), dim=-1)", lambda x, y: torch.concat([x, y, x], -1), (X34, Given((3, 1)))),
    of("concat", "concat([x, y])", lambda x, y: torch.concat([x, y]), (X34, Given((2, 4), dtype=f64)), (X5, Given((2,), dtype=bool_))),
    of("stack", "stack([x, y])", lambda x, y: torch.stack([x, y]), (X34, X34), (ONE, ONE)),
    of("stack", "stack([x, y, x], axis=-1)", lambda x, y: torch.stack([x, y, x], -1), (X34, X34)),
    of("split", "split(x, 2)", lambda x: torch.chunk(x, 2), Given((4, 3))),
    of("split", "split(x, n=2, axis=-1)", lambda x: torch.chunk(x, 2, -1), X34),
    of("split", "split(x, [1, 3], 1)", lambda x: torch.split(x, [1, 3], 1), X34),
    of("pad", "pad(x, [[0, 0], [1, 2]])", lambda x: F.pad(x, (1, 2)), X34),
    of("pad", "pad(x, [[2, 0], [0, 1]], value=1)", lambda x: F.pad(x, (0, 1, 2, 0), value=1), X34, X0, dtypes=ALL[:-1]),
    of("pad", "pad(x, ((-1, 0), (2, -1)))", lambda x: F.pad(x, (2, -1, -1, 0)), X34),
    of("pad", "pad(x, 2)", lambda x: F.pad(x, (2, 2)), X5),
    of("flip", "flip(x, 0)", lambda x: torch.flip(x, (0,)), X34),
    of("flip", "flip(x, (0, -1))", lambda x: torch.flip(x, (0, -1)), X34),
    of("flip", "flip(x)", lambda x: torch.flip(x, tuple(range(x.ndim))), X34, ONE, X0),
    of("roll", "roll(x, 1)", lambda x: torch.roll(x, 1), X34, X5),
    of("roll", "roll(x, shifts=-2, dims=1)", lambda x: torch.roll(x, -2, 1), X34, X0),
    of("roll", "roll(x, [1, -7], (0, 1))", lambda x: torch.roll(x, (1, -7), (0, 1)), X34),
    of("repeat", "repeat(x, 2)", lambda x: torch.repeat_interleave(x, 2), X34, ONE),
    of("repeat", "repeat(x, 3, axis=-1)", lambda x: torch.repeat_interleave(x, 3, -1), X34, X0),
    of("tile", "tile(x, [2, 3])", lambda x: torch.tile(x, (2, 3)), X34, X5, ONE),
    of("tile", "x.tile(2)", lambda x: torch.tile(x, (2,)), X34, X5),
]

PLACES = ids(((0, 2, 1), (1, 1, 0)))

GATHERS = [
    of("take", "take(x, y, axis=0)", lambda x, y: x[y], (X34, ids((0, 2, -1))), (X34, ids(1)), (X34, PLACES)),
    of("take", "take(x, [0, -1], 1)", lambda x: x[:, [0, -1]], X34),
    of("take", "take(x, y)", torch.take, (X34, ids((0, 11, -1))), (X5, ids(3))),
    of("take", "take(x, y, -1)", lambda x, y: x[..., y.long()], (X34, ids((0, 2), i32)), (Given((3, 4)), ids((), i64))),
    of("gather", "gather(x, 0, y)", lambda x, y: torch.gather(x, 0, y), (Given((3, 4)), PLACES), (X34, Given((0, 4), dtype=i64))),
    of("gather", "gather(x, dim=-1, index=y)", lambda x, y: torch.gather(x, -1, y), (Given((3, 4)), PLACES)),
    of("gather", "gather(x, 0, y)", lambda x, y: torch.gather(x, 0, y), (Given((3, 4)), ids(((0, 3),))), refused=True),
    of("gather", "gather(x, 0, y)", lambda x, y: torch.gather(x, 0, y), (Given((3, 4)), ids(((0, -1),))), refused=True),
    of(
        "scatter_add",
        "scatter_add(x, 0, y, z)",
        lambda x, y, z: torch.scatter_add(x, 0, y, z),
        (Given((3, 4)), PLACES, Given((2, 3))),
        (Given((3, 4)), PLACES, Given((4, 5))),
    ),
    of(
        "scatter_add",
        "scatter_add(x, axis=1, index=y, src=z)",
        lambda x, y, z: torch.scatter_add(x, 1, y, z),
        (Given((2, 3)), ids(((0, 0, 0), (2, 2, 1))), Given((2, 3))),
    ),
    of(
        "one_hot",
        "one_hot(x, 4)",
        lambda x: F.one_hot(x, 4),
        Given((3,), 0, 3),
        Given((2, 3), 0, 3),
        Given((), 0, 3),
        Given((0,)),
        dtypes=(i64,),
    ),
    of(
        "scatter",
        "scatter([4], none, x, y)",
        lambda x, y: torch.zeros(4, dtype=x.dtype).scatter_add(0, y, x),
        (Given((3,)), ids((3, 0, 3))),
        fixed="there are three places",
    ),
    of(
        "scatter",
        "scatter([4, 2], ones([4, 2]), x, y, z)",
        lambda x, y, z: torch.ones(4, 2).index_put((y, z), x, accumulate=True),
        (Given((3,)), ids((3, 0, 3)), ids((1, 1, 1))),
        dtypes=(f32,),
    ),
    of("one_hot", "one_hot(x, 4)", lambda x: F.one_hot(x, 4), Given((3,), 0, 3), dtypes=(*FLOATS, bool_), refused=True),
    of("one_hot", "one_hot(x, num_classes=3)", lambda x: F.one_hot(x.long(), 3), Given((3,), 0, 2), dtypes=(*INTEGERS, *UNSIGNED)),
    of("one_hot", "one_hot(x, 3)", lambda x: F.one_hot(x, 3), Given(values=(0, 3)), dtypes=(i64,), refused=True),
    of("diagonal", "diagonal(x)", torch.diagonal, Given((3, 3)), Given((3, 3, 4))),
    of("diagonal", "diagonal(x, offset=1)", lambda x: torch.diagonal(x, 1), Given((3, 3)), Given((4, 4))),
    of("diagonal", "diagonal(x, -1, dim1=-2, dim2=-1)", lambda x: torch.diagonal(x, -1, -2, -1), Given((2, 3, 3))),
    of("unfold", "unfold(x, 0, 2, 1)", lambda x: x.unfold(0, 2, 1), X5, X34),
    of("unfold", "x.unfold(dimension=-1, size=3, step=2)", lambda x: x.unfold(-1, 3, 2), X235),
    of(
        "embedding",
        "embedding(y, x)",
        lambda x, y: F.embedding(y, x),
        (X34, ids((0, 2, 1))),
        (X34, PLACES),
        (X34, ids(1)),
        (X34, Given((0,), dtype=i64)),
    ),
    of("embedding", "embedding(y, x, padding_idx=-1)", lambda x, y: F.embedding(y, x, padding_idx=-1), (X34, ids((0, 2, 1)))),
    of("embedding", "embedding(y, x, 0)", lambda x, y: F.embedding(y, x, 0), (X34, PLACES)),
    of("embedding", "embedding(ids=y, weight=x)", lambda x, y: F.embedding(y.long(), x), (X34, ids((0, 2), DTYPES["u8"]))),
    of("embedding", "embedding(y, x)", lambda x, y: F.embedding(y, x), (X34, ids((0, 3))), refused=True),
    of("embedding", "embedding(y, x)", lambda x, y: F.embedding(y, x), (X34, ids((0, -1))), refused=True),
]

CANCELS: dict[str, Any] = {"slack": 4}

PRODUCTS = [
    of(
        "matmul",
        "matmul(x, y)",
        torch.matmul,
        (X34, X43),
        (X34, Given((4,))),
        (Given((3,)), X34),
        (X5, X5),
        (Given((2, 3, 4)), X43),
        **CANCELS,
    ),
    of("matmul", "x @ y", torch.matmul, (Given((2, 1, 3, 4)), Given((5, 4, 2))), (ONE, X34), **CANCELS),
    of("matmul", "x @ y", torch.matmul, (Given((3, 0)), Given((0, 4))), (X0, X34), dtypes=ALL[:-1]),
    of("dot", "dot(x, y)", torch.dot, (X5, X5), (Given((0,)), Given((0,))), (X34, X43), **CANCELS),
    of("outer", "outer(x, y)", torch.outer, (X5, Given((3,))), (X5, Given((0,)))),
    of("outer", "outer(x, y)", torch.outer, (X5, Given((3,), dtype=f64))),
    of("trace", "trace(x)", torch.trace, Given((3, 3)), Given((4, 4)), **CANCELS),
    of("einsum", 'einsum("ij,jk->ik", x, y)', lambda x, y: torch.einsum("ij,jk->ik", x, y), (X34, X43), **CANCELS),
    of("einsum", 'einsum("bij,bkj->bik", x, y)', lambda x, y: torch.einsum("bij,bkj->bik", x, y), (X235, Given((2, 4, 5))), **CANCELS),
    of("einsum", 'einsum("ij,jk", x, y)', lambda x, y: torch.einsum("ij,jk", x, y), (X34, X43), **CANCELS),
    of(
        "einsum",
        'einsum("...i,...i->...", x, y)',
        lambda x, y: torch.einsum("...i,...i->...", x, y),
        (X34, X34),
        (X235, Given((3, 5))),
        **CANCELS,
    ),
    of("einsum", 'einsum("ii->i", x)', lambda x: torch.einsum("ii->i", x), Given((3, 3)), dtypes=ALL[:-1]),
    of("einsum", 'einsum("ij->", x)', lambda x: torch.einsum("ij->", x), X34, dtypes=(f32, f64, i64), **CANCELS),
    of(
        "einsum",
        'einsum("a,b,c->abc", x, y, z)',
        lambda x, y, z: torch.einsum("a,b,c->abc", x, y, z),
        (Given((2,)), Given((3,)), Given((4,))),
        dtypes=(f64, f32, i64),
    ),
]

CASES = [*MAKING, *SHAPES, *GATHERS, *PRODUCTS]
