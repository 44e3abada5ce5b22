"""The reference network: the split is exact, the layers have the agreed layout, the weights are those on record."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.network import load_network
from vcm_ref.task.coco import evaluate_boxes
from vcm_ref.task.detections import Detections
from vcm_ref.task.scenes import analysed_scenes, render_scene

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

SIZES = ((384, 512), (64, 64), (97, 131), (33, 300), (40, 1500))
EVALUATION_SEED = 1_000_000


@pytest.fixture(scope="module")
def network() -> Any:
    """Load the shipped network once."""
    return load_network("refnet")


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Give a picture with something on it, of any size."""
    scene = render_scene(11, max(64, width), max(64, height)).image
    return np.ascontiguousarray(scene[:height, :width])


def same(first: Detections, second: Detections) -> bool:
    """Tell whether two results agree to the bit."""
    return all(
        getattr(first, key).dtype == getattr(second, key).dtype
        and np.array_equal(getattr(first, key), getattr(second, key))
        for key in ("boxes", "scores", "labels")
    )


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_split_network_equals_the_whole_to_the_bit(network: Any, height: int, width: int) -> None:
    image = picture(height, width)
    features = network.extract(image)
    # What travels is a copy in memory of its own, here one that must not be written to.
    layers = {name: layer.copy() for name, layer in features.layers.items()}
    for layer in layers.values():
        layer.setflags(write=False)
    split = network.analyse(FeatureSet(features.height, features.width, layers))
    assert same(split, network(image))
    assert split.boxes.dtype == np.float32
    assert split.scores.dtype == np.float32
    assert split.labels.dtype == np.int64
    if (height, width) == SIZES[0]:
        assert len(split)
    assert (split.boxes >= 0).all()
    assert (split.boxes[:, [0, 2]] <= width).all()
    assert (split.boxes[:, [1, 3]] <= height).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_layers_are_dyadic_with_256_maps(network: Any, height: int, width: int) -> None:
    features = network.extract(picture(height, width))
    assert (features.height, features.width) == (height, width)
    assert tuple(features.layers) == network.layers == ("p2", "p3", "p4", "p5")
    if max(height, width) > 1333:
        height, width = round(height * 1333 / max(height, width)), 1333
    rows, columns = -(-height // 32) * 8, -(-width // 32) * 8
    for name, layer in features.layers.items():
        assert layer.shape == (256, rows, columns), name
        assert layer.dtype == np.float32
        assert layer.flags.c_contiguous
        rows, columns = rows // 2, columns // 2


def test_a_photograph_has_the_published_layout(network: Any) -> None:
    from vcm_ref.network.refnet import _network_size, _padded

    assert _network_size(800, 1088) == (800, 1088)
    assert [_padded(side) // 4 for side in _network_size(800, 1088)] == [200, 272]
    assert _network_size(3000, 4000) == (1000, 1333)
    assert _network_size(4000, 3) == (1333, 1)


def test_p6_is_p5_pooled(network: Any) -> None:
    image = picture(100, 140)
    with torch.inference_mode():
        pyramid = network._pyramid(image)
    assert list(pyramid) == ["p2", "p3", "p4", "p5", "pool"]
    assert torch.equal(pyramid["pool"], torch.nn.functional.max_pool2d(pyramid["p5"], 1, 2))


def test_the_number_of_threads_does_not_matter(network: Any) -> None:
    image = picture(192, 256)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append((network.extract(image), network(image)))
    finally:
        torch.set_num_threads(before)
    for features, found in results[1:]:
        for name in network.layers:
            assert np.array_equal(features.layers[name], results[0][0].layers[name]), name
        assert same(found, results[0][1])


def test_the_weights_are_those_on_record() -> None:
    from vcm_ref.network.weights_files import REFNET_WEIGHTS

    record = json.loads(REFNET_WEIGHTS.with_suffix(".json").read_text("utf-8"))
    stored = REFNET_WEIGHTS.read_bytes()
    assert hashlib.sha256(stored).hexdigest() == record["weights_sha256"]
    assert len(stored) <= 24_000_000
    assert record["evaluation"]["scenes"] == 200
    assert record["evaluation"]["first_seed"] == EVALUATION_SEED
    assert record["evaluation"]["AP"] >= 0.50
    assert record["evaluation"]["AP50"] >= 0.80
    for part in record["training"]["training_scenes"]:  # never trained on what it is measured on
        assert part["first_seed"] + part["count"] <= EVALUATION_SEED


def accuracy(network: Any, count: int) -> dict[str, float]:
    """Measure the network on the first scenes of the evaluation's range."""
    document, found = analysed_scenes(network, EVALUATION_SEED, count)
    return evaluate_boxes(document, found)


def test_it_finds_the_objects_of_a_few_unseen_scenes(network: Any) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    figures = accuracy(network, 12)
    assert figures["AP"] >= 0.45
    assert figures["AP50"] >= 0.75


@pytest.mark.slow
def test_it_reaches_the_recorded_accuracy_on_200_unseen_scenes(network: Any) -> None:
    from vcm_ref.network.weights_files import REFNET_WEIGHTS

    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    record = json.loads(REFNET_WEIGHTS.with_suffix(".json").read_text("utf-8"))["evaluation"]
    figures = accuracy(network, 200)
    assert figures["AP"] >= 0.50
    assert figures["AP50"] >= 0.80
    # Another processor's arithmetic may order two equal scores differently; more than that it may not do.
    assert figures["AP"] == pytest.approx(record["AP"], abs=0.003)


def test_wrong_features_are_refused(network: Any) -> None:
    features = network.extract(picture(64, 64))
    with pytest.raises(NetworkError, match="p5, p4"):
        network.analyse(FeatureSet(64, 64, dict(reversed(features.layers.items()))))
    with pytest.raises(NetworkError, match="layer p2 of a 65x64 picture"):
        network.analyse(FeatureSet(64, 65, features.layers))
    with pytest.raises(NetworkError, match="uint8"):
        network(np.zeros((64, 64), np.uint8))


def test_unknown_names_and_unusable_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="refnet"):
        load_network("resnet")
    with pytest.raises(NetworkError, match="options"):
        load_network("refnet", colour="red")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing of the kind")
    for path in (broken, tmp_path / "none.safetensors"):
        with pytest.raises(NetworkError, match=path.name):
            load_network("refnet", weights=path)
    empty = tmp_path / "empty.safetensors"
    from safetensors.numpy import save_file

    save_file({"something": np.zeros(1, np.float32)}, empty)
    with pytest.raises(NetworkError, match="lack"):
        load_network("refnet", weights=empty)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "vcm_ref.network.refnet", raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    for name in [key for key in sys.modules if key.startswith("torchvision.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NetworkError, match=r"torchvision.*not installed"):
        load_network("refnet")


def test_torch_is_imported_only_when_a_network_is_loaded() -> None:
    import subprocess

    code = "import sys, vcm_ref.network, vcm_ref.task.scenes, vcm_ref.task.coco; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert importlib.util.find_spec("torch") is not None
