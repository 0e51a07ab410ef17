"""E04xx: dtypes."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0401",
        "another dtype than declared",
        "A declared dtype converts only values that have none of their own: literals, dims, bound indices, and functions of "
        "these. Everything else is converted by `cast`.",
        wrong="fn f(x: f32[N]) -> f64[N] = x\n",
        right="fn f(x: f32[N]) -> f64[N] = cast(x, f64)\n",
    ),
    Rule(
        "E0402",
        "dtypes without a common one",
        "u64 and the signed integers have no common integer dtype; products of matrices want one dtype on both sides.",
        wrong="fn f(x: u64[N], y: i64[N]) = x + y\n",
        right="fn f(x: u64[N], y: i64[N]) = cast(x, i64) + y\n",
    ),
    Rule(
        "E0403",
        "a literal that does not fit",
        "A literal takes the dtype of what it meets, and must be in its range; on its own an integer is an i64. `cast(300, "
        "u8)` wraps it on purpose.",
        wrong="fn f(x: u8[N]) -> u8[N] = x + 300\n",
        right="fn f(x: u8[N]) -> i32[N] = cast(x, i32) + 300\n",
    ),
    Rule(
        "E0404",
        "an operation that a dtype does not have",
        "`and or not` are for bool, `& | ^ ~ << >>` for integers, and `+ - // %` not for bool; `mean`, `var` and their kin "
        "want floats. The help says what the dtype has instead.",
        wrong="fn f(x: bool[N], y: bool[N]) -> bool[N] = x + y\n",
        right="fn f(x: bool[N], y: bool[N]) -> bool[N] = x or y\n",
    ),
    Rule(
        "E0405",
        "an integer to a negative power",
        "It would be 0 for nearly all bases; a float base is likely meant. An exponent that is not a literal is allowed, and "
        "gives 0 but for the bases 1 and -1.",
        wrong="fn f(x: i64[N]) = x ** -1\n",
        right="fn f(x: i64[N]) = cast(x, f32) ** -1\n",
    ),
    Rule(
        "E0406",
        "a dtype outside of its variable's kind",
        "A dtype variable stands for the dtypes of its kind: `float`, `int` (with and without sign), `num` (both), `any` (bool too).",
        wrong="fn g<T: float>(x: T[N]) -> T[N] = x / 2\nfn f(x: i64[N]) = g(x)\n",
        right="fn g<T: float>(x: T[N]) -> T[N] = x / 2\nfn f(x: i64[N]) = g(cast(x, f32))\n",
    ),
    Rule(
        "E0407",
        "an unknown dtype",
        "The dtypes are `bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64`, and a function's dtype variables: `fn f<T: "
        "float>(x: T[N])`.",
        wrong="fn f(x: float32[N]) = x\n",
        right="fn f(x: f32[N]) = x\n",
    ),
)
