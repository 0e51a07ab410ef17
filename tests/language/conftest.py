"""Programs given as text: run compiled and by the oracle and compared with NumPy or PyTorch, or refused with the codes of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.diagnostics import CompileError
from tensorc.elaborate import ArgumentType, check, instantiate, load_unit, parameters
from tensorc.ir.tensor import Const, Define
from tensorc.render import render
from tensorc.source import Source

TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-11}


class Language:
    """What the tests do with a program. The function that is called is `f`."""

    def run(self, source: str, *args: Any, **static: Any) -> Any:
        """The value of `f`, compiled, after the oracle has been seen to agree."""
        function = tc.compile(source).f
        wanted = function.reference(*args, **static)
        agree(function(*args, **static), wanted)
        return wanted

    def function(self, source: str) -> Any:
        return tc.compile(source).f

    def program(self, source: str) -> Any:
        """The typed IR of `f` for the declared dtypes."""
        unit = load_unit(Source("test.tx", source))
        types = [ArgumentType(p.dtypes[0], p.rank) for p in parameters(unit, "f")]
        return instantiate(unit, "f", types).program

    def constant(self, expression: str) -> Any:
        """The value to which an expression of constants is folded when compiling."""
        (tensor,) = self.program(f"fn f() = {expression}").results
        assert isinstance(tensor, Define) and isinstance(tensor.body, Const), expression
        return tensor.body.value

    def gives(self, wanted: Any, source: str, *args: Any, **static: Any) -> None:
        """Whether `f` gives these values, of this dtype and shape."""
        agree(self.run(source, *args, **static), wanted)

    def is_equal(self, expression: str, wanted: Any) -> None:
        """An expression without arguments."""
        self.gives(wanted, f"fn f() = {expression}")

    def refused(self, source: str) -> list[str]:
        """The codes of a program's mistakes; none where it is right."""
        return [d.code for d in self.mistakes(source)]

    def mistakes(self, source: str) -> list[Any]:
        try:
            return list(check(load_unit(Source("test.tx", source))))
        except CompileError as error:
            return list(error.diagnostics)

    def message(self, source: str) -> str:
        """The rendered diagnostics of a program."""
        return render(self.mistakes(source))

    def fails(self, source: str, *args: Any, error: type[Exception] = ValueError, **static: Any) -> str:
        """The text of the error with which a right program refuses a call."""
        function = tc.compile(source).f
        with pytest.raises(error) as caught:
            function.reference(*args, **static)
        with pytest.raises(caught.type) as compiled:
            function(*args, **static)
        assert str(compiled.value) == str(caught.value)
        return str(caught.value)


def agree(found: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple):
        assert isinstance(found, tuple) and len(found) == len(wanted), found
        for a, b in zip(found, wanted, strict=True):
            agree(a, b)
        return
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.dtype == wanted.dtype, f"{found.dtype}, not {wanted.dtype}"
    assert found.shape == wanted.shape, f"{found.shape}, not {wanted.shape}"
    tolerance = TOLERANCE.get(wanted.dtype.name)
    if tolerance is None:
        np.testing.assert_array_equal(found, wanted)
    else:
        np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64), rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="session")
def tx() -> Language:
    return Language()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
