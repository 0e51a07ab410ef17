"""Threads, forks, spawned processes, interrupts and the end: each in a process of its own, whose exit code is checked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runtime.children import environment, run, start

PROGRAMS = """
import threading, time, sys, os, gc
import numpy as np
import tensorc as tc

SOURCE = '''
fn f(x: f32[N, M]) = softmax(x, axis=-1)
fn g(x: f32[N, M]) = x @ x.T
fn h(x: f32[N, M]) { let y = tanh(x) return y, sum(y, axis=0) }
'''
X = np.arange(12, dtype=np.float32).reshape(3, 4) / 10
LARGE = np.ones((2000, 2000), np.float32)

def expected(name, x):
    if name == "f":
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)
    return x @ x.T if name == "g" else (np.tanh(x), np.tanh(x).sum(0))

def check(m, name, x=X):
    made, right = m[name](x), expected(name, x)
    for a, b in zip(made if name == "h" else [made], right if name == "h" else [right], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
"""


def quiet(script: str, *words: str, env: dict[str, str] | None = None) -> str:
    """What a script writes; it must end by itself, with exit code 0 and without a word of complaint."""
    out, err = run(PROGRAMS + script, *words, env=env)
    assert err == ""
    return out


def test_eight_threads_compile_once_each() -> None:
    quiet("""
m = tc.compile(SOURCE)
start = threading.Barrier(8)
failures = []
def work(n):
    try:
        start.wait()
        for turn in range(40):
            name = "fgh"[(n + turn) % 3]
            check(m, name, X[: 1 + turn % 3])
    except BaseException as failure:
        failures.append(failure)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not failures, failures
for name in m:
    assert m[name].stats.compiles == 1, (name, m[name].stats)
assert sum(m[name].stats.calls for name in m) == 320
""")


def test_eight_threads_trace_once_each() -> None:
    quiet("""
traced = []
@tc.jit
def f(x, y):
    traced.append(1)
    time.sleep(0.05)
    return (x * y).sum()
start = threading.Barrier(8)
failures = []
def work():
    try:
        start.wait()
        for n in (2, 3, 4):
            assert f(np.ones((n, 5)), np.ones(5)) == 5 * n
    except BaseException as failure:
        failures.append(failure)
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not failures, failures
assert len(traced) == 1 and f.stats.compiles == 1
""")


def test_code_lives_while_a_thread_runs_it() -> None:
    quiet("""
for turn in range(5):
    m = tc.compile(SOURCE)
    for _ in range(3):
        m.f(LARGE)
    threads = [threading.Thread(target=lambda f=m.f: f(LARGE)) for _ in range(3)]
    [t.start() for t in threads]
    del m
    gc.collect()
    [t.join() for t in threads]
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forks() -> None:
    """In the midst of compiles and calls of other threads; children call what there is and compile anew, and so do theirs."""
    quiet("""
import warnings; warnings.simplefilter("ignore")
m = tc.compile(SOURCE)
check(m, "f"), check(m, "f"), check(m, "f")
going = True
def work(n):
    while going:
        other = tc.compile(SOURCE)
        check(other, "fgh"[n])
        m.f(LARGE)
threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
[t.start() for t in threads]
def child(depth):
    for name in m:
        check(m, name)
        check(tc.compile(SOURCE), name)
        check(m, name)
    if depth:
        forked(depth - 1)
def forked(depth):
    pid = os.fork()
    if pid == 0:
        try:
            child(depth)
        except BaseException:
            import traceback; traceback.print_exc()
            os._exit(1)
        os._exit(0)
    for _ in range(600):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, status
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    raise AssertionError("the child hangs")
for _ in range(6):
    forked(1)
    check(m, "g")
going = False
[t.join() for t in threads]
""")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_functions_go_to_other_processes(method: str, tmp_path: Path) -> None:
    if method == "forkserver" and not hasattr(os, "fork"):
        pytest.skip("there is no fork")
    script = tmp_path / "work.py"
    script.write_text(
        PROGRAMS
        + f"""
import multiprocessing

@tc.jit
def traced(x):
    return x * 2

M = tc.compile(SOURCE)
SUM = tc.compile("fn s(x: f32[N, M]) = sum(x * x)")

def call(function, x):
    for _ in range(4):
        value = function(x)
    return value if isinstance(value, tuple) else (value,)

if __name__ == "__main__":
    functions = [M.f, M.h, traced, tc.compile("fn k(x: f32[N, M]) = x + 1").k, tc.grad(SUM.s)]
    M.f(X), traced(X)
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        made = pool.starmap(call, [(function, X) for function in functions])
    for function, values in zip(functions, made, strict=True):
        for a, b in zip(values, call(function, X), strict=True):
            np.testing.assert_array_equal(a, b)
"""
    )
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    _, err = run(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", env=env, timeout=100)
    assert err == ""


def test_copies_outlive_what_they_are_copies_of() -> None:
    """Deep copies and pickles of functions, modules, jitted functions, transforms of them, and mistakes; each compiles for itself."""
    quiet("""
import copy, pickle
m = tc.compile(SOURCE + "fn total(x: f32[N, M]) = sum(x * x)")
made = {"m": m, "f": m.f, "grad": tc.grad(m.total), "twice": tc.jit(np.square)}
def checked(name, value):
    for _ in range(4):
        if name in "mf":
            f = value.f if name == "m" else value
            np.testing.assert_allclose(f(X), expected("f", X), rtol=1e-5)
        else:
            np.testing.assert_allclose(value(X), 2 * X if name == "grad" else X * X, rtol=1e-6)
for name, value in made.items():
    checked(name, value)
try:
    m.f(X[0])
except ValueError as mistake:
    made["mistake"] = mistake
copies = [copy.deepcopy(made), pickle.loads(pickle.dumps({k: v for k, v in made.items() if k != "twice"}))]
words = str(made.pop("mistake"))
del m, value, made
gc.collect()
for several in copies:
    assert str(several.pop("mistake")) == words
    for name, value in several.items():
        checked(name, value)
    assert several["f"].stats.compiles == 1 and several["f"].stats.calls == 4
del copies, several, value
gc.collect()
""")


def test_the_end() -> None:
    """Daemon threads that run kernels, functions in cycles and globals, and calls by finalizers and at exit."""
    for threads in ("1", "2"):
        out = quiet(
            """
import atexit
m = tc.compile(SOURCE)
f = m.f
for _ in range(4):
    f(X), f(LARGE)
class Late:
    def __init__(self, f): self.f = f
    def __del__(self):
        self.f(X)
        print("finalized")
late = Late(f)
late.me = late
f.late = late
cycle = [tc.compile(SOURCE)]
cycle.append(cycle)
cycle[0].f(X)
def forever(name):
    while True:
        m[name](LARGE if name != "g" else X)
for name in "fgh":
    threading.Thread(target=forever, args=(name,), daemon=True).start()
atexit.register(lambda: (check(m, "h"), check(tc.compile(SOURCE), "g"), print("at exit")))
time.sleep(0.2)
""",
            env=environment(TENSORC_NUM_THREADS=threads),
        )
        assert "at exit" in out


def test_the_end_while_compiling() -> None:
    quiet("""
def forever():
    while True:
        check(tc.compile(SOURCE), "f")
for _ in range(2):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
""")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_interrupted_compiles() -> None:
    """Ctrl-C at any moment of a compile: it ends with KeyboardInterrupt, and the next one is as if nothing had been."""
    script = """
import signal
def whole():
    m = tc.compile(SOURCE)
    for name in m:
        check(m, name)
        check(m, name)
    return m
whole()
started = time.perf_counter()
m = whole()
took = time.perf_counter() - started
signal.signal(signal.SIGALRM, signal.default_int_handler)
interrupted = 0
for turn in range(50):
    try:
        try:
            started = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, took * (turn + 1) / 50)
            m = whole()
            took = time.perf_counter() - started  # the machine is faster than it was
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupted += 1
    for name in m:
        check(m, name)
        check(m, name)
assert interrupted > 10, interrupted
check(tc.compile(SOURCE), "h")
"""
    run(PROGRAMS + script)  # an interrupt may also come where Python only tells of it, in the end of an object


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_ctrl_c_ends_a_program() -> None:
    process = start(PROGRAMS + "m = tc.compile(SOURCE)\nprint('ready', flush=True)\nwhile True:\n    check(m, 'f'), m.f(LARGE)")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(5):  # one may come where Python only tells of it, in the end of an object
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            break
    _, err = process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGINT, 130), err
    assert err.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_interrupted_calls(threads: str) -> None:
    """A call that takes seconds ends soon after Ctrl-C, for Python's part and the code's; its memory is whole, and so is the next call."""
    script = """
import signal
signal.signal(signal.SIGALRM, signal.default_int_handler)
f = tc.compile("fn f(x: f32[N, K]) = sum(exp(sin(x) * cos(x)) + tanh(x) ** 2, axis=1)").f
small = np.ones((5, 7), np.float32)
large = np.broadcast_to(np.ones(300000, np.float32), (30000, 300000))
right = f(small)
out = np.zeros(30000, np.float32)
def seconds(part):
    started = time.perf_counter()
    f(part)
    return time.perf_counter() - started
part = large[:300]
whole = 100 * min(seconds(part) for _ in range(3))
for turn in range(4):
    for give in ({}, {"out": out}):
        signal.setitimer(signal.ITIMER_REAL, min(0.15, whole / 50))
        started = time.perf_counter()
        try:
            f(large, **give)
        except KeyboardInterrupt:
            took = time.perf_counter() - started
            assert took < whole / 2, (took, whole)
        else:
            raise AssertionError("the call was not interrupted")
        np.testing.assert_array_equal(f(small), right)
assert f._answered > 0
def handler(*_):
    np.testing.assert_array_equal(f(small), right)
    handled.append(1)
handled = []
signal.signal(signal.SIGALRM, handler)
row = f(np.ones((1, 300000), np.float32))[0]
signal.setitimer(signal.ITIMER_REAL, 0.02)
while not handled:  # a call that is over before the alarm says nothing
    np.testing.assert_allclose(f(part), row, rtol=1e-3)
print("done")
"""
    out, err = run(PROGRAMS + script, env=environment(TENSORC_NUM_THREADS=threads), timeout=100)
    assert out == "done\n" and err == ""
