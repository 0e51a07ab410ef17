"""Draws a graph without cycles as SVG, in layers from the top down: Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import NamedTuple

LINE = 15
_CHARACTER, _BOLD = 6.7, 7.9
"""Widths of a character, at most."""

_PADDING, _BESIDE, _BELOW = 10, 26, 44
_SWEEPS = 12

STYLE = """\
.graph { background: #fff; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.graph rect { fill: #f4f6f8; stroke: #8894a2; } .graph text { fill: #1c2530; font-size: 11px; }
.graph .input rect { fill: #e8f3ea; stroke: #5d9b6b; } .graph .result rect { stroke: #b4552d; stroke-width: 2; }
.graph .kernel rect { fill: #eaf0fb; stroke: #4f74b8; }
.graph .heading { font-weight: bold; font-size: 13px; } .graph .place { fill: #5b6875; }
.graph path { fill: none; stroke: #8894a2; } .graph marker path { fill: #8894a2; stroke: none; }
@media (prefers-color-scheme: dark) {
.graph { background: #171b20; } .graph rect { fill: #232a32; } .graph text { fill: #e3e8ee; } .graph .place { fill: #9aa7b4; }
.graph .input rect { fill: #1f3226; } .graph .kernel rect { fill: #202c42; } }
"""


@dataclass(frozen=True)
class Box:
    """A node. The first of its lines is its heading; `kind` and `data` are the class and the `data-` attributes of its element."""

    lines: tuple[str, ...]
    kind: str = ""
    hover: str = ""
    place: str = ""
    data: Mapping[str, str] | None = None

    @property
    def size(self) -> tuple[float, float]:
        widths = [_BOLD * len(line) if n == 0 else _CHARACTER * len(line) for n, line in enumerate((*self.lines, self.place))]
        return max(widths, default=0) + 2 * _PADDING, LINE * (len(self.lines) + bool(self.place)) + 2 * _PADDING - 4


class _Spot(NamedTuple):
    """Where a box, or a bend of an edge, lies: its middle."""

    x: float
    y: float


def draw(title: str, boxes: Sequence[Box], edges: Sequence[tuple[int, int]]) -> str:
    """The SVG of boxes and of edges between them, which lead from a number to a later one."""
    edges = list(dict.fromkeys(edges))
    layers, links, paths = _layered(len(boxes), edges)
    _order(layers, links)
    sizes = {n: box.size for n, box in enumerate(boxes)}
    for layer in layers:  # an edge passes a layer straight
        sizes |= {n: (2.0, max(sizes[m][1] for m in layer if m < len(boxes))) for n in layer if n >= len(boxes)}
    spots, width, height = _spots(layers, links, sizes)
    parts = [_edge([(spots[n], sizes[n][1]) for n in path]) for path in paths]
    parts += [_box(box, spots[n], sizes[n]) for n, box in enumerate(boxes)]
    marker = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
    )
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" {size} role="img">\n<title>{escape(title)}</title>'
    return "\n".join([head, f"<style>\n{STYLE}</style>", marker, *parts, "</svg>\n"])


# Layers.


def _layered(
    count: int, edges: Sequence[tuple[int, int]]
) -> tuple[list[list[int]], dict[int, tuple[list[int], list[int]]], list[list[int]]]:
    """(the nodes of each layer, each node's neighbours above and below, each edge as the nodes that it passes): an edge over several layers
    passes a node of its own, numbered from `count` on, in each of those between."""
    layer = [0] * count
    below: list[list[int]] = [[] for _ in range(count)]
    above: list[list[int]] = [[] for _ in range(count)]
    for start, end in edges:
        below[start].append(end)
        above[end].append(start)
    for n in range(count):
        layer[n] = max((layer[m] + 1 for m in above[n]), default=0)
    for n in range(count):
        if not above[n] and below[n]:
            layer[n] = min(layer[m] for m in below[n]) - 1
    layers: list[list[int]] = [[] for _ in range(max(layer, default=0) + 1)]
    for n in range(count):
        layers[layer[n]].append(n)
    links: dict[int, tuple[list[int], list[int]]] = {n: ([], []) for n in range(count)}
    paths = []
    following = count
    for start, end in edges:
        path = [start]
        for number in range(layer[start] + 1, layer[end]):
            layers[number].append(following)
            links[following] = ([], [])
            path.append(following)
            following += 1
        path.append(end)
        for a, b in pairwise(path):
            links[a][1].append(b)
            links[b][0].append(a)
        paths.append(path)
    return layers, links, paths


def _order(layers: list[list[int]], links: Mapping[int, tuple[list[int], list[int]]]) -> None:
    """Put the nodes of each layer in an order in which few edges cross: by the middle of their neighbours', down and up again."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        up = sweep % 2
        numbers = range(len(layers) - 2, -1, -1) if up else range(1, len(layers))
        for number in numbers:
            places = {n: place for place, n in enumerate(layers[number + 1 if up else number - 1])}
            own = {n: place for place, n in enumerate(layers[number])}
            layers[number].sort(key=lambda n: _mean([places[m] for m in links[n][up]], own[n]))
        found = _crossings(layers, links)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    layers[:] = best


def _crossings(layers: Sequence[Sequence[int]], links: Mapping[int, tuple[list[int], list[int]]]) -> int:
    """How many pairs of edges cross, by counting inversions in a binary indexed tree."""
    total = 0
    for upper, lower in pairwise(layers):
        places = {n: place for place, n in enumerate(lower)}
        ends = [place for n in upper for place in sorted(places[m] for m in links[n][1])]
        tree = [0] * (len(lower) + 1)
        for seen, end in enumerate(ends):
            total += seen
            place = end + 1
            while place > 0:
                total -= tree[place]
                place &= place - 1
            place = end + 1
            while place <= len(lower):
                tree[place] += 1
                place += place & -place
    return total


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


# Places.


def _spots(
    layers: Sequence[Sequence[int]], links: Mapping[int, tuple[list[int], list[int]]], sizes: Mapping[int, tuple[float, float]]
) -> tuple[dict[int, _Spot], float, float]:
    """(where everything lies, the width and the height of all)."""
    x: dict[int, float] = {}
    for layer in layers:
        at = 0.0
        for n in layer:
            x[n] = at + sizes[n][0] / 2
            at += sizes[n][0] + _BESIDE
    for sweep in range(2 * _SWEEPS):
        for layer in layers if sweep % 2 else reversed(layers):
            wanted = [_mean([x[m] for m in (*links[n][0], *links[n][1])], x[n]) for n in layer]
            x.update(zip(layer, _apart(wanted, [sizes[n][0] for n in layer]), strict=True))
    left = min((x[n] - sizes[n][0] / 2 for n in x), default=0) - _BESIDE
    spots: dict[int, _Spot] = {}
    y = float(_BESIDE)
    for layer in layers:
        height = max((sizes[n][1] for n in layer), default=0)
        spots |= {n: _Spot(x[n] - left, y + height / 2) for n in layer}
        y += height + _BELOW
    width = max((spots[n].x + sizes[n][0] / 2 for n in spots), default=0) + _BESIDE
    return spots, width, y - _BELOW + _BESIDE


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Places as near to the wanted ones as can be, in order and without overlaps: isotonic regression, by pooling neighbours."""
    offsets = [0.0]
    for a, b in pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2 + _BESIDE)
    pools: list[tuple[float, int]] = []  # (the sum, how many)
    for place, offset in zip(wanted, offsets, strict=False):
        pools.append((place - offset, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            (a, m), (b, n) = pools.pop(), pools.pop()
            pools.append((a + b, m + n))
    means = [total / count for total, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


# Elements.


def _edge(path: Sequence[tuple[_Spot, float]]) -> str:
    """A curve from the lower edge of a box to the upper edge of another, by way of places in the layers between, each with its height."""
    start, height = path[0]
    x, y = start.x, start.y + height / 2
    text = f"M{x:.1f} {y:.1f}"
    for n, (spot, height) in enumerate(path[1:], 1):
        top = spot.y - height / 2
        text += f" C{x:.1f} {(y + top) / 2:.1f} {spot.x:.1f} {(y + top) / 2:.1f} {spot.x:.1f} {top:.1f}"
        x, y = spot.x, top
        if n < len(path) - 1:
            y = spot.y + height / 2
            text += f" V{y:.1f}"
    return f'<path d="{text}" marker-end="url(#arrow)"/>'


def _box(box: Box, spot: _Spot, size: tuple[float, float]) -> str:
    width, height = size
    left, top = spot.x - width / 2, spot.y - height / 2
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in (box.data or {}).items())
    lines = [f'<g class="box {box.kind}"{data}>', f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4"/>']
    if box.hover:
        lines.append(f"<title>{escape(box.hover)}</title>")
    for n, text in enumerate((*box.lines, *([box.place] if box.place else []))):
        kind = ' class="heading"' if n == 0 else ' class="place"' if n == len(box.lines) else ""
        lines.append(
            f'<text x="{left + _PADDING:.1f}" y="{top + _PADDING + LINE * n + 8:.1f}"{kind} xml:space="preserve">{escape(text)}</text>'
        )
    return "".join([*lines, "</g>"])
