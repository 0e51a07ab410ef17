"""The value forms of the command line: each form's value, and each failure's message."""

from __future__ import annotations

import math
import pickle
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorc.cli.values import ValueInputError, read_value, write_value
from tensorc.dtypes import DTYPES

FLOATS = [name for name, t in DTYPES.items() if t.is_float]
INTEGERS = [name for name, t in DTYPES.items() if t.is_integer]


def read(text: str, dtype: str | None = None, rank: int | None = None, seed: int = 0) -> Any:
    return read_value(text, rng=np.random.default_rng(seed), dtype=dtype, rank=rank)


def refused(text: str, dtype: str | None = None, rank: int | None = None) -> str:
    """The message and the hint of the error."""
    with pytest.raises(ValueInputError) as caught:
        read(text, dtype, rank)
    return f"{caught.value.message} | {caught.value.hint}"


def same(value: Any, expected: Any) -> bool:
    return type(value) is type(expected) and (value == expected or (value != value and expected != expected))


def same_array(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


# Numbers and words.


@pytest.mark.parametrize(
    ("text", "dtype", "expected"),
    [
        ("2", None, 2),
        ("-2", None, -2),
        ("1_000", None, 1000),
        ("0xff", None, 255),
        ("-0x10", None, -16),
        ("2.5", None, 2.5),
        (".5", None, 0.5),
        ("1e-5", None, 1e-5),
        ("inf", None, math.inf),
        ("-inf", None, -math.inf),
        ("nan", None, math.nan),
        ("pi", None, math.pi),
        ("true", None, True),
        ("false", None, False),
        ("2", "f32", 2.0),
        ("2.0", "i64", 2),
        ("1e6", "i32", 1_000_000),
        ("300", "u16", 300),
        ("18446744073709551615", "u64", 2**64 - 1),
        ("-9223372036854775808", "i64", -(2**63)),
        ("inf", "f16", math.inf),
        ("-inf", "bf16", -math.inf),
        ("true", "bool", True),
        ("3", "int", 3),
        ("3", "float", 3.0),
        ("3", "num", 3),
        ("3.5", "any", 3.5),
        ("3", "dims", [3]),
        ("-1", "axes", -1),
        ("none", "axes", None),
        ("none", None, None),
        ("sum", None, "sum"),
        ("'two words'", None, "two words"),
        ("sum", "str", "sum"),
        ("12", "str", "12"),
        ("@x.npy", "str", "@x.npy"),
        ("f16", "dtype", "f16"),
        (" 7 ", "i64", 7),
    ],
)
def test_scalars(text: str, dtype: str | None, expected: Any) -> None:
    assert same(read(text, dtype), expected)


@pytest.mark.parametrize(
    ("text", "dtype", "message"),
    [
        ("2.5", "i64", "2.5 is not an integer"),
        ("inf", "i64", "inf is not an integer"),
        ("nan", "int", "nan is not an integer"),
        ("300", "u8", "300 is out of the range of u8, 0 to 255"),
        ("-1", "u64", "-1 is out of the range of u64"),
        ("1e400", "f64", "1e400 is out of the range of f64 | write inf"),
        ("1e39", "f32", "out of the range of f32"),
        ("70000", "f16", "out of the range of f16"),
        ("1" * 400, "f64", "out of the range of f64"),
        ("9" * 5000, "f32", "out of the range of f32"),
        ("1", "bool", "1 is not a bool | write true or false"),
        ("true", "f32", "true is not a number of type f32 | write 1"),
        ("true", "int", "true is not an int"),
        ("sum", "f32", "`sum` is not a value"),
        ("f33", "dtype", "`f33` is not a dtype"),
        ("ture", "bool", "did you mean true?"),
        ("two words", None, "`two words` is not a value"),
        ("1,2", "f32", "a list is written in brackets"),
        ("", None, "`` is not a value"),
        ("1.2.3", None, "`1.2.3` is not a value"),
    ],
)
def test_scalars_refused(text: str, dtype: str | None, message: str) -> None:
    assert message in refused(text, dtype)


@given(st.integers(-(2**70), 2**70), st.sampled_from(INTEGERS))
def test_integers_are_exact_or_refused(value: int, dtype: str) -> None:
    low, high = DTYPES[dtype].range
    if low <= value <= high:
        assert same(read(str(value), dtype), value)
        assert read(f"[{value}]", dtype).tolist() == [value]
    else:
        assert "out of the range" in refused(str(value), dtype)


@given(st.floats())
def test_floats_read_back(value: float) -> None:
    assert same(read(repr(value), "f64"), value)


# Lists.


def test_lists_are_arrays_for_tensors_and_lists_for_static_parameters() -> None:
    assert same_array(read("[1, 2.5]", "f32"), np.array([1, 2.5], np.float32))
    assert same_array(read("[[1,2],[3,4]]", "u8"), np.array([[1, 2], [3, 4]], np.uint8))
    assert same_array(read("[1, 0.5,]", "bf16"), np.array([1, 0.5], ml_dtypes.bfloat16))
    assert same_array(read("[true, false]", "any"), np.array([True, False]))
    assert same_array(read("[1, 2]", "num"), np.array([1, 2]))
    assert same_array(read("[1, -inf]", "num"), np.array([1, -np.inf], np.float32))
    assert same_array(read("[]", "i64"), np.array([], np.int64))
    assert same_array(read("[[], []]", "f32"), np.zeros((2, 0), np.float32))
    assert read("[1, [2, 3.5], true]") == [1, [2, 3.5], True]
    assert read("[0, -1]", "axes") == [0, -1]
    assert read("[4, 8]", "dims") == [4, 8]


@pytest.mark.parametrize(
    ("text", "dtype", "message"),
    [
        ("[1, 2", "f32", "is not a list"),
        ("[1 2]", "f32", "is not a list"),
        ("[1]]", "f32", "is not a list"),
        ("[,1]", "f32", "is not a list"),
        ("[1, x]", "f32", "`x` in the list is not a number"),
        ("[[1, 2], [3]]", "f32", "the list is ragged"),
        ("[1, [2]]", "f32", "the list is ragged"),
        ("[1, 2.5]", "i64", "2.5 is not an integer"),
        ("[1, 256]", "u8", "256 is out of the range of u8"),
        ("[1, 1e39]", "f32", "1e39 is out of the range of f32"),
        ("[1.5]", "dims", "is not a list of integers"),
        ("[" * 100_000, "f32", "is not a list"),
    ],
)
def test_lists_refused(text: str, dtype: str | None, message: str) -> None:
    assert message in refused(text, dtype)


# Generators.


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_zeros_and_ones(dtype: str) -> None:
    assert same_array(read(f"zeros:{dtype}[2,3]"), np.zeros((2, 3), DTYPES[dtype].numpy))
    assert same_array(read(f"ones:{dtype}[3]"), np.ones(3, DTYPES[dtype].numpy))
    assert read(f"ones:{dtype}").shape == ()
    assert read(f"zeros:{dtype}[2, 0]").shape == (2, 0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_floats(dtype: str) -> None:
    uniform, normal = read(f"rand:{dtype}[4000]"), read(f"randn:{dtype}[50,80]")
    assert uniform.dtype == normal.dtype == DTYPES[dtype].numpy
    assert 0 <= uniform.min() and uniform.max() < 1
    assert abs(uniform.astype(float).mean() - 0.5) < 0.03
    assert normal.shape == (50, 80)
    assert abs(normal.astype(float).mean()) < 0.1 and abs(normal.astype(float).std() - 1) < 0.1


@pytest.mark.parametrize("dtype", INTEGERS)
def test_random_integers(dtype: str) -> None:
    drawn = read(f"rand:{dtype}[1000]")
    assert drawn.dtype == DTYPES[dtype].numpy
    assert set(drawn.tolist()) == set(range(10))


def test_random_values_depend_on_the_seed_alone() -> None:
    assert same_array(read("randn:f32[8]", seed=3), read("randn:f32[8]", seed=3))
    assert not same_array(read("randn:f32[8]", seed=3), read("randn:f32[8]", seed=4))
    assert set(read("rand:bool[100]").tolist()) == {True, False}


def test_arange() -> None:
    assert same_array(read("arange:i32[2,3]"), np.arange(6, dtype=np.int32).reshape(2, 3))
    assert same_array(read("arange:f16[2049]"), np.arange(2049).astype(np.float16))
    assert same_array(read("arange:u8[256]"), np.arange(256).astype(np.uint8))


def test_a_generator_takes_the_dtype_of_its_parameter() -> None:
    assert same_array(read("ones:[2]", "i16"), np.ones(2, np.int16))
    assert same_array(read("ones:f64[2]", "i16"), np.ones(2))  # a written dtype stands; the call judges it


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rnad:f32[4]", "did you mean rand:?"),
        ("foo:f32[4]", "`foo:f32[4]` is not a value"),
        ("rand:float32[4]", "`float32` is not a dtype | write rand:f32[4,8]"),
        ("rand:bfloat16[4]", "write rand:bf16"),
        ("rand:f33[4]", "`f33` is not a dtype"),
        ("rand:[4]", "`rand:` needs a dtype"),
        ("rand:f32[N]", "`N` is not a size"),
        ("rand:f32[-1]", "`-1` is not a size"),
        ("rand:f32[2.0]", "`2.0` is not a size"),
        ("rand:f32[4,]", "`` is not a size"),
        ("rand f32[4]", "arrays are made with rand:f32[4,8]"),
        ("randn:i64[4]", "`randn:` makes floats, not i64 | write rand:i64[...]"),
        ("arange:bool[2]", "bool cannot"),
        ("arange:u8[257]", "u8 does not hold exactly"),
        ("arange:bf16[300]", "bf16 does not hold exactly"),
        ("zeros:f32[10_000_000_000,10_000_000_000]", "does not fit in memory"),
    ],
)
def test_generators_refused(text: str, message: str) -> None:
    assert message in refused(text)


# Files with a dtype of their own.


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_arrays_survive_a_round_trip(tmp_path: Path, dtype: str, suffix: str) -> None:
    for shape in [(), (3,), (2, 0), (2, 3, 4)]:
        array = np.arange(math.prod(shape)).reshape(shape).astype(DTYPES[dtype].numpy)
        write_value(f"@{tmp_path}/x{suffix}", array)
        assert same_array(read(f"@{tmp_path}/x{suffix}", dtype), array)
    assert [p.name for p in tmp_path.iterdir()] == [f"x{suffix}"]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_several_arrays_have_keys(tmp_path: Path, suffix: str) -> None:
    a, b = np.arange(3), np.ones((2, 2), np.float32).T
    write_value(f"@{tmp_path}/x{suffix}", (a, b))
    assert same_array(read(f"@{tmp_path}/x{suffix}:result0"), a)
    assert same_array(read(f"@{tmp_path}/x{suffix}:result1"), b)
    write_value(f"@{tmp_path}/y{suffix}:b,file", (b, a))
    assert same_array(read(f"@{tmp_path}/y{suffix}:file"), a)
    assert f"holds 2 arrays: b, file | choose one: @{tmp_path}/y{suffix}:b" in refused(f"@{tmp_path}/y{suffix}")
    assert "has no `a`; it has" in refused(f"@{tmp_path}/y{suffix}:a")
    assert f"did you mean @{tmp_path}/y{suffix}:file?" in refused(f"@{tmp_path}/y{suffix}:fil")


def test_array_files_keep_their_own_dtype_and_layout(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(2, 3).T)
    assert same_array(read(f"@{tmp_path}/x.npy", "f32"), np.arange(6.0).reshape(2, 3).T)  # f64 for an f32 parameter: the call refuses it
    np.save(tmp_path / "big.npy", np.arange(3, dtype=">i4"))
    assert same_array(read(f"@{tmp_path}/big.npy"), np.arange(3, dtype=np.int32))


def test_npy_of_bf16_needs_a_bf16_parameter(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(2, ml_dtypes.bfloat16))
    assert "2-byte items of no type" in refused(f"@{tmp_path}/x.npy", "f32")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps([1, 2]))
    np.save(tmp_path / "complex.npy", np.ones(2, complex))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "cut.npy", np.arange(100))
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:300])
    for suffix in ("npy", "npz", "safetensors", "parquet"):
        (tmp_path / f"junk.{suffix}").write_bytes(b"this is no array")
        (tmp_path / f"empty.{suffix}").write_bytes(b"")
        for kind in ("junk", "empty"):
            assert refused(f"@{tmp_path}/{kind}.{suffix}").startswith(f"{tmp_path}/{kind}.{suffix} is not a")
    assert "holds pickled Python objects, which are refused" in refused(f"@{tmp_path}/objects.npy")
    assert "is not a readable .npy file" in refused(f"@{tmp_path}/pickle.npy")
    assert "is not a readable .npy file" in refused(f"@{tmp_path}/cut.npy")
    assert "holds complex128 values" in refused(f"@{tmp_path}/complex.npy")
    assert "holds <U1 values" in refused(f"@{tmp_path}/text.npy")
    np.savez(tmp_path / "objects.npz", a=np.array([None]))
    assert "pickled Python objects" in refused(f"@{tmp_path}/objects.npz:a")
    np.save(tmp_path / "single.npy", np.arange(2))
    (tmp_path / "single.npz").write_bytes((tmp_path / "single.npy").read_bytes())
    assert "is not a .npz file" in refused(f"@{tmp_path}/single.npz:a")


def test_places_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "weights.npy", np.arange(2))
    assert f"there is no file {tmp_path}/weight.npy | did you mean {tmp_path}/weights.npy?" in refused(f"@{tmp_path}/weight.npy")
    assert "there is no file nowhere/x.npy" in refused("@nowhere/x.npy")
    (tmp_path / "folder.npy").mkdir()
    assert "is not a file" in refused(f"@{tmp_path}/folder.npy")
    assert "names no kind of file that can be used | the kinds are .npy" in refused("@x.txt")
    assert "names no kind of file" in refused("@")
    assert "a .npy file holds one array" in refused("@x.npy:key")
    assert f"a file is written with an @: @{tmp_path}/weights.npy" in refused(f"{tmp_path}/weights.npy")


@pytest.mark.parametrize(("suffix", "module"), [(".safetensors", "safetensors"), (".parquet", "pyarrow")])
def test_a_missing_reader_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, module: str) -> None:
    (tmp_path / f"x{suffix}").write_bytes(b"")
    for name in [n for n in sys.modules if n == module or n.startswith(f"{module}.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    assert f"{module} is not installed | pip install 'tensorc[data]'" in refused(f"@{tmp_path}/x{suffix}")
    with pytest.raises(ValueInputError, match="is not installed"):
        write_value(f"@{tmp_path}/y{suffix}", np.arange(3))


# Tables.


def table(tmp_path: Path, text: str) -> str:
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    return f"@{tmp_path}/x.csv"


def test_csv_adapts_to_the_parameter(tmp_path: Path) -> None:
    place = table(tmp_path, "1,2.0\r\n-3,4\r\n")
    for dtype in (*FLOATS, "i8", "i64"):
        assert same_array(read(place, dtype), np.array([[1, 2], [-3, 4]], DTYPES[dtype].numpy))
    assert same_array(read(place), np.array([[1, 2], [-3, 4]], np.float64))
    assert same_array(read(table(tmp_path, "0.1\n0.2\n"), "f32"), np.array([0.1, 0.2], np.float32))
    assert same_array(read(table(tmp_path, "1\n2\n"), None), np.array([1, 2]))
    assert same_array(
        read(table(tmp_path, "9007199254740993,18446744073709551615\n"), "u64"), np.array([[2**53 + 1, 2**64 - 1]], np.uint64)
    )
    assert same_array(read(table(tmp_path, "1,0\ntrue,False\n"), "bool"), np.array([[True, False], [True, False]]))
    assert same_array(read(table(tmp_path, "nan,-inf\nInfinity,NaN\n"), "f32"), np.array([[np.nan, -np.inf], [np.inf, np.nan]], np.float32))


def test_csv_headers_blank_lines_and_comments(tmp_path: Path) -> None:
    place = table(tmp_path, '\ufeff# made by hand\nx,"a, b"\n\n1,2\n 3 , 4\n')
    assert read(place, "f32").tolist() == [[1, 2], [3, 4]]
    assert read(f"{place}:a, b", "i64").tolist() == [2, 4]
    assert "has no `y`; it has x, a, b" in refused(f"{place}:y")
    assert read(table(tmp_path, "x,y\n"), "f32").shape == (0, 2)
    assert "has no line that names its columns" in refused(table(tmp_path, "1,2\n") + ":x")


def test_csv_shapes(tmp_path: Path) -> None:
    column, row, cell = "1\n2\n3\n", "1,2,3\n", "7\n"
    shapes = {(text, rank): read(table(tmp_path, text), "f32", rank).shape for text in (column, row, cell) for rank in (None, 0, 1, 2)}
    assert [shapes[column, r] for r in (None, 1, 2)] == [(3,), (3,), (3, 1)]
    assert [shapes[row, r] for r in (None, 1, 2)] == [(1, 3), (3,), (1, 3)]
    assert [shapes[cell, r] for r in (None, 0, 1, 2)] == [(1,), (), (1,), (1, 1)]


@pytest.mark.parametrize(
    ("text", "dtype", "message"),
    [
        ("1,2\n3,x\n", "f32", "x.csv:2: column 2: `x` is not a number"),
        ("a,b\n1,2\n\n3,4.5\n", "i64", "x.csv:4: column 2: 4.5 is not an integer"),
        ("1,2\n3,300\n", "u8", "x.csv:2: column 2: 300 is out of the range of u8"),
        ("1,1e39\n", "f32", "x.csv:1: column 2: 1e39 is out of the range of f32"),
        ("1,\n", "f32", "column 2: the cell is empty | write nan"),
        ("1,2\n3\n", "f32", "x.csv:2: 1 cells, where the first line has 2"),
        ("1;2,5\n", "f32", "cells are separated by commas"),
        ("2,5\n1_0,3\n", "f32", "`1_0` is not a number"),
        ("2,1\n", "bool", "2 is not a bool"),
        ("", "f32", "is empty"),
    ],
)
def test_csv_refused(tmp_path: Path, text: str, dtype: str, message: str) -> None:
    assert message in refused(table(tmp_path, text), dtype)


@given(st.lists(st.floats(width=32), min_size=1))
def test_csv_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    place = f"@{tmp_path_factory.mktemp('csv')}/x.csv"
    array = np.array(values, np.float32)
    write_value(place, array)
    back = read(place, "f32")
    assert np.array_equal(back, array, equal_nan=True) and np.array_equal(np.signbit(back[array == 0]), np.signbit(array[array == 0]))


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bf16"])
def test_parquet_round_trip(tmp_path: Path, dtype: str) -> None:
    for shape in [(3,), (2, 3)]:
        array = (np.arange(math.prod(shape)).reshape(shape) % 2).astype(DTYPES[dtype].numpy)
        write_value(f"@{tmp_path}/x.parquet", array)
        assert same_array(read(f"@{tmp_path}/x.parquet", dtype), array)


def test_parquet_columns(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def save(**columns: Any) -> str:
        parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
        return f"@{tmp_path}/x.parquet"

    place = save(x=[1.0, 2.0], y=[3, 4])
    assert read(f"{place}:y").tolist() == [3, 4]
    assert f"the columns x (float64) and y (int64) make no matrix | choose one: {place}:x" in refused(place)
    assert "has no `z`; it has x, y" in refused(f"{place}:z")
    assert "the column name holds string values" in refused(save(name=["a"]))
    assert "the column x has no value in row 1" in refused(save(x=[1, None]))
    vectors = pyarrow.array([[1, 2], [3, 4], [5, 6]], pyarrow.list_(pyarrow.int32(), 2))
    assert same_array(read(save(v=vectors)), np.array([[1, 2], [3, 4], [5, 6]], np.int32))
    gap = pyarrow.array([[1, 2], [3, None]], pyarrow.list_(pyarrow.int32(), 2))
    assert "the column v has no value in row 1" in refused(save(v=gap))
    assert same_array(read(save(x=[1.5], __index_level_0__=["label"])), np.array([1.5]))


# Writing.


@pytest.mark.parametrize(
    ("target", "values", "message"),
    [
        ("@x.npy", (np.arange(2), np.arange(3)), "a .npy file holds one array, and there are 2 results"),
        ("@x.npz:a", (np.arange(2), np.arange(3)), "names 1 arrays, and there are 2 results"),
        ("@x.npz:a,a", (np.arange(2), np.arange(3)), "names 2 arrays"),
        ("@x.csv", np.ones((2, 2, 2)), "holds rows and columns, and the result has 3 axes"),
        ("@x.parquet", np.ones(2, ml_dtypes.bfloat16), "no type for bf16"),
        ("@nowhere/x.npy", np.arange(2), "there is no folder nowhere"),
        ("@x.txt", np.arange(2), "names no kind of file"),
    ],
)
def test_writing_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, values: Any, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueInputError) as caught:
        write_value(target, values)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_written_text(tmp_path: Path) -> None:
    write_value(f"{tmp_path}/x.csv", np.array([[0.1, np.inf], [np.nan, -1]], np.float32))
    assert (tmp_path / "x.csv").read_text() == "0.1,inf\nnan,-1.0\n"
    write_value(f"@{tmp_path}/x.csv", np.array([True, False]))
    assert (tmp_path / "x.csv").read_text() == "true\nfalse\n"


def test_the_error_is_picklable() -> None:
    error = pickle.loads(pickle.dumps(ValueInputError("what", "how")))
    assert (error.message, error.hint, str(error)) == ("what", "how", "what")
