"""What the tests of the networks share: a picture, and how results are compared."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from vcm_ref.feature_set import FeatureSet
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """A picture of coloured blocks, the same at each call."""
    blocks = np.random.default_rng(5).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8))[:height, :width])


def travelled(features: FeatureSet) -> FeatureSet:
    """``features`` as they leave a decoder: values in memory of their own, here one that must not be written to."""
    layers = {name: layer.copy() for name, layer in features.layers.items()}
    for layer in layers.values():
        layer.setflags(write=False)
    return FeatureSet(features.height, features.width, layers)


def assert_same(first: Detections | Classification, second: Detections | Classification) -> None:
    """Two results agree to the bit."""
    assert type(first) is type(second)
    for field in dataclasses.fields(first):
        one, other = getattr(first, field.name), getattr(second, field.name)
        assert (one is None) == (other is None), field.name
        if one is not None:
            assert one.dtype == other.dtype, field.name
            assert np.array_equal(one, other), field.name
