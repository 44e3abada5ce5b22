"""The stage NETWORK: its parameters, its sizes, its syntax (docs/bitstream.md, 6.25 and 7.25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ....bitstream.coder import Coder
from ....bitstream.table import fill, table
from ....bitstream.values import Layer, Shape, StageId
from ....errors import ModelError
from .graph import Graph
from .model import NetworkModel, read_model
from .transform import NetworkTransform, lattice


@dataclass(frozen=True)
class NetworkTensor:
    """A tensor that the stage gives: its channels, and its samples a point of the lattice, ``2**shift`` each way."""

    channels: int = 1
    shift: int = 0


@dataclass
class Network:
    """Layer ``i`` has ``2**shifts[i]`` lines and columns for each point of the lattice.

    ``condition``, 0 … 255, goes to the graph. ``model_id`` is the number of the stage's model.
    """

    model_id: int = 0
    condition: int = 0
    shifts: list[int] = field(default_factory=list)
    tensors: list[NetworkTensor] = field(default_factory=list)

    idc: ClassVar[int] = StageId.NETWORK

    @classmethod
    def of(cls, model: bytes, layers: Sequence[Layer], model_id: int = 0, condition: int = 0) -> Network:
        """The stage of an encoder with a model. Raises :class:`~vcm_ref.errors.ModelError` where it does not fit."""
        graph = read_model(model).graph
        shifts = [tensor.shift for tensor in given_tensors(graph)]
        if len(shifts) != len(layers):
            raise ModelError(f"its graph restores {len(shifts)} layers, and there are {len(layers)}")
        stage = cls(model_id, condition, shifts, [NetworkTensor(given.channels, given.shift) for given in graph.inputs])
        stage.ready(layers, model).check_forward()
        return stage

    def layers(self, layers: Sequence[Layer]) -> list[Layer]:
        """One tensor after the other: ``network0``, ``network1`` …"""
        return [Layer(f"network{number}", tensor.channels) for number, tensor in enumerate(self.tensors)]

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Multiples of the lattice, which covers every layer."""
        height, width = lattice(shapes, self.shifts)
        return [(tensor.channels, height << tensor.shift, width << tensor.shift) for tensor in self.tensors]

    def ready(self, layers: Sequence[Layer], model: bytes) -> NetworkTransform:
        """The graphs of the model. Raises :class:`~vcm_ref.errors.ModelError` where they do not fit (7.25)."""
        return NetworkTransform(self._fitting(layers, model), self.shifts, self.condition)

    def needs(self, shapes: Sequence[Shape], model: bytes) -> Mapping[str, int]:
        """What the graph needs for layers of ``shapes``, by the names of clause 9. Raises as :meth:`ready` does."""
        graph = self._fitting([Layer(channels=channels) for channels, _, _ in shapes], model).graph
        points = lattice(shapes, self.shifts)
        return {
            "max_graph_operations": len(graph.operations),
            "max_graph_products": graph.products(points),
            "max_graph_samples": graph.samples(points),
        }

    def _fitting(self, layers: Sequence[Layer], data: bytes) -> NetworkModel:
        model = read_model(data)
        taken = [NetworkTensor(given.channels, given.shift) for given in model.graph.inputs]
        if taken != self.tensors:
            raise ModelError(f"its graph takes {_told(taken)}, and the stage gives {_told(self.tensors)}")
        wanted = [NetworkTensor(layer.channels, shift) for layer, shift in zip(layers, self.shifts, strict=True)]
        given = given_tensors(model.graph)
        if given != wanted:
            raise ModelError(f"its graph restores {_told(given)}, and the layers are {_told(wanted)}")
        return model

    def syntax(self, s: Coder, layers: Sequence[Layer]) -> None:
        """Code the model's number, the condition, and channels and shifts."""
        network(s, self, len(layers))


def given_tensors(graph: Graph) -> list[NetworkTensor]:
    """Channels and shifts of a graph's outputs."""
    forms = [graph.forms[output.tensor] for output in graph.outputs]
    return [NetworkTensor(form.channels, form.shift or 0) for form in forms]


def _told(tensors: Sequence[NetworkTensor]) -> str:
    """Channels by size, for an error: ``64 (shift 2), 128 (shift 1)``."""
    return ", ".join(f"{tensor.channels} (shift {tensor.shift})" for tensor in tensors)


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
