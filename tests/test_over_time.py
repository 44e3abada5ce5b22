"""Every packing and every reduction as video: groups in Random-Access, decoded to the tensors of the encoder."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import CONFIGURATIONS, make_features
from conversion.reduction.klt_models import drawn
from conversion.reduction.test_cost import model_of_networks

from vcm_ref.configuration import load_configuration
from vcm_ref.decoder import Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.feature_set import FeatureSet

pytestmark = pytest.mark.integration
VIDEO = ["codec.name=vvenc", "codec.preset=faster", "codec.mode=RA", "codec.qp=30", "group=3", "order.method=mean"]


def moving(layers: dict[str, np.ndarray]) -> tuple[FeatureSet, ...]:
    """Three pictures, each of which is the one before moved by a sample."""
    return tuple(
        FeatureSet(64, 80, {name: np.roll(layer, place, 2) for name, layer in layers.items()}) for place in range(3)
    )


def check(pictures: tuple[FeatureSet, ...], *settings: str) -> None:
    """Code two groups; the decoder compares digests, and gives layers of the same shapes."""
    configuration = load_configuration([CONFIGURATIONS / "base.yaml"], [*VIDEO, *settings])
    file = io.BytesIO()
    encoder = Encoder(configuration, file)
    for _ in range(2):
        report = encoder.encode(*pictures)
        assert report.pictures == 3
    encoder.close()
    header = encoder.settings.header
    assert all(tensor.mode.name == "RA" for tensor in header.tensors)
    file.seek(0)
    decoded = list(Decoder(file).pictures())
    assert [picture.verified for picture in decoded] == [True] * 6
    for picture, given in zip(decoded, pictures * 2, strict=True):
        assert {name: layer.shape for name, layer in picture.features.layers.items()} == {
            name: layer.shape for name, layer in given.layers.items()
        }


@pytest.mark.parametrize("parameters", ["common", "own"])
@pytest.mark.parametrize(
    "packing", [["packing.method=frames", "packing.grid=2x2"], ["packing.method=frames", "packing.grid=4x4"],
                ["packing.method=quilted", "packing.grid=4x4"], ["packing.method=stacked"]],
)  # fmt: skip
def test_packings(packing: list[str], parameters: str) -> None:
    check(moving(make_features(16, 20, 24).layers), *packing, f"group_parameters={parameters}")


@pytest.mark.parametrize(
    "reduction",
    [
        ["reduction.method=resize", "reduction.factor=2"],
        ["reduction.method=pca", "reduction.components=3"],
    ],
)
def test_reductions_without_a_model(reduction: list[str]) -> None:
    check(moving(make_features(16, 20, 24).layers), *reduction)


def test_reductions_with_a_model(tmp_path: Path) -> None:
    """The joint KLT of two layers, and a network of integers."""
    random = np.random.default_rng(4)
    path = tmp_path / "model"
    path.write_bytes(drawn(1, 4, [2, 3], [1, 0]).to_bytes({}, {}))
    layers = {
        "a": random.normal(0, 1, (2, 16, 20)).astype(np.float32),
        "b": random.normal(0, 1, (3, 8, 10)).astype(np.float32),
    }
    check(moving(layers), "reduction.method=klt", f"reduction.model={path}", "reduction.carry_model=true")
    path.write_bytes(model_of_networks())
    layer = {"a": random.normal(0, 1, (3, 16, 20)).astype(np.float32)}
    check(moving(layer), "reduction.method=network", f"reduction.model={path}", "reduction.carry_model=true")
