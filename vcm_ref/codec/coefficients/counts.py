"""Adaptive probabilities: counts of decisions in contexts (docs/bitstream.md, 8.10.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: Where a context has counted more decisions than this, its counts are halved.
LIMIT = 255
LEAST, MOST = 16, 65520


class Counts:
    """In each of n contexts, how many decisions have been counted, and how many of these were 0.

    ``initial`` int64 ``(n, 2)`` are the zeros and all. Counts above ``limit`` are halved.
    """

    def __init__(self, initial: Ints, limit: int | None = LIMIT) -> None:
        self.zeros, self.all = initial.T.copy()
        self._limit = limit

    def zero(self, places: Ints) -> Ints:
        """Of 65536, the probability of 0; ``places`` int64 ``(sets, …)`` has the decision's context in each set."""
        zeros, all_ = self.zeros.take(places).sum(0), self.all.take(places).sum(0)
        # Counts stay below 2**24, so that the quotient in binary64 is never rounded up to the next integer.
        share = ((65536 * zeros + 32768) / (all_ + 1)).astype(np.int64)
        found: Ints = np.minimum(np.maximum(share, LEAST), MOST)
        return found

    def learn(self, places: Ints, bits: NDArray[np.bool_]) -> None:
        """Count decisions ``(N,)`` in their contexts int64 ``(sets, N)``."""
        size = len(self.all)
        counted = np.bincount(places.ravel(), minlength=size)
        self.all += counted
        self.zeros += np.bincount(places[:, ~bits].ravel(), minlength=size)
        if self._limit is not None:
            over = (counted > 0) & (self.all > self._limit)
            self.all[over] >>= 1
            self.zeros[over] >>= 1
