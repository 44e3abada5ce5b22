"""Restoration after a joint KLT: its linear inverse, and a residual that is trained by what part 2 makes of it.

The network begins as the linear inverse, for its last convolution begins at zero. One network serves all QPs::

    components ─┬────────────────── linear inverse 1×1 ─────────────────┬─ + ─ samples ─ layers
                └─ / deviation ─┬─ 3×3 ─ blocks of ReLU, 3×3, ReLU, 1×1 ─ 1×1 ─┘
    QP ─────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...conversion.reduction.klt_model import KltModel
from ...errors import ModelError
from .growing import grown
from .reduction_network import ReductionNetwork

#: Fraction bits of a component as the stage KLT takes it, and the right shift of its sums (docs/bitstream.md, 8.9).
_FRACTION, _RIGHT_SHIFT = 8, 14
#: The QP whose step is 1, and the QPs for which the step doubles.
_MIDDLE_QP, _QPS_OF_OCTAVE = 32, 6


def as_octaves(qp: Tensor) -> Tensor:
    """The logarithm to base 2 of a QP's step size, which networks are given."""
    return (qp - _MIDDLE_QP) / _QPS_OF_OCTAVE


class LinearInverse(NamedTuple):
    """What a KLT restores: all layers' entries for a point, ``weight`` (entries, components) and ``mean`` (entries,).

    Layer ``i`` has ``channels[i]`` maps of ``2**shifts[i]`` lines and columns a point, in the order of pixel shuffle.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    channels: tuple[int, ...]
    shifts: tuple[int, ...]


def linear_inverse(model: KltModel, channels: Sequence[int], components: int | None = None) -> LinearInverse:
    """The real numbers that a model of the stage KLT stands for, of its first ``components``.

    Raises :class:`ModelError` for a model with a first step, or for other channels.
    """
    if any(layer.first is not None for layer in model.layers):
        raise ModelError("its layers have first steps, whose products a restoration network does not hold")
    found = [layer.shifts(count) for layer, count in zip(model.layers, channels, strict=True)]
    if None in found:
        raise ModelError(f"it is not for layers of {', '.join(map(str, channels))} channels")
    maps = [layer.joint for layer in model.layers]
    weight = np.concatenate([one.basis.T.astype(np.float64) * one.scale for one in maps])
    mean = np.concatenate([one.mean.astype(np.float64) for one in maps])
    fraction = _RIGHT_SHIFT + model.gain
    return LinearInverse(
        np.ldexp(weight[:, :components], _FRACTION - _RIGHT_SHIFT - fraction),
        np.ldexp(mean, -fraction),
        tuple(channels),
        tuple(shifts[1] for shifts in found if shifts is not None),
    )


class _Block(nn.Module):
    """ReLU, 3×3, ReLU, 1×1, added to what came."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Refine (N, width, h, w)."""
        refined: Tensor = x + self.steps(x)
        return refined


class KltRestoration(nn.Module):
    """The linear inverse, which stays as it is, and the residual."""

    gains: Tensor

    def __init__(self, inverse: LinearInverse, deviations: Sequence[float], width: int = 256, blocks: int = 2) -> None:
        """``deviations`` are the standard deviations of the components; ``width`` channels are in the residual."""
        super().__init__()
        entries, components = inverse.weight.shape
        self._counts = [count << 2 * shift for count, shift in zip(inverse.channels, inverse.shifts, strict=True)]
        self._shifts = inverse.shifts
        self.linear = nn.Conv2d(components, entries, 1)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(inverse.weight)[:, :, None, None])
            assert self.linear.bias is not None
            self.linear.bias.copy_(torch.from_numpy(inverse.mean))
        self.linear.requires_grad_(False)
        self.register_buffer("gains", 1 / torch.tensor(deviations, dtype=torch.float32).reshape(1, -1, 1, 1))
        self.first = nn.Conv2d(components + 1, width, 3, padding=1)
        self.blocks = nn.Sequential(*[_Block(width) for _ in range(blocks)])
        self.last = nn.Conv2d(width, entries, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, components: Tensor, qp: Tensor) -> list[Tensor]:
        """Restore the layers from ``components`` (N, K, h, w) that were coded with ``qp`` (N, 1, h, w)."""
        x = self.blocks(self.first(torch.cat([components * self.gains, as_octaves(qp)], 1)))
        entries = self.linear(components) + self.last(x)
        parts = torch.split(entries, self._counts, 1)
        return [
            functional.pixel_shuffle(parts[index], 1 << shift) if shift else parts[index]
            for index, shift in enumerate(self._shifts)
        ]


class Projection(nn.Module):
    """The projection on the components, as one convolution 1×1 of all layers' blocks."""

    def __init__(self, inverse: LinearInverse, gain: int) -> None:
        """``gain`` is the model's: the power of two that layers are multiplied by before the orthonormal basis."""
        super().__init__()
        self._shifts = inverse.shifts
        weight = np.ldexp(inverse.weight.T, 2 * gain)
        components, entries = weight.shape
        self.projection = nn.Conv2d(entries, components, 1)
        with torch.no_grad():
            self.projection.weight.copy_(torch.from_numpy(weight)[:, :, None, None])
            assert self.projection.bias is not None
            self.projection.bias.copy_(torch.from_numpy(-(weight @ inverse.mean)))
        self.projection.requires_grad_(False)

    def blocks(self, layers: Sequence[Tensor]) -> Tensor:
        """The entries of all layers at each position: (N, entries, h, w)."""
        blocks = [
            functional.pixel_unshuffle(layers[index], 1 << shift) if shift else layers[index]
            for index, shift in enumerate(self._shifts)
        ]
        return torch.cat(blocks, 1)


class KltAnalysis(Projection):
    """The projection alone."""

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Project ``layers``, each (N, C, H, W), on components (N, K, h, w)."""
        components: Tensor = self.projection(self.blocks(layers))
        return components


class RestoredKlt(ReductionNetwork):
    """A KLT, which stays as it is, and the restoration after it, which is trained."""

    conditioned = True

    def __init__(
        self, inverse: LinearInverse, gain: int, deviations: Sequence[float], width: int = 256, blocks: int = 2
    ) -> None:
        """As :class:`KltRestoration` and :class:`KltAnalysis`."""
        super().__init__(inverse.channels, inverse.shifts, inverse.weight.shape[1])
        self.analysis = KltAnalysis(inverse, gain)
        self.synthesis = KltRestoration(inverse, deviations, width, blocks)

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of such a network, perhaps of fewer components or fewer blocks."""
        self.load_state_dict(grown(weights, self.state_dict()))
