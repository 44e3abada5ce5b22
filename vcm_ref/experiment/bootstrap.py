"""Confidence intervals by the bootstrap over pictures (Efron, 1979): percentile intervals from seeded resamples.

A resample draws as many pictures as there are, with replacement. The draw is the same on every machine: PCG64 with
``SeedSequence(seed)`` gives 64-bit numbers, whose stream NumPy promises to keep; resample ``r`` of ``P`` pictures
takes the numbers ``r * P`` to ``r * P + P - 1``, and the number ``u`` draws the picture ``(u >> 32) * P >> 32``. The
draw depends on nothing else: so two methods over the same pictures are resampled alike, and comparisons are paired.

An interval of level L leaves out the ``floor(R * (1 - L) / 2)`` lowest and as many of the highest of R values. Where a
resample has no value, such as a BD-rate of curves that do not overlap, the interval is over the others; where more than
:data:`MOST_WITHOUT` of them have none, there is no interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..task.tally import Weights

MOST_WITHOUT = 0.05
"""The share of resamples without a value above which an interval is refused."""


class Interval(NamedTuple):
    """A confidence interval, and the share of resamples that have no value; its ends are NaN where it is refused."""

    low: float
    high: float
    without: float = 0.0

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.low == self.low

    def ends(self) -> list[float] | None:
        """Its two ends, as JSON has them; None where it is refused."""
        return [self.low, self.high] if self.known else None


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: ``resamples`` (0: none are made), ``seed`` from 0, and ``level`` between 0 and 1."""

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95

    def weights(self, pictures: int) -> Weights:
        """How often each picture occurs in each resample: (P, R) int32."""
        raw = np.random.PCG64(np.random.SeedSequence(self.seed)).random_raw(self.resamples * pictures)
        drawn = ((raw >> np.uint64(32)) * np.uint64(pictures) >> np.uint64(32)).astype(np.int64)
        places = drawn + pictures * np.repeat(np.arange(self.resamples), pictures)
        counts = np.bincount(places, minlength=self.resamples * pictures)
        return np.ascontiguousarray(counts.reshape(self.resamples, pictures).T.astype(np.int32))

    def interval(self, values: NDArray[np.float64]) -> Interval:
        """The interval of a figure from its (R,) values, NaN where a resample has none."""
        found = np.sort(values[np.isfinite(values)])
        without = (len(values) - len(found)) / max(1, len(values))
        if not len(found) or without > MOST_WITHOUT:
            return Interval(nan, nan, without)
        left_out = int(len(found) * (1 - Fraction(str(self.level))) / 2)
        return Interval(float(found[left_out]), float(found[len(found) - 1 - left_out]), without)

    def describe(self) -> dict[str, Any]:
        """As records have it."""
        return {"method": "percentile", "resamples": self.resamples, "seed": self.seed, "level": self.level}


NO_BOOTSTRAP = Bootstrap(0)
