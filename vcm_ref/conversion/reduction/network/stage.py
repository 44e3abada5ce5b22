"""The stage NETWORK: its parameters, its sizes, its syntax (docs/bitstream.md, 6.25 and 7.25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ....bitstream.coder import Coder
from ....bitstream.table import fill, table
from ....bitstream.values import Layer, Shape, StageId


@dataclass(frozen=True)
class NetworkTensor:
    """A tensor that the stage gives: its channels, and its samples a place of the grid, ``2**shift`` each way."""

    channels: int = 1
    shift: int = 0


@dataclass
class Network:
    """Layer ``i`` has ``2**shifts[i]`` lines and columns for each place of the grid.

    ``condition``, 0 … 255, goes to the graph. ``model_id`` is the number of the stage's model.
    """

    model_id: int = 0
    condition: int = 0
    shifts: list[int] = field(default_factory=list)
    tensors: list[NetworkTensor] = field(default_factory=list)

    idc: ClassVar[int] = StageId.NETWORK

    def layers(self, layers: Sequence[Layer]) -> list[Layer]:
        """One tensor after the other: ``network0``, ``network1`` …"""
        return [Layer(f"network{number}", tensor.channels) for number, tensor in enumerate(self.tensors)]

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Multiples of the grid, which covers every layer."""
        height, width = grid(shapes, self.shifts)
        return [(tensor.channels, height << tensor.shift, width << tensor.shift) for tensor in self.tensors]

    def syntax(self, s: Coder, layers: Sequence[Layer]) -> None:
        """Code the model's number, the condition, and channels and shifts."""
        network(s, self, len(layers))


def grid(shapes: Sequence[Shape], shifts: Sequence[int]) -> tuple[int, int]:
    """Height and width of the smallest grid that covers tensors of ``shapes`` ``(C, H, W)`` (7.25)."""
    height = max(-(-shape[1] >> shift) for shape, shift in zip(shapes, shifts, strict=True))
    width = max(-(-shape[2] >> shift) for shape, shift in zip(shapes, shifts, strict=True))
    return height, width


@table("6.25")
def network(s: Coder, own: Network, num_tensors: int) -> None:
    """The parameters of the stage NETWORK."""
    own.model_id = s("model_id", own.model_id)
    own.condition = s("network_condition", own.condition)
    fill(s, own.shifts, num_tensors, int)
    for i in range(num_tensors):
        own.shifts[i] = s("network_layer_shift", own.shifts[i])
    network_num_tensors = s("network_num_tensors_minus1", len(own.tensors) - 1) + 1
    fill(s, own.tensors, network_num_tensors, NetworkTensor)
    for j in range(network_num_tensors):
        channels = s("network_channels_minus1", own.tensors[j].channels - 1) + 1
        shift = s("network_tensor_shift", own.tensors[j].shift)
        own.tensors[j] = NetworkTensor(channels, shift)
