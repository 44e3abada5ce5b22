"""Detectron2's networks, wherever detectron2 can be imported; a plain copy of its source on PYTHONPATH is enough."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcm_ref.errors import NetworkError
from vcm_ref.network import load_network

from .samples import assert_same, picture, travelled

FASTER = "COCO-Detection/faster_rcnn_R_50_FPN_3x"
SMALL = {"shortest_side": 64, "longest_side": 96, "score_threshold": 0.005, "max_detections": 20}

needed = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "torchvision", "detectron2")),
    reason="detectron2 cannot be imported",
)


@pytest.fixture(scope="module")
def network() -> Any:
    made: Any = load_network("detectron2", model=FASTER, weights="random", **SMALL)
    for key, parameter in made.model.backbone.named_parameters():
        if "lateral" in key:
            parameter.mul_(1e-3)  # an untrained pyramid is so loud that every score is 0 or 1
    return made


def test_where_detectron2_is_missing_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "vcm_ref.network.detectron2_fpn", raising=False)
    monkeypatch.setitem(sys.modules, "detectron2", None)
    with pytest.raises(NetworkError, match=r"'detectron2' needs the package detectron2.*facebookresearch.*PYTHONPATH"):
        load_network("detectron2", model=FASTER)


@needed
def test_the_layers_are_the_pyramid_s_at_the_anchor_s_strides(network: Any) -> None:
    features = network.extract(picture(50, 70))
    assert {name: layer.shape for name, layer in features.layers.items()} == {
        "p2": (256, 16, 24),
        "p3": (256, 8, 12),
        "p4": (256, 4, 6),
        "p5": (256, 2, 3),
    }
    assert network.class_names[1] == "person"
    assert network.class_names[90] == "toothbrush"
    assert len(network.class_names) == 80


@needed
def test_p6_is_p5_pooled(network: Any) -> None:
    import torch

    pixels = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        pyramid = network.model.backbone(pixels)
    assert torch.equal(pyramid["p6"], torch.nn.functional.max_pool2d(pyramid["p5"], 1, 2))


@needed
def test_weights_of_the_zoo_s_form_are_read_and_both_splits_agree(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "model_final.pkl"
    stored = {key: value.numpy() for key, value in network.model.state_dict().items()}
    stored["pixel_mean"] = np.zeros((3, 1, 1), np.float32)  # as files of older versions hold it
    stored["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    path.write_bytes(pickle.dumps({"model": stored, "__author__": "someone"}))
    image = picture(50, 70)
    other = load_network("detectron2", model=FASTER, weights=str(path), split="c", **SMALL)
    assert other.layers == ("c2", "c3", "c4", "c5")
    assert_same(other.analyse(travelled(other.extract(image))), network(image))
    assert len(network(image))
    described = other.describe()
    assert described["weights"] == "model_final.pkl"
    assert len(described["weights_sha256"]) == 64
    assert described["split"] == "c"


@needed
def test_a_backbone_s_weights_alone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "R-50.pkl"
    path.write_bytes(pickle.dumps({"conv1_w": np.zeros((64, 3, 7, 7), np.float32)}))
    with pytest.raises(NetworkError, match=r"R-50\.pkl: lack [0-9]+ tensors \(.*\) that the model has"):
        load_network("detectron2", model=FASTER, weights=str(path))


@needed
@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("COCO-Detection/faster_rcnn_X_101_32x8d_FPN_3x", "139173657/model_final_68b088.pkl"),
        ("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x", "137849600/model_final_f10217.pkl"),
        ("COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x", "139653917/model_final_2d9806.pkl"),
    ],
)
def test_the_zoo_knows_the_networks_of_the_anchors_and_papers(model: str, file: str) -> None:
    from vcm_ref.network import detectron2_fpn

    assert detectron2_fpn._configuration(model, {}).MODEL.BACKBONE.NAME == "build_resnet_fpn_backbone"
    assert detectron2_fpn._address(model) == f"https://dl.fbaipublicfiles.com/detectron2/{model}/{file}"


@needed
@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("COCO-Detection/nope", {}, "detectron2's zoo has no configuration 'COCO-Detection/nope'"),
        ("COCO-Detection/faster_rcnn_R_50_C4_3x", {}, "is not an R-CNN with a feature pyramid"),
        ("COCO-Detection/retinanet_R_50_FPN_3x", {}, "is not an R-CNN with a feature pyramid"),
        (FASTER, {"split": "x"}, "network.split: is 'x'; allowed are p and c"),
        (FASTER, {"layer": 3}, "'layer'; its options are: model, weights, split"),
    ],
)
def test_models_and_options_that_do_not_fit_are_refused(model: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        load_network("detectron2", model=model, weights="random", **options)
