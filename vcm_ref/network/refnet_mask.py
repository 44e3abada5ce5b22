"""`refnet_mask`: the reference network with a mask head beside its box head (He et al., "Mask R-CNN", 2017).

::

    p2 p3 p4 p5 ─ RPN ─ proposals ─ box head ─ detections ─ regions of 14×14 ─ mask head ─ masks of 28×28
    └─────────────── as in refnet ──────────────────────┘

Everything up to the detections is `refnet` with `refnet`'s weights, so layers, boxes, scores and labels are the same to
the bit. The mask head has weights of its own; ``tools/train_refnet_mask.py`` trained them with everything else frozen.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads, paste_masks_in_image
from torchvision.ops import MultiScaleRoIAlign

from vcm_ref.network.checks import CPU
from vcm_ref.network.refnet import CHANNELS, LAYERS, RefNet, fill
from vcm_ref.network.weights_files import REFNET_MASK_WEIGHTS
from vcm_ref.reporting.provenance import file_digest
from vcm_ref.task.scene_shapes import CLASS_NAMES

REGION = 14
"""Samples across the region of the layers that the mask head sees; its masks have twice as many."""

_WIDTH = 128
_CONVOLUTIONS = 3


def build_mask_head() -> nn.ModuleDict:
    """Build the mask head with fresh weights: regions (K, 256, 14, 14) to a logit for each class, (K, 11, 28, 28)."""
    return nn.ModuleDict(
        {
            "mask_head": MaskRCNNHeads(CHANNELS, [_WIDTH] * _CONVOLUTIONS, dilation=1),
            "mask_predictor": MaskRCNNPredictor(_WIDTH, _WIDTH, len(CLASS_NAMES) + 1),
        }
    ).eval()


def region_pool() -> MultiScaleRoIAlign:
    """The pooling of a box's region out of p2 … p5, to (256, 14, 14)."""
    return MultiScaleRoIAlign(list(LAYERS), output_size=REGION, sampling_ratio=2)


class RefNetMask(RefNet):
    """The reference network with masks, behind the project's network interface.

    ``weights`` names another safetensors file than the package's own for the mask head; the rest is always `refnet`'s.
    Masks are those of at least half probability. Raises `NetworkError` if the file cannot be used.
    """

    name = "refnet_mask"

    def __init__(self, weights: str | Path | None = None, device: str = CPU) -> None:
        super().__init__(device=device)
        path = Path(weights) if weights is not None else REFNET_MASK_WEIGHTS
        head = build_mask_head()
        fill(head, path, self.name)
        head.requires_grad_(False).to(self._device)
        regions = cast(RoIHeads, self.model.roi_heads)
        regions.mask_roi_pool = region_pool()
        regions.mask_head, regions.mask_predictor = head["mask_head"], head["mask_predictor"]
        frozen = self._weights["weights_sha256"]
        self._weights = {
            "weights": path.name,
            "weights_sha256": file_digest(path),
            "refnet_weights_sha256": frozen,
        }

    def _masks(self, found: dict[str, Tensor], boxes: Tensor, height: int, width: int) -> NDArray[np.bool_]:
        probabilities, masks = found["masks"].cpu(), np.zeros((len(boxes), height, width), np.bool_)
        for index in range(len(boxes)):  # one at a time: each is as large as the picture, in float32
            pasted = paste_masks_in_image(probabilities[index, None], boxes[index, None], (height, width))
            torch.ge(pasted[0, 0], 0.5, out=torch.from_numpy(masks[index]))
        return masks
