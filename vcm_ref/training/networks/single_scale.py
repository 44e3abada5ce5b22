"""The single-stream feature codec (SSFC): fewer channels for coding, and as many as before after it.

Zhang et al., ICME 2021; Han et al. 2022, Figure 1. In the paper 256 maps become 64.
"""

from __future__ import annotations

from torch import Tensor, nn


class _ChannelChange(nn.Module):
    """Convolution 1×1, batch normalisation, and an activation with one slope a channel for negative values."""

    def __init__(self, channels: int, results: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, results, 1)
        self.normalisation = nn.BatchNorm2d(results)
        self.activation = nn.PReLU(results)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, channels, H, W) into (N, results, H, W)."""
        changed: Tensor = self.activation(self.normalisation(self.convolution(x)))
        return changed


class SingleScaleEncoder(_ChannelChange):
    """The fused tensor (N, width, H, W) becomes the coded tensor (N, coded, H, W)."""

    def __init__(self, width: int, coded: int) -> None:
        super().__init__(width, coded)


class SingleScaleDecoder(_ChannelChange):
    """The coded tensor (N, coded, H, W) becomes the tensor (N, width, H, W) that the layers are restored from."""

    def __init__(self, coded: int, width: int) -> None:
        super().__init__(coded, width)
