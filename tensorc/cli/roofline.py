"""Draws measurements below the machine's roof, operations a second over operations a byte, as a PNG of its own making."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tensorc.cli.output import Refused

if TYPE_CHECKING:
    from tensorc.api.bench import Bench

WIDTH, HEIGHT = 900, 600
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 40, 60
PAPER, GRID, INK, ROOF = (255, 255, 255), (226, 230, 234), (33, 37, 41), (134, 142, 150)
COLORS = {"tensorc": (13, 92, 171), "numpy": (217, 119, 6), "torch": (190, 24, 93), "torch.compile": (101, 63, 173)}
SCALE = 2  # of letters

# Letters of 3 x 5 points, five rows of three bits each, the top row first.
LETTERS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71222", "8": "75757",
    "9": "75717", ".": "00002", "/": "11244", "-": "00700", "a": "03553", "b": "46556", "c": "03443", "d": "13553", "e": "02743",
    "f": "12722", "g": "03517", "h": "46555", "i": "20222", "k": "45665", "l": "62227", "m": "07755", "n": "06555", "o": "02552",
    "p": "06564", "q": "03531", "r": "03444", "s": "03216", "t": "27221", "u": "05557", "v": "05552", "w": "05577", "x": "05225",
    "y": "05512", "B": "65656", "F": "74644", "G": "34553", "L": "44447", "M": "57755", "O": "75557", "P": "65644",
}  # fmt: skip


class _Picture:
    """A picture with logarithmic axes."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.pixels = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
        self.x, self.y = x, y

    def column(self, value: float) -> int:
        low, high = map(math.log10, self.x)
        return round(LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT))

    def row(self, value: float) -> int:
        low, high = map(math.log10, self.y)
        return round(HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM))

    def line(self, start: tuple[int, int], end: tuple[int, int], color: tuple[int, int, int], thick: int = 1) -> None:
        """Between two places, each a column and a row."""
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for n in range(steps + 1):
            c, r = (round(a + (b - a) * n / steps) for a, b in zip(start, end, strict=True))
            self.square(c, r, thick, color)

    def square(self, column: int, row: int, side: int, color: tuple[int, int, int]) -> None:
        left, top = column - side // 2, row - side // 2
        self.pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = color

    def text(self, text: str, column: int, row: int, color: tuple[int, int, int] = INK) -> None:
        """Letters from a place on; what has no letter is a space."""
        for letter in text:
            for down, bits in enumerate(LETTERS.get(letter, "00000")):
                for across in range(3):
                    if int(bits) >> (2 - across) & 1:
                        self.square(column + across * SCALE + 1, row + down * SCALE + 1, SCALE, color)
            column += 4 * SCALE

    def png(self) -> bytes:
        rows = b"".join(b"\0" + line.tobytes() for line in self.pixels)
        chunks = (
            (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows, 9)),
            (b"IEND", b""),
        )
        parts = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def draw(measured: Sequence[tuple[str, Bench]], path: str) -> None:
    """The measurements as points in their maker's colour, under the roofs that they were held against."""
    shown = [(by, b) for by, b in measured if b.flops and b.bytes]
    if not shown:
        raise Refused("the function has no operation on floats, and a roofline shows operations a byte", "leave out --roofline")
    intensities = [b.flops / b.bytes for _, b in shown]
    roofs = list(dict.fromkeys(b.roofs for _, b in shown))
    ridges = [r.flops / r.bytes for r in roofs]
    x = _decades(min(*intensities, *ridges) / 2, max(*intensities, *ridges) * 2)
    y = _decades(min(b.flops / b.best for _, b in shown) / 2e9, max(r.flops for r in roofs) * 1.5e-9)
    picture = _Picture(x, y)
    _axes(picture)
    for r, ridge in zip(roofs, ridges, strict=True):
        corner = picture.column(ridge), picture.row(r.flops / 1e9)
        start = max(x[0], y[0] * 1e9 / r.bytes)
        picture.line((picture.column(start), picture.row(start * r.bytes / 1e9)), corner, ROOF, 2)
        picture.line(corner, (WIDTH - RIGHT, corner[1]), ROOF, 2)
    for by, b in shown:
        picture.square(picture.column(b.flops / b.bytes), picture.row(b.flops / b.best / 1e9), 9, COLORS[by])
    for n, by in enumerate(dict.fromkeys(by for by, _ in shown)):
        picture.square(LEFT + 20, TOP + 14 + 18 * n, 9, COLORS[by])
        picture.text(by, LEFT + 34, TOP + 9 + 18 * n)
    Path(path).write_bytes(picture.png())


def _decades(low: float, high: float) -> tuple[float, float]:
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))


def _axes(picture: _Picture) -> None:
    """A line for each power of ten, with its number."""
    for power in range(round(math.log10(picture.x[0])), round(math.log10(picture.x[1])) + 1):
        at = picture.column(10.0**power)
        picture.line((at, TOP), (at, HEIGHT - BOTTOM), GRID)
        picture.text(_power(power), at - 8, HEIGHT - BOTTOM + 8)
    for power in range(round(math.log10(picture.y[0])), round(math.log10(picture.y[1])) + 1):
        at = picture.row(10.0**power)
        picture.line((LEFT, at), (WIDTH - RIGHT, at), GRID)
        picture.text(_power(power), LEFT - 60, at - 5)
    picture.text("GFLOP/s", 10, 14)
    picture.text("FLOP/B", WIDTH - RIGHT - 60, HEIGHT - 24)


def _power(power: int) -> str:
    return f"{10.0**power:g}" if power >= 0 else f"{10.0**power:.{-power}f}"
