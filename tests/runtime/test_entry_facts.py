"""What the code that answers calls relies on: where it does not hold, Python answers; and nothing of a process is in what others run."""

from __future__ import annotations

from pathlib import Path

import pytest
from runtime.children import environment, run

SCRIPT = """
import sys, threading
import numpy as np
import tensorc as tc
from tensorc.runtime import entry, tensors, words

f = tc.compile("fn f(x: f32[N, M], s: f32) = softmax(x * s, axis=-1)").f
X = np.arange(12, dtype=np.float32).reshape(3, 4)
E = np.exp(X - X.max(1, keepdims=True))
E /= E.sum(1, keepdims=True)

def check(x=X, form=np.asarray):
    for _ in range(4):
        np.testing.assert_allclose(form(f(x, 1.0)), E, rtol=1e-5)
        out = form(np.zeros((3, 4), np.float32)) if x is X else x.new_zeros(3, 4)
        assert f(x, 1.0, out=out) is out
        np.testing.assert_allclose(form(out), E, rtol=1e-5)
"""

FACTS = {
    "an array's fields": "entry.ARRAY = entry.ARRAY | {'ARRAY_DIMS': 40, 'ARRAY_STRIDES': 32}",
    "a type's flags": "entry._flags_offset = lambda: None",
    "NumPy's function": "def _missing():\n    raise LookupError('it is not there')\nentry._array_empty = _missing",
    "the modules' text": "def _missing(module):\n    raise LookupError('it is not there')\nentry._source = _missing",
    "the linker": "from tensorc.backends.llvm import target\n"
    "def _missing(text):\n    raise RuntimeError('it cannot be')\ntarget.emit_portable = _missing",
}


@pytest.mark.parametrize("fact", list(FACTS))
def test_python_answers_where_a_fact_does_not_hold(fact: str) -> None:
    _, err = run(f"{SCRIPT}\n{FACTS[fact]}\ncheck()\nassert f._answered == 0 and f.stats.calls == 8")
    assert err == ""


def test_tensors_that_cannot_be_read() -> None:
    """Python answers for them, and the code for arrays all the same."""
    pytest.importorskip("torch")
    script = """
import torch
tensors.is_readable = lambda: False
tensors.is_plain = lambda value: False
check(torch.from_numpy(X), lambda t: t.numpy())
assert f._answered == 0, f._answered
check()
assert f._answered > 0
"""
    _, err = run(SCRIPT + script)
    assert err == ""


def test_no_address_of_a_process_is_in_its_code(tmp_path: Path) -> None:
    """Two processes, whose memory lies elsewhere, keep the same bytes."""
    kept = []
    for name in ("one", "other"):
        folder = tmp_path / name
        script = "check()\nprint(id(f), entry.code().call)\nf(np.ones((4000, 70), np.float32)[:, ::2], 1.0)"
        out, _ = run(SCRIPT + script, env=environment(TENSORC_CACHE="rw", TENSORC_CACHE_DIR=str(folder), TENSORC_NUM_THREADS="2"))
        kept.append((out, {p.name: p.read_bytes() for p in folder.glob("??/*.entry")}))
    assert kept[0][0] != kept[1][0], "the processes do not differ"
    assert len(kept[0][1]) > 2 and kept[0][1] == kept[1][1]


def test_other_threads_run_meanwhile() -> None:
    """Those of long calls see what the kernels have written so far; short calls are not worth it."""
    script = """
g = tc.compile("fn g(x: f32[N, K]) = sum(exp(sin(x) * cos(x)) + tanh(x) ** 2, axis=1)").g
large = np.broadcast_to(np.ones(200_000, np.float32), (400, 200_000))
for x in (np.ones((3, 4), np.float32), large[:40]):
    for _ in range(4):
        g(x)
released = {bool(r.words[words.RELEASE]) for r in (*g._recorder.records, *g._recorder.general)}
assert released == {False, True}, released
seen = False
for turn in range(20):
    out = np.zeros(400, np.float32)
    thread = threading.Thread(target=lambda: g(large, out=out))
    thread.start()
    while thread.is_alive() and not out[0]:
        pass
    seen = seen or bool(out[0] and not out[-1])
    thread.join()
    assert out.all()
    if seen and turn > 4:  # the first ones are Python's, the later ones the code's
        break
assert seen and g._answered > 8
"""
    _, err = run(SCRIPT + script)
    assert err == ""
