"""Distillation of part 2 of two-stage detectors, whichever framework they are of: proposal network and heads.

Ren et al., "Faster R-CNN", 2015; He et al., "Mask R-CNN", 2017. The mask head takes part where the framework's class
gives it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vcm_ref.errors import ConfigError

from ..examples import Example
from ..losses.distillation import binary_divergence

_PROPOSALS = 24
"""The teacher's best proposals, at which the box heads are compared."""

_OBJECTS = 4
"""The teacher's best detections, at which the mask heads are compared."""

_KEPT_BYTES = 1 << 30
"""The most memory that the teacher's outputs may take; those of further pictures are computed each time."""

Pyramid = dict[str, Tensor]


class Dense(NamedTuple):
    """The proposal network's outputs, a tensor a level: ``objectness`` are logits, ``deltas`` have four times as many
    channels.
    """

    objectness: list[Tensor]
    deltas: list[Tensor]

    def anchors(self) -> tuple[Tensor, Tensor]:
        """The same with the anchors of all levels in one row: objectness (N, A), deltas (N, A, 4)."""
        objectness = torch.cat([level.flatten(1) for level in self.objectness], 1).float()
        split = [level.reshape(len(level), -1, 4, *level.shape[2:]) for level in self.deltas]
        deltas = [level.movedim(2, -1).reshape(len(level), -1, 4) for level in split]
        return objectness, torch.cat(deltas, 1).float()


class Boxes(NamedTuple):
    """The box head's outputs at N boxes: ``classes`` (N, 1 + K) are logits, that of no object first; ``deltas`` (N, 4K)
    are those of each class.
    """

    classes: Tensor
    deltas: Tensor


class Objects(NamedTuple):
    """Detections of one picture, best first: ``boxes`` (M, 4), their ``labels`` (M,) and ``scores`` (M,)."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor


class _Teacher(NamedTuple):
    """The outputs for the original layers of one picture.

    ``objectness`` (A,) and ``deltas`` (A, 4) of all anchors; the best ``proposals`` (P, 4), and ``boxes`` at them; the
    best ``objects``, and their ``masks`` (M, h, w), which are logits.
    """

    objectness: Tensor
    deltas: Tensor
    proposals: Tensor
    boxes: Boxes
    objects: Objects
    masks: Tensor

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        tensors = [self.objectness, self.deltas, self.proposals, *self.boxes, *self.objects, self.masks]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class TwoStagePart2(ABC):
    """Part 2 whose outputs a framework gives.

    The outputs for the original layers are the same in every epoch, so they are kept. An example's name, with its
    mirroring and its crop, stands for its layers.
    """

    same_shapes = False  # pictures differ in the number of objects
    mixed_precision = True  # but the teacher's outputs are float32

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

        Objectness, classes and masks count by their Kullback–Leibler divergence; boxes by their absolute error, as
        much as the teacher sees an object. Each part is divided by the number of objects or boxes that it is about, a
        mask by the number of its samples, too. The distances of the examples are averaged.
        """
        teachers = self._teachers_of(original, examples)
        pyramid = self._pyramid(restored)
        distances = _proposal_distance(self._dense(pyramid), teachers)
        proposals = [teacher.proposals for teacher in teachers]
        if any(map(len, proposals)):
            distances = distances + _box_distance(self._boxes(pyramid, proposals, examples), teachers)
        objects = [teacher.objects for teacher in teachers]
        if any(len(one.boxes) for one in objects):
            distances = distances + _mask_distance(self._masks(pyramid, objects, examples), teachers)
        return distances.mean()

    @torch.no_grad()
    def _teachers_of(self, original: Sequence[Tensor], examples: Sequence[Example]) -> list[_Teacher]:
        """The outputs for the original layers: those that are kept, or new ones, which are kept while there is room."""
        keys = [(example.name, example.mirrored, example.crop) for example in examples]
        missing = [place for place, key in enumerate(keys) if key not in self._teachers]
        new: dict[int, _Teacher] = {}
        if missing:
            layers = [layer[missing] for layer in original] if len(missing) < len(examples) else original
            with torch.autocast(original[0].device.type, enabled=False):
                new = dict(zip(missing, self._taught(layers, [examples[place] for place in missing]), strict=True))
        for place, teacher in new.items():
            if keys[place] not in self._teachers and self._kept_bytes + teacher.size <= _KEPT_BYTES:
                self._teachers[keys[place]] = teacher
                self._kept_bytes += teacher.size
        return [new[place] if place in new else self._teachers[key] for place, key in enumerate(keys)]

    def _taught(self, original: Sequence[Tensor], examples: Sequence[Example]) -> list[_Teacher]:
        """The outputs for the original layers."""
        pyramid = self._pyramid(original)
        objectness, deltas = self._dense(pyramid).anchors()
        proposals = [found[:_PROPOSALS] for found in self._proposals(pyramid, examples)]
        boxes = self._boxes(pyramid, proposals, examples)
        objects = [
            Objects(*(values[:_OBJECTS] for values in found)) for found in self._objects(boxes, proposals, examples)
        ]
        masks = (
            self._masks(pyramid, objects, examples) if any(len(one.boxes) for one in objects) else deltas.new_empty(0)
        )
        counts, own = [len(found) for found in proposals], [len(found.boxes) for found in objects]
        parts = zip(
            objectness,
            deltas,
            proposals,
            torch.split(boxes.classes, counts),
            torch.split(boxes.deltas, counts),
            objects,
            torch.split(masks, own),
            strict=True,
        )
        return [
            _Teacher(dense.clone(), moves.clone(), found, Boxes(classes.clone(), to.clone()), seen, mask.clone())
            for dense, moves, found, classes, to, seen, mask in parts
        ]

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
    def _proposals(self, pyramid: Pyramid, examples: Sequence[Example]) -> list[Tensor]:
        """The proposals (P, 4) of inference of each example, best first, in samples of the network's input."""

    @abstractmethod
    def _boxes(self, pyramid: Pyramid, proposals: Sequence[Tensor], examples: Sequence[Example]) -> Boxes:
        """The box head's outputs at the proposals of all examples."""

    def _objects(self, boxes: Boxes, proposals: Sequence[Tensor], examples: Sequence[Example]) -> list[Objects]:
        """What the mask head looks at in each example: the detections at the proposals. Nothing without a mask head."""
        nothing = boxes.classes.new_empty(0)
        return [Objects(nothing.reshape(0, 4), nothing.long(), nothing) for _ in examples]

    def _masks(self, pyramid: Pyramid, objects: Sequence[Objects], examples: Sequence[Example]) -> Tensor:
        """The mask head's logits (M, h, w) for the objects of all examples, each of the object's class."""
        raise NotImplementedError


def scaled_boxes(example: Example, size: tuple[int, int]) -> Tensor:
    """The example's boxes (K, 4) in samples of the network's input of ``size`` (height, width), without padding."""
    height, width = size
    return torch.from_numpy(example.boxes) * torch.tensor([width / example.width, height / example.height] * 2)


def need_labels(examples: Sequence[Example]) -> None:
    """Raises `ConfigError` where an example has no labels."""
    for example in examples:
        if not len(example.boxes):
            raise ConfigError(f"training.loss: {example.name} has no labelled object; set it to distillation")


def _proposal_distance(ours: Dense, teachers: Sequence[_Teacher]) -> Tensor:
    """(N,), one for each example."""
    logits, deltas = ours.anchors()
    seen = torch.sigmoid(torch.stack([teacher.objectness for teacher in teachers]))
    target = torch.stack([teacher.deltas for teacher in teachers])
    errors = binary_divergence(torch.sigmoid(logits), seen) + (deltas - target).abs().sum(2) * seen
    distance: Tensor = errors.sum(1) / (seen.sum(1) + 1)
    return distance


def _box_distance(ours: Boxes, teachers: Sequence[_Teacher]) -> Tensor:
    """(N,), one for each example; 0 where the teacher has no proposal."""
    logits = torch.cat([teacher.boxes.classes for teacher in teachers])
    deltas = torch.cat([teacher.boxes.deltas for teacher in teachers])
    classes = F.kl_div(
        ours.classes.float().log_softmax(1), logits.log_softmax(1), log_target=True, reduction="none"
    ).sum(1)
    seen = logits.softmax(1)[:, 1:]
    errors = ((ours.deltas.float() - deltas).abs() * seen.repeat_interleave(4, 1)).sum(1)
    return _shares(classes + errors, seen.sum(1), [len(teacher.proposals) for teacher in teachers])


def _mask_distance(ours: Tensor, teachers: Sequence[_Teacher]) -> Tensor:
    """(N,), one for each example; 0 where the teacher has no object."""
    logits = torch.cat([teacher.masks for teacher in teachers if len(teacher.masks)])
    scores = torch.cat([teacher.objects.scores for teacher in teachers])
    errors = binary_divergence(torch.sigmoid(ours.float()), torch.sigmoid(logits)).mean((1, 2))
    return _shares(errors * scores, scores, [len(teacher.masks) for teacher in teachers])


def _shares(errors: Tensor, objects: Tensor, counts: Sequence[int]) -> Tensor:
    """The sum of ``errors`` (M,) over that of ``objects`` (M,) plus one, of each example, which has ``counts`` rows."""
    index = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)).to(errors.device)
    nothing = errors.new_zeros(len(counts))
    return nothing.index_add(0, index, errors) / (nothing.index_add(0, index, objects) + 1)
