"""What each step of a training draws, from the seed and the step's number alone: pictures, noise, learning rate."""

from __future__ import annotations

from math import cos, pi
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vcm_ref.configuration.sections import Training

from .networks.noise import QP, Levels, quantised, step_of, stepped

_WARM_UP = 0.05  # the share of the steps in which the learning rate rises


class Noise(NamedTuple):
    """One kind of quantisation: levels of ``bits`` bits, multiples of ``step``, those of ``qp``, or none.

    ``qp`` is one for all pictures, or (N, 1, 1, 1), one for each.
    """

    bits: int | None = None
    step: float | None = None
    qp: QP | None = None

    def of(self, first: int, count: int) -> Noise:
        """The noise of ``count`` pictures from the ``first`` on."""
        return self._replace(qp=self.qp[first : first + count]) if isinstance(self.qp, Tensor) else self

    def paid_step(self, settings: Training) -> float | Tensor | None:
        """The step size whose bits are paid for; `None` where none are."""
        if self.qp is not None:
            return step_of(self.qp) if settings.rate_weight else None
        return self.step

    def __call__(self, coded: Tensor, levels: Levels) -> Tensor:
        """Quantise; the gradient passes through. For ``qp``, ``levels`` says how."""
        if self.qp is not None:
            return levels.coded(coded, self.qp)
        if self.bits is not None:
            return quantised(coded, self.bits)
        return coded if self.step is None else stepped(coded, self.step)


def chosen_at(settings: Training, number: int, count: int) -> list[int]:
    """The places, of ``count`` pictures, of those of step ``number``: each once an epoch, in an order of its own."""
    places = range(number * settings.batch, (number + 1) * settings.batch)
    orders = {
        epoch: np.random.default_rng([settings.seed, 0, epoch]).permutation(count)
        for epoch in {place // count for place in places}
    }
    return [int(orders[place // count][place % count]) for place in places]


def noise_at(settings: Training, number: int, count: int, device: torch.device) -> Noise:
    """The noise of step ``number``: one for all of its ``count`` pictures, or a QP for each."""
    random = np.random.default_rng([settings.seed, 1, number])
    if settings.qp_by_picture and settings.noise_qps:
        drawn = torch.tensor(random.choice(np.array(settings.noise_qps, np.float32), count))
        return Noise(qp=drawn.reshape(-1, 1, 1, 1).to(device, non_blocking=True))
    noises = noises_of(settings)
    return noises[random.integers(len(noises))]


def noises_of(settings: Training) -> list[Noise]:
    """No noise first, unless a rate is to be paid, or there are QPs; then each bit depth, each step, each QP."""
    depths = [Noise(bits=bits) for bits in settings.noise_bits or ()]
    steps = [Noise(step=step) for step in settings.noise_steps or ()]
    qps = [Noise(qp=qp) for qp in settings.noise_qps or ()]
    return [*([] if qps or (settings.rate_weight and steps) else [Noise()]), *depths, *steps, *qps]


def learning_rate(settings: Training, number: int) -> float:
    """A linear rise, then half a cosine down to nothing."""
    rise = max(1, round(_WARM_UP * settings.steps))
    if number < rise:
        return settings.learning_rate * (number + 1) / rise
    return settings.learning_rate * 0.5 * (1 + cos(pi * (number - rise) / max(1, settings.steps - rise)))
