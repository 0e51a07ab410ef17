"""What a traced function gets in place of arrays and sizes: Tracer, which does what an array does, and Dim, a symbolic size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tensorc import algebra
from tensorc.algebra import Poly, poly
from tensorc.diagnostics import error
from tensorc.dtypes import DType
from tensorc.elaborate.values import Array
from tensorc.frontend.places import user_span
from tensorc.ir import build

if TYPE_CHECKING:
    from tensorc.frontend.trace import Trace

Operator = Callable[[Any, Any], Any]


def _binary(operator: str) -> tuple[Operator, Operator]:
    """The method of an operator, and that of its reflection."""

    def forward(self: Any, other: Any) -> Any:
        return self.owner.binary(operator, self, other) if _is_operand(other) else NotImplemented

    def reflected(self: Any, other: Any) -> Any:
        return self.owner.binary(operator, other, self) if _is_operand(other) else NotImplemented

    return forward, reflected


def _is_operand(value: Any) -> bool:
    from tensorc.runtime.arrays import is_array

    return isinstance(value, (Tracer, Dim, int, float)) or is_array(value)


_CONVERSIONS = {
    "double": "f64", "float": "f32", "half": "f16", "bfloat16": "bf16",
    "long": "i64", "int": "i32", "short": "i16", "char": "i8", "byte": "u8", "bool": "bool",
}  # fmt: skip
"""PyTorch's methods that convert to a dtype."""


class Tracer:
    """An array of the program that is being traced. It has a dtype and a shape, and no elements yet."""

    __slots__ = ("__weakref__", "owner", "value")

    def __init__(self, trace: Trace, value: Array) -> None:
        self.owner = trace
        self.value = value

    # What is known of it.

    @property
    def dtype(self) -> DType:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return self.value.rank

    @property
    def shape(self) -> tuple[int | Dim, ...]:
        return tuple(dim(self.owner, e) for e in self.value.extents)

    @property
    def size(self) -> int | Dim:
        """The number of elements."""
        product = poly(1)
        for extent in self.value.extents:
            product = product * extent
        return dim(self.owner, product)

    @property
    def T(self) -> Any:
        return self.owner.attribute(self, "T")

    @property
    def mT(self) -> Any:
        return self.owner.attribute(self, "mT")

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d array has no length")
        return _known(self.shape[0], "len(x)")

    def __repr__(self) -> str:
        dims = f"[{', '.join(map(str, self.shape))}]" if self.ndim else ""
        return f"<array {self.dtype}{dims} being traced>"

    __hash__ = object.__hash__

    # Operators.

    __add__, __radd__ = _binary("+")
    __sub__, __rsub__ = _binary("-")
    __mul__, __rmul__ = _binary("*")
    __truediv__, __rtruediv__ = _binary("/")
    __floordiv__, __rfloordiv__ = _binary("//")
    __mod__, __rmod__ = _binary("%")
    __pow__, __rpow__ = _binary("**")
    __matmul__, __rmatmul__ = _binary("@")
    __and__, __rand__ = _binary("&")
    __or__, __ror__ = _binary("|")
    __xor__, __rxor__ = _binary("^")
    __lshift__, __rlshift__ = _binary("<<")
    __rshift__, __rrshift__ = _binary(">>")
    __lt__, _ = _binary("<")
    __le__, _ = _binary("<=")
    __gt__, _ = _binary(">")
    __ge__, _ = _binary(">=")
    __eq__, _ = _binary("==")
    __ne__, _ = _binary("!=")

    def __neg__(self) -> Any:
        return self.owner.unary("-", self)

    def __pos__(self) -> Any:
        return self.owner.unary("+", self)

    def __invert__(self) -> Any:
        return self.owner.unary("~", self)

    def __abs__(self) -> Any:
        return self.owner.call("abs", self)

    def __round__(self, digits: int | None = None) -> Any:
        return self.owner.call("round", self)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    # Elements.

    def __getitem__(self, items: Any) -> Any:
        return self.owner.subscript(self, items if isinstance(items, tuple) else (items,))

    def __setitem__(self, items: Any, value: Any) -> NoReturn:
        raise error(
            "E0904", "an array that is traced cannot be written to", user_span(), help="make a new one: `tc.where(condition, value, x)`"
        )

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("a 0-d array cannot be iterated over")
        return iter([self[n] for n in range(_known(self.shape[0], "a loop over an array"))])

    def __contains__(self, value: Any) -> NoReturn:
        _no_value("`in` asks for")

    # What would need its elements.

    def __bool__(self) -> NoReturn:
        _no_value(
            "`if`, `while`, `and`, `or`, `not` and `assert` ask for",
            "choose element by element with `tc.where(condition, a, b)`, and combine with `&`, `|`, `~`",
        )

    def __int__(self) -> NoReturn:
        _no_value("`int(x)` asks for", "cast with `tc.cast(x, tc.i64)`")

    def __float__(self) -> NoReturn:
        _no_value(
            "`float(x)` or a function of `math` asks for", "cast with `tc.cast(x, tc.f32)`, and use `tc.sqrt` and the like for `math.sqrt`"
        )

    def __index__(self) -> NoReturn:
        _no_value(
            "an axis, a size or a Python index asks for",
            'name the parameter in `static=("axis",)`, so that it is known when the function is traced',
        )

    def __complex__(self) -> NoReturn:
        _no_value("`complex(x)` asks for")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        _no_value("`np.asarray(x)` asks for", "functions of NumPy take the array as it is")

    def item(self) -> NoReturn:
        _no_value("`item()` asks for")

    def tolist(self) -> NoReturn:
        _no_value("`tolist()` asks for")

    def numpy(self) -> NoReturn:
        _no_value("`numpy()` asks for")

    # Methods: every library function is one.

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return self.owner.call("cast", self, dtype)

    def to(self, dtype: Any) -> Any:
        return self.owner.call("cast", self, dtype)

    def view(self, *shape: Any) -> Any:
        """The same elements under another shape, or their bits as another dtype."""
        if len(shape) == 1 and isinstance(dtype := self.owner.lift(shape[0]), DType):
            return self.owner.call("bitcast", self, dtype)
        return self.owner.call("reshape", self, _joined(shape))

    def reshape(self, *shape: Any) -> Any:
        return self.owner.call("reshape", self, _joined(shape))

    def expand(self, *shape: Any) -> Any:
        return self.owner.call("expand", self, _joined(shape))

    def permute(self, *axes: Any) -> Any:
        return self.owner.call("permute", self, _joined(axes))

    def transpose(self, *axes: Any, **named: Any) -> Any:
        """All axes turned round; or the order of a tuple (NumPy); or two axes swapped (PyTorch, whose names for them are taken)."""
        if named:
            return self.owner.call("transpose", self, *axes, **named)
        joined = _joined(axes)
        if not joined:
            joined = tuple(reversed(range(self.ndim)))
        elif len(joined) == 2 and len(axes) == 2:
            return self.owner.call("swapaxes", self, *joined)
        return self.owner.call("permute", self, joined)

    def dim(self) -> int:
        return self.ndim

    def copy(self) -> Tracer:
        return self

    clone = contiguous = copy

    def ravel(self) -> Any:
        return self.owner.call("flatten", self)

    def __getattr__(self, name: str) -> Any:
        from tensorc.elaborate import library_names

        if name in _CONVERSIONS:
            return lambda: self.owner.call("cast", self, _CONVERSIONS[name])
        if name.startswith("_") or name not in library_names():
            from tensorc.errors import suggestion

            known = [*library_names(), *(n for n in dir(type(self)) if not n.startswith("_"))]
            raise AttributeError(f"an array that is traced has no attribute `{name}`{suggestion(name, known)}")

        def method(*args: Any, **kwargs: Any) -> Any:
            return self.owner.call(name, self, *args, **kwargs)

        method.__name__ = name
        return method

    # The protocols by which functions of other libraries take it.

    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tensorc.frontend.numpy_names import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from tensorc.frontend.numpy_names import apply_function

        return apply_function(function, args, kwargs)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from tensorc.frontend.torch_names import apply_function

        return apply_function(function, args, kwargs or {})


def _joined(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """`f(2, 3)` and `f((2, 3))` alike."""
    return tuple(items[0]) if len(items) == 1 and isinstance(items[0], (tuple, list)) else items


def _no_value(what: str, help: str = "what depends on values must be an operation on arrays") -> NoReturn:
    notes = (f"{what} its elements, which are known only when the compiled function runs",)
    span = user_span()
    raise error("E0902", "the value of an array that is traced is not known", span, "an array that is traced", notes=notes, help=help)


# Sizes.


def dim(trace: Trace, extent: Poly) -> int | Dim:
    """A size as Python sees it: a plain int where it is one."""
    return Dim(trace, extent) if extent.constant is None else extent.constant


class Dim:
    """A size that the program serves all values of. Arithmetic with ints gives sizes again, anything else gives 0-d arrays."""

    __slots__ = ("extent", "owner")

    def __init__(self, trace: Trace, extent: Poly) -> None:
        self.owner = trace
        self.extent = extent

    @property
    def array(self) -> Array:
        """The size as a 0-d array that gives way to any dtype."""
        return Array((), build.integer(self.extent), weak=True)

    @property
    def tracer(self) -> Tracer:
        return Tracer(self.owner, self.array)

    def __repr__(self) -> str:
        return str(self.extent)

    def __hash__(self) -> int:
        return hash(self.extent)

    def _integers(self, operator: str, other: Any, forward: Callable[[Poly, Poly], Poly], reflected: bool) -> Any:
        if isinstance(other, Dim) or (isinstance(other, (int, np.integer)) and not isinstance(other, bool)):
            p = other.extent if isinstance(other, Dim) else poly(int(other))
            return dim(self.owner, forward(p, self.extent) if reflected else forward(self.extent, p))
        if not _is_operand(other):
            return NotImplemented
        return self.owner.binary(operator, other, self.tracer) if reflected else self.owner.binary(operator, self.tracer, other)

    def __add__(self, other: Any) -> Any:
        return self._integers("+", other, lambda a, b: a + b, False)

    def __radd__(self, other: Any) -> Any:
        return self._integers("+", other, lambda a, b: a + b, True)

    def __sub__(self, other: Any) -> Any:
        return self._integers("-", other, lambda a, b: a - b, False)

    def __rsub__(self, other: Any) -> Any:
        return self._integers("-", other, lambda a, b: a - b, True)

    def __mul__(self, other: Any) -> Any:
        return self._integers("*", other, lambda a, b: a * b, False)

    def __rmul__(self, other: Any) -> Any:
        return self._integers("*", other, lambda a, b: a * b, True)

    def __floordiv__(self, other: Any) -> Any:
        return self._integers("//", other, lambda a, b: a // b, False)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._integers("//", other, lambda a, b: a // b, True)

    def __mod__(self, other: Any) -> Any:
        return self._integers("%", other, lambda a, b: a % b, False)

    def __rmod__(self, other: Any) -> Any:
        return self._integers("%", other, lambda a, b: a % b, True)

    def __neg__(self) -> Any:
        return dim(self.owner, -self.extent)

    def __pos__(self) -> Dim:
        return self

    __truediv__, __rtruediv__ = _binary("/")
    __pow__, __rpow__ = _binary("**")

    # Comparisons: decided where they hold for every value of the sizes, a 0-d bool array elsewhere.

    def _compare(self, operator: str, other: Any, never: Callable[[Poly], bool], always: Callable[[Poly], bool]) -> Any:
        if isinstance(other, Dim) or (isinstance(other, (int, np.integer)) and not isinstance(other, bool)):
            difference = self.extent - (other.extent if isinstance(other, Dim) else int(other))
            if always(difference):
                return True
            if never(difference):
                return False
        elif not _is_operand(other):
            return NotImplemented
        return Comparison(self.owner, self.owner.binary(operator, self.tracer, other).value, f"{self} {operator} {other}")

    def _is_not_one(self, other: Any) -> bool:
        """Whether this is compared with 1, which the size of a traced axis is known not to be."""
        return isinstance(other, int) and other == 1 and self.extent in self.owner.not_one

    def __eq__(self, other: Any) -> Any:
        return False if self._is_not_one(other) else self._compare("==", other, _nonzero, lambda d: d.constant == 0)

    def __ne__(self, other: Any) -> Any:
        return True if self._is_not_one(other) else self._compare("!=", other, lambda d: d.constant == 0, _nonzero)

    def __lt__(self, other: Any) -> Any:
        return self._compare("<", other, algebra.nonnegative, lambda d: algebra.nonnegative(-d - 1))

    def __le__(self, other: Any) -> Any:
        return self._compare("<=", other, lambda d: algebra.nonnegative(d - 1), lambda d: algebra.nonnegative(-d))

    def __gt__(self, other: Any) -> Any:
        return self._compare(">", other, lambda d: algebra.nonnegative(-d), lambda d: algebra.nonnegative(d - 1))

    def __ge__(self, other: Any) -> Any:
        return self._compare(">=", other, lambda d: algebra.nonnegative(-d - 1), algebra.nonnegative)

    def __bool__(self) -> bool:
        if not algebra.positive(self.extent):
            _unknown_size(self, "`if` asks for it")
        return True

    def __index__(self) -> int:
        _unknown_size(self, "`range`, NumPy and Python's own sequences ask for it")

    __int__ = __index__

    def __float__(self) -> float:
        _unknown_size(self, "`float` and the functions of `math` ask for it")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tensorc.frontend.numpy_names import apply_ufunc

        return apply_ufunc(ufunc, method, [i.tracer if isinstance(i, Dim) else i for i in inputs], kwargs)


class Comparison(Tracer):
    """A comparison of sizes that holds for some of their values."""

    __slots__ = ("text",)

    def __init__(self, trace: Trace, value: Array, text: str) -> None:
        super().__init__(trace, value)
        self.text = text

    def __bool__(self) -> NoReturn:
        notes = ("`if` and `assert` ask for it, but one program serves every value of the sizes",)
        help = "axes that meet are taken to be equal, and each call checks it; write other choices with `tc.where`"
        raise error("E0903", f"whether {self.text} is not known while tracing", user_span(), notes=notes, help=help)


def _nonzero(difference: Poly) -> bool:
    return algebra.nonnegative(difference - 1) or algebra.nonnegative(-difference - 1)


def _known(size: int | Dim, what: str) -> int:
    if isinstance(size, Dim):
        _unknown_size(size, f"{what} asks for it")
    return size


def _unknown_size(size: Dim, why: str) -> NoReturn:
    notes = (f"{why}, but one program serves every value of {size.extent}",)
    help = "use operations of whole arrays: `tc.arange(n)`, `tc.zeros([n])`, `n ** 0.5`, `tc.where`"
    raise error("E0903", f"the size {size.extent} is not known while tracing", user_span(), notes=notes, help=help)
