"""Drawn detections: where the lines are, and what stays as it was."""

from __future__ import annotations

import numpy as np

from vcm_ref.task.detections import Detections
from vcm_ref.task.draw import PALETTE, draw_detections


def detections(box: tuple[float, float, float, float], score: float, label: int) -> Detections:
    """Give one detection."""
    return Detections(np.array([box], np.float32), np.array([score], np.float32), np.array([label], np.int64))


def test_the_box_is_drawn_on_a_copy() -> None:
    image = np.full((300, 400, 3), 90, np.uint8)
    drawn = draw_detections(image, detections((100, 120, 200, 220), 0.875, 3), {3: "square"})
    assert (image == 90).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    colour = PALETTE[2]
    for x, y in ((100, 170), (101, 170), (199, 170), (150, 120), (150, 219)):
        assert tuple(drawn[y, x]) == colour
    assert (drawn[140:200, 110:190] == 90).all()  # inside and
    assert (drawn[230:, :] == 90).all()  # outside nothing changes
    label = drawn[100:119, 100:160]
    assert (label == 255).all(axis=2).any()  # white letters
    assert (label == colour).all(axis=2).any()


def test_the_threshold_holds_and_none_is_fine() -> None:
    image = np.zeros((80, 90, 3), np.uint8)
    found = detections((10, 10, 40, 40), 0.3, 1)
    assert (draw_detections(image, found, {1: "disc"}) == 0).all()
    assert draw_detections(image, found, {1: "disc"}, threshold=0.3).any()
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert (draw_detections(image, nothing, {}) == 0).all()


def test_boxes_at_and_beyond_the_edge_and_unnamed_classes() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    drawn = draw_detections(image, detections((-5, -5, 90, 90), 0.9, 250), {})
    assert drawn.any()
    assert draw_detections(image, detections((60, 0, 60, 0), 0.9, 1), {}).any()
