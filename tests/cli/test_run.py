"""`tensorc run`: arguments, results, files, comparison with the oracle, and the errors of calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAM = """\
fn scale(x: f32[N], a: f32) -> f32[N] = a * x

fn pair<T: float>(x: T[N, M], w: T[M], n: int = 2) -> (T[N], T[M]) {
    return x @ w, w * n
}

fn lookup(table: f32[V, D], ids: i64[B]) -> f32[B, D] {
    let e[b, d] = table[ids[b], d]
    return e
}

fn total<T: num>(x: T[...S]) -> T = sum(x)

fn count(x: u8[N], flags: bool[N]) -> i64 = sum(where(flags, cast(x, i64), 0))

fn exponential(x: f32[N]) -> f32[N] = exp(x)

fn pick(x: f32[N, M], how: str = "sum", at: axes = -1) -> f32[N] = sum(x, axis=at)

fn brain(x: bf16[N]) -> bf16[N] = x + 1
"""


@pytest.fixture(autouse=True)
def program(folder: Path) -> Path:
    path = folder / "p.tx"
    path.write_text(PROGRAM)
    return path


def test_a_result_is_shown_under_its_type(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("run", "p.tx:scale", "--arg", "x=[1, 2.5, -3]", "--arg", "a=2")
    assert (ran.code, ran.out, ran.err) == (0, "f32[3]\n[ 2.  5. -6.]\n", "")
    assert tensorc("run", "p.tx:total", "-a", "x=[[1,2],[3,4]]").out == "i64\n10\n"
    assert tensorc("run", "p.tx:brain", "-a", "x=zeros:[2]").out == "bf16[2]\n[1 1]\n"


def test_several_results(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("run", "p.tx:pair", "--arg", "x=ones:f64[2,3]", "--arg", "w=[1,2,3]", "--arg", "n=3")
    assert ran.out == "result0: f64[2]\n[6. 6.]\n\nresult1: f64[3]\n[3. 6. 9.]\n"


def test_long_results_are_summarised(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("run", "p.tx:exponential", "--arg", "x=zeros:[1000]")
    assert ran.out == "f32[1000]\n[1. 1. 1. ... 1. 1. 1.]\n"
    assert tensorc("run", "p.tx:exponential", "--arg", "x=zeros:[0]").out == "f32[0]\n[]\n"


def test_results_as_data(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("run", "p.tx:scale", "--arg", "x=[1, inf, nan]", "--arg", "a=-0.5", "--json")
    assert ran.envelope["result"] == {
        "function": "scale",
        "results": [{"name": "result", "dtype": "f32", "shape": [3], "data": [-0.5, "-inf", "nan"]}],
        "files": [],
    }
    ran = tensorc("run", "p.tx:count", "--arg", "x=[1,2,255]", "--arg", "flags=[true,false,true]", "--json")
    assert ran.envelope["result"]["results"] == [{"name": "result", "dtype": "i64", "shape": [], "data": 256}]


# Which function.


def test_the_only_function_or_main(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "one.tx").write_text("fn f(x: f32) -> f32 = x + 1\n")
    (folder / "main.tx").write_text("fn f(x: f32) -> f32 = x + 1\nfn main(x: f32) -> f32 = f(f(x))\n")
    assert tensorc("run", "one.tx", "--arg", "x=1").out == "f32\n2.0\n"
    assert tensorc("run", "main.tx", "--arg", "x=1").out == "f32\n3.0\n"
    ran = tensorc("run", "p.tx")
    assert ran.code == 2
    assert ran.err.startswith("error: `p.tx` has 8 functions: scale, pair, lookup, total, count, exponential, pick, brain\n")


def test_an_unknown_function(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("run", "p.tx:scal")
    assert (ran.code, ran.err) == (2, "error: there is no function `scal` in p.tx\n   = help: did you mean `scale`?\n")
    assert "it has scale, pair" in tensorc("run", "p.tx:zzz").err
    assert tensorc("run", "p.tx:").code == 2


def test_a_file_named_with_a_colon(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "odd:name").write_text("fn f(x: f32) -> f32 = x + 1\n")
    for place in ("odd:name", "odd:name:f", f"{folder}/odd:name"):
        assert tensorc("run", place, "--arg", "x=1").out == "f32\n2.0\n"


def test_standard_input(tensorc: Callable[..., Any]) -> None:
    assert tensorc("run", "-:scale", "--arg", "x=[1]", "--arg", "a=2", input=PROGRAM).out == "f32[1]\n[2.]\n"
    assert tensorc("run", "-", "--arg", "x=1", input="fn f(x: f32) -> f32 = -x").out == "f32\n-1.0\n"


# Arguments.


def test_missing_arguments_are_listed_with_their_types(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("run", "p.tx:pair")
    assert ran.code == 2
    assert ran.err == ("error: missing arguments: x: T[N, M], w: T[M]\n   = help: for example --arg x=rand:f32[4,8] --arg w=rand:f32[8]\n")
    ran = tensorc("run", "p.tx:scale", "--arg", "x=[1]")
    assert ran.err == "error: missing argument: a: f32\n   = help: for example --arg a=0.5\n"


@pytest.mark.parametrize("function", ["scale", "pair", "lookup", "total", "count", "exponential", "pick", "brain"])
def test_the_example_that_is_suggested_runs(tensorc: Callable[..., Any], function: str) -> None:
    suggested = tensorc("run", f"p.tx:{function}").err.split("for example ")[1].split()
    assert tensorc("run", f"p.tx:{function}", *suggested).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--arg", "x"], "`--arg x` gives no value\n   = help: write --arg x=VALUE"),
        (["--arg", "xs=[1]"], "there is no parameter `xs`\n   = help: did you mean `x`?"),
        (["--arg", "x=[1]", "--arg", "x=[2]"], "`--arg x=` is given twice"),
        (["--arg", "x=[1]", "--arg", "a=two"], "`a`: `two` is not a value"),
        (["--arg", "x=@missing.npy", "--arg", "a=2"], "`x`: there is no file missing.npy"),
        (["--arg", "x=rnad:[4]", "--arg", "a=2"], "`x`: `rnad:` makes no array\n   = help: did you mean rand:?"),
        (["--arg", "x=rand:[4611686018427387904]", "--arg", "a=2"], "`x`: rand:f32[4611686018427387904] does not fit in memory"),
        (["--arg", "x=[1]", "--arg", "a=1e39"], "`a`: 1e39 is out of the range of f32"),
    ],
)
def test_wrong_arguments(tensorc: Callable[..., Any], words: list[str], message: str) -> None:
    ran = tensorc("run", "p.tx:scale", *words)
    assert ran.code == 2 and ran.out == "" and ran.err.startswith(f"error: {message}")


def test_a_dtype_variable_is_what_the_files_and_generators_make_it(tensorc: Callable[..., Any], folder: Path) -> None:
    np.save(folder / "x.npy", np.ones((2, 2)))
    (folder / "w.csv").write_text("1\n2\n")
    words = ("run", "p.tx:pair", "--json", "--arg")
    for x, w, dtype in [
        ("@x.npy", "[1,2]", "f64"),
        ("@x.npy", "@w.csv", "f64"),
        ("[[1,2],[3,4]]", "rand:f16[2]", "f16"),
        ("rand:[2,2]", "ones:f64[2]", "f64"),
        ("[[1,2],[3,4]]", "[1,2]", "f32"),
        ("[[1,2],[3,4]]", "@w.csv", "f32"),
    ]:
        ran = tensorc(*words, f"x={x}", "--arg", f"w={w}")
        assert [r["dtype"] for r in ran.envelope["result"]["results"]] == [dtype, dtype], (x, w)
    assert tensorc(*words, "x=rand:[2,2]", "--arg", "w=[1,2]").code == 2  # nothing gives x a dtype


def test_static_parameters(tensorc: Callable[..., Any]) -> None:
    assert tensorc("run", "p.tx:pick", "-a", "x=[[1,2],[3,4]]", "-a", "how=mean", "-a", "at=1").out == "f32[2]\n[3. 7.]\n"
    ran = tensorc("run", "p.tx:pair", "-a", "x=rand:f32[2,2]", "-a", "w=[1,2]", "-a", "n=2.5")
    assert ran.code == 2 and ran.err.startswith("error: `n`: 2.5 is not an integer")


def test_the_seed_settles_random_values(tensorc: Callable[..., Any]) -> None:
    def out(*words: str) -> str:
        return str(tensorc("run", "p.tx:exponential", "--arg", "x=randn:[3]", *words).out)

    assert out() == out("--seed", "0") != out("--seed", "1") == out("--seed", "1")
    ran = tensorc("run", "p.tx:exponential", "-a", "x=randn:[3]", "--seed", "7", "--json")
    expected = np.exp(np.random.default_rng(7).standard_normal(3, np.float32))
    assert np.allclose(ran.envelope["result"]["results"][0]["data"], expected)


# Errors of the call.


@pytest.mark.parametrize(
    ("words", "kind", "parts"),
    [
        (["p.tx:pair", "-a", "x=rand:f32[2,3]", "-a", "w=[1,2]"], "ShapeError", ["`w`", "M = 2", "`x`", "M = 3"]),
        (["p.tx:scale", "-a", "x=rand:[2,3]", "-a", "a=1"], "ShapeError", ["`x`", "1 axis", "2 axes", "[2, 3]"]),
        (["p.tx:scale", "-a", "x=2", "-a", "a=1"], "ShapeError", ["`x` is f32[N], with 1 axis; `2` has none", "rand:f32[4]"]),
        (["p.tx:scale", "-a", "x=rand:f64[2]", "-a", "a=1"], "DTypeError", ["`x`", "f32[N]", "f64"]),
        (["p.tx:pair", "-a", "x=rand:f32[2,2]", "-a", "w=rand:f64[2]"], "DTypeError", ["`w`", "T is f32 by `x`", "f64"]),
        (
            ["p.tx:lookup", "-a", "table=rand:[4,2]", "-a", "ids=[0,9]"],
            "IndexError",
            ["index 9", "`table`", "V = 4", "p.tx:8:25"],
        ),
    ],
)
@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_errors_of_the_call(tensorc: Callable[..., Any], words: list[str], kind: str, parts: list[str], target: str) -> None:
    ran = tensorc("run", "--target", target, *words)
    assert ran.code == 1 and ran.out == "" and ran.err.startswith(f"error[{kind}]: ")
    assert all(part in ran.err for part in parts) and "Traceback" not in ran.err
    ran = tensorc("run", "--json", "--target", target, *words)
    assert ran.code == 1 and ran.codes == [kind]


def test_a_wrong_program(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "bad.tx").write_text("fn f(x: f32[N], y: f32[M]) -> f32[N] = x + y\n")
    ran = tensorc("run", "bad.tx", "--arg", "x=[1]")
    assert ran.code == 1 and ran.out == "" and ran.err.startswith("error[E0301]")


def test_the_target_that_is_not_there(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("run", "p.tx:exponential", "--arg", "x=[1]", "--target", "triton")
    assert ran.code == 69 and ran.out == "" and ran.err.startswith("error[TargetUnavailable]: ") and "Triton" in ran.err


# Files.


def test_results_in_files(tensorc: Callable[..., Any], folder: Path) -> None:
    ran = tensorc("run", "p.tx:exponential", "--arg", "x=[0,0]", "--out", "@y.npy")
    assert (ran.code, ran.out, ran.err) == (0, "", "wrote y.npy: f32[2]\n")
    assert np.load(folder / "y.npy").tolist() == [1.0, 1.0]
    assert tensorc("run", "p.tx:exponential", "--arg", "x=@y.npy").out == "f32[2]\n[2.7182817 2.7182817]\n"
    words = ("run", "p.tx:pair", "--arg", "x=ones:f32[1,2]", "--arg", "w=[1,2]")
    assert tensorc(*words, "--out", "@both.npz:a,b").code == 0
    with np.load(folder / "both.npz") as both:
        assert both["a"].tolist() == [3.0] and both["b"].tolist() == [2.0, 4.0]
    ran = tensorc(*words, "--out", "a.npy", "--out", "b.csv", "--json")
    assert ran.envelope["result"]["files"] == ["a.npy", "b.csv"]
    assert ran.envelope["result"]["results"][0] == {"name": "result0", "dtype": "f32", "shape": [1]}
    assert (folder / "b.csv").read_text() == "2.0\n4.0\n"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (["@y.txt"], "`--out @y.txt` names no kind of file that can be written"),
        (["@no/y.npy"], "there is no folder no"),
        (["@y.npy"], "a .npy file holds one array, and there are 2 results"),
        (["@a.npy", "@b.npy", "@c.npy"], "there are 2 results, and 3 files for them"),
    ],
)
def test_files_that_cannot_be_written(tensorc: Callable[..., Any], folder: Path, out: list[str], message: str) -> None:
    words = [word for target in out for word in ("--out", target)]
    ran = tensorc("run", "p.tx:pair", "--arg", "x=ones:f32[1,2]", "--arg", "w=[1,2]", *words)
    assert ran.code == 2 and ran.err.startswith(f"error: {message}")
    assert sorted(p.name for p in folder.iterdir()) == ["p.tx"]


# Comparing with the oracle.


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_verifying(tensorc: Callable[..., Any], target: str) -> None:
    words = ("run", "p.tx:pair", "--arg", "x=randn:f32[9,100]", "--arg", "w=randn:f32[100]", "--verify", "--target", target)
    ran = tensorc(*words)
    assert ran.code == 0 and ran.err.startswith("verified: the largest difference from the oracle is ")
    verified = tensorc(*words, "--json").envelope["result"]["verified"]
    assert verified["agrees"] is True and verified["largest_difference"] < 1e-4


def test_verifying_what_is_wrong(tensorc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorc.api.function import Function

    monkeypatch.setattr(Function, "reference", lambda self, *values: np.array([1.0, 1.5, np.nan], np.float32))
    ran = tensorc("run", "p.tx:exponential", "--arg", "x=[0,0,nan]", "--verify")
    assert ran.code == 1 and ran.out == "f32[3]\n[ 1.  1. nan]\n"
    assert ran.err == "the largest difference from the oracle is 0.5, at result[1]: 1.0, expected 1.5\n"
    ran = tensorc("run", "p.tx:exponential", "--arg", "x=[0,0,0]", "--verify", "--json")
    assert ran.code == 1 and ran.envelope["ok"] is False
    assert ran.envelope["result"]["verified"] == {"agrees": False, "largest_difference": "inf"}
