"""The shipped models: whole, small, found by their network's weights, and of layers like the network's."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from vcm_ref.bitstream.values import Layer
from vcm_ref.codec.coefficients import tables_from
from vcm_ref.configuration import load_configuration
from vcm_ref.conversion.reduction.klt_model import KltModel
from vcm_ref.errors import ConfigError, ModelError
from vcm_ref.model_choice import with_model
from vcm_ref.models import find
from vcm_ref.models.choice import ShippedModel, named_model, shipped_model, shipped_models
from vcm_ref.models.pictures import listed_pictures
from vcm_ref.models.tensors import read_metadata, read_tensors

SHIPPED = list(shipped_models())
LAYERS = {
    "refnet": [Layer(name, 256) for name in ("p2", "p3", "p4", "p5")],
    "YOLOX-nano": [Layer("input.471", 64), Layer("input.531", 128), Layer("input.591", 256)],
}


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: f"{one.method}-{one.network}")
def test_each_is_whole_and_at_most_a_megabyte(shipped: ShippedModel) -> None:
    data = find(bytes.fromhex(shipped.sha256))
    assert hashlib.sha256(data).hexdigest() == shipped.sha256
    assert len(data) <= 1_000_000
    assert read_metadata(data)["network_sha256"] == shipped.network_sha256
    if shipped.method == "klt":
        model = KltModel.of(data)
        assert len(model.shifts(LAYERS[shipped.network])) == len(LAYERS[shipped.network])
        tables_from(read_tensors(data), 0, model.components, 32)


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: f"{one.method}-{one.network}")
def test_each_comes_with_the_list_of_its_pictures(shipped: ShippedModel) -> None:
    """So reports can warn of test pictures that are among them."""
    record = read_metadata(find(bytes.fromhex(shipped.sha256)))
    pictures = listed_pictures(record["pictures_sha256"], None)
    assert pictures is not None
    assert len(pictures) == int(record["pictures"])
    assert all(len(bytes.fromhex(one)) == 32 for one in pictures)


def test_refnet_has_one_by_default() -> None:
    configuration = with_model(load_configuration(["klt"]))
    digest = configuration.get("reduction.model_sha256")
    assert [one.network for one in SHIPPED if (one.sha256, one.method) == (digest, "klt")] == ["refnet"]


def test_a_network_without_one_is_told() -> None:
    with pytest.raises(ModelError, match=r"no klt model is shipped for the network vgg with these weights; .* refnet"):
        shipped_model("klt", "vgg", "")
    with pytest.raises(ConfigError, match=r"reduction.model: no klt model is shipped for the network torchvision"):
        with_model(load_configuration(["klt", "networks/torchvision_vgg16"]))


def test_a_configuration_without_a_model_stays() -> None:
    configuration = load_configuration(["fframe"])
    assert with_model(configuration) is configuration


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    """They may never end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(ModelError, match="is not a regular file"):
            named_model(path, None)
