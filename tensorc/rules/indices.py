"""E05xx: index notation."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0501",
        "an index with two ranges",
        "The subscripts that are an index alone must run over axes of one extent. If the axes are equal in every call, name "
        "them alike or say so with `require`; if not, write the range of the index.",
        wrong="fn f(x: f32[N], y: f32[M]) -> f32 = sum[i](x[i] * y[i])\n",
        right="fn f(x: f32[N], y: f32[N]) -> f32 = sum[i](x[i] * y[i])\n",
    ),
    Rule(
        "E0502",
        "an index without a range",
        "The range of an index is inferred from the subscripts in which it stands: alone, as in `x[i]`; in a compound one, as "
        "in `x[i + 1]`, where it is the largest that stays inside; or beside an `else`, as in `x[i - 1 else 0]`. Where there "
        "is none of these, write it.",
        wrong="fn f(x: f32[N]) -> f32[N, 2] {\n    let y[i, j] = x[i]\n    return y\n}\n",
        right="fn f(x: f32[N]) -> f32[N, 2] {\n    let y[i, j < 2] = x[i]\n    return y\n}\n",
    ),
    Rule(
        "E0503",
        "a subscript that is no integer",
        "A subscript is an integer, a slice, `...`, `none` or an integer tensor. A mask is none, since the shape would depend "
        "on data: `where` keeps the shape.",
        wrong="fn f(x: f32[N]) -> f32[N] = x[x > 0]\n",
        right="fn f(x: f32[N]) -> f32[N] = where(x > 0, x, 0)\n",
    ),
    Rule(
        "E0504",
        "a subscript that is not complete",
        "Index notation reads one element, with a subscript for every axis; slices and missing axes belong to array notation.",
        wrong="fn f(x: f32[N, M]) -> f32[N] {\n    let y[i] = x[i]\n    return y\n}\n",
        right="fn f(x: f32[N, M]) -> f32[N] {\n    let y[i] = x[i, 0]\n    return y\n}\n",
    ),
    Rule(
        "E0505",
        "a read outside of its tensor",
        "Every read is proved to stay inside when compiling. Give the index a range that does, or the read a value outside: "
        "`x[i - 1 else 0]`. A condition in `where` is no guard, since both of its sides are meant for every element.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    let y[i] = x[i] - x[i + 1]\n    return y\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let y[i] = x[i] - x[i + 1 else 0]\n    return y\n}\n",
    ),
    Rule(
        "E0506",
        "an argmax over several indices",
        "`argmax` and `argmin` give the value of their index, so they have one.",
        wrong="fn f(x: f32[N, M]) -> i64 = argmax[i, j](x[i, j])\n",
        right="fn f(x: f32[N, M]) -> i64 = argmax(x)\n",
    ),
    Rule(
        "E0507",
        "a function that binds no indices",
        "`sum prod min max mean any all argmin argmax` and `tensor` take bound indices in brackets; other functions take arrays.",
        wrong="fn f(x: f32[N]) -> f32 = norm[i](x[i])\n",
        right="fn f(x: f32[N]) -> f32 = sqrt(sum[i](x[i] ** 2))\n",
    ),
    Rule(
        "E0508",
        "a negative range",
        "The end of a range is excluded, and not before its start. An empty range, as `3..3`, is allowed.",
        wrong="fn f() -> i64 = sum[i in 3..2](i)\n",
        right="fn f() -> i64 = sum[i in 2..3](i)\n",
    ),
    Rule(
        "E0509",
        "the body of a definition is not one element",
        "An index definition says what one element is, so what remains has no axes. The same holds for the value after `else`.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    let y[i] = x * 2\n    return y\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let y[i] = x[i] * 2\n    return y\n}\n",
    ),
    Rule(
        "E0510",
        "more subscripts than axes",
        "Each integer, slice and integer tensor takes an axis; `none` and `...` take none.",
        wrong="fn f(x: f32[N, M]) -> f32 = x[0, 0, 0]\n",
        right="fn f(x: f32[N, M]) -> f32 = x[0, 0]\n",
    ),
    Rule(
        "E0511",
        "`...` twice in a subscript",
        "`...` stands for all axes that are left, so there is one.",
        wrong="fn f(x: f32[N, M]) -> f32[N, M] = x[..., ...]\n",
        right="fn f(x: f32[N, M]) -> f32[N, M] = x[...]\n",
    ),
)
