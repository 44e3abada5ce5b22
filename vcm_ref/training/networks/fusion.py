"""Multi-scale feature fusion (MSFF): all layers of a pyramid become one tensor of the coarsest layer's size.

Zhang et al., "MSFC: Deep Feature Compression in Multi-Task Network", ICME 2021; Han et al. 2022, Figure 1::

    p2 ─ mean of 8×8 ─┐
    p3 ─ mean of 4×4 ─┤
    p4 ─ mean of 2×2 ─┼─ concatenation ─ squeeze and excitation ─ convolution 3×3 ─ fused tensor
    p5 ───────────────┘

The means keep nothing of the detail inside a block. With ``placed``, which the papers do not have, each finer layer
also goes through a convolution of its own. The kernel has the size of a block, and the blocks lie side by side. The
results are added to the fused tensor.
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

    def __init__(
        self, channels: Sequence[int], shifts: Sequence[int], width: int, squeezed: int, placed: bool = False
    ) -> None:
        """``width`` is the number of fused maps; with ``squeezed`` 0 there is no squeeze and excitation."""
        super().__init__()
        self.pools = nn.ModuleList(nn.AvgPool2d(1 << shift) if shift else nn.Identity() for shift in shifts)
        total = sum(channels)
        self.attention = SqueezeExcitation(total, squeezed) if squeezed else nn.Identity()
        self.convolution = nn.Conv2d(total, width, 3, padding=1, bias=False)
        finer = zip(channels, shifts, strict=True) if placed else ()
        self.details = nn.ModuleList(_of_blocks(count, shift, width) for count, shift in finer if shift)

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Fuse ``layers``, each (N, C, H, W), finest first, into (N, width, H, W) of the coarsest layer's size."""
        pooled = [pool(layers[index]) for index, pool in enumerate(self.pools)]
        fused: Tensor = self.convolution(self.attention(torch.cat(pooled, 1)))
        for index, detail in enumerate(self.details):
            fused = fused + detail(layers[index])
        return fused


def _of_blocks(channels: int, shift: int, width: int) -> nn.Module:
    """A convolution of blocks of ``2**shift`` lines and columns, which lie side by side; its weights begin as 0."""
    convolution = nn.Conv2d(channels << 2 * shift, width, 1, bias=False)
    nn.init.zeros_(convolution.weight)
    return nn.Sequential(nn.PixelUnshuffle(1 << shift), convolution)
