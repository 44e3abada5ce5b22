"""Quantisation inside a network that is being trained: the values are rounded, the gradients pass straight through.

Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor

from ...conversion.levels import step_size

#: A QP for all pictures, or one for each, (N, 1, 1, 1).
QP = int | Tensor


class _Straight(torch.autograd.Function):
    """Rounding, whose gradient is 1."""

    @staticmethod
    def forward(_: object, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(_: object, gradient: Tensor) -> Tensor:
        return gradient


def straight_round(x: Tensor) -> Tensor:
    """Round ``x``, ties to even; the gradient passes unchanged."""
    return cast(Tensor, _Straight.apply(x))


def quantised(coded: Tensor, bits: int, *, by_channel: bool = False) -> Tensor:
    """Each tensor of ``coded`` (N, C, H, W) in ``2**bits`` levels between its minimum and its maximum, as values.

    This is the rule of docs/bitstream.md, clause 8.6, with one range a tensor or, with ``by_channel``, one a map. The
    gradient passes through as if nothing had been rounded.
    """
    axes = (2, 3) if by_channel else (1, 2, 3)
    low = coded.detach().amin(axes, keepdim=True)
    step = (coded.detach().amax(axes, keepdim=True) - low) / ((1 << bits) - 1)
    step = torch.where(step > 0, step, torch.ones_like(step))
    return straight_round((coded - low) / step) * step + low


def stepped(coded: Tensor, step: float) -> Tensor:
    """``coded`` in multiples of ``step``; the gradient passes through as if nothing had been rounded."""
    return straight_round(coded / step) * step


def step_of(qp: QP) -> float | Tensor:
    """The step size of a QP; of a tensor with the root not rounded, which is within 0.5 % of it."""
    return torch.exp2((qp - 32) / 6) if isinstance(qp, Tensor) else step_size(qp)


class Levels(NamedTuple):
    """How the encoder makes levels of values, and what levels stand for (docs/bitstream.md, 8.10.1).

    A magnitude is the value over the step size plus ``rounding``, without its fraction; it stands for itself plus
    ``offsets``, of 1 and of more, in steps.
    """

    rounding: float
    offsets: tuple[float, float]

    def coded(self, values: Tensor, qp: QP) -> Tensor:
        """What is decoded of ``values`` (N, C, h, w) coded with ``qp``; the gradient passes through."""
        step, given = step_of(qp), values.detach()
        magnitudes = torch.floor(given.abs() / step + self.rounding)
        one, more = self.offsets
        moved = magnitudes + torch.where(magnitudes > 1, more, one) * (magnitudes > 0)
        return torch.sign(given) * moved * step + (values - given)
