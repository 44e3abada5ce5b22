"""The shipped models: whole, small, found by their network's weights, and of layers like the network's."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from vcm_ref.bitstream.values import Layer
from vcm_ref.codec.coefficients import tables_from
from vcm_ref.configuration import load_configuration
from vcm_ref.conversion.reduction import Network
from vcm_ref.conversion.reduction.klt_model import KltModel
from vcm_ref.conversion.reduction.network.model import read_model
from vcm_ref.encoding.model_choice import check_trained_for, with_model
from vcm_ref.errors import ConfigError, ModelError
from vcm_ref.models import find
from vcm_ref.models.choice import ShippedModel, named_model, shipped_model, shipped_models
from vcm_ref.models.pictures import listed_pictures
from vcm_ref.models.tensors import read_metadata, read_tensors, write_tensors
from vcm_ref.network.weights_files import files_digest

SHIPPED = list(shipped_models())
LAYERS = {
    "refnet": [Layer(name, 256) for name in ("p2", "p3", "p4", "p5")],
    "YOLOX-nano": [Layer("input.471", 64), Layer("input.531", 128), Layer("input.591", 256)],
    "EfficientNet-Lite0 after block 4": [Layer("block4", 40)],
    "EfficientNet-Lite0 after block 10": [Layer("block10", 112)],
}


#: Bytes that a model has at most: a basis, or the integers of a network.
MOST = {"klt": 1_000_000, "network": 6_000_000}


@pytest.mark.parametrize(
    "shipped", SHIPPED, ids=lambda one: f"{one.direction or one.architecture or one.method}-{one.network}"
)
def test_each_is_whole_and_small(shipped: ShippedModel) -> None:
    data = find(bytes.fromhex(shipped.sha256))
    assert hashlib.sha256(data).hexdigest() == shipped.sha256
    assert len(data) <= MOST[shipped.method]
    assert read_metadata(data)["network_sha256"] == shipped.network_sha256
    if shipped.method == "klt":
        model = KltModel.of(data)
        assert len(model.shifts(LAYERS[shipped.network])) == len(LAYERS[shipped.network])
        tables_from(read_tensors(data), 0, model.components, 32)
    if shipped.method == "network":
        stage = Network.of(data, LAYERS[shipped.network], 0, 38)
        tables_from(read_tensors(data), 0, stage.tensors[0].channels, 38)
        assert read_model(data).clears_outside


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: f"{one.method}-{one.network}")
def test_each_comes_with_the_list_of_its_pictures(shipped: ShippedModel) -> None:
    """So reports can warn of test pictures that are among them."""
    record = read_metadata(find(bytes.fromhex(shipped.sha256)))
    pictures = listed_pictures(record["pictures_sha256"], None)
    assert pictures is not None
    assert len(pictures) == int(record["pictures"])
    assert all(len(bytes.fromhex(one)) == 32 for one in pictures)


def test_a_list_of_pictures_that_is_not_a_text_says_nothing(tmp_path: Path) -> None:
    damaged = b"\xff\n"
    (tmp_path / "model.pictures.txt").write_bytes(damaged)
    assert listed_pictures(hashlib.sha256(damaged).hexdigest(), tmp_path / "model") is None


def test_refnet_has_one_by_default() -> None:
    configuration = with_model(load_configuration(["klt"]))
    digest = configuration.get("reduction.model_sha256")
    assert [one.network for one in SHIPPED if (one.sha256, one.method) == (digest, "klt")] == ["refnet"]


def test_a_network_without_one_is_told() -> None:
    with pytest.raises(ModelError, match=r"no klt model is shipped for the network vgg with these weights; .* refnet"):
        shipped_model("klt", "vgg", "")
    with pytest.raises(ConfigError, match=r"reduction.model: no klt model is shipped for the network torchvision"):
        with_model(load_configuration(["klt", "networks/torchvision_vgg16"]))


@pytest.mark.parametrize("name", ["klt_restored", "learned"])
def test_a_network_is_found_by_its_architecture(name: str) -> None:
    with pytest.raises(ModelError, match=rf"no {name} model is shipped for the network vgg .* for YOLOX-nano"):
        shipped_model("network", "vgg", "", name)
    nano = next(one for one in SHIPPED if one.network == "YOLOX-nano")
    found = shipped_model("network", "onnx", nano.network_sha256, name)
    assert [one.architecture for one in SHIPPED if one.sha256 == found] == [name]


def test_an_architecture_without_a_model_for_the_network_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no klt_restored model is shipped for the network refnet .* for YOLOX-nano"):
        with_model(load_configuration(["klt_restored"]))


@pytest.mark.parametrize("block", [4, 10])
def test_of_two_cuts_of_a_network_each_has_its_own(block: int) -> None:
    one = next(one for one in SHIPPED if one.network == f"EfficientNet-Lite0 after block {block}")
    cut = {f"block{block}": f"/_blocks.{block}/Add_output_0"}
    assert shipped_model("klt", "onnx", one.network_sha256, cut=cut) == one.sha256
    with pytest.raises(ModelError, match=r"no klt model is shipped for the network onnx .* EfficientNet-Lite0 after"):
        shipped_model("klt", "onnx", one.network_sha256, cut={"block1": "/_blocks.1/Add_output_0"})


def test_a_direction_of_msfc_without_a_model_is_told() -> None:
    told = (
        r"reduction.model: no msfc model of direction bottom_up is shipped for the network refnet with these weights; "
    )
    with pytest.raises(ConfigError, match=told + "train"):
        with_model(load_configuration(["msfc"]))
    nano = next(one for one in SHIPPED if one.network == "YOLOX-nano")
    found = shipped_model("network", "onnx", nano.network_sha256, "msfc", "top_down", placed=True)
    assert [one.direction for one in SHIPPED if one.sha256 == found] == ["top_down"]
    with pytest.raises(ModelError, match="no msfc model of direction top_down is shipped for the network onnx"):
        shipped_model("network", "onnx", nano.network_sha256, "msfc", "top_down")


def test_a_network_trained_for_other_layers_is_refused(tmp_path: Path) -> None:
    """The model names the network by the digest of its weights; a KLT restores any layers."""
    known = next(one for one in SHIPPED if one.architecture == "learned")
    settings = [f"reduction.model={tmp_path / 'model'}"]
    (tmp_path / "model").write_bytes(find(bytes.fromhex(known.sha256)))
    with pytest.raises(ConfigError, match=r"was trained for the network onnx whose weights are \w{16}….* refnet with"):
        check_trained_for(load_configuration(["learned"], settings))
    check_trained_for(load_configuration(["klt"], settings))
    check_trained_for(load_configuration(["learned"]))


def test_a_network_trained_for_another_cut_is_refused(tmp_path: Path) -> None:
    """Blocks 9 and 10 of EfficientNet-Lite0 give layers of the same size, of which one is no use to the other."""
    weights, model = tmp_path / "weights.onnx", tmp_path / "model"
    weights.write_bytes(b"weights")
    record = {"network": "onnx", "network_sha256": files_digest([weights]), "network_cut": "/block.9/Add"}
    model.write_bytes(write_tensors({"x": np.zeros(1, np.uint8)}, record))
    network = {"name": "onnx", "weights": str(weights), "head": "logits"}
    for cut in (["/block.9/Add"], {"layer": "/block.9/Add"}):
        check_trained_for(
            load_configuration(["learned"], [f"reduction.model={model}"], {"network": network | {"cut": cut}})
        )
    with pytest.raises(
        ConfigError, match=r"onnx cut at /block.9/Add, and these layers are of the cut at /block.10/Add"
    ):
        check_trained_for(
            load_configuration(
                ["learned"], [f"reduction.model={model}"], {"network": network | {"cut": ["/block.10/Add"]}}
            )
        )


def test_a_configuration_without_a_model_stays() -> None:
    configuration = load_configuration(["fframe"])
    assert with_model(configuration) is configuration


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    """They may never end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(ModelError, match="is not a regular file"):
            named_model(path, None)
