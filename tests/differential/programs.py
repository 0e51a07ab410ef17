"""Hypothesis writes programs: well-typed .tx text over a few parameters, in two kinds that say how closely backends must agree.

An `exact` program uses only operations whose result is the same bits on every backend. A `smooth` one also has functions and float sums,
which are right to rounding, and nothing that would blow rounding up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tensorc.dtypes import DTYPES, DType

Dims = tuple[str, ...]

SHAPES: tuple[Dims, ...] = (("N", "M"), ("M", "N"), ("N",), ("M",), ())
EXACT_DTYPES = tuple(DTYPES)
SMOOTH_DTYPES = ("f32", "f64", "f16", "bf16")


@dataclass(frozen=True)
class Written:
    """A program `f` and its parameters' dtypes and dims, in order."""

    text: str
    parameters: tuple[tuple[str, str, Dims], ...]
    exact: bool


class Writer:
    """Draws expressions of a given dtype and dims."""

    def __init__(self, draw: st.DrawFn, dtype: DType, exact: bool) -> None:
        self.draw, self.dtype, self.exact = draw, dtype, exact
        self.names: list[tuple[str, str, Dims]] = []  # (name, dtype, dims) of what is in scope

    def pick(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def leaf(self, dims: Dims) -> str:
        """A parameter or earlier `let` of these dims, or one that is made to have them."""
        own = [n for n, t, d in self.names if d == dims and t == self.dtype.name]
        if own and self.draw(st.integers(0, 5)):
            return self.pick(*own)
        if dims == ("M", "N"):
            return "x.T"
        if not dims:
            return self.pick("s", self.literal())
        return {"NM": "x", "N": "u", "M": "v"}["".join(dims)]

    def literal(self) -> str:
        if self.dtype.name == "bool":
            return self.pick("true", "false")
        if self.dtype.is_float:
            return self.pick("0.5", "2.0", "1.5", "-0.25")
        if self.dtype.kind == "uint":  # with a dtype of its own: 2 - 3 of literals is no u8
            return f"cast({self.pick('1', '2', '3', '5')}, {self.dtype})"
        return self.pick("1", "-2", "3", "7")

    def expression(self, dims: Dims, depth: int) -> str:
        if depth <= 0:
            return self.leaf(dims)
        forms = [self.pointwise, self.pointwise, self.pointwise, self.choose, self.move]
        if len(dims) < 2:
            forms.append(self.reduce)
        if len(dims) >= 1:
            forms += [self.scan, self.order] if self.dtype.name != "bool" else []
        if len(dims) == 1:
            forms.append(self.notation)
        form = self.draw(st.sampled_from(forms))
        return form(dims, depth)

    def pointwise(self, dims: Dims, depth: int) -> str:
        a = self.expression(dims, depth - 1)
        b = self.expression(self.broadcast(dims), depth - 1)
        kind = self.dtype.kind
        if kind == "bool":
            return self.pick(f"({a} and {b})", f"({a} or {b})", f"({a} ^ {b})", f"(not {a})", f"({a} == {b})", f"({a} != {b})")
        if not self.exact:
            smooth = (
                "tanh({a})",
                "sin({a})",
                "sigmoid({a})",
                "cos({a})",
                "exp(-abs({a}))",
                "log1p({a} * {a})",
                "sqrt(1 + {a} * {a})",
                "erf({a})",
            )
            binary = ("({a} + {b})", "({a} - {b})", "({a} * {b})", "maximum({a}, {b})", "({a} / (1 + {b} * {b}))")
            return self.pick(*smooth, *binary, *binary).format(a=a, b=b)
        forms = [
            "({a} + {b})",
            "({a} - {b})",
            "({a} * {b})",
            "minimum({a}, {b})",
            "maximum({a}, {b})",
            "abs({a})",
            "clamp({a}, 1, 3)",
            "sign({a})",
        ]
        if kind == "float":
            forms += [
                "({a} / {b})",
                "floor({a})",
                "ceil({a})",
                "round({a})",
                "trunc({a})",
                "sqrt(abs({a}))",
                "copysign({a}, {b})",
                "(-{a})",
            ]
        else:
            forms += [
                "({a} // {b})",
                "({a} % {b})",
                "fmod({a}, {b})",
                "({a} & {b})",
                "({a} | {b})",
                "({a} ^ {b})",
                "(~{a})",
                "({a} << {b})",
                "({a} >> {b})",
                "({a} ** 2)",
            ]
        return self.pick(*forms).format(a=a, b=b)

    def broadcast(self, dims: Dims) -> Dims:
        """Dims that broadcast to `dims`."""
        return self.draw(st.sampled_from([dims, dims[1:], ()])) if dims else ()

    def condition(self, dims: Dims, depth: int) -> str:
        a, b = self.leaf(dims), self.leaf(self.broadcast(dims))
        if self.dtype.name == "bool":
            return a
        return f"({a} {self.pick('<', '<=', '>', '>=', '==', '!=')} {b})"

    def choose(self, dims: Dims, depth: int) -> str:
        return (
            f"where({self.condition(dims, depth)}, {self.expression(dims, depth - 1)}, {self.expression(self.broadcast(dims), depth - 1)})"
        )

    def move(self, dims: Dims, depth: int) -> str:
        a = self.expression(dims, depth - 1)
        if not dims:
            return a
        axis = self.draw(st.integers(0, len(dims) - 1))
        forms = [f"flip({a}, axis={axis})", f"roll({a}, {self.draw(st.integers(-3, 3))}, axis={axis})", f"{a}[::-1]"]
        if len(dims) == 2:
            forms += [
                f"({self.expression(dims[::-1], depth - 1)}).T",
                f"reshape({self.expression(dims[::-1], depth - 1)}, [{dims[0]}, {dims[1]}])",
            ]
        else:
            forms += [f"concat([{a}, {a}])[:{dims[0]}]", f"pad({a}, [[1, 2]])[1:-2]", f"repeat({a}, 2)[::2]", f"tile({a}, 2)[{dims[0]}:]"]
            if dims == ("N",):
                forms.append(f"take({a}, ids)")
        return self.pick(*forms)

    def reduce(self, dims: Dims, depth: int) -> str:
        whole = (
            self.draw(st.sampled_from([("N", "M"), ("M", "N")]))
            if len(dims) == 1
            else self.draw(st.sampled_from([("N",), ("M",), ("N", "M")]))
        )
        a = self.expression(whole, depth - 1)
        axis = "none" if not dims else str(0 if whole[1] == dims[0] else 1)
        if self.dtype.name == "bool":
            return f"{self.pick('any', 'all')}({a}, axis={axis})"
        if not self.exact:
            return f"{self.pick('sum', 'mean', 'max')}({a}, axis={axis})" if self.extents_are_safe else f"sum({a}, axis={axis})"
        integral = not self.dtype.is_float
        forms = (
            [f"cast(argmax({a}, axis={axis}), {self.dtype})", f"max({a}, axis={axis})", f"min({a}, axis={axis})"]
            if self.extents_are_safe
            else []
        )
        if integral:
            forms += [f"cast({self.pick('sum', 'prod')}({a}, axis={axis}), {self.dtype})"]
        if not forms:
            forms = [f"cast(count_nonzero({a}, axis={axis}), {self.dtype})"]
        return self.pick(*forms)

    extents_are_safe = True

    def scan(self, dims: Dims, depth: int) -> str:
        axis = self.draw(st.integers(0, len(dims) - 1))
        a = self.expression(dims, depth - 1)
        if not self.exact:
            return f"cumsum({a}, axis={axis})"
        if self.dtype.is_float:
            return f"{self.pick('cummax', 'cummin')}({a}, axis={axis})"
        return f"cast({self.pick('cumsum', 'cummax', 'cumprod')}({a}, axis={axis}), {self.dtype})"

    def order(self, dims: Dims, depth: int) -> str:
        axis = self.draw(st.integers(0, len(dims) - 1))
        a = self.expression(dims, depth - 1)
        if not self.exact:
            return f"softmax({a}, axis={axis})" if self.extents_are_safe else a
        return self.pick(
            f"sort({a}, axis={axis})", f"sort({a}, axis={axis}, descending=true)", f"cast(argsort({a}, axis={axis}), {self.dtype})"
        )

    def notation(self, dims: Dims, depth: int) -> str:
        """An index definition over parameters."""
        i, j, other = ("i", "j", "v[j]") if dims == ("N",) else ("j", "i", "u[i]")
        x, guarded = "x[i, j]", f"x[i-1, j else {self.literal()}]"
        if self.dtype.name == "bool":
            return f"tensor[{i}](any[{j}]({x} and {other} or {guarded}))"
        if not self.exact:
            return f"tensor[{i}](sum[{j}](tanh({x}) * {other} - {guarded}))"
        if self.dtype.is_float:
            return (
                f"tensor[{i}](max[{j}](maximum({x} * {other}, {guarded})))"
                if self.extents_are_safe
                else f"tensor[{i} < {dims[0]}](cast({i}, {self.dtype}))"
            )
        return f"tensor[{i}](cast(sum[{j}]({x} * {other} - {guarded}), {self.dtype}))"


@st.composite
def programs(draw: st.DrawFn, safe_extents: bool) -> Written:
    """A program; without `safe_extents` no reduction in it minds an empty axis."""
    exact = draw(st.booleans())
    dtype = DTYPES[draw(st.sampled_from(EXACT_DTYPES if exact else SMOOTH_DTYPES))]
    writer = Writer(draw, dtype, exact)
    writer.extents_are_safe = safe_extents
    t = dtype.name
    parameters = (("x", t, ("N", "M")), ("u", t, ("N",)), ("v", t, ("M",)), ("s", t, ()), ("ids", "i64", ("N",)))
    lines = []
    for n in range(draw(st.integers(0, 2))):
        dims = draw(st.sampled_from(SHAPES))
        lines.append(f"    let t{n} = {writer.expression(dims, 2)}")
        writer.names.append((f"t{n}", t, dims))
    results = [writer.expression(draw(st.sampled_from(SHAPES)), draw(st.integers(1, 3))) for _ in range(draw(st.integers(1, 2)))]
    head = ", ".join(f"{n}: {d}[{', '.join(dims)}]" for n, d, dims in parameters)
    body = "\n".join([*lines, f"    return {', '.join(results)}"])
    return Written(f"fn f({head}) {{\n{body}\n}}\n", parameters, exact)


def arrays(program: Written, n: int, m: int, seed: int, reverse: bool) -> list[np.ndarray]:
    """Arguments for sizes N, M: small numbers, for exact programs special values too; `reverse` gives negative and swapped strides."""
    rng = np.random.default_rng(seed)
    extents = {"N": n, "M": m}
    made = []
    for name, dtype_name, dims in program.parameters:
        shape = tuple(extents[d] for d in dims)
        dtype = DTYPES[dtype_name]
        if name == "ids":
            array = rng.integers(0, max(n, 1), shape)
        elif dtype.name == "bool":
            array = rng.integers(0, 2, shape).astype(bool)
        elif dtype.is_float:
            values = rng.integers(-8, 9, shape) / 4 if program.exact else rng.normal(size=shape)
            if program.exact and values.size:
                special = np.asarray([np.nan, np.inf, -np.inf, -0.0])[rng.integers(0, 4, shape)]
                values = np.where(rng.random(shape) < 0.08, special, values)
            array = np.asarray(values).astype(dtype.numpy)
        else:
            low, high = dtype.range
            wide = rng.integers(low, high, shape, endpoint=True, dtype=dtype.numpy)
            array = np.where(rng.random(shape) < 0.2, wide, rng.integers(0 if low == 0 else -9, 9, shape).astype(dtype.numpy))
        array = np.asarray(array, dtype.numpy)
        if reverse and array.ndim:
            array = np.ascontiguousarray(array.T[::-1]).T[:, ::-1] if array.ndim == 2 else np.repeat(array[::-1], 2)[::-2]
            assert array.shape == shape
        made.append(array)
    return made
