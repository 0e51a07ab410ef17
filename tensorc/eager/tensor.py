"""tc.Tensor: an array with PyTorch's face, on NumPy memory. Here is what it is; `methods.py` gives it its operations."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tensorc.dtypes import DType
from tensorc.eager.modes import state
from tensorc.eager.tape import Accumulate, Edge, Node, Version, remove_hook
from tensorc.runtime import arrays
from tensorc.runtime.arrays import Array

if TYPE_CHECKING:
    from tensorc.eager.views import Chain


class Size(tuple[int, ...]):
    """The extents of a tensor's axes."""

    def numel(self) -> int:
        """The product of the extents."""
        total = 1
        for extent in self:
            total *= extent
        return total

    def __getitem__(self, item: Any) -> Any:
        found = super().__getitem__(item)
        return Size(found) if isinstance(item, slice) else found

    def __add__(self, other: Any) -> Any:
        return Size(super().__add__(tuple(other)))

    def __repr__(self) -> str:
        return f"tc.Size({list(self)})"


class device:
    """Where a tensor lies: always on the processor."""

    def __init__(self, type: str = "cpu", index: int | None = None) -> None:
        kind = str(type).partition(":")[0]
        if kind != "cpu":
            raise RuntimeError(f"tc.Tensor lies on the device `cpu`, not on `{type}`; use PyTorch tensors there")
        self.type = kind
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __str__(self) -> str:
        return "cpu"


_CPU = device()


class RemovableHandle:
    """What `register_hook` gives: `remove()` takes the hook away."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        remove_hook(self._hooks, self._hook)


class Tensor:
    """An array on NumPy memory that records what is computed of it, as PyTorch's tensors do.

    It is made by `tc.tensor`, `tc.zeros` and the like. `Tensor(2, 3)` has that shape and any elements, `Tensor([1, 2])` those as f32.
    """

    # The defaults of a tensor that nothing is known of but its array: to make one costs one attribute.
    _watched: bool = False  # whether it may have a history, or get one
    _requires_grad: bool = False
    _edge: Edge | None = None  # where its gradient goes, unless it is a leaf
    _changes: Version | None = None
    _base: Tensor | None = None  # the tensor whose memory this is a view of
    _chain: Chain | None = None  # how the view is made of the base
    _seen: int = 0  # the base's version when _edge was found
    _fixed: str | None = None  # why a view cannot be changed in place
    _leaf: tuple[Accumulate, int] | None = None  # where its gradient goes if it is a leaf, once that was asked
    _grad: Tensor | None = None
    _array: Array

    __array_priority__ = 1000

    def __init__(self, *data: Any) -> None:
        if len(data) == 1 and not isinstance(data[0], int):
            source = data[0]
            if isinstance(source, Size):
                self._array = np.empty(source, np.float32)
            else:
                from tensorc.eager.creation import array_from

                self._array = array_from(source, np.dtype(np.float32))
        else:
            self._array = np.empty(data if data else (0,), np.float32)

    @staticmethod
    def _of(array: Array) -> Tensor:
        made: Tensor = object.__new__(Tensor)
        made._array = array
        return made

    # What it is.

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def dtype(self) -> DType:
        return arrays.dtype_of(self._array)

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def device(self) -> device:
        return _CPU

    @property
    def itemsize(self) -> int:
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the extent of one axis."""
        if dim is None:
            return self.shape
        self._axis(dim)
        return self._array.shape[dim]

    def _axis(self, dim: int) -> int:
        rank = max(self.ndim, 1)
        if not -rank <= dim < rank:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {dim})")
        return dim % rank

    def stride(self, dim: int | None = None) -> Any:
        """How many elements apart neighbours along each axis lie; or along one axis."""
        strides = tuple(s // self._array.itemsize for s in self._array.strides)
        return strides if dim is None else strides[self._axis(dim)]

    def dim(self) -> int:
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        return self._array.size

    nelement = numel

    def element_size(self) -> int:
        return self._array.itemsize

    def is_contiguous(self) -> bool:
        return bool(self._array.flags.c_contiguous)

    def is_floating_point(self) -> bool:
        return self.dtype.is_float

    def is_signed(self) -> bool:
        return self.dtype.kind in ("int", "float")

    def is_complex(self) -> bool:
        return False

    is_cuda = is_sparse = is_quantized = is_meta = False

    def get_device(self) -> int:
        """The number of its device: the processor has none."""
        return -1

    def is_same_size(self, other: Tensor) -> bool:
        return self._array.shape == other._array.shape

    def __delitem__(self, index: Any) -> NoReturn:
        raise TypeError("Tensor does not support deleting items")

    def data_ptr(self) -> int:
        """The address of the first element; 0 where there is none."""
        return int(self._array.ctypes.data) if self._array.size else 0

    def storage_offset(self) -> int:
        """How many elements after its base's first its own first lies."""
        return 0 if self._base is None else (self._array.ctypes.data - self._base._array.ctypes.data) // self._array.itemsize

    # Gradients.

    def _shared_version(self) -> Version:
        if self._changes is None:
            self._changes = Version()
        return self._changes

    @property
    def _version(self) -> int:
        """How often the memory was changed in place."""
        return 0 if self._changes is None else self._changes.count

    def _is_view(self) -> bool:
        return self._base is not None

    def _follow(self, edge: Edge) -> None:
        """Let the gradient of this tensor go to an edge."""
        self._edge = edge
        self._watched = True

    def _gradient_edge(self) -> Edge | None:
        """Where the gradient of this tensor goes; None where none is asked for."""
        if self._base is not None and self._changes is not None and self._seen != self._changes.count:
            self._renew()
        if self._edge is not None:
            return self._edge
        return (self._leaf or self._as_leaf()) if self._requires_grad else None

    def _renew(self) -> None:
        """Find the edge of a view anew, since its memory was changed."""
        from tensorc.eager.views import UNRECORDED, replayed

        assert self._base is not None and self._changes is not None and self._chain is not None
        self._seen = self._changes.count
        if self._base._gradient_edge() is not None and not self._requires_grad and self._fixed is not UNRECORDED:
            self._edge = replayed(self._base, self._chain)._edge

    def _as_leaf(self) -> Edge:
        self._leaf = found = Accumulate(self), 0
        return found

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad or self._gradient_edge() is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient of this tensor, or no longer. RuntimeError for integers and for what was computed."""
        if requires_grad and not self.dtype.is_float:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not requires_grad and not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph "
                "that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if self.is_leaf:
            self._requires_grad = requires_grad
            self._watched = True
        return self

    @property
    def is_leaf(self) -> bool:
        return self._gradient_edge() is None or self._edge is None

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made this tensor, where that was recorded."""
        return None if self._gradient_edge() is None or self._edge is None else self._edge[0]

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` accumulated."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
            if value._array.shape != self._array.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: {list(value._array.shape)} for a tensor of {list(self._array.shape)}"
                )
            if value._array.dtype != self._array.dtype:
                raise RuntimeError(f"assigned grad has data of a different type: {value.dtype} for a tensor of {self.dtype}")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def accumulate(self, gradient: Tensor) -> None:
        """Add to `.grad`: to its memory, or as an operation where that is recorded."""
        if state.recording:
            self._grad = gradient if self._grad is None else self._grad + gradient
        elif self._grad is None:
            self._grad = Tensor._of(np.array(gradient._array, order="K"))
        else:
            self._grad += gradient

    def backward(
        self, gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Add the derivative of this tensor, weighted by `gradient`, to the `.grad` of every leaf that it was computed of."""
        from tensorc.eager.differentiation import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call the hook with the gradient when it is known; what it returns takes its place."""
        edge = self._gradient_edge()
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        node, number = edge
        if node.hooks is None:
            node.hooks = {}
        hooks = node.hooks.setdefault(number, [])
        hooks.append(hook)
        return RemovableHandle(hooks, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in `.grad`, although it is no leaf."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or getattr(self, "_retains", False):
            return
        self._retains = True
        keeper = weakref.ref(self)

        def keep(gradient: Tensor) -> None:
            tensor = keeper()
            if tensor is not None:
                tensor.accumulate(gradient)

        self.register_hook(keep)

    @property
    def retains_grad(self) -> bool:
        return bool(getattr(self, "_retains", False))

    # Python's own.

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self._array.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        from tensorc.eager.shapes import unbind

        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(unbind(self, 0))

    def item(self) -> float | int | bool:
        """The only element as a Python number. RuntimeError where there are more or none."""
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        found: float | int | bool = self._array.item() if self._array.dtype.kind != "V" else float(self._array.reshape(())[()])
        return found if isinstance(found, (int, bool)) else float(found)

    def tolist(self) -> Any:
        """The elements as numbers in nested lists."""
        array = self._array.astype(np.float32) if self.dtype.is_half else self._array
        return array.tolist()

    def __bool__(self) -> bool:
        if self._array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        if self._array.size != 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.item())

    def _only(self) -> float | int | bool:
        if self._array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __float__(self) -> float:
        return float(self._only())

    def __int__(self) -> int:
        return int(self._only())

    def __index__(self) -> int:
        if self.dtype.is_float or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self._only())

    __hash__ = object.__hash__

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, (Tensor, int, float)):
            raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(value)}.")
        return bool((self == value).any())

    def __repr__(self) -> str:
        from tensorc.eager.text import show

        return show(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.")
        if id(self) not in memo:
            made = memo[id(self)] = Tensor._of(self._array.copy(order="K"))
            made._requires_grad = made._watched = self._requires_grad
            made._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
        found: Tensor = memo[id(self)]
        return found

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise RuntimeError("a tensor that was computed cannot be pickled with its history; pickle `x.detach()`")
        return _restored, (self._array, self._requires_grad)

    # Other libraries.

    def numpy(self) -> Array:
        """The memory as a NumPy array. RuntimeError for a tensor that requires a gradient."""
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        wanted = array if dtype is None else array.astype(dtype, copy=False)
        return wanted.copy() if copy and wanted is array else wanted

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tensorc.eager.methods import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __tensorc_array__(self) -> Array:
        """The memory, for programs that read it."""
        return self._array

    def __dlpack__(self, **options: Any) -> Any:
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __iadd__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Any: ...


def _restored(array: Array, requires_grad: bool) -> Tensor:
    made = Tensor._of(array)
    made._requires_grad = made._watched = requires_grad
    return made


def refuse(message: str) -> NoReturn:
    raise RuntimeError(message)
