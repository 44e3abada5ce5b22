"""Multi-scale feature compression (MSFC) as a whole: analysis before coding, synthesis after it.

::

    layers ─ MSFF ─ SSFC encoder ─ coded tensor ┊ coded tensor ─ SSFC decoder ─ MSFR ─ restored layers
    └──────────────── analysis ───────────────┘ ┊ └──────────────────── synthesis ──────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from .bottom_up import BottomUpReconstruction
from .fusion import Fusion
from .growing import widened
from .reduction_network import ReductionNetwork
from .single_scale import SingleScaleDecoder, SingleScaleEncoder
from .top_down import TopDownReconstruction

_FIRST_DEVIATION = 0.1

Direction = Literal["top_down", "bottom_up"]


@dataclass(frozen=True)
class Architecture:
    """The sizes of an MSFC network.

    Layer ``i``, finest first, has ``channels[i]`` maps and ``2**shifts[i]`` times the height and width of the coarsest
    layer, whose shift is 0. ``coded`` maps are coded; ``width`` maps are in use around them; ``squeezed`` channels are
    in the middle of squeeze and excitation, which 0 leaves out. With ``placed``, each place inside a sample of the
    coarsest layer has weights of its own, where the papers take means and repeat samples.
    """

    channels: tuple[int, ...]
    shifts: tuple[int, ...]
    direction: Direction = "top_down"
    coded: int = 64
    width: int = 256
    squeezed: int = 16
    placed: bool = False


class Analysis(nn.Module):
    """The encoder's side: layers to coded tensor."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.fusion = Fusion(a.channels, a.shifts, a.width, a.squeezed, a.placed)
        self.encoder = SingleScaleEncoder(a.width, a.coded)

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Turn ``layers``, each (N, C, H, W), finest first, into (N, coded, H, W) of the coarsest layer's size."""
        coded: Tensor = self.encoder(self.fusion(layers))
        return coded


class Synthesis(nn.Module):
    """The decoder's side: coded tensor to restored layers."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        kind = TopDownReconstruction if a.direction == "top_down" else BottomUpReconstruction
        self.decoder = SingleScaleDecoder(a.coded, a.width)
        self.reconstruction = kind(a.width, a.channels, a.shifts, a.placed)

    def forward(self, coded: Tensor) -> list[Tensor]:
        """Restore the layers, finest first, from ``coded`` (N, coded, H, W)."""
        layers: list[Tensor] = self.reconstruction(self.decoder(coded))
        return layers

    @torch.no_grad()
    def start_at(self, means: Sequence[Tensor], deviations: Sequence[Tensor]) -> None:
        """Let each restored channel start near its mean, with a tenth of its deviation; both ``(C,)`` a layer."""
        for final, mean, deviation in zip(self.reconstruction.finals, means, deviations, strict=True):
            assert isinstance(final, nn.Conv2d)
            assert final.bias is not None
            final.weight.mul_(_FIRST_DEVIATION * deviation[:, None, None, None])
            final.bias.copy_(mean)


class Msfc(ReductionNetwork):
    """Both sides, for training."""

    synthesis: Synthesis

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture.channels, architecture.shifts, architecture.coded)
        self.architecture = architecture
        self.analysis = Analysis(architecture)
        self.synthesis = Synthesis(architecture)

    def start_at(self, means: Sequence[Tensor], deviations: Sequence[Tensor]) -> None:
        """Let restored channels start near their means."""
        self.synthesis.start_at(means, deviations)

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of such a network, perhaps of fewer coded maps, less width, or without those of each place.

        Raises `RuntimeError` where they do not fit.
        """
        self.load_state_dict(widened(weights, self.state_dict()))
