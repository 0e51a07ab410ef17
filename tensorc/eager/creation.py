"""Making tensors: of Python's numbers and lists, of arrays of other libraries, filled, in steps, and random."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.api.definition import as_dtype
from tensorc.dtypes import DType, bool_, f32, f64, i64
from tensorc.eager.operations import apply
from tensorc.eager.shapes import sizes
from tensorc.eager.tensor import Tensor, device, refuse
from tensorc.errors import DTypeError
from tensorc.runtime import arrays
from tensorc.runtime.arrays import Array

MOST_AXES = 64
"""As many axes as an array of NumPy's may have."""

# Of data.


def numpy_dtype(value: Any) -> Any:
    """The NumPy dtype that a caller means. TypeError where it is none."""
    found = as_dtype(value)
    if found is None and value in (float, int, bool):
        found = {float: f64, int: i64, bool: bool_}[value]
    if found is None:
        raise TypeError(f"{value!r} is no dtype that tensors have")
    return found.numpy


def array_from(data: Any, dtype: Any = None) -> Array:
    """A new array of numbers in nested lists, of tensors in lists, or of another library's array, in that one's dtype."""
    if isinstance(data, Tensor):
        return np.array(data._array, dtype=dtype or data._array.dtype, order="K")
    if arrays.is_array(data):
        found = _array(data)
        return np.array(found, dtype=dtype or found.dtype)
    if hasattr(data, "to_numpy"):
        found = _checked(data.to_numpy())
        return np.array(found, dtype=dtype or found.dtype)
    shape = _nested_shape(data)
    flat = _flattened(data, shape)
    made = np.empty(len(flat), dtype or _inferred(flat))
    below = 1 << 8 * made.itemsize if made.dtype.kind == "u" else 0
    for place, value in enumerate(flat):
        made[place] = value + below if below and -below < value < 0 else value  # unsigned numbers wrap around, as PyTorch's do
    return made.reshape(shape)


def _array(data: Any) -> Array:
    """Another library's array as NumPy sees it."""
    try:
        return arrays.view(data, "the data")
    except DTypeError as error:
        raise TypeError(str(error)) from None


def _checked(array: Array) -> Array:
    if array.dtype == object:
        raise TypeError(
            "can't convert np.ndarray of type numpy.object_. The only supported types are: float64, float32, float16, int64, int32, int16, "
            "int8, uint64, uint32, uint16, uint8, and bool."
        )
    return _array(array)


def _nested_shape(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(data, Sequence) and not isinstance(data, str):
        shape.append(len(data))
        if len(shape) > MOST_AXES:
            raise ValueError(f"too many dimensions: the lists are nested more than {MOST_AXES} deep")
        if not data:
            break
        data = data[0]
    if hasattr(data, "shape"):
        shape += data.shape
    return tuple(shape)


def _flattened(data: Any, shape: tuple[int, ...], depth: int = 0) -> list[Any]:
    """The numbers in order. ValueError where the lists are of unequal lengths, TypeError for what is no number."""
    if isinstance(data, Sequence) and not isinstance(data, str):
        if depth >= len(shape) or len(data) != shape[depth]:
            expected = shape[depth] if depth < len(shape) else "a number"
            raise ValueError(f"expected sequence of length {expected} at dim {depth} (got {len(data)})")
        return [v for part in data for v in _flattened(part, shape, depth + 1)]
    if isinstance(data, (Tensor, np.ndarray, np.generic)):
        array = data._array if isinstance(data, Tensor) else np.asarray(data)
        if array.shape != shape[depth:]:
            raise ValueError(f"expected a part of shape {list(shape[depth:])} at dim {depth} (got {list(array.shape)})")
        return list(array.reshape(-1))
    if depth != len(shape):
        raise TypeError("not a sequence") if depth else TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if isinstance(data, str):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if data is None:
        raise RuntimeError("Could not infer dtype of NoneType")
    if not isinstance(data, (int, float)):
        raise TypeError(f"must be real number, not {type(data).__name__}")
    return [data]


def _inferred(flat: Sequence[Any]) -> Any:
    """The dtype of Python's numbers: f32 where one is a float, else i64, else bool; NumPy's numbers keep theirs where all are alike."""
    kinds = {type(v) for v in flat}
    if len(kinds) == 1 and issubclass(next(iter(kinds)), np.generic) and not issubclass(next(iter(kinds)), float):
        return next(iter(kinds))
    if not flat or any(isinstance(v, (float, np.floating)) for v in flat):
        return np.float32
    return np.bool_ if all(isinstance(v, (bool, np.bool_)) for v in flat) else np.int64


def _leaf(array: Array, requires_grad: bool) -> Tensor:
    made = Tensor._of(array)
    return made.requires_grad_() if requires_grad else made


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of the data: numbers, nested lists, arrays of NumPy and others, and what has `to_numpy` (pandas)."""
    _on_cpu(device)
    try:
        return _leaf(array_from(data, None if dtype is None else numpy_dtype(dtype)), requires_grad)
    except OverflowError as error:
        if dtype is None:
            raise ValueError(f"Overflow when unpacking long long: {error}") from None
        raise RuntimeError(f"value cannot be converted: {error}") from None


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor: itself, or on the memory of the array, where no other dtype is asked for; else a copy."""
    _on_cpu(device)
    wanted = None if dtype is None else numpy_dtype(dtype)
    if isinstance(data, Tensor):
        return data if wanted in (None, data._array.dtype) else data.to(dtype)
    if arrays.is_array(data):
        array = _array(data)
        return Tensor._of(array if wanted is None else array.astype(wanted, copy=False))
    return Tensor._of(array_from(data, wanted))


asarray = as_tensor


def from_numpy(array: Any) -> Tensor:
    """A tensor on the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. "
            "(You can probably work around this by making a copy of your array  with array.copy().)"
        )
    return Tensor._of(_checked(array))


def from_dlpack(source: Any) -> Tensor:
    """A tensor on the memory of anything with DLPack."""
    return Tensor._of(_array(np.from_dlpack(source)))


def _on_cpu(where: Any) -> None:
    if where is not None and not isinstance(where, device):
        device(where)


# Filled.


def _made(shape: tuple[Any, ...], dtype: Any, options: dict[str, Any], fill: Any) -> Tensor:
    _on_cpu(options.pop("device", None))
    if "size" in options:
        shape = (options.pop("size"),)
    requires_grad = options.pop("requires_grad", False)
    for name in ("out", "layout", "pin_memory", "memory_format", "names"):
        if options.pop(name, None):
            raise TypeError(f"`{name}` has no meaning for tc.Tensor")
    if options:
        raise TypeError(f"unexpected keyword argument '{next(iter(options))}'")
    extents = sizes(shape)
    if any(e < 0 for e in extents):
        refuse(f"Trying to create tensor with negative dimension {min(extents)}: {list(extents)}")
    return _leaf(np.full(extents, fill, f32.numpy if dtype is None else numpy_dtype(dtype)), requires_grad)


def zeros(*size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor of zeros; f32 by default."""
    return _made(size, dtype, options, 0)


def ones(*size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor of ones; f32 by default."""
    return _made(size, dtype, options, 1)


def empty(*size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor whose elements do not matter yet."""
    return _made(size, dtype, options, 0)


def full(size: Any, fill_value: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor of one value; of the value's dtype by default."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return _made((size,), arrays.natural_dtype(value) if dtype is None else dtype, options, value)


def zeros_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    return _made((input.shape,), input.dtype if dtype is None else dtype, options, 0)


def ones_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    return _made((input.shape,), input.dtype if dtype is None else dtype, options, 1)


empty_like = zeros_like


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    return _made((input.shape,), input.dtype if dtype is None else dtype, options, fill_value)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False, **options: Any) -> Tensor:
    """The identity matrix."""
    rows, columns = int(n), int(n if m is None else m)
    if min(rows, columns) < 0:
        refuse(f"n must be greater or equal to 0, got {min(rows, columns)}")
    return _leaf(np.eye(rows, columns, dtype=f32.numpy if dtype is None else numpy_dtype(dtype)), requires_grad)


# In steps.


def arange(*ends: Any, dtype: Any = None, requires_grad: bool = False, step: Any = None, **options: Any) -> Tensor:
    """start, start + step, ... below end: `arange(end)`, `arange(start, end)`, `arange(start, end, step)`."""
    given = [options.pop(n) for n in ("start", "end") if n in options]
    values = [e.item() if isinstance(e, Tensor) else e for e in (*given, *ends)]
    start, end = (0, values[0]) if len(values) == 1 else values[:2]
    by = values[2] if len(values) == 3 else 1 if step is None else step
    if by == 0:
        refuse("step must be nonzero")
    if (end - start) * by < 0:
        refuse("upper bound and lower bound inconsistent with step sign")
    integers = all(isinstance(v, int) for v in (start, end, by))
    wanted = (i64 if integers else f32).numpy if dtype is None else numpy_dtype(dtype)
    if integers:
        return _leaf(np.arange(start, end, by, dtype=np.int64).astype(wanted), requires_grad)
    count = int(np.ceil((end - start) / by))
    return _leaf(_steps("arange", count, float(start), float(by), wanted), requires_grad)


def _steps(name: str, count: int, start: float, by: float, dtype: Any) -> Array:
    """start + n * by for n below count, computed in f64."""

    def traced(like: Any, start: Any, by: Any, dtype: DType) -> Any:
        import tensorc as tc

        return tc.cast(tc.cast(tc.arange(like.shape[0]), tc.f64) * by + start, dtype)

    values = [Tensor._of(np.zeros(count, np.bool_)), *(Tensor._of(np.array(v, np.float64)) for v in (start, by))]
    found: Tensor = apply(name, traced, [*values, arrays.dtype_of(np.empty(0, dtype))], {})
    return found._array


def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, requires_grad: bool = False, **options: Any) -> Tensor:
    """So many numbers from start to end, both included."""
    if steps < 0:
        refuse("number of steps must be non-negative")
    wanted = f32 if dtype is None else arrays.dtype_of(np.empty(0, numpy_dtype(dtype)))

    def traced(like: Any, start: Any, end: Any, dtype: DType) -> Any:
        import tensorc as tc

        return tc.linspace(start, end, like.shape[0], dtype)

    ends = [Tensor._of(np.array(float(v), np.float64)) for v in (start, end)]
    made: Tensor = apply("linspace", traced, [Tensor._of(np.zeros(int(steps), np.bool_)), *ends, wanted], {})
    return _leaf(made._array, requires_grad)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, requires_grad: bool = False, **options: Any
) -> Tensor:
    """base to the powers of `linspace`."""
    exponents = linspace(start, end, steps, dtype=f64)
    made = (Tensor._of(np.array(base, np.float64)) ** exponents).to(f32 if dtype is None else dtype)
    return _leaf(made._array, requires_grad)


# Random.


class Generator:
    """The state that random numbers follow from: a seed, and how many draws there have been."""

    def __init__(self, device: Any = "cpu") -> None:
        _on_cpu(device)
        self._lock = threading.Lock()
        self.seed_value = 67280421310721
        self.draws = 0

    def manual_seed(self, seed: int) -> Generator:
        with self._lock:
            self.seed_value, self.draws = int(seed), 0
        return self

    def initial_seed(self) -> int:
        return self.seed_value

    def key(self) -> int:
        """A new key for each draw, which no other seed gives soon."""
        with self._lock:
            self.draws += 1
            mixed = np.random.SeedSequence([self.seed_value & (1 << 64) - 1, self.draws]).generate_state(1, np.uint64)
            return int(mixed[0])


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Make the random numbers that follow the same each time."""
    return default_generator.manual_seed(seed)


def _drawn(name: str, count: int, dtype: Any, generator: Generator | None) -> Array:
    """So many numbers of a distribution of the library."""

    def traced(like: Any, key: Any, dtype: DType) -> Any:
        import tensorc as tc

        return getattr(tc, name)(key, [like.shape[0]], dtype)

    key = Tensor._of(np.array((generator or default_generator).key(), np.uint64))
    made: Tensor = apply(name, traced, [Tensor._of(np.zeros(count, np.bool_)), key, arrays.dtype_of(np.empty(0, dtype))], {})
    return made._array


def _random(name: str, size: tuple[Any, ...], dtype: Any, generator: Generator | None, options: dict[str, Any]) -> Tensor:
    made = _made(size, dtype, options, 0)
    if not made.dtype.is_float:
        refuse(f"random numbers are floats, not {made.dtype}")
    made._array[...] = _drawn(name, made._array.size, made._array.dtype, generator).reshape(made._array.shape)
    return made


def rand(*size: Any, dtype: Any = None, generator: Generator | None = None, **options: Any) -> Tensor:
    """Numbers evenly distributed over [0, 1)."""
    return _random("random_uniform", size, dtype, generator, options)


def randn(*size: Any, dtype: Any = None, generator: Generator | None = None, **options: Any) -> Tensor:
    """Numbers of the normal distribution with mean 0 and variance 1."""
    return _random("random_normal", size, dtype, generator, options)


def rand_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    return rand(input.shape, dtype=input.dtype if dtype is None else dtype, **options)


def randn_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    return randn(input.shape, dtype=input.dtype if dtype is None else dtype, **options)


def randint(*ends: Any, dtype: Any = None, generator: Generator | None = None, size: Any = None, **options: Any) -> Tensor:
    """Integers of [low, high), or of [0, high): `randint(low, high, size)`."""
    values = [*ends]
    shape = values.pop() if size is None else size
    low, high = (0, values[0]) if len(values) == 1 else values
    if high <= low:
        refuse(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    made = _made((shape,), i64 if dtype is None else dtype, options, 0)
    drawn = np.floor(_drawn("random_uniform", made._array.size, np.float64, generator) * (high - low)) + low
    made._array[...] = drawn.reshape(made._array.shape)
    return made


def randperm(n: int, *, dtype: Any = None, generator: Generator | None = None, requires_grad: bool = False, **options: Any) -> Tensor:
    """The integers below n in random order."""
    order = np.argsort(_drawn("random_uniform", n, np.float64, generator), kind="stable")
    return _leaf(order.astype(np.int64 if dtype is None else numpy_dtype(dtype)), requires_grad)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, **options: Any) -> Tensor:
    """Numbers of normal distributions."""
    shape = (mean + std).shape if size is None else size
    made: Tensor = randn(shape, generator=generator, **options) * std + mean
    return made


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element is, else 0."""
    return (rand(input.shape, generator=generator) < input).to(input.dtype)  # type: ignore[no-any-return]
