"""What a classification network says about one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Classification:
    """The scores of one picture's classes: ``logits`` is (K,) float32, before or after softmax, higher is likelier."""

    logits: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.logits)
