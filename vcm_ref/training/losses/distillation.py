"""Distillation: part 2's outputs for restored layers against its outputs for the original layers, without labels.

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015. All losses are 0 where the outputs agree: the
teacher's own entropy is subtracted from each cross-entropy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-6  # a probability nearer to 0 or 1 counts as this near


def binary_divergence(ours: Tensor, teacher: Tensor) -> Tensor:
    """Kullback–Leibler divergence of each two-valued distribution, in nats; both tensors hold probabilities."""
    ours, teacher = ours.clamp(_LEAST, 1 - _LEAST), teacher.clamp(_LEAST, 1 - _LEAST)
    yes = teacher * (torch.log(teacher) - torch.log(ours))
    no = (1 - teacher) * (torch.log(1 - teacher) - torch.log(1 - ours))  # log1p takes eight times as long
    return yes + no


def yolox_distance(ours: Tensor, teacher: Tensor, *, decoded: bool = False) -> Tensor:
    """The distance of YOLOX's raw predictions, (..., N, 5 + K) each: (...).

    A prediction has 4 numbers of a box, objectness, and K class scores. Objectness counts everywhere; boxes and classes
    count as much as the teacher sees an object. With ``decoded``, boxes are in samples, and errors count in the
    teacher's widths and heights. The sum is divided by the number of objects that the teacher sees, plus one.
    """
    seen = teacher[..., 4:5]
    errors = (ours[..., :4] - teacher[..., :4]).abs()
    if decoded:
        sides = teacher[..., 2:4].abs().clamp(min=1)
        errors = errors / torch.cat([sides, sides], -1)
    objects = binary_divergence(ours[..., 4:5], seen)
    classes = (binary_divergence(ours[..., 5:], teacher[..., 5:]) * seen).sum(-1, keepdim=True)
    each = objects + 0.5 * classes + (errors * seen).sum(-1, keepdim=True)
    distance: Tensor = each.sum((-2, -1)) / (seen.sum((-2, -1)) + 1)
    return distance


def class_distance(ours: Tensor, teacher: Tensor) -> Tensor:
    """Kullback–Leibler divergence of class probabilities from logits (N, K), in nats, averaged over N."""
    return F.kl_div(ours.log_softmax(-1), teacher.log_softmax(-1), log_target=True, reduction="batchmean")
