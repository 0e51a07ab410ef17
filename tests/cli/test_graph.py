"""`tensorc ir --graph svg`: what is drawn of a stage, and that boxes lie apart."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorc.cli.drawing import Box, draw

MODEL = """\
fn loss(w: f32[D, K], x: f32[N, D], y: i64[N]) -> f32 {
    let logits = x @ w
    return cross_entropy(logits, y)
}
"""
SVG = "{http://www.w3.org/2000/svg}"


def boxes(svg: str) -> list[tuple[list[str], tuple[float, float, float, float]]]:
    """The lines of each box, and where it lies: left, top, right, bottom."""
    found = []
    for group in xml.fromstring(svg).iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        found.append(([t.text or "" for t in group.iter(f"{SVG}text")], (x, y, x + width, y + height)))
    return found


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize(
    ("stage", "headings"),
    [
        ("ast", {"Function", "Parameter", "TensorType", "Let", "Call"}),
        ("typed", {"w: f32[D, K]", "x: f32[N, D]", "y: i64[N]", "logits: f32[N, K]"}),
        ("opt", {"w: f32[D, K]", "logits: f32[N, K]"}),
        ("grad", {"dw: f32[D, K]", "dx: f32[N, D]"}),
        ("schedule", {"kernel", "w: f32[D, K]"}),
    ],
)
def test_stages(tensorc: Callable[..., Any], folder: Path, stage: str, headings: set[str]) -> None:
    (folder / "m.tx").write_text(MODEL)
    ran = tensorc("ir", "m.tx", "--stage", stage, "--graph", "svg")
    assert ran.code == 0 and ran.err == ""
    found = boxes(ran.out)
    assert headings <= {lines[0] for lines, _ in found}
    assert not any(overlap(a, b) for n, (_, a) in enumerate(found) for _, b in found[:n])
    if stage == "typed":
        logits = next(lines for lines, _ in found if lines[0].startswith("logits"))
        assert logits[1].startswith("sum[") and logits[2] == "m.tx:2:9"
    assert "http" not in ran.out.replace("http://www.w3.org/2000/svg", "")


def test_stages_without_a_graph(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "m.tx").write_text(MODEL)
    ran = tensorc("ir", "m.tx", "--stage", "asm", "--graph", "svg")
    assert ran.code == 2 and "ast typed grad opt schedule loops" in ran.err
    assert tensorc("ir", "m.tx", "--graph", "svg", "--json").envelope["result"]["graph"] == "svg"


EDGES = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)).filter(lambda e: e[0] < e[1]), max_size=60)


@given(EDGES, st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_any_graph(edges: list[tuple[int, int]], count: int) -> None:
    kept = sorted({(a % count, b % count) for a, b in edges if a % count < b % count})
    svg = draw("a < b & c", [Box((f"box {n} <&>", "x" * (n % 7) * 5)) for n in range(count)], kept)
    found = boxes(svg)
    assert [lines[0] for lines, _ in found] == [f"box {n} <&>" for n in range(count)]
    assert not any(overlap(a, b) for n, (_, a) in enumerate(found) for _, b in found[:n])
    root = xml.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(0 <= a[0] and a[2] <= width and 0 <= a[1] and a[3] <= height for _, a in found)
    curves = [p.attrib["d"] for p in root.findall(f"{SVG}path")]
    assert len(curves) == len(kept)
    for (start, end), curve in zip(kept, curves, strict=True):  # from the lower edge of one to the upper edge of the other
        numbers = [float(v) for v in re.findall(r"-?[\d.]+", curve)]
        assert abs(numbers[1] - found[start][1][3]) < 0.2 and abs(numbers[-1] - found[end][1][1]) < 0.2
        assert found[start][1][3] < found[end][1][1]
