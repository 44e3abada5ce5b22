"""Part 2 of torchvision's two-stage detectors (refnet is one): proposal network and box head.

Ren et al., "Faster R-CNN", 2015. A mask head, where there is one, takes no part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

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

_KEPT_BYTES = 1 << 30
"""The most memory that the teacher's outputs may take; those of further pictures are computed each time."""

_Pyramid = OrderedDict[str, Tensor]


class _Teacher(NamedTuple):
    """Part 2's outputs for the original layers of one picture.

    ``objectness`` and ``deltas`` are the proposal network's, a tensor a level, and ``proposals`` (N, 4) its best boxes.
    ``classes`` (N, K) and ``boxes`` (N, 4K) are the box head's logits and deltas there.
    """

    objectness: list[Tensor]
    deltas: list[Tensor]
    proposals: Tensor
    classes: Tensor
    boxes: Tensor

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        tensors = [*self.objectness, *self.deltas, self.proposals, self.classes, self.boxes]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class DetectorPart2:
    """Part 2 of a network whose ``model`` has torchvision's ``rpn`` and ``roi_heads``.

    The outputs for the original layers are the same in every epoch, so they are kept.
    """

    def __init__(self, network: Any) -> None:
        """``network`` is a ``RefNet`` or a ``TorchvisionDetector``."""
        self._network = network
        self._rpn: Any = network.model.rpn
        self._heads: Any = network.model.roi_heads
        self._names = list(self._heads.box_roi_pool.featmap_names)
        self._teachers: dict[tuple[str, bool], _Teacher] = {}
        self._kept_bytes = 0

    def to(self, device: Any) -> None:
        """Move to a device."""
        self._rpn.to(device)
        self._heads.to(device)
        self._teachers.clear()
        self._kept_bytes = 0

    def distillation(self, restored: Sequence[Tensor], original: Sequence[Tensor], example: Example) -> Tensor:
        """The distance of the proposal network's outputs, and of the heads' at what the teacher found.

        Objectness and classes count by their Kullback–Leibler divergence; boxes by their absolute error, as much as
        the teacher sees an object. Each part is divided by the number of objects or boxes that it is about.
        """
        pictures = self._pictures(original, example)
        teacher = self._teacher(original, example, pictures)
        pyramid = self._pyramid(restored)
        return self._proposal_distance(pyramid, teacher) + self._box_distance(pyramid, teacher, pictures)

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

    @torch.no_grad()
    def _teacher(self, original: Sequence[Tensor], example: Example, pictures: ImageList) -> _Teacher:
        """The outputs for the original layers: those that are kept, or new ones, which are kept while there is room."""
        key = example.name, example.mirrored
        if key in self._teachers:
            return self._teachers[key]
        pyramid = self._pyramid(original)
        objectness, deltas = self._rpn.head(list(pyramid.values()))
        proposals = self._rpn(pictures, pyramid)[0][0][:_PROPOSALS]
        teacher = _Teacher(objectness, deltas, proposals, *self._boxes(pyramid, proposals, pictures))
        if self._kept_bytes + teacher.size <= _KEPT_BYTES:
            self._teachers[key] = teacher
            self._kept_bytes += teacher.size
        return teacher

    def _proposal_distance(self, pyramid: _Pyramid, teacher: _Teacher) -> Tensor:
        objectness, deltas = self._rpn.head(list(pyramid.values()))
        seen = [torch.sigmoid(logits) for logits in teacher.objectness]
        total = sum(torch.sum(own) for own in seen) + 1
        errors = [
            binary_divergence(torch.sigmoid(logits), own).sum()
            + ((found - target).abs() * own.repeat_interleave(4, 1)).sum()
            for logits, found, target, own in zip(objectness, deltas, teacher.deltas, seen, strict=True)
        ]
        return torch.stack(errors).sum() / total

    def _box_distance(self, pyramid: _Pyramid, teacher: _Teacher, pictures: ImageList) -> Tensor:
        if not len(teacher.proposals):
            return torch.zeros((), device=teacher.proposals.device)
        logits, boxes = self._boxes(pyramid, teacher.proposals, pictures)
        classes = F.kl_div(logits.log_softmax(1), teacher.classes.log_softmax(1), log_target=True, reduction="sum")
        seen = teacher.classes.softmax(1)[:, 1:]
        errors = ((boxes - teacher.boxes).abs()[:, 4:] * seen.repeat_interleave(4, 1)).sum()
        return (classes + errors) / (seen.sum() + 1)

    def _boxes(self, pyramid: _Pyramid, proposals: Tensor, pictures: ImageList) -> tuple[Tensor, Tensor]:
        """Class logits (N, K) and box deltas (N, 4K) at the ``proposals`` (N, 4)."""
        pooled = self._heads.box_roi_pool(pyramid, [proposals], pictures.image_sizes)
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
