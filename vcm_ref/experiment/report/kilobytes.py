"""The rate of classifiers as Suzuki et al. count it (ICIP 2020; Rhee et al. 2022, Figure 5): kilobytes a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_CLASSIFIERS = "top1"


def kilobytes_a_picture(point: Mapping[str, Any]) -> float | None:
    """The bytes of a classifier's point over its pictures, in 1000 bytes; None if unknown, and for other tasks."""
    pictures = point.get("pictures")
    if OF_CLASSIFIERS not in point["metrics"] or "bytes" not in point or not pictures:
        return None
    return float(point["bytes"]) / len(pictures) / 1000
