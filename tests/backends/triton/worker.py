"""A process of its own in which Triton interprets: `python worker.py` answers pickled requests on its standard input.

A request is (program, arrays, sizes, options), or (a module's text, arrays, its function's name, None); the answer is ("ok", results,
failed check), or ("error", text).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


class Worker:
    """The process, from outside."""

    def __init__(self) -> None:
        environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def run(self, program: Any, arrays: list[Any], sizes: dict[str, int], options: Any = None) -> list[Any]:
        """The results of a program. AssertionError says what went wrong there."""
        return self._ask(program, arrays, sizes, options)

    def call(self, text: str, function: str, arrays: list[Any]) -> list[Any]:
        """The results of a function of a stand-alone module for arrays, which it gets as torch tensors."""
        return self._ask(text, arrays, function, None)

    def _ask(self, *request: Any) -> list[Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        pickle.dump(request, self.process.stdin)
        self.process.stdin.flush()
        kind, *rest = pickle.load(self.process.stdout)
        assert kind == "ok", rest[0]
        assert rest[1] is None, f"check {rest[1]} failed"
        results: list[Any] = rest[0]
        return results

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=20)


def serve() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a kernel prints is no answer
    while True:
        try:
            program, arrays, sizes, options = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer = _called(program, sizes, arrays) if isinstance(program, str) else _ran(program, arrays, sizes, options)
        pickle.dump(answer, answers)
        answers.flush()


def _ran(program: Any, arrays: list[Any], sizes: dict[str, int], options: Any) -> Any:
    import numpy as np

    from tensorc.runtime.gpu import Interpreted, shape_of

    executable = Interpreted(program, options, guard=True)
    try:
        results = [np.empty(shape_of(t.extents, sizes), t.dtype.numpy) for t in program.results]
        return "ok", results, executable.run(arrays, sizes, results)
    except Exception:
        return "error", "\n".join([traceback.format_exc(), *(v.emitted.text for v in executable.variants.made)])


def _called(text: str, function: str, arrays: list[Any]) -> Any:
    import numpy as np

    from tensorc.backends.triton import interpreter, modules
    from tensorc.runtime.arrays import to_torch

    interpreter.prepare()
    try:
        with tempfile.TemporaryDirectory() as folder:
            module = modules.load(modules.write(text, function, Path(folder)))
            found = getattr(module, function)(*(to_torch(np.asarray(a)) for a in arrays))
        results = found if isinstance(found, tuple) else (found,)
        return "ok", [r.numpy() for r in results], None
    except Exception:
        return "error", f"{traceback.format_exc()}\n{text}"


if __name__ == "__main__":
    sys.setrecursionlimit(100_000)
    serve()
