"""E07xx: derivatives and transforms."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0701",
        "the gradient of a result that is no scalar",
        "`grad` and `value_and_grad` want one float scalar, since the gradient of a tensor would have an axis for each of its "
        "elements. Sum the result, or take `vjp`, which is given a cotangent: how much each element counts.",
        wrong="fn f(x: f32[N]) = x * x\nfn g(x: f32[N]) = grad(f)(x)\n",
        right="fn f(x: f32[N]) = sum(x * x)\nfn g(x: f32[N]) = grad(f)(x)\n",
    ),
    Rule(
        "E0702",
        "`wrt` names no parameter",
        "`wrt` is the name of a parameter of the function, as a string, or a tuple of such names.",
        wrong='fn f(x: f32[N]) = sum(x)\nfn g(x: f32[N]) = grad(f, wrt="y")(x)\n',
        right='fn f(x: f32[N]) = sum(x)\nfn g(x: f32[N]) = grad(f, wrt="x")(x)\n',
    ),
    Rule(
        "E0703",
        "a parameter that has no derivative",
        "Only float tensors have derivatives: a change of an integer or of a bool is never small, and static values are not tensors.",
        wrong='fn f(x: f32[N], i: i64[N]) = sum(x[i])\nfn g(x: f32[N], i: i64[N]) = grad(f, wrt="i")(x, i)\n',
        right='fn f(x: f32[N], i: i64[N]) = sum(x[i])\nfn g(x: f32[N], i: i64[N]) = grad(f, wrt="x")(x, i)\n',
    ),
    Rule(
        "E0704",
        "a transform of what is no function",
        "`grad`, `value_and_grad`, `vjp`, `jvp` and `vmap` take a function and give a function, which is then called: `grad(f)(x)`.",
        wrong="fn f(x: f32[N]) = sum(x)\nfn g(x: f32[N]) = grad(f(x))\n",
        right="fn f(x: f32[N]) = sum(x)\nfn g(x: f32[N]) = grad(f)(x)\n",
    ),
    Rule(
        "E0705",
        "a cotangent or tangent that does not fit",
        "`vjp(f)` is called with the arguments of f and then a cotangent for each float result, `jvp(f)` with a tangent for each "
        "float argument. Each has the shape and dtype of what it is for.",
        wrong="fn f(x: f32[N]) = x * x\nfn g(x: f32[N]) = vjp(f)(x)\n",
        right="fn f(x: f32[N]) = x * x\nfn g(x: f32[N], dy: f32[N]) = vjp(f)(x, dy)\n",
    ),
    Rule(
        "E0706",
        "axes that `vmap` cannot run over",
        "`in_axes` is an axis, `none` for arguments that all share, or a tuple with one of these for each tensor argument. The "
        "axes that it names have one extent, and there is at least one.",
        wrong="fn f(x: f32[N], y: f32[N]) = sum(x * y)\nfn g(x: f32[B, N], y: f32[N]) = vmap(f, in_axes=(0, 0, 0))(x, y)\n",
        right="fn f(x: f32[N], y: f32[N]) = sum(x * y)\nfn g(x: f32[B, N], y: f32[N]) = vmap(f, in_axes=(0, none))(x, y)\n",
    ),
)
