"""The part of the layers that the picture covers, where a network filled up its input (encoder only; not normative).

A letterboxed picture leaves whole positions of a KLT without anything of it. Their components are coded as 0, which
stands for the mean and costs next to nothing, and their training leaves them out. So it is with the tensors of networks
that were trained in this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

#: Parts of height and width from the top left on, as :class:`~vcm_ref.feature_set.FeatureSet` has them.
Covered = tuple[float, float]
WHOLE: Covered = (1.0, 1.0)


def covered_positions(covered: Covered, rows: int, columns: int) -> tuple[int, int]:
    """How many of these rows and columns the picture covers, the last in part or whole; at least one."""
    down, across = covered
    return min(max(1, ceil(rows * down)), rows), min(max(1, ceil(columns * across)), columns)


def clear_outside(tensors: Sequence[NDArray[np.float32]], covered: Covered) -> None:
    """Set all components ``(C, H, W)`` to 0 where the picture covers nothing of their position."""
    for tensor in tensors:
        rows, columns = covered_positions(covered, *tensor.shape[1:])
        tensor[:, rows:] = 0
        tensor[:, :, columns:] = 0
