"""The interface of a reduction stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ...bitstream.coder import Coder
from ...bitstream.values import Layer, Samples, Shape
from ...models.cost import StageCost


class Transform(Protocol):
    """What a stage does to tensors, ready with its model.

    ``clears_outside`` says whether an encoder sets its tensors to 0 where the picture covers nothing of a position.
    """

    @property
    def clears_outside(self) -> bool:
        """See above."""
        ...

    def forward(self, tensors: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Reduce float32 tensors ``(C, H, W)``. Not normative, and the same on every machine."""
        ...

    def inverse(self, tensors: Sequence[Samples], shapes: Sequence[Shape]) -> list[Samples]:
        """Restore integer tensors of ``shapes``. Normative, in exact integer arithmetic."""
        ...

    def cost(self, shapes: Sequence[Shape]) -> StageCost:
        """The cost of both directions for one picture, whose tensors before the stage have ``shapes``."""
        ...


class Stage(Protocol):
    """One reduction stage with its parameters: what it does, shapes, and its syntax table.

    Made without arguments, its parameters are those that ``syntax`` is about to read.
    """

    idc: ClassVar[int]

    @property
    def model_id(self) -> int | None:
        """The number of the model that the stage needs; ``None`` where it needs none."""
        ...

    def layers(self, layers: Sequence[Layer]) -> list[Layer]:
        """Name and channels of the tensors after the stage, from those before it."""
        ...

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """The shapes ``(C, H, W)`` after the stage, from those before it: geometry, levels and limits use them."""
        ...

    def ready(self, layers: Sequence[Layer], model: bytes) -> Transform:
        """What the stage does to tensors like ``layers``, with the bytes of its model (none where it needs none).

        Raises :class:`~vcm_ref.errors.ModelError` where the model is damaged or does not fit.
        """
        ...

    def syntax(self, s: Coder, layers: Sequence[Layer]) -> None:
        """Code the stage's parameters; ``layers`` are the tensors that go into it."""
        ...
