"""Convolutions whose products are of binary32, against sums of 64-bit integers, up to the edge of exactness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network.convolution import Convolution, _parts
from vcm_ref.conversion.reduction.network.graph import Form, Operation

EXACT = 1 << 24


@pytest.mark.parametrize(
    ("weights", "magnitude", "parts"),
    [
        (512, 32767, 1),  # 16,776,704 is below 2**24
        (512, 32768, 2),  # 2**24 is not, and half of it is
        (512, 1 << 16, 3),  # two parts of 256 weights reach 2**24
        (128, 1 << 17, 0),  # parts of fewer than 128 weights are not made
        (1024, 1 << 17, 0),  # eight parts of 128 weights reach 2**24
        (1 << 20, 500, 32),  # 31.25 times 2**24
        (1 << 20, 512, 0),  # 33 parts would be too many
    ],
)
def test_the_fewest_parts_that_are_exact(weights: int, magnitude: int, parts: int) -> None:
    found = _parts(np.ones((1, 1, weights), np.int8), magnitude)
    assert len(found) == parts
    assert sum(len(range(weights)[part]) for part in found) == (weights if parts else 0)
    assert all(len(range(weights)[part]) * magnitude < EXACT for part in found)


@pytest.mark.parametrize("least", [-128, -32768])
def test_the_least_weight_has_a_magnitude(least: int) -> None:
    weights = np.full((1, 1, 256), least, np.int8 if least == -128 else np.int16)
    assert len(_parts(weights, EXACT // (256 * -least) - 1)) == 1
    assert len(_parts(weights, EXACT // (256 * -least))) == 2


@given(st.integers(9, 20), st.sampled_from([8, 16]), st.sampled_from([100, 300, 600]), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_integers(bits: int, weight_bits: int, members: int, seed: int) -> None:
    """The first channel of weights and the first line of inputs are as large as they may be; so are their sums."""
    random = np.random.default_rng(seed)
    largest = (1 << (weight_bits - 1)) - 1
    weight = random.integers(-largest - 1, largest + 1, (3, members, 1, 1)).astype(f"int{weight_bits}")
    weight[0] = largest
    magnitude = 1 << (bits - 1)
    inputs = random.integers(-magnitude, magnitude, (members, 2, 3), dtype=np.int32)
    inputs[:, 0] = -magnitude
    numbers = {
        "weight": weight,
        "bias": random.integers(-1000, 1000, 3).astype(np.int32),
        "shift": random.integers(0, 8, 3).astype(np.uint8),
    }
    operation = Operation(Kind.CONVOLUTION, 0, bits=32, numbers=numbers)
    found = Convolution(operation, Form(members, 0, bits), Form(3, 0, 32))(inputs)

    sums = np.tensordot(weight[:, :, 0, 0].astype(np.int64), inputs.astype(np.int64), 1)
    shift = numbers["shift"].astype(np.int64)[:, None, None]
    expected = (sums + numbers["bias"][:, None, None] + np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)) >> shift
    np.testing.assert_array_equal(found, expected.clip(-(1 << 31), (1 << 31) - 1))
