"""The part of the layers that the picture covers: positions by hand, and the encoder's zeros elsewhere."""

from __future__ import annotations

import io

import numpy as np
import pytest

from conversion.reduction.klt_models import orthonormal
from vcm_ref.bitstream.values import Layer
from vcm_ref.configuration import load_configuration
from vcm_ref.conversion.covered import WHOLE, clear_outside, covered_positions
from vcm_ref.conversion.reduction.klt_model import KltModel
from vcm_ref.decoder import Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.feature_set import FeatureSet


@pytest.mark.parametrize(
    ("covered", "expected"),
    [(WHOLE, (13, 13)), ((0.75, 1.0), (10, 13)), ((312 / 416, 208 / 416), (10, 7)), ((1.0, 0.001), (13, 1))],
)
def test_a_position_that_is_covered_in_part_counts(covered: tuple[float, float], expected: tuple[int, int]) -> None:
    assert covered_positions(covered, 13, 13) == expected


def test_what_is_outside_is_cleared() -> None:
    tensor = np.ones((2, 4, 3), np.float32)
    clear_outside([tensor], (0.5, 0.5))
    assert tensor[0].tolist() == tensor[1].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("group", [1, 2])
def test_levels_outside_are_zero_and_others_as_they_were(tmp_path_factory: pytest.TempPathFactory, group: int) -> None:
    path = tmp_path_factory.mktemp("model") / "model"
    path.write_bytes(orthonormal(1, [3, 4], [1, 0]).to_bytes({}, {}))
    assert KltModel.of(path.read_bytes()).shifts([Layer("a", 3), Layer("b", 4)]) == [1, 0]
    random = np.random.default_rng(3)
    layers = {"a": random.normal(size=(3, 8, 12)), "b": random.normal(size=(4, 4, 6))}
    found = []
    for covered in (WHOLE, (0.75, 0.5)):
        features = FeatureSet(32, 48, {name: one.astype(np.float32) for name, one in layers.items()}, covered)
        common = {"group": group, "group_parameters": "common"} if group > 1 else {}
        settings = {
            "reduction.model": str(path),
            "reduction.carry_model": True,
            "codec.qp": 20,
            "codec.rdoq": 0,
            **common,
        }
        file = io.BytesIO()
        encoder = Encoder(load_configuration(["klt"], list(settings.items())), file)
        encoder.encode(*[features] * group)
        encoder.close()
        pictures = list(Decoder(io.BytesIO(file.getvalue())).pictures())
        assert all(picture.verified for picture in pictures)
        found.append([next(iter(picture.quantised.values())) for picture in pictures])
    for whole, part in zip(*found, strict=True):
        assert (whole[:, 3:].any(), whole[:, :, 3:].any()) == (True, True)
        assert not part[:, 3:].any() and not part[:, :, 3:].any()
        np.testing.assert_array_equal(part[:, :3, :3], whole[:, :3, :3])
