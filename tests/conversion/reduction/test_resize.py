"""Resize: shapes, means of blocks, and an interpolation that is exact."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.values import Layer, Samples, ValueRange
from vcm_ref.conversion.reduction import Resize

RANGE = ValueRange(np.zeros(1, np.float32), np.ones(1, np.float32))


def restored(q: list[list[int]], shift: int, size: tuple[int, int], top: int = 255) -> Samples:
    """One map, restored."""
    maps = np.array([q], np.uint16)
    (found,) = Resize([shift]).inverse([Samples(maps, RANGE, top)], [(1, *size)])
    return found


def test_shapes_are_rounded_up_and_names_stay() -> None:
    stage = Resize([0, 1, 2])
    assert stage.shapes([(4, 13, 17), (4, 13, 17), (4, 13, 17)]) == [(4, 13, 17), (4, 7, 9), (4, 4, 5)]
    layers = [Layer("a", 4), Layer("b", 5)]
    assert stage.layers(layers) == layers


def test_the_forward_takes_means_of_blocks() -> None:
    """2x3 by 2: the third column stands for itself."""
    (found,) = Resize([1]).forward([np.array([[[1, 2, 5], [3, 6, 7]]], np.float32)])
    assert found.tolist() == [[[3, 6]]]


def test_one_line_by_hand() -> None:
    """Samples 0 and 4, by 2: values 0, 1, 3, 4 quarters of 4, times 4 for the line and 4 for its one column."""
    found = restored([[0, 4]], 1, (1, 4))
    assert found.top == 255 * 16
    assert found.samples.tolist() == [[[0, 16, 48, 64]]]
    found = restored([[0, 8]], 2, (1, 8))  # eighths at -3, -1, 1, 3, 5, 7, 9, 11 between the centres 0 and 8
    assert found.top == 255 * 64
    assert found.samples.tolist() == [[[8 * value for value in (0, 0, 8, 24, 40, 56, 64, 64)]]]


@given(
    st.integers(1, 2),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 1000),
    st.sampled_from([255, 1023, 65535]),
)
def test_against_fractions(shift: int, height: int, width: int, seed: int, top: int) -> None:
    """Linear between the blocks' centres, the last ones going on, worked out in fractions."""
    factor = 1 << shift
    rows, columns = -(-height // factor), -(-width // factor)
    q = np.random.default_rng(seed).integers(0, top + 1, (rows, columns))
    found = restored(q.tolist(), shift, (height, width), top)

    def weights(place: int, count: int) -> list[tuple[int, Fraction]]:
        centre = Fraction(2 * place + 1, 2 * factor) - Fraction(1, 2)
        first = centre.numerator // centre.denominator
        share = centre - first
        return [(min(max(first, 0), count - 1), 1 - share), (min(max(first + 1, 0), count - 1), share)]

    for y in range(height):
        for x in range(width):
            value = sum(a * b * int(q[i, j]) for i, a in weights(y, rows) for j, b in weights(x, columns))
            assert Fraction(int(found.samples[0, y, x]), found.top) == value / top


def test_four_stages_of_16_bits_stay_below_2_to_the_53() -> None:
    """The largest sample of all, four times by 4: 65535 * 64**4."""
    tensor = Samples(np.full((1, 1, 1), 65535, np.uint16), RANGE, 65535)
    for _ in range(4):
        (tensor,) = Resize([2]).inverse([tensor], [(1, 2, 2)])
        tensor = Samples(tensor.samples[:, :1, :1], RANGE, tensor.top)
    assert tensor.samples.item() == tensor.top == 65535 * 64**4 < 2**53


@pytest.mark.parametrize("shift", [1, 2])
def test_a_flat_map_stays_flat(shift: int) -> None:
    found = restored([[7] * 3] * 2, shift, (2 << shift, 3 << shift))
    assert np.unique(found.samples).tolist() == [7 * found.top // 255]
