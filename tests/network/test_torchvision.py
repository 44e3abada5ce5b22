"""Torchvision's networks: weights from where they should be, and the paper's layer numbers."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from vcm_ref.errors import NetworkError
from vcm_ref.network import load_network

from .samples import assert_same, picture, travelled

torch = pytest.importorskip("torch", reason="torch is not installed")
torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")

from vcm_ref.network import torchvision_classifiers  # noqa: E402
from vcm_ref.network.torch_parts import exact_inference  # noqa: E402


def load(model: str, **options: Any) -> Any:
    return load_network("torchvision", model=model, **options)


@pytest.fixture
def resnet18(tmp_path: Path) -> Path:
    """A weights file of a ResNet-18 as torchvision makes it, named as torchvision names its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        path = tmp_path / "resnet18-f37072fd.pth"
        torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    return path


# The layer numbers


@pytest.mark.parametrize(("model", "layer"), [("vgg16", 8), ("vgg16", 11), ("resnet18", 13), ("resnet18", 15)])
def test_a_layer_is_what_follows_the_activation_after_the_nth_convolution(model: str, layer: int) -> None:
    with torch.device("meta"):
        network = getattr(torchvision.models, model)(weights=None)
    cut = torchvision_classifiers.CUTS[model][layer]
    part1 = torchvision_classifiers._CHAINS[model](network)[: cut.modules]
    named = [(name, module) for part in part1 for name, module in part.named_modules()]
    convolutions = [name for name, module in named if isinstance(module, torch.nn.Conv2d) and "downsample" not in name]
    assert len(convolutions) == layer
    ends = (torch.nn.ReLU, torchvision.models.resnet.BasicBlock)  # a block ends with its activation
    assert isinstance(part1[-1], ends)
    assert tuple(torch.nn.Sequential(*part1)(torch.empty(1, 3, 224, 224, device="meta")).shape[1:]) == cut.shape


def test_the_chain_of_modules_is_the_whole_network() -> None:
    with torch.device("meta"):
        for model, chain in torchvision_classifiers._CHAINS.items():
            network = getattr(torchvision.models, model)(weights=None)
            ours = {id(parameter) for module in chain(network) for parameter in module.parameters()}
            assert ours == {id(parameter) for parameter in network.parameters()}


@pytest.mark.parametrize("layer", [None, 8, 14])
def test_other_layers_are_refused(layer: int | None) -> None:
    with pytest.raises(NetworkError, match=f"network.layer: resnet18 can be split at layers 13 and 15; got {layer}"):
        load("resnet18", layer=layer, weights="random")


# Weights


def test_weights_come_from_a_local_file(resnet18: Path) -> None:
    network = load("resnet18", layer=15, weights=str(resnet18))
    described = network.describe()
    assert described["weights"] == "resnet18-f37072fd.pth"
    assert len(described["weights_sha256"]) == 64
    plain = torchvision.models.resnet18(weights=None).eval()
    plain.load_state_dict(torch.load(resnet18, weights_only=True))
    with exact_inference():
        expected = plain(network._pixels(picture(40, 50)))[0].numpy()
    assert np.array_equal(network(picture(40, 50)).logits, expected)
    assert network.class_names[0] == "tench"
    assert len(network.class_names) == 1000


def test_default_weights_are_downloaded_once_and_checked(
    resnet18: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def download(address: str, target: str, digest: str | None, progress: bool) -> None:
        asked.append((address, digest))
        Path(target).write_bytes(resnet18.read_bytes())

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(NetworkError, match=r"f37072fd\.pth: are not those published under this name; delete the file"):
        load("resnet18", layer=13)  # ours only bear the published name
    asked.clear()
    (tmp_path / "cache" / "checkpoints" / "resnet18-f37072fd.pth").unlink()
    monkeypatch.setattr("vcm_ref.network.torch_parts.file_digest", lambda path: "f37072fd" + 56 * "0")
    first, second = load("resnet18", layer=13), load("resnet18", layer=13, weights="default")
    assert asked == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd")]
    assert first.describe() == second.describe()


def test_without_a_connection_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: Any, **__: Any) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(NetworkError, match=r"resnet18-f37072fd\.pth .*no route.*; fetch the file") as caught:
        load("resnet18", layer=13)
    assert "\n" not in str(caught.value)


def test_files_that_do_not_fit_are_refused_in_one_line(resnet18: Path, tmp_path: Path) -> None:
    state = torch.load(resnet18, weights_only=True)
    faulty = tmp_path / "faulty.pth"

    def refused(message: str) -> None:
        with pytest.raises(NetworkError, match=message) as caught:
            load("resnet18", layer=13, weights=str(faulty))
        assert "\n" not in str(caught.value)

    refused(r"faulty\.pth: there is no such file")
    faulty.write_bytes(b"nothing of the kind")
    refused(r"faulty\.pth: cannot be read")
    torch.save([1, 2], faulty)
    refused(r"faulty\.pth: hold no mapping of names to tensors")
    torch.save({key: value for key, value in state.items() if key != "fc.bias"}, faulty)
    refused(r"lack 1 tensor \(fc\.bias\) that the model has; are they of another model\?")
    torch.save({**state, "more": torch.zeros(1), "most": torch.zeros(1)}, faulty)
    refused(r"hold 2 tensors \(more\) that the model lacks")
    torch.save({**state, "fc.bias": torch.zeros(10)}, faulty)
    refused("do not fit the model: size mismatch for fc.bias")


def test_safetensors_are_read_as_well(resnet18: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "resnet18.safetensors"
    save_file(torch.load(resnet18, weights_only=True), path)
    image = picture(40, 50)
    one, other = (load("resnet18", layer=13, weights=str(file)) for file in (path, resnet18))
    assert_same(one(image), other(image))


def test_random_weights_follow_their_seed_and_leave_other_random_numbers_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    networks = [load("resnet18", layer=15, weights="random", seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(3), expected)
    first, same, other = (network(picture(40, 50)).logits for network in networks)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert networks[2].describe()["weights"] == "random, seed 1"


def test_a_detector_with_local_weights_is_torchvision_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given weights, torchvision builds its first detectors with another normalisation than without."""
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights, fasterrcnn_resnet50_fpn

    options = {"shortest_side": 64, "longest_side": 96, "score_threshold": 0.0, "max_detections": 10}
    state = load("fasterrcnn_resnet50_fpn", weights="random", **options).model.state_dict()
    for key, value in state.items():
        if "running_var" in key:
            value.mul_(2.0)  # or the normalisation would do nothing
        if "inner_blocks" in key:
            value.mul_(1e-3)  # an untrained pyramid is so loud that every score is 0 or 1
    monkeypatch.setattr(FasterRCNN_ResNet50_FPN_Weights, "get_state_dict", lambda *_, **__: state)
    published = fasterrcnn_resnet50_fpn(
        weights=FasterRCNN_ResNet50_FPN_Weights.COCO_V1,
        min_size=64,
        max_size=96,
        box_score_thresh=0.0,
        box_detections_per_img=10,
    ).eval()
    torch.save(state, tmp_path / "weights.pth")
    network = load("fasterrcnn_resnet50_fpn", weights=str(tmp_path / "weights.pth"), **options)
    image = picture(50, 70)
    with exact_inference():
        pixels = torch.from_numpy(image.transpose(2, 0, 1).copy()).float() / 255
        expected = published([pixels])[0]
    found = network.analyse(travelled(network.extract(image)))
    assert len(found) == 10
    for key in ("boxes", "scores", "labels"):
        assert np.array_equal(getattr(found, key), expected[key].numpy()), key


# The page that shows how to add a network


def test_the_documented_example_works() -> None:
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    start = page.index('    """Torchvision\'s SqueezeNet')
    code = textwrap.dedent(page[start : page.index("and in the table:")])
    assert len(code.strip().splitlines()) <= 60
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    network = namespace["SqueezeNet"](weights="random")
    image = picture(40, 50)
    assert_same(network.analyse(travelled(network.extract(image))), network(image))


# Options


def test_models_and_options_that_there_are_not_are_named() -> None:
    with pytest.raises(NetworkError, match=r"network\.model: torchvision's 'ssd300_vgg16' is not among .*, resnet18$"):
        load("ssd300_vgg16")
    with pytest.raises(NetworkError, match=r"network\.model: network 'torchvision' needs it"):
        load_network("torchvision")
    with pytest.raises(NetworkError, match=r"torchvision resnet18.*'shortest_side'; its options are: model, layer"):
        load("resnet18", layer=13, shortest_side=100)
