"""Exif orientation is applied to pictures or not, for all of a measurement, and names and records say so."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vcm_ref.app import eval as vcm_eval
from vcm_ref.experiment.naming import network_name
from vcm_ref.experiment.stages.values import Picture

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def save_detector(path: Path) -> None:
    """A network that finds one person, at the same place in every picture."""
    helper = onnx.helper
    constants = {"boxes": np.float32([[1, 1, 9, 9]]), "labels": np.int64([1]), "scores": np.float32([0.5])}
    nodes = [helper.make_node("Relu", ["images"], ["act"]), helper.make_node("ReduceMin", ["act"], ["m"], keepdims=0)]
    nodes += [helper.make_node("Mul", ["m", "zero"], ["nothing"])]
    nodes += [helper.make_node("Add", [f"c_{name}", "nothing"], [name]) for name in ("boxes", "scores")]
    nodes += [helper.make_node("Identity", ["c_labels"], ["labels"])]
    weights = [onnx.numpy_helper.from_array(array, f"c_{name}") for name, array in constants.items()]
    weights += [onnx.numpy_helper.from_array(np.float32(0), "zero")]
    kinds = {"boxes": onnx.TensorProto.FLOAT, "labels": onnx.TensorProto.INT64, "scores": onnx.TensorProto.FLOAT}
    outputs = [helper.make_tensor_value_info(name, kinds[name], array.shape) for name, array in constants.items()]
    given = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, (1, 3, "h", "w"))
    graph = helper.make_graph(nodes, "g", [given], outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def turned(orientation: int = 6) -> bytes:
    """A JPEG of 48x32 that shall be turned, by a quarter unless another orientation is given."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_a_picture_is_read_as_it_says() -> None:
    """Upright it is 32 wide and 48 high."""
    assert Picture("x.jpg", turned()).samples().shape == (48, 32, 3)
    assert Picture("x.jpg", turned(), upright=False).samples().shape == (32, 48, 3)


def test_orientation_is_in_the_name_of_results() -> None:
    """What is not turned is another picture."""
    assert network_name("refnet", {}, upright=True) == network_name("refnet", {})
    assert network_name("refnet", {}, upright=False) != network_name("refnet", {})


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ([], (32, 48)),
        (["--ignore-exif-orientation"], (48, 32)),
        (["-c", "n.yaml", "--set", "apply_exif_orientation=false"], (48, 32)),
    ],
)
def test_an_evaluation_of_annotations_of_either_kind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    size: tuple[int, int],
) -> None:
    """The annotated size is that of what is analysed; the results record it where orientation is not applied."""
    monkeypatch.chdir(tmp_path)
    Path("x.jpg").write_bytes(turned())
    write_data(size)
    options = options if "-c" in options else ["-c", "n.yaml", *options]
    assert vcm_eval.main(["--data", "data.json", "-o", "r.json", *options]) == 0
    described = json.loads(Path("r.json").read_text())["network"]
    assert described.get("exif_orientation") == (None if size == (32, 48) else "not applied")
    assert "orientation" not in capsys.readouterr().err  # the size shows it


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "are turned upright, .* for the pictures as stored, set apply_exif_orientation to false"),
        (["--ignore-exif-orientation"], "are left as stored, .* turned upright, set apply_exif_orientation to true"),
    ],
)
def test_an_orientation_that_the_size_does_not_show_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.jpg").write_bytes(turned(3))
    write_data((48, 32))
    assert vcm_eval.main(["--data", "data.json", "-c", "n.yaml", "-o", "r.json", *options]) == 0
    assert re.search(rf"note: x\.jpg: pictures with an Exif orientation {told}", capsys.readouterr().err)


def write_data(size: tuple[int, int]) -> None:
    """Write annotations of ``x.jpg``, for a picture of ``size`` (width, height), and a network."""
    image: dict[str, Any] = {"id": 1, "file_name": "x.jpg", "width": size[0], "height": size[1]}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
    data = {"images": [image], "categories": [{"id": 1, "name": "person"}], "annotations": [box]}
    Path("data.json").write_text(json.dumps(data))
    save_detector(Path("net.onnx"))
    network = {"name": "onnx", "weights": "net.onnx", "cut": ["act"], "head": "boxes", "fit": "none"}
    Path("n.yaml").write_text(json.dumps({"network": network}))
