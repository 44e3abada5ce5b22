"""The reference network with masks: the rest of it is refnet to the bit, masks lie where the objects are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcm_ref.errors import NetworkError
from vcm_ref.network import layer_files, load_network, weights_files
from vcm_ref.network.weights_files import REFNET_MASK_WEIGHTS, REFNET_WEIGHTS
from vcm_ref.task.coco import evaluate_boxes, evaluate_masks
from vcm_ref.task.scenes import analysed_scenes, render_scene

from .samples import assert_same, travelled

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")

EVALUATION_SEED = 1_000_000


@pytest.fixture(scope="module")
def network() -> Any:
    """Load the shipped network once."""
    return load_network("refnet_mask")


@pytest.mark.parametrize(("width", "height"), [(512, 384), (131, 97), (1500, 64)])
def test_layers_and_boxes_are_those_of_refnet_to_the_bit(network: Any, width: int, height: int) -> None:
    image = render_scene(11, width, height).image
    plain = load_network("refnet")
    features, expected = network.extract(image), plain.extract(image)
    for name, layer in expected.layers.items():
        assert np.array_equal(features.layers[name], layer), name
    found, boxes = network.analyse(travelled(features)), plain(image)
    for key in ("boxes", "scores", "labels"):
        assert np.array_equal(getattr(found, key), getattr(boxes, key)), key
    assert_same(found, network(image))
    assert found.masks is not None
    assert found.masks.shape == (len(boxes), height, width)
    assert found.masks.dtype == np.bool_


def test_a_mask_lies_in_its_box(network: Any) -> None:
    found = network(render_scene(11).image)
    assert len(found)
    assert found.masks is not None
    for mask, (x0, y0, x1, y1) in zip(found.masks, found.boxes, strict=True):
        rows, columns = np.nonzero(mask)
        assert len(rows)
        assert columns.min() >= np.floor(x0) - 1
        assert columns.max() <= np.ceil(x1) + 1
        assert rows.min() >= np.floor(y0) - 1
        assert rows.max() <= np.ceil(y1) + 1


def test_the_weights_are_those_on_record() -> None:
    record = json.loads(REFNET_MASK_WEIGHTS.with_suffix(".json").read_text("utf-8"))
    stored = REFNET_MASK_WEIGHTS.read_bytes()
    assert hashlib.sha256(stored).hexdigest() == record["weights_sha256"]
    assert len(stored) <= 3_000_000
    refnet = json.loads(REFNET_WEIGHTS.with_suffix(".json").read_text("utf-8"))
    assert record["training"]["refnet_weights_sha256"] == refnet["weights_sha256"]
    assert {key: record["evaluation"][key] for key in refnet["evaluation"]} == refnet["evaluation"]
    for part in record["training"]["training_scenes"]:  # never trained on what it is measured on
        assert part["first_seed"] + part["count"] <= EVALUATION_SEED


def accuracy(network: Any, count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Measure boxes and masks on the first scenes of the evaluation's range."""
    document, found = analysed_scenes(network, EVALUATION_SEED, count)
    return evaluate_boxes(document, found), evaluate_masks(document, found)


def test_its_masks_fit_the_objects_of_a_few_unseen_scenes(network: Any) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    boxes, masks = accuracy(network, 12)
    assert masks["AP"] >= 0.8 * boxes["AP"]
    assert masks["AP50"] >= 0.9 * boxes["AP50"]


def test_its_numbers_come_from_two_files_and_it_describes_both(network: Any, tmp_path: Path) -> None:
    assert weights_files("refnet_mask", {}) == [REFNET_MASK_WEIGHTS, REFNET_WEIGHTS]
    own = tmp_path / "own.safetensors"
    own.write_bytes(REFNET_MASK_WEIGHTS.read_bytes())
    assert weights_files("refnet_mask", {"weights": str(own)}) == [own, REFNET_WEIGHTS]
    described, other = network.describe(), load_network("refnet_mask", weights=str(own)).describe()
    assert described["weights_sha256"] == other["weights_sha256"]
    assert described["refnet_weights_sha256"] == load_network("refnet").describe()["weights_sha256"]
    assert other["weights"] == "own.safetensors"


def test_models_for_the_layers_of_refnet_are_its_models_too() -> None:
    assert layer_files("refnet_mask", {}) == layer_files("refnet", {}) == [REFNET_WEIGHTS]


def test_weights_that_are_not_a_mask_head_s_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"refnet_mask's weights .*refnet\.safetensors lack [0-9]+ tensors, mask_"):
        load_network("refnet_mask", weights=str(REFNET_WEIGHTS))
    with pytest.raises(NetworkError, match=r"none\.safetensors"):
        load_network("refnet_mask", weights=str(tmp_path / "none.safetensors"))
