"""The exact code of a channel order is its lexicographic rank."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.permutation import fixed_index_bits, index_bits, rank, unrank

permutations = st.integers(1, 300).flatmap(lambda count: st.permutations(range(count)))


@given(permutations)
def test_unrank_is_the_inverse_of_rank(order: list[int]) -> None:
    """Whatever the order, its rank gives it back."""
    index = rank(order)
    assert 0 <= index < math.factorial(len(order))
    assert unrank(index, len(order)) == order


@given(st.data())
def test_rank_is_the_inverse_of_unrank(data: st.DataObject) -> None:
    """Every number below C! is the rank of one permutation."""
    channels = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, math.factorial(channels) - 1))
    order = unrank(index, channels)
    assert sorted(order) == list(range(channels))
    assert rank(order) == index


@pytest.mark.parametrize("channels", range(1, 6))
def test_ranks_count_in_lexicographic_order(channels: int) -> None:
    """The k-th permutation in lexicographic order has rank k."""
    for index, order in enumerate(itertools.permutations(range(channels))):
        assert rank(order) == index
        assert unrank(index, channels) == list(order)


def test_order_of_256_channels_takes_211_bytes() -> None:
    """log2(256!) is 1683.99..., so 1684 bits: 211 bytes."""
    assert index_bits(256) == 1684
    assert math.ceil(index_bits(256) / 8) == 211


@pytest.mark.parametrize(("channels", "bits"), [(1, 0), (2, 1), (3, 3), (4, 5), (5, 7), (6, 10)])
def test_length_is_the_least_that_holds_every_rank(channels: int, bits: int) -> None:
    """1!, 2!, 6, 24, 120 and 720 ranks need 0, 1, 3, 5, 7 and 10 bits."""
    assert index_bits(channels) == bits


@pytest.mark.parametrize(("channels", "bits"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)])
def test_fixed_length_index_is_as_long_as_the_highest_channel(channels: int, bits: int) -> None:
    """ceil(log2(C)) bits; 8 for Rhee et al.'s 256 channels."""
    assert fixed_index_bits(channels) == bits
