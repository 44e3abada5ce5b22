"""What networks cost, against published figures and figures by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from network.small_networks import classifier, saved
from vcm_ref.errors import NetworkError
from vcm_ref.network import load_network
from vcm_ref.network.cost import HEIGHT, WIDTH, network_cost, picture


def test_the_picture_is_noise_that_is_the_same_everywhere() -> None:
    first = int(np.random.PCG64(np.random.SeedSequence(0)).random_raw())
    assert picture().shape == (HEIGHT, WIDTH, 3)
    assert picture().ravel()[:8].tolist() == list(first.to_bytes(8, "little"))


def test_a_classifier_costs_what_its_authors_state() -> None:
    """Torchvision states 1.814 billion multiply–accumulates and 11,689,512 parameters for ResNet-18."""
    network = load_network("torchvision", model="resnet18", layer=13, weights="random")
    found = network_cost(network)
    assert found is not None
    assert found.part1.macs + found.part2.macs == pytest.approx(1.814e9, rel=1e-3)
    # the running means and variances of its normalisation are not among the parameters that are stated
    assert found.part1.parameters + found.part2.parameters == 11_689_512 + 9_600


def test_an_onnx_graph_counted_by_hand(tmp_path: Path) -> None:
    """8 x 8 places, 4 maps, 3 maps of 4 x 4 samples each; then a matrix of 4 x 3. Activations do not count."""
    path = saved(classifier(), tmp_path / "a.onnx")
    found = network_cost(load_network("onnx", weights=path, cut=["/conv/act"], head="logits"))
    assert found is not None
    assert found.part1 == (8 * 8 * 4 * 3 * 4 * 4, 4 * 3 * 4 * 4)
    assert found.part2 == (4 * 3, 4 * 3)


def test_a_network_that_cannot_count_says_nothing() -> None:
    class Silent:
        name = "silent"

    assert network_cost(Silent()) is None  # type: ignore[arg-type]


def test_a_counter_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(classifier(), tmp_path / "a.onnx")
    network = load_network("onnx", weights=path, cut=["/conv/act"], head="logits")
    monkeypatch.setitem(sys.modules, "onnx_tool", None)
    with pytest.raises(NetworkError, match="needs onnx-tool"):
        network_cost(network)


@pytest.mark.skipif("VCM_YOLOX" not in os.environ, reason="VCM_YOLOX names no model")
def test_an_onnx_detector_costs_what_its_authors_state() -> None:
    """YOLOX-nano: 1.08 GFLOPs, two for each multiply–accumulate, activations among them, and 0.91 M parameters."""
    cut = ["input.471", "input.531", "input.591"]
    options = {"cut": cut, "head": "yolox", "classes": "coco", "size": "416x416", "fit": "letterbox"}
    found = network_cost(load_network("onnx", weights=os.environ["VCM_YOLOX"], **options))
    assert found is not None
    assert found.part1.macs + found.part2.macs == pytest.approx(1.08e9 / 2, rel=0.03)
    assert found.part1.parameters + found.part2.parameters == pytest.approx(0.91e6, rel=0.01)


def test_refnet_counts_its_parts() -> None:
    """The first convolution alone, 3 to 32 maps with 3 x 3 samples on 320 x 240, is 66,355,200."""
    found = network_cost(load_network("refnet"))
    assert found is not None
    assert found.part1.macs > 320 * 240 * 32 * 3 * 9
    assert found.part2.macs > 0
    record = found.record()
    assert record["picture"] == "640x480"
    assert record["part1"]["macs_per_pixel"] == found.part1.macs / (640 * 480)  # type: ignore[index]
