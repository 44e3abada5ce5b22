"""Training the tables of a model (docs/bitstream.md, 8.10.5).

Counts of pictures are integers that add up, in any order and by any number of workers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .contexts import CONTEXTS, FLAGS, BandContexts, Levels, bands
from .counts import Counts, Ints
from .levels import flag_decisions, flag_places
from .tables import CONTEXT_COUNTS, SCALES, expected_means

#: A trained context counts as this many decisions at most: more, and it adapts too slowly.
WEIGHT = 60


def scales_of(mean_magnitudes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The scales uint8 of components whose mean magnitudes, in values, are float64 ``(C,)``."""
    with np.errstate(divide="ignore"):
        sixths = np.rint(6 * np.log2(mean_magnitudes)) + 128
    scales: NDArray[np.uint8] = np.clip(sixths, 0, 255).astype(np.uint8)
    return scales


def count_contexts(levels: Levels, scales: NDArray[np.uint8], qp: int) -> Ints:
    """Count the flags of the levels int32 ``(C, H, W)`` of one picture, coded with ``qp``, in their contexts.

    Returns int64 ``(FLAGS * CONTEXTS, 2)``; the counts of pictures and QPs are to be added.
    """
    counts = Counts(np.zeros((FLAGS * CONTEXTS, 2), np.int64), limit=None)
    means = expected_means(scales, qp)
    for first, end in bands(len(levels)):
        contexts = BandContexts(levels, first, end, means, None)
        for y in range(levels.shape[1]):
            counts.learn(*flag_decisions(levels[first:end, y], flag_places(contexts.row(y))))
    return np.stack([counts.zeros, counts.all], axis=1)


def table_tensors(scales: NDArray[np.uint8], counts: Ints) -> dict[str, NDArray[np.uint8]]:
    """The tensors for a model, from scales ``(C,)`` and the sum of :func:`count_contexts`."""
    zeros, all_ = counts.T
    weights = np.minimum(all_, WEIGHT)
    own = np.stack([(2 * zeros * weights + all_) // np.maximum(2 * all_, 1), weights], axis=1)
    return {SCALES: scales, CONTEXT_COUNTS: own.astype(np.uint8)}
