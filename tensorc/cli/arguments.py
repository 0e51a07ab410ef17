"""Turns the texts of `--arg name=VALUE` into the arguments of a function, each as its parameter wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.cli.output import FAILED, Refused
from tensorc.cli.values import GENERATOR, Value, ValueInputError, read_value
from tensorc.dtypes import DTYPES, KINDS, from_numpy
from tensorc.errors import nearest

if TYPE_CHECKING:
    from tensorc.elaborate import ParameterInfo

EXAMPLES = {"int": "2", "float": "0.5", "bool": "true", "str": "mean", "dtype": "f32", "dims": "[2,3]", "axes": "-1"}
SIZES = ("4", "8", "3", "2", "5", "6")


def read_arguments(parameters: Sequence[ParameterInfo], texts: Sequence[str], seed: int) -> dict[str, Value]:
    """The values by the parameters' names. Refused where a text names no parameter or stands for no value, or one is missing."""
    given = split_texts(parameters, texts)
    missing = [p for p in parameters if p.name not in given and not p.has_default]
    if missing:
        listed = ", ".join(f"{p.name}: {type_text(p)}" for p in missing)
        shown = examples(parameters)
        help = " ".join(f"--arg {p.name}={shown[p.name]}" for p in missing)
        raise Refused(f"missing argument{'' if len(missing) == 1 else 's'}: {listed}", f"for example {help}")
    return _Reader(given, np.random.default_rng(seed)).read(parameters)


def split_texts(parameters: Sequence[ParameterInfo], texts: Sequence[str], option: str = "--arg") -> dict[str, str]:
    """`name=VALUE` texts by name. Refused for a name that is unknown or stands twice."""
    names = [p.name for p in parameters]
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise Refused(f"`{option} {text}` gives no value", f"write {option} {name if name in names else 'name'}=VALUE")
        if name not in names:
            near = nearest(name, names)
            takes = f"the parameters are {', '.join(names)}" if names else "the function has no parameters"
            raise Refused(f"there is no parameter `{name}`", f"did you mean `{near}`?" if near else takes)
        if name in given:
            raise Refused(f"`{option} {name}=` is given twice")
        given[name] = value
    return given


class _Reader:
    """Reads the values. A dtype variable is what the first argument with a dtype of its own makes it; text adapts to that."""

    def __init__(self, texts: Mapping[str, str], rng: np.random.Generator) -> None:
        self.texts = texts
        self.rng = rng
        self.variables: dict[str, str] = {}
        self.files: dict[str, Value] = {}

    def read(self, parameters: Sequence[ParameterInfo]) -> dict[str, Value]:
        given = [p for p in parameters if p.name in self.texts]
        for p in given:
            if variable_kind(p) is not None:
                self._bind_own(p)
        return {p.name: self.files[p.name] if p.name in self.files else self._bound(p, self._value(p, self._wanted(p))) for p in given}

    def _bind_own(self, p: ParameterInfo) -> None:
        """Bind the dtype variable of a parameter whose text says its dtype: a file that keeps one, or `rand:f32[4,8]`."""
        text = self.texts[p.name].strip()
        generator = GENERATOR.fullmatch(text)
        if text.startswith("@") and not _is_csv(text):
            self.files[p.name] = self._bound(p, self._value(p, None))
        elif generator is not None and generator["dtype"] in DTYPES:
            self.variables.setdefault(p.dtype_text, generator["dtype"])

    def _bound(self, p: ParameterInfo, value: Value) -> Value:
        dtype = from_numpy(value.dtype) if isinstance(value, np.ndarray) and variable_kind(p) is not None else None
        if dtype is not None:
            self.variables.setdefault(p.dtype_text, dtype.name)
        return value

    def _wanted(self, p: ParameterInfo) -> str | None:
        """What a text without a dtype is to become: the `dtype` of `read_value`."""
        if p.is_static:
            return p.static_type
        kind = variable_kind(p)
        if kind is None:
            return p.dtypes[0].name if p.dtypes else None
        text = self.texts[p.name].strip()
        if p.dtype_text not in self.variables and (text.startswith("[") or _is_csv(text)):
            return {"float": "f64" if _is_csv(text) else "f32", "int": "i64"}.get(kind, kind)
        return self.variables.get(p.dtype_text, kind)

    def _value(self, p: ParameterInfo, wanted: str | None) -> Value:
        text = self.texts[p.name]
        try:
            value = read_value(text, rng=self.rng, dtype=wanted, rank=None if p.more_axes else p.rank)
        except ValueInputError as error:
            raise Refused(f"`{p.name}`: {error.message}", error.hint) from None
        if p.rank and not p.is_static and not isinstance(value, np.ndarray):
            axes = f"{'at least ' if p.more_axes else ''}{p.rank} {'axis' if p.rank == 1 else 'axes'}"
            message = f"parameter `{p.name}` is {type_text(p)}, with {axes}; `{text}` has none"
            raise Refused(message, f"write a list, or {examples([p])[p.name]}", "ShapeError", FAILED)
        return value


def _is_csv(text: str) -> bool:
    return text.startswith("@") and ".csv" in text.lower()


def variable_kind(p: ParameterInfo) -> str | None:
    """The kind of a parameter's dtype variable; None where its dtype is written, or it is static."""
    if p.is_static or p.dtype_text in DTYPES:
        return None
    return next((kind for kind, dtypes in KINDS.items() if dtypes == p.dtypes), None)


def type_text(p: ParameterInfo) -> str:
    """The parameter's type as its declaration has it."""
    if p.is_static:
        return str(p.static_type)
    return f"{p.dtype_text}[{p.dims_text}]" if p.dims_text else p.dtype_text


def examples(parameters: Sequence[ParameterInfo]) -> dict[str, str]:
    """A text that each parameter takes, sizes of one name alike."""
    sizes: dict[str, str] = {}
    found = {}
    for p in parameters:
        dtype = p.dtypes[0].name if p.dtypes else "f32"
        if p.is_static:
            found[p.name] = EXAMPLES.get(str(p.static_type), "1")
        elif p.rank == 0 and not p.more_axes:
            found[p.name] = {"float": "0.5", "bool": "true"}.get(DTYPES[dtype].kind, "1")
        else:
            dims = [_example_size(dim.strip(), sizes) for dim in p.dims_text.split(",") if dim.strip()]
            form = "zeros" if DTYPES[dtype].is_integer else "rand"  # integers may be indices, of which 0 is the likeliest to be inside
            found[p.name] = f"{form}:{dtype}[{','.join(dims)}]"
    return found


def _example_size(dim: str, sizes: dict[str, str]) -> str:
    """A size for a dim: a number as it is, a name's own, small and unlike the others'."""
    return dim if dim.isdigit() else sizes.setdefault(dim, SIZES[len(sizes) % len(SIZES)])


def describe(value: Any) -> str:
    """A value's dtype and shape, or the value itself where it has none."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    return array_type(value)


def array_type(array: np.ndarray[Any, Any]) -> str:
    """`f32[4, 8]`, and `f32` for no axes."""
    dtype = from_numpy(array.dtype) or array.dtype
    return f"{dtype}[{', '.join(map(str, array.shape))}]" if array.ndim else str(dtype)
