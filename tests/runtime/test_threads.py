"""Kernels on several threads: the same bits whatever their number, from several threads at once, in forks, beside PyTorch, to the end."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from differential.programs import Written, arrays, programs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tensorc as tc
from tensorc.backends.llvm import target
from tensorc.config import Options, processors
from tensorc.dtypes import DTYPES
from tensorc.loops import SMALL
from tensorc.runtime import threads
from tensorc.runtime.threads import Region, region

pytestmark = pytest.mark.skipif(not threads.SUPPORTED, reason="kernels run on one thread here")

COUNTS = (2, 3, 7)

PROGRAMS = {
    "map": "fn f(x: f32[N, M], u: f32[M]) = tanh(x) * u + 1.0",
    "map along one axis": "fn f(x: f32[N, M]) = sqrt(abs(x[:, 0])) + 2.0",
    "columns": "fn f(x: f32[N, M]) = x.T * 2.0",
    "stencil": """
        fn f(x: f32[N, M]) -> f32[N, M] {
            let y[i, j] = x[i - 1, j else 0.0] + x[i + 1, j else 0.0] - x[i, j + 1 else 0.0]
            return y
        }""",
    "three axes": """
        fn f(x: f32[N, M]) -> f32[3, N, M] {
            let y[k < 3, i, j] = x[i, j] * cast(k, f32)
            return y
        }""",
    "sum": "fn f(x: f32[N, M]) = sum(x)",
    "sum of a vector": "fn f(x: f32[N, M]) = sum(reshape(x, [N * M]))",
    "sum of columns": "fn f(x: f32[N, M]) = sum(x, axis=0)",
    "sum of rows": "fn f(x: f32[N, M]) = sum(x, axis=1)",
    "several sums": "fn f(x: f32[N, M]) = (sum(x, axis=0), max(x), sum(x, axis=1), mean(x))",
    "product": "fn f(x: f32[N, M]) = prod(1.0 + 0.001 * x)",
    "softmax": "fn f(x: f32[N, M]) = softmax(x)",
    "softmax of columns": "fn f(x: f32[N, M]) = softmax(x, axis=0)",
    "layer_norm": "fn f(x: f32[N, M], u: f32[M]) = layer_norm(x, u, u)",
    "variance": "fn f(x: f32[N, M]) = (var(x, axis=0), var(x, axis=1))",
    "any and all": "fn f(x: f32[N, M]) = (any(x > 3.0, axis=0), all(x > -9.0), any(x > 2.5, axis=1))",
    "argmax": "fn f(x: f32[N, M]) = (argmax(x, axis=0), argmax(x, axis=1))",
    "matrix product": "fn f(x: f32[N, M]) = x @ x.T",
    "matrix times vector": "fn f(x: f32[N, M], u: f32[M]) = x @ u",
    "gradient of a loss": """
        fn loss(x: f32[N, M], u: f32[M]) = sum(softmax(x * u) ** 2.0)
        fn f(x: f32[N, M], u: f32[M]) = grad(loss)(x, u)""",
    "scan of rows": "fn f(x: f32[N, M]) = cumsum(x, axis=1)",
    "scan of columns": "fn f(x: f32[N, M]) = cumsum(x, axis=0)",
    "scan of a vector": "fn f(x: f32[N, M]) = cumsum(reshape(x, [N * M]), axis=0)",
    "sort": "fn f(x: f32[N, M]) = (sort(x), argsort(x, axis=0))",
    "gather": "fn f(x: f32[N, M], k: i64[K]) = take(x, k, axis=0)",
    "gather with a sum": "fn f(x: f32[N, M], k: i64[K]) = sum(take(x, k, axis=0), axis=0)",
    "scatter": """
        fn pick(x: f32[N, M], k: i64[K]) = sum(take(x, k, axis=0) ** 2.0)
        fn f(x: f32[N, M], k: i64[K]) = grad(pick)(x, k)""",
}


@pytest.fixture
def shares_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be shared out is, in chunks as small as there are."""
    monkeypatch.setattr(threads, "SMALL", 0)
    monkeypatch.setattr(threads, "GRAIN", 1)


def inputs(f: Any, dtype: str = "f32") -> list[Any]:
    random = np.random.default_rng(1)
    made = {
        "x": random.standard_normal((211, 83)).astype(DTYPES[dtype].numpy),
        "u": random.standard_normal(83).astype(DTYPES[dtype].numpy),
        "k": random.integers(0, 211, 500),
    }
    return [made[name] for name in f.parameters]


def bits(value: Any) -> list[bytes]:
    return [np.ascontiguousarray(v).tobytes() for v in parts(value)]


def parts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def on(count: int, f: Any, given: Sequence[Any]) -> list[bytes]:
    with tc.config.scope(num_threads=count):
        return bits(f(*given))


@pytest.mark.usefixtures("shares_all")
@pytest.mark.parametrize("name", PROGRAMS)
def test_bits_do_not_depend_on_the_number_of_threads(name: str) -> None:
    f = tc.compile(PROGRAMS[name], name="threads.tx").f
    values = inputs(f)
    want = on(1, f, values)
    for count in COUNTS * 5:
        assert on(count, f, values) == want, count
    for found, right in zip(parts(f(*values)), parts(f.reference(*values)), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("shares_all")
@pytest.mark.parametrize("dtype", ["f64", "f16", "bf16", "i8", "u32", "i64"])
def test_bits_of_other_dtypes(dtype: str) -> None:
    f = tc.compile(f"fn f(x: {dtype}[N, M]) = (x * x + x, sum(x), sum(x, axis=0), max(x, axis=1), cumsum(x, axis=1))", name="threads.tx").f
    values = inputs(f, dtype)
    want = on(1, f, values)
    assert all(on(count, f, values) == want for count in COUNTS * 3)


@pytest.mark.usefixtures("shares_all")
def test_bits_of_random_programs() -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], derandomize=True)
    @given(programs(safe_extents=True), st.integers(1, 300), st.integers(1, 150), st.booleans())
    def run(program: Written, n: int, m: int, reverse: bool) -> None:
        values = arrays(program, n, m, 5, reverse)
        f = tc.compile(program.text, name="written.tx").f
        want = on(1, f, values)
        assert all(on(count, f, values) == want for count in COUNTS), program.text

    run()


def test_bits_of_large_arrays() -> None:
    """With the thresholds as they are, sizes on both sides of a part and of a chunk."""
    f = tc.compile("fn f(x: f32[N]) = (sum(x), exp(x), max(x), cumsum(x, axis=0))", name="threads.tx").f
    for n in (8191, 8192, 8193, 100_000, 524_287, 524_289, 1_500_007):
        x = np.random.default_rng(n).standard_normal(n).astype("f4")
        want = on(1, f, [x])
        assert all(on(count, f, [x]) == want for count in COUNTS)
        assert abs(float(f(x)[0]) - float(x.astype("f8").sum())) < 1e-2


def test_strided_arrays_and_results() -> None:
    f = tc.compile("fn f(x: f32[N, M]) = (exp(x), sum(x, axis=0))", name="threads.tx").f
    x = np.random.default_rng(0).standard_normal((600, 1400)).astype("f4")
    for a in (x, x[::-1, ::2], x.T, np.broadcast_to(x[0], (900, 1400))):
        want = on(1, f, [a])
        assert all(on(count, f, [a]) == want for count in COUNTS)
        out = (np.empty(a.shape[::-1], "f4").T, np.empty(a.shape[1], "f4"))
        f(a, out=out)
        assert bits(out) == want


@pytest.mark.usefixtures("shares_all")
def test_each_thread_has_scratch_of_its_own() -> None:
    f = tc.compile("fn f(x: f32[N, M]) = softmax(x) * 2.0", name="threads.tx").f
    random = np.random.default_rng(0)
    for rows in (1, 2, 5, 64, 1000):
        x = random.standard_normal((rows, 3000)).astype("f4")
        assert all(on(count, f, [x]) == on(1, f, [x]) for count in (*COUNTS, 64))


# How much is shared out.


def test_what_is_small_runs_on_one_thread() -> None:
    assert region(1000, SMALL - 1, 8) == Region(1000, 0)
    assert region(1, 1 << 40, 8) == Region(1, 0) and region(0, 0, 8) == Region(0, 0)
    assert region(1 << 20, threads.LONG - 1, 1) == Region(1 << 20, 0)
    assert region(1 << 20, threads.LONG, 1).chunk == 1 << 19  # so that it can be interrupted


@pytest.mark.parametrize("units", [2, 3, 15, 16, 17, 1000, 10**9])
@pytest.mark.parametrize("work", [1 << 18, 1 << 20, 1 << 40])
def test_chunks_are_few_and_large(units: int, work: int) -> None:
    made = region(units, work, 4)
    count = -(-units // made.chunk)
    assert made.units == units and 2 <= count <= max(4 * threads.CHUNKS, work // threads.LONG)
    assert count == 2 or work * made.chunk // units >= threads.GRAIN // 2


def test_processors_are_shared_by_omp_num_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    every = processors()
    assert 1 <= every <= (os.cpu_count() or 1)
    for text, count in (("1", 1), ("1,4", 1), ("100000", every), ("", every), ("many", every), ("0", every)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert processors() == count
    assert Options(num_threads=3).threads == 3


def test_the_number_of_threads_is_bounded() -> None:
    with tc.config.scope(num_threads=10**6):
        assert threads.count() == threads.MOST
    with tc.config.scope(num_threads=3):
        assert threads.count() == 3


# The pool, by itself: `part` adds 1 to each unit's byte, and counts its calls in its scratch.

PART = """
define void @part(ptr %frame, i64 %low, i64 %high, ptr %scratch) {
entry:
  %calls = load i64, ptr %scratch
  %more = add i64 %calls, 1
  store i64 %more, ptr %scratch
  br label %loop
loop:
  %i = phi i64 [ %low, %entry ], [ %next, %loop ]
  %place = getelementptr i8, ptr %frame, i64 %i
  %old = load i8, ptr %place
  %new = add i8 %old, 1
  store i8 %new, ptr %place
  %next = add i64 %i, 1
  %again = icmp slt i64 %next, %high
  br i1 %again, label %loop, label %end
end:
  ret void
}
"""


@pytest.fixture(scope="module")
def part() -> target.Loaded:
    return target.load([target.emit_object(PART, target.host())], ["part"], {})


def visit(part: target.Loaded, units: int, chunk: int, count: int) -> tuple[Any, Any]:
    """How often each unit was visited, and how often each thread was called."""
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, ctypes.c_void_p, ctypes.c_int64)(threads.parallel())
    visits, calls = np.zeros(units, "u1"), np.zeros((count, 16), "i8")
    run(part.addresses["part"], visits.ctypes.data, units, chunk, count, calls.ctypes.data, 128)
    return visits, calls[:, 0]


@pytest.mark.parametrize("count", [2, 3, 16])
def test_every_unit_is_visited_once(part: target.Loaded, count: int) -> None:
    for units, chunk in ((1, 1), (2, 1), (1000, 7), (100_000, 1000), (5, 10)):
        for _ in range(50):
            visits, calls = visit(part, units, chunk, count)
            assert (visits == 1).all() and calls.sum() == -(-units // chunk)


def test_many_callers_at_once(part: target.Loaded) -> None:
    """One of them gets help; the others do their work themselves."""

    def call(number: int) -> bool:
        visits, calls = visit(part, 1000 + number, 10, 2 + number % 5)
        return bool((visits == 1).all()) and int(calls.sum()) in (1, -(-(1000 + number) // 10))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(3000)))


@pytest.mark.usefixtures("shares_all")
def test_kernels_of_many_threads_at_once() -> None:
    f = tc.compile("fn f(x: f32[N, M]) = (softmax(x), sum(x))", name="threads.tx").f
    given = [np.random.default_rng(n).standard_normal((50 + n, 200)).astype("f4") for n in range(8)]
    want = [on(1, f, [x]) for x in given]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: bits(f(given[n % 8])), range(400)))
    assert all(b == want[n % 8] for n, b in enumerate(found))


def test_the_mode_of_arithmetic_is_the_callers() -> None:
    """Whoever flushes denormals has them flushed on every thread, and else on none."""
    torch = pytest.importorskip("torch")
    f = tc.compile("fn f(x: f32[N]) = x * 0.5", name="threads.tx").f
    x = np.full(1_000_000, 1e-38, "f4")
    with tc.config.scope(num_threads=3):
        for _ in range(5):
            assert (f(x) > 0).all()
        if torch.set_flush_denormal(True):
            try:
                found = f(x)
            finally:
                torch.set_flush_denormal(False)
            assert (found == 0).all()
        assert (f(x) > 0).all()


# Whole processes.

CHILD = """
    import os, sys, threading
    import numpy as np
    {first}
    import tensorc as tc
    f = tc.compile("fn f(x: f32[N]) = (sum(x), x * 2.0)", name="threads.tx").f
    x = np.ones(1_000_000, "f4")

    def right():
        total, twice = f(x)
        return float(total) == 1_000_000 and (twice == 2).all()

    def forked():
        child = os.fork()
        if not child:
            os._exit(0 if all(right() for _ in range(20)) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert all(right() for _ in range(5))
    {then}
    print("done")
"""


def run(first: str = "", then: str = "", **environment: str) -> None:
    """Runs Python of its own, which must end well, and soon."""
    script = textwrap.dedent(CHILD).format(first=first, then=then)
    env = {**os.environ, "TENSORC_NUM_THREADS": "3", **environment}
    env.pop("OMP_NUM_THREADS", None)
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr


FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@FORK
def test_a_fork_computes() -> None:
    run(then="assert all(forked() and right() for _ in range(3))")


@FORK
def test_a_fork_while_a_kernel_runs() -> None:
    run(
        then="""
    stop = []
    busy = threading.Thread(target=lambda: [right() for _ in iter(lambda: bool(stop), True)])
    busy.start()
    assert all(forked() for _ in range(10))
    stop.append(1)
    busy.join()
    """.strip().replace("\n    ", "\n")
    )


@FORK
def test_a_fork_beside_torch() -> None:
    pytest.importorskip("torch")
    run(first="import torch; torch.ones(1_000_000).add(1)", then="assert right() and forked() and right()")


@pytest.mark.parametrize("count", ["2", "7"])
def test_torch_before_and_after(count: str) -> None:
    pytest.importorskip("torch")
    work = "import torch; torch.set_num_threads(2); assert float(torch.ones(1_000_000).add(1).sum()) == 2_000_000"
    run(first=work, then="assert all(right() for _ in range(20))", TENSORC_NUM_THREADS=count)
    run(then=f"{work}; assert all(right() for _ in range(20)); tc.config.num_threads = 4; assert right()", TENSORC_NUM_THREADS=count)


def test_an_end_while_kernels_run() -> None:
    """Threads that nobody waits for do not keep a process from ending, nor crash it."""
    run(then="[threading.Thread(target=lambda: [right() for _ in range(10**9)], daemon=True).start() for _ in range(3)]; right()")


def test_first_calls_of_many_threads() -> None:
    run(
        then="g = tc.compile('fn f(x: f32[N]) = (sum(x), x + 1.0)', name='threads.tx').f; "
        "all_threads = [threading.Thread(target=lambda: [g(x) for _ in range(50)]) for _ in range(4)]; "
        "[t.start() for t in all_threads]; [t.join() for t in all_threads]"
    )


def test_more_threads_than_processors() -> None:
    run(then="assert all(right() for _ in range(20))", TENSORC_NUM_THREADS="40")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there is no affinity here")
def test_one_processor() -> None:
    first = "os.environ.pop('TENSORC_NUM_THREADS'); os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])"
    run(first=first, then="from tensorc.runtime import threads; assert threads.count() == 1 and right()")
