"""Draws numbers above zero as a curve on a logarithmic scale, into a PNG of its own making."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, MARGIN = 640, 400, 24
PAPER, GRID, INK = (255, 255, 255), (222, 226, 230), (13, 92, 171)


def draw(values: Sequence[float], path: Path) -> None:
    """The values from left to right, smoothed over 1 % of them; a line for each power of ten."""
    window = max(len(values) // 100, 1)
    smooth = np.convolve(np.maximum(values, 1e-12), np.full(window, 1 / window), "valid")
    levels = np.log10(smooth)
    low, high = np.floor(levels.min()), np.ceil(levels.max())
    image = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)

    def row(level: float) -> int:
        return round(MARGIN + (high - level) / max(high - low, 1) * (HEIGHT - 2 * MARGIN))

    for power in range(int(low), int(high) + 1):
        image[row(power), MARGIN : WIDTH - MARGIN] = GRID
    columns = np.arange(MARGIN, WIDTH - MARGIN)
    heights = np.interp(np.linspace(0, 1, len(columns)), np.linspace(0, 1, len(levels)), levels)
    last = row(heights[0])
    for column, level in zip(columns, heights, strict=True):
        here = row(level)
        image[min(last, here) - 1 : max(last, here) + 1, column] = INK
        last = here
    path.write_bytes(png(image))


def png(image: np.ndarray) -> bytes:
    """An [H, W, 3] image of bytes as a PNG file."""
    height, width, _ = image.shape
    rows = b"".join(b"\0" + line.tobytes() for line in image)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    parts = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
