"""Types: dtypes and their variables, dims and their arithmetic, lists of dims, what stands for any dim."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

X = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.arange(6, dtype=np.float32)

DTYPES = ["bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64"]


def numpy_dtype(name: str) -> Any:
    if name == "bf16":
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype("?" if name == "bool" else f"{name[0]}{int(name[1:]) // 8}")


# Dtypes.


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_goes_in_and_out(tx: Any, name: str) -> None:
    x = np.array([0, 1, 3], numpy_dtype(name))
    tx.gives(x, f"fn f(x: {name}[N]) -> {name}[N] = x", x)
    tx.gives(x[0], f"fn f(x: {name}[]) -> {name}[] = x", x[0])
    tx.gives(np.zeros(2, x.dtype), f"fn f() -> {name}[2] = zeros([2], {name})")


def test_a_dtype_alone_is_a_0d_tensor(tx: Any) -> None:
    tx.gives(np.float32(3), "fn f(x: f32) -> f32[] = x + 1", np.float32(2))
    tx.gives(np.float32(3), "fn f(x: f32[]) -> f32 = x + 1", np.float32(2))


def test_bool_alone_is_static(tx: Any) -> None:
    tx.gives(V + 1, "fn f(x: f32[N], b: bool) = where(b, x + 1, x)", V, b=True)
    tx.gives(V, "fn f(x: f32[N], b: bool[]) = where(b, x + 1, x)", V, np.bool_(False))
    assert tx.refused("fn f(x: f32[N]) -> bool = any(x > 0)") == ["E0604"]
    assert tx.refused("fn f(x: f32[N]) -> bool[] = any(x > 0)") == []


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("float", ["f16", "bf16", "f32", "f64"], ["i32", "bool"]),
        ("int", ["i8", "u8", "i64", "u64"], ["f32", "bool"]),
        ("num", ["i8", "u64", "f16", "f64"], ["bool"]),
        ("any", ["bool", "i8", "f32"], []),
    ],
)
def test_kinds_of_dtype_variables(tx: Any, kind: str, right: list[str], wrong: list[str]) -> None:
    source = f"fn f<T: {kind}>(x: T[N]) -> T[N] = x"
    for name in right:
        x = np.ones(2, numpy_dtype(name))
        tx.gives(x, source, x)
    for name in wrong:
        tx.fails(source, np.ones(2, numpy_dtype(name)), error=TypeError)
        assert tx.refused(f"fn g<T: {kind}>(x: T[N]) = x\nfn f(y: {name}[N]) = g(y)") == ["E0406"]


def test_a_dtype_variable_is_one_dtype(tx: Any) -> None:
    source = "fn f<T: num>(x: T[N], y: T[N]) -> T[N] = x + y"
    tx.gives(V.astype("f8") * 2, source, V.astype("f8"), V.astype("f8"))
    tx.fails(source, V, V.astype("f8"), error=TypeError)
    assert tx.refused("fn g<T: num>(x: T[N], y: T[N]) = x\nfn f(x: f32[N], y: f64[N]) = g(x, y)") == ["E0401"]


def test_a_dtype_variable_is_a_value_too(tx: Any) -> None:
    tx.gives(np.zeros(6, "f8"), "fn f<T: float>(x: T[N]) -> T[N] = zeros([N], T)", V.astype("f8"))
    tx.gives(V.astype("f2"), "fn f<T: float, U: float>(x: T[N], y: U) -> U[N] = cast(x, U)", V, np.float16(0))


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("fn f(x: f33[N]) = x", "E0407"),
        ("fn f(x: float32[N]) = x", "E0407"),
        ("fn f(x: f32[N]) -> T[N] = x", "E0407"),
        ("fn f(x: f32[N]) { let y: g32[N] = x return y }", "E0407"),
        ("fn f<T: float>(x: f32[N]) = x", "E0209"),
        ("fn f<T: float>(T: f32[N], x: T[N]) = x", "E0204"),
        ("fn f<T: float>(x: T[T]) = x", "E0204"),
        ("fn f<f32: float>(x: f32[N]) = x", "E0208"),
        ("fn f(x: f32[i32]) = x", "E0208"),
        ("fn f(f64: f32[N]) = f64", "E0208"),
        ("fn f(x: f32[N]) { let u8 = x return x }", "E0208"),
        ("fn f(x: f32[N]) = sum[i8](x[i8])", "E0208"),
        ("fn f(x: f32[x]) = x", "E0204"),
        ("fn f(x: f32[N], x: f32[N]) = x", "E0204"),
        ("fn f(x: (f32[N], f32)) = 1", "E0613"),
    ],
)
def test_names_in_types(tx: Any, source: str, code: str) -> None:
    assert tx.refused(source) == [code]


# Dims.


def test_a_dim_is_bound_by_its_first_plain_use(tx: Any) -> None:
    tx.gives(np.int64(6), "fn f(x: f32[N]) = N", V)
    tx.gives(V * 6, "fn f(x: f32[N]) -> f32[N] = x * N", V)
    source = "fn f(x: f32[2*N + 1], y: f32[N]) = N"
    tx.gives(np.int64(2), source, V[:5], V[:2])
    assert "2*N + 1 = 7" in tx.fails(source, V[:5], V[:3])
    assert tx.refused("fn f(x: f32[2*N]) = x") == ["E0203"]
    assert tx.refused("fn f(x: f32[N]) -> f32[M] = x") == ["E0203"]


def test_a_second_plain_use_must_agree(tx: Any) -> None:
    source = "fn f(x: f32[N], y: f32[N]) = x + y"
    tx.gives(V * 2, source, V, V)
    assert "N = 6" in tx.fails(source, V, V[:5])
    assert "N" in tx.fails("fn f(x: f32[N, N]) = x", X)


@pytest.mark.parametrize(
    ("dims", "shapes"),
    [
        ("f32[3, 4]", (3, 4)),
        ("f32[N, M]", (3, 4)),
        ("f32[N, N + 1]", (3, 4)),
        ("f32[N, 2*N - 2]", (3, 4)),
        ("f32[N, (N + 5) // 2]", (3, 4)),
        ("f32[N, N % 2 + 3]", (3, 4)),
        ("f32[N, N ** 2 - 5]", (3, 4)),
        ("f32[N, 1 << 2]", (3, 4)),
        ("f32[N, -(-N - 1)]", (3, 4)),
        ("f32[N, 0xff // 60]", (3, 4)),
    ],
)
def test_arithmetic_of_dims(tx: Any, dims: str, shapes: tuple[int, ...]) -> None:
    tx.gives(X, f"fn f(x: {dims}) = x", X)
    tx.fails(f"fn f(x: {dims}) = x", X[:, :2] if "M" not in dims else X[0])


def test_a_dim_is_an_integer_in_expressions(tx: Any) -> None:
    tx.gives((V / np.sqrt(6)).astype("f4"), "fn f(x: f32[N]) -> f32[N] = x / sqrt(N)", V)
    tx.gives(np.float32(1 / 6), "fn f(x: f32[N]) -> f32 = 1 / N", V)
    tx.gives(np.array([6, 3, 0, 36]), "fn f(x: f32[N]) = [N, N // 2, N % 3, N ** 2]", V)
    tx.gives(np.array([True, False]), "fn f(x: f32[N]) = [N == 6, N < 2 or N > 100]", V)


def test_a_let_of_dims_is_a_dim(tx: Any) -> None:
    source = """
    fn f(x: f32[D]) -> f32[half] {
        let half = D // 2
        let y: f32[half] = x[:half]
        let twice = 2 * half
        return y + zeros([half]) + sum(x[:twice]) * 0
    }
    """
    tx.gives(V[:3], source, V)


def test_static_ints_are_dims(tx: Any) -> None:
    tx.gives(V[:3], "fn f(x: f32[N], k: int) -> f32[k] = x[:k]", V, k=3)
    tx.gives(V, "fn f(x: f32[k], k: int) -> f32[k] = x", V, k=6)
    assert "6" in tx.fails("fn f(x: f32[k], k: int) -> f32[k] = x", V, k=5)
    tx.gives(V, "fn f(x: f32[K], K: int = 6) = x", V)


def test_a_negative_dim(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[-1]) = x") == ["E0308"]
    assert tx.refused("fn f(x: f32[N]) = zeros([-2])") == ["E0308"]
    assert "negative" in tx.fails("fn f(x: f32[N]) = zeros([N - 7])", V)
    tx.gives(np.zeros(0, "f4"), "fn f(x: f32[N]) = zeros([N - 6])", V)


def test_sizes_are_symbolic(tx: Any) -> None:
    function = tx.function("fn f(x: f32[N, M]) = sum(x, axis=1)")
    for n, m in [(1, 1), (3, 4), (0, 5), (5, 0), (17, 33)]:
        x = np.ones((n, m), np.float32)
        np.testing.assert_array_equal(function(x), x.sum(1))
    assert function.stats.compiles == 1


def test_a_named_dim_never_broadcasts_because_it_is_1(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N], y: f32[M]) = x + y") == ["E0301"]
    tx.gives(V + 1, "fn f(x: f32[N], y: f32[1]) = x + y", V, np.ones(1, "f4"))
    tx.fails("fn f(x: f32[N], y: f32[N]) = x + y", V, np.ones(1, "f4"))


# Lists of dims, and what stands for any.


def test_a_named_list_is_one_list_everywhere(tx: Any) -> None:
    source = "fn f(x: f32[...S, N], y: f32[...S]) -> f32[...S] = sum(x, axis=-1) + y"
    for shape in [(3, 4), (2, 3, 4), (5,)]:
        x = np.ones(shape, np.float32)
        tx.gives(x.sum(-1) + 1, source, x, np.ones(shape[:-1], np.float32))
    tx.fails(source, X, np.ones((4,), np.float32))
    tx.fails(source, X, np.ones((3, 1), np.float32), error=Exception)


def test_a_list_stands_in_the_middle(tx: Any) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tx.gives(x[0, :, 0], "fn f(x: f32[A, ...S, B]) -> f32[...S] = x[0, ..., 0]", x)
    tx.gives(np.float32(1), "fn f(x: f32[A, ...S, B]) -> f32[...S] = x[0, ..., 1]", x[0])
    tx.fails("fn f(x: f32[A, ...S, B]) -> f32[...S] = x[0, ..., 0]", x[0, 0])


def test_a_list_is_spliced(tx: Any) -> None:
    tx.gives(np.zeros((2, 3, 4, 7), "f4"), "fn f(x: f32[...S, N]) -> f32[...S, N, 7] = zeros([...S, N, 7])", np.ones((2, 3, 4), "f4"))
    tx.gives(np.zeros((4, 2, 3), "f4"), "fn f(x: f32[...S, N]) -> f32[N, ...S] = zeros([N, ...S])", np.ones((2, 3, 4), "f4"))
    tx.gives(np.zeros((3, 3), "f4"), "fn f(x: f32[...S]) = zeros([...S, ...S])", np.ones(3, "f4"))


def test_two_lists(tx: Any) -> None:
    source = "fn f(x: f32[...A], y: f32[...B]) -> f32[...A, ...B] = zeros([...A, ...B])"
    tx.gives(np.zeros((2, 3, 4), "f4"), source, np.ones(2, "f4"), np.ones((3, 4), "f4"))
    assert tx.refused("fn f(x: f32[...A, ...B]) = x") == ["E0311"]
    assert tx.refused("fn f(x: f32[..., ...]) = x") == ["E0311"]
    assert tx.refused("fn f(x: f32[...A]) -> f32[..., ...] = x") == ["E0311"]


def test_unnamed_dims_are_independent(tx: Any) -> None:
    source = "fn f(x: f32[_, _], y: f32[..., _]) = sum(x) + sum(y)"
    tx.gives(X.sum() + V.sum(), source, X, V)
    assert tx.refused("fn f(x: f32[_], y: f32[_]) = x + y") == ["E0301"]
    assert tx.refused("fn f(x: f32[...], y: f32[...]) = x + y") == ["E0301"]
    assert tx.refused("fn f(x: f32[...S], y: f32[...S]) = x + y") == []


def test_unnamed_dims_of_a_result_are_unchecked(tx: Any) -> None:
    tx.gives(V[1:], "fn f(x: f32[N]) -> f32[_] = x[1:]", V)
    tx.gives(X, "fn f(x: f32[N, M]) -> f32[...] = x", X)
    tx.gives(X, "fn f(x: f32[N, M]) -> f32[..., M] = x", X)
    assert tx.refused("fn f(x: f32[N, M]) -> f32[_] = x") == ["E0303"]
    assert tx.refused("fn f(x: f32[N, M]) -> f32[_, N] = x") == ["E0302"]
    assert tx.refused("fn f(x: f32[N]) -> f32[...S] = x") == ["E0203"]


# Results.


def test_a_result_type_is_checked(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N, M]) -> f32[M, N] = x") == ["E0302"]
    assert tx.refused("fn f(x: f32[N]) -> f64[N] = x") == ["E0401"]
    assert tx.refused("fn f(x: f32[N]) -> f32 = x") == ["E0303"]
    assert tx.refused("fn f(x: f32[N]) -> (f32[N], f32) = x") == ["E0605"]
    assert tx.refused("fn f(x: f32[N]) -> f32[N] = (x, x)") == ["E0605"]
    assert tx.refused("fn f(x: f32[N]) -> (f32[N], f32) = (x, x)") == ["E0303"]
    assert tx.refused("fn f(x: f32[N]) -> i64[N] = 1.5 * x") == ["E0401"]


def test_a_declared_dtype_converts_weak_values(tx: Any) -> None:
    tx.gives(np.float64(1.5), "fn f() -> f64 = 1.5")
    tx.gives(np.float16(2), "fn f() -> f16 = 2")
    tx.gives(np.uint8(7), "fn f() -> u8 = 3 + 4")
    tx.gives(np.array([1, 2.5], "f8"), "fn f() -> f64[2] = [1, 2.5]")
    tx.gives(np.array([0, 0.5, 1]), "fn f() { let y[i < 3]: f64[3] = i * 0.5 return y }")
    assert tx.refused("fn f() -> i64 = 1.5") == ["E0401"]
    assert tx.refused("fn f() -> u8 = 256") == ["E0403"]
    assert tx.refused("fn f() -> bool[] = 1") == ["E0401"]


def test_several_results(tx: Any) -> None:
    source = "fn f(x: f32[N]) -> (f32[N], (i64, f32)) = (x, (argmax(x), max(x)))"
    tx.gives((V, (np.int64(5), np.float32(5))), source, V)
    tx.gives((V,), "fn f(x: f32[N]) -> (f32[N],) = (x,)", V)
    tx.gives((V, V + 1), "fn f(x: f32[N]) { return x, x + 1 }", V)


def test_the_result_type_may_be_left_out(tx: Any) -> None:
    tx.gives(V.reshape(2, 3), "fn f(x: f32[6]) = reshape(x, [2, 3])", V)


def test_a_static_dtype_is_a_type_of_values(tx: Any) -> None:
    tx.gives(V.astype("f8"), "fn f(x: f32[N], d: dtype = f64) -> d[N] = cast(x, d)", V)
    assert tx.refused("fn f(x: d[N], d: dtype) = x") == ["E0407"]


def test_a_function_of_any_rank_may_be_right_for_some_only(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[...S, N]) = x.T") == []
    assert tx.refused("fn f(x: f32[...]) = x[0, 0, 0]") == []
    assert tx.refused("fn f(x: f32[...], w: f32[O, C, K, L]) = conv2d(x, w)") == []
    assert tx.refused("fn f(x: f32[...]) = x[0, 0, 0] + y") == ["E0510", "E0201"]
    assert tx.refused("fn f(x: f32[...]) = x.T.mT[0, 0, 0]") == ["E0510"]
    tx.gives(X.T, "fn f(x: f32[...S, N]) = x.T", X)
