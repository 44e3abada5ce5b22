"""The draw, and intervals from values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vcm_ref.experiment.bootstrap import Bootstrap, Interval


def test_the_draw_is_the_documented_one() -> None:
    """PCG64's raw numbers, in Python integers."""
    bits = np.random.PCG64(np.random.SeedSequence(7))
    expected = np.zeros((6, 4), np.int32)
    for resample in range(4):
        for _ in range(6):
            expected[(int(bits.random_raw()) >> 32) * 6 >> 32, resample] += 1
    drawn = Bootstrap(4, 7).weights(6)
    assert drawn.dtype == np.int32
    assert np.array_equal(drawn, expected)


def test_the_draw_is_the_same_on_every_machine() -> None:
    """Numbers of another implementation of PCG64 (XSL-RR 128/64) in Python integers, seeded as NumPy seeds it."""
    state = np.random.PCG64(np.random.SeedSequence(0)).state["state"]
    value, mask = state["state"], 2**128 - 1
    drawn = []
    for _ in range(5):
        value = (value * 0x2360ED051FC65DA44385DF649FCCF645 + state["inc"]) & mask
        turn, folded = value >> 122, (value >> 64 ^ value) & (2**64 - 1)
        drawn.append(((folded >> turn | folded << (64 - turn)) & (2**64 - 1)) >> 32)
    expected = np.bincount([number * 5 >> 32 for number in drawn], minlength=5)
    assert Bootstrap(1).weights(5)[:, 0].tolist() == expected.tolist()
    assert Bootstrap(1).weights(5)[:, 0].tolist() == [2, 1, 0, 1, 1]


def test_more_resamples_begin_with_the_same_ones() -> None:
    assert np.array_equal(Bootstrap(9, 3).weights(11)[:, :4], Bootstrap(4, 3).weights(11))


def test_every_resample_has_as_many_pictures() -> None:
    assert (Bootstrap(50, 1).weights(17).sum(0) == 17).all()


def test_blocks_are_drawn_as_pictures_are() -> None:
    """Eight pictures in blocks of three: three blocks, of which the last has two."""
    blocks = Bootstrap(50, 7).weights(3)
    drawn = Bootstrap(50, 7, block=3).weights(8)
    assert np.array_equal(drawn, blocks[[0, 0, 0, 1, 1, 1, 2, 2]])
    assert drawn.flags.c_contiguous


@pytest.mark.parametrize(
    ("rate", "groups", "block"),
    [
        ("25", [1], 25),
        ("25", [1, 32], 32),
        ("25", [8], 32),
        ("30000/1001", [1], 30),
        ("1/2", [1], 1),
        ("5", [4, 6], 12),
    ],
)
def test_a_block_lasts_a_second_and_has_whole_groups(rate: str, groups: list[int], block: int) -> None:
    usual = Bootstrap(500, 3)
    assert usual.over_time(Fraction(rate), groups) == Bootstrap(500, 3, block=block)
    assert usual.over_time(None, groups) == usual


def test_few_blocks_make_no_intervals() -> None:
    blocks = Bootstrap(block=32)
    assert not blocks.makes_intervals(9 * 32)
    assert blocks.makes_intervals(9 * 32 + 1)
    assert Bootstrap().makes_intervals(2)
    assert not Bootstrap(0).makes_intervals(1000)
    assert blocks.describe()["block"] == 32
    assert "block" not in Bootstrap().describe()


def test_what_is_alike_in_time_has_a_wider_interval_from_blocks() -> None:
    """Four hundred values, ten the same one after the other: the standard error of the mean is that of forty values."""
    values = np.random.default_rng(5).normal(0, 1, 40).repeat(10)
    widths = []
    for bootstrap in (Bootstrap(), Bootstrap(block=10)):
        low, high, _ = bootstrap.interval(values @ bootstrap.weights(400) / 400)
        widths.append(high - low)
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.1)
    assert widths[1] == pytest.approx(2 * 1.96 * values.std() / np.sqrt(40), rel=0.1)


def test_an_interval_leaves_out_as_many_values_at_either_end() -> None:
    """Of 1,000 values and 95 %, 25 at either end; of 10 none; of 40 at 90 %, 2."""
    values = np.random.default_rng(1).permutation(1000).astype(np.float64)
    assert Bootstrap().interval(values) == Interval(25, 974)
    assert Bootstrap().interval(values[:10]) == Interval(values[:10].min(), values[:10].max())
    assert Bootstrap(level=0.9).interval(np.arange(40.0)) == Interval(2, 37)


def test_an_interval_over_few_values_that_are_missing_says_so_and_over_many_is_refused() -> None:
    values = np.arange(100.0)
    values[:5] = np.nan
    interval = Bootstrap(100).interval(values)
    assert interval.without == pytest.approx(0.05)
    assert (interval.low, interval.high) == (7, 97)
    values[5] = np.nan
    refused = Bootstrap(100).interval(values)
    assert not refused.known
    assert refused.without == pytest.approx(0.06)
    assert Bootstrap(100).interval(np.full(100, np.nan)).ends() is None
