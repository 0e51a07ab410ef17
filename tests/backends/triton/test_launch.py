"""Launches by Triton's own launcher over a driver that only writes down: grids, threads, addresses, the workspace, the time of a call."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from backends.triton.worker import ROOT

import tensorc as tc
from tensorc.transform.simplify import simplify

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="the driver is written in C"),
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(path), str(HERE / "driver.c")], check=True)
    return path


def environment_of(driver: Path) -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("TRITON", "TENSORC"))},
        "LD_LIBRARY_PATH": str(driver.parent),
        "TRITON_LIBCUDA_PATH": str(driver.parent),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }


def launch(
    driver: Path, source: str, specs: list[str], sizes: dict[str, int], strides: list[Any], addresses: list[int], tuned: Path | None = None
) -> Any:
    program = simplify(tc.compile(source).f.lower(*map(tc.spec, specs)).program)
    environment = environment_of(driver)
    if tuned is not None:
        environment["TENSORC_CACHE_DIR"] = str(tuned)
    job = pickle.dumps((program, sizes, strides, addresses, 77, tuned is not None))
    ran = subprocess.run([sys.executable, str(HERE / "launch.py"), str(driver)], input=job, capture_output=True, env=environment)
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout)


SOFTMAX = "fn f(x: f32[N, D]) = softmax(x)"


def test_one_kernel(driver: Path) -> None:
    found = launch(driver, SOFTMAX, ["f32[N, D]"], {"N": 4096, "D": 1000}, [None], [0x7F0000000000, 0x7F0001000000, 0x7F0002000000])
    assert found["target"] == "cuda:sm_90" and found["results"] == [[4096, 1000]]
    (kernel,) = found["kernels"]
    assert kernel["grid"] == [4096, 1, 1] and kernel["threads"] == 64 and kernel["stream"] == 77
    assert kernel["arguments"] == [0x7F0000000000, 0x7F0001000000]
    assert found["seconds"] < 50e-6  # on a driver that does nothing; a few microseconds where nothing else runs


def test_workspace(driver: Path) -> None:
    """What lies between kernels is in one piece of memory, aligned."""
    found = launch(
        driver,
        "fn f(x: f32[N, D]) = (sum(x), sum(x, axis=0))",
        ["f32[N, D]"],
        {"N": 4096, "D": 1024},
        [None],
        [1 << 40, 2 << 40, 3 << 40, 4 << 40, 5 << 40],
    )
    places = [a for k in found["kernels"] for a in k["arguments"] if 4 << 40 <= a < 5 << 40]
    assert places and all(0 <= a - (4 << 40) < found["workspace"] and a % 16 == 0 for a in places)
    assert found["kernels"][0]["arguments"][0] == 1 << 40
    assert {2 << 40, 3 << 40, 5 << 40} <= {a for k in found["kernels"] for a in k["arguments"]} and found["counts"]


def test_descriptors_lie_in_the_workspace(driver: Path) -> None:
    source, specs, sizes = "fn f(x: f16[N, K], w: f16[K, M]) = x @ w", ["f16[N, K]", "f16[K, M]"], {"N": 1024, "K": 512, "M": 2048}
    found = launch(driver, source, specs, sizes, [None, None], [1 << 40, 2 << 40, 3 << 40, 4 << 40])
    (kernel,) = found["kernels"]
    programs = kernel["grid"][0]
    assert found["workspace"] >= 128 * programs and found["workspace"] % (128 * programs) == 0
    crooked = launch(driver, source, specs, sizes, [None, None], [(1 << 40) + 2, 2 << 40, 3 << 40, 4 << 40])
    assert crooked["workspace"] == 0 and len(crooked["kernels"]) == 1


def test_nothing_to_do(driver: Path) -> None:
    found = launch(driver, SOFTMAX, ["f32[N, D]"], {"N": 0, "D": 1000}, [None], [16, 32, 48])
    assert found["kernels"] == [] and found["results"] == [[0, 1000]]


def test_strides_and_alignment(driver: Path) -> None:
    transposed = launch(driver, "fn f(x: f32[N, D]) = exp(x)", ["f32[N, D]"], {"N": 512, "D": 1024}, [(1, 512)], [1 << 40, 2 << 40, 0])
    assert len(transposed["kernels"]) == 1
    assert launch(driver, "fn f(x: f32[N]) = exp(x)", ["f32[N]"], {"N": 4096}, [None], [(1 << 40) + 4, 2 << 40, 0])["kernels"]


def test_tuned_launches_are_kept(driver: Path, tmp_path: Path) -> None:
    """The first process tries several, the second knows."""
    job: tuple[Any, ...] = (SOFTMAX, ["f32[N, D]"], {"N": 4096, "D": 1000}, [None], [1 << 40, 2 << 40, 0])
    first, second = (launch(driver, *job, tuned=tmp_path) for _ in range(2))
    assert set(first["tries"]) == {32, 64, 128} and not second["tries"]
    assert [k["threads"] for found in (first, second) for k in found["kernels"]] == [128, 128]


@pytest.mark.skipif(find_spec("triton") is not None and version("triton") < "3.8", reason="Triton before 3.8 launches with torch alone")
def test_arrays_of_other_libraries(driver: Path) -> None:
    """Without torch: memory is read where it is, by its strides, and results are arrays of the same library."""
    command = [sys.executable, str(HERE / "elsewhere.py"), str(driver), "fn f(x: f32[N, D], y: f32[D, N]) = x + y.T"]
    ran = subprocess.run(command, capture_output=True, env=environment_of(driver))
    assert ran.returncode == 0, ran.stderr.decode()
    found = json.loads(ran.stdout)
    assert found["launched"] == 1 and set(found["arguments"]) == set(found["addresses"]) and found["shape"] == [64, 48]
    assert "`y` of `f` is not on the GPU" in found["refused"]
