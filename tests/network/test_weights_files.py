"""Which files a network's numbers come from: external data of ONNX models, configurations that build on one another."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcm_ref.errors import NetworkError
from vcm_ref.network import load_network, weights_files
from vcm_ref.network.weights_files import files_digest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from . import small_networks  # noqa: E402

OPTIONS: dict[str, Any] = {"cut": ["/conv/act"], "head": "logits", "size": "32x32"}


def external(path: Path, locations: dict[str, str]) -> Path:
    """The small classifier with each weight in the file that ``locations`` says, relative to the model's folder."""
    model = small_networks.classifier()
    for tensor in model.graph.initializer:
        location = locations[tensor.name]
        target = path.parent / location
        target.parent.mkdir(parents=True, exist_ok=True)
        start = target.stat().st_size if target.exists() else 0
        data = onnx.numpy_helper.to_array(tensor).tobytes()
        with target.open("ab") as file:
            file.write(data)
        tensor.raw_data = data
        onnx.external_data_helper.set_external_data(tensor, location, start, len(data))
        tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("network", ["refnet", "onnx"])
def test_weights_that_are_a_pipe_or_a_folder_are_named_as_such(network: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, told in (("pipe", "is a pipe"), ("", "is a folder")):
        with pytest.raises(NetworkError, match=told):
            weights_files(network, {"weights": str(tmp_path / name)})


def test_a_model_without_external_data_is_one_file(tmp_path: Path) -> None:
    """Its digest is that of the file, as it always was."""
    path = Path(small_networks.saved(small_networks.classifier(), tmp_path / "net.onnx"))
    assert weights_files("onnx", {"weights": str(path)}) == [path]
    assert files_digest([path]) == hashlib.sha256(path.read_bytes()).hexdigest()
    described = load_network("onnx", weights=str(path), **OPTIONS).describe()
    assert described["weights_sha256"] == files_digest([path])
    assert "external_data" not in described


@pytest.mark.parametrize(
    "locations",
    [
        {"w": "net.onnx.data", "linear": "net.onnx.data"},
        {"w": "one.bin", "linear": "two.bin"},
        {"w": "deep/er/weights", "linear": "deep/weights"},
    ],
)
def test_external_data_is_listed_and_digested(tmp_path: Path, locations: dict[str, str]) -> None:
    """Whatever the files are called; a byte that changes in any of them changes the digest."""
    path = external(tmp_path / "net.onnx", locations)
    others = sorted({tmp_path / location for location in locations.values()})
    assert weights_files("onnx", {"weights": str(path)}) == [path, *others]
    plain = load_network(
        "onnx", weights=small_networks.saved(small_networks.classifier(), tmp_path / "p.onnx"), **OPTIONS
    )
    network = load_network("onnx", weights=str(path), **OPTIONS)
    image = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    assert np.array_equal(network(image).logits, plain(image).logits)
    lines = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, *others)]
    lines[1:] = [
        f"{line} {file.relative_to(tmp_path).as_posix()}" for line, file in zip(lines[1:], others, strict=True)
    ]
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert network.describe()["weights_sha256"] == digest
    for file in others:
        data = bytearray(file.read_bytes())
        data[5] ^= 1
        file.write_bytes(data)
        changed = load_network("onnx", weights=str(path), **OPTIONS).describe()["weights_sha256"]
        assert changed != digest
        digest = changed


def test_external_data_of_constants_inside_nodes_and_functions(tmp_path: Path) -> None:
    """A tensor may be an attribute of a node, in a branch, or in a function of the model."""
    model = small_networks.classifier()
    for place, name in enumerate(("node.bin", "branch.bin", "function.bin")):
        tensor = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [float(place)])
        tensor.ClearField("float_data")
        onnx_entry = tensor.external_data.add()
        onnx_entry.key, onnx_entry.value = "location", name
        tensor.data_location = onnx.TensorProto.EXTERNAL
        (tmp_path / name).write_bytes(bytes(4))
        constant = onnx.helper.make_node("Constant", [], [f"t{place}"], value=tensor)
        if place == 0:
            model.graph.node.append(constant)
        elif place == 1:
            body = onnx.helper.make_graph([constant], "body", [], [])
            model.graph.node.append(onnx.helper.make_node("If", ["x"], [], then_branch=body, else_branch=body))
        else:
            model.functions.add().node.append(constant)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    found = weights_files("onnx", {"weights": str(path)})
    assert [file.name for file in found] == ["net.onnx", "branch.bin", "function.bin", "node.bin"]


@pytest.mark.parametrize(
    "location", ["/etc/hostname", "../net.bin", "a/../../net.bin", "..\\net.bin", "C:\\net.bin", ""]
)
def test_external_data_outside_the_models_folder_is_refused(tmp_path: Path, location: str) -> None:
    """Whoever made the model must not choose which files of this machine are read."""
    (tmp_path / "net.bin").write_bytes(bytes(5000))
    path = external(tmp_path / "inner" / "net.onnx", {"w": "w.bin", "linear": "w.bin"})
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    for use in (
        lambda: weights_files("onnx", {"weights": str(path)}),
        lambda: load_network("onnx", weights=path, **OPTIONS),
    ):
        with pytest.raises(NetworkError, match="external data leaves the model's folder; refused"):
            use()


def test_a_link_out_of_the_models_folder_is_refused(tmp_path: Path) -> None:
    """The same by another way. A model that is a link itself may have its data beside the file that it points to."""
    path = external(tmp_path / "inner" / "net.onnx", {"w": "w.bin", "linear": "w.bin"})
    (tmp_path / "inner" / "w.bin").rename(tmp_path / "w.bin")
    (tmp_path / "inner" / "w.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(NetworkError, match="is a link out of the model's folder; refused"):
        weights_files("onnx", {"weights": str(path)})
    (tmp_path / "links").mkdir()
    whole = external(tmp_path / "blobs" / "net.onnx", {"w": "w.bin", "linear": "w.bin"})
    for file in (whole, whole.with_name("w.bin")):
        (tmp_path / "links" / file.name).symlink_to(file)
    assert len(weights_files("onnx", {"weights": str(tmp_path / "links" / "net.onnx")})) == 2


def test_missing_and_short_external_data(tmp_path: Path) -> None:
    """One line that names the file."""
    path = external(tmp_path / "net.onnx", {"w": "w.bin", "linear": "l.bin"})
    (tmp_path / "l.bin").write_bytes(b"short")
    with pytest.raises(NetworkError, match=r"net\.onnx: not a usable ONNX model: "):
        load_network("onnx", weights=path, **OPTIONS)
    (tmp_path / "w.bin").unlink()
    for use in (
        lambda: weights_files("onnx", {"weights": str(path)}),
        lambda: load_network("onnx", weights=path, **OPTIONS),
    ):
        with pytest.raises(NetworkError, match=r"w\.bin with external data of the model is missing"):
            use()


def test_weights_that_are_no_files() -> None:
    """The libraries' versions determine them."""
    assert weights_files("torchvision", {"weights": "random"}) == []
    assert weights_files("torchvision", {}) == []
    assert [path.name for path in weights_files("refnet", {})] == ["refnet.safetensors"]
    with pytest.raises(NetworkError, match=r"network\.weights: absent\.pth: no such file"):
        weights_files("torchvision", {"weights": "absent.pth"})


def test_the_configurations_of_detectron2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration builds on others; none of them is imported, nor is detectron2."""
    (tmp_path / "detectron2").mkdir()
    (tmp_path / "detectron2" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "configs" / "COCO").mkdir(parents=True)
    (tmp_path / "configs" / "COCO" / "net.yaml").write_text('_BASE_: "../base.yaml"\nMODEL: {DEPTH: 50}\n')
    (tmp_path / "configs" / "base.yaml").write_text("MODEL: {DEPTH: 18}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "detectron2", raising=False)
    weights = tmp_path / "model.pkl"
    weights.write_bytes(b"weights")
    found = weights_files("detectron2", {"model": "COCO/net", "weights": str(weights)})
    assert [os.path.relpath(os.path.normpath(path), tmp_path) for path in found] == [
        "model.pkl", "configs/COCO/net.yaml", "configs/base.yaml",
    ]  # fmt: skip
    before = files_digest(found)
    (tmp_path / "configs" / "base.yaml").write_text("MODEL: {DEPTH: 34}\n")
    assert files_digest(found) != before


def test_results_of_a_model_with_other_external_data_have_another_name(tmp_path: Path) -> None:
    """The model's own file is the same in both folders; a sweep's store must tell them apart."""
    from vcm_ref.experiment.naming import network_name

    names = []
    for folder in ("a", "b", "c"):
        path = external(tmp_path / folder / "net.onnx", {"w": "net.onnx.data", "linear": "net.onnx.data"})
        if folder == "b":
            data = bytearray(path.with_name("net.onnx.data").read_bytes())
            data[-1] ^= 1
            path.with_name("net.onnx.data").write_bytes(data)
        names.append(network_name("onnx", {"weights": str(path), **OPTIONS}))
    assert (tmp_path / "a" / "net.onnx").read_bytes() == (tmp_path / "b" / "net.onnx").read_bytes()
    assert names[0] != names[1]
    assert names[0] == names[2]
