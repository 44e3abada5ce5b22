"""Frames for the tests of inner codecs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smooth_frames(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint16]:
    """Ten-bit frames with smooth content that differs from frame to frame, as feature maps do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = rng.uniform(-0.3, 0.3, (count, 3, 2))
    phases = rng.uniform(0, 6, (count, 3, 1, 1))
    parts = np.cos(waves[..., :1, None] * y + waves[..., 1:, None] * x + phases)
    frames: NDArray[np.uint16] = np.clip(512 + 120 * parts.sum(axis=1), 0, 1023).astype(np.uint16)
    return frames


def extreme_frames(count: int, height: int, width: int) -> NDArray[np.uint16]:
    """Ten-bit frames of 16x16 blocks at the ends of the range, where a conversion of ranges would show."""
    values = np.array([0, 1, 1022, 1023], np.uint16)
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([values[(y // 16 + x // 16 + index) % 4] for index in range(count)])
