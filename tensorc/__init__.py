"""tensorc: tensor expressions compiled to fused kernels.

    import tensorc as tc

    m = tc.load("softmax.tx")       # or tc.compile(source): a Module, with a Function for each fn
    y = m.softmax(x)                # NumPy arrays or torch tensors

    @tc.jit                         # a Python function, traced
    def gelu_bias(x, b):
        return tc.gelu(x + b)

Every function of the library is here too (`tc.softmax`, `tc.sum`, ...), and so are the dtypes (`tc.f32`), and tc.Tensor with what makes
tensors (`tc.tensor`, `tc.zeros`, ...).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from tensorc.config import config as config  # now, so that the name stands for the settings and not for the module
from tensorc.diagnostics import CompileError as CompileError
from tensorc.errors import ConfigError as ConfigError
from tensorc.errors import DTypeError as DTypeError
from tensorc.errors import InternalError as InternalError
from tensorc.errors import ShapeError as ShapeError
from tensorc.errors import TargetUnavailable as TargetUnavailable
from tensorc.version import __version__ as __version__

if TYPE_CHECKING:
    from tensorc import testing as testing
    from tensorc.api.derivatives import grad as grad
    from tensorc.api.derivatives import hessian as hessian
    from tensorc.api.derivatives import hvp as hvp
    from tensorc.api.derivatives import jacfwd as jacfwd
    from tensorc.api.derivatives import jacrev as jacrev
    from tensorc.api.derivatives import jvp as jvp
    from tensorc.api.derivatives import value_and_grad as value_and_grad
    from tensorc.api.derivatives import vjp as vjp
    from tensorc.api.derivatives import vmap as vmap
    from tensorc.api.function import Function as Function
    from tensorc.api.jit import jit as jit
    from tensorc.api.lowered import Compiled as Compiled
    from tensorc.api.lowered import Lowered as Lowered
    from tensorc.api.module import Module as Module
    from tensorc.api.module import compile as compile
    from tensorc.api.module import load as load
    from tensorc.api.specs import Spec as Spec
    from tensorc.api.specs import spec as spec
    from tensorc.compiler import no_compile as no_compile
    from tensorc.runtime.large import release_memory as release_memory


_FACE = {
    "Compiled": "tensorc.api.lowered",
    "Function": "tensorc.api.function",
    "Lowered": "tensorc.api.lowered",
    "Module": "tensorc.api.module",
    "Spec": "tensorc.api.specs",
    **dict.fromkeys(("grad", "hessian", "hvp", "jacfwd", "jacrev", "jvp", "value_and_grad", "vjp", "vmap"), "tensorc.api.derivatives"),
    "compile": "tensorc.api.module",
    "jit": "tensorc.api.jit",
    "load": "tensorc.api.module",
    "no_compile": "tensorc.compiler",
    "release_memory": "tensorc.runtime.large",
    "spec": "tensorc.api.specs",
}
"""Where each public name lives; it is imported when it is first used."""

_MAKING = ("zeros", "ones", "full", "eye", "arange", "linspace")
"""Functions of the library that make tensors where nothing is traced."""

_ERRORS = ("CompileError", "ConfigError", "DTypeError", "InternalError", "ShapeError", "TargetUnavailable")


def __getattr__(name: str) -> Any:
    found: Any
    if name in ("autograd", "linalg", "testing"):
        found = import_module(f"tensorc.{name}")
    elif name in _FACE:
        found = getattr(import_module(_FACE[name]), name)
    elif name.startswith("_") or name in _submodules():  # `from tensorc import algebra` asks here before it imports
        raise AttributeError(f"module 'tensorc' has no attribute {name!r}")
    else:
        found = _library(name)
    globals()[name] = found
    return found


@cache
def _submodules() -> frozenset[str]:
    return frozenset(module.name for module in iter_modules(__path__))


def _library(name: str) -> Any:
    """A dtype, or a function of the library."""
    from tensorc.dtypes import DTYPES

    if name in DTYPES:
        return DTYPES[name]
    from tensorc.elaborate import library_names

    if name in library_names() and name not in _MAKING:
        from tensorc.api.library import library_function

        return library_function(name)
    from tensorc.eager.face import face, face_names

    found = face(name)
    if found is not None:
        return found
    from tensorc.errors import suggestion

    raise AttributeError(f"tensorc has no `{name}`{suggestion(name, [*_FACE, *_ERRORS, *DTYPES, *library_names(), *face_names()])}")


def __dir__() -> list[str]:
    from tensorc.dtypes import DTYPES
    from tensorc.eager.face import face_names
    from tensorc.elaborate import library_names

    return sorted({*globals(), *_FACE, *DTYPES, *library_names(), *face_names()})
