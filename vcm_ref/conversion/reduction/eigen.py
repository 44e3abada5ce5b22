"""Eigenvectors of a symmetric matrix, the same to the last bit on every machine and with any number of threads.

LAPACK's sums have an order that depends on the machine. Jacobi's method needs none: each of its rotations is made of
single binary64 operations, each rounded once. Rotations of disjoint pairs go together, as in Brent and Luk, "The
solution of singular-value and symmetric eigenvalue problems on multiprocessor arrays", SIAM J. Sci. Stat. Comput. 6
(1985).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

#: Entries beside the diagonal that are smaller than this, relative to the greatest on it, count as zero.
TOLERANCE = 2.0**-24
#: Sweeps converge quadratically: ten are more than matrices of thousands of rows take.
MOST_SWEEPS = 16


def eigenvectors(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Eigenvalues ``(n,)`` in falling order, and eigenvectors ``(n, n)``, one a column, of a symmetric matrix.

    Vectors have length 1 up to rounding; equal values keep the order in which they are found.
    """
    size = len(matrix)
    even = size + size % 2
    work = np.zeros((even, even))
    work[:size, :size] = matrix
    vectors = np.eye(even)
    places = np.arange(even)
    for _ in range(MOST_SWEEPS):
        beside = np.abs(work)
        np.fill_diagonal(beside, 0)
        if beside.max() <= TOLERANCE * np.abs(work.diagonal()).max():
            break
        for _ in range(max(even - 1, 1)):
            work, vectors, places = _round(work, vectors, places)
    values = work.diagonal()
    kept = np.flatnonzero(places < size)  # an odd matrix got a row of zeros, which no rotation touches
    found = kept[np.argsort(-values[kept], kind="stable")]
    return values[found], vectors[found, :size].T


def _round(work: Matrix, vectors: Matrix, places: NDArray[np.intp]) -> tuple[Matrix, Matrix, NDArray[np.intp]]:
    """Rotate row k against row k + n/2, for all k; then move the rows so that others meet."""
    half = len(work) // 2
    first, second = work.diagonal()[:half], work.diagonal()[half:]
    cosine, sine = _angles(first, second, work.diagonal(half))
    order = _next_order(half)
    once = _rotated(work, cosine, sine)
    twice = _rotated(np.ascontiguousarray(once.T), cosine, sine)  # symmetric again
    rows = np.arange(half)
    twice[rows, rows + half] = 0
    twice[rows + half, rows] = 0
    return twice.take(order, 0).take(order, 1), _rotated(vectors, cosine, sine).take(order, 0), places[order]


@cache
def _next_order(half: int) -> NDArray[np.intp]:
    """The row that each place takes next: the first stays, and all others go round one place."""
    round_table = [*range(half), *range(2 * half - 1, half - 1, -1)]
    round_table = [round_table[0], *round_table[-1:], *round_table[1:-1]]
    return np.array([*round_table[:half], *round_table[: half - 1 : -1]])


def _angles(first: Matrix, second: Matrix, beside: Matrix) -> tuple[Matrix, Matrix]:
    """Cosine and sine of the rotations that make the entries ``beside`` zero."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (second - first) / (2 * beside)
        tangent = np.copysign(1 / (np.abs(ratio) + np.sqrt(1 + ratio * ratio)), ratio)
    tangent = np.where(beside == 0, 0, tangent)
    cosine = 1 / np.sqrt(1 + tangent * tangent)
    return cosine, tangent * cosine


def _rotated(matrix: Matrix, cosine: Matrix, sine: Matrix) -> Matrix:
    """The upper half of the rows rotated against the lower one."""
    half = len(matrix) // 2
    upper, lower = matrix[:half], matrix[half:]
    turned = np.empty_like(matrix)
    np.multiply(upper, cosine[:, None], out=turned[:half])
    turned[:half] -= lower * sine[:, None]
    np.multiply(lower, cosine[:, None], out=turned[half:])
    turned[half:] += upper * sine[:, None]
    return turned
