"""Arrays of a program as layers: NumPy arrays and torch tensors, without importing torch."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from ..feature_set import FeatureSet
from ..files.feature_layers import as_layer, looks_channels_last


def feature_set(layers: Mapping[str, Any] | FeatureSet, picture_size: tuple[int, int] | None) -> FeatureSet:
    """The layers of one picture, converted to float32; ``picture_size`` is (height, width) of the original picture.

    Raises :class:`DatasetError`, which names the layer and the remedy.
    """
    covered = (1.0, 1.0)
    if isinstance(layers, FeatureSet):
        size = (layers.height, layers.width)
        if picture_size is not None and _size(picture_size) != size:
            raise DatasetError(f"picture_size is {picture_size}, and the feature set says {size}; leave it out")
        covered, layers = layers.covered, layers.layers
    elif not isinstance(layers, Mapping):
        raise DatasetError(
            f"features are a mapping of layer names to arrays, as in {{'p2': p2}}, not a {type(layers).__name__}"
        )
    elif picture_size is None:
        raise DatasetError("picture_size is missing; give height and width of the picture, as in (480, 640)")
    else:
        size = _size(picture_size)
    if not layers:
        raise DatasetError("there are no layers; give at least one, as in {'p2': p2}")
    own = {_name(name): _layer(str(name), array) for name, array in layers.items()}
    features = FeatureSet(*size, own, covered)
    if looks_channels_last(features):
        warnings.warn(
            "the layers look like (H, W, C); they must be (C, H, W): use .transpose(2, 0, 1) or permute", stacklevel=3
        )
    return features


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise DatasetError(f"layer {name!r}: a name is a text, as in 'p2'")
    return name


def _size(picture_size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = picture_size
        whole = int(height), int(width)
    except (TypeError, ValueError, OverflowError):
        whole = 0, 0
    if min(whole) < 1 or whole != tuple(picture_size):
        raise DatasetError(f"picture_size is {picture_size!r}; it must be (height, width) in whole pixels")
    return whole


def _layer(name: str, given: Any) -> NDArray[np.float32]:
    array = _array(name, given)
    if array.ndim == 4 and array.shape[0] > 1:
        raise DatasetError(
            f"layer {name} has shape {array.shape}, a batch; give each picture its own mapping: encode([first, second])"
        )
    if array.dtype.kind not in "fiu":
        raise DatasetError(f"layer {name} holds {array.dtype}; convert it to float32")
    try:
        return as_layer(name, array)
    except ValueError as error:
        raise DatasetError(str(error)) from error


def _array(name: str, given: Any) -> NDArray[Any]:
    """A NumPy array of what is given. bfloat16, which NumPy lacks, becomes the float32 that it is the upper half of."""
    torch = sys.modules.get("torch")  # a tensor can only come from a program that has imported torch
    if torch is not None and isinstance(given, torch.Tensor):
        tensor = given.detach().cpu()
        given = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if np.ma.is_masked(given):
        raise DatasetError(f"layer {name} has masked samples; give them values with .filled()")
    if not isinstance(given, np.ndarray):
        raise DatasetError(f"layer {name} is a {type(given).__name__}; give a NumPy array or a torch tensor")
    return given.astype(np.float32) if given.dtype.name == "bfloat16" else given
