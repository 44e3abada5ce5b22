"""Distillation of part 2 of two-stage detectors: proposal network and box head, whichever framework they are of.

Ren et al., "Faster R-CNN", 2015. A mask head, where there is one, takes no part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..examples import Example
from ..losses.distillation import binary_divergence

_PROPOSALS = 50
"""The teacher's best proposals, at which the box heads are compared."""

_KEPT_BYTES = 1 << 30
"""The most memory that the teacher's outputs may take; those of further pictures are computed each time."""

Pyramid = dict[str, Tensor]


class Dense(NamedTuple):
    """The proposal network's outputs, a tensor a level: ``objectness`` are logits, ``deltas`` have four times as many
    channels.
    """

    objectness: list[Tensor]
    deltas: list[Tensor]


class Boxes(NamedTuple):
    """The box head's outputs at N boxes: ``classes`` (N, 1 + K) are logits, that of no object first; ``deltas`` (N, 4K)
    are those of each class.
    """

    classes: Tensor
    deltas: Tensor


class _Teacher(NamedTuple):
    """The outputs for the original layers of one picture, and the best ``proposals`` (N, 4) at which ``boxes`` are."""

    dense: Dense
    proposals: Tensor
    boxes: Boxes

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        tensors = [*self.dense.objectness, *self.dense.deltas, self.proposals, *self.boxes]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class TwoStagePart2(ABC):
    """Part 2 whose outputs a framework gives.

    The outputs for the original layers are the same in every epoch, so they are kept. An example's name, with its
    mirroring and its crop, stands for its layers.
    """

    def __init__(self) -> None:
        self._teachers: dict[tuple[str, bool, int], _Teacher] = {}
        self._kept_bytes = 0

    def to(self, device: Any) -> None:
        """Move to a device."""
        self._teachers.clear()
        self._kept_bytes = 0
        self._move(device)

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
        teacher = self._teacher(original, example)
        pyramid = self._pyramid(restored)
        proposals = _proposal_distance(self._dense(pyramid), teacher.dense)
        if not len(teacher.proposals):
            return proposals
        return proposals + _box_distance(self._boxes(pyramid, teacher.proposals, example), teacher.boxes)

    @torch.no_grad()
    def _teacher(self, original: Sequence[Tensor], example: Example) -> _Teacher:
        """The outputs for the original layers: those that are kept, or new ones, which are kept while there is room."""
        key = example.name, example.mirrored, example.crop
        if key in self._teachers:
            return self._teachers[key]
        pyramid = self._pyramid(original)
        proposals = self._proposals(pyramid, example)[:_PROPOSALS]
        teacher = _Teacher(self._dense(pyramid), proposals, self._boxes(pyramid, proposals, example))
        if self._kept_bytes + teacher.size <= _KEPT_BYTES:
            self._teachers[key] = teacher
            self._kept_bytes += teacher.size
        return teacher

    @abstractmethod
    def _move(self, device: Any) -> None:
        """Move the networks to a device."""

    @abstractmethod
    def _pyramid(self, layers: Sequence[Tensor]) -> Pyramid:
        """All levels by the framework's names, from the coded layers."""

    @abstractmethod
    def _dense(self, pyramid: Pyramid) -> Dense:
        """The proposal network's outputs."""

    @abstractmethod
    def _proposals(self, pyramid: Pyramid, example: Example) -> Tensor:
        """The proposals (N, 4) of inference, best first, in samples of the network's input."""

    @abstractmethod
    def _boxes(self, pyramid: Pyramid, proposals: Tensor, example: Example) -> Boxes:
        """The box head's outputs at the proposals."""


def scaled_boxes(example: Example, size: tuple[int, int]) -> Tensor:
    """The example's boxes (K, 4) in samples of the network's input of ``size`` (height, width), without padding."""
    height, width = size
    return torch.from_numpy(example.boxes) * torch.tensor([width / example.width, height / example.height] * 2)


def _proposal_distance(ours: Dense, teacher: Dense) -> Tensor:
    seen = [torch.sigmoid(logits) for logits in teacher.objectness]
    total = sum(torch.sum(own) for own in seen) + 1
    errors = [
        binary_divergence(torch.sigmoid(logits), own).sum()
        + ((found - target).abs() * own.repeat_interleave(4, 1)).sum()
        for logits, found, target, own in zip(ours.objectness, ours.deltas, teacher.deltas, seen, strict=True)
    ]
    return torch.stack(errors).sum() / total


def _box_distance(ours: Boxes, teacher: Boxes) -> Tensor:
    logits = ours.classes.log_softmax(1)
    classes = F.kl_div(logits, teacher.classes.log_softmax(1), log_target=True, reduction="sum")
    seen = teacher.classes.softmax(1)[:, 1:]
    errors = ((ours.deltas - teacher.deltas).abs() * seen.repeat_interleave(4, 1)).sum()
    return (classes + errors) / (seen.sum() + 1)
