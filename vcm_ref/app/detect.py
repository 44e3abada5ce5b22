"""The rest of the network after the decoder: detections, drawn into a PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..decoder import DecodedPicture
from ..errors import DatasetError, NetworkError
from ..inputs.source import read_picture
from ..reporting.render import save_png
from ..task.detections import Detections
from ..task.draw import draw_detections
from .network_choice import NetworkChoice

_BLANK = 64  # the canvas where the original picture is not given


class Detector:
    """Analyses decoded features and draws what was found on the original picture, or on a grey canvas."""

    def __init__(self, choice: NetworkChoice, picture: Path | None, threshold: float, quiet: bool) -> None:
        """Load the network. Detections with a score of at least ``threshold`` are drawn, and printed unless ``quiet``.

        Raises :class:`NetworkError`.
        """
        self.network = choice.load()
        self.picture = picture
        self.threshold = threshold
        self.quiet = quiet
        if not quiet:
            print(choice.line())

    def write(self, path: Path, decoded: DecodedPicture) -> None:
        """Print the detections of one picture with their scores and boxes, and draw them into ``path``.

        Raises :class:`NetworkError` where the network gives no boxes or does not fit the features, and
        :class:`DatasetError` where the original picture cannot be read or has another size.
        """
        features = decoded.features
        canvas = self._canvas(features.height, features.width)
        try:
            detections = self.network.analyse(features)
        except NetworkError as error:
            raise NetworkError(f"{error}; name the network that made the features with -c") from error
        if not isinstance(detections, Detections):
            raise NetworkError(f"network {self.network.name} classifies pictures; it gives no boxes to draw")
        if not self.quiet:
            print("\n".join([*self._lines(detections), ""]))
        save_png(path, draw_detections(canvas, detections, self.network.class_names, self.threshold))

    def _lines(self, detections: Detections) -> list[str]:
        """A line for each object: class, score, and the corners of its box in pixels."""
        shown = detections.scores >= self.threshold
        rows = zip(detections.labels[shown], detections.scores[shown], detections.boxes[shown], strict=True)
        lines = [
            f"{self.network.class_names[int(label)]:<12} {score:.3f}  {' '.join(f'{value:.1f}' for value in box)}"
            for label, score, box in rows
        ]
        if lines:
            return [f"{'object':<12} score  left top right bottom, in pixels", *lines]
        if not len(detections.scores):
            return ["no object found"]
        best = f"the highest score is {detections.scores.max():.3f}; --threshold sets another limit"
        return [f"no object with a score of at least {self.threshold:g}; {best}"]

    def _canvas(self, height: int, width: int) -> NDArray[np.uint8]:
        if self.picture is None:
            return np.full((height, width, 3), _BLANK, np.uint8)
        canvas = read_picture(self.picture)
        if canvas.shape[:2] != (height, width):
            raise DatasetError(
                f"{self.picture}: is {canvas.shape[1]}x{canvas.shape[0]}, the coded picture was {width}x{height}"
            )
        return canvas
