"""Levels that the fuzzer changes: another decoder reads the same ones out of its streams."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from types import ModuleType

import numpy as np
import pytest

from vcm_ref.codec.coefficients import LevelCodec

PROJECT = Path(__file__).resolve().parents[2]
sys.path.append(str(PROJECT / "conformance"))
import mini_levels  # noqa: E402

LEVELS = np.random.default_rng(3).integers(-3, 4, (2, 5, 2, 3)).cumsum(0).astype(np.int32)


@pytest.fixture
def fuzz_levels(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT / "tools"))
    import fuzz_levels

    return fuzz_levels


def test_the_levels_of_a_bitstream_are_found(fuzz_levels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the streams that the fuzzer starts from: of each of two groups, and of each of two tensors."""
    import fuzz_targets
    from fuzz_mutation import LIMITS

    shapes = [(3, 2, 2), (2, 1, 3)]
    found = fuzz_levels.level_substreams(fuzz_targets._over_time(shapes), LIMITS)
    assert [coded.levels.shape for coded in found.values()] == [(3, *shape) for shape in shapes] * 2
    assert list(found) == [0, 1, 2, 3]
    one = found[0].levels
    np.testing.assert_array_equal(np.sign(one[0]), -np.sign(one[2]))


@pytest.mark.parametrize("picture_before", [False, True])
def test_both_decoders_read_the_same_levels(fuzz_levels: ModuleType, picture_before: bool) -> None:
    codec = LevelCodec(LEVELS.shape[1], picture_before=picture_before)
    size = (-1, *LEVELS.shape[2:])
    different = 0
    for number in range(300):
        stream = fuzz_levels.changed_levels(Random(number), fuzz_levels.Coded(codec, LEVELS))
        if stream is None:
            continue
        shape = LEVELS.reshape(size).shape
        decoded = codec.decode(stream, *shape)
        np.testing.assert_array_equal(
            decoded, mini_levels.decode(stream, shape, codec.components, picture_before, None)
        )
        different += not np.array_equal(decoded, LEVELS.reshape(size))
    assert different > 100
