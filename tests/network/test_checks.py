"""Checks that all networks share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vcm_ref.errors import NetworkError
from vcm_ref.network.checks import check_resized, checked
from vcm_ref.task.detections import Detections

NAMES = {3: "cat", 7: "dog"}


def detections(**changes: Any) -> Detections:
    """Two detections in a picture of 40x30."""
    plain = {
        "boxes": np.float32([[0, 0, 10, 10], [-5, -5, 45, 35]]),
        "scores": np.float32([1, 0.5]),
        "labels": np.int64([3, 7]),
    }
    return Detections(**{**plain, **changes})


def test_sound_detections_pass() -> None:
    """Boxes may reach a little outside."""
    given = detections()
    assert checked(given, 30, 40, NAMES, "net") is given
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert checked(none, 30, 40, NAMES, "net") is none


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": np.float32([[0, 0, 10, 10], [0, 0, 1e15, 9]])}, "net: boxes reach 1e.15 samples far, where 40 is"),
        ({"boxes": np.float32([[0, 0, 10, 10], [0, 0, np.nan, 9]])}, "net: boxes reach nan samples far"),
        ({"boxes": np.float32([[0, 0, 10, 10], [20, 20, 8, 9]])}, "net: boxes end before they begin"),
        ({"scores": np.float32([0.5, 1.2])}, "net: scores range from 0.5 to 1.2, not from 0 to 1"),
        ({"scores": np.float32([0.5, -0.1])}, "net: scores range from -0.1 to 0.5"),
        ({"scores": np.float32([0.5, np.nan])}, "net: scores range from nan"),
        ({"labels": np.int64([3, 80])}, "net: gives label 80, which is not among its 2 classes"),
        ({"labels": np.int64([-1, 3])}, "net: gives label -1"),
    ],
)
def test_detections_that_cannot_be_meant_are_refused(changes: dict[str, Any], message: str) -> None:
    """Each names the likely reason."""
    with pytest.raises(NetworkError, match=message):
        checked(detections(**changes), 30, 40, NAMES, "net")


@pytest.mark.parametrize("resized", [(0, 1333), (1333, 0), (20000, 20000)])
def test_a_picture_that_is_too_narrow_is_refused(resized: tuple[int, int]) -> None:
    """One side would vanish, or the other exceed all bounds."""
    with pytest.raises(NetworkError, match="net: a picture of 4000x2 is too narrow: it would be resized to"):
        check_resized((2, 4000), resized, "net")
    check_resized((2, 4000), (1, 1333), "net")
