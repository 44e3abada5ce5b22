"""Bringing a picture to the input of an exported network, and boxes back to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vcm_ref.errors import NetworkError
from vcm_ref.network.checks import check_resized, number

Fit = Literal["stretch", "letterbox", "crop", "none"]


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the network's input: ``input = picture * scale + offset``, each way (x, y)."""

    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_picture(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring ``boxes`` (N, 4), x0, y0, x1, y1 in samples of the network's input, to pixels of the picture."""
        offset, scale = np.array(self.offset * 2, np.float32), np.array(self.scale * 2, np.float32)
        return ((boxes - offset) / scale).astype(np.float32)


def three_numbers(option: str, values: Any) -> tuple[float, ...]:
    """The numbers for the three channels. Raises `NetworkError` that names ``option``."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 3:
        raise NetworkError(f"network.{option}: is {values!r}; give three numbers, one for each channel")
    return tuple(number(option, value, -1e6, 1e6) for value in values)


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input (1, 3, H, W) float32.

    ``size`` is (height, width); with ``fit`` `none` it is unused. `stretch` ignores the picture's proportions,
    `letterbox` keeps them, with the picture at the top left and ``fill`` in the rest, `crop` takes the middle after
    bringing the shorter side to ``shortest_side``. ``mean`` and ``std`` are in sample units, 0 to 255, one for each
    of the ``channels`` in their order. Raises `NetworkError` for values that do not go together.
    """

    size: tuple[int, int] | None
    fit: Fit
    shortest_side: int | None
    fill: int
    channels: Literal["rgb", "bgr"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    antialias: bool

    def __post_init__(self) -> None:
        if self.fit == "crop" and self.size and self.shortest_side and self.shortest_side < max(self.size):
            raise NetworkError(
                f"network.shortest_side: must be at least {max(self.size)} to crop to; got {self.shortest_side}"
            )
        if self.channels not in ("rgb", "bgr"):
            raise NetworkError(f"network.channels: is {self.channels!r}; allowed are rgb and bgr")
        if 0 in self.std:
            raise NetworkError(f"network.std: is {list(self.std)}; samples are divided by it, so it must not be 0")

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of the network's input for a picture of ``height`` × ``width``."""
        return (height, width) if self.fit == "none" or self.size is None else self.size

    def place(self, height: int, width: int) -> Placement:
        """Where a picture of ``height`` × ``width`` lies in the network's input."""
        rows, columns = self.input_size(height, width)
        if self.fit == "stretch":
            return Placement((columns / width, rows / height), (0.0, 0.0))
        if self.fit == "letterbox":
            scale = min(rows / height, columns / width)
            return Placement((scale, scale), (0.0, 0.0))
        if self.fit == "crop":
            resized_rows, resized_columns = self.resized(height, width)
            offset = (-float(round((resized_columns - columns) / 2)), -float(round((resized_rows - rows) / 2)))
            return Placement((resized_columns / width, resized_rows / height), offset)
        return Placement((1.0, 1.0), (0.0, 0.0))

    def covered(self, height: int, width: int) -> tuple[float, float]:
        """Which parts of the input's height and width a picture of ``height`` × ``width`` covers, from the top left."""
        if self.fit != "letterbox":
            return 1.0, 1.0
        rows, columns = self.input_size(height, width)
        own_rows, own_columns = self.resized(height, width)
        return min(own_rows / rows, 1.0), min(own_columns / columns, 1.0)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's input (1, 3, H, W) float32 for ``image`` (H, W, 3) uint8 RGB."""
        height, width = image.shape[:2]
        rows, columns = self.input_size(height, width)
        size = self.resized(height, width)
        check_resized((height, width), size, "network.fit")
        resized = self._resize(image, size)
        canvas = np.full((rows, columns, 3), self.fill, np.uint8)
        offset_x, offset_y = self.place(height, width).offset
        inside = resized[int(-offset_y) :, int(-offset_x) :][:rows, :columns]
        canvas[: inside.shape[0], : inside.shape[1]] = inside
        ordered = canvas[:, :, ::-1] if self.channels == "bgr" else canvas
        samples = (ordered.astype(np.float32) - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(samples.transpose(2, 0, 1), np.float32)[None]

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of the resized picture, before filling up or cropping."""
        rows, columns = self.input_size(height, width)
        if self.fit == "letterbox":
            scale = min(rows / height, columns / width)
            return max(1, int(height * scale)), max(1, int(width * scale))
        if self.fit == "crop":
            side = self.shortest_side or max(rows, columns)
            if height < width:
                return side, int(side * width / height)
            return int(side * height / width), side
        return rows, columns

    def smoothed(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """``image`` such that parts of it can be brought to the input between the nearest samples.

        With ``antialias``, it has the size in which the network sees it.
        """
        return self._resize(image, self.resized(*image.shape[:2])) if self.antialias else image

    def _resize(self, image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        if (height, width) == size:
            return image
        picture = Image.fromarray(np.ascontiguousarray(image))
        if self.antialias:
            return np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR), np.uint8)
        # Between the two nearest samples each way and no others, as OpenCV's INTER_LINEAR does.
        extent = (0.0, 0.0, float(width), float(height))
        return np.asarray(
            picture.transform(size[::-1], Image.Transform.EXTENT, extent, Image.Resampling.BILINEAR), np.uint8
        )
