"""Changed parts of pictures, so that few pictures teach more: a random rectangle, its brightness, its contrast."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

#: Of a part: the least side, in the picture's, and how far its shape may be from the picture's.
_LEAST_SIDE, _MOST_STRETCH = 0.5, 1.2
#: Brightness and contrast are multiplied by at least and at most these.
_CHANGES = (0.7, 1.3)


def changed_part(picture: NDArray[np.uint8], name: str, number: int) -> NDArray[np.uint8]:
    """Part ``number`` of a picture (H, W, 3), which depends on these and the picture's ``name`` alone.

    It has from half to all of each side, and is mirrored half of the time.
    """
    seed = hashlib.sha256(f"{name} {number}".encode()).digest()
    draw = np.random.default_rng(list(seed))
    height, width, _ = picture.shape
    side, stretch = draw.uniform(_LEAST_SIDE, 1), draw.uniform(1 / _MOST_STRETCH, _MOST_STRETCH)
    rows = max(1, round(height * float(np.clip(side * stretch, _LEAST_SIDE, 1))))
    columns = max(1, round(width * float(np.clip(side / stretch, _LEAST_SIDE, 1))))
    top, left = draw.integers(height - rows + 1), draw.integers(width - columns + 1)
    part = picture[top : top + rows, left : left + columns].astype(np.float64)
    brightness, contrast = draw.uniform(*_CHANGES), draw.uniform(*_CHANGES)
    mean = part.mean()
    changed = np.rint(((part - mean) * contrast + mean * brightness).clip(0, 255)).astype(np.uint8)
    return np.ascontiguousarray(changed[:, ::-1] if draw.integers(2) else changed)
