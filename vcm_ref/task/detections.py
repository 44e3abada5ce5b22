"""What a detection network says about one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError


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


class MasksSeen:
    """Keeps whether a network gives masks; a result without detections does not say, unless it has an empty stack."""

    def __init__(self) -> None:
        self._with: object = None
        self._without: object = None
        self._stack = False

    def see(self, image_id: object, found: Detections) -> None:
        """Take note of one picture's result."""
        self._stack = self._stack or found.masks is not None
        if len(found) and found.masks is None:
            self._without = self._without if self._without is not None else image_id
        elif len(found):
            self._with = self._with if self._with is not None else image_id

    def given(self) -> bool:
        """Say whether the results have masks. Raises :class:`~vcm_ref.errors.DatasetError` where only some have."""
        if self._with is not None and self._without is not None:
            raise DatasetError(
                f"the detections of picture {self._with} have masks and those of picture {self._without} have none"
            )
        return self._stack and self._without is None
