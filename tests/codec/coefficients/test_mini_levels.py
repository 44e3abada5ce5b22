"""The second decoder's levels, written from the document alone, against the first's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from vcm_ref.bitstream.headers import LevelFormat
from vcm_ref.codec.coefficients import LevelCodec, scales_of, table_tensors, tables_from
from vcm_ref.conversion.levels import level_samples

from .test_levels import pictures

sys.path.append(str(Path(__file__).parents[3] / "conformance"))
import mini_levels


@given(pictures())
def test_they_decode_alike(levels: NDArray[np.int32]) -> None:
    """Plain, with the picture before, and with the tables of a model."""
    components = levels.shape[1]
    frames = levels.reshape(-1, *levels.shape[2:])
    counts = np.stack([np.arange(2376) % 5, np.arange(2376) % 9 + 4], axis=1)
    model = table_tensors(scales_of(0.9 ** np.arange(components) * 3), counts)
    held = {name: ("U8", [*tensor.shape], tensor.tobytes()) for name, tensor in model.items()}
    own = mini_levels.tables(held, 0, components, 35)
    for picture_before in (False, True):
        for tables in (None, own):
            codec = LevelCodec(components, picture_before=picture_before)
            if tables is not None:
                codec = LevelCodec(components, tables_from(model, 0, components, 35), picture_before)
            stream = codec.encode(frames)
            found = mini_levels.decode(stream, frames.shape, components, picture_before, tables)
            np.testing.assert_array_equal(found, frames)


@pytest.mark.parametrize("qp", [0, 31, 32, 63])
def test_they_mean_the_same_by_levels(qp: int) -> None:
    levels = np.array([0, 1, -1, 2, -2, 65535, -65535], np.int32).reshape(1, 1, -1)
    first = level_samples(levels, LevelFormat(qp, (5, -3))).samples
    np.testing.assert_array_equal(mini_levels.samples(levels.astype(np.int64), qp, [5, -3]), first)
