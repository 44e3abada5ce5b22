"""Coding the levels of pictures, decision by decision (docs/bitstream.md, 8.10.2).

One description serves both directions: it writes or reads as its coder does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import CodecError
from .contexts import CONTEXTS, FLAGS, LEFT, SIGNS, BandContexts, Levels, bands
from .counts import Counts, Ints
from .range_coder import BinaryCoder
from .tables import Tables

MAX_LEVEL = 65535
#: A level above 2 is coded as its length and its bits; a length is 0 to 15, in one of 16 groups of contexts.
LENGTHS = 15
GROUPS = 16
_FLAG_OFFSETS = (CONTEXTS * np.arange(FLAGS))[:, None, None, None]


class LevelCoder:
    """Codes one tensor, picture after picture, and learns from each row."""

    def __init__(self, coder: BinaryCoder, tables: Tables, components: int) -> None:
        self._coder = coder
        self._tables = tables
        self._bands = bands(components)
        self._flags = Counts(tables.counts)
        self._signs = Counts(np.zeros((SIGNS * (1 + components), 2), np.int64))
        self._lengths = Counts(np.zeros((GROUPS * LENGTHS, 2), np.int64))
        self._length_zero = self._lengths.zero(np.arange(GROUPS * LENGTHS)[None]).tolist()

    def picture(self, levels: Levels, before: Levels | None = None, dependent: bool = False) -> None:
        """Code the levels int32 ``(C, H, W)``; a reader is given zeros, and fills them in.

        Behind a picture ``before``, a writer says whether to code differences from it. Raises :class:`CodecError` for
        levels that no encoder writes.
        """
        if before is None or not self._coder.bits(1, int(dependent)):
            self._bands_of(levels, None)
            return
        if self._coder.reading:
            self._bands_of(levels, before)
            levels += before
        else:
            self._bands_of(levels - before, before)
        if np.abs(levels).max() > MAX_LEVEL:
            raise CodecError("coefficients: a level of more than 16 bits behind the picture before")

    def _bands_of(self, levels: Levels, before: Levels | None) -> None:
        """Code levels, or differences from those of the picture ``before``."""
        last = np.flatnonzero(levels.any((1, 2)))
        used = sum(first <= last[-1] for first, _ in self._bands) if len(last) else 0
        used = self._coder.bits(len(self._bands).bit_length(), used)
        if used > len(self._bands):
            raise CodecError(f"coefficients: {used} bands of {len(self._bands)}")
        for first, end in self._bands[:used]:
            contexts = BandContexts(levels, first, end, self._tables.means, before)
            for y in range(levels.shape[1]):
                self._row(contexts, first, y, levels[first:end, y])
        if used and not levels[self._bands[used - 1][0] :].any():
            raise CodecError("coefficients: the last band that is coded has no level")

    def _row(self, contexts: BandContexts, first: int, y: int, row: Levels) -> None:
        """Code line ``y`` of a band, int32 ``(c, W)``."""
        count, width = row.shape
        sets = contexts.row(y)
        places = flag_places(sets)
        above = self._flags.zero(places)
        zero, one, two = above[0].tolist(), above[1].data, above[2].data  # the latter are needed rarely
        groups = (sets[0] >> 2).reshape(LEFT, -1).data
        sign_of = (contexts.signs(y) + SIGNS * np.arange(count)[:, None]).ravel()
        common = np.arange(SIGNS * count)
        sign_places = np.stack([common % SIGNS, common + SIGNS * (1 + first)])
        signs, alone = self._signs.zero(sign_places).tolist(), sign_of.tolist()
        values = row.ravel().tolist()
        lengths: list[int] = []
        bit = self._coder.bit
        for start in range(0, count * width, width):
            left = sign = 0
            for i in range(start, start + width):
                value = values[i]
                if not bit(zero[left][i], value != 0):
                    left = sign = 0
                    continue
                level = abs(value)
                if not bit(one[left, i], level > 1):
                    level = 1
                elif not bit(two[left, i], level > 2):
                    level = 2
                else:
                    level = 3 + self._rest(groups[left, i], level - 3, lengths)
                sign = -1 if bit(signs[alone[i] + 3 * sign], value < 0) else 1
                left = min(level, 2)
                values[i] = sign * level
        row[...] = np.array(values, np.int32).reshape(count, width)
        self._learn(row, places, sign_places, sign_of, lengths)

    def _rest(self, group: int, value: int, lengths: list[int]) -> int:
        """Code the part of a magnitude above 3: the length of this plus 1, and its bits.

        ``lengths`` gets each decision as twice its context plus its value.
        """
        wanted = (value + 1).bit_length() - 1
        length = 0
        while length < LENGTHS:
            place = LENGTHS * group + length
            more = self._coder.bit(self._length_zero[place], length < wanted)
            lengths.append(2 * place + more)
            if not more:
                break
            length += 1
        value = (1 << length) - 1 + self._coder.bits(length, value + 1 - (1 << length))
        if value + 3 > MAX_LEVEL:
            raise CodecError(f"coefficients: a level of {value + 3}")
        return value

    def _learn(self, row: Levels, places: Ints, sign_places: Ints, sign_of: Ints, lengths: list[int]) -> None:
        """Count the decisions of a row."""
        self._flags.learn(*flag_decisions(row, places))
        there = np.flatnonzero(row)
        if len(there):
            lefts = np.zeros_like(row)
            np.sign(row[:, :-1], out=lefts[:, 1:])
            own_signs = sign_places.take((sign_of + 3 * lefts.ravel()).take(there), axis=1)
            self._signs.learn(own_signs, row.ravel().take(there) < 0)
        if lengths:
            found = np.array(lengths)
            self._lengths.learn(found[None] >> 1, found & 1 > 0)
            self._length_zero = self._lengths.zero(np.arange(GROUPS * LENGTHS)[None]).tolist()


def is_like(levels: Levels, before: Levels | None) -> bool:
    """Whether an encoder had better code levels ``(C, H, W)`` as differences from those of the picture before.

    The choice is the encoder's own: by the binary digits that they have. Differences of more than 16 bits have no code.
    """
    if before is None:
        return False
    differences = levels - before
    digits, digits_of_differences = (int(np.frexp(np.abs(one))[1].sum()) for one in (levels, differences))
    return digits_of_differences < digits and int(np.abs(differences).max()) <= MAX_LEVEL


def flag_places(sets: Ints) -> Ints:
    """The contexts of all flags ``(sets, FLAGS, LEFT, N)`` of a row, from :meth:`BandContexts.row`."""
    return (sets[:, None] + _FLAG_OFFSETS).reshape(len(sets), FLAGS, LEFT, -1)


def flag_decisions(row: Levels, places: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """The flags that a row ``(c, W)`` has: the contexts ``(sets, N)`` of each, and its value."""
    magnitudes = np.abs(row)
    own = lefts_of(magnitudes).ravel() * row.size + np.arange(row.size)
    flags, magnitudes = np.arange(FLAGS)[:, None], magnitudes.ravel()
    reached = np.flatnonzero(magnitudes >= flags)
    own = (own + LEFT * row.size * flags).take(reached)
    return places.reshape(len(places), -1).take(own, axis=1), (magnitudes > flags).take(reached)


def lefts_of(magnitudes: Levels) -> Levels:
    """The magnitude to the left of each in a row ``(c, W)``, 0 to 2."""
    lefts = np.zeros_like(magnitudes)
    lefts[:, 1:] = np.minimum(magnitudes[:, :-1], LEFT - 1)
    return lefts
