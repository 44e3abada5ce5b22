"""Part 2 of an exported network, as a torch module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vcm_ref.errors import ConfigError

from ..examples import Example
from ..losses.distillation import class_distance, yolox_distance
from ..onnx_module import torch_module

_CLOSE = 1e-3  # outputs of examples together and one by one differ by less


class OnnxPart2:
    """The graph behind the cut, for several examples at once where the exported graph can be brought to it."""

    same_shapes = True
    mixed_precision = False

    def __init__(self, network: Any) -> None:
        """``network`` is an :class:`~vcm_ref.network.onnx_network.OnnxNetwork`."""
        self._head = network.head
        if self._head == "boxes":
            raise ConfigError("training.loss: gradients do not pass the suppression of head boxes; set it to features")
        self._module = torch_module(network.part2_model()).to(memory_format=torch.channels_last)
        self._together: bool | None = None

    def to(self, device: Any) -> None:
        """Move to a device."""
        self._module.to(device)

    def distillation(
        self, restored: Sequence[Tensor], original: Sequence[Tensor], examples: Sequence[Example]
    ) -> Tensor:
        """The distance of YOLOX's predictions, or of a classifier's logits."""
        with torch.no_grad():
            teacher = self._outputs(original)
        ours = self._outputs(restored)
        if self._head == "logits":
            return class_distance(ours.flatten(1), teacher.flatten(1))
        return yolox_distance(ours, teacher, decoded=self._head == "yolox_decoded").mean()

    def task(self, restored: Sequence[Tensor], examples: Sequence[Example]) -> Tensor:
        """Exported graphs have no training loss."""
        raise ConfigError("training.loss: an ONNX network has no training loss; set it to distillation or features")

    def _outputs(self, layers: Sequence[Tensor]) -> Tensor:
        """The outputs for all examples, together where that gives the same as one by one."""
        count = len(layers[0])
        if self._together is None and count > 1:
            with torch.no_grad():
                self._together = self._agree(layers)
        if self._together or count == 1:
            return self._output(layers)
        return torch.cat([self._output([layer[index : index + 1] for layer in layers]) for index in range(count)])

    def _agree(self, layers: Sequence[Tensor]) -> bool:
        singly = [self._output([layer[index : index + 1] for layer in layers])[0] for index in range(len(layers[0]))]
        try:
            together = self._output(layers)
        except Exception:  # a graph for one picture alone fails in its own way
            return False
        return len(together) == len(singly) and all(
            own.shape == other.shape and torch.allclose(own, other, rtol=_CLOSE, atol=_CLOSE)
            for own, other in zip(together, singly, strict=True)
        )

    def _output(self, layers: Sequence[Tensor]) -> Tensor:
        found = self._module(*(layer.float().contiguous(memory_format=torch.channels_last) for layer in layers))
        output: Tensor = found[0] if isinstance(found, (list, tuple)) else found
        return output
