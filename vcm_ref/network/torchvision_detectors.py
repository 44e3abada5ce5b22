"""Torchvision's Faster and Mask R-CNN with a ResNet-50 feature pyramid, split at the pyramid's outputs.

::

    picture ─ resize, standardise, pad ─ ResNet-50 ─ FPN ─ p2 p3 p4 p5 ┊ pool = p6 ─ RPN ─ heads ─ detections
              └────────────────── extract (part 1) ──────────────────┘ ┊ └───────── analyse (part 2) ────────┘

p2 … p5 have 256 feature maps each at strides 4, 8, 16 and 32; p6 is p5 at every second sample, so it is not coded.
Ren et al., "Faster R-CNN", 2015; He et al., "Mask R-CNN", 2017; ``_v2``: Li et al., "Benchmarking Detection Transfer
Learning with Vision Transformers", 2021.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision import __version__ as torchvision_version
from torchvision.models import detection, get_model_weights
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FrozenBatchNorm2d

from vcm_ref.feature_set import FeatureSet
from vcm_ref.models.cost import PartCost
from vcm_ref.network.checks import CPU, check_layers, check_resized, checked, picture_size
from vcm_ref.network.coco_classes import COCO_LABELS
from vcm_ref.network.torch_cost import split_cost
from vcm_ref.network.torch_parts import (
    as_layer,
    as_tensor,
    chosen_device,
    device_record,
    exact_inference,
    model_with_weights,
)
from vcm_ref.network.weights_files import DEFAULT
from vcm_ref.task.detections import Detections

MODELS = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
)

LAYERS = ("p2", "p3", "p4", "p5")
"""The coded layers, finest first; torchvision calls them 0 to 3."""

STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}
CHANNELS = 256


class TorchvisionDetector:
    """One of `MODELS`, behind the project's network interface; its labels are COCO's category ids.

    ``shortest_side`` and ``longest_side`` bound the size at which the network sees a picture, in pixels. Masks are
    those of at least half probability. Raises `NetworkError` where the weights cannot be had.
    """

    layers = LAYERS
    class_names = COCO_LABELS

    def __init__(
        self,
        model: str,
        weights: str | Path = DEFAULT,
        seed: int = 0,
        shortest_side: int = 800,
        longest_side: int = 1333,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_detections: int = 100,
        device: str = CPU,
    ) -> None:
        self._device = chosen_device(device)
        self.name = f"torchvision {model}"
        self._options: dict[str, Any] = {
            "min_size": shortest_side,
            "max_size": longest_side,
            "box_score_thresh": score_threshold,
            "box_nms_thresh": nms_threshold,
            "box_detections_per_img": max_detections,
        }
        self.model, self._weights = model_with_weights(
            lambda: _make(model, self._options), weights, seed, lambda: str(get_model_weights(model).DEFAULT.url)
        )
        self.model.to(self._device)

    def describe(self) -> dict[str, str]:
        """The model, its weights with their SHA-256, its options, and torchvision's version, for a record."""
        options = {key: str(value) for key, value in self._options.items()}
        return {
            "network": self.name,
            **self._weights,
            **options,
            "torchvision": torchvision_version,
            **device_record(self._device),
        }

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Run the whole network, unsplit, on ``image`` (H, W, 3) uint8 RGB."""
        height, width = picture_size(image, self.name)
        check_resized((height, width), self.network_size(height, width), self.name)
        with exact_inference():
            return self._detections(self.model([self._pixels(image)])[0], height, width)

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        """Part 1: give the layers p2 … p5, each (256, H, W) float32, of ``image`` (H, W, 3) uint8 RGB."""
        height, width = picture_size(image, self.name)
        check_resized((height, width), self.network_size(height, width), self.name)
        with exact_inference():
            pictures, _ = self.model.transform([self._pixels(image)])
            pyramid = self.model.backbone(pictures.tensors)
        layers = {name: as_layer(pyramid[key]) for name, key in zip(LAYERS, "0123", strict=True)}
        return FeatureSet(height, width, layers)

    def analyse(self, features: FeatureSet) -> Detections:
        """Part 2: detect from the layers alone.

        Raises `NetworkError` if the layers are not those that a picture of that size gives.
        """
        height, width = features.height, features.width
        size = self.network_size(height, width)
        check_resized((height, width), size, self.name)
        padded = tuple(-(-side // 32) * 32 for side in size)
        shapes = {name: (CHANNELS, padded[0] // step, padded[1] // step) for name, step in STRIDES.items()}
        check_layers(features, shapes, self.name)
        pyramid = OrderedDict(
            (key, as_tensor(features.layers[name], self._device)) for key, name in zip("0123", LAYERS, strict=True)
        )
        pyramid["pool"] = F.max_pool2d(pyramid["3"], kernel_size=1, stride=2)
        # The proposal network asks the pictures only for their padded size, so an empty view of it does.
        pictures = ImageList(torch.zeros(1, device=self._device).expand(1, 3, *padded), [size])
        with exact_inference():
            proposals, _ = self.model.rpn(pictures, pyramid)
            found, _ = self.model.roi_heads(pyramid, proposals, [size])
            return self._detections(
                self.model.transform.postprocess(found, [size], [(height, width)])[0], height, width
            )

    def _pixels(self, image: NDArray[np.uint8]) -> Tensor:
        """``image`` (H, W, 3) as torchvision's detectors take it: (3, H, W) float32, 0 to 1."""
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(self._device).float() / 255

    def cost(self, image: NDArray[np.uint8]) -> tuple[PartCost, PartCost]:
        """The cost of part 1 and of part 2 for ``image`` (H, W, 3) uint8 RGB."""
        return split_cost(self, image)

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """The size to which the network resizes a picture, before padding; its own code says, on no samples.

        A side that it would reduce to nothing is 0.
        """
        try:
            resized, _ = self.model.transform.resize(torch.empty(3, height, width, device="meta"))
        except (RuntimeError, ArithmeticError):  # torch refuses a size of 0
            scale = min(self._options["min_size"] / min(height, width), self._options["max_size"] / max(height, width))
            return int(height * scale), int(width * scale)
        return int(resized.shape[-2]), int(resized.shape[-1])

    def _detections(self, found: dict[str, Tensor], height: int, width: int) -> Detections:
        masks = (found["masks"][:, 0] >= 0.5).cpu().numpy() if "masks" in found else None
        boxes, scores, labels = (found[name].cpu().numpy() for name in ("boxes", "scores", "labels"))
        detections = Detections(boxes, scores, labels, masks)
        return checked(detections, height, width, self.class_names, self.name)


def _make(model: str, options: dict[str, Any]) -> Any:
    """A fresh model, built as torchvision builds it to receive its own weights."""
    made = getattr(detection, model)(weights=None, weights_backbone=None, **options)
    if not model.endswith("_v2"):
        # With weights, torchvision freezes these models' normalisation, without epsilon; without, it does neither.
        made.backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d)
        for module in made.modules():
            if isinstance(module, FrozenBatchNorm2d):
                module.eps = 0.0
    return made
