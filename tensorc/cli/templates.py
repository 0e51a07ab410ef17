"""The files that `tensorc new` starts from, each with arguments that it runs on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """A file's text, and the rest of the command that runs its `main`."""

    text: str
    arguments: str


BASIC = """\
# Parameters have a dtype and named sizes; the names are checked where arrays meet. One compile serves every size.

## Each column of x moved to the mean 0 and scaled to the variance 1.
fn main(x: f32[N, D], eps: float = 1e-5) -> f32[N, D] {
    let centred = x - mean(x, axis=0)
    let variance = mean(centred ** 2, axis=0)
    return centred / sqrt(variance + eps)
}
"""

MODEL = """\
# A network with one hidden layer: N examples, I inputs, H hidden units, K classes.

## What the network says of each class, as logits.
fn forward(x: f32[N, I], w1: f32[I, H], b1: f32[H], w2: f32[H, K], b2: f32[K]) -> f32[N, K] {
    let hidden = relu(x @ w1 + b1)
    return hidden @ w2 + b2
}

## The mean cross entropy of the true classes y.
fn loss(w1: f32[I, H], b1: f32[H], w2: f32[H, K], b2: f32[K], x: f32[N, I], y: i64[N]) -> f32 =
    cross_entropy(forward(x, w1, b1, w2, b2), y)

## The most likely class of each example.
fn main(x: f32[N, I], w1: f32[I, H], b1: f32[H], w2: f32[H, K], b2: f32[K]) -> i64[N] =
    argmax(forward(x, w1, b1, w2, b2), axis=-1)
"""

INDEX = """\
# Index notation: each `let y[i, j] = ...` says what one element is. Ranges follow from the subscripts, and every
# read is proved to be inside of its tensor before anything runs; `else` says what stands outside.

## A 3 x 3 blur, the outside taken as 0.
fn main(x: f32[H, W]) -> f32[H, W] {
    let rows[i, j] = (x[i, j - 1 else 0] + 2 * x[i, j] + x[i, j + 1 else 0]) / 4
    let y[i, j] = (rows[i - 1, j else 0] + 2 * rows[i, j] + rows[i + 1, j else 0]) / 4
    return y
}

## A matrix product: `sum[k]` sums over k, whose range is the extent that both subscripts give it.
fn product(a: f32[N, K], b: f32[K, M]) -> f32[N, M] {
    let c[i, j] = sum[k](a[i, k] * b[k, j])
    return c
}

## For each point of x the nearest point of z. No distances are stored.
fn nearest(x: f32[N, D], z: f32[M, D]) -> i64[N] {
    let best[i] = argmin[j](sum[d]((x[i, d] - z[j, d]) ** 2))
    return best
}
"""

TEMPLATES = {
    "basic": Template(BASIC, "--arg x=randn:f32[8,3]"),
    "model": Template(MODEL, "--arg x=randn:[4,3] --arg w1=randn:[3,8] --arg b1=zeros:[8] --arg w2=randn:[8,2] --arg b2=zeros:[2]"),
    "index": Template(INDEX, "--arg x=rand:f32[6,8]"),
}
