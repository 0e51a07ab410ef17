"""Every function against PyTorch, by the oracle and compiled alike: each row of the tables, each dtype, each kind of array."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from guarded import guarded
from library import elementwise, neural, reasons, reductions, structure
from library.judge import ALL, UNSIGNED, Array, Case, by_torch, difference, parameters, wide, wrong_zeros
from library.variants import Variant, given, strided, variants

import tensorc as tc
from tensorc.dtypes import DType, f32
from tensorc.elaborate import library_names

CASES = [*elementwise.CASES, *reductions.CASES, *structure.CASES, *neural.CASES]

Found = list[Array] | Exception
"""Results, or how arguments were refused."""


def refusable(call: Callable[[], Any]) -> Found:
    """What a call gives; a refusal as itself. Whatever else it raises is a mistake of ours."""
    try:
        found = call()
    except (tc.CompileError, ValueError, IndexError) as refusal:
        return refusal
    return list(found) if isinstance(found, tuple) else [found]


def judged(function: Callable[..., Any], arrays: list[Array]) -> Found:
    """What PyTorch says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return by_torch(function, arrays)
        except (RuntimeError, TypeError, NotImplementedError, IndexError, ValueError, ZeroDivisionError, AssertionError) as refusal:
            return refusal


class Row:
    """A row for one dtype: a program for each pattern of ranks, which every size and stride shares."""

    def __init__(self, case: Case, dtype: DType) -> None:
        self.case, self.dtype = case, dtype
        self.programs: dict[str, Any] = {}
        self.more = reasons.found(reasons.TAKES_MORE, case.name, case.text).get(str(dtype))
        self.less = reasons.found(reasons.TAKES_LESS, case.name, case.text).get(str(dtype))
        self.refuses = False  # whether PyTorch takes none of the row's own arguments of this dtype
        self.compared = 0

    def program(self, arrays: list[Array]) -> Any:
        declared = parameters(arrays)
        if declared not in self.programs:
            self.programs[declared] = refusable(lambda: tc.compile(f"fn f({declared}) = {self.case.text}").f)
        found = self.programs[declared]
        return found if isinstance(found, Exception) else found[0]

    def results(self, arrays: list[Array]) -> dict[str, Found]:
        """By the oracle, and by compiled code, whose arguments stand next to memory that nobody may touch."""
        f = self.program(arrays)
        if isinstance(f, Exception):
            return {"oracle": f, "compiled": f}
        beside = [guarded(a) for a in arrays]
        return {"oracle": refusable(lambda: f.reference(*arrays)), "compiled": refusable(lambda: f(*beside))}

    def check(self, variant: Variant, with_strides: bool) -> None:
        case, dtype, arrays = self.case, self.dtype, variant.arrays
        where = f"{case.text} of {', '.join(f'{a.dtype}{list(a.shape)}' for a in arrays)}"
        expected = judged(case.torch, arrays)
        found = self.results(arrays)
        differs = any((k, variant.kind) in reasons.DIFFERENT for k in (case.name, case.text))
        if isinstance(expected, Exception) or self.refuses or self.less or differs:
            if self.more or differs or (dtype in UNSIGNED and not self.less):
                same(found["oracle"], found["compiled"], where)
                self.compared += not isinstance(found["oracle"], Exception)
                return
            for how, result in found.items():
                assert isinstance(result, Exception), f"{where}: {how} gives {result}, PyTorch refuses: {expected}"
            return
        exact: Any = judged(case.torch, wide(arrays)) if dtype.is_half or dtype is f32 else None
        if isinstance(exact, Exception) or exact is None:
            exact = [None] * len(expected)
        f = self.program(arrays)
        if with_strides and not isinstance(f, Exception):
            found |= {how: refusable(lambda others=others: f(*others)) for how, others in strided(arrays)}
        for how, result in found.items():
            assert not isinstance(result, Exception), f"{where}: {how}: {result}"
            assert len(result) == len(expected), where
            for ours, theirs, better in zip(result, expected, exact, strict=True):
                slack = case.slack * (32 if variant.kind == "larger" else 1)  # sums of more terms, in other orders
                wrong = difference(ours, theirs, case.ulps, slack, better)
                assert wrong is None, f"{where}, {variant.kind}, {how}: {wrong}"
                assert not (case.zeros and dtype.is_float and wrong_zeros(ours, theirs)), f"{where}: {ours} {theirs}"
        self.compared += 1


def same(ours: Found, theirs: Found, where: str) -> None:
    """That the oracle and compiled code do the same, where there is no other judge."""
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        assert type(ours) is type(theirs), f"{where}: {ours!r} {theirs!r}"
        return
    for a, b in zip(ours, theirs, strict=True):
        if a.dtype.kind in "fV":
            b = np.where(np.isnan(a), a, b)  # compiled code may skip what a guard makes 0, and NaN with it
        wrong = difference(b, a, 8, 8)
        assert wrong is None, f"{where}: {wrong}"


def generator(case: Case, dtype: DType) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{case.text} {dtype}".encode()))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}: {c.text}")
def test_against_pytorch(case: Case) -> None:
    for dtype in case.dtypes:
        row = Row(case, dtype)
        own = [[g.make(dtype, generator(case, dtype)) for g in v] for v in given(case, dtype)]
        row.refuses = all(isinstance(judged(case.torch, arrays), Exception) for arrays in own)
        with np.errstate(all="ignore"):
            for n, variant in enumerate(variants(case, dtype, generator(case, dtype))):
                row.check(variant, with_strides=n == 0)
        assert row.compared or case.refused or dtype not in (case.dtypes[0], f32), "neither takes this row"


def covered(name: str) -> tuple[set[str], set[str]]:
    """(the kinds of arrays, the dtypes) that a function's rows run with."""
    kinds: set[str] = set()
    dtypes: set[str] = set()
    for case in CASES:
        if case.name != name:
            continue
        dtypes |= {str(d) for d in case.dtypes} | {str(d) for d in ALL if f" {d})" in case.text}
        dtype = case.dtypes[0]
        for variant in variants(case, dtype, generator(case, dtype)):
            shapes = [a.shape for a in variant.arrays]
            kinds.add(variant.kind)
            kinds |= {"empty" for a in variant.arrays if not a.size} | {"0-d" for s in shapes[:1] if not s}
            kinds |= {"strided" for s in shapes if s and 0 not in s}
            if len(shapes) == 1:
                kinds.add("broadcast")  # there is nothing that it could meet
            elif _broadcasts(shapes):
                kinds.add("broadcast")
    return kinds, dtypes


def _broadcasts(shapes: list[tuple[int, ...]]) -> bool:
    try:
        whole = np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return any(s != whole for s in shapes)


@pytest.mark.parametrize("name", sorted(library_names()))
def test_nothing_is_left_out_without_a_reason(name: str) -> None:
    kinds, dtypes = covered(name)
    left = ({"plain", "special", "empty", "0-d", "strided", "broadcast"} - kinds) | ({str(d) for d in ALL} - dtypes)
    explained = {what for whats in reasons.LEFT_OUT.get(name, {}) for what in whats.split()}
    assert explained == ({"everything"} if not kinds else left), f"{name}: {left ^ explained}"
