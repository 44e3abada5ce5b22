"""Pictures of detections, to look at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vcm_ref.task.detections import Detections

PALETTE = (
    (230, 25, 75),
    (60, 180, 75),
    (0, 110, 220),
    (245, 130, 48),
    (145, 30, 180),
    (0, 140, 140),
    (240, 50, 230),
    (128, 100, 0),
    (170, 0, 60),
    (70, 70, 220),
)
"""Colours dark enough for white letters, one a class, used in turn."""


def draw_detections(
    image: NDArray[np.uint8], detections: Detections, class_names: Mapping[int, str], threshold: float = 0.5
) -> NDArray[np.uint8]:
    """Give a copy of ``image`` (H, W, 3) uint8 RGB with the detections of at least ``threshold`` drawn on it.

    Each is a box with a light edge around it, so that it shows on any ground, and a label of class and score in per
    cent; a mask tints what it covers. A class without a name in ``class_names`` is labelled by its id. Line and letter
    sizes follow the picture's.
    """
    shown = [index for index in range(len(detections)) if detections.scores[index] >= threshold]
    picture = Image.fromarray(_tinted(image, detections, shown))
    canvas = ImageDraw.Draw(picture)
    line = max(2, round(min(picture.size) / 200))
    font = ImageFont.load_default(size=max(11, round(min(picture.size) / 32)))
    for index in reversed(shown):  # the best last, on top
        label = int(detections.labels[index])
        colour = PALETTE[(label - 1) % len(PALETTE)]
        x0, y0, x1, y1 = (round(float(value)) for value in detections.boxes[index])
        x1, y1 = max(x0, x1 - 1), max(y0, y1 - 1)  # from edges to the last pixels inside
        canvas.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(255, 255, 255), width=line + 2)
        canvas.rectangle((x0, y0, x1, y1), outline=colour, width=line)
    for index in reversed(shown):
        label = int(detections.labels[index])
        text = f"{class_names.get(label, str(label))} {100 * float(detections.scores[index]):.0f}"
        x0, y0 = (round(float(value)) for value in detections.boxes[index][:2])
        _write_label(canvas, font, text, x0, y0, PALETTE[(label - 1) % len(PALETTE)], picture.size)
    return np.asarray(picture, np.uint8).copy()


def _tinted(image: NDArray[np.uint8], detections: Detections, shown: list[int]) -> NDArray[np.uint8]:
    """Give a copy of ``image`` (H, W, 3) that is half of its class's colour under each mask, the best on top."""
    tinted = np.array(image, np.uint8, order="C")
    if detections.masks is not None:
        for index in reversed(shown):
            mask = detections.masks[index]
            colour = np.array(PALETTE[(int(detections.labels[index]) - 1) % len(PALETTE)], np.uint16)
            tinted[mask] = ((image[mask] + colour) // 2).astype(np.uint8)
    return tinted


def _write_label(
    canvas: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    text: str,
    x: int,
    y: int,
    colour: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    """Write ``text`` in white on ``colour`` above the point (x, y), or wherever near it the picture has room."""
    left, top, right, bottom = (round(edge) for edge in canvas.textbbox((0, 0), text, font=font))
    width, height = right - left + 6, bottom - top + 6
    x = max(0, min(x, size[0] - width))
    y = max(0, min(y - height if y >= height else y, size[1] - height))
    canvas.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    canvas.text((x + 3 - left, y + 3 - top), text, font=font, fill=(255, 255, 255))
