"""The error of the layers themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def feature_error(restored: Sequence[Tensor], original: Sequence[Tensor], variances: Sequence[float]) -> Tensor:
    """Mean squared error of each layer (N, C, H, W) over its variance, averaged over the layers.

    0 is perfect; 1 is what the mean value of each layer would give.
    """
    errors = [
        torch.nn.functional.mse_loss(ours, theirs) / max(variance, 1e-12)
        for ours, theirs, variance in zip(restored, original, variances, strict=True)
    ]
    return torch.stack(errors).mean()
