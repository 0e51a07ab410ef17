"""Checks of derivatives: `tc.testing.check_grad` holds both modes of a function against finite differences and against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorc.api.derivatives import Names, _names, jvp, vjp
from tensorc.api.function import Function
from tensorc.api.wide import Wide
from tensorc.runtime import arrays

Array = np.ndarray[Any, Any]

STEP = 1e-6
"""The step of the differences, times the size of the argument: near the cube root of f64's precision, where both errors are alike."""


def check_grad(
    f: Callable[..., Any],
    *args: Any,
    wrt: Names = None,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    directions: int = 3,
    seed: int = 0,
    **kwargs: Any,
) -> None:
    """Compare f's derivatives at arguments with central differences, in float64 by the oracle. AssertionError where they differ.

    In each of some random directions u, with a random cotangent v, the tangent J u is compared with differences, and the product of v and
    J u with that of u and the pullback of v. Arguments of other floats are taken in float64, and a function that declares other floats is
    computed in float64 as well: what is checked is the formula, not its rounding.
    """
    function = _wide_function(f if isinstance(f, Function) else _function(f), args, kwargs)
    data = dict(zip(function.parameters, function._definition.numbers, strict=True))
    arguments = [_wide(a, is_data) for a, is_data in zip(args, data.values(), strict=False)]
    keywords = {k: _wide(v, data.get(k, False)) for k, v in kwargs.items()}
    names = _names("check_grad", function._definition, wrt)
    moving = [n for n, a in enumerate(arguments) if _is_float(a) and (names is None or function.parameters[n] in names)]
    if not moving:
        raise TypeError("check_grad: no float array among the positional arguments to differentiate by")
    function.reference(*arguments, **keywords)  # its own mistakes first
    chosen = tuple(function.parameters[n] for n in moving)
    rng = np.random.default_rng(seed)
    push, pull = jvp(function, wrt=chosen), vjp(function, wrt=chosen)
    for number in range(directions):
        us = [np.asarray(rng.standard_normal(arguments[n].shape)) for n in moving]
        values, tangents = push.reference(*arguments, *us, **keywords)
        outputs, changes = _floats(values), _flat(tangents)
        vs = [np.asarray(rng.standard_normal(y.shape)) for y in outputs]
        _, cotangents = pull.reference(*arguments, *vs, **keywords)
        differences = _differences(function, arguments, keywords, moving, us)
        for which, (change, difference) in enumerate(zip(changes, differences, strict=True)):
            _compare(f"tangent of result {which}", "jvp", "differences", change, difference, rtol, atol, number)
        forward = sum(float(np.sum(v * c)) for v, c in zip(vs, changes, strict=True))
        backward = sum(float(np.sum(u * c)) for u, c in zip(us, _flat(cotangents), strict=True))
        scale = sum(float(np.sum(np.abs(v * c))) for v, c in zip(vs, changes, strict=True))
        _compare("<cotangent, J u>", "jvp", "vjp", np.asarray(forward), np.asarray(backward), rtol, atol + 1e-9 * scale, number)


def _function(f: Callable[..., Any]) -> Function:
    from tensorc.api.jit import jit

    made = jit(f)
    assert isinstance(made, Function)
    return made


def _wide_function(f: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Function:
    """f in float64, for arguments like these."""
    places: dict[int | str, Any] = dict(enumerate(args))
    places.update(kwargs)
    dtypes = {place: arrays.dtype_of(a) for place, a in places.items() if arrays.is_array(a)}
    return Function(Wide(f._definition, {place: dtype for place, dtype in dtypes.items() if dtype.is_float}))


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _wide(value: Any, is_data: bool) -> Any:
    """An array of floats in float64, as a Python float is where it is data; anything else as it is."""
    array = value.detach().numpy() if hasattr(value, "detach") else value
    if isinstance(array, float) and is_data:
        return np.array(array)
    if isinstance(array, np.ndarray) and array.dtype.kind not in "biu?":
        return np.asarray(array, np.float64)
    return array


def _flat(value: Any) -> list[Array]:
    return [a for v in value for a in _flat(v)] if isinstance(value, tuple) else [np.asarray(value)]


def _floats(value: Any) -> list[Array]:
    return [a for a in _flat(value) if a.dtype.kind == "f"]


def _differences(function: Function, arguments: list[Any], keywords: dict[str, Any], moving: list[int], us: list[Array]) -> list[Array]:
    """(f(x + h u) - f(x - h u)) / 2h for each float result."""
    size = max((float(np.max(np.abs(arguments[n]), initial=0.0)) for n in moving), default=0.0)
    step = STEP * max(size, 1.0)
    ends = []
    for sign in (1, -1):
        moved = list(arguments)
        for n, u in zip(moving, us, strict=True):
            moved[n] = arguments[n] + sign * step * u
        ends.append(_floats(function.reference(*moved, **keywords)))
    return [(a - b) / (2 * step) for a, b in zip(*ends, strict=True)]


def _compare(what: str, left: str, right: str, a: Array, b: Array, rtol: float, atol: float, number: int) -> None:
    with np.errstate(invalid="ignore"):
        wrong = ~((np.abs(a - b) <= atol + rtol * np.maximum(np.abs(a), np.abs(b))) | (np.isnan(a) & np.isnan(b)))
    if not wrong.any():
        return
    places = np.argwhere(wrong)
    lines = [f"check_grad: the {what} differs in direction {number}, at {len(places)} of {a.size} element{'' if a.size == 1 else 's'}:"]
    for place in places[:5]:
        at = tuple(int(i) for i in place)
        lines.append(f"  {list(at) if at else 'value'}: {left} {a[at]:.9g}, {right} {b[at]:.9g}")
    if len(places) > 5:
        lines.append(f"  and {len(places) - 5} more")
    lines.append("a kink (abs, relu, a maximum) nearer than the step gives such a difference too; move the arguments off it")
    raise AssertionError("\n".join(lines))
