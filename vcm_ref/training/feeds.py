"""What each step of a training is fed with: the layers of a few pictures on the device, those of one size together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from vcm_ref.configuration.sections import Training
from vcm_ref.conversion.covered import Covered, covered_positions

from .draws import chosen_at
from .examples import Example, Examples


class Batch(NamedTuple):
    """Pictures of one size: their ``layers``, float32 (N, C, H, W), finest first, and what each of them covers."""

    examples: Sequence[Example]
    layers: list[Tensor]
    covered: Sequence[Covered]

    def inside(self, coded: Tensor) -> Tensor:
        """1 where a picture covers something of a position of ``coded`` (N, C, h, w), and 0 elsewhere: (N, 1, h, w)."""
        inside = np.zeros((len(self.covered), 1, *coded.shape[2:]), np.float32)
        for number, covered in enumerate(self.covered):
            rows, columns = covered_positions(covered, *coded.shape[2:])
            inside[number, :, :rows, :columns] = 1
        return torch.from_numpy(inside).to(coded.device, coded.dtype, non_blocking=True)


class Feed(Protocol):
    """Gives the pictures of each step of a training, which depend on the seed and the step's number alone."""

    def step(self, number: int) -> Iterator[Batch]:
        """The pictures of step ``number``."""
        ...


Fed = Callable[[Sequence[int], torch.device], Feed]
"""Makes what feeds a training, from the indices of the examples for training and the device."""


class StoredFeed(Feed):
    """Examples whose layers are stored. On a GPU they stay in its memory, up to ``training.kept`` gigabytes."""

    def __init__(self, settings: Training, examples: Examples, training: Sequence[int], device: torch.device) -> None:
        self._settings = settings
        self._examples = examples
        self._training = training
        self._device = device
        self._room = int(settings.kept * 1e9) if device.type == "cuda" else 0
        self._kept: dict[int, list[Tensor]] = {}
        self._covered: dict[int, Covered] = {}

    def step(self, number: int) -> Iterator[Batch]:
        """The pictures of step ``number``: every picture once an epoch, in an order of its own."""
        return self.of([self._training[place] for place in chosen_at(self._settings, number, len(self._training))])

    def of(self, chosen: Sequence[int]) -> Iterator[Batch]:
        """The examples of these indices."""
        groups: dict[Any, list[tuple[int, list[Tensor]]]] = {}
        for index in chosen:
            layers = self._layers(index)
            groups.setdefault(tuple(layer.shape for layer in layers), []).append((index, layers))
        for group in groups.values():
            stacked = [torch.stack(same).float() for same in zip(*(layers for _, layers in group), strict=True)]
            yield Batch(
                [self._examples.examples[index] for index, _ in group],
                stacked,
                [self._covers(index) for index, _ in group] if self._settings.clear_outside else [],
            )

    def _covers(self, index: int) -> Covered:
        if index not in self._covered:
            self._covered[index] = self._examples.covered(index)
        return self._covered[index]

    def _layers(self, index: int) -> list[Tensor]:
        if index in self._kept:
            return self._kept[index]
        stored = self._examples.layers(index).values()
        layers = [torch.from_numpy(np.ascontiguousarray(layer)).to(self._device) for layer in stored]
        size = sum(layer.numel() * layer.element_size() for layer in layers)
        if size <= self._room:
            self._room -= size
            self._kept[index] = layers
        return layers
