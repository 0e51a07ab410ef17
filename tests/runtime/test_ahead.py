"""C libraries: built from programs, called by a process that has no tensorc, and by a compiled C program; the same bits as from Python."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import tensorc as tc
from tensorc.backends.llvm import elf, target
from tensorc.cli.main import main
from tensorc.runtime.ahead.contract import c_name
from tensorc.runtime.ahead.library import linked_by_compiler

ELF = sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
CC = shutil.which("cc")

pytestmark = pytest.mark.skipif(not ELF and CC is None, reason="nothing here links a shared library")

PROGRAMS = """\
## Softmax of each row.
fn rows(x: f32[N, D]) -> f32[N, D] = softmax(x)
fn product(a: f32[N, K], b: f32[K, M]) -> f32[N, M] = a @ b
fn loss(w: f64[D, K], x: f64[N, D], y: i64[N]) -> f64 = cross_entropy(x @ w, y)
fn order(x: f32[N, M]) -> (f32[N, M], i64[N, M], f32[N, M]) = sort(x, axis=1), argsort(x, axis=1), cumsum(x, axis=1)
fn columns(x: f32[N, M]) -> f32[M] = sum(exp(x) * x, axis=0)
fn pairs(x: i32[2 * N], z: i32[N]) -> i32[N] { let y[i] = x[2 * i] - x[2 * i + 1] + z[i] return y }
fn pick_rows(t: f16[V, D], ids: i64[N]) -> f16[N, D] { let e[n, d] = t[ids[n], d] return e }
fn halves(x: f32[N]) -> f32[N // 2] {
    require N % 2 == 0, "N is even"
    let y[i < N // 2] = x[i] - x[i + N // 2]
    return y
}
fn pow(x: f32[N], y: f32) -> (f32[N], bool[N], f64) = fmod(x, y), x < y, 2.5
"""

CHILD = """\
import ctypes, json, sys
import numpy as np

calls, arrays = json.load(open(sys.argv[2])), np.load(sys.argv[3])
library = ctypes.CDLL(sys.argv[1])

class Array(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64))]

def words(values):
    return (ctypes.c_int64 * max(len(values), 1))(*values)

found, codes = {}, []
for call in calls:
    given = []
    for n, a in enumerate(call["arrays"]):
        array = np.array(arrays[a]) if isinstance(a, str) else np.full(a[0], 77, a[1])
        if call["strided"] and array.ndim:
            array = np.repeat(array, 2, axis=-1)[..., ::2].swapaxes(0, -1).copy().swapaxes(0, -1)
        if n >= call["inputs"]:
            found[f"{len(codes)}.{n - call['inputs']}"] = array
        strides = words([s // array.itemsize for s in array.strides]) if call["strided"] or call["steps"] else None
        data = array.ctypes.data if array.size else None
        given.append((array, Array(data, words(array.shape) if array.ndim else None, strides)))
    function = getattr(library, call["name"])
    codes.append(function(*(ctypes.byref(c) if i != call["null"] else None for i, (_, c) in enumerate(given))))
    message = getattr(library, call["name"] + "_error")
    message.restype = ctypes.c_char_p
    codes[-1] = [codes[-1], message(codes[-1]).decode()]
assert "tensorc" not in sys.modules
np.savez(sys.argv[4], codes=json.dumps(codes), **found)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the library of all the programs and of their gradients."""
    folder = tmp_path_factory.mktemp("ahead")
    (folder / "programs.tx").write_text(PROGRAMS)
    for place, further in (("programs.tx", ["--emit", "so,h,o,ll,asm"]), ("programs.tx:loss", ["--grad", "w"])):
        ran = CliRunner().invoke(main, ["build", f"{folder}/{place}", "-o", str(folder), *further])
        assert ran.exit_code == 0, ran.output
    return folder


class Caller:
    """Collects calls, runs them in one process without tensorc, and gives their codes and results."""

    def __init__(self, folder: Path, library: str = "libprograms.so") -> None:
        self.folder = folder
        self.library = library
        self.calls: list[dict[str, Any]] = []
        self.arrays: dict[str, np.ndarray] = {}

    def add(
        self, name: str, inputs: list[Any], results: list[Any], strided: bool = False, steps: bool = False, null: int | None = None
    ) -> None:
        """A call: arrays in, and the shapes and dtypes of arrays out. `strided` gives all other strides, `steps` says what they are."""
        names = [f"a{len(self.calls)}_{n}" for n in range(len(inputs))]
        self.arrays |= dict(zip(names, map(np.asarray, inputs), strict=True))
        arrays = [*names, *([list(shape), np.dtype(dtype).name] for shape, dtype in results)]
        self.calls.append({"name": name, "arrays": arrays, "inputs": len(inputs), "strided": strided, "steps": steps, "null": null})

    def run(self) -> tuple[list[tuple[int, str]], dict[str, np.ndarray]]:
        (self.folder / "child.py").write_text(CHILD)
        (self.folder / "calls.json").write_text(json.dumps(self.calls))
        np.savez(self.folder / "arrays.npz", **self.arrays)
        files = [str(self.folder / name) for name in ("child.py", self.library, "calls.json", "arrays.npz", "found.npz")]
        ran = subprocess.run([sys.executable, "-I", *files], capture_output=True, text=True, check=False, cwd="/")
        assert ran.returncode == 0, ran.stderr
        found = dict(np.load(self.folder / "found.npz"))
        return [(code, message) for code, message in json.loads(str(found.pop("codes")))], found


def arguments(name: str, n: int, m: int) -> list[Any]:
    """Arguments of a program for sizes that no block divides, or that are 0."""
    rng = np.random.default_rng(n * 1000 + m)

    def floats(*shape: int, dtype: Any = np.float32) -> Any:
        return rng.normal(size=shape).astype(dtype)

    made: dict[str, Callable[[], list[Any]]] = {
        "rows": lambda: [floats(n, m)],
        "product": lambda: [floats(n, m), floats(m, n + 3)],
        "loss": lambda: [floats(m, 5, dtype=np.float64), floats(n, m, dtype=np.float64), rng.integers(0, 5, n)],
        "order": lambda: [floats(n, m)],
        "columns": lambda: [floats(n, m)],
        "pairs": lambda: [rng.integers(-9, 9, 2 * n).astype(np.int32), rng.integers(-9, 9, n).astype(np.int32)],
        "pick_rows": lambda: [floats(5, m, dtype=np.float16), rng.integers(0, 5, n)],
        "halves": lambda: [floats(2 * n)],
        "pow_": lambda: [floats(n), np.float32(0.3)],
    }
    return made[name]()


NAMES = ("rows", "product", "loss", "order", "columns", "pairs", "pick_rows", "halves", "pow_")


def test_the_results_have_the_bits_of_calls_from_python(built: Path) -> None:
    module = tc.load(built / "programs.tx")
    caller = Caller(built)
    wanted = []
    for n, m in ((7, 33), (129, 70), (0, 5), (4, 0), (1, 1)):
        for name in NAMES:
            inputs = arguments(name, n, m)
            if name == "loss" and not n:  # a mean of nothing is NaN, of one sign or the other
                continue
            found = module[name.rstrip("_")](*inputs)
            results = [np.asarray(r) for r in (found if isinstance(found, tuple) else (found,))]
            for how in ({}, {"steps": True}, {"strided": True}):
                caller.add(name, inputs, [(r.shape, r.dtype) for r in results], **how)
                wanted.append(results)
    codes, found = caller.run()
    assert [c for c in codes if c != (0, "no error")] == []
    for call, results in enumerate(wanted):
        for n, result in enumerate(results):
            got = found[f"{call}.{n}"]
            assert got.dtype == result.dtype and got.shape == result.shape
            assert np.ascontiguousarray(got).tobytes() == np.ascontiguousarray(result).tobytes(), caller.calls[call]


@pytest.mark.skipif(not ELF, reason="the object file is of another form")
def test_nothing_but_the_c_library_is_called(built: Path) -> None:
    called = elf.imports((built / "programs.o").read_bytes())
    assert {"malloc", "free"} <= set(called) <= {"malloc", "free", "memset", "memcpy", "memmove", "fmodf"}


def test_gradients(built: Path) -> None:
    loss = tc.load(built / "programs.tx").loss
    inputs = arguments("loss", 40, 9)
    caller = Caller(built, "libloss.so")
    caller.add("loss_grad", inputs, [((9, 5), np.float64)])
    caller.add("loss", inputs, [((), np.float64)])
    codes, found = caller.run()
    assert [c for c, _ in codes] == [0, 0]
    np.testing.assert_allclose(found["0.0"], loss.grad(wrt="w")(*inputs), rtol=1e-12, atol=1e-14)
    assert found["1.0"] == loss(*inputs)


def test_what_is_wrong_has_a_number_and_a_message(built: Path) -> None:
    x = np.ones((3, 4), np.float32)
    f32 = np.float32
    caller = Caller(built)
    caller.add("product", [x, np.ones((5, 2), f32)], [((3, 2), f32)])
    caller.add("product", [x, np.ones((4, 2), f32)], [((3, 3), f32)])
    caller.add("product", [x, np.ones((4, 2), f32)], [((3, 2), f32)], null=1)
    caller.add("halves", [np.ones(3, f32)], [((1,), f32)])
    caller.add("pairs", [np.ones(3, np.int32), np.ones(2, np.int32)], [((2,), np.int32)])
    caller.add("pick_rows", [np.ones((2, 3), np.float16), np.array([0, 1, 2])], [((3, 3), np.float16)])
    caller.add("pick_rows", [np.ones((2, 3), np.float16), np.array([0, -1, 1])], [((3, 3), np.float16)])
    codes, found = caller.run()
    assert codes[0] == (1, "axis 0 of b is not K, which axis 1 of a is")
    assert codes[1] == (3, "axis 1 of result is not M, which axis 1 of b is") and (found["1.0"] == 77).all()
    assert codes[2] == (-1, "an argument is NULL, or its shape or its data")
    assert codes[3][0] > 0 and "N is even" in codes[3][1]
    assert codes[4] == (1, "axis 0 of x is not 2*N")
    assert codes[5] == codes[6] and "out of range for axis 0 of t" in codes[5][1]


def test_sizes_that_no_memory_holds(built: Path) -> None:
    """The same without arrays of such sizes, which nothing reads: the call is refused before."""
    text = """
import ctypes, sys
class Array(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64))]
library = ctypes.CDLL(sys.argv[1])
memory = ctypes.create_string_buffer(64)
def call(*shape):
    a = Array(ctypes.cast(memory, ctypes.c_void_p), (ctypes.c_int64 * 2)(*shape), None)
    return library.rows(ctypes.byref(a), ctypes.byref(a))
print(call(-1, 3), call(1 << 46, 1 << 46), call(1 << 62, 1), call(3, -(1 << 63)))
"""
    ran = subprocess.run([sys.executable, "-I", "-c", text, str(built / "libprograms.so")], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["-2"] * 4


C_PROGRAM = """\
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "programs.h"

int main(void) {
    float x[6] = {1, 2, 3, 4, 5, 6}, y[6], z[3];
    int64_t shape[2] = {2, 3}, turned[2] = {3, 2}, steps[2] = {1, 3}, odd = 3;
    tc_f32 a = {x, shape, NULL}, result = {y, shape, NULL}, b = {x, turned, steps}, other = {y, turned, NULL}, small = {z, &odd, NULL};
    if (rows(&a, &result)) return 1;
    printf("%.6f %.6f\\n", y[0] + y[1] + y[2], y[2] / y[1] / expf(1));
    if (rows(&b, &other)) return 2;
    printf("%.6f\\n", y[0] + y[1]);
    int number = rows(&a, &other);
    printf("%d %s\\n", number, rows_error(number));
    number = halves(&small, &small);
    printf("%s\\n", strstr(halves_error(number), "even") ? "odd" : "even");
    return 0;
}
"""


@pytest.mark.skipif(CC is None, reason="there is no C compiler")
def test_a_c_program(built: Path) -> None:
    """With the header, the library as it is linked here, and the object file as the C compiler links it."""
    (built / "main.c").write_text(C_PROGRAM)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-I", str(built)]
    wanted = ["1.000000 1.000000", "1.000000", "1 axis 0 of result is not N, which axis 0 of x is", "odd"]
    for linked in (["-L", str(built), "-lprograms", f"-Wl,-rpath,{built}"], [str(built / "programs.o")], [str(built / "programs.s")]):
        subprocess.run([CC, *flags, str(built / "main.c"), *linked, "-lm", "-o", str(built / "main")], check=True)  # type: ignore[list-item]
        ran = subprocess.run([str(built / "main")], capture_output=True, text=True, check=True)
        assert ran.stdout.splitlines() == wanted
    subprocess.run([CC, "-x", "c++", "-fsyntax-only", "-Wall", "-Werror", str(built / "programs.h")], check=True)  # type: ignore[list-item]


@pytest.mark.skipif(CC is None, reason="there is no C compiler")
def test_linking_by_the_c_compiler(built: Path) -> None:
    (built / "libother.so").write_bytes(linked_by_compiler((built / "programs.o").read_bytes(), "other"))
    caller = Caller(built, "libother.so")
    caller.add("rows", [np.zeros((2, 4), np.float32)], [((2, 4), np.float32)])
    codes, found = caller.run()
    assert codes == [(0, "no error")] and (found["0.0"] == 0.25).all()


def test_names_that_c_has_taken() -> None:
    assert [c_name(n) for n in ("pow", "powf", "int", "main", "loss", "tc_f32", "_", "new", "f")] == [
        "pow_", "powf_", "int_", "main_", "loss", "tc_f32_", "f_", "new_", "f",
    ]  # fmt: skip


def test_another_processor(tmp_path: Path) -> None:
    (tmp_path / "a.tx").write_text("fn double(x: f32[N]) -> f32[N] = 2 * x\n")
    asm = {}
    for cpu in ("generic", "x86-64-v3", "znver4"):
        ran = CliRunner().invoke(main, ["build", str(tmp_path / "a.tx"), "-o", str(tmp_path), "--emit", "asm", "--cpu", cpu])
        assert ran.exit_code == 0, ran.output
        asm[cpu] = (tmp_path / "a.s").read_text()
    if platform.machine() == "x86_64":
        assert ("%zmm" in asm["znver4"], "%ymm" in asm["x86-64-v3"], "%ymm" in asm["generic"]) == (True, True, False)


@pytest.mark.parametrize("cpu", ["x86-64-v33", "i386"])
def test_a_processor_that_there_is_not(tmp_path: Path, cpu: str) -> None:
    (tmp_path / "a.tx").write_text("fn double(x: f32[N]) -> f32[N] = 2 * x\n")
    ran = CliRunner().invoke(main, ["build", str(tmp_path / "a.tx"), "-o", str(tmp_path), "--cpu", cpu])
    assert ran.exit_code == 2 and f"no code for a processor `{cpu}`" in ran.output
    with pytest.raises(tc.ConfigError, match="did you mean `x86-64-v3`" if cpu == "x86-64-v33" else "no code"), tc.config.scope(cpu=cpu):
        tc.compile("fn halve(x: f32[N]) -> f32[N] = x / 2").halve(np.ones(3, np.float32))


# The linker.

MODULE = """
@numbers = internal constant [4 x i32] [i32 1, i32 2, i32 3, i32 4]
@table = internal constant [2 x ptr] [ptr @numbers, ptr @labs]
@counter = global i32 5
@memory = internal global [100 x i64] zeroinitializer
declare i64 @labs(i64)
define i64 @twice(i64 %x) {
  %f = load volatile ptr, ptr getelementptr (ptr, ptr @table, i64 1)
  %y = call i64 %f(i64 %x)
  %z = call i64 @labs(i64 %x)
  %n = load i32, ptr @counter
  %more = add i32 %n, 1
  store i32 %more, ptr @counter
  store volatile i64 %z, ptr getelementptr (i64, ptr @memory, i64 99)
  %m = load volatile i64, ptr getelementptr (i64, ptr @memory, i64 99)
  %at = getelementptr i32, ptr @numbers, i64 %m
  %number = load i32, ptr %at
  %wide = zext i32 %number to i64
  %sum = add i64 %y, %m
  %all = add i64 %sum, %wide
  ret i64 %all
}
define i32 @count() {
  %n = load i32, ptr @counter
  ret i32 %n
}
"""


@pytest.mark.skipif(not ELF, reason="the linker is for Linux on x86-64")
def test_linking_data_tables_and_imports(tmp_path: Path) -> None:
    image = target.emit_object(MODULE, target.host("x86-64-v2"))
    assert elf.imports(image) == ["labs"]
    (tmp_path / "libm.so").write_bytes(elf.shared_library(image, ["twice", "count"], "libm.so", ["libc.so.6"]))
    text = "import ctypes, sys; m = ctypes.CDLL(sys.argv[1]); m.twice.restype = m.twice.argtypes = None; print(m.twice(-2), m.count())"
    text = text.replace("m.twice.restype = m.twice.argtypes = None", "m.twice.restype, m.twice.argtypes = ctypes.c_int64, [ctypes.c_int64]")
    ran = subprocess.run([sys.executable, "-I", "-c", text, str(tmp_path / "libm.so")], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["7", "6"]
    if shutil.which("readelf"):
        shown = subprocess.run(["readelf", "-aW", str(tmp_path / "libm.so")], capture_output=True, text=True, check=True)
        assert shown.stderr == "" and "twice" in shown.stdout


@pytest.mark.skipif(not ELF, reason="the linker is for Linux on x86-64")
def test_what_the_linker_refuses() -> None:
    image = target.emit_object("define void @f() { ret void }", target.host("x86-64-v2"))
    with pytest.raises(ValueError, match="g is not defined"):
        elf.shared_library(image, ["g"], "lib.so", [])
    with pytest.raises(ValueError, match="not an object file"):
        elf.shared_library(b"\x7fELF" + bytes(100), ["f"], "lib.so", [])
    local = target.emit_object("@t = thread_local global i32 1\ndefine ptr @f() { ret ptr @t }", target.host("x86-64-v2"))
    with pytest.raises(ValueError, match="thread-local"):
        elf.shared_library(local, ["f"], "lib.so", [])
