"""E02xx: names and declarations."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0201",
        "an unknown name",
        "A name is a parameter, a `let`, a dim, a bound index inside of its brackets, a function of the file, an imported "
        "module or a function of the library. Anything else is not known; the message suggests the nearest name.",
        wrong="fn f(x: f32[N]) -> f32[N] = softmx(x)\n",
        right="fn f(x: f32[N]) -> f32[N] = softmax(x)\n",
    ),
    Rule(
        "E0202",
        "no such attribute or function",
        "A tensor has the attributes `.T`, `.mT`, `.shape`, `.ndim` and `.size`; everything else is a function, called as "
        "`x.f()` or `f(x)`. An imported module has the functions of its file.",
        wrong="fn f(x: f32[N, M]) -> f32[M, N] = x.t\n",
        right="fn f(x: f32[N, M]) -> f32[M, N] = x.T\n",
    ),
    Rule(
        "E0203",
        "a dim that nothing declares",
        "A dim is declared by standing alone in the type of a parameter, and a list of dims by `...S` there. In arithmetic, "
        "in a result or in a `let` it is only used. `_` and `...` stand for dims without a name.",
        wrong="fn f(x: f32[2*N]) -> f32[2*N] = x\n",
        right="fn f(x: f32[M]) -> f32[M] {\n    require M % 2 == 0\n    return x\n}\n",
    ),
    Rule(
        "E0204",
        "a name that is defined twice",
        "Every name of a function is given one value: its parameters, dims, dtype variables and `let`s have names of their "
        "own. `_` discards a value, and may be repeated.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    let y = x + 1\n    let y = y * 2\n    return y\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let y = x + 1\n    let z = y * 2\n    return z\n}\n",
    ),
    Rule(
        "E0205",
        "a statement that is never reached",
        "`return` is the last statement of a body.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    return x\n    let y = x + 1\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let y = x + 1\n    return y\n}\n",
    ),
    Rule(
        "E0206",
        "a function that returns nothing",
        "A body in braces ends with `return`.",
        wrong="fn f(x: f32[N]) {\n    let y = x + 1\n}\n",
        right="fn f(x: f32[N]) {\n    let y = x + 1\n    return y\n}\n",
    ),
    Rule(
        "E0207",
        "an index that is bound already",
        "A bound index hides other names, but not an index of a definition or a reduction around it, since both could not be "
        "read. Side by side a letter may be used again.",
        wrong="fn f(x: f32[N, M]) -> f32[N] {\n    let y[i] = sum[i](x[i, i])\n    return y\n}\n",
        right="fn f(x: f32[N, M]) -> f32[N] {\n    let y[i] = sum[j](x[i, j])\n    return y\n}\n",
    ),
    Rule(
        "E0208",
        "a dtype as a name",
        "The dtypes `bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64` share one namespace with the names of a function, "
        "and keep their meaning.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    let f16 = x / 16\n    return f16\n}\n",
        right="fn f(x: f32[N]) -> f32[N] {\n    let sixteenth = x / 16\n    return sixteenth\n}\n",
    ),
    Rule(
        "E0209",
        "a dtype variable that stands for nothing",
        "A dtype variable gets its dtype from the argument of a parameter whose type it is in. One that is in no parameter's "
        "type would never have any.",
        wrong="fn f<T: float>(x: f32[N]) -> f32[N] = x\n",
        right="fn f<T: float>(x: T[N]) -> T[N] = x\n",
    ),
    Rule(
        "E0210",
        "a name used in its own definition",
        "A name has a value after its `let` alone, so an index definition cannot read what it defines. What each element "
        "makes of the ones before it is a scan: `cumsum`, `cumprod`, `cummax`, `cummin`, `logcumsumexp`.",
        wrong="fn f(x: f32[N]) -> f32[N] {\n    let y[i] = x[i] + y[i - 1 else 0]\n    return y\n}\n",
        right="fn f(x: f32[N]) -> f32[N] = cumsum(x, axis=0)\n",
    ),
)
