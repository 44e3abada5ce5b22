"""Feature frames as pictures to look at (Rhee et al.'s Figures 2, 3 and 8)."""

from __future__ import annotations

from math import ceil, log2, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import IntegerTensor
from ..files.atomic import atomic_file

_GAP = 4
_GAP_BRIGHTNESS = 255


def contact_sheet(frames: IntegerTensor, bit_depth: int, stretch: bool = False) -> NDArray[np.uint8]:
    """Frames ``(F, H, W)`` of ``bit_depth`` bits side by side in one 8-bit picture, in raster scan, white between.

    Of levels, which have a sign, 0 is grey, and the largest magnitude black or white. ``stretch`` spreads the samples
    from their 1st to their 99th percentile over all of black to white.
    """
    count, height, width = frames.shape
    squarest = sqrt(count * height / width)
    full = min((c for c in range(1, count + 1) if count % c == 0), key=lambda c: abs(log2(c / squarest)))
    columns = full if abs(log2(full / squarest)) <= 0.5 else min(count, max(1, round(squarest)))
    rows = ceil(count / columns)
    sheet = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP), _GAP_BRIGHTNESS, np.uint8)
    top = (1 << bit_depth) - 1 if frames.dtype == np.uint16 else int(np.abs(frames).max())
    lo, hi = np.percentile(frames, (1, 99)) if stretch else (0 if frames.dtype == np.uint16 else -top, top)
    scale = 255 / max(hi - lo, 1)
    for index, frame in enumerate(frames):
        top, left = (index // columns) * (height + _GAP), (index % columns) * (width + _GAP)
        shown = np.clip((frame.astype(np.float32) - lo) * scale + 0.5, 0, 255)
        sheet[top : top + height, left : left + width] = shown.astype(np.uint8)
    return sheet


def save_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an 8-bit picture, ``(H, W)`` or ``(H, W, 3)``."""
    from PIL import Image

    with atomic_file(path) as file:
        Image.fromarray(picture).save(file, "PNG")
