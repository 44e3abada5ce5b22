"""The cost of an ONNX graph, by onnx-tool, which finds the shapes of all tensors and counts node by node."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.models.cost import PartCost

_COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""The nodes whose multiply–accumulates count: the tool counts activations too, which torch's counter does not."""


def graph_cost(model: onnx.ModelProto, inputs: Mapping[str, NDArray[Any]]) -> PartCost:
    """The cost of a graph for ``inputs``. Raises `NetworkError` where onnx-tool is missing or cannot count it."""
    try:
        from onnx_tool import Model
    except ImportError as error:
        raise NetworkError(
            "counting the cost needs onnx-tool, which is not installed: pip install onnx-tool"
        ) from error
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        graph = Model(copy).graph
        graph.shape_infer(dict(inputs))
        graph.profile()
        macs = sum(float(np.sum(node.macs[0])) for node in graph.nodemap.values() if node.op_type in _COUNTED)
    except Exception as error:  # the tool's own, of many kinds
        raise NetworkError(f"onnx-tool cannot count the cost: {type(error).__name__}: {error}") from error
    held = sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)
    return PartCost(int(macs), held)
