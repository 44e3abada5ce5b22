"""MSFC whose tensor is coded as levels, with their bits in the loss."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import make_features, save_features

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from vcm_ref.codec.coefficients.tables import CONTEXT_COUNTS, SCALES, tables_from  # noqa: E402
from vcm_ref.configuration import load_configuration  # noqa: E402
from vcm_ref.decoder import Decoder  # noqa: E402
from vcm_ref.encoder import Encoder  # noqa: E402
from vcm_ref.models.tensors import read_tensors  # noqa: E402
from vcm_ref.training.network_method import Trained, train_network  # noqa: E402

SMALL = [
    "training.coded_channels=4",
    "training.width=8",
    "training.squeezed=2",
    "training.steps=30",
    "training.batch=4",
    "training.evaluate_every=30",
    "training.noise_qps=[20, 26]",
    "training.loss=features",
    "training.crops=0",
    "training.selection_share=0.2",
    "training.device=cpu",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("features")
    for seed in range(8):
        save_features(folder / f"{seed}.npz", make_features(6, 8, 8, layers=2, seed=seed))
    return sorted(folder.iterdir())


def trained(files: list[Path], part: Path, *settings: str) -> Trained:
    return train_network(load_configuration(["msfc_levels"], [*SMALL, *settings]), files, part)


def test_bits_that_are_paid_for_become_fewer(files: list[Path], tmp_path: Path) -> None:
    longer = ["training.noise_qps=[20]", "training.steps=200", "training.learning_rate=0.01"]
    free = trained(files, tmp_path / "free", "training.rate_weight=1.0e-9", *longer)
    paid = trained(files, tmp_path / "paid", "training.rate_weight=0.1", *longer)
    assert paid.record["history"][-1]["bits"] < 0.8 * free.record["history"][-1]["bits"]


@pytest.mark.parametrize("placed", ["false", "true"])
def test_the_model_has_tables_of_its_levels_and_codes_with_them(placed: str, files: list[Path], tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(trained(files, tmp_path / "part", f"training.placed={placed}").exported.data)
    tensors = read_tensors(model.read_bytes())
    assert tensors[SCALES].shape == (4,)
    assert tensors[CONTEXT_COUNTS].any()
    tables_from(tensors, 0, 4, 26)

    features = make_features(6, 8, 8, layers=2, seed=99)
    settings = [f"reduction.model={model}", "reduction.carry_model=true", "codec.qp=26"]
    file = io.BytesIO()
    encoder = Encoder(load_configuration(["msfc_levels"], settings), file)
    encoder.encode(features)
    encoder.close()
    (picture,) = Decoder(io.BytesIO(file.getvalue())).pictures()
    assert picture.verified
    assert {name: layer.shape for name, layer in picture.features.layers.items()} == {"p2": (6, 8, 8), "p3": (6, 4, 4)}
    assert all(np.isfinite(layer).all() for layer in picture.features.layers.values())


def test_without_qps_there_are_no_tables(files: list[Path], tmp_path: Path) -> None:
    found = trained(files, tmp_path / "part", "training.noise_qps=null", "training.rate_weight=0")
    assert SCALES not in read_tensors(found.exported.data)
