"""The form that a network for reduction has in training: an analysis, a synthesis, and the sizes that both agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from .noise import QP


class ReductionNetwork(nn.Module):
    """Layer ``i``, finest first, has ``channels[i]`` maps of ``2**shifts[i]`` lines and columns a point of the lattice.

    ``analysis`` takes the layers ``(N, C, H, W)`` and gives ``coded`` maps of one sample a point; ``synthesis`` takes
    these and gives the layers. Each takes the QP ``(N, 1, h, w)`` as well where ``analysis_conditioned`` or
    ``conditioned`` says so.
    """

    conditioned = False
    analysis_conditioned = False
    analysis: nn.Module
    synthesis: nn.Module

    def __init__(self, channels: Sequence[int], shifts: Sequence[int], coded: int) -> None:
        super().__init__()
        self.channels, self.shifts, self.coded = tuple(channels), tuple(shifts), coded

    def start_at(self, means: Sequence[Tensor], deviations: Sequence[Tensor]) -> None:
        """Let the layers start near these means, with a part of these deviations of their channels, both ``(C,)``."""

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of a network of the same sizes. Raises `RuntimeError` for others."""
        self.load_state_dict(weights)

    def analysed(self, layers: Sequence[Tensor], qp: QP | None = None) -> Tensor:
        """The coded maps of ``layers`` (N, C, H, W), which will be coded with ``qp``."""
        coded: Tensor = self.analysis(*self.taken(layers, qp))
        return coded

    def taken(self, layers: Sequence[Tensor], qp: QP | None = None) -> tuple[Any, ...]:
        """What the analysis takes, as :meth:`given` has it for the synthesis."""
        if not self.analysis_conditioned:
            return (layers,)
        last, shift = layers[-1], self.shifts[-1]
        height, width = (side >> shift for side in last.shape[-2:])
        return layers, _condition(qp, last.new_empty(len(last), 1, height, width))

    def restored(self, coded: Tensor, qp: QP | None = None) -> list[Tensor]:
        """Restore the layers from ``coded`` (N, coded, h, w), which was coded with ``qp``."""
        layers: list[Tensor] = self.synthesis(*self.given(coded, qp))
        return layers

    def given(self, coded: Tensor, qp: QP | None = None) -> tuple[Tensor, ...]:
        """What the synthesis takes; without a QP its condition is 0, which is what an encoder gives then."""
        return (coded, _condition(qp, coded[:, :1])) if self.conditioned else (coded,)


def _condition(qp: QP | None, like: Tensor) -> Tensor:
    """``qp`` in a map (N, 1, h, w) for each picture; 0 where there is none."""
    if isinstance(qp, Tensor):
        return qp.to(like.dtype).expand_as(like)
    return torch.full_like(like, qp or 0)


def multiplications(model: ReductionNetwork, height: int, width: int) -> dict[str, int]:
    """Multiply–accumulates of the convolutions of analysis and of synthesis, for a lattice of ``height`` × ``width``.

    They are counted by running both on shapes alone.
    """
    model = deepcopy(model).to("meta").eval()
    sizes = zip(model.channels, model.shifts, strict=True)
    layers = [torch.empty(1, count, height << shift, width << shift, device="meta") for count, shift in sizes]
    coded = torch.empty(1, model.coded, height, width, device="meta")
    return {
        "analysis": _counted(model.analysis, *model.taken(layers)),
        "synthesis": _counted(model.synthesis, *model.given(coded)),
    }


def _counted(part: nn.Module, *given: Tensor | list[Tensor]) -> int:
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += result.shape[-2:].numel() * module.weight.numel()
        elif isinstance(module, nn.ConvTranspose2d):
            total += inputs[0].shape[-2:].numel() * module.weight.numel()

    hooks = [module.register_forward_hook(count) for module in part.modules()]
    part(*given)
    for hook in hooks:
        hook.remove()
    return total
