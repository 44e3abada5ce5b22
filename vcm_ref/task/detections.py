"""What a detection network says about one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """The detections of one picture, best first.

    ``boxes`` is (N, 4) float32, each x0, y0, x1, y1 in pixels of the original picture; ``scores`` is (N,) float32 from
    0 to 1; ``labels`` is (N,) int64, the data set's category ids; ``masks`` is (N, H, W) bool at the original picture's
    size, or ``None`` from a network that gives none.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.scores)
