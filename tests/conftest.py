"""Golden Markdown files: under each heading a program and what is made of it, rewritten by `--update-golden`."""

from __future__ import annotations

import builtins
import os
import re
import signal
import sys
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# Tests run side by side: threads of each would only wait for those of the others. What is about threads asks for them.
os.environ.setdefault("TENSORC_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is tested is the compiler, and not what an earlier one left behind.
os.environ["TENSORC_CACHE"] = "off"

# A shell has what it starts in the background ignore interrupts, and that would be so for what tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _Absent:
    """Stands for PyTorch, and all that is in it, where that is not installed: a test that uses it is skipped, and the rest is run."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__", "_pytest", "_mock")):  # Python and pytest ask every object for such
            raise AttributeError(name)
        if "PYTEST_CURRENT_TEST" in os.environ:
            pytest.skip("PyTorch is not installed")
        return _Absent()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        pytest.skip("PyTorch is not installed", allow_module_level=True)


class _Refused(MetaPathFinder):
    """Finds no PyTorch, so that the rest can be tested by itself where it is installed too."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")


if os.environ.get("WITHOUT_TORCH"):
    sys.meta_path.insert(0, _Refused())

_import = builtins.__import__


def _importing(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    is_test = globals is not None and Path(globals.get("__file__") or "/").is_relative_to(Path(__file__).parent)
    needs = name.partition(".")[0] == "torch" or name.startswith("tensorc.torch")
    return _Absent() if is_test and needs else _import(name, globals, locals, fromlist, level)


if os.environ.get("WITHOUT_TORCH") or find_spec("torch") is None:
    builtins.__import__ = _importing

GOLDEN = Path(__file__).parent / "golden"
_CASE = re.compile(
    r"^## (?P<title>[^\n]+)\n(?P<prose>(?:(?!```)[^\n]*\n)*)"
    r"(?P<block>```\w+\n(?P<program>.*?)^```\n)"
    r"(?:\n*```text\n(?P<expected>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Golden:
    """One section of a golden file: a block with the program, then one in the language `text` with what is expected."""

    path: Path
    title: str
    program: str
    expected: str
    update: bool

    @property
    def file_name(self) -> str:
        """A name for the program in messages."""
        return f"{self.path.stem}.tx"

    def check(self, actual: str) -> None:
        if self.update:
            self._rewrite(actual)
        else:
            assert actual.rstrip() == self.expected.rstrip()

    def _rewrite(self, actual: str) -> None:
        def case(match: re.Match[str]) -> str:
            if match["title"] != self.title:
                return match[0]
            return f"## {self.title}\n{match['prose']}{match['block']}\n```text\n{actual.rstrip()}\n```\n"

        self.path.write_text(_CASE.sub(case, self.path.read_text(encoding="utf-8")), encoding="utf-8")


def _cases(folder: str, update: bool) -> list[Golden]:
    return [
        Golden(path, match["title"], match["program"], match["expected"] or "", update)
        for path in sorted((GOLDEN / folder).glob("*.md"))
        for match in _CASE.finditer(path.read_text(encoding="utf-8"))
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite what the golden files expect")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "golden(folder): run the test with each section of the Markdown files of tests/golden/<folder>")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("golden")
    if marker is not None:
        cases = _cases(marker.args[0], metafunc.config.getoption("--update-golden"))
        metafunc.parametrize("golden", cases, ids=[f"{case.path.stem}: {case.title}" for case in cases])
