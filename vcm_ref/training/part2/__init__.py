"""Part 2 of a network as torch sees it: gradients pass through it to the restored layers; its own weights stay.

``part2_of`` finds the one for a network of the project. A kind of part 2 is one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vcm_ref.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from vcm_ref.network import Network

    from ..examples import Example


class Part2(Protocol):
    """Two losses; layers are (N, C, H, W), finest first.

    ``same_shapes`` says whether its tensors have the same shapes in all steps, ``mixed_precision`` whether distillation
    may compute with bfloat16.
    """

    same_shapes: bool
    mixed_precision: bool

    def distillation(
        self, restored: Sequence[Tensor], original: Sequence[Tensor], examples: Sequence[Example]
    ) -> Tensor:
        """How far part 2's outputs are from those for the original layers, averaged over the N examples."""
        ...

    def task(self, restored: Sequence[Tensor], examples: Sequence[Example]) -> Tensor:
        """The network's own training loss for the N examples. Raises `ConfigError` where there is none."""
        ...

    def to(self, device: Any) -> None:
        """Move to a device."""
        ...


def part2_of(network: Network) -> Part2:
    """Part 2 of ``network``. Raises `ConfigError` for a network that gradients cannot pass through."""
    kind = type(network).__name__
    if kind == "OnnxNetwork":
        from .onnx import OnnxPart2

        return OnnxPart2(network)
    if kind in ("RefNet", "RefNetMask", "TorchvisionDetector"):
        from .detector import DetectorPart2

        return DetectorPart2(network)
    if kind == "Detectron2Network":
        from .detectron2 import Detectron2Part2

        return Detectron2Part2(network)
    raise ConfigError(f"training.loss: network {network.name} has no part 2 to train through; set it to features")
