"""Ends of a range by the least squared error: against every choice of a fine grid, and against the extremes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.conversion.least_error import MAX_BITS, fitted_ends


def error(values: NDArray[np.float32], low: float, high: float, bits: int) -> float:
    """The mean squared error after quantisation to the nearest of evenly spaced levels."""
    levels = np.linspace(low, high, 1 << bits)
    return float(np.square(values.ravel()[:, None] - levels).min(1).mean())


def fitted(values: NDArray[np.float32], bits: int) -> tuple[float, float]:
    return fitted_ends(values, float(values.min()), float(values.max()), bits)


def test_two_clusters_by_hand() -> None:
    """One bit: half of the values at -1 and 1 around 0, half at 9 and 11: the levels are the means, 0 and 10."""
    values = np.array([-1, 1, 9, 11], np.float32).repeat(8)
    low, high = fitted(values, 1)
    assert (low, high) == pytest.approx((0, 10), abs=0.02)  # a bin is 12/1024 wide


def test_one_far_value() -> None:
    """A thousand values of a normal distribution and one at 100: two bits spent on the extremes are wasted."""
    values = np.append(np.random.default_rng(1).normal(size=1000), 100).astype(np.float32)
    ends = fitted(values, 2)
    inside = values[:-1]
    assert error(inside, *ends, 2) < 0.5 * error(inside, float(values.min()), 100, 2)


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_nearly_as_good_as_the_best_of_a_grid(bits: int) -> None:
    values = np.random.default_rng(bits).gamma(2, size=200).astype(np.float32)
    grid = np.linspace(values.min(), values.max(), 60)
    best = min(error(values, low, high, bits) for low, high in product(grid, grid) if low < high)
    assert error(values, *fitted(values, bits), bits) < 1.02 * best


@given(st.integers(0, 2**32 - 1), st.integers(1, MAX_BITS), st.integers(1, 400), st.floats(0.3, 4))
def test_never_worse_than_the_extremes(seed: int, bits: int, count: int, tail: float) -> None:
    random = np.random.default_rng(seed)
    values = (np.sign(random.normal(size=count)) * random.exponential(size=count) ** tail).astype(np.float32)
    low, high = fitted(values, bits)
    assert low <= high
    bin_width = (float(values.max()) - float(values.min())) / 1024
    allowed = np.sqrt(error(values, float(values.min()), float(values.max()), bits)) + bin_width
    assert np.sqrt(error(values, low, high, bits)) <= allowed


def test_ends_stay_finite_in_float32() -> None:
    largest = np.finfo(np.float32).max
    for bits in range(1, MAX_BITS + 1):
        ends = fitted(np.array([-largest, -largest, 0, largest, largest, largest], np.float32), bits)
        assert np.isfinite(np.array(ends, np.float32)).all()


def test_what_stays() -> None:
    values = np.arange(9, dtype=np.float32)
    assert fitted(values, MAX_BITS + 1) == (0, 8)
    assert fitted(np.full(3, 2.5, np.float32), 2) == (2.5, 2.5)
