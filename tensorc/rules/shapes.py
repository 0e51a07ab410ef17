"""E03xx: shapes."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0301",
        "shapes that do not broadcast",
        "Shapes are aligned at their last axes. A dim goes with the same dim and with a literal 1; two dims of different "
        "names are different, whatever their sizes in some call. Give them one name, or say that they are equal: `require N "
        "== M`.",
        wrong="fn f(x: f32[N], y: f32[M]) -> f32[N] = x + y\n",
        right="fn f(x: f32[N], y: f32[N]) -> f32[N] = x + y\n",
    ),
    Rule(
        "E0302",
        "dims that differ",
        "Two axes must have the same extent, and nothing says that they have: an argument's and its parameter's, a result's "
        "and its type's, those that a matrix product sums over, those beside the axis of a `concat`. Name them alike, or say "
        "that they are equal before: `require H // 2 == K`.",
        wrong="fn f(x: f32[N, K], w: f32[M, H]) -> f32[N, H] = x @ w\n",
        right="fn f(x: f32[N, K], w: f32[K, H]) -> f32[N, H] = x @ w\n",
    ),
    Rule(
        "E0303",
        "a wrong rank",
        "The number of axes is known when compiling, and is not the one that is wanted.",
        wrong="fn f(x: f32[N, M]) -> f32[N] = x\n",
        right="fn f(x: f32[N, M]) -> f32[N] = sum(x, axis=1)\n",
    ),
    Rule(
        "E0304",
        "an axis that there is not",
        "Axes count from 0, or from the end from -1, and each is named once.",
        wrong="fn f(x: f32[N, M]) -> f32[N] = sum(x, axis=2)\n",
        right="fn f(x: f32[N, M]) -> f32[N] = sum(x, axis=1)\n",
    ),
    Rule(
        "E0305",
        "a requirement that never holds",
        "What is known when compiling shows that this `require` holds in no call.",
        wrong="fn f(x: f32[3]) -> f32[3] {\n    require x.size == 4\n    return x\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    require x.size == 4\n    return x\n}\n",
    ),
    Rule(
        "E0306",
        "rows that differ in shape",
        "An array literal is one array, so its rows have one shape.",
        wrong="fn f() -> i64[2, 2] = [[1, 2], [3]]\n",
        right="fn f() -> i64[2, 2] = [[1, 2], [3, 4]]\n",
    ),
    Rule(
        "E0307",
        "an extremum of nothing",
        "`max`, `min`, `argmax` and `argmin` of an empty axis have no value. `sum` of nothing is 0, `prod` 1, `any` false, "
        "`all` true, `mean` nan.",
        wrong="fn f(x: f32[0]) -> f32 = max(x)\n",
        right="fn f(x: f32[0]) -> f32 = sum(x)\n",
    ),
    Rule(
        "E0308",
        "a size that cannot be",
        "A size is negative, or a new shape has another number of elements than the old one. What depends on the sizes of a "
        "call is checked there.",
        wrong="fn f(x: f32[6]) -> f32[4, 2] = reshape(x, [4, 2])\n",
        right="fn f(x: f32[6]) -> f32[3, 2] = reshape(x, [3, 2])\n",
    ),
    Rule(
        "E0309",
        "an array literal without an element",
        "The dtype of `[]` is not known; `zeros([0], f32)` says it.",
        wrong="fn f() -> f32[0] = []\n",
        right="fn f() -> f32[0] = zeros([0])\n",
    ),
    Rule(
        "E0310",
        "more than 64 axes",
        "A tensor has at most 64 axes, as in NumPy, and lists and tuples nest no deeper.",
        wrong="fn f() = " + "[" * 65 + "1" + "]" * 65 + "\n",
        right="fn f() = [[[1]]]\n",
    ),
    Rule(
        "E0311",
        "two `...` in one type",
        "`...` stands for any number of axes; of two it would not be known how many each stands for. A result may hold "
        "several lists that the parameters declare.",
        wrong="fn f(x: f32[...S, ...R]) -> f32[...S, ...R] = x\n",
        right="fn f(x: f32[...S], y: f32[...R]) -> f32[...S, ...R] = zeros([...S, ...R])\n",
    ),
)
