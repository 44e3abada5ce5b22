"""Confidence intervals by the bootstrap over pictures (Efron, 1979): percentile intervals from seeded resamples.

A resample draws as many pictures as there are, with replacement. The draw is the same on every machine: PCG64 with
``SeedSequence(seed)`` gives 64-bit numbers, whose stream NumPy promises to keep; resample ``r`` of ``P`` pictures
takes the numbers ``r * P`` to ``r * P + P - 1``, and the number ``u`` draws the picture ``(u >> 32) * P >> 32``. The
draw depends on nothing else: so two methods over the same pictures are resampled alike, and comparisons are paired.

Pictures that follow each other in time are alike, so blocks of them are drawn in the place of pictures (Carlstein, Ann.
Statist. 14, 1986): ``P`` is then the number of blocks. Blocks do not overlap, as a group of pictures is a bitstream.

An interval of level L leaves out the ``floor(R * (1 - L) / 2)`` lowest and as many of the highest of R values. Where a
resample has no value, such as a BD-rate of curves that do not overlap, the interval is over the others; where more than
:data:`MOST_WITHOUT` of them have none, there is no interval.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, lcm, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..task.tally import Weights

MOST_WITHOUT = 0.05
"""The share of resamples without a value above which an interval is refused."""
FEWEST_BLOCKS = 10
"""Resamples of fewer blocks are too much like each other for an interval."""


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
    """How intervals are made: ``resamples`` (0: none are made), ``seed`` from 0, and ``level`` between 0 and 1.

    Blocks of ``block`` pictures are drawn; the last one may have fewer.
    """

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95
    block: int = 1

    def over_time(self, frame_rate: Fraction | None, groups: Iterable[int]) -> Bootstrap:
        """The same for the pictures of a sequence, a second or more in a block, in whole groups of all methods.

        ``groups`` are the methods' numbers of pictures in a group. Without a ``frame_rate`` there is no sequence.
        """
        if frame_rate is None:
            return self
        together = lcm(*groups)
        return replace(self, block=together * ceil(frame_rate / together))

    def makes_intervals(self, pictures: int) -> bool:
        """Whether there are intervals over so many pictures."""
        return self.resamples > 0 and (self.block == 1 or self._blocks(pictures) >= FEWEST_BLOCKS)

    def _blocks(self, pictures: int) -> int:
        return -(-pictures // self.block)

    def weights(self, pictures: int) -> Weights:
        """How often each picture occurs in each resample: (P, R) int32."""
        blocks = self._blocks(pictures)
        raw = np.random.PCG64(np.random.SeedSequence(self.seed)).random_raw(self.resamples * blocks)
        drawn = ((raw >> np.uint64(32)) * np.uint64(blocks) >> np.uint64(32)).astype(np.int64)
        places = drawn + blocks * np.repeat(np.arange(self.resamples), blocks)
        counts = np.bincount(places, minlength=self.resamples * blocks).reshape(self.resamples, blocks)
        return np.ascontiguousarray(counts.T.astype(np.int32).repeat(self.block, 0)[:pictures])

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
        blocks = {"block": self.block} if self.block > 1 else {}
        return {"method": "percentile", "resamples": self.resamples, "seed": self.seed, "level": self.level, **blocks}


NO_BOOTSTRAP = Bootstrap(0)
