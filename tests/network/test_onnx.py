"""Exported networks: where a graph may be cut, what the heads read, how a picture is brought to the input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcm_ref.errors import NetworkError
from vcm_ref.network import load_network

from .samples import assert_same, picture, travelled

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx import helper  # noqa: E402

from vcm_ref.network.onnx_cut import cut_model  # noqa: E402
from vcm_ref.network.onnx_heads import (  # noqa: E402
    Selection,
    box_detections,
    logits_classification,
    suppress,
    yolox_detections,
)
from vcm_ref.network.onnx_pictures import Placement, Preprocessing  # noqa: E402

from . import small_networks  # noqa: E402

PLAIN = Placement((1.0, 1.0), (0.0, 0.0))
ALL = Selection(score=0.0, overlap=1.0, count=100)
SAMPLE = Path(__file__).parents[2] / "cfg" / "sample.png"


@pytest.fixture
def yolox(tmp_path: Path) -> str:
    return small_networks.saved(small_networks.yolox_like(), tmp_path / "yolox.onnx")


def load(path: str, **options: Any) -> Any:
    settings = {"cut": ["p3", "p4", "p5"], "head": "yolox", "classes": small_networks.CLASSES, **options}
    return load_network("onnx", weights=path, **{key: value for key, value in settings.items() if value is not None})


# Where a graph may be cut


@pytest.mark.parametrize(
    "cut", [["p3", "p4", "p5"], ["c3", "c4", "p5_sum"], ["c3"], ["raw5", "raw4", "raw3"], ["scaled"], ["all"]]
)
def test_a_cut_that_separates_the_graph_is_exact(cut: list[str]) -> None:
    whole = small_networks.yolox_like()
    images = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)
    part1, part2 = cut_model(whole, cut, ["output"])
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    def run(model: Any, names: list[str], given: dict[str, Any]) -> Any:
        return onnxruntime.InferenceSession(model.SerializeToString(), options).run(names, given)

    tensors = dict(zip(cut, run(part1, cut, {"images": images}), strict=True))
    (split,) = run(part2, ["output"], tensors)
    (expected,) = run(whole, ["output"], {"images": images})
    assert split.shape == (1, 84, 8)
    assert np.array_equal(split, expected)
    assert len(part1.graph.node) + len(part2.graph.node) == len(whole.graph.node)


@pytest.mark.parametrize(
    ("cut", "leaks"),
    [
        (["p3", "p4"], "leads c4$"),  # p5's branch
        (["p4", "p5"], "leads c3$"),
        (["p3"], "leads c3$"),
        (["p5"], "lead c3, c4$"),
        (["c4_sum"], "leads c3$"),
        (["boxes"], "leads rest$"),  # computed by the same node, not part of the cut
    ],
)
def test_what_leaks_around_a_cut_is_named(yolox: str, cut: list[str], leaks: str) -> None:
    with pytest.raises(NetworkError, match=f"{', '.join(cut)} do not separate the graph; around the cut {leaks}"):
        load(yolox, cut=cut)


def test_the_picture_itself_can_leak() -> None:
    nodes = [
        helper.make_node("Relu", ["images"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Add", ["b", "images"], ["output"]),
    ]
    shape = (1, 3, 4, 4)
    model = small_networks.model(nodes, {"images": shape}, {"output": shape}, {})
    with pytest.raises(NetworkError, match="around the cut leads images"):
        cut_model(model, ["b"], ["output"])


def test_a_branch_reads_tensors_from_outside_its_body() -> None:
    inside = helper.make_graph(
        [helper.make_node("Add", ["b", "a"], ["sum"])],
        "body",
        [],
        [helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, (1, 3, 4, 4))],
    )
    nodes = [
        helper.make_node("Relu", ["images"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("", onnx.TensorProto.BOOL, (), [True])),
        helper.make_node("If", ["yes"], ["output"], then_branch=inside, else_branch=inside),
    ]
    shape = (1, 3, 4, 4)
    model = small_networks.model(nodes, {"images": shape}, {"output": shape}, {})
    with pytest.raises(NetworkError, match=r"around the cut leads a$"):
        cut_model(model, ["b"], ["output"])
    part1, part2 = cut_model(model, ["a"], ["output"])
    assert [node.op_type for node in part1.graph.node] == ["Relu"]
    assert [node.op_type for node in part2.graph.node] == ["Relu", "Constant", "If"]


def test_only_the_outputs_that_the_head_takes_need_be_separated() -> None:
    nodes = [
        helper.make_node("Relu", ["images"], ["a"]),
        helper.make_node("Relu", ["a"], ["output"]),
        helper.make_node("Neg", ["images"], ["other"]),
    ]
    shape = (1, 3, 4, 4)
    model = small_networks.model(nodes, {"images": shape}, {"output": shape, "other": shape}, {})
    part1, part2 = cut_model(model, ["a"], ["output"])
    assert [item.name for item in part2.graph.output] == ["output"]
    assert len(part1.graph.node) == len(part2.graph.node) == 1
    with pytest.raises(NetworkError, match="leads images"):
        cut_model(model, ["a"], ["output", "other"])


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (["p3", "nope"], "computes no tensor 'nope'"),
        (["images"], "computes no tensor 'images'"),
        (["output"], "'output' is an output of the whole"),
        (["c3", "p3", "p4", "p5", "scaled"], "does not use c3, scaled"),
        (["p3", "p3"], "layer names must differ"),
        (["a b", "a/b"], "layer names must differ"),
        ([], "name at least one tensor"),
        ({"p 3": "p3"}, "layer names must differ and have only"),
        ({"p3": "p3", "again": "p3"}, "none twice"),
    ],
)
def test_a_senseless_cut_is_refused(yolox: str, cut: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        load(yolox, cut=cut)


def test_layers_are_named_as_their_tensors_or_as_asked(tmp_path: Path) -> None:
    path = small_networks.saved(small_networks.classifier(), tmp_path / "classifier.onnx")
    assert load(path, cut=["/conv/act"], head="logits").layers == ("_conv_act",)
    network = load(path, cut={"c2": "/conv/act"}, head="logits", classes=None)
    assert network.layers == ("c2",)
    assert network.class_names == {0: "0", 1: "1", 2: "2"}
    assert network.extract(picture(20, 30)).layers["c2"].shape == (4, 8, 8)


def test_a_vector_is_no_layer(tmp_path: Path) -> None:
    path = small_networks.saved(small_networks.classifier(), tmp_path / "classifier.onnx")
    with pytest.raises(NetworkError, match=r"\(1, C, H, W\) float32; tensor vector is \(1, 4\)"):
        load(path, cut=["vector"], head="logits").extract(picture(20, 30))


# What a file and its options must be


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "nope"}, "network.head: is 'nope'; allowed are yolox, yolox_decoded, boxes, logits"),
        ({"head": "boxes"}, "head boxes takes 3 of the graph's outputs output; got output"),
        ({"outputs": ["other"]}, "head yolox takes 1 of the graph's outputs output; got other"),
        ({"size": "96x64"}, "network.size: is 96x64; the graph's input is 64x64"),
        ({"size": "64"}, "network.size: is '64'; write width x height"),
        ({"channels": "yuv"}, "network.channels: is 'yuv'"),
        ({"mean": [1.0]}, r"network.mean: is \[1.0\]; give three numbers"),
        ({"mean": "abc"}, "network.mean: is 'abc'; give three numbers"),
        ({"std": [1, 0, 1]}, "network.std: is .*must not be 0"),
        ({"std": [1, "a", 1]}, "network.std: is 'a'; it must be a number"),
        ({"fill": 300}, "network.fill: is 300; it must be a number from 0 to 255"),
        ({"score_threshold": "a"}, "network.score_threshold: is 'a'; it must be a number from 0 to 1"),
        ({"nms_threshold": float("nan")}, "network.nms_threshold: is nan"),
        ({"max_detections": -1}, "network.max_detections: is -1"),
        ({"fit": "zoom"}, "network.fit: is 'zoom'"),
        ({"fit": "crop", "shortest_side": 32}, "network.shortest_side: must be at least 64"),
        ({"classes": "imagenet"}, "network.classes: is 'imagenet'"),
        ({"cut": 5}, "network.cut: is 5; write a list of names"),
        ({"cut": "p3"}, "network.cut: is 'p3'; write a list of names"),
        ({"cut": {"a": 5}}, "network.cut: is .*; write a list of names"),
        ({"outputs": 5}, "network.outputs: is 5; write a list of names"),
        ({"size": 64}, "network.size: is 64; write width x height"),
        ({"size": "9" * 30 + "x64"}, "network.size: is '9"),
        ({"classes": {"a": "cat"}}, "network.classes: .*; write a mapping of whole numbers to names"),
        ({"longest_side": 100}, "'longest_side'; its options are: weights, cut, head"),
    ],
)
def test_options_that_do_not_fit_are_refused(yolox: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        load(yolox, **options)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    with pytest.raises(NetworkError, match=r"no\.onnx: there is no such file"):
        load(str(path))
    path.write_bytes(b"no model at all")
    with pytest.raises(NetworkError, match=r"no\.onnx: not an ONNX model"):
        load(str(path))


def test_a_free_input_size_is_the_picture_s_or_the_one_given(tmp_path: Path) -> None:
    path = small_networks.saved(small_networks.yolox_like(side="any"), tmp_path / "free.onnx")
    with pytest.raises(NetworkError, match="leaves the size of its input open; give it, as in 640x480"):
        load(path)
    assert load(path, size="128x64").extract(picture(50, 60)).layers["p3"].shape == (8, 8, 16)
    free = load(path, fit="none")
    assert free.extract(picture(96, 64)).layers["p3"].shape == (8, 12, 8)
    assert_same(free.analyse(travelled(free.extract(picture(96, 64)))), free(picture(96, 64)))


def test_another_number_of_classes_is_told(yolox: str) -> None:
    with pytest.raises(NetworkError, match=r"64x64 and 80 classes is \(1, 84, 85\); got \(1, 84, 8\)"):
        load(yolox, classes="coco")(picture(64, 64))


def test_results_do_not_depend_on_the_number_of_cores(yolox: str) -> None:
    network = load(yolox)
    for session in (network._whole, network._part1, network._part2):
        options = session.get_session_options()
        assert options.intra_op_num_threads == 1
        assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


# Heads


def raw_predictions(**cells: list[float]) -> Any:
    """Raw predictions for an input of 32×32, 16 + 4 + 1 cells, two classes: nothing but the ``cells`` given."""
    raw = np.zeros((1, 21, 7), np.float32)
    for name, values in cells.items():
        raw[0, int(name[1:])] = values
    return raw


def test_yolox_predictions_are_decoded() -> None:
    # Cell 6 is column 2, row 1 at stride 8; cell 18 is column 0, row 1 at stride 16; cell 20 the one at stride 32.
    raw = raw_predictions(
        c6=[0.5, 0.25, np.log(2.0), 0.0, 0.5, 0.5, 1.0],
        c18=[0.5, 0.5, 0.0, 0.0, 1.0, 0.75, 0.0],
        c20=[0.5, 0.5, 0.0, np.log(0.5), 0.9, 0.0, 0.1],
    )
    place = Placement((0.5, 0.5), (0.0, 0.0))  # the picture was twice as large
    found = yolox_detections(raw, (32, 32), place, [3, 7], Selection(0.05, 0.65, 100))
    assert found.labels.tolist() == [3, 7, 7]
    assert found.scores == pytest.approx([0.75, 0.5, 0.09])
    expected = [[0, 16, 16, 32], [12, 6, 28, 14], [0, 8, 32, 24]]
    assert found.boxes == pytest.approx(np.float32(expected) * 2, rel=1e-6)
    assert found.masks is None


def test_a_yolox_box_counts_for_its_best_class_alone() -> None:
    raw = raw_predictions(c0=[0.5, 0.5, 0.0, 0.0, 1.0, 0.6, 0.7])
    found = yolox_detections(raw, (32, 32), PLAIN, [3, 7], Selection(0.5, 0.65, 100))
    assert found.labels.tolist() == [7]


def test_suppression_is_within_a_class_and_above_the_threshold_only() -> None:
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 10, 5]])
    scores = np.float32([0.9, 0.8, 0.7, 0.95, 0.6])
    classes = np.int64([1, 1, 2, 1, 1])
    assert suppress(boxes, scores, classes, Selection(0.0, 0.65, 100)).tolist() == [3, 0, 2, 4]
    assert suppress(boxes, scores, classes, Selection(0.0, 0.95, 100)).tolist() == [3, 0, 1, 2, 4]
    assert suppress(boxes, scores, classes, Selection(0.0, 0.4, 100)).tolist() == [3, 0, 2]
    assert suppress(boxes, scores, classes, Selection(0.0, 0.65, 2)).tolist() == [3, 0]
    assert suppress(boxes[:2], scores[[0, 0]], classes[:2], Selection(0.0, 0.65, 9)).tolist() == [0]  # a tie
    assert suppress(boxes[:2], scores[:2], classes[:2], Selection(0.0, 0.9, 9)).tolist() == [0, 1]  # exactly 0.9
    assert suppress(boxes[:0], scores[:0], classes[:0], ALL).tolist() == []


def test_boxes_of_an_exported_detector_come_back_to_the_picture_best_first() -> None:
    boxes = np.float32([[0, 0, 4, 4], [2, 2, 6, 6], [1, 1, 2, 2]])
    scores, place = np.float32([0.2, 0.9, 0.01]), Placement((2.0, 4.0), (1.0, 0.0))
    found = box_detections(boxes, np.int64([5, 6, 7]), scores, (8, 8), place, Selection(0.05, 1, 9))
    assert found.labels.tolist() == [6, 5]
    assert found.boxes.tolist() == [[0.5, 0.5, 2.5, 1.5], [-0.5, 0.0, 1.5, 1.0]]


def decoded_predictions(side: int = 64) -> Any:
    """Predictions in samples of the input for ``side`` x ``side``, two classes: each cell has a box of 8x8."""
    cells = [
        [(x + 0.5) * stride, (y + 0.5) * stride, 8, 8, 0.001, 0.9, 0.1]
        for stride in (8, 16, 32)
        for y in range(side // stride)
        for x in range(side // stride)
    ]
    return np.float32(cells)[None]


def test_yolox_predictions_that_the_graph_decoded() -> None:
    """Centre and size are in samples already; cell 69 is column 1, row 1 at stride 16."""
    raw = decoded_predictions()
    raw[0, 69] = [24, 24, 32, 16, 0.9, 0.5, 1.0]
    found = yolox_detections(raw, (64, 64), PLAIN, [3, 7], Selection(0.05, 0.65, 100), decoded=True)
    assert (found.labels.tolist(), found.boxes.tolist()) == ([7], [[8, 16, 40, 32]])
    assert found.scores == pytest.approx([0.9])


@pytest.mark.parametrize("side", [32, 64, 416])
def test_the_wrong_head_of_yolox_is_recognised(side: int) -> None:
    """From the places of the centres: raw ones lie in their cells, decoded ones in the input."""
    decoded = decoded_predictions(side)
    with pytest.raises(NetworkError, match=r"seems to decode its boxes .*set network\.head: yolox_decoded"):
        yolox_detections(decoded, (side, side), PLAIN, [3, 7], ALL)
    raw = np.copy(decoded)
    raw[0, :, :4] = [0.4, 0.7, 0.1, 0.2]
    with pytest.raises(NetworkError, match=r"seems not to decode its boxes: set network\.head: yolox"):
        yolox_detections(raw, (side, side), PLAIN, [3, 7], ALL, decoded=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((slice(None), slice(4, None), 7.5), "scores range from 7.5 to 7.5; they must be probabilities"),
        ((slice(None), slice(4, None), -3.0), "scores range from -3 to -3"),
        ((5, 6, np.nan), "holds NaN or infinity"),
        ((5, 4, np.inf), "holds NaN or infinity"),
        ((5, slice(2, 4), 100.0), "boxes reach inf samples far, where 32 is the longer side"),
        ((5, slice(2, 4), 12.0), r"boxes reach \S+ samples far"),
    ],
)
def test_predictions_that_cannot_be_meant_are_refused(change: Any, message: str) -> None:
    """Logits, NaN, boxes of any size."""
    raw = np.full((1, 21, 7), 0.5, np.float32)
    raw[0][change[:2]] = change[2]
    with pytest.raises(NetworkError, match=message):
        yolox_detections(raw, (32, 32), PLAIN, [3, 7], ALL)


def test_corners_of_a_graph_that_decodes_its_boxes_are_refused() -> None:
    corners = decoded_predictions()
    corners[0, :, :4] = np.concatenate((corners[0, :, :2] - 4, corners[0, :, :2] + 4), axis=1)
    with pytest.raises(NetworkError, match=r"yolox_decoded: boxes seem to be corners"):
        yolox_detections(corners, (64, 64), PLAIN, [3, 7], ALL, decoded=True)


def test_a_transposed_output_is_told() -> None:
    """(1, 5 + K, N), as other exporters write it."""
    with pytest.raises(NetworkError, match=r"is \(1, 21, 7\); got \(1, 7, 21\); it is transposed"):
        yolox_detections(np.zeros((1, 7, 21), np.float32), (32, 32), PLAIN, [3, 7], ALL)


BOXES = np.float32([[0, 0, 40, 40], [2, 2, 60, 60]])
LABELS = np.int64([3, 7])
SCORES = np.float32([0.25, 0.75])


@pytest.mark.parametrize("change", [{}, {"batch": True}, {"half": True}, {"float_labels": True}])
def test_outputs_of_exported_detectors(change: dict[str, bool]) -> None:
    """With a leading dimension of 1, in half precision, labels as floats."""
    boxes, labels, scores = BOXES, LABELS, SCORES
    if "batch" in change:
        boxes, labels, scores = boxes[None], labels[None], scores[None]
    if "half" in change:
        boxes, scores = boxes.astype(np.float16), scores.astype(np.float16)  # type: ignore[assignment]
    if "float_labels" in change:
        labels = labels.astype(np.float32)  # type: ignore[assignment]
    found = box_detections(boxes, labels, scores, (64, 64), PLAIN, ALL)
    assert (found.labels.tolist(), found.scores.tolist()) == ([7, 3], [0.75, 0.25])
    assert found.boxes.tolist() == BOXES[::-1].tolist()
    assert (found.labels.dtype, found.scores.dtype, found.boxes.dtype) == (np.int64, np.float32, np.float32)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ((SCORES, LABELS, BOXES), "must be boxes .* in this order; got"),
        ((BOXES, SCORES, LABELS), "scores range from 3 to 7; they must be probabilities"),
        ((BOXES[:1], LABELS, SCORES), r"got \(1, 4\), \(2,\) and \(2,\)"),
        ((np.stack([BOXES, BOXES]), LABELS, SCORES), "must be boxes"),
        ((BOXES / 64, LABELS, SCORES), "all boxes end at about 1; they seem to be fractions"),
        ((BOXES / 50, LABELS, SCORES), "they seem to be fractions"),  # one reaches to 1.2
        ((np.float32([[0.5, 0.5, 0.2, 0.2], [0.7, 0.4, 0.1, 0.1]]), LABELS, SCORES), "they seem to be fractions"),
        ((BOXES + np.float32([100, 0, 100, 0]), LABELS, SCORES), "2 of 2 boxes lie outside the input of 64x64"),
        ((BOXES * np.nan, LABELS, SCORES), "holds NaN or infinity"),
        ((BOXES, LABELS, SCORES * np.nan), "holds NaN or infinity"),
        ((BOXES, LABELS + 0.5, SCORES), "labels are not whole numbers"),
        ((BOXES, LABELS, SCORES * 40), "scores range from 10 to 30"),
    ],
)
def test_outputs_that_cannot_be_meant_are_refused(outputs: Any, message: str) -> None:
    """Another order, other shapes, logits, fractions."""
    with pytest.raises(NetworkError, match=message):
        box_detections(*outputs, (64, 64), PLAIN, ALL)


def test_boxes_of_zeros_are_no_error() -> None:
    """Exporters fill up with them; and one of several boxes may lie outside."""
    boxes = np.concatenate((np.zeros((3, 4), np.float32), BOXES, BOXES[:1] + np.float32(100)))
    found = box_detections(boxes, np.ones(6, np.int64), np.full(6, 0.5, np.float32), (64, 64), PLAIN, ALL)
    assert len(found) == 6
    assert len(box_detections(boxes[:3], LABELS[:1].repeat(3), SCORES[:1].repeat(3), (64, 64), PLAIN, ALL)) == 3


def test_no_boxes_are_no_error() -> None:
    """A picture may be empty."""
    found = box_detections(BOXES[:0], LABELS[:0], SCORES[:0], (64, 64), PLAIN, ALL)
    assert (len(found), found.boxes.shape) == (0, (0, 4))


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 3, 1, 1), (3, 1)])
def test_logits_of_any_shape_with_one_number_a_class(shape: tuple[int, ...]) -> None:
    """In half precision too."""
    found = logits_classification(np.array([1, 2, 3], np.float16).reshape(shape), 3)
    assert (found.logits.tolist(), found.logits.dtype) == ([1, 2, 3], np.float32)


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.zeros((1, 4)), np.zeros(0), np.full((1, 3), np.nan)])
def test_logits_of_another_number_are_refused(values: Any) -> None:
    """A batch, other classes, none, NaN."""
    with pytest.raises(NetworkError, match=r"network\.head logits: "):
        logits_classification(values, 3)


# Files that are damaged or of another kind


@pytest.mark.parametrize("place", range(0, 12000, 431))
def test_a_damaged_model_runs_or_is_refused(tmp_path: Path, place: int) -> None:
    """In one line."""
    data = bytearray(small_networks.yolox_like().SerializeToString())
    data[place % len(data)] ^= 0x55
    (tmp_path / "x.onnx").write_bytes(data if place % 2 else data[: place + 9])
    try:
        network = load(str(tmp_path / "x.onnx"))
        network.analyse(network.extract(picture(64, 64)))
    except NetworkError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 1, 32, 32), (1, 32, 32, 3), (3, 32, 32), ()])
def test_an_input_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Batches, grey, channels last, no batch."""
    model = small_networks.classifier()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, shape))
    path = small_networks.saved(model, tmp_path / "x.onnx")
    with pytest.raises(NetworkError):
        network = load(path, cut=["/conv/act"], head="logits", classes=None)
        network.extract(picture(32, 32))


# Pictures


def preprocessing(**options: Any) -> Preprocessing:
    plain = {
        "size": (8, 8), "fit": "stretch", "shortest_side": None, "fill": 114, "channels": "rgb",
        "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "antialias": True,
    }  # fmt: skip
    return Preprocessing(**{**plain, **options})


def test_a_letterbox_fills_right_and_below() -> None:
    image = np.full((10, 20, 3), (10, 20, 30), np.uint8)
    wide = preprocessing(fit="letterbox")
    samples = wide(image)
    assert samples.shape == (1, 3, 8, 8)
    assert samples.dtype == np.float32
    assert (samples[0, 0, :4] == 10).all()
    assert (samples[0, 2, :4] == 30).all()
    assert (samples[0, :, 4:] == 114).all()
    assert wide.place(10, 20).to_picture(np.float32([[0, 0, 8, 4]])).tolist() == [[0, 0, 20, 10]]
    tall = preprocessing(fit="letterbox")(np.full((20, 10, 3), 10, np.uint8))
    assert (tall[0, :, :, :4] == 10).all()
    assert (tall[0, :, :, 4:] == 114).all()
    assert (wide.covered(10, 20), wide.covered(20, 10), wide.covered(9, 9)) == ((0.5, 1.0), (1.0, 0.5), (1.0, 1.0))
    assert preprocessing().covered(10, 20) == (1.0, 1.0)


def test_channels_mean_and_deviation_are_in_the_network_s_order() -> None:
    image = np.full((8, 8, 3), (10, 20, 30), np.uint8)
    samples = preprocessing(channels="bgr", mean=(30.0, 10.0, 0.0), std=(1.0, 2.0, 4.0))(image)
    assert samples[0, :, 3, 3].tolist() == [0.0, 5.0, 2.5]


def test_a_crop_takes_the_middle() -> None:
    image = np.repeat(np.arange(0, 40, 2, dtype=np.uint8)[None, :, None], 10, axis=0).repeat(3, axis=2)
    crop = preprocessing(fit="crop", shortest_side=10)
    assert crop(image)[0, 0, 0].tolist() == list(range(12, 28, 2))
    assert crop.place(10, 20).to_picture(np.float32([[0, 0, 8, 8]])).tolist() == [[6, 1, 14, 9]]


def test_a_stretch_ignores_proportions() -> None:
    stretch = preprocessing()
    assert stretch(np.full((4, 20, 3), 7, np.uint8)).tolist() == np.full((1, 3, 8, 8), 7.0).tolist()
    assert stretch.place(4, 16).to_picture(np.float32([[0, 0, 8, 8]])).tolist() == [[0, 0, 16, 4]]


def test_without_antialias_samples_lie_between_their_two_neighbours() -> None:
    row = np.array([0, 100, 0, 0, 200, 0, 0, 40], np.uint8)
    image = row[None, :, None].repeat(8, axis=0).repeat(3, axis=2)
    samples = preprocessing(size=(8, 4), antialias=False)(image)[0, 0, 0]
    assert samples.tolist() == [50, 0, 100, 20]  # an antialiasing filter would reach further
    assert preprocessing(size=(8, 2), antialias=False)(image)[0, 0, 0].tolist() == [50, 0]


# The real one


@pytest.mark.skipif("VCM_YOLOX" not in os.environ, reason="VCM_YOLOX does not name yolox_nano.onnx")
def test_yolox_nano_split_at_its_neck_equals_the_whole() -> None:
    from vcm_ref.configuration import load_configuration
    from vcm_ref.inputs.source import read_picture

    folder = SAMPLE.parent
    configuration = load_configuration([folder / "base.yaml", folder / "networks" / "yolox_nano.yaml"])
    options = {**configuration.get("network"), "weights": os.environ["VCM_YOLOX"]}
    network = load_network(**options)
    image = read_picture(SAMPLE)
    features = travelled(network.extract(image))
    shapes = {name: layer.shape for name, layer in features.layers.items()}
    assert shapes == {"p3": (64, 52, 52), "p4": (128, 26, 26), "p5": (256, 13, 13)}
    assert_same(network.analyse(features), network(image))
    with pytest.raises(NetworkError, match=r"around the cut leads input\.367"):
        load_network(**{**options, "cut": ["input.471", "input.531"]})
