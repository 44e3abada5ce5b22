"""Part 2 of an exported network, as a torch module.

The package onnx2torch (MTS AI, Apache-2.0) turns the graph into torch's own modules; it is the maintained one that
keeps gradients, and it needs nothing but torch and onnx.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vcm_ref.errors import ConfigError, NetworkError

from ..examples import Example
from ..losses.distillation import class_distance, yolox_distance


class OnnxPart2:
    """The graph behind the cut. It runs one picture at a time: exported graphs fix the number of pictures."""

    def __init__(self, network: Any) -> None:
        """``network`` is an :class:`~vcm_ref.network.onnx_network.OnnxNetwork`."""
        try:
            from onnx2torch import convert
        except ImportError as error:
            raise NetworkError("training through an ONNX network needs onnx2torch: pip install onnx2torch") from error
        self._head = network.head
        if self._head == "boxes":
            raise ConfigError("training.loss: gradients do not pass the suppression of head boxes; set it to features")
        try:
            self._module: torch.nn.Module = convert(network.part2_model()).eval().requires_grad_(False)
        except Exception as error:  # onnx2torch's own kinds have no common class
            told = " ".join(str(error).split())
            raise NetworkError(f"onnx2torch cannot convert part 2: {told}") from error

    def to(self, device: Any) -> None:
        """Move to a device."""
        self._module.to(device)

    def distillation(self, restored: Sequence[Tensor], original: Sequence[Tensor], example: Example) -> Tensor:
        """The distance of YOLOX's predictions, or of a classifier's logits."""
        with torch.no_grad():
            teacher = self._output(original)
        ours = self._output(restored)
        if self._head == "logits":
            return class_distance(ours.reshape(1, -1), teacher.reshape(1, -1))
        return yolox_distance(ours[0], teacher[0], decoded=self._head == "yolox_decoded")

    def task(self, restored: Sequence[Tensor], example: Example) -> Tensor:
        """Exported graphs have no training loss."""
        raise ConfigError("training.loss: an ONNX network has no training loss; set it to distillation or features")

    def _output(self, layers: Sequence[Tensor]) -> Tensor:
        found = self._module(*(layer.float() for layer in layers))
        output: Tensor = found[0] if isinstance(found, (list, tuple)) else found
        return output
