"""What the levels coded before tell about those of a row (docs/bitstream.md, 8.10.3).

All is in integers. A mean magnitude is in 1/1024 of a level. The arrays of a row are ``(c, W)``: the components of a
band, and the positions of a line.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .counts import Ints

Levels = NDArray[np.int32]

UNIT = 1024
BAND = 24
#: The magnitude to the left, which is known last, is taken as 0, 1, or 2 for more.
LEFT = 3
#: The flags of a level: its magnitude is above 0, above 1, above 2.
FLAGS = 3
#: The number of contexts of a flag in each of three sets.
SETS = (64, 20 * LEFT * 10, 32 * 4)
CONTEXTS = sum(SETS)
SIGNS = 9
#: The least mean of each class but the first.
THRESHOLDS = np.array([(4 + i % 4) << (i // 4 + 2) for i in range(63)], np.int64)
# A binary64 number less its last 50 bits is its exponent and two bits of it: its class but for an addend. 16 is in 1.
_CLASS_BITS = 50
_CLASS_ADDEND = 1 - int(np.array([THRESHOLDS[0]], np.float64).view(np.int64)[0] >> _CLASS_BITS)
_EXPECTED_WEIGHT = 40
_LEAST = 16
_LEFTS = np.arange(LEFT)[:, None, None]
_SECOND, _THIRD = SETS[0], SETS[0] + SETS[1]


def bands(components: int) -> list[tuple[int, int]]:
    """First component and end of each band: of 1, 1, 2, 4, 8, 16 and then of 24 components; the last may have fewer."""
    starts = [0]
    while starts[-1] < components:
        starts.append(min(starts[-1] + min(max(starts[-1], 1), BAND), components))
    return list(pairwise(starts))


def classes(means: Ints) -> Ints:
    """The class of each mean magnitude, 0 to 63: four to an octave, from 1/64 of a level on."""
    found: Ints = (means.astype(np.float64).view(np.int64) >> _CLASS_BITS) + _CLASS_ADDEND
    return np.minimum(np.maximum(found, 0, out=found), len(THRESHOLDS), out=found)


class BandContexts:
    """The contexts of one band, row by row.

    ``levels`` int32 ``(C, H, W)`` are those of the picture, of which only what is coded is read. ``means`` int64
    ``(C,)`` are the mean magnitudes to expect, or None; ``before`` is the picture before, or None.
    """

    def __init__(self, levels: Levels, first: int, end: int, means: Ints | None, before: Levels | None) -> None:
        _, height, width = levels.shape
        self._own = levels[first:end]
        known = min(first, BAND)
        divisor = max(known, 1)
        energy = np.abs(levels[first - known : first]).sum(0, dtype=np.int64)
        around = 4 * energy
        around[1:] += energy[:-1]
        around[:-1] += energy[1:]
        around[:, 1:] += energy[:, :-1]
        around[:, :-1] += energy[:, 1:]
        self._density = around * (UNIT // 8) // divisor
        self._second_set = _SECOND + 10 * _LEFTS + np.minimum(classes(self._density) // 4, 9)
        mean = int(energy.sum()) * UNIT // (divisor * height * width)
        self._mean = mean + _LEAST
        self._before = None if before is None else before[first:end]
        if self._before is not None:
            self._expected = np.abs(self._before).sum((1, 2), dtype=np.int64) * UNIT // (height * width)
        elif means is not None:
            self._expected = means[first:end]
        else:
            self._expected = np.full(end - first, mean if known else UNIT)
        self._sum = np.zeros(end - first, np.int64)
        # magnitudes of the two lines above, with one more position at each side
        self._above, self._second = np.zeros((2, end - first, width + 2), np.int64)

    def row(self, y: int) -> Ints:
        """The contexts ``(sets, LEFT, c, W)`` of a flag in line ``y``; lines are asked for in order."""
        width = self._own.shape[2]
        if y:
            self._second, self._above = self._above, self._second
            np.abs(self._own[:, y - 1], out=self._above[:, 1:-1])
            self._sum += self._above.sum(1)
        north = self._above[:, 1:-1]
        around = self._above[:, :-2] + self._above[:, 2:]
        around += self._second[:, 1:-1]
        rate = ((_EXPECTED_WEIGHT * self._expected + UNIT * self._sum) // (_EXPECTED_WEIGHT + y * width))[:, None]
        likely = (rate + _LEAST) * self._density[y] // self._mean
        mean = 9 * UNIT * (4 * north + around)
        mean += 20 * rate
        mean += 100 * likely
        second = self._second_set[:, y, None]
        if self._before is not None:
            before = np.abs(self._before[:, y]).astype(np.int64)
            mean = (mean >> 1) + 96 * UNIT * before
            second = _SECOND + 10 * _LEFTS + np.minimum(before, 9)
        found = np.empty((len(SETS), LEFT, *north.shape), np.int64)
        found[0] = classes((mean >> 8) + 160 * _LEFTS)
        found[1] = second + 30 * np.minimum(classes(rate) >> 1, 19)
        found[2] = np.minimum(north + _LEFTS, 3) + (_THIRD + (classes(likely) >> 1 << 2))
        return found

    def signs(self, y: int) -> Ints:
        """The context ``(c, W)`` of a sign where there is no sign to the left: 3 more where it is +, 3 less for -.

        It is that of the sign of the level above, or of the level in the picture before.
        """
        other = self._before[:, y] if self._before is not None else self._own[:, y - 1] if y else 0 * self._own[:, 0]
        return np.sign(other) + 4
