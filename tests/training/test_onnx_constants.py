"""Exported graphs without operations on constants: they compute the same."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from vcm_ref.training.onnx_constants import simplified  # noqa: E402


def model(value: float, before: tuple[int, int] = (0, 1), mode: str = "constant") -> onnx.ModelProto:
    """A Pad, whose numbers a Concat puts together, and a convolution of stride 2 behind it."""
    weight = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    initializers = [
        numpy_helper.from_array(np.array([0, 0, *before], np.int64), "before"),
        numpy_helper.from_array(np.array([0, 0, 1, 1], np.int64), "behind"),
        numpy_helper.from_array(np.float32(value), "value"),
        numpy_helper.from_array(weight, "weight"),
    ]
    nodes = [
        helper.make_node("Concat", ["before", "behind"], ["pads"], axis=0),
        helper.make_node("Pad", ["x", "pads", "value"], ["padded"], mode=mode),
        helper.make_node("Conv", ["padded", "weight"], ["y"], strides=[2, 2], pads=[1, 0, 0, 0]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3, 7, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2, None, None])
    graph = helper.make_graph(nodes, "toy", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def output(made: onnx.ModelProto) -> np.ndarray:
    x = np.random.default_rng(1).normal(size=(2, 3, 7, 6)).astype(np.float32)
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    return np.asarray(found)


def test_zeros_are_padded_by_the_convolution() -> None:
    found = simplified(model(0.0))
    onnx.checker.check_model(found)
    (node,) = found.graph.node
    (pads,) = (list(attribute.ints) for attribute in node.attribute if attribute.name == "pads")
    assert (node.op_type, pads) == ("Conv", [1, 1, 1, 1])
    assert [item.name for item in found.graph.initializer] == ["weight"]
    np.testing.assert_allclose(output(found), output(model(0.0)), rtol=1e-5)


@pytest.mark.parametrize("other", [model(1.0), model(0.0, (-1, 0)), model(0.0, (1, 1), "edge")])
def test_other_padding_stays(other: onnx.ModelProto) -> None:
    """Another number, lines that are taken away, and repeated edges."""
    found = simplified(other)
    assert [node.op_type for node in found.graph.node] == ["Pad", "Conv"]
    np.testing.assert_allclose(output(found), output(other), rtol=1e-5)


def constant_node(node: onnx.NodeProto, opset: int) -> onnx.ModelProto:
    """The node of a constant (1, 1, 3), and the size of the result."""
    given = numpy_helper.from_array(np.full((1, 1, 3), 0.5, np.float32), "given")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 7, 6])
    nodes = [node, helper.make_node("Shape", ["made"], ["size"]), helper.make_node("Identity", ["size"], ["y"])]
    y = helper.make_tensor_value_info("y", TensorProto.INT64, None)
    graph = helper.make_graph(nodes, "toy", [x], [y], [given])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_constants_are_of_the_operator_set_of_the_model() -> None:
    """Until set 13 the axes of Squeeze are an attribute: without them all axes of size 1 would go."""
    made = constant_node(helper.make_node("Squeeze", ["given"], ["made"], axes=[0]), 11)
    (size,) = (item for item in simplified(made).graph.initializer if item.name == "y")
    assert numpy_helper.to_array(size).tolist() == [1, 3]


@pytest.mark.parametrize("operation", ["Bernoulli", "Dropout", "RandomNormalLike"])
def test_random_results_are_not_constants(operation: str) -> None:
    found = simplified(constant_node(helper.make_node(operation, ["given"], ["made"]), 15))
    assert found.graph.node[0].op_type == operation
