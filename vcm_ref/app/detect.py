"""The rest of the network after the decoder: detections, drawn into a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..configuration import load_configuration
from ..decoder import DecodedPicture
from ..errors import DatasetError, NetworkError
from ..network import load_network
from ..render import save_png
from ..source import read_picture
from ..task.detections import Detections
from ..task.draw import draw_detections

_BLANK = 64  # the canvas where the original picture is not given


class Detector:
    """Analyses decoded features and draws what was found on the original picture, or on a grey canvas."""

    def __init__(self, configurations: Sequence[Path], picture: Path | None, threshold: float) -> None:
        """``configurations`` name the network, layered as ``vcm_enc`` does; without any it is refnet."""
        options = load_configuration(configurations).get("network") if configurations else {"name": "refnet"}
        self.network = load_network(**options)
        self.picture = picture
        self.threshold = threshold

    def write(self, path: Path, decoded: DecodedPicture) -> None:
        """Print the detections of one picture with their scores and boxes, and draw them into ``path``."""
        features = decoded.features
        detections = self.network.analyse(features)
        if not isinstance(detections, Detections):
            raise NetworkError(f"network {self.network.name} gives no boxes to draw")
        canvas = self._canvas(features.height, features.width)
        shown = detections.scores >= self.threshold
        if not shown.any():
            print(f"no detections with a score of at least {self.threshold}")
        rows = zip(detections.labels[shown], detections.scores[shown], detections.boxes[shown], strict=True)
        for label, score, box in rows:
            corners = " ".join(f"{value:.1f}" for value in box)
            print(f"{self.network.class_names[int(label)]:<12} {score:.3f}  {corners}")
        save_png(path, draw_detections(canvas, detections, self.network.class_names, self.threshold))

    def _canvas(self, height: int, width: int) -> NDArray[np.uint8]:
        if self.picture is None:
            return np.full((height, width, 3), _BLANK, np.uint8)
        canvas = read_picture(self.picture)
        if canvas.shape[:2] != (height, width):
            raise DatasetError(
                f"{self.picture}: is {canvas.shape[1]}x{canvas.shape[0]}, the coded picture was {width}x{height}"
            )
        return canvas
