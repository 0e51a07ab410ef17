"""What `performance.py` times: programs of the language, each with the same by PyTorch, and where JAX has it by JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Workload:
    """`tx` has a function `f` of the arrays that `inputs` makes; `wrt` times the gradient of its scalar result by these parameters instead.

    `torch` and `jax` are Python expressions of the parameters' names, with `torch`, `F` and `jnp`, `jnn`, `lax` in scope.
    """

    name: str
    group: str
    inputs: Callable[[np.random.Generator], Arrays]
    tx: str
    torch: str
    jax: str | None = None
    wrt: tuple[str, ...] = ()

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters."""
        inside = self.tx.split("(", 1)[1].split(") =")[0].split(") {")[0]
        return [p.split(":")[0].strip() for p in inside.replace("]", "").split(",") if ":" in p]


def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], Arrays]:
    return lambda rng: tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)


def ids(shape: tuple[int, ...], high: int, *others: tuple[int, ...]) -> Callable[[np.random.Generator], Arrays]:
    """Normal arrays, and then integers below `high`."""
    return lambda rng: (*normal(*others)(rng), rng.integers(0, high, shape))


def positive(rng: np.random.Generator) -> Arrays:
    p, g, m, v = normal(*[(1 << 22,)] * 4)(rng)
    return p, g, m, np.abs(v)


ADAM = """fn f(p: f32[N], g: f32[N], m: f32[N], v: f32[N]) {
    let m2 = 0.9 * m + 0.1 * g
    let v2 = 0.999 * v + 0.001 * g * g
    return p - 0.001 * m2 / (sqrt(v2) + 1e-8), m2, v2
}"""
ADAM_PYTHON = "(lambda m2, v2: (p - 0.001 * m2 / ({sqrt}(v2) + 1e-8), m2, v2))(0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g)"
MEAN = "fn f(e: f32[V, D], i: i64[B, T]) = tensor[b < B, d < D](mean[t](e[i[b, t], d]))"
HEAT = "u[1:-1, 1:-1] + 0.1 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1])"
NEAREST = "fn f(a: f32[N, D], b: f32[M, D]) = tensor[i < N](min[j](sum[k]((a[i, k] - b[j, k]) ** 2)))"
LAYER = ((4096, 1024), (1024,), (1024,))
ROWS = (4096, 1024)

WORKLOADS = [
    Workload(
        "2.5 x + y, 16 M",
        "elementwise",
        normal((1 << 24,), (1 << 24,)),
        "fn f(x: f32[N], y: f32[N]) = 2.5 * x + y",
        "2.5 * x + y",
        "2.5 * x + y",
    ),
    Workload(
        "gelu(x + b)",
        "elementwise",
        normal((2048, 4096), (4096,)),
        "fn f(x: f32[N, M], b: f32[M]) = gelu(x + b)",
        "F.gelu(x + b)",
        "jnn.gelu(x + b, approximate=False)",
    ),
    Workload(
        "silu(a) b",
        "elementwise",
        normal((2048, 4096), (2048, 4096)),
        "fn f(a: f32[N, M], b: f32[N, M]) = silu(a) * b",
        "F.silu(a) * b",
        "jnn.silu(a) * b",
    ),
    Workload("Adam step, 4 M", "elementwise", positive, ADAM, ADAM_PYTHON.format(sqrt="torch.sqrt"), ADAM_PYTHON.format(sqrt="jnp.sqrt")),
    Workload(
        "x + y.T", "elementwise", normal((2048, 2048), (2048, 2048)), "fn f(x: f32[N, M], y: f32[M, N]) = x + y.T", "x + y.T", "x + y.T"
    ),
    Workload(
        "permuted axes",
        "elementwise",
        normal((32, 128, 16, 64)),
        "fn f(x: f32[A, B, C, D]) = permute(x, 0, 2, 3, 1) * 2",
        "x.permute(0, 2, 3, 1).contiguous() * 2",
        "x.transpose(0, 2, 3, 1) * 2",
    ),
    Workload(
        "softmax, rows of 1 k", "reductions", normal(ROWS), "fn f(x: f32[N, M]) = softmax(x)", "torch.softmax(x, -1)", "jnn.softmax(x, -1)"
    ),
    Workload(
        "softmax, rows of 128 k",
        "reductions",
        normal((64, 1 << 17)),
        "fn f(x: f32[N, M]) = softmax(x)",
        "torch.softmax(x, -1)",
        "jnn.softmax(x, -1)",
    ),
    Workload(
        "softmax, 2 rows of 4 M",
        "reductions",
        normal((2, 1 << 22)),
        "fn f(x: f32[N, M]) = softmax(x)",
        "torch.softmax(x, -1)",
        "jnn.softmax(x, -1)",
    ),
    Workload(
        "layer norm",
        "reductions",
        normal(*LAYER),
        "fn f(x: f32[N, D], w: f32[D], b: f32[D]) = layer_norm(x, w, b)",
        "F.layer_norm(x, (1024,), w, b)",
    ),
    Workload(
        "layer norm, gradient",
        "reductions",
        normal(*LAYER),
        "fn f(x: f32[N, D], w: f32[D], b: f32[D]) = sum(layer_norm(x, w, b) ** 2)",
        "(F.layer_norm(x, (1024,), w, b) ** 2).sum()",
        None,
        ("x", "w", "b"),
    ),
    Workload(
        "cross entropy, gradient",
        "reductions",
        ids((1024,), 32000, (1024, 32000)),
        "fn f(x: f32[N, K], y: i64[N]) = cross_entropy(x, y)",
        "F.cross_entropy(x, y)",
        None,
        ("x",),
    ),
    Workload("sum of 16 M", "reductions", normal((1 << 24,)), "fn f(x: f32[N]) = sum(x)", "x.sum()", "x.sum()"),
    Workload("sums of columns", "reductions", normal((16384, 1024)), "fn f(x: f32[N, M]) = sum(x, axis=0)", "x.sum(0)", "x.sum(0)"),
    Workload("variances of columns", "reductions", normal(ROWS), "fn f(x: f32[N, M]) = var(x, axis=0)", "x.var(0)", "x.var(0, ddof=1)"),
    Workload(
        "argmax of rows", "reductions", normal((4096, 2048)), "fn f(x: f32[N, M]) = argmax(x, axis=-1)", "x.argmax(-1)", "x.argmax(-1)"
    ),
    Workload(
        "running sums", "reductions", normal((2048, 4096)), "fn f(x: f32[N, M]) = cumsum(x, axis=-1)", "x.cumsum(-1)", "jnp.cumsum(x, -1)"
    ),
    Workload(
        "the 8 largest of rows", "order", normal((1024, 4096)), "fn f(x: f32[N, M]) = topk(x, 8)", "torch.topk(x, 8)", "lax.top_k(x, 8)"
    ),
    Workload("heat, 5 points", "index", normal((4096, 4096)), f"fn f(u: f32[N, M]) = {HEAT}", HEAT, HEAT),
    Workload(
        "nearest of 4096 points",
        "index",
        normal((4096, 3), (4096, 3)),
        NEAREST,
        "((a[:, None] - b[None]) ** 2).sum(-1).amin(1)",
        "((a[:, None] - b[None]) ** 2).sum(-1).min(1)",
    ),
    Workload("mean of embeddings", "index", ids((1024, 32), 50000, (50000, 256)), MEAN, "e[i].mean(1)", "e[i].mean(1)"),
    Workload(
        "matrix product, 1024",
        "contractions",
        normal((1024, 1024), (1024, 1024)),
        "fn f(a: f32[N, K], b: f32[K, M]) = a @ b",
        "a @ b",
        "a @ b",
    ),
    Workload(
        "gelu(x @ w + b)",
        "contractions",
        normal((512, 1024), (1024, 2048), (2048,)),
        "fn f(x: f32[N, K], w: f32[K, M], b: f32[M]) = gelu(x @ w + b)",
        "F.gelu(x @ w + b)",
        "jnn.gelu(x @ w + b, approximate=False)",
    ),
]
