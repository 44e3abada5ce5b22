"""Exported networks small enough to be made in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

CLASSES = {3: "cat", 7: "dog", 8: "owl"}
SIDE = 64

Shape = tuple[int | str, ...]


def model(
    nodes: list[NodeProto],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    weights: dict[str, NDArray[np.float32] | NDArray[np.int64]],
) -> ModelProto:
    """A checked model; ``nodes`` in the order in which they run, inputs and outputs float32 but for ``labels``."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.INT64 if name == "labels" else TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def yolox_like(side: int | str = SIDE) -> ModelProto:
    """A pyramid ``p3``, ``p4``, ``p5`` of 8 maps with a sigmoid between, and raw predictions ``output`` (1, N, 8)."""
    random = np.random.default_rng(1)
    nodes: list[NodeProto] = []
    weights: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {}
    raws: list[str] = []

    def convolution(source: str, name: str, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        scale = 1 / np.sqrt(inputs * kernel * kernel)
        weights[f"{name}.w"] = (random.normal(size=(outputs, inputs, kernel, kernel)) * scale).astype(np.float32)
        weights[f"{name}.b"] = random.normal(size=outputs).astype(np.float32)
        nodes.append(
            helper.make_node(
                "Conv", [source, f"{name}.w", f"{name}.b"], [name], kernel_shape=[kernel] * 2, strides=[stride] * 2
            )
        )

    weights["scale"] = np.float32([0.02]).reshape(1, 1, 1, 1)
    nodes.append(helper.make_node("Mul", ["images", "scale"], ["scaled"]))
    before, maps = "scaled", 3
    for level, kernel in ((3, 8), (4, 2), (5, 2)):
        convolution(before, f"c{level}_sum", maps, 8, kernel, kernel)
        nodes.append(helper.make_node("Relu", [f"c{level}_sum"], [f"c{level}"]))
        before, maps = f"c{level}", 8
    weights["flat"] = np.int64([1, 5 + len(CLASSES), -1])
    weights["parts"] = np.int64([4, 1 + len(CLASSES)])
    for level in (3, 4, 5):
        convolution(f"c{level}", f"p{level}_sum", 8, 8, 1, 1)
        nodes.append(helper.make_node("Sigmoid", [f"p{level}_sum"], [f"p{level}"]))
        convolution(f"p{level}", f"raw{level}", 8, 5 + len(CLASSES), 1, 1)
        nodes.append(helper.make_node("Reshape", [f"raw{level}", "flat"], [f"flat{level}"]))
        raws.append(f"flat{level}")
    nodes += [
        helper.make_node("Concat", raws, ["all"], axis=2),
        helper.make_node("Split", ["all", "parts"], ["boxes", "rest"], axis=1),
        helper.make_node("Sigmoid", ["rest"], ["likely"]),
        helper.make_node("Concat", ["boxes", "likely"], ["joined"], axis=1),
        helper.make_node("Transpose", ["joined"], ["output"], perm=[0, 2, 1]),
    ]
    return model(nodes, {"images": (1, 3, side, side)}, {"output": (1, "n", 5 + len(CLASSES))}, weights)


def classifier() -> ModelProto:
    """A convolution with activation ``/conv/act`` and a linear layer to three ``logits``."""
    random = np.random.default_rng(2)
    weights: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {
        "w": random.normal(size=(4, 3, 4, 4)).astype(np.float32),
        "linear": random.normal(size=(4, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["/conv/sum"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Relu", ["/conv/sum"], ["/conv/act"]),
        helper.make_node("GlobalAveragePool", ["/conv/act"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["vector"]),
        helper.make_node("MatMul", ["vector", "linear"], ["logits"]),
    ]
    return model(nodes, {"images": (1, 3, 32, 32)}, {"logits": (1, 3)}, weights)


def detector() -> ModelProto:
    """A convolution ``act`` and, after torchvision's fashion, ``boxes`` (2, 4), ``labels`` (2,) and ``scores`` (2,)."""
    random = np.random.default_rng(3)
    weights: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {
        "w": (random.normal(size=(10, 3, 4, 4)) / 255).astype(np.float32),
        "box_shape": np.int64([2, 4]),
        # x, y, width, height to x0, y0, x1, y1
        "corners": np.float32([[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]]),
        "score_shape": np.int64([2]),
        "parts": np.int64([8, 2]),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["act"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["act"], ["mean"]),
        helper.make_node("Split", ["mean", "parts"], ["a", "b"], axis=1),
        helper.make_node("Reshape", ["a", "box_shape"], ["signed"]),
        helper.make_node("Abs", ["signed"], ["sizes"]),
        helper.make_node("MatMul", ["sizes", "corners"], ["boxes"]),
        helper.make_node("Reshape", ["b", "score_shape"], ["sums"]),
        helper.make_node("Sigmoid", ["sums"], ["scores"]),
        helper.make_node("Constant", [], ["labels"], value=numpy_helper.from_array(np.int64([1, 90]))),
    ]
    outputs: dict[str, Shape] = {"boxes": (2, 4), "labels": (2,), "scores": (2,)}
    return model(nodes, {"images": (1, 3, "height", "width")}, outputs, weights)


def saved(made: ModelProto, path: Path) -> str:
    """Write ``made`` to ``path`` and give it as text, as a configuration has it."""
    onnx.save(made, path)
    return str(path)
