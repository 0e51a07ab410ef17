"""Functions that generated modules have where they call them: operations that take more than an expression.

Each is a Triton function. Those that reduce (`combine`) are also known to the interpreter, which would else run them element by element.
"""

from __future__ import annotations

import re

_TEXT = '''
@triton.jit
def f16(x):
    """Rounded to a half float."""
    return x.to(tl.float16).to(tl.float32)


@triton.jit
def bf16(x):
    """Rounded to a brain half float."""
    return x.to(tl.bfloat16).to(tl.float32)


@triton.jit
def maximum(a, b):
    """The larger, the first where they are equal; NaN where either is."""
    return tl.where((a >= b) | (a != a), a, b)


@triton.jit
def minimum(a, b):
    """The smaller, the first where they are equal; NaN where either is."""
    return tl.where((a <= b) | (a != a), a, b)


@triton.jit
def largest(a, b):
    """For reductions: the larger; NaN where either is."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def smallest(a, b):
    """For reductions: the smaller; NaN where either is."""
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def times(a, b):
    return a * b


@triton.jit
def plus(a, b):
    return a + b


@triton.jit
def either(a, b):
    return a | b


@triton.jit
def both(a, b):
    return a & b


@triton.jit
def recur(a, s, b, t):
    """Two steps of s' = a * s + t as one."""
    return a * b, b * s + t


@triton.jit
def sign(x):
    """-1, 0 or 1; 0 for NaN."""
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)


@triton.jit
def sigmoid(x):
    """1 / (1 + e**-x) by e**-|x|, which does not overflow."""
    e = libdevice.exp(-tl.abs(x))
    return tl.where(x < 0, e, 1.0) / (1.0 + e)


@triton.jit
def sign_unsigned(x):
    return (x != 0).to(x.dtype)


@triton.jit
def fmod_signed(a, b):
    """The remainder of truncated division; 0 for a divisor of 0."""
    return tl.where((b == 0) | (b == -1), a - a, a % tl.where((b == 0) | (b == -1), b * 0 + 1, b))


@triton.jit
def fmod_unsigned(a, b):
    """The remainder; 0 for a divisor of 0."""
    return tl.where(b == 0, a - a, a % tl.where(b == 0, b * 0 + 1, b))


@triton.jit
def remainder_signed(a, b):
    """The remainder with the divisor's sign; 0 for a divisor of 0."""
    left = fmod_signed(a, b)
    return tl.where((left != 0) & ((left ^ b) < 0), left + b, left)


@triton.jit
def floordiv_signed(a, b):
    """The floored quotient; 0 for a divisor of 0."""
    divisor = tl.where((b == 0) | (b == -1), b * 0 + 1, b)
    quotient = a // divisor
    left = a - quotient * divisor
    quotient = tl.where((left != 0) & ((left ^ b) < 0), quotient - 1, quotient)
    return tl.where(b == 0, a - a, tl.where(b == -1, a - a - a, quotient))


@triton.jit
def floordiv_unsigned(a, b):
    """The quotient; 0 for a divisor of 0."""
    return tl.where(b == 0, a - a, a // tl.where(b == 0, b * 0 + 1, b))


@triton.jit
def remainder_float(a, b):
    """The remainder with the divisor's sign."""
    left = libdevice.fmod(a, b)
    return tl.where((left != 0) & ((b < 0) != (left < 0)), left + b, left)


@triton.jit
def floordiv_float(a, b):
    """The floored quotient, corrected from fmod."""
    left = libdevice.fmod(a, b)
    exact = divide(a, b)
    quotient = divide(a - left, b)
    quotient = tl.where((left != 0) & ((b < 0) != (left < 0)), quotient - 1.0, quotient)
    floored = tl.floor(quotient)
    floored = tl.where(quotient - floored > 0.5, floored + 1.0, floored)
    floored = tl.where(quotient == 0.0, libdevice.copysign(quotient * 0.0, exact), floored)
    return tl.where(b == 0.0, exact, floored)


@triton.jit
def divide(a, b):
    """The correctly rounded quotient."""
    return a / b if (a + b).dtype == tl.float64 else tl.div_rn(a, b)


@triton.jit
def is_nan(x):
    return x != x


@triton.jit
def shift_left(a, b, width: tl.constexpr):
    """a * 2**b; 0 for b < 0 or b >= the width."""
    inside = (b >= 0) & (b < width)
    return tl.where(inside, a << tl.where(inside, b, b - b), a - a)


@triton.jit
def shift_right_signed(a, b, width: tl.constexpr):
    """floor(a / 2**b); for b < 0 as for a great b."""
    inside = (b >= 0) & (b < width)
    return a >> tl.where(inside, b, b - b + (width - 1))


@triton.jit
def shift_right_unsigned(a, b, width: tl.constexpr):
    """floor(a / 2**b); 0 for b >= the width."""
    inside = b < width
    return tl.where(inside, a >> tl.where(inside, b, b - b), a - a)


@triton.jit
def power_unsigned(a, b, width: tl.constexpr):
    """a ** b by repeated squaring, wrapped."""
    result = a - a + 1
    for bit in tl.static_range(width):
        result = tl.where(((b >> bit) & 1) != 0, result * a, result)
        a = a * a
    return result


@triton.jit
def power_signed(a, b, width: tl.constexpr):
    """a ** b, wrapped; a negative exponent gives 0, but for the bases 1 and -1."""
    positive = power_unsigned(a, tl.where(b > 0, b, b - b), width - 1)
    one = a - a + 1
    unit = tl.where((a == 1) | (a == -1), tl.where((b & 1) == 1, a, one), a - a)
    return tl.where(b >= 0, positive, unit)


@triton.jit
def float_to_integer(x, low, high, least, most, dtype: tl.constexpr):
    """Toward zero; beyond the range its ends, `least` and `most`, and 0 for NaN."""
    inside = (x > low) & (x < high)
    whole = tl.where(inside, x, 0.0).to(dtype)
    return tl.where(x >= high, most, tl.where(x <= low, least, whole))


@triton.jit
def to_odd(x):
    """An f64 as f32, toward zero with the last bit set where that loses anything, so that rounding it again to fewer bits is right."""
    near = x.to(tl.float32)
    back = near.to(tl.float64)
    bits = near.to(tl.uint32, bitcast=True)
    bits = tl.where((back != x) & (x == x) & (tl.abs(back) > tl.abs(x)), bits - 1, bits)
    return tl.where((back == x) | (x != x), near, (bits | 1).to(tl.float32, bitcast=True))


@triton.jit
def gather_low_bits_signed(x):
    """A 64-bit integer whose bits below the 12th are one, where f64 would round it."""
    sticky = (x & ~0xFFF) | tl.where((x & 0xFFF) != 0, 0x1000, 0)
    return tl.where((x > -(1 << 52)) & (x < (1 << 52)), x, sticky)


@triton.jit
def gather_low_bits_unsigned(x):
    """A 64-bit integer whose bits below the 12th are one, where f64 would round it."""
    low = x & 0xFFF
    return tl.where(x < (1 << 52), x, (x ^ low) | tl.where(low != 0, x - x + 0x1000, x - x))


@triton.jit
def cube_root(x):
    """The cube root by its logarithm and two steps of Newton's method, where the target's library has none."""
    a = tl.abs(x)
    y = libdevice.exp2(libdevice.log2(a) / 3.0)
    y = y - (y - a / (y * y)) / 3.0
    y = y - (y - a / (y * y)) / 3.0
    y = tl.where((a == 0.0) | (a == float("inf")), a, y)
    return tl.where(x != x, x, libdevice.copysign(y, x))


@triton.jit
def ordered32(x, descending: tl.constexpr):
    """Signed bits by which floats are sorted: equal zeros are one, NaN is last."""
    bits = tl.where(x == 0.0, 0.0, x).to(tl.int32, bitcast=True)
    bits = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    if descending:
        bits = ~bits
    return tl.where(x != x, 0x7FFFFFFF, bits)


@triton.jit
def ordered64(x, descending: tl.constexpr):
    """Signed bits by which floats are sorted: equal zeros are one, NaN is last."""
    bits = tl.where(x == 0.0, x - x, x).to(tl.int64, bitcast=True)
    bits = tl.where(bits < 0, bits ^ 0x7FFFFFFFFFFFFFFF, bits)
    if descending:
        bits = ~bits
    return tl.where(x != x, 0x7FFFFFFFFFFFFFFF, bits)


MULTIPLIES_F64 = tl.constexpr([int(part) for part in triton.__version__.split(".")[:2]] >= [3, 8])


@triton.jit
def dot_f64(a, b, total):
    """total + a @ b. Triton before 3.8 has products of f64 matrices not for all of AMD's GPUs: there each column meets its row."""
    if MULTIPLIES_F64:
        return tl.dot(a, b, total, out_dtype=tl.float64)
    k = tl.arange(0, a.shape[1])
    for n in range(a.shape[1]):
        column = tl.sum(tl.where((k == n)[None, :], a, tl.zeros_like(a)), 1)
        row = tl.sum(tl.where((k == n)[:, None], b, tl.zeros_like(b)), 0)
        total = tl.fma(column[:, None] + tl.zeros_like(total), row[None, :] + tl.zeros_like(total), total)
    return total
'''

_DEFINED = re.compile(r"def (\w+)\(|(\w+) =")

TEXTS: dict[str, str] = {
    m[1] or m[2]: part.strip() for part in re.split(r"\n\n\n", _TEXT.strip()) if (m := _DEFINED.search(part)) is not None
}
"""The text of each function, by its name, those that others call first; and of what they know of Triton."""

_CALL = re.compile(r"(?<![\w.])(\w+)\b")


def used(text: str) -> list[str]:
    """The names of the functions that a text and what it calls are made of, in the order of `TEXTS`."""
    found: set[str] = set()
    texts = [text]
    while texts:
        names = {name for name in _CALL.findall(texts.pop()) if name in TEXTS} - found
        found |= names
        texts += [TEXTS[name].split('"""')[-1] for name in names]
    return [name for name in TEXTS if name in found]
