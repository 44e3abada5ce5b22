"""Restoration after a joint KLT: its linear inverse, and a residual that is trained by what part 2 makes of it.

The network begins as the linear inverse, for its last convolution begins at zero. One network serves all QPs::

    components ─┬────────────────── linear inverse 1×1 ─────────────────┬─ + ─ samples ─ layers
                └─ / deviation ─┬─ 3×3 ─ blocks of ReLU, 3×3, ReLU, 1×1 ─ 1×1 ─┘
    QP ─────────────────────────┘

Where the KLT has first steps, both of its steps are in the network, and the residual is added between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...conversion.reduction.klt import FRACTION, LAYER_FRACTION, SCALE_FRACTION
from ...conversion.reduction.klt_model import KltModel, LinearMap
from ...errors import ModelError
from .growing import grown
from .reduction_network import ReductionNetwork

#: The QP whose step is 1, and the QPs for which the step doubles.
_MIDDLE_QP, _QPS_OF_OCTAVE = 32, 6


def as_octaves(qp: Tensor) -> Tensor:
    """The logarithm to base 2 of a QP's step size, which networks are given."""
    return (qp - _MIDDLE_QP) / _QPS_OF_OCTAVE


class FirstStep(NamedTuple):
    """What a KLT's first step restores of a layer: ``weight`` (C * 4**shift, n) and ``mean`` (C * 4**shift,).

    These are the samples of blocks with ``2**shift`` lines and columns, each from n numbers.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    shift: int


class LinearInverse(NamedTuple):
    """What a KLT restores: all layers' entries for a point, ``weight`` (entries, components) and ``mean`` (entries,).

    Layer ``i`` has ``channels[i]`` maps of ``2**shifts[i]`` lines and columns a point, in the order of pixel shuffle.
    Its entries are its samples or, where ``first[i]`` is there, the numbers that this step takes.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    channels: tuple[int, ...]
    shifts: tuple[int, ...]
    first: tuple[FirstStep | None, ...]

    @property
    def counts(self) -> list[int]:
        """The entries of each layer."""
        return [
            (count << 2 * shift) if first is None else (first.weight.shape[1] << 2 * (shift - first.shift))
            for count, shift, first in zip(self.channels, self.shifts, self.first, strict=True)
        ]

    @property
    def entry_shifts(self) -> tuple[int, ...]:
        """Layer ``i`` has ``2**entry_shifts[i]`` lines and columns of entries a point."""
        return tuple(
            shift - (0 if first is None else first.shift) for shift, first in zip(self.shifts, self.first, strict=True)
        )


def linear_inverse(model: KltModel, channels: Sequence[int], components: int | None = None) -> LinearInverse:
    """The real numbers that a model of the stage KLT stands for, of its first ``components``.

    Raises :class:`ModelError` for other channels.
    """
    found = [layer.shifts(count) for layer, count in zip(model.layers, channels, strict=True)]
    shifts = [pair for pair in found if pair is not None]
    if len(shifts) < len(found):
        raise ModelError(f"it is not for layers of {', '.join(map(str, channels))} channels")
    weights, means, first = [], [], []
    for layer, (own, _) in zip(model.layers, shifts, strict=True):
        direct = layer.first is None
        weight, mean = _real(layer.joint, model.gain if direct else 0, LAYER_FRACTION if direct else FRACTION)
        weights.append(weight[:, :components])
        means.append(mean)
        first.append(None if layer.first is None else FirstStep(*_real(layer.first, model.gain, LAYER_FRACTION), own))
    return LinearInverse(
        np.concatenate(weights),
        np.concatenate(means),
        tuple(channels),
        tuple(shift for _, shift in shifts),
        tuple(first),
    )


def _real(linear: LinearMap, gain: int, mean_fraction: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (entries, components) and mean of one map, whose entries have been multiplied by ``2**gain``."""
    weight = linear.basis.T.astype(np.float64) * linear.scale
    return np.ldexp(weight, -SCALE_FRACTION - gain), np.ldexp(linear.mean.astype(np.float64), -mean_fraction - gain)


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
        self._counts = inverse.counts
        self._shifts = inverse.entry_shifts
        self._first_shifts = [0 if step is None else step.shift for step in inverse.first]
        self.linear = _fixed(inverse.weight, inverse.mean)
        self.firsts = nn.ModuleList(
            nn.Identity() if step is None else _fixed(step.weight, step.mean) for step in inverse.first
        )
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
        layers = []
        for index, first in enumerate(self.firsts):
            numbers = _shuffled(parts[index], self._shifts[index])
            layers.append(_shuffled(first(numbers), self._first_shifts[index]))
        return layers


def _fixed(weight: NDArray[np.float64], bias: NDArray[np.float64]) -> nn.Conv2d:
    """A convolution 1×1 with these numbers, ``(out, in)`` and ``(out,)``, which stay."""
    made = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(weight)[:, :, None, None])
        assert made.bias is not None
        made.bias.copy_(torch.from_numpy(bias))
    return made.requires_grad_(False)


def _shuffled(x: Tensor, shift: int) -> Tensor:
    return functional.pixel_shuffle(x, 1 << shift) if shift else x


def _unshuffled(x: Tensor, shift: int) -> Tensor:
    return functional.pixel_unshuffle(x, 1 << shift) if shift else x


class Projection(nn.Module):
    """The projection on the components, as one convolution 1×1 of all layers' blocks, after the first steps."""

    def __init__(self, inverse: LinearInverse, gain: int) -> None:
        """``gain`` is the model's: the power of two that layers are multiplied by before the orthonormal bases."""
        super().__init__()
        self._shifts = inverse.entry_shifts
        self._first_shifts = [0 if step is None else step.shift for step in inverse.first]
        gains = [0 if step else gain for step in inverse.first]
        weight = np.ldexp(inverse.weight, 2 * np.repeat(gains, inverse.counts)[:, None]).T
        self.projection = _fixed(weight, -(weight @ inverse.mean))
        firsts: list[nn.Module] = []
        for step in inverse.first:
            if step is None:
                firsts.append(nn.Identity())
                continue
            weight = np.ldexp(step.weight.T, 2 * gain)
            firsts.append(_fixed(weight, -(weight @ step.mean)))
        self.firsts = nn.ModuleList(firsts)

    def blocks(self, layers: Sequence[Tensor]) -> Tensor:
        """The entries of all layers at each position: (N, entries, h, w)."""
        blocks = []
        for index, first in enumerate(self.firsts):
            numbers = first(_unshuffled(layers[index], self._first_shifts[index]))
            blocks.append(_unshuffled(numbers, self._shifts[index]))
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
