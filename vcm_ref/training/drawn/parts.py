"""Which parts of which pictures a network's input shows, and how they are changed: drawn from numbers alone.

An input shows a whole picture, a part of one, or parts of four (a mosaic, Bochkovskiy et al., "YOLOv4", 2020), perhaps
turned, and perhaps with another input shining through (Zhang et al., "mixup", 2018). A teacher says something of any
input, and many unusual ones teach what few usual ones do not (Beyer et al., "Knowledge distillation: A good teacher is
patient and consistent", 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vcm_ref.conversion.covered import WHOLE, Covered
from vcm_ref.network.onnx_pictures import Preprocessing

#: What is drawn, for the record of a training: shares of the inputs; the least side of a part, in the picture's, and
#: the most that its shape changes; where the centre of a mosaic lies; the share of turned parts, and the most degrees;
#: the share of inputs that another one shines through, and how much; and the ranges of changes of the samples.
DRAWN: dict[str, Any] = {
    "whole": 0.25,
    "mosaic": 0.2,
    "least_side": 0.4,
    "most_stretch": 1.3,
    "centre": (0.3, 0.7),
    "turned": 0.25,
    "most_degrees": 12.0,
    "mixed": 0.25,
    "share_of_other": (0.1, 0.5),
    "unchanged_samples": 0.3,
    "brightness": (0.7, 1.3),
    "contrast": (0.7, 1.3),
    "saturation": (0.5, 1.5),
    "gain_of_a_colour": (0.92, 1.08),
}

Size = tuple[int, int]


class Rectangle(NamedTuple):
    """Lines and columns of samples, from ``top`` and ``left`` on."""

    top: int
    left: int
    rows: int
    columns: int


class Piece(NamedTuple):
    """The part ``source`` of picture ``picture``, brought to ``target`` in the input, and mirrored or not.

    It is turned by ``degrees`` about its centre; where the part ends, its last samples are repeated.
    """

    picture: int
    source: Rectangle
    target: Rectangle
    mirrored: bool
    degrees: float = 0.0


class Change(NamedTuple):
    """How samples are changed; the default is not at all. ``gains`` are those of red, green and blue.

    ``mixed`` is the share of the input before it in the step.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mixed: float = 0.0


class View(NamedTuple):
    """An input: four pieces, each in its own quarter about ``centre`` (line, column), or one piece in all of it."""

    pieces: Sequence[Piece]
    centre: Size
    change: Change
    covered: Covered


def whole_view(preprocessing: Preprocessing, picture: int, size: Size) -> View:
    """A whole picture of ``size`` as the network sees it."""
    return _of_part(preprocessing, picture, Rectangle(0, 0, *size), Change())


def drawn_view(
    draw: np.random.Generator,
    preprocessing: Preprocessing,
    picture: int,
    sizes: Sequence[Size],
    others: Sequence[int],
    *,
    mirror: bool,
) -> View:
    """An input with picture ``picture``; ``sizes`` are those of all pictures, and ``others`` can be in a mosaic."""
    kind, change = draw.uniform(), _drawn_change(draw)
    if kind < DRAWN["mosaic"]:
        chosen = [picture, *(others[place] for place in draw.integers(len(others), size=3).tolist())]
        return _mosaic(draw, preprocessing, chosen, sizes, change, mirror)
    height, width = sizes[picture]
    part = Rectangle(0, 0, height, width)
    if kind < 1 - DRAWN["whole"]:
        most = DRAWN["most_stretch"]
        side, stretch = draw.uniform(DRAWN["least_side"], 1), draw.uniform(1 / most, most)
        part = _placed(draw, sizes[picture], side * stretch * height, side / stretch * width)
    degrees = draw.uniform(-DRAWN["most_degrees"], DRAWN["most_degrees"]) if draw.uniform() < DRAWN["turned"] else 0.0
    return _of_part(preprocessing, picture, part, change, mirrored=mirror and bool(draw.integers(2)), degrees=degrees)


def _of_part(
    preprocessing: Preprocessing,
    picture: int,
    part: Rectangle,
    change: Change,
    *,
    mirrored: bool = False,
    degrees: float = 0.0,
) -> View:
    size = (part.rows, part.columns)
    offset_x, offset_y = preprocessing.place(*size).offset
    target = Rectangle(int(offset_y), int(offset_x), *preprocessing.resized(*size))
    piece = Piece(picture, part, target, mirrored, degrees)
    return View([piece] * 4, preprocessing.input_size(*size), change, preprocessing.covered(*size))


def _mosaic(
    draw: np.random.Generator,
    preprocessing: Preprocessing,
    chosen: Sequence[int],
    sizes: Sequence[Size],
    change: Change,
    mirror: bool,
) -> View:
    rows, columns = preprocessing.input_size(*sizes[chosen[0]])
    low, high = DRAWN["centre"]
    down, across = round(rows * draw.uniform(low, high)), round(columns * draw.uniform(low, high))
    targets = [
        Rectangle(0, 0, down, across),
        Rectangle(0, across, down, columns - across),
        Rectangle(down, 0, rows - down, across),
        Rectangle(down, across, rows - down, columns - across),
    ]
    pieces = []
    for picture, target in zip(chosen, targets, strict=True):
        height, width = sizes[picture]
        zoom = draw.uniform(DRAWN["least_side"], 1) * min(height / target.rows, width / target.columns)
        part = _placed(draw, (height, width), zoom * target.rows, zoom * target.columns)
        pieces.append(Piece(picture, part, target, mirror and bool(draw.integers(2))))
    return View(pieces, (down, across), change, WHOLE)


def _placed(draw: np.random.Generator, size: Size, rows: float, columns: float) -> Rectangle:
    """A part of so many rows and columns, as near as the picture's size allows, anywhere in the picture."""
    height, width = (max(1, min(round(wanted), most)) for wanted, most in zip((rows, columns), size, strict=True))
    return Rectangle(int(draw.integers(size[0] - height + 1)), int(draw.integers(size[1] - width + 1)), height, width)


def _drawn_change(draw: np.random.Generator) -> Change:
    """Of all draws as many numbers are taken, whatever comes of them."""
    unchanged, mixes = draw.uniform() < DRAWN["unchanged_samples"], draw.uniform() < DRAWN["mixed"]
    brightness, contrast, saturation = (draw.uniform(*DRAWN[name]) for name in ("brightness", "contrast", "saturation"))
    red, green, blue = (draw.uniform(*DRAWN["gain_of_a_colour"]) for _ in range(3))
    share = draw.uniform(*DRAWN["share_of_other"])
    if unchanged:
        return Change()
    return Change(brightness, contrast, saturation, (red, green, blue), share if mixes else 0.0)
