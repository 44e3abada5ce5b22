"""Part 2 of an exported network, as a torch module.

The package onnx2torch (MTS AI, Apache-2.0) turns the graph into torch's own modules; it is the maintained one that
keeps gradients, and it needs nothing but torch and onnx.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, fx

from vcm_ref.errors import ConfigError, NetworkError

from ..examples import Example
from ..losses.distillation import class_distance, yolox_distance

_CLOSE = 1e-3  # outputs of examples together and one by one differ by less


class OnnxPart2:
    """The graph behind the cut, for several examples at once where the exported graph can be brought to it."""

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
            module = convert(_for_any_number(network.part2_model())).eval().requires_grad_(False)
        except Exception as error:  # onnx2torch's own kinds have no common class
            told = " ".join(str(error).split())
            raise NetworkError(f"onnx2torch cannot convert part 2: {told}") from error
        self._module: torch.nn.Module = _with_silu(module).to(memory_format=torch.channels_last)
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


def _for_any_number(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with the leading 1 of the shapes that its Reshape operations name replaced by the input's first side.

    Exported graphs fix the number of pictures in these shapes.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    shapes = {node.input[1] for node in made.graph.node if node.op_type == "Reshape"}
    constants = [one for one in made.graph.initializer if one.name in shapes]
    constants += [
        attribute.t
        for node in made.graph.node
        if node.op_type == "Constant" and shapes & set(node.output)
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for constant in constants:
        shape = numpy_helper.to_array(constant).copy()
        if shape.size > 1 and shape[0] == 1:
            shape[0] = 0  # ONNX, Reshape: the dimension stays as it is
            constant.CopyFrom(numpy_helper.from_array(shape, constant.name))
    return made


def _with_silu(module: fx.GraphModule) -> fx.GraphModule:
    """``module`` with every x * sigmoid(x) as one function, which needs less memory and time."""
    parts = dict(module.named_modules())

    def is_sigmoid(node: fx.Node) -> bool:
        return node.op == "call_module" and isinstance(parts[str(node.target)], torch.nn.Sigmoid)

    for node in list(module.graph.nodes):
        if node.op != "call_module" or getattr(parts[str(node.target)], "math_op_function", None) is not torch.mul:
            continue
        given = node.all_input_nodes
        for x, other in (given, given[::-1]) if len(given) == 2 else ():
            if is_sigmoid(other) and other.args[0] is x:
                with module.graph.inserting_before(node):
                    node.replace_all_uses_with(module.graph.call_function(torch.nn.functional.silu, (x,)))
                module.graph.erase_node(node)
                break
    module.graph.eliminate_dead_code()
    module.recompile()
    return module
