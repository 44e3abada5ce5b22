"""The shipped configurations of classifiers: where they split, and what the network sees, on networks made here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from conftest import CONFIGURATIONS
from onnx import ModelProto, helper

from vcm_ref.configuration import load_configuration
from vcm_ref.errors import NetworkError
from vcm_ref.inputs.source import read_picture
from vcm_ref.network import load_network

from . import small_networks
from .samples import assert_same, picture, travelled

#: Name of a configuration, name of the layer and its shape, as the network's authors have it.
LITE0 = [("efficientnet_lite0", "block4", (40, 28, 28)), ("efficientnet_lite0_deep", "block10", (112, 14, 14))]
TORCHVISION = [
    ("torchvision_vgg16", "conv4_1", (512, 28, 28)),
    ("torchvision_vgg16_deep", "conv5_1", (512, 14, 14)),
    ("torchvision_resnet18", "res4b", (256, 14, 14)),
    ("torchvision_resnet18_deep", "res5a", (512, 7, 7)),
]


def options_of(name: str, **further: Any) -> dict[str, Any]:
    """The section `network` of a shipped configuration."""
    return {**load_configuration([f"networks/{name}"]).get("network"), **further}


def residual_classifier() -> ModelProto:
    """A classifier with the inputs, outputs and two of the tensors of EfficientNet-Lite0, and few weights.

    ``/_blocks.4/Add_output_0`` (2, 28, 28) and ``/_blocks.10/Add_output_0`` (3, 14, 14) are sums with a shortcut.
    """
    random = np.random.default_rng(4)
    weights: dict[str, Any] = {}
    nodes = []

    def convolution(before: str, after: str, maps: tuple[int, int], side: int) -> None:
        weights[f"{after}.w"] = random.normal(0, 1 / side, (*maps, side, side)).astype(np.float32)
        nodes.append(
            helper.make_node("Conv", [before, f"{after}.w"], [after], kernel_shape=[side] * 2, strides=[side] * 2)
        )

    for number, source, maps, side in ((4, "images", (2, 3), 8), (10, "/_blocks.4/Add_output_0", (3, 2), 2)):
        convolution(source, f"down{number}", maps, side)
        convolution(f"down{number}", f"inside{number}", (maps[0], maps[0]), 1)
        nodes.append(helper.make_node("Add", [f"down{number}", f"inside{number}"], [f"/_blocks.{number}/Add_output_0"]))
    weights["linear"] = random.normal(size=(3, 1000)).astype(np.float32)
    nodes += [
        helper.make_node("GlobalAveragePool", ["/_blocks.10/Add_output_0"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["vector"]),
        helper.make_node("MatMul", ["vector", "linear"], ["logits"]),
    ]
    return small_networks.model(nodes, {"images": (1, 3, 224, 224)}, {"logits": (1, 1000)}, weights)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the small classifier."""
    path = tmp_path_factory.mktemp("exported") / "classifier.onnx"
    small_networks.saved(residual_classifier(), path)
    return str(path)


@pytest.mark.parametrize(("name", "layer", "shape"), [(*LITE0[0][:2], (2, 28, 28)), (*LITE0[1][:2], (3, 14, 14))])
def test_both_splits_of_a_small_classifier_equal_the_whole(
    toy: str, name: str, layer: str, shape: tuple[int, ...]
) -> None:
    network = load_network(**options_of(name, weights=toy))
    image = picture(300, 340)
    features = travelled(network.extract(image))
    assert {key: value.shape for key, value in features.layers.items()} == {layer: shape}
    assert_same(network.analyse(features), network(image))
    assert len(network.class_names) == 1000


def test_a_cut_inside_a_block_is_refused(toy: str) -> None:
    with pytest.raises(NetworkError, match="around the cut leads down4"):
        load_network(**options_of("efficientnet_lite0", weights=toy, cut={"inside": "inside4"}))


@pytest.mark.parametrize(("height", "width"), [(512, 640), (640, 512)])
def test_the_network_sees_the_middle_of_the_picture(toy: str, height: int, width: int) -> None:
    """By Pillow's own functions: the shorter side is 256 samples, the middle 224x224 remain, (sample - 127) / 128."""
    image = picture(height, width)
    small = Image.fromarray(image).resize((width // 2, height // 2), Image.Resampling.BILINEAR)
    left, top = (small.width - 224) // 2, (small.height - 224) // 2
    middle = np.asarray(small.crop((left, top, left + 224, top + 224)), np.float32)
    network: Any = load_network(**options_of("efficientnet_lite0", weights=toy))
    seen = network._preprocessing(image)
    assert seen.shape == (1, 3, 224, 224)
    assert np.array_equal(seen[0], (middle.transpose(2, 0, 1) - 127) / 128)


@pytest.mark.parametrize(("name", "layer", "shape"), TORCHVISION)
def test_torchvisions_classifiers_with_random_weights(name: str, layer: str, shape: tuple[int, ...]) -> None:
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    network = load_network(**options_of(name, weights="random"))
    image = picture(230, 260)
    features = travelled(network.extract(image))
    assert {key: value.shape for key, value in features.layers.items()} == {layer: shape}
    assert_same(network.analyse(features), network(image))


@pytest.mark.skipif(
    "VCM_EFFICIENTNET" not in os.environ, reason="VCM_EFFICIENTNET does not name efficientnet_lite0.onnx"
)
@pytest.mark.parametrize(("name", "layer", "shape"), LITE0)
def test_efficientnet_lite0_split_at_its_blocks_equals_the_whole(name: str, layer: str, shape: tuple[int, ...]) -> None:
    network = load_network(**options_of(name, weights=os.environ["VCM_EFFICIENTNET"]))
    image = read_picture(CONFIGURATIONS / "sample.png")
    features = travelled(network.extract(image))
    assert {key: value.shape for key, value in features.layers.items()} == {layer: shape}
    assert_same(network.analyse(features), network(image))


@pytest.mark.skipif("VCM_IMAGENET" not in os.environ, reason="VCM_IMAGENET names no list of pictures and classes")
@pytest.mark.skipif(
    "VCM_EFFICIENTNET" not in os.environ, reason="VCM_EFFICIENTNET does not name efficientnet_lite0.onnx"
)
def test_efficientnet_lite0_knows_its_training_pictures() -> None:
    """Most of every 25th picture; with another order of channels or another scale, it knows far fewer."""
    listed = Path(os.environ["VCM_IMAGENET"])
    network: Any = load_network(**options_of("efficientnet_lite0", weights=os.environ["VCM_EFFICIENTNET"]))
    lines = listed.read_text().splitlines()[::25]
    right = [
        network(read_picture(listed.parent / line.split()[0])).logits.argmax() == int(line.split()[1]) for line in lines
    ]
    assert np.mean(right) >= 0.8
