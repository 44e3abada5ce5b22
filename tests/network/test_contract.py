"""What every network keeps, whichever it is: above all that the split network equals the whole, to the bit."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.network import NETWORKS, Network, load_network
from vcm_ref.task.classification import Classification

from .samples import assert_same, picture, travelled

SIZES = ((70, 96), (97, 61))

SMALL = {
    "weights": "random",
    "shortest_side": 64,
    "longest_side": 96,
    "score_threshold": 0.005,
    "max_detections": 20,
}
"""Detectors at a size that a test can afford, with all that they find."""

QUIETER = {"torchvision": 1e-2, "detectron2": 1e-3}
"""What an untrained pyramid is multiplied by, which is so loud that every score would be 0 or 1."""

R50 = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x"
CASCADE = "Misc/cascade_mask_rcnn_R_50_FPN_1x"

CASES: list[tuple[str, dict[str, Any]]] = [
    ("refnet", {}),
    ("refnet_mask", {}),
    ("torchvision", {"model": "fasterrcnn_resnet50_fpn", **SMALL}),
    ("torchvision", {"model": "fasterrcnn_resnet50_fpn_v2", **SMALL}),
    ("torchvision", {"model": "maskrcnn_resnet50_fpn", **SMALL}),
    ("torchvision", {"model": "maskrcnn_resnet50_fpn_v2", "seed": 3, **SMALL}),  # one whose masks are not all empty
    ("torchvision", {"model": "vgg16", "layer": 8, "weights": "random"}),
    ("torchvision", {"model": "vgg16", "layer": 11, "weights": "random"}),
    ("torchvision", {"model": "resnet18", "layer": 13, "weights": "random"}),
    ("torchvision", {"model": "resnet18", "layer": 15, "weights": "random"}),
    ("detectron2", {"model": R50, "split": "p", **SMALL}),
    ("detectron2", {"model": R50, "split": "c", **SMALL}),
    ("detectron2", {"model": CASCADE, "split": "p", **SMALL}),
    ("onnx", {"weights": "yolox_like", "cut": ["p3", "p4", "p5"], "head": "yolox", "fit": "letterbox"}),
    ("onnx", {"weights": "classifier", "cut": ["/conv/act"], "head": "logits", "fit": "crop", "shortest_side": 40}),
    ("onnx", {"weights": "detector", "cut": {"c2": "act"}, "head": "boxes", "size": "80x48"}),
]

NEEDS = {
    "refnet": ("torch", "torchvision", "safetensors"),
    "refnet_mask": ("torch", "torchvision", "safetensors"),
    "torchvision": ("torch", "torchvision"),
    "detectron2": ("torch", "torchvision", "detectron2"),
    "onnx": ("onnx", "onnxruntime"),
}


def case_name(case: tuple[str, dict[str, Any]]) -> str:
    name, options = case
    told = [options.get("model", options.get("weights", "")), options.get("layer", options.get("split", ""))]
    return "-".join([name, *(str(part) for part in told if part)])


@pytest.fixture(scope="module", params=CASES, ids=case_name)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Each network in turn, one in memory at a time."""
    name, options = request.param
    for package in NEEDS[name]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if name == "onnx":
        from . import small_networks

        path = tmp_path_factory.mktemp("exported") / "network.onnx"
        small_networks.saved(getattr(small_networks, options["weights"])(), path)
        classes = {} if options["head"] == "boxes" else {"classes": small_networks.CLASSES}
        yield load_network(name, **{**options, "weights": str(path), **classes})
        return
    made: Any = load_network(name, **options)
    if "rcnn" in options.get("model", ""):
        for key, parameter in made.model.backbone.named_parameters():
            if "inner_blocks" in key or "lateral" in key:
                parameter.mul_(QUIETER[name])
    yield made


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_split_network_equals_the_whole_to_the_bit(network: Network, height: int, width: int) -> None:
    image = picture(height, width)
    whole = network(image)
    features = travelled(network.extract(image))
    split = network.analyse(features)
    assert_same(split, whole)
    assert_same(network.analyse(features), whole)

    assert (features.height, features.width) == (height, width)
    assert tuple(features.layers) == network.layers
    for name, layer in features.layers.items():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", name)
        assert layer.ndim == 3
        assert layer.dtype == np.float32
        assert np.isfinite(layer).all()
        assert layer.min() < layer.max()

    if isinstance(split, Classification):
        assert split.logits.shape == (len(network.class_names),)
        assert split.logits.dtype == np.float32
        return
    count = len(split)
    assert split.boxes.shape == (count, 4)
    assert split.boxes.dtype == split.scores.dtype == np.float32
    assert split.labels.dtype == np.int64
    assert (np.diff(split.scores) <= 0).all()
    assert {int(label) for label in split.labels} <= network.class_names.keys()
    if split.masks is not None:
        assert split.masks.shape == (count, height, width)
        assert split.masks.dtype == np.bool_
        assert split.masks.any() or not count
    if not network.name.startswith("refnet"):  # which was trained, and finds nothing where nothing is
        assert count


def test_extraction_is_the_same_each_time_in_memory_of_its_own(network: Network) -> None:
    first, second = network.extract(picture(70, 96)), network.extract(picture(70, 96))
    for name, layer in first.layers.items():
        assert layer.flags.c_contiguous
        assert np.array_equal(layer, second.layers[name])
        assert not np.shares_memory(layer, second.layers[name])


def test_the_number_of_threads_does_not_matter(network: Network) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    before, image = torch.get_num_threads(), picture(70, 96)
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(network.extract(image).layers)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for name, layer in found[0].items():
        assert np.array_equal(layer, found[1][name]), name


def test_wrong_features_and_pictures_are_refused(network: Network) -> None:
    features = network.extract(picture(70, 96))
    with pytest.raises(NetworkError, match="layers are"):
        network.analyse(FeatureSet(70, 96, {**features.layers, "other": np.zeros((1, 1, 1), np.float32)}))
    name = network.layers[0]
    fewer_maps = {**features.layers, name: features.layers[name][:-1]}
    with pytest.raises(NetworkError):
        network.analyse(FeatureSet(70, 96, fewer_maps))
    with pytest.raises(NetworkError, match="uint8"):
        network.extract(np.zeros((8, 8, 3), np.float32))  # type: ignore[arg-type]


def test_it_describes_itself_without_naming_the_machine(network: Network) -> None:
    described = network.describe()
    assert described["network"] == network.name
    assert all(isinstance(value, str) for value in described.values())
    digest = described.get("weights_sha256")
    assert described["weights"].startswith("random") if digest is None else re.fullmatch("[0-9a-f]{64}", digest)
    assert "/" not in described["weights"]


def test_every_network_is_under_this_contract() -> None:
    assert {name for name, _ in CASES} == NETWORKS.keys() == NEEDS.keys()


def test_what_cannot_be_made_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetworkError, match="there is no network 'nope'; there are: detectron2, onnx, refnet"):
        load_network("nope")
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    with pytest.raises(NetworkError, match=r"'refnet': .*'layer'; its options are: weights"):
        load_network("refnet", layer=3)
