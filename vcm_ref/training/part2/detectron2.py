"""Part 2 of detectron2's R-CNN models with a feature pyramid."""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from detectron2.modeling.roi_heads import StandardROIHeads
from detectron2.structures import Boxes as BoxList
from detectron2.structures import ImageList, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor

from vcm_ref.errors import ConfigError

from ..examples import Example
from .two_stage import Boxes, Dense, Pyramid, TwoStagePart2, need_labels, scaled_boxes


class Detectron2Part2(TwoStagePart2):
    """Part 2 of a ``Detectron2Network``, split at either place. Raises `ConfigError` for heads in a cascade."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self._network = network
        self._rpn: Any = network.model.proposal_generator
        self._heads: Any = network.model.roi_heads
        if type(self._heads) is not StandardROIHeads:
            kind = type(self._heads).__name__
            raise ConfigError(f"training.loss: {network.name} has {kind}; only StandardROIHeads can be trained through")

    def task(self, restored: Sequence[Tensor], examples: Sequence[Example]) -> Tensor:
        """The sum of the losses that the detector was trained with, but for those of masks and keypoints.

        Raises `ConfigError` where an example has no labels.
        """
        need_labels(examples)
        pyramid, device = self._pyramid(restored), restored[0].device
        pictures, truth = self._pictures(device, examples), []
        for example, size in zip(examples, pictures.image_sizes, strict=True):
            own = Instances(size)
            own.gt_boxes = BoxList(scaled_boxes(example, size).to(device))
            own.gt_classes = torch.from_numpy(self._network.class_indices(example.labels)).to(device)
            truth.append(own)
        with self._training():
            proposals, losses = self._rpn(pictures, pyramid, truth)
            _, more = self._heads(pictures, pyramid, proposals, truth)
        return torch.stack([*losses.values(), *more.values()]).sum()

    def _move(self, device: Any) -> None:
        self._network.model.to(device)

    def _pyramid(self, layers: Sequence[Tensor]) -> Pyramid:
        pyramid: Pyramid = self._network.pyramid(dict(zip(self._network.layers, layers, strict=True)))
        return pyramid

    def _dense(self, pyramid: Pyramid) -> Dense:
        return Dense(*self._rpn.rpn_head([pyramid[name] for name in self._rpn.in_features]))

    def _proposals(self, pyramid: Pyramid, examples: Sequence[Example]) -> list[Tensor]:
        pictures = self._pictures(next(iter(pyramid.values())).device, examples)
        return [found.proposal_boxes.tensor for found in self._rpn(pictures, pyramid, None)[0]]

    def _boxes(self, pyramid: Pyramid, proposals: Sequence[Tensor], examples: Sequence[Example]) -> Boxes:
        layers = [pyramid[name] for name in self._heads.box_in_features]
        pooled = self._heads.box_pooler(layers, [BoxList(found) for found in proposals])
        logits, deltas = self._heads.box_predictor(self._heads.box_head(pooled))
        classes = torch.roll(logits, 1, 1)  # detectron2 has no object last
        return Boxes(classes, deltas.repeat(1, logits.shape[1] - 1) if deltas.shape[1] == 4 else deltas)

    def _pictures(self, device: torch.device, examples: Sequence[Example]) -> ImageList:
        """The padded size of the network's input, as an empty view, and the pictures' sizes without padding."""
        sizes = [self._network.network_size(example.height, example.width) for example in examples]
        padded = [max(sides) for sides in zip(*(self._network.padded_size(size) for size in sizes), strict=True)]
        return ImageList(torch.zeros(1, device=device).expand(len(sizes), 3, *padded), sizes)

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Let the two parts give losses, while their layers stay as for inference."""
        parts = {name: getattr(self._heads, name) for name in ("mask_on", "keypoint_on")}
        self._rpn.training = self._heads.training = True
        self._heads.mask_on = self._heads.keypoint_on = False
        try:
            with EventStorage():  # detectron2 counts there what it samples
                yield
        finally:
            self._rpn.training = self._heads.training = False
            for name, value in parts.items():
                setattr(self._heads, name, value)
