"""What every network asks of the options, the picture and the layers that it is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet


def check_options(make: Callable[..., Any], options: Mapping[str, Any], network: str) -> None:
    """Raise `NetworkError` unless ``make`` can be called with ``options``; the error names those that there are."""
    signature = inspect.signature(make)
    try:
        signature.bind(**options)
    except TypeError as error:
        known = [name for name, option in signature.parameters.items() if option.kind != option.VAR_KEYWORD]
        raise NetworkError(f"network {network!r}: {error}; its options are: {', '.join(known)}") from error


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
