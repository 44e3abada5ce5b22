"""Choosing levels by rate and distortion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcm_ref.codec.coefficients import LevelCodec, default_tables
from vcm_ref.codec.coefficients.rdoq import choose_levels

VALUES = np.random.default_rng(1).laplace(0, 0.7 * 0.95 ** np.arange(48)[:, None, None], (48, 13, 13))


def cost(levels: NDArray[np.int32], weight: float) -> float:
    error = float(((VALUES - levels) ** 2).sum())
    return error + weight * 8 * len(LevelCodec(48).encode(levels))


def test_the_choice_costs_less_than_rounding() -> None:
    """In squared error plus weighted bits, against rounding with any offset."""
    chosen = cost(choose_levels(VALUES, default_tables(), 0.15, (0.0, 0.0))[0], 0.15)
    for offset in (0.2, 0.3, 0.4, 0.5):
        rounded = np.copysign(np.floor(np.abs(VALUES) + offset), VALUES).astype(np.int32)
        assert chosen < cost(rounded, 0.15)


def test_without_weight_the_nearest_level_is_chosen() -> None:
    levels, as_differences = choose_levels(VALUES, default_tables(), 0.0, (0.0, 0.0))
    assert not as_differences
    np.testing.assert_array_equal(levels, np.rint(VALUES))


def test_candidates_are_the_nearest_the_one_below_and_none() -> None:
    """Whatever a bit weighs."""
    nearest = np.abs(np.rint(VALUES))
    for weight in (0.1, 1.0, 100.0):
        chosen = np.abs(choose_levels(VALUES, default_tables(), weight, (0.0, 0.0))[0])
        assert np.isin(nearest - chosen, (0, 1)).all() | (chosen == 0).any()
        assert ((chosen == nearest) | (chosen == nearest - 1) | (chosen == 0)).all()
    assert not chosen.any()


def test_large_levels_are_kept() -> None:
    values = np.array([[[60000.2, -7.4, 0.1]]])
    assert choose_levels(values, default_tables(), 0.1, (0.0, 0.0))[0].tolist() == [[[60000, -7, 0]]]


def test_the_choice_that_sees_the_picture_before_costs_less() -> None:
    """Than the same choice without it, both coded with it."""
    before = np.rint(VALUES + np.random.default_rng(2).normal(0, 0.2, VALUES.shape)).astype(np.int32)
    codec = LevelCodec(48, picture_before=True)

    def cost_behind(levels: NDArray[np.int32]) -> float:
        stream = codec.encode(np.concatenate([before, levels]), [False, True])
        return float(((VALUES - levels) ** 2).sum()) + 0.1 * 8 * len(stream)

    (plain, alone), (seeing, together) = (
        choose_levels(VALUES, default_tables(), 0.1, (0.0, 0.0), one) for one in (None, before)
    )
    assert (alone, together) == (False, True)
    assert cost_behind(seeing) < cost_behind(plain)


def test_what_is_not_like_the_picture_before_is_chosen_without_it() -> None:
    levels = choose_levels(VALUES, default_tables(), 0.1, (0.0, 0.0))[0]
    behind, as_differences = choose_levels(VALUES, default_tables(), 0.1, (0.0, 0.0), -levels)
    assert not as_differences
    np.testing.assert_array_equal(behind, levels)
