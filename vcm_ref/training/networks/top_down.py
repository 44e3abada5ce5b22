"""Multi-scale feature reconstruction (MSFR) from the coarsest layer to the finest: Han et al. 2022, section 2.2.

With S the decoded tensor, and F the same at the layer's size by repeating samples::

    F(p5) ─ 3×3 ─ p5
                  └─ 3×3 ─ ×2 ─ + F(p4) ─ 3×3 ─ p4
                                                └─ 3×3 ─ ×2 ─ + F(p3) ─ 3×3 ─ p3
                                                                              └─ 3×3 ─ ×2 ─ + F(p2) ─ 3×3 ─ p2
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class TopDownReconstruction(nn.Module):
    """MSFR, top-down. Layer ``i`` has ``channels[i]`` maps and ``2**shifts[i]`` times the tensor\'s sides."""

    def __init__(self, width: int, channels: Sequence[int], shifts: Sequence[int]) -> None:
        """``channels`` and ``shifts`` are those of the layers, finest first; ``width`` is that of the tensor."""
        super().__init__()
        steps = [fine - coarse for fine, coarse in pairwise(shifts)]
        self.spreads = nn.ModuleList(repeated(shift) for shift in shifts)
        self.carried = nn.ModuleList(
            nn.Sequential(nn.Conv2d(above, width, 3, padding=1, bias=False), repeated(step))
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


def repeated(shift: int) -> nn.Module:
    """Repeat each sample ``2**shift`` times across and down."""
    return nn.Upsample(scale_factor=float(1 << shift), mode="nearest") if shift else nn.Identity()
