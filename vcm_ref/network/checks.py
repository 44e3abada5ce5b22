"""Checks that all networks share: of options, pictures and layers that they are given, and of their results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.inputs.picture_file import PIXELS_VARIABLE, pixel_limit
from vcm_ref.task.detections import Detections

CPU, CUDA = "cpu", "cuda"
"""The devices that a network can run on."""

_FAR = 100  # a box further outside than so many times the longer side is not one of this picture


def check_device(name: Any) -> None:
    """Raise `NetworkError` unless ``name`` is `CPU` or `CUDA`."""
    if name not in (CPU, CUDA):
        raise NetworkError(f"network.device: is {name!r}; allowed are {CPU} and {CUDA}")


def check_options(make: Callable[..., Any], options: Mapping[str, Any], network: str) -> None:
    """Raise `NetworkError` unless ``make`` can be called with ``options``; the error names those that there are."""
    signature = inspect.signature(make)
    for name, option in signature.parameters.items():
        if option.default is option.empty and option.kind is option.POSITIONAL_OR_KEYWORD and name not in options:
            raise NetworkError(f"network.{name}: network {network!r} needs it; give it, as in --set network.{name}=...")
    try:
        signature.bind(**options)
    except TypeError as error:
        known = [name for name, option in signature.parameters.items() if option.kind != option.VAR_KEYWORD]
        unknown = [name for name in options if name not in known]
        told = f"there is no option {unknown[0]!r}" if unknown else str(error)
        raise NetworkError(f"network {network!r}: {told}; its options are: {', '.join(known)}") from error


def number(option: str, value: Any, low: float, high: float) -> float:
    """Return ``value`` if it is a number from ``low`` to ``high``. Raises `NetworkError` that names ``option``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise NetworkError(f"network.{option}: is {value!r}; it must be a number from {low:g} to {high:g}")
    return value


def picture_size(image: NDArray[np.uint8], network: str) -> tuple[int, int]:
    """The height and width of ``image``. Raises `NetworkError` unless it is (H, W, 3) uint8 with samples in it."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise NetworkError(f"{network} takes (H, W, 3) uint8 RGB pictures; got {image.shape} {image.dtype}")
    return int(image.shape[0]), int(image.shape[1])


def check_layer_names(features: FeatureSet, layers: tuple[str, ...], network: str) -> None:
    """Raise `NetworkError` unless ``features`` has exactly ``layers``, in this order."""
    if tuple(features.layers) != layers:
        got = ", ".join(features.layers)
        raise NetworkError(f"{network}'s layers are {', '.join(layers)}, in this order; got {got}")


def check_layers(features: FeatureSet, shapes: Mapping[str, tuple[int, int, int]], network: str) -> None:
    """Raise `NetworkError` unless ``features`` has the layers of ``shapes``, in order, each (C, H, W) as there."""
    check_layer_names(features, tuple(shapes), network)
    for name, shape in shapes.items():
        got = features.layers[name].shape
        if got != shape:
            raise NetworkError(
                f"layer {name} of a {features.width}x{features.height} picture is {shape} in {network}; got {got}"
            )


def check_resized(size: tuple[int, int], resized: tuple[int, int], network: str) -> None:
    """Raise `NetworkError` where a picture of ``size`` cannot be resized to ``resized`` (both height, width).

    The picture is too narrow where a side would vanish, and where the other side would exceed the limit on pixels.
    """
    height, width = resized
    if min(height, width) < 1 or height * width > pixel_limit():
        raise NetworkError(
            f"{network}: a picture of {size[1]}x{size[0]} is too narrow: it would be resized to {width}x{height} "
            f"(at least 1x1, and at most {pixel_limit()} pixels: environment variable {PIXELS_VARIABLE})"
        )


def check_extent(boxes: NDArray[np.float32], side: int, network: str) -> None:
    """Raise `NetworkError` for ``boxes`` (N, 4) x0, y0, x1, y1 that are not finite, reversed or far outside.

    ``side`` is the longer side of the picture or the input that they belong to, in their unit.
    """
    if not len(boxes):
        return
    if not np.isfinite(boxes).all() or np.abs(boxes).max() > _FAR * side:
        raise NetworkError(
            f"{network}: boxes reach {np.abs(boxes).max():.3g} samples far, where {side} is the longer side; are they "
            "decoded twice or not at all (network.head), or in another unit?"
        )
    if (boxes[:, 2:] < boxes[:, :2] - 1).any():
        raise NetworkError(
            f"{network}: boxes end before they begin; they must be x0, y0, x1, y1, and may be centres or sizes instead"
        )


def checked(
    detections: Detections, height: int, width: int, class_names: Mapping[int, str], network: str
) -> Detections:
    """Check a detector's result for a picture of ``height`` x ``width``, and return it.

    Raises `NetworkError` for boxes that :func:`check_extent` refuses, scores that are not from 0 to 1, and labels
    without a name.
    """
    check_extent(detections.boxes, max(height, width), network)
    scores = detections.scores
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1 + 1e-3):  # false for NaN as well
        raise NetworkError(f"{network}: scores range from {scores.min():.4g} to {scores.max():.4g}, not from 0 to 1")
    if unknown := sorted({int(label) for label in detections.labels} - {*class_names}):
        raise NetworkError(
            f"{network}: gives label {unknown[0]}, which is not among its {len(class_names)} classes; does "
            "network.classes list them all?"
        )
    return detections
