"""Multi-scale feature fusion (MSFF): all layers of a pyramid become one tensor of the coarsest layer's size.

Zhang et al., "MSFC: Deep Feature Compression in Multi-Task Network", ICME 2021; Han et al. 2022, Figure 1::

    p2 ─ mean of 8×8 ─┐
    p3 ─ mean of 4×4 ─┤
    p4 ─ mean of 2×2 ─┼─ concatenation ─ squeeze and excitation ─ convolution 3×3 ─ fused tensor
    p5 ───────────────┘
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Weigh each channel by a number between 0 and 1, which depends on the means of all channels.

    Hu et al., "Squeeze-and-Excitation Networks", 2018; without biases, as in the core experiment on MSFC.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        """``squeezed`` is the number of channels between the two linear maps."""
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.activation = nn.ReLU()
        self.excite = nn.Conv2d(squeezed, channels, 1, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Give ``x`` (N, C, H, W), weighted."""
        gates: Tensor = self.gate(self.excite(self.activation(self.squeeze(self.mean(x)))))
        return x * gates


class Fusion(nn.Module):
    """MSFF. Layer ``i`` has ``channels[i]`` maps and ``2**shifts[i]`` times the coarsest layer's height and width."""

    def __init__(self, channels: Sequence[int], shifts: Sequence[int], width: int, squeezed: int) -> None:
        """``width`` is the number of fused maps; with ``squeezed`` 0 there is no squeeze and excitation."""
        super().__init__()
        self.pools = nn.ModuleList(nn.AvgPool2d(1 << shift) if shift else nn.Identity() for shift in shifts)
        total = sum(channels)
        self.attention = SqueezeExcitation(total, squeezed) if squeezed else nn.Identity()
        self.convolution = nn.Conv2d(total, width, 3, padding=1, bias=False)

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Fuse ``layers``, each (N, C, H, W), finest first, into (N, width, H, W) of the coarsest layer's size."""
        pooled = [pool(layers[index]) for index, pool in enumerate(self.pools)]
        fused: Tensor = self.convolution(self.attention(torch.cat(pooled, 1)))
        return fused
