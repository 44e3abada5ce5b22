"""The feature set: the layers of one picture, in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureSet:
    """The layers of one picture.

    ``height`` and ``width`` are those of the original picture, in pixels; they are what BPP divides by.
    ``layers`` maps each layer's name to its float32 tensor of shape ``(C, H, W)``, in coding order.
    ``covered`` says which parts of the layers' height and width the picture covers, from the top left on: less than 1
    where the network filled up the rest. Encoders may use it; no bitstream tells it.
    """

    height: int
    width: int
    layers: dict[str, NDArray[np.float32]]
    covered: tuple[float, float] = (1.0, 1.0)
