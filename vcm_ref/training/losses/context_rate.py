"""The rate of levels in training: code lengths under Laplace distributions whose scales follow from what is known.

The coder of levels adapts to the picture (docs/bitstream.md, 8.10.3): a level is likely to be large where those coded
before it are, to the left and above in its component, and in the components before. The scale of a level's distribution
is a sum of three parts with positive weights, learnt for each component: one of its own, which changes with the step
size by a learnt power, the mean magnitude around, and that of the components before. (Minnen et al., "Joint
Autoregressive and Hierarchical Priors for Learned Image Compression", 2018, learn contexts by a network.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .rate import laplace_bits

#: The components before that count, as many as a band of the coder has.
_BEFORE = 24
#: The weights of the magnitudes around: those above, and that to the left.
_AROUND = ((1.0, 2.0, 1.0), (2.0, 0.0, 0.0), (0.0, 0.0, 0.0))
#: The rounding from which magnitudes become known.
_ROUNDING = 0.3
_LEAST_SCALE = 0.02


class ContextRate(nn.Module):
    """Distributions for each of the components whose standard deviations are given, from the first to the last."""

    around: Tensor

    def __init__(self, deviations: Sequence[float]) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.tensor([log(max(one, 1e-6) / 2) for one in deviations]))
        self.power = nn.Parameter(torch.zeros(len(deviations)))
        self.near = nn.Parameter(torch.full((len(deviations),), log(0.3)))
        self.before = nn.Parameter(torch.full((len(deviations),), log(0.1)))
        around = torch.tensor(_AROUND) / sum(map(sum, _AROUND))
        self.register_buffer("around", around.expand(len(deviations), 1, 3, 3).clone())

    def forward(self, coded: Tensor, step: float | Tensor) -> Tensor:
        """The bits of ``coded`` (N, C, h, w) in multiples of ``step``, a number or (N, 1, 1, 1): (N, C, h, w).

        Gradients pass through the values, not through what they tell of others.
        """
        values = coded / step
        with torch.no_grad():
            magnitudes = torch.floor(values.abs() + _ROUNDING)
            near = F.conv2d(magnitudes, self.around, padding=1, groups=len(self.own))
            before = _means_before(magnitudes)
        own, power, share, other = (
            one.reshape(1, -1, 1, 1) for one in (self.own, self.power, self.near.exp(), self.before.exp())
        )
        height = torch.as_tensor(step, dtype=coded.dtype, device=coded.device).log()
        scale = torch.exp(own + (power / log(2) - 1) * height) + share * near + other * before
        return laplace_bits(values, scale.clamp(min=_LEAST_SCALE), 1.0)


def _means_before(magnitudes: Tensor) -> Tensor:
    """The mean of the components before each one, and around its position."""
    sums = F.pad(magnitudes.cumsum(1), (0, 0, 0, 0, _BEFORE + 1, 0))
    count = magnitudes.shape[1]
    means = (sums[:, _BEFORE : _BEFORE + count] - sums[:, :count]) / _BEFORE
    return F.avg_pool2d(means, 3, stride=1, padding=1, count_include_pad=False)
