"""Where the library parts from PyTorch, and what is not compared, each with its reason: what is not here is the same, or a test fails.

Keys are the text of one row, or a function's name for all of its rows.
"""

from __future__ import annotations

UNSIGNED = "PyTorch has few functions of u16, u32 and u64: where it has none, there is nothing to compare with"

_AS_INTEGER = "bool counts as an integer, as everywhere else in PyTorch"
_DILATED = "PyTorch has dilated convolutions of i64 alone"

TAKES_MORE: dict[str, dict[str, str]] = {
    **{name: {"bool": "nothing is rounded"} for name in ("floor", "ceil", "round(x)", "trunc")},
    "pow": {"bool": "bool counts as i64, as in x ** 2"},
    "argmax": {"bool": _AS_INTEGER},
    "argmin": {"bool": _AS_INTEGER},
    "topk": {"bool": "PyTorch sorts bool, too"},
    "scatter_add": {"bool": "true + true is true, as `or`"},
    "trace": {"bool": "PyTorch adds up bool everywhere else"},
    "max_pool1d": dict.fromkeys(("i64", "i32", "i16", "i8", "u8"), "PyTorch takes integers in two and three dimensions alone"),
    "avg_pool3d": dict.fromkeys(("f16", "bf16"), "PyTorch takes half floats in one and two dimensions alone"),
    "hardtanh": {"u8": "the limits are then 0 and 1"},
    **{
        text: dict.fromkeys(("i32", "i16", "i8", "u8"), _DILATED)
        for text in (
            "conv1d(x, y, z, stride=2, padding=1, dilation=2, groups=2)",
            'conv1d(x, y, padding="same", dilation=3)',
        )
    },
}
"""Dtypes that PyTorch refuses and the library takes."""

TAKES_LESS: dict[str, dict[str, str]] = {
    **{
        f"mse_loss(x, y, weight=z{reduction})": dict.fromkeys(
            ("i64", "i32", "i16", "i8", "u8", "u16", "u32", "u64", "bool"), "without weights PyTorch wants floats, too"
        )
        for reduction in ("", ', reduction="sum"', ', reduction="none"')
    },
    "add": {"bool": "`+` of bool is an error, that suggests `or`"},
    **{
        f"avg_pool{digit}": {"i64": "a mean wants floats, as `mean` does; PyTorch cuts it off to an integer"}
        for digit in ("", "1d", "2d", "3d")
    },
    "clamp(x, -1, 2)": dict.fromkeys(("u8", "u16", "u32", "u64"), "-1 does not fit in the dtype"),
}
"""Dtypes that PyTorch takes and the library refuses."""

_NO_CHANNELS = "PyTorch refuses images without elements; by the rule the result is what the sum or the greatest of nothing is, or has none"
_NO_ZERO = "PyTorch raises ZeroDivisionError; integer arithmetic is total, and gives 0"
_NAN_LAST = "NaN is last in both directions, as the language says; PyTorch puts it first where it sorts downwards"
_SATURATES = "a float out of an integer's range saturates and NaN gives 0; in PyTorch it is undefined"
_SKIPPED = "a weight that is masked to 0 is skipped, so that NaN and infinity in what it would multiply do not surface"

DIFFERENT: dict[tuple[str, str], str] = {
    **{(n, "special"): _NO_ZERO for n in ("fmod", "remainder", "floordiv")},
    **{(n, "special"): _SATURATES for n in ("cast(x, i32)", "sum(x, axis=1, dtype=i32)")},
    **{(text, "special"): _NAN_LAST for text in ("x.sort(axis=0, descending=true)", "argsort(x, axis=-2, descending=true)", "topk")},
    ("scaled_dot_product_attention", "special"): _SKIPPED,
    ("batch_norm", "special"): "PyTorch makes it x * a + b, where infinities cancel that do not in (x - mean) * a + b",
    **{(n, "empty"): _NO_CHANNELS for n in ("conv", "conv1d", "conv2d", "conv3d", "batch_norm")},
    **{(f"{kind}_pool{digit}", "empty"): _NO_CHANNELS for kind in ("max", "avg") for digit in ("", "1d", "2d", "3d")},
    **{
        (text, "empty"): "the parts are given, and have more elements than the tensor: PyTorch refuses, here rows of the border remain"
        for text in ("pad(x, ((-1, 0), (2, -1)))",)
    },
    **{
        (text, "empty"): "an offset beyond the matrix is an error at the call: an extent is no maximum of two"
        for text in ("diagonal(x, offset=1)", "diagonal(x, -1, dim1=-2, dim2=-1)")
    },
    **{
        (f"scaled_dot_product_attention(x, y, z, {rest})", "empty"): "no heads and masks of other sizes are errors; PyTorch does not look"
        for rest in ("w", "attn_mask=w", "enable_gqa=true")
    },
    **{(name, "0-d"): "x has an axis of classes; PyTorch does not look" for name in ("cross_entropy", "nll_loss")},
    ("scan", "0-d"): "it runs along the last axis, and is no function of PyTorch's",
    ("pad(x, 2)", "0-d"): "one width for every axis is NumPy's, and of no axes there is none",
    ("cross_entropy", "empty"): "a class that there is not is an IndexError, of no classes too; PyTorch does not look",
}
"""(row, kind of arguments) of which values are not compared; that compiled code and the oracle agree is tested all the same."""


def found(table: dict[str, dict[str, str]], name: str, text: str) -> dict[str, str]:
    return {**table.get(name, {}), **table.get(text, {})}


_OTHERS = "tests/library/test_random.py compares it with what its bits must be, since PyTorch's come from a hidden state"
_TRANSFORMS = "it takes functions: tests/transform compares derivatives with PyTorch's, and batches with each element's result"
_MADE = "it takes no tensor"
_WIDTHS = "bits need a dtype of the same width to go to, which each row has"

TRANSFORMS = ("grad", "value_and_grad", "vjp", "jvp", "vmap", "hessian", "hvp", "jacfwd", "jacrev")

LEFT_OUT: dict[str, dict[str, str]] = {
    **{name: {"everything": _OTHERS} for name in ("random_uniform", "random_normal", "dropout")},
    **{name: {"everything": _TRANSFORMS} for name in TRANSFORMS},
    **{name: {"empty strided": _MADE} for name in ("zeros", "ones", "full", "eye")},
    **{name: {"empty strided": _MADE, "bool": "PyTorch has no ranges of bool"} for name in ("arange", "linspace")},
    "bitcast": {"bool": _WIDTHS},
    "cbrt": {"i64 i32 i16 i8 u8 u16 u32 u64 bool": "PyTorch has no cbrt: a formula judges it, and it takes floats"},
    **{name: {"broadcast": "its axes are other ones for each tensor"} for name in ("conv", "conv1d", "conv2d", "conv3d", "outer")},
    **{name: {"broadcast": "the tensors have equal shapes"} for name in ("dot", "stack", "gather", "scatter", "scatter_add")},
    "scaled_dot_product_attention": {"broadcast": "a row's batch axes do, but not all axes of its tensors"},
}
"""For a function the kinds of arrays and the dtypes, in one text, that none of its rows has; "everything" for one without rows."""
