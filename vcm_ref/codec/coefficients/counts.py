"""Adaptive probabilities: counts of decisions in contexts (docs/bitstream.md, 8.10.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: Where a context has counted more decisions than this, its counts are halved.
LIMIT = 255
LEAST, MOST = 16, 65520


# A context's two counts are one number, so that one access finds both: the zeros are above 32 bits, all below.
_ZEROS, _ALL = 1 << 32, (1 << 32) - 1
_HALVES = ~(1 << 31)


class Counts:
    """In each of n contexts, how many decisions have been counted, and how many of these were 0.

    ``initial`` int64 ``(n, 2)`` are the zeros and all. Counts above ``limit`` are halved.
    """

    def __init__(self, initial: Ints, limit: int | None = LIMIT) -> None:
        zeros, all_ = initial.T
        self._both: Ints = zeros * _ZEROS + all_
        self._limit = limit

    @property
    def zeros(self) -> Ints:
        """How many decisions were 0, of each context ``(n,)``."""
        return self._both >> 32

    @property
    def all(self) -> Ints:
        """How many decisions there were, of each context ``(n,)``."""
        return self._both & _ALL

    def zero(self, places: Ints) -> Ints:
        """Of 65536, the probability of 0; ``places`` int64 ``(sets, …)`` has the decision's context in each set."""
        both = self._both.take(places).sum(0)
        # Counts stay below 2**24, so that the quotient in binary64 is never rounded up to the next integer.
        share = (((both >> 32 << 16) + 32768) / ((both & _ALL) + 1)).astype(np.int64)
        found: Ints = np.minimum(np.maximum(share, LEAST), MOST)
        return found

    def learn(self, places: Ints, bits: NDArray[np.bool_]) -> None:
        """Count decisions ``(N,)`` in their contexts int64 ``(sets, N)``."""
        flat = places.ravel()
        # A row counts fewer than 2**21 decisions in a context, so that the sums in binary64 are exact.
        counted = np.bincount(flat, np.tile(np.where(bits, 1, 1 + _ZEROS), len(places)), len(self._both))
        self._both += counted.astype(np.int64)
        if self._limit is not None:
            over = flat[self._both.take(flat) & _ALL > self._limit]
            self._both[over] = self._both.take(over) >> 1 & _HALVES
