"""Random draws and smooth fields that come out the same, to the bit, on every machine.

Only the raw 64-bit outputs of PCG64 are used: NumPy promises that stream for ever, while it reserves the right
to change what ``Generator.normal`` and the like make of it. Everything after that is ``+ - * /`` and ``sqrt``, each
of which IEEE 754 rounds in exactly one way; sines, exponentials, powers, matrix products and sums over floats are
avoided, since their last bit depends on the machine.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]
"""One (H, W) plane of float32 samples, or a block of them."""

Colour: TypeAlias = tuple[float, float, float]
"""Red, green and blue, each 0 to 255."""


class Draw:
    """A stream of random numbers fixed by ``seed`` (any integer from 0)."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Give a number from ``low`` up to, but not including, ``high``."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def integer(self, count: int) -> int:
        """Give one of 0 … ``count`` - 1."""
        return int(self._bits.random_raw()) % count

    def chance(self, probability: float) -> bool:
        """Give true with the stated probability."""
        return self.uniform() < probability

    def colour(self) -> Colour:
        """Give any colour."""
        return (self.uniform(0.0, 255.0), self.uniform(0.0, 255.0), self.uniform(0.0, 255.0))

    def rotation(self) -> tuple[float, float]:
        """Give (cosine, sine) of a random angle, by the rational half-angle form, which needs no libm."""
        t = self.uniform(-1.0, 1.0)
        cosine, sine = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
        return (-cosine, -sine) if self.chance(0.5) else (cosine, sine)

    def plane(self, height: int, width: int) -> Plane:
        """Give a (``height``, ``width``) plane of independent numbers in [0, 1)."""
        raw = self._bits.random_raw(height * width)
        return ((raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)).reshape(height, width)

    def grain(self, channels: int, height: int, width: int) -> NDArray[np.float32]:
        """Give (``channels``, ``height``, ``width``) nearly normal numbers of variance 1, mean 0.

        Each is the sum of four bytes, made standard: 255 wide, so the sum has variance 4 (256² - 1) / 12.
        """
        count = channels * height * width
        raw = self._bits.random_raw((count + 1) // 2).astype("<u8").view(np.uint8)
        total = np.zeros(2 * ((count + 1) // 2), np.int16)
        for lane in range(4):
            total += raw[lane::4]
        grain = (total[:count].astype(np.float32) - np.float32(510.0)) * np.float32(1.0 / 147.8005413)
        return grain.reshape(channels, height, width)


def ramp(draw: Draw, height: int, width: int) -> Plane:
    """Give a (``height``, ``width``) linear gradient from about -1 to 1 in a random direction."""
    cosine, sine = draw.rotation()
    rows, columns = centred_grid(height, width)
    half = 0.5 * (abs(cosine) * width + abs(sine) * height)
    slope: Plane = columns * np.float32(cosine / half) + rows * np.float32(sine / half)
    return slope


def centred_grid(height: int, width: int) -> tuple[Plane, Plane]:
    """Give the rows (``height``, 1) and columns (1, ``width``) of the samples' centres, zero in the middle."""
    rows = np.arange(height, dtype=np.float32)[:, None] - np.float32(0.5 * (height - 1))
    columns = np.arange(width, dtype=np.float32)[None, :] - np.float32(0.5 * (width - 1))
    return rows, columns


def lattice_noise(draw: Draw, height: int, width: int, cell: float) -> Plane:
    """Give a (``height``, ``width``) plane of noise from -1 to 1 that varies over about ``cell`` samples.

    Random values on a square lattice, interpolated linearly between its nodes.
    """
    step = np.float32(1.0 / cell)
    y = np.arange(height, dtype=np.float32) * step
    x = np.arange(width, dtype=np.float32) * step
    y0, x0 = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    fy, fx = (y - y0.astype(np.float32))[:, None], (x - x0.astype(np.float32))[None, :]
    nodes = draw.plane(int(y0[-1]) + 2, int(x0[-1]) + 2) * np.float32(2.0) - np.float32(1.0)
    across = nodes[:, x0] + (nodes[:, x0 + 1] - nodes[:, x0]) * fx
    noise: Plane = across[y0] + (across[y0 + 1] - across[y0]) * fy
    return noise
