"""E06xx: calls, arguments and static values."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0601",
        "not a tensor",
        "A tensor is wanted here, and this is a string, a function, a module, a dtype, a tuple or `none`.",
        wrong="fn f(x: f32[N]) = softmax + x\n",
        right="fn f(x: f32[N]) = softmax(x) + x\n",
    ),
    Rule(
        "E0602",
        "`...` outside of a list",
        "The dims of `...S` are spliced into a list, and only lists that have a name can be.",
        wrong="fn f(x: f32[...S]) = zeros(...S)\n",
        right="fn f(x: f32[...S]) = zeros([...S])\n",
    ),
    Rule(
        "E0603",
        "a value that cannot be called or subscripted",
        "Functions are called, tensors, lists and tuples are subscripted. An attribute is written without parentheses.",
        wrong="fn f(x: f32[N, M]) = x.T()\n",
        right="fn f(x: f32[N, M]) = x.T\n",
    ),
    Rule(
        "E0604",
        "a static value is wanted",
        "Static parameters, bounds of slices, ranges, dims and axes are known when compiling, or at the call: literals, dims "
        "and arithmetic on them. What is in a tensor is known only while running.",
        wrong="fn f(x: f32[N], k: i64) -> f32[_] = x[:k]\n",
        right="fn f(x: f32[N], k: int) -> f32[_] = x[:k]\n",
    ),
    Rule(
        "E0605",
        "another number of values",
        "A tuple is taken apart by a pattern of as many names, and a result has as many values as its type.",
        wrong="fn f(x: f32[6]) -> f32[3] {\n    let (a, b, c) = split(x, 2)\n    return a\n}\n",
        right="fn f(x: f32[6]) -> f32[3] {\n    let (a, _) = split(x, 2)\n    return a\n}\n",
    ),
    Rule(
        "E0606",
        "a function that calls itself",
        "Functions are expanded where they are called, so one that calls itself, directly or through others, would never end.",
        wrong="fn f(x: f32[N]) -> f32[N] = f(x / 2)\n",
        right="fn f(x: f32[N]) -> f32[N] = x / 2\n",
    ),
    Rule(
        "E0607",
        "too many or too few arguments",
        "Every parameter without a default is given a value, by position or by keyword, and nothing else is.",
        wrong="fn f(x: f32[N]) = where(x > 0, x)\n",
        right="fn f(x: f32[N]) = where(x > 0, x, 0)\n",
    ),
    Rule(
        "E0608",
        "no such parameter",
        "The keyword is the name of no parameter of the function. `dim` and `keepdim` are accepted for `axis` and `keepdims`.",
        wrong="fn f(x: f32[N, M]) = sum(x, axes_=1)\n",
        right="fn f(x: f32[N, M]) = sum(x, axis=1)\n",
    ),
    Rule(
        "E0609",
        "an argument that is given twice",
        "A parameter is given its value once, by position or by keyword.",
        wrong="fn f(x: f32[N, M]) = sum(x, 1, axis=0)\n",
        right="fn f(x: f32[N, M]) = sum(x, axis=1)\n",
    ),
    Rule(
        "E0610",
        "a result that is no tensor",
        "Functions return tensors, numbers and tuples of them; functions and strings can be named and passed on, but not returned.",
        wrong="fn f(x: f32[N]) = softmax\n",
        right="fn f(x: f32[N]) = softmax(x)\n",
    ),
    Rule(
        "E0611",
        "an argument with an impossible value",
        "The value is of the right type, and none of those that the function has a meaning for.",
        wrong="fn f(x: f32[N]) = x[::0]\n",
        right="fn f(x: f32[N]) = x[::2]\n",
    ),
    Rule(
        "E0612",
        "a requirement on data",
        "`require` speaks of dims and static values, which are known at the call. What is in a tensor is checked by the "
        "caller, or kept out with `where`.",
        wrong="fn f(x: f32[N]) -> f32 {\n    require x[0] != 0\n    return 1 / x[0]\n}\n",
        right="fn f(x: f32[N]) -> f32 {\n    require N > 0\n    return where(x[0] == 0, 0, 1 / x[0])\n}\n",
    ),
    Rule(
        "E0613",
        "a parameter that is a tuple",
        "A parameter is one tensor or one static value. Results may be tuples, which a `let` takes apart.",
        wrong="fn f(p: (f32[N], f32[N])) -> f32[N] = p[0] + p[1]\n",
        right="fn f(p: f32[N], q: f32[N]) -> f32[N] = p + q\n",
    ),
    Rule(
        "E0614",
        "too many calls",
        "Functions are expanded where they are called. One that calls another twice, which calls a third twice, and so on, doubles its "
        "size with each. Calls with the same arguments count once.",
        wrong="".join(f"fn g{n}(x: f32[N]) = g{n - 1}(g{n - 1}(x))\n" for n in range(14, 0, -1)) + "fn g0(x: f32[N]) = sin(x)\n",
        right="".join(f"fn g{n}(x: f32[N]) = g{n - 1}(x) + g{n - 1}(x)\n" for n in range(14, 0, -1)) + "fn g0(x: f32[N]) = sin(x)\n",
    ),
)
