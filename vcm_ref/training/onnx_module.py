"""A part of an exported network, as a torch module.

The package onnx2torch (MTS AI, Apache-2.0) turns the graph into torch's own modules; it is the maintained one that
keeps gradients, and it needs nothing but torch and onnx.
"""

from __future__ import annotations

import onnx
import torch
from onnx import numpy_helper
from torch import fx

from vcm_ref.errors import NetworkError

from .onnx_constants import simplified


def torch_module(model: onnx.ModelProto) -> torch.nn.Module:
    """The graph in evaluation mode, its weights fixed, for several pictures at once where it can be brought to that.

    Raises `NetworkError` where it cannot be converted.
    """
    try:
        from onnx2torch import convert
    except ImportError as error:
        raise NetworkError("training through an ONNX network needs onnx2torch: pip install onnx2torch") from error
    try:
        module = convert(_for_any_number(simplified(model))).eval().requires_grad_(False)
    except Exception as error:  # onnx2torch's own kinds have no common class
        told = " ".join(str(error).split())
        raise NetworkError(f"onnx2torch cannot convert {model.graph.name}: {told}") from error
    return _with_silu(module)


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
