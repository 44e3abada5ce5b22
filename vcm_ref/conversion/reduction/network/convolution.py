"""Convolution of integers by products of matrices (docs/bitstream.md, 8.11).

Every partial sum is an integer below 2**53, so binary64 holds it exactly and the order of additions does not matter:
the library may use any number of threads. Where all sums stay below 2**24, binary32 does the same in half the time. So
it does where the weights of a channel fall into a few parts of which this is true; the sums of the parts are added in
binary64.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Form, Operation
from .rules import sum_bounds

_EXACT_SINGLE = 1 << 24
#: Weights of a part; with fewer, products of binary64 are as fast. The number of parts has a bound, and so has the time
#: to find them.
_FEWEST_WEIGHTS = 128
_MOST_PARTS = 32
#: Bytes of what is multiplied at a time, and of its sums; the fewest samples that this is for, unless they take more
#: than the most bytes.
_COLUMN_BYTES = 1 << 23
_FEWEST_SAMPLES = 64
_MOST_COLUMN_BYTES = 1 << 28


class Convolution:
    """A CONVOLUTION with its weights as a matrix for each group."""

    def __init__(self, operation: Operation, first: Form, result: Form, *, ready: bool = True) -> None:
        """With ``ready`` the weights are kept as floating-point numbers, of which each takes up to eight bytes."""
        weight = operation.numbers["weight"]
        outputs, members, side, _ = weight.shape
        self._groups, self._members, self._side = first.channels // members, members, side
        self._stride, self._result = 1 << operation.p, result
        matrix = weight.transpose(0, 2, 3, 1).reshape(self._groups, outputs // self._groups, -1)
        parts = _parts(matrix, first.magnitude)
        self._parts = parts or [slice(None)]
        self._type = np.dtype(np.float32 if parts else np.float64)  # of the products
        single = len(parts) == 1 and max(sum_bounds(operation, first)) < _EXACT_SINGLE
        self._whole = np.dtype(np.float32 if single else np.float64)  # of the whole sums, with their biases
        self._matrix: NDArray[Any] = np.ascontiguousarray(matrix, self._type if ready else None)
        shift = operation.numbers["shift"].astype(np.int32)
        half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
        self._offset = (operation.numbers["bias"] + half).astype(self._whole).reshape(-1, 1, 1)
        self._scale = np.ldexp(1.0, -shift).astype(self._whole).reshape(-1, 1, 1)

    def __call__(self, first: NDArray[np.int32]) -> NDArray[np.int32]:
        """Convolve int32 ``(C, H, W)`` to int32 ``(O, H', W')``."""
        height, width = (size // self._stride for size in first.shape[1:])
        before = (self._side - 1) // 2
        after = max(0, self._side - before - self._stride)
        padded = np.pad(first, ((0, 0), (before, after), (before, after))) if before or after else first
        result = np.empty((self._result.channels, height, width), np.int32)
        matrix = self._matrix.astype(self._type, copy=False)
        each = max(self._side**2 * len(first), len(result)) * self._type.itemsize
        count = max(1, _COLUMN_BYTES // each, min(_FEWEST_SAMPLES, _MOST_COLUMN_BYTES // each))
        columns = min(width, count)
        rows = max(1, count // columns)
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                lines, samples = min(rows, height - top), min(columns, width - left)
                met = self._columns(padded, (top, left), (lines, samples))
                sums = self._sums(matrix, met).reshape(len(result), lines, samples)
                result[:, top : top + lines, left : left + samples] = self._rounded(sums)
        return result

    def _columns(self, padded: NDArray[np.int32], place: tuple[int, int], size: tuple[int, int]) -> NDArray[Any]:
        """What the weights of each sample of a part of the result meet, ``(groups, weights, samples)``."""
        side, stride = self._side, self._stride
        if side == 1 and self._groups == 1 and stride == 1:
            top, left = place
            part = padded[:, top : top + size[0], left : left + size[1]]
            return part.astype(self._type).reshape(1, len(padded), -1)
        taps = np.empty((self._groups, side * side, self._members, *size), self._type)
        for tap in range(side * side):
            top, left = place[0] * stride + tap // side, place[1] * stride + tap % side
            part = padded[
                :, top : top + stride * (size[0] - 1) + 1 : stride, left : left + stride * (size[1] - 1) + 1 : stride
            ]
            taps[:, tap] = part.reshape(self._groups, self._members, *size)
        return taps.reshape(self._groups, side * side * self._members, -1)

    def _sums(self, matrix: NDArray[Any], met: NDArray[Any]) -> NDArray[Any]:
        """Multiply ``matrix`` by the samples ``met``, part by part, and add up the products."""
        first, *others = (np.matmul(matrix[..., part], met[:, part]) for part in self._parts)
        sums: NDArray[Any] = first.astype(self._whole, copy=False)
        for other in others:
            sums += other
        return sums

    def _rounded(self, sums: NDArray[Any]) -> NDArray[Any]:
        """Add biases, shift with rounding, clip. A scaling by a power of two is exact."""
        sums += self._offset
        sums *= self._scale
        np.floor(sums, out=sums)
        magnitude = self._result.magnitude
        if magnitude < _EXACT_SINGLE or self._whole == np.float64:
            np.clip(sums, -magnitude, magnitude - 1, out=sums)
        return sums


def _parts(matrix: NDArray[Any], magnitude: int) -> list[slice]:
    """The fewest parts of the weights of ``matrix`` ``(groups, outputs, weights)`` whose sums binary32 holds exactly.

    ``magnitude`` is the largest that the weights meet. The list is empty where there would be too many parts.
    """
    weights = np.abs(matrix.astype(np.int32))
    count = weights.shape[2]
    most = min(_MOST_PARTS, max(1, count // _FEWEST_WEIGHTS))
    fewest = int(weights.sum(axis=2, dtype=np.int64).max()) * magnitude // _EXACT_SINGLE + 1
    for parts in range(fewest, most + 1):
        edges = [count * number // parts for number in range(parts + 1)]
        largest = int(np.add.reduceat(weights, edges[:-1], axis=2, dtype=np.int64).max())
        if largest * magnitude < _EXACT_SINGLE:
            return [slice(first, last) for first, last in pairwise(edges)]
    return []
