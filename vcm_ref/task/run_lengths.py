"""COCO's run-length encoding of masks, checked before pycocotools, which takes any bytes on trust, reads it.

A mask of ``height`` rows and ``width`` columns is run through column by column; the runs are of samples outside and
inside in turn, beginning with outside. Compressed, each run is a number of 5 bits a character with a sixth bit for
"goes on", from the fourth run on as the difference from the run before the last (pycocotools, ``maskApi.c``,
``rleToString``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST = 48  # the character of the value 0
_GOES_ON = 0x20
_MOST_CHARACTERS = 7  # of one run: 35 bits are more than any picture needs


def fault_of_runs(counts: Any, height: int, width: int) -> str | None:
    """Say what is wrong with the ``counts`` of a mask of (height, width), or None.

    ``counts`` is a list of run lengths, or the compressed form as text or bytes.
    """
    if isinstance(counts, list):
        if not {type(run) for run in counts} <= {int}:
            return "a run length is not an integer"
        runs: list[int] = counts
    elif isinstance(counts, (str, bytes)):
        read = _decompressed(counts.encode("utf-8", "replace") if isinstance(counts, str) else counts)
        if read is None:
            return "the compressed run lengths are damaged"
        runs = read.tolist()
    else:
        return "counts are neither a list of run lengths nor a text"
    if runs and min(runs) < 0:
        return "a run length is negative"
    total = sum(runs)
    return None if total == height * width else f"the run lengths add up to {total}, not {width} x {height}"


def _decompressed(text: bytes) -> NDArray[np.int64] | None:
    """Give the run lengths, or None where ``text`` is not a whole number of numbers."""
    values = np.frombuffer(text, np.uint8).astype(np.int64) - _FIRST
    if not len(values):
        return values
    if values.min() < 0 or values.max() >= 2 * _GOES_ON or values[-1] & _GOES_ON:
        return None
    last = np.flatnonzero(values & _GOES_ON == 0)
    first = np.concatenate(([0], last[:-1] + 1))
    lengths = last - first + 1
    if lengths.max() > _MOST_CHARACTERS:
        return None
    places = np.arange(len(values)) - np.repeat(first, lengths)
    numbers = np.add.reduceat((values & 0x1F) << (5 * places), first)
    negative = (values[last] & 0x10) != 0
    numbers[negative] -= np.left_shift(1, 5 * lengths[negative])
    for start in (1, 2):  # both chains of differences: runs 1, 3, 5 … and 2, 4, 6 …
        numbers[start::2] = np.cumsum(numbers[start::2])
    return numbers
