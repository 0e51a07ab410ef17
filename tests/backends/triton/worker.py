"""A process of its own in which Triton interprets: `python worker.py` answers pickled requests on its standard input.

A request is (program, arrays, sizes, options); the answer is ("ok", results, failed check), or ("error", text).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
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
        assert self.process.stdin is not None and self.process.stdout is not None
        pickle.dump((program, arrays, sizes, options), self.process.stdin)
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
    import numpy as np

    from tensorc.runtime.gpu import Interpreted, shape_of

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a kernel prints is no answer
    while True:
        try:
            program, arrays, sizes, options = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        executable = Interpreted(program, options, guard=True)
        try:
            results = [np.empty(shape_of(t.extents, sizes), t.dtype.numpy) for t in program.results]
            failed = executable.run(arrays, sizes, results)
            answer: Any = ("ok", results, failed)
        except Exception:
            texts = [v.emitted.text for v in executable.variants.made]
            answer = ("error", "\n".join([traceback.format_exc(), *texts]))
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    sys.setrecursionlimit(100_000)
    serve()
