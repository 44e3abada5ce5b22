"""The rate of a coded tensor in training: the code length of its rounded values under one distribution a map.

Ballé et al., "End-to-end Optimized Image Compression", 2017, with Laplace distributions for their densities.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn

_LEAST = 1e-9  # the least probability of a value


class LaplaceRate(nn.Module):
    """A Laplace distribution for each of ``channels`` maps, whose place and scale are learnt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))

    def forward(self, coded: Tensor, step: float | Tensor) -> Tensor:
        """The bits of ``coded`` (N, C, H, W) in multiples of ``step``, a number or (N, 1, 1, 1): (N, C, H, W)."""
        place, scale = (values.reshape(1, -1, 1, 1) for values in (self.place, self.log_scale.exp()))
        return laplace_bits(coded - place, scale, step)


def laplace_bits(values: Tensor, scale: Tensor, step: float | Tensor) -> Tensor:
    """The bits of ``values`` in multiples of ``step`` under Laplace distributions about 0.

    Every value spreads over the interval that rounds to it, so that the gradient is everywhere.
    """
    distance, half = values.abs(), step / 2
    share = _below((distance + half) / scale) - _below((distance - half) / scale)
    # far from 0 the difference of two numbers near 1 is lost; the logarithm of the tail takes its place
    near = -torch.log(share.clamp(min=_LEAST))
    far = (distance - half) / scale + log(2) - torch.log(-torch.expm1(-(step / scale)))
    return torch.where(distance < half, near, far) / log(2)


def _below(x: Tensor) -> Tensor:
    """The probability of less than ``x`` under the Laplace distribution of place 0 and scale 1."""
    tail = 0.5 * torch.exp(-x.abs())
    return torch.where(x > 0, 1 - tail, tail)
