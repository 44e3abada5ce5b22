"""Part 2 of torchvision's two-stage detectors (refnet is one): proposal network and box head.

Ren et al., "Faster R-CNN", 2015. A mask head, where there is one, takes no part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from vcm_ref.errors import ConfigError

from ..examples import Example
from ..losses.distillation import binary_divergence

_PROPOSALS = 100
"""The teacher's best proposals, at which the box heads are compared."""

_STRIDE = 4
"""Samples of the network's input from one sample of the finest layer to the next."""

_Pyramid = OrderedDict[str, Tensor]


class DetectorPart2:
    """Part 2 of a network whose ``model`` has torchvision's ``rpn`` and ``roi_heads``."""

    def __init__(self, network: Any) -> None:
        """``network`` is a ``RefNet`` or a ``TorchvisionDetector``."""
        self._network = network
        self._rpn: Any = network.model.rpn
        self._heads: Any = network.model.roi_heads
        self._names = list(self._heads.box_roi_pool.featmap_names)

    def to(self, device: Any) -> None:
        """Move to a device."""
        self._rpn.to(device)
        self._heads.to(device)

    def distillation(
        self, restored: Sequence[Tensor], original: Sequence[Tensor], examples: Sequence[Example]
    ) -> Tensor:
        """The distance of the proposal network's outputs, and of the heads' at what the teacher found.

        Objectness and classes count by their Kullback–Leibler divergence; boxes by their absolute error, as much as
        the teacher sees an object. Each part is divided by the number of objects or boxes that it is about. Examples
        are compared one by one, and averaged.
        """
        found = [
            self._distance(
                [layer[index : index + 1] for layer in restored], [x[index : index + 1] for x in original], own
            )
            for index, own in enumerate(examples)
        ]
        return torch.stack(found).mean()

    def _distance(self, restored: Sequence[Tensor], original: Sequence[Tensor], example: Example) -> Tensor:
        ours, theirs = self._pyramid(restored), self._pyramid(original)
        pictures = self._pictures(original, example)
        with torch.no_grad():
            proposals = [boxes[:_PROPOSALS] for boxes in self._rpn(pictures, theirs)[0]]
        return self._proposal_distance(ours, theirs) + self._box_distance(ours, theirs, proposals, pictures)

    def task(self, restored: Sequence[Tensor], example: Example) -> Tensor:
        """The sum of the losses that the detector was trained with, but for that of masks.

        Raises `ConfigError` where the examples have no labels.
        """
        if not len(example.boxes):
            raise ConfigError(f"training.loss: {example.name} has no labelled object; set it to distillation")
        pyramid, pictures = self._pyramid(restored), self._pictures(restored, example)
        height, width = pictures.image_sizes[0]
        scale = torch.tensor([width / example.width, height / example.height] * 2)
        device = restored[0].device
        targets = [
            {
                "boxes": (torch.from_numpy(example.boxes) * scale).to(device),
                "labels": torch.from_numpy(example.labels).to(device),
            }
        ]
        with self._training():
            proposals, losses = self._rpn(pictures, pyramid, targets)
            _, more = self._heads(pyramid, proposals, pictures.image_sizes, targets)
        return torch.stack([*losses.values(), *more.values()]).sum()

    def _proposal_distance(self, ours: _Pyramid, theirs: _Pyramid) -> Tensor:
        objectness, deltas = self._rpn.head(list(ours.values()))
        with torch.no_grad():
            teacher, wanted = self._rpn.head(list(theirs.values()))
        seen = [torch.sigmoid(logits) for logits in teacher]
        total = sum(torch.sum(own) for own in seen) + 1
        errors = [
            binary_divergence(torch.sigmoid(logits), own).sum()
            + ((found - target).abs() * own.repeat_interleave(4, 1)).sum()
            for logits, found, target, own in zip(objectness, deltas, wanted, seen, strict=True)
        ]
        return torch.stack(errors).sum() / total

    def _box_distance(self, ours: _Pyramid, theirs: _Pyramid, proposals: list[Tensor], pictures: ImageList) -> Tensor:
        if not len(proposals[0]):
            return torch.zeros((), device=proposals[0].device)
        logits, boxes = self._boxes(ours, proposals, pictures)
        with torch.no_grad():
            teacher, wanted = self._boxes(theirs, proposals, pictures)
        classes = F.kl_div(logits.log_softmax(1), teacher.log_softmax(1), log_target=True, reduction="sum")
        seen = teacher.softmax(1)[:, 1:]
        errors = ((boxes - wanted).abs()[:, 4:] * seen.repeat_interleave(4, 1)).sum()
        return (classes + errors) / (seen.sum() + 1)

    def _boxes(self, pyramid: _Pyramid, proposals: list[Tensor], pictures: ImageList) -> tuple[Tensor, Tensor]:
        """Class logits (N, K) and box deltas (N, 4K) at the proposals."""
        pooled = self._heads.box_roi_pool(pyramid, proposals, pictures.image_sizes)
        logits, deltas = self._heads.box_predictor(self._heads.box_head(pooled))
        return logits, deltas

    def _pyramid(self, layers: Sequence[Tensor]) -> _Pyramid:
        pyramid = OrderedDict(zip(self._names, layers, strict=True))
        pyramid["pool"] = F.max_pool2d(layers[-1], kernel_size=1, stride=2)
        return pyramid

    def _pictures(self, layers: Sequence[Tensor], example: Example) -> ImageList:
        """The padded size of the network's input, as an empty view, and its size without padding."""
        height, width = (side * _STRIDE for side in layers[0].shape[2:])
        size = self._network.network_size(example.height, example.width)
        return ImageList(torch.zeros(1, device=layers[0].device).expand(1, 3, height, width), [size])

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
