"""Exact coding of a channel order: its lexicographic rank among all permutations (docs/bitstream.md, 8.2)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from functools import lru_cache
from math import factorial


@lru_cache(maxsize=64)
def index_bits(channels: int) -> int:
    """Length of the exact code of one permutation, ``ceil(log2(channels!))`` bits."""
    return (factorial(channels) - 1).bit_length()


def fixed_index_bits(channels: int) -> int:
    """Length of one channel index in the fixed-length code of Rhee et al., ``ceil(log2(channels))`` bits."""
    return (channels - 1).bit_length()


def rank(order: Sequence[int]) -> int:
    """Lexicographic rank of ``order``, a permutation of ``0 .. C - 1``; the inverse of :func:`unrank`."""
    result = 0
    used: list[int] = []
    for position, channel in enumerate(order):
        smaller_unused = channel - bisect_left(used, channel)
        insort(used, channel)
        result = result * (len(order) - position) + smaller_unused
    return result


def unrank(index: int, channels: int) -> list[int]:
    """The permutation of ``0 .. channels - 1`` whose lexicographic rank is ``index`` (``0 <= index < channels!``)."""
    digits = []
    for base in range(1, channels + 1):
        index, digit = divmod(index, base)
        digits.append(digit)
    unused = list(range(channels))
    return [unused.pop(digit) for digit in reversed(digits)]
