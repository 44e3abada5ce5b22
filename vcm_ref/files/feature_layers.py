"""Arrays of others as layers: exactly converted, or refused with the sample and the remedy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..feature_set import FeatureSet

_EXACT_INTEGERS = 1 << 24  # float32 has each integer up to this one
_OTHER_PROPORTIONS = math.log(2.0)
_SAME_PROPORTIONS = math.log(1.3)


def as_layer(name: str, array: NDArray[Any], finite: bool = True) -> NDArray[np.float32]:
    """Convert an array ``(C, H, W)`` or ``(1, C, H, W)`` of any type of numbers to a layer: float32, C order.

    Raises ValueError that names the layer, the first sample where it is about one, and the remedy: for another shape,
    numbers that float32 does not have, and with ``finite`` NaN and infinity.
    """
    if array.ndim == 4 and array.shape[0] > 1:
        raise ValueError(f"layer {name} has shape {array.shape}, a batch; save each picture as a file of its own")
    shape = array.shape
    if array.ndim == 4 and 0 not in shape:
        array = array[0]
    if array.ndim != 3 or 0 in shape:
        raise ValueError(f"layer {name} has shape {shape}; it must be (C, H, W)")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"layer {name} holds {array.dtype}; save it as float32")
    with np.errstate(over="ignore", invalid="ignore"):
        layer = np.ascontiguousarray(array, np.float32)
        changed = _changed(layer, array)
    if changed is not None and changed.any():
        place = _first(changed)
        raise ValueError(
            f"layer {name} holds {array.dtype.name} numbers that float32 does not have, {array[place]} {_at(place)} "
            "the first; convert them with .astype(numpy.float32)"
        )
    if finite and not np.isfinite(layer).all():
        place = _first(~np.isfinite(layer))
        found = "NaN" if np.isnan(layer[place]) else "infinity"
        raise ValueError(f"layer {name} holds {found} {_at(place)}; features must be finite")
    return layer


def _changed(layer: NDArray[np.float32], array: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Mark the samples that are not the same in float32; ``None`` where the type says that all are."""
    if array.dtype.kind == "f":
        return None if array.dtype.itemsize <= 4 else (layer.astype(array.dtype) != array) & ~np.isnan(array)
    return None if array.dtype.itemsize <= 2 else (array > _EXACT_INTEGERS) | (array < -_EXACT_INTEGERS)


def _first(marked: NDArray[np.bool_]) -> tuple[int, ...]:
    """The place of the first marked sample in the order of memory."""
    return tuple(int(index) for index in np.unravel_index(int(marked.argmax()), marked.shape))


def _at(place: tuple[int, ...]) -> str:
    return "at channel {}, row {}, column {}".format(*place)


def whole_number(name: str, value: Any, highest: int) -> int:
    """Read a side of a picture, 1 to ``highest``: text, or a number or an array of one.

    Raises ValueError that names the entry and its value.
    """
    array = np.asarray(value)
    number = array.reshape(-1)[0].item() if array.size == 1 else None
    if isinstance(number, str) and number.strip().isascii() and number.strip().isdigit() and len(number) < 20:
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 1 <= number <= highest:
        number = None
    if number is None or number != int(number):
        told = str(value) if array.size == 1 else f"an array of {array.size}"
        raise ValueError(f"the picture's size: {name} is {told[:40]}; it must be a whole number from 1 to {highest}")
    return int(number)


def looks_channels_last(features: FeatureSet) -> bool:
    """Guess from proportions that every layer is ``(H, W, C)`` instead of ``(C, H, W)``."""
    proportions = math.log(features.height / features.width)
    return all(
        abs(math.log(layer.shape[1] / layer.shape[2]) - proportions) > _OTHER_PROPORTIONS
        and abs(math.log(layer.shape[0] / layer.shape[1]) - proportions) < _SAME_PROPORTIONS
        for layer in features.layers.values()
    )
