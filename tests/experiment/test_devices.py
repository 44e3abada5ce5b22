"""How far devices differ, with a network whose second device is off by what is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import vcm_ref.experiment.devices
from experiment.stub import PICTURES, ClassifyingNetwork, StubNetwork, write_pictures
from vcm_ref.app.eval import main as vcm_eval
from vcm_ref.errors import DatasetError, NetworkError
from vcm_ref.experiment.devices import compare_devices, write_devices
from vcm_ref.feature_set import FeatureSet
from vcm_ref.network import load_network
from vcm_ref.task.dataset import load_dataset


class Brighter(StubNetwork):
    """A device whose samples are all larger by 1."""

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        found = super().extract(image)
        layers = {name: (layer + np.float32(1)).astype(np.float32) for name, layer in found.layers.items()}
        return FeatureSet(found.height, found.width, layers)


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second device is that of ``Brighter``."""

    def load(name: str, **options: Any) -> StubNetwork:
        if name == "classifying":
            return ClassifyingNetwork()
        return Brighter() if options.get("device") == "cuda" else StubNetwork()

    monkeypatch.setattr(vcm_ref.experiment.devices, "load_network", load)


def test_the_same_device_differs_in_nothing(tmp_path: Path, stubs: None) -> None:
    dataset = load_dataset(write_pictures(tmp_path))
    found = compare_devices("stub", {}, dataset, "names", 3)
    assert found["devices"] == ["cpu", "cpu"]
    nothing = {"absolute": 0.0, "relative": 0.0}
    assert found["differences"] == {
        "layers": {"p2": nothing, "p3": nothing},
        "boxes": 0.0,
        "scores": 0.0,
        "other_results": 0,
    }
    assert found["metrics"][0] == found["metrics"][1]
    assert found["pictures"] == [10, 20, 30]


def test_another_device_differs_by_what_it_is_off(tmp_path: Path, stubs: None) -> None:
    """One more everywhere: of the largest sample, 4 x 255 on the first picture and 4 x 128 on the second, 1/512."""
    dataset = load_dataset(write_pictures(tmp_path))
    found = compare_devices("stub", {"device": "cuda"}, dataset, "names", len(PICTURES))
    layers = found["differences"]["layers"]
    assert layers["p2"] == {"absolute": 1.0, "relative": 1 / 512}
    assert found["differences"]["scores"] == 1 / 256
    assert found["devices"] == ["cpu", "cuda"]
    write_devices(tmp_path / "found.json", found)
    assert json.loads((tmp_path / "found.json").read_text())["differences"]["layers"]["p2"]["absolute"] == 1.0


def test_classes_are_compared_too(tmp_path: Path, stubs: None) -> None:
    folder = tmp_path / "set"
    for name in ("bright", "grey"):
        (folder / name).mkdir(parents=True)
    write_pictures(tmp_path)
    (tmp_path / "picture1.png").rename(folder / "bright" / "1.png")
    (tmp_path / "picture2.png").rename(folder / "grey" / "2.png")
    (tmp_path / "classes.txt").write_text("bright\ngrey\ngreen\n")
    (tmp_path / "set.yaml").write_text("kind: imagenet\nimages: set\nclasses: classes.txt\n")
    found = compare_devices("classifying", {}, load_dataset(tmp_path / "set.yaml"), "names", 2)
    assert found["differences"]["other_results"] == 0
    assert found["metrics"][1] == found["metrics"][0]


def test_a_picture_that_is_missing_is_an_error(tmp_path: Path, stubs: None) -> None:
    path = write_pictures(tmp_path)
    (tmp_path / "picture1.png").unlink()
    with pytest.raises(DatasetError, match=r"picture1\.png"):
        compare_devices("stub", {}, load_dataset(path), "names", 1)


def test_the_command(tmp_path: Path, stubs: None, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_pictures(tmp_path)
    command = ["--data", str(path), "--network", "stub", "--compare-devices", "2", "-o", str(tmp_path / "d.json")]
    assert vcm_eval(command) == 0
    assert "pictures with other results: 0 of 2" in capsys.readouterr().out
    assert json.loads((tmp_path / "d.json").read_text())["kind"] == "devices"
    assert vcm_eval([*command, "--whole"]) == 2
    assert "--whole changes nothing with --compare-devices" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from network.small_networks import classifier, saved

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NetworkError, match=r"network\.device: torch .* finds no GPU for cuda here; use cpu"):
        load_network("torchvision", model="resnet18", layer=13, weights="random", device="cuda")
    with pytest.raises(NetworkError, match=r"network\.device: is 'tpu'; allowed are cpu and cuda"):
        load_network("refnet", device="tpu")
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    path = saved(classifier(), tmp_path / "a.onnx")
    with pytest.raises(NetworkError, match=r"network\.device: onnxruntime .* has no CUDAExecutionProvider here"):
        load_network("onnx", weights=path, cut=["/conv/act"], head="logits", device="cuda")
    network = load_network("onnx", weights=path, cut=["/conv/act"], head="logits", device="cpu")
    assert "device" not in network.describe()


def test_a_record_names_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU is the reference, and is not named. Here the CPU stands for the GPU."""
    import torch
    from network.small_networks import classifier, saved

    from vcm_ref.network import onnx_network
    from vcm_ref.network.torch_parts import device_record

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    assert device_record(torch.device("cuda")) == {"device": "cuda, a card"}
    assert device_record(torch.device("cpu")) == {}
    path = saved(classifier(), tmp_path / "a.onnx")
    options = {"weights": path, "cut": ["/conv/act"], "head": "logits"}
    assert "device" not in load_network("onnx", **options).describe()
    monkeypatch.setitem(onnx_network._PROVIDERS, "cuda", "CPUExecutionProvider")
    monkeypatch.setattr(onnx_network, "_providers", lambda device: ["CPUExecutionProvider"])
    assert load_network("onnx", **options, device="cuda").describe()["device"] == "cuda"
