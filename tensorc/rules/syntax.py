"""E01xx: syntax."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0100",
        "a file that cannot be read",
        "The path names no file, a directory, or a file without permission to read it. The message ends with the system's reason.",
    ),
    Rule(
        "E0101",
        "a character that cannot stand in a program",
        "Programs are UTF-8 text. Outside of comments and strings only the letters a to z, digits and the signs of the language stand; "
        "control characters stand nowhere, and neither do the ones that turn the direction of writing, since such a program reads "
        "otherwise than it means.",
        wrong="fn f(x: f32[N]) -> f32[N] = x $ 2\n",
        right="fn f(x: f32[N]) -> f32[N] = x * 2  # in a comment: $ × é\n",
    ),
    Rule(
        "E0102",
        "a malformed string",
        "A string ends on its line with the quote that it starts with. A backslash starts one of the escapes "
        "`\\n \\t \\r \\0 \\\\ \\\" \\'`.",
        wrong='fn f(x: f32[N]) -> f32[N] {\n    require N > 0, "empty\n    return x\n}\n',
        right='fn f(x: f32[N]) -> f32[N] {\n    require N > 0, "empty"\n    return x\n}\n',
    ),
    Rule(
        "E0103",
        "a malformed number",
        "Integers are written as `12`, `1_000` or `0xff`, floats as `1.5`, `.5` or `1e-5`. A float has a digit after its point, so that "
        "`1..N` is a range. A name cannot follow a number at once.",
        wrong="fn f(x: f32[N]) -> f32[N] = 2. * x\n",
        right="fn f(x: f32[N]) -> f32[N] = 2.0 * x\n",
    ),
    Rule(
        "E0104",
        "a number out of range",
        "An integer literal is at most 2**64 - 1, the largest u64; a float literal is at most about 1.8e308, the largest f64.",
        wrong="fn f(x: f32[N]) -> f32[N] = x * 1e999\n",
        right="fn f(x: f32[N]) -> f32[N] = x * inf\n",
    ),
    Rule(
        "E0105",
        "a bracket without its partner",
        "Every `(`, `[` and `{` is closed by its own partner, innermost first. The message points at the one that was opened.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    let y = exp(x + 1\n    return y\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let y = exp(x + 1)\n    return y\n}\n",
    ),
    Rule(
        "E0106",
        "something else was expected",
        "The text up to here is the start of something that cannot go on this way. The message says what could have followed.",
        wrong="fn f(x: f32[N]) -> f32[N] = x + * 2\n",
        right="fn f(x: f32[N]) -> f32[N] = x * 2\n",
    ),
    Rule(
        "E0107",
        "a reserved word as a name",
        "`fn let require return import as in else and or not true false none None inf nan pi` are words of the language.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    let in = x + 1\n    return x\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let input = x + 1\n    return input\n}\n",
    ),
    Rule(
        "E0108",
        "comparisons that are chained",
        "A comparison gives a bool, which is not compared again: two comparisons are joined by `and`.",
        wrong="fn f(x: f32[N]) -> bool[N] = 0.0 < x < 1.0\n",
        right="fn f(x: f32[N]) -> bool[N] = 0.0 < x and x < 1.0\n",
    ),
    Rule(
        "E0109",
        "not a statement, or not a function",
        "Every statement starts with `let`, `require` or `return`, and stands in the body of a function. A file holds functions and "
        "imports only.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    y = x + 1\n    return y\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let y = x + 1\n    return y\n}\n",
    ),
    Rule(
        "E0110",
        "a file without a function",
        "A file is there for the functions that it defines; this one is empty, or holds comments and imports only.",
        wrong="# to be written\n",
        right="fn f(x: f32[N]) -> f32[N] = x\n",
    ),
    Rule(
        "E0111",
        "`=` and `==` taken for one another",
        "`=` gives a value to a name, in a `let`, a default or a keyword argument; `==` compares.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    require N = 4\n    return x\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    require N == 4\n    return x\n}\n",
    ),
    Rule(
        "E0112",
        "a positional argument after a keyword argument",
        "In a call the arguments by position come first, then those by keyword.",
        wrong="fn f(x: f32[N, M]) -> f32[N] = sum(axis=1, x)\n",
        right="fn f(x: f32[N, M]) -> f32[N] = sum(x, axis=1)\n",
    ),
    Rule(
        "E0113",
        "a malformed type",
        "A parameter has a type: a dtype with dims (`f32[N, 2*M + 1]`; `f32` alone is a 0-d tensor), or one of the static types "
        "`int float bool str dtype dims axes`, which have no dims. A dim is an integer, a name, or arithmetic on those.",
        wrong="fn f(x) -> f32[N] = x\n",
        right="fn f(x: f32[N]) -> f32[N] = x\n",
    ),
    Rule(
        "E0114",
        "malformed brackets of an index definition or a subscript",
        "`sum[i](e)`, `tensor[i](e)` and `let y[i] = e` bind indices: each is a name, with a range if wanted (`i < N`, `i in 1..N - 1`, "
        "the end excluded), and one expression follows. A subscript that reads an element binds nothing, so no range stands in it.",
        wrong="fn f(x: f32[N]) -> f32 = sum[i <= 3](x[i])\n",
        right="fn f(x: f32[N]) -> f32 {\n    require N >= 4\n    return sum[i < 4](x[i])\n}\n",
    ),
    Rule(
        "E0115",
        "a dtype variable without its kind",
        "A dtype variable says which dtypes it stands for: `float`, `int`, `num` (both) or `any` (bool too).",
        wrong="fn f<T>(x: T[N]) -> T[N] = x\n",
        right="fn f<T: float>(x: T[N]) -> T[N] = x\n",
    ),
    Rule(
        "E0116",
        "an operator of another language",
        "`and`, `or` and `not` are words; a comment starts with `#`; a name is given one value by `let` and never another by `+=`.",
        wrong="fn f(x: bool[N], y: bool[N]) -> bool[N] = x && y\n",
        right="fn f(x: bool[N], y: bool[N]) -> bool[N] = x and y\n",
    ),
    Rule(
        "E0117",
        "a function without a body",
        "After the parameters and the return type stands `{ ... }` with statements, or `= e`, which is short for one `return`.",
        wrong="fn f(x: f32[N]) -> f32[N]\n",
        right="fn f(x: f32[N]) -> f32[N] = x\n",
    ),
)
