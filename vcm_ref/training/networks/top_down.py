"""Multi-scale feature reconstruction (MSFR) from the coarsest layer to the finest: Han et al. 2022, section 2.2.

With S the decoded tensor, and F the same at the layer's size by repeating samples::

    F(p5) ─ 3×3 ─ p5
                  └─ 3×3 ─ ×2 ─ + F(p4) ─ 3×3 ─ p4
                                                └─ 3×3 ─ ×2 ─ + F(p3) ─ 3×3 ─ p3
                                                                              └─ 3×3 ─ ×2 ─ + F(p2) ─ 3×3 ─ p2

Repeated samples are the same at all places of a block. With ``placed``, which the papers do not have, a transposed
convolution is used instead. Its kernel is the block, so each place in the block has weights of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class TopDownReconstruction(nn.Module):
    """MSFR, top-down. Layer ``i`` has ``channels[i]`` maps and ``2**shifts[i]`` times the tensor\'s sides."""

    def __init__(self, width: int, channels: Sequence[int], shifts: Sequence[int], placed: bool = False) -> None:
        """``channels`` and ``shifts`` are those of the layers, finest first; ``width`` is that of the tensor."""
        super().__init__()
        steps = [fine - coarse for fine, coarse in pairwise(shifts)]
        self.spreads = nn.ModuleList(enlarged(width, shift, placed) for shift in shifts)
        self.carried = nn.ModuleList(
            nn.Sequential(nn.Conv2d(above, width, 3, padding=1, bias=False), enlarged(width, step, placed))
            for above, step in zip(channels[1:], steps, strict=True)
        )
        self.finals = nn.ModuleList(nn.Conv2d(width, count, 3, padding=1) for count in channels)

    def forward(self, tensor: Tensor) -> list[Tensor]:
        """Restore the layers, finest first, from ``tensor`` (N, width, H, W)."""
        last = len(self.finals) - 1
        layers = [self.finals[last](self.spreads[last](tensor))]
        for index in range(last - 1, -1, -1):
            carried = self.carried[index](layers[0])
            layers.insert(0, self.finals[index](carried + self.spreads[index](tensor)))
        return layers


def enlarged(width: int, shift: int, placed: bool) -> nn.Module:
    """A module that repeats each sample of ``width`` maps ``2**shift`` times across and down.

    With ``placed``, it is a transposed convolution, which does the same before training.
    """
    if not shift:
        return nn.Identity()
    side = 1 << shift
    if not placed:
        return nn.Upsample(scale_factor=float(side), mode="nearest")
    transposed = nn.ConvTranspose2d(width, width, side, side, bias=False)
    with torch.no_grad():
        transposed.weight.copy_(torch.eye(width)[:, :, None, None])
    return transposed
