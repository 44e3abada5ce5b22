"""Values to levels, and what levels stand for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.headers import LevelFormat
from vcm_ref.conversion.levels import in_steps, level_samples, quantise_levels, step_size
from vcm_ref.conversion.quantisation import dequantise
from vcm_ref.errors import DatasetError


def test_steps_are_roots_of_two() -> None:
    """2**((qp - 32) / 6), within half a percent; exactly 1 for QP 32, and double for each six."""
    for qp in range(64):
        assert step_size(qp) == pytest.approx(2 ** ((qp - 32) / 6), rel=0.005)
        assert qp < 6 or step_size(qp) == 2 * step_size(qp - 6)
    assert step_size(32) == 1.0


@given(
    st.integers(0, 63),
    st.integers(-8, 23),
    st.integers(-8, 23),
    st.lists(st.integers(-65535, 65535), min_size=1, max_size=9),
)
def test_values_are_those_of_the_text(qp: int, one: int, more: int, given_levels: list[int]) -> None:
    """8.10.1 in exact fractions, then the one rounding to float32."""
    levels = np.array(given_levels, np.int32).reshape(1, 1, -1)
    samples = level_samples(levels, LevelFormat(qp, (one, more)))
    assert int(np.abs(samples.samples).max()) < 2**29
    restored = dequantise(samples).ravel()
    roots = (102, 114, 128, 144, 161, 181)
    for level, value in zip(given_levels, restored, strict=True):
        offset = 0 if level == 0 else one if abs(level) == 1 else more
        sign = (level > 0) - (level < 0)
        exact = Fraction(sign * (32 * abs(level) + offset) * roots[qp % 6]) * Fraction(2) ** (qp // 6 - 17)
        assert value == np.float32(float(exact))  # 29 bits: the float64 is exact


@given(st.integers(0, 63), st.integers(0, 2**32 - 1))
def test_rounding_to_the_nearest_level_moves_by_half_a_step(qp: int, seed: int) -> None:
    tensor = np.random.default_rng(seed).normal(0, 5, (3, 4, 5)).astype(np.float32)
    restored = dequantise(level_samples(quantise_levels(in_steps(tensor, qp), 0.5), LevelFormat(qp)))
    assert np.abs(restored - tensor).max() <= 0.5001 * step_size(qp)


def test_rounding_offsets() -> None:
    """By hand: from 1 less the offset on, a magnitude is 1."""
    values = np.array([0.79, 0.81, -0.79, -0.81, 1.9, -7.2])
    assert quantise_levels(values, 0.2).tolist() == [0, 1, 0, -1, 2, -7]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(DatasetError, match="finite"):
        in_steps(np.array([[[0.0, value]]], np.float32), 32)


def test_a_value_beyond_the_largest_level_is_refused() -> None:
    """It would be wrong in silence."""
    in_steps(np.full((1, 1, 1), 65534, np.float32), 32)
    with pytest.raises(DatasetError, match="65535 times the step size of QP 32; code with a higher"):
        in_steps(np.full((1, 1, 1), -65535, np.float32), 32)
