"""Part 2 of torchvision's two-stage detectors; refnet is one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from ..examples import Example
from .two_stage import Boxes, Dense, Objects, Pyramid, TwoStagePart2, need_labels, scaled_boxes

_STRIDE = 4
"""Samples of the network's input from one sample of the finest layer to the next."""


class DetectorPart2(TwoStagePart2):
    """Part 2 of a network whose ``model`` has torchvision's ``rpn`` and ``roi_heads``."""

    def __init__(self, network: Any) -> None:
        """``network`` is a ``RefNet`` or a ``TorchvisionDetector``."""
        super().__init__()
        self._network = network
        self._rpn: Any = network.model.rpn
        self._heads: Any = network.model.roi_heads
        self._names = list(self._heads.box_roi_pool.featmap_names)

    def task(self, restored: Sequence[Tensor], examples: Sequence[Example]) -> Tensor:
        """The sum of the losses that the detector was trained with, but for that of masks.

        Raises `ConfigError` where an example has no labels.
        """
        need_labels(examples)
        pyramid = self._pyramid(restored)
        pictures, device = self._pictures(pyramid, examples), restored[0].device
        targets = [
            {"boxes": scaled_boxes(own, size).to(device), "labels": torch.from_numpy(own.labels).to(device)}
            for own, size in zip(examples, pictures.image_sizes, strict=True)
        ]
        with self._training():
            proposals, losses = self._rpn(pictures, pyramid, targets)
            _, more = self._heads(pyramid, proposals, pictures.image_sizes, targets)
        return torch.stack([*losses.values(), *more.values()]).sum()

    def _move(self, device: Any) -> None:
        self._rpn.to(device)
        self._heads.to(device)

    def _pyramid(self, layers: Sequence[Tensor]) -> Pyramid:
        pyramid = OrderedDict(zip(self._names, layers, strict=True))
        pyramid["pool"] = F.max_pool2d(layers[-1], kernel_size=1, stride=2)
        return pyramid

    def _dense(self, pyramid: Pyramid) -> Dense:
        return Dense(*self._rpn.head(list(pyramid.values())))

    def _proposals(self, pyramid: Pyramid, examples: Sequence[Example]) -> list[Tensor]:
        boxes: list[Tensor] = self._rpn(self._pictures(pyramid, examples), pyramid)[0]
        return boxes

    def _boxes(self, pyramid: Pyramid, proposals: Sequence[Tensor], examples: Sequence[Example]) -> Boxes:
        sizes = self._pictures(pyramid, examples).image_sizes
        logits, deltas = self._heads.box_predictor(
            self._heads.box_head(self._heads.box_roi_pool(pyramid, list(proposals), sizes))
        )
        return Boxes(logits, deltas[:, 4:])  # the first class is no object

    def _objects(self, boxes: Boxes, proposals: Sequence[Tensor], examples: Sequence[Example]) -> list[Objects]:
        if not self._heads.has_mask():
            return super()._objects(boxes, proposals, examples)
        sizes = [self._network.network_size(example.height, example.width) for example in examples]
        deltas = F.pad(boxes.deltas, (4, 0))
        found, scores, labels = self._heads.postprocess_detections(boxes.classes, deltas, list(proposals), sizes)
        return [Objects(*own) for own in zip(found, labels, scores, strict=True)]

    def _masks(self, pyramid: Pyramid, objects: Sequence[Objects], examples: Sequence[Example]) -> Tensor:
        sizes = self._pictures(pyramid, examples).image_sizes
        regions = self._heads.mask_roi_pool(pyramid, [own.boxes for own in objects], sizes)
        logits: Tensor = self._heads.mask_predictor(self._heads.mask_head(regions))
        labels = torch.cat([own.labels for own in objects])
        return logits[torch.arange(len(labels), device=labels.device), labels]

    def _pictures(self, pyramid: Pyramid, examples: Sequence[Example]) -> ImageList:
        """The padded size of the network's input, as an empty view, and the pictures' sizes without padding."""
        finest = next(iter(pyramid.values()))
        height, width = (side * _STRIDE for side in finest.shape[2:])
        sizes = [self._network.network_size(example.height, example.width) for example in examples]
        return ImageList(torch.zeros(1, device=finest.device).expand(len(sizes), 3, height, width), sizes)

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Let the two parts give losses, while their layers stay as for inference; without masks, which need labels."""
        mask = self._heads.mask_roi_pool
        self._rpn.training = self._heads.training = True
        self._heads.mask_roi_pool = None
        try:
            yield
        finally:
            self._rpn.training = self._heads.training = False
            self._heads.mask_roi_pool = mask
