"""Adaptive probabilities: counts of decisions in contexts (docs/bitstream.md, 8.10.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: Where a context has counted more decisions than this, its counts are halved.
LIMIT = 255
LEAST, MOST = 16, 65520


class Counts:
    """Counts int64 ``(n, 2)`` of the zeros, and of all decisions, in each of n contexts.

    Counts above ``limit`` are halved.
    """

    def __init__(self, initial: Ints, limit: int | None = LIMIT) -> None:
        self.counts = initial.copy()
        self._limit = limit

    def zero(self, places: Ints) -> Ints:
        """Of 65536, the probability of 0; ``places`` int64 ``(sets, …)`` has the decision's context in each set."""
        zeros, all_ = np.moveaxis(self.counts[places].sum(0), -1, 0)
        found: Ints = np.minimum(np.maximum((65536 * zeros + 32768) // (all_ + 1), LEAST), MOST)
        return found

    def learn(self, places: Ints, bits: NDArray[np.bool_]) -> None:
        """Count decisions ``(N,)`` in their contexts int64 ``(sets, N)``."""
        size = len(self.counts)
        self.counts[:, 1] += np.bincount(places.ravel(), minlength=size)
        self.counts[:, 0] += np.bincount(places[:, ~bits].ravel(), minlength=size)
        if self._limit is not None:
            self.counts[self.counts[:, 1] > self._limit] >>= 1
