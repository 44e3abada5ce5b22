"""Moments: as NumPy has means and covariances, whatever the order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.training.moments import blocks, fraction_bits, integers, mean_and_covariance, moments


@given(st.integers(0, 1000), st.integers(1, 5), st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_means_and_covariances(seed: int, size: int, counts: list[int]) -> None:
    random = np.random.default_rng(seed)
    parts = [random.integers(-32767, 32768, (size, count)).astype(np.float64) for count in counts]
    found = moments(parts[0])
    for part in parts[1:]:
        for name, array in moments(part).items():
            found[name] += array
    together = np.concatenate(parts, axis=1)
    for name, array in moments(together).items():
        assert (found[name] == array).all()
    units = 2.0 ** random.integers(-3, 4, size)
    mean, covariance = mean_and_covariance(found, units)
    np.testing.assert_allclose(mean, together.mean(axis=1) * units, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(
        covariance, np.cov(together * units[:, None], bias=True).reshape(size, size), rtol=1e-6, atol=1e-3
    )


@given(st.floats(1e-6, 1e6), st.integers(0, 1000))
def test_numbers_of_16_bits_reach_far_and_are_fine(scale: float, seed: int) -> None:
    values = (np.random.default_rng(seed).normal(size=(2, 30, 30)) * scale).astype(np.float32)
    fraction = fraction_bits(values)
    numbers = integers(values, fraction)
    assert np.abs(numbers).max() < 32767
    assert np.abs(numbers / 2.0**fraction - values).max() <= scale / 100


def test_a_layer_without_values() -> None:
    assert fraction_bits(np.zeros((1, 2, 2), np.float32)) == 0


def test_blocks_are_repeated_beyond_the_edges() -> None:
    found = blocks(np.arange(6, dtype=np.float64).reshape(1, 2, 3), 1, 1, 2)
    assert found.tolist() == [[0, 2], [1, 2], [3, 5], [4, 5]]
