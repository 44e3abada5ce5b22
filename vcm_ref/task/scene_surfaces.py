"""Surfaces of the rendered scenes: backgrounds, distractor strokes, fillings, lighting and sensor noise.

A canvas is (3, H, W) float32, red, green and blue from 0 to 255, and is painted in place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcm_ref.task.scene_draw import Colour, Draw, Plane, centred_grid, lattice_noise, ramp

Canvas = NDArray[np.float32]


def background(draw: Draw, height: int, width: int) -> Canvas:
    """Give a (3, ``height``, ``width``) canvas: a gradient, noise at several scales, perhaps stripes or tiles."""
    canvas = np.empty((3, height, width), np.float32)
    slope = ramp(draw, height, width)
    for channel in range(3):
        canvas[channel] = slope * np.float32(draw.uniform(-50.0, 50.0)) + np.float32(draw.uniform(50.0, 205.0))
    cells = (draw.uniform(60.0, 140.0), draw.uniform(18.0, 45.0), draw.uniform(3.0, 12.0))
    for cell, reach in zip(cells, (45.0, 30.0, 22.0), strict=True):
        _add_tinted(canvas, lattice_noise(draw, height, width, cell), draw, draw.uniform(0.0, reach))
    kind = draw.integer(5)
    if kind == 0:
        _add_tinted(canvas, _stripes(draw, height, width), draw, draw.uniform(5.0, 30.0))
    elif kind == 1:
        tiles = _stripes(draw, height, width) * _stripes(draw, height, width)
        _add_tinted(canvas, tiles, draw, draw.uniform(5.0, 25.0))
    return canvas


def add_strokes(canvas: Canvas, draw: Draw) -> None:
    """Paint thin strokes and arcs that belong to no class onto ``canvas``, more of them on a larger one."""
    height, width = canvas.shape[1:]
    most = max(3, height * width // 12000)
    for _ in range(2 + draw.integer(most)):
        if draw.chance(0.3):
            _arc(canvas, draw)
        else:
            _polyline(canvas, draw)


def filling(draw: Draw, colour: Colour, height: int, width: int) -> Canvas:
    """Give a (3, ``height``, ``width``) filling around ``colour``: flat, shaded, striped or speckled."""
    block = np.empty((3, height, width), np.float32)
    for channel in range(3):
        block[channel] = np.float32(colour[channel])
    kind = draw.integer(4)
    if kind == 1:
        _add_tinted(block, ramp(draw, height, width), draw, draw.uniform(10.0, 35.0))
    elif kind == 2:
        _add_tinted(block, _stripes(draw, height, width), draw, draw.uniform(6.0, 20.0))
    elif kind == 3:
        _add_tinted(block, lattice_noise(draw, height, width, draw.uniform(3.0, 20.0)), draw, draw.uniform(10.0, 30.0))
    return block


def paint(canvas: Canvas, cover: Plane, block: Canvas | Plane) -> None:
    """Lay ``block``, (3, H, W) or one that broadcasts, over ``canvas`` where ``cover`` (H, W), 0 to 1, says."""
    canvas += (block - canvas) * cover


def light(canvas: Canvas, draw: Draw) -> None:
    """Light the scene unevenly, then change contrast and brightness, as a camera would."""
    height, width = canvas.shape[1:]
    field = ramp(draw, height, width) * np.float32(draw.uniform(0.0, 0.3)) + np.float32(1.0)
    field += lattice_noise(draw, height, width, draw.uniform(120.0, 260.0)) * np.float32(draw.uniform(0.0, 0.15))
    contrast, brightness = draw.uniform(0.7, 1.2), draw.uniform(-25.0, 25.0)
    canvas *= field
    canvas -= np.float32(128.0)
    canvas *= np.float32(contrast)
    canvas += np.float32(128.0 + brightness)


def expose(canvas: Canvas, draw: Draw) -> NDArray[np.uint8]:
    """Give the (H, W, 3) uint8 picture of ``canvas`` with sensor noise of a random strength."""
    strength = draw.uniform(0.0, 9.0)
    noisy = canvas + draw.grain(*canvas.shape) * np.float32(strength)
    levels = np.floor(np.clip(noisy, 0.0, 255.0) + np.float32(0.5)).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def _add_tinted(canvas: Canvas, field: Plane, draw: Draw, amplitude: float) -> None:
    """Add ``field`` times ``amplitude`` to ``canvas``, a little stronger in one channel than in another."""
    for channel in range(3):
        canvas[channel] += field * np.float32(amplitude * draw.uniform(0.4, 1.0))


def _stripes(draw: Draw, height: int, width: int) -> Plane:
    """Give a (``height``, ``width``) plane of parallel stripes, -1 and 1, with soft edges one sample wide."""
    cosine, sine = draw.rotation()
    period = draw.uniform(6.0, 40.0)
    rows, columns = centred_grid(height, width)
    phase = columns * np.float32(cosine / period) + rows * np.float32(sine / period) + np.float32(draw.uniform())
    saw = np.abs(phase - np.floor(phase) - np.float32(0.5)) - np.float32(0.25)
    stripes: Plane = np.clip(saw * np.float32(2.0 * period), -1.0, 1.0)
    return stripes


def _window(canvas: Canvas, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Give the rows and columns of ``canvas`` that the rectangle touches, perhaps none."""
    height, width = canvas.shape[1:]
    rows = slice(max(0, int(top) - 1), min(height, int(bottom) + 2))
    columns = slice(max(0, int(left) - 1), min(width, int(right) + 2))
    return rows, columns


def _lay(canvas: Canvas, rows: slice, columns: slice, depth: Plane, colour: Colour) -> None:
    cover = np.clip(depth + np.float32(0.5), 0.0, 1.0)
    paint(canvas[:, rows, columns], cover, np.array(colour, np.float32)[:, None, None])


def _grid(rows: slice, columns: slice) -> tuple[Plane, Plane]:
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :]
    return y, x


def _polyline(canvas: Canvas, draw: Draw) -> None:
    height, width = canvas.shape[1:]
    colour, half = draw.colour(), draw.uniform(0.5, 1.8)
    x0, y0 = draw.uniform(0.0, width), draw.uniform(0.0, height)
    for _ in range(1 + draw.integer(3)):
        cosine, sine = draw.rotation()
        length = draw.uniform(15.0, 110.0)
        x1, y1 = x0 + cosine * length, y0 + sine * length
        rows, columns = _window(canvas, min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half)
        if rows.start < rows.stop and columns.start < columns.stop:
            y, x = _grid(rows, columns)
            dx, dy = x - np.float32(x0), y - np.float32(y0)
            along = np.clip(dx * np.float32(cosine) + dy * np.float32(sine), 0.0, np.float32(length))
            off_x, off_y = dx - along * np.float32(cosine), dy - along * np.float32(sine)
            _lay(canvas, rows, columns, np.float32(half) - np.sqrt(off_x * off_x + off_y * off_y), colour)
        x0, y0 = x1, y1


def _arc(canvas: Canvas, draw: Draw) -> None:
    # A thin half circle at most, so that it is nobody's ring or disc.
    height, width = canvas.shape[1:]
    colour, half, radius = draw.colour(), draw.uniform(0.5, 1.5), draw.uniform(8.0, 70.0)
    x0, y0 = draw.uniform(0.0, width), draw.uniform(0.0, height)
    cosine, sine = draw.rotation()
    offset = draw.uniform(0.0, 0.6) * radius
    reach = radius + half
    rows, columns = _window(canvas, x0 - reach, y0 - reach, x0 + reach, y0 + reach)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    y, x = _grid(rows, columns)
    dx, dy = x - np.float32(x0), y - np.float32(y0)
    circle = np.float32(half) - np.abs(np.sqrt(dx * dx + dy * dy) - np.float32(radius))
    side = dx * np.float32(cosine) + dy * np.float32(sine) - np.float32(offset)
    _lay(canvas, rows, columns, np.minimum(circle, side), colour)
