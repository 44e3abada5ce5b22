"""Pictures in colour for the tests of the image anchor's coding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def flat(height: int, width: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """One colour everywhere."""
    return np.full((height, width, 3), colour, np.uint8)


def colourful(height: int, width: int) -> NDArray[np.uint8]:
    """Three slow waves, one a channel, without clipping."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 40 + y / 60), np.cos(x / 55 - y / 45), np.sin(x / 50 + 2) * np.cos(y / 50)]
    return np.round(128 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def worst(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """The largest difference of two samples."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())
