"""A trained encoder before a restoration: what it adds to a KLT's projection, which begins at nothing.

The network begins as :class:`~.restoration.RestoredKlt` of the same weights, for the analysis' last convolution begins
at zero::

    layers ─ blocks ─┬────────────────── projection 1×1 ──────────────────┬─ + ─ components
                     └─┬─ 1×1 ─ ReLU ─ 3×3 ─ ReLU ─ 3×3 ─ ReLU ─ 1×1 ─ · deviation ─┘
    QP ────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from .noise import QP
from .restoration import LinearInverse, Projection, RestoredKlt, as_octaves

#: The residual is in these parts of the components' standard deviations, so that it learns as fast as the rest.
_RESIDUAL_SCALE = 0.3


class LearnedAnalysis(Projection):
    """The projection, which stays, and the residual."""

    scales: Tensor

    def __init__(self, inverse: LinearInverse, gain: int, deviations: Sequence[float], width: int = 256) -> None:
        """As :class:`Projection`, with the components' standard deviations, and ``width`` channels in the residual."""
        super().__init__(inverse, gain)
        entries, components = inverse.weight.shape
        last = nn.Conv2d(width, components, 1)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.residual = nn.Sequential(
            nn.Conv2d(entries + 1, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            last,
        )
        scales = _RESIDUAL_SCALE * torch.tensor(deviations, dtype=torch.float32)
        self.register_buffer("scales", scales.reshape(1, -1, 1, 1))

    def forward(self, layers: Sequence[Tensor], qp: Tensor) -> Tensor:
        """Make components (N, K, h, w) of ``layers``, each (N, C, H, W), for levels of ``qp`` (N, 1, h, w)."""
        blocks = self.blocks(layers)
        components: Tensor = self.projection(blocks) + self.added(blocks, qp)
        return components

    def added(self, blocks: Tensor, qp: Tensor) -> Tensor:
        """What the network adds to the projection of ``blocks`` (N, entries, h, w)."""
        added: Tensor = self.residual(torch.cat([blocks, as_octaves(qp)], 1)) * self.scales
        return added


class LearnedKlt(RestoredKlt):
    """A KLT, which stays as it is; what a trained encoder adds to its components; and the restoration after it."""

    analysis_conditioned = True
    analysis: LearnedAnalysis

    def __init__(
        self, inverse: LinearInverse, gain: int, deviations: Sequence[float], width: int = 256, blocks: int = 2
    ) -> None:
        """As :class:`RestoredKlt`; the analysis is ``width`` channels wide as well."""
        super().__init__(inverse, gain, deviations, width, blocks)
        self.analysis = LearnedAnalysis(inverse, gain, deviations, width)

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of such a network, or those of a restoration, whose analysis adds nothing."""
        own = {name: value for name, value in self.state_dict().items() if name.startswith("analysis.")}
        super().begin_with({**own, **weights})

    def analysed(self, layers: Sequence[Tensor], qp: QP | None = None) -> Tensor:
        """The components; the projection is in full precision even where the rest is not."""
        taken, condition = self.taken(layers, qp)
        with torch.autocast(layers[-1].device.type, enabled=False):
            blocks = self.analysis.blocks(taken)
            projected: Tensor = self.analysis.projection(blocks)
        return projected + self.analysis.added(blocks, condition).float()
