"""Multi-scale feature reconstruction (MSFR) from the finest layer to the coarsest: Zhang et al., ICME 2021.

With S the decoded tensor, and F the same at the layer's size by repeating samples::

    F(p2) ─ 3×3 ─ p2
                  └─ 3×3, stride 2 ─ + F(p3) ─ 3×3 ─ p3
                                                     └─ 3×3, stride 2 ─ + F(p4) ─ 3×3 ─ p4
                                                                                        └─ … ─ p5

With ``placed``, F is a transposed convolution, as in :mod:`.top_down`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from .top_down import enlarged


class BottomUpReconstruction(nn.Module):
    """MSFR, bottom-up. Layer ``i`` has ``channels[i]`` maps and ``2**shifts[i]`` times the tensor\'s sides."""

    def __init__(self, width: int, channels: Sequence[int], shifts: Sequence[int], placed: bool = False) -> None:
        """``channels`` and ``shifts`` are those of the layers, finest first; ``width`` is that of the tensor."""
        super().__init__()
        steps = [fine - coarse for fine, coarse in pairwise(shifts)]
        self.spreads = nn.ModuleList(enlarged(width, shift, placed) for shift in shifts)
        self.carried = nn.ModuleList(
            nn.Conv2d(below, width, 3, stride=1 << step, padding=1, bias=False)
            for below, step in zip(channels, steps, strict=False)
        )
        self.finals = nn.ModuleList(nn.Conv2d(width, count, 3, padding=1) for count in channels)

    def forward(self, tensor: Tensor) -> list[Tensor]:
        """Restore the layers, finest first, from ``tensor`` (N, width, H, W)."""
        layers = [self.finals[0](self.spreads[0](tensor))]
        for index in range(1, len(self.finals)):
            carried = self.carried[index - 1](layers[-1])
            layers.append(self.finals[index](carried + self.spreads[index](tensor)))
        return layers
