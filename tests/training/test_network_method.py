"""From data to a model, and from the model to a bitstream that a decoder restores exactly."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_features, save_features

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from safetensors import torch as safetensors  # noqa: E402

from vcm_ref.configuration import load_configuration  # noqa: E402
from vcm_ref.decoder import Decoder  # noqa: E402
from vcm_ref.encoder import Encoder  # noqa: E402
from vcm_ref.errors import ConfigError, DatasetError  # noqa: E402
from vcm_ref.feature_set import FeatureSet  # noqa: E402
from vcm_ref.network import load_network  # noqa: E402
from vcm_ref.task.scenes import render_scene, write_dataset  # noqa: E402
from vcm_ref.training.network_method import outputs, part_folder, train_network  # noqa: E402

LOSSLESS = ["codec.name=lossless"]
SMALL = [
    "training.coded_channels=4",
    "training.width=8",
    "training.squeezed=2",
    "training.steps=4",
    "training.batch=2",
    "training.evaluate_every=2",
    "training.device=cpu",
    "training.noise_bits=[8, 2]",
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("scenes"), 5_000_000, 5, 128, 96)


def coded(features: FeatureSet, model: Path, *settings: str) -> tuple[bytes, FeatureSet]:
    file = io.BytesIO()
    configuration = load_configuration(["msfc_topdown"], [f"reduction.model={model}", *LOSSLESS, *settings])
    encoder = Encoder(configuration, file)
    encoder.encode(features)
    encoder.close()
    (picture,) = Decoder(io.BytesIO(file.getvalue())).pictures()
    assert picture.verified
    return file.getvalue(), picture.features


@pytest.mark.parametrize("loss", ["distillation", "task", "features"])
@pytest.mark.parametrize("name", ["msfc", "msfc_topdown"])
def test_a_trained_model_codes(scenes: Path, tmp_path: Path, loss: str, name: str) -> None:
    output = tmp_path / "model.safetensors"
    configuration = load_configuration([name], [*SMALL, f"training.loss={loss}"])
    trained = train_network(configuration, scenes, output)
    assert trained.change < 0.01
    assert all(path.is_file() for path in outputs(output))
    assert not part_folder(output).exists()
    record = json.loads(outputs(output)[1].read_text())
    assert record["training"]["direction"] == ("bottom_up" if name == "msfc" else "top_down")
    assert record["data"]["training"] == 8  # four pictures and their mirror images
    assert record["network"]["weights_sha256"]
    features = load_network("refnet").extract(render_scene(6_000_000, 128, 96).image)
    data, restored = coded(features, output, "quantisation.bit_depth=4", "reduction.carry_model=true")
    assert {k: v.shape for k, v in restored.layers.items()} == {k: v.shape for k, v in features.layers.items()}
    assert output.read_bytes() in data
    again, same = coded(features, output, "quantisation.bit_depth=4", "reduction.carry_model=true", "codec.threads=2")
    assert again == data
    for name_, layer in restored.layers.items():
        np.testing.assert_array_equal(layer, same.layers[name_])


def test_feature_files_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    for seed in range(5):
        save_features(folder / f"{seed}.safetensors", make_features(3, 16, 24, layers=3, seed=seed))
    configuration = load_configuration(["msfc_topdown"], [*SMALL, "training.loss=features"])
    output = tmp_path / "model.safetensors"
    record: Any = train_network(configuration, folder, output).record
    assert record["network"] == {}
    assert (record["data"]["training"], record["data"]["selection"]) == (4, 1)
    features = make_features(3, 13, 21, layers=3, seed=9)  # of another size, which the grid covers
    restored = coded(features, output, "reduction.carry_model=true")[1]
    assert {k: v.shape for k, v in restored.layers.items()} == {k: v.shape for k, v in features.layers.items()}


def test_feature_files_have_no_labels(tmp_path: Path) -> None:
    configuration = load_configuration(["msfc_topdown"], ["training.loss=task"])
    with pytest.raises(ConfigError, match=r"training\.loss: feature files have no labels"):
        train_network(configuration, tmp_path, tmp_path / "model.safetensors")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    configuration = load_configuration(["msfc_topdown"], ["training.loss=features"])
    with pytest.raises(DatasetError, match="holds no feature files"):
        train_network(configuration, tmp_path, tmp_path / "model.safetensors")


def test_a_training_starts_from_the_weights_beside_a_model(scenes: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.loss=features", "training.steps=2"]
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train_network(load_configuration(["msfc"], settings), scenes, first)
    weights = outputs(first)[-1]
    still = ["training.learning_rate=1e-12", f"training.start={weights}"]
    train_network(load_configuration(["msfc"], [*settings, *still]), scenes, second)
    old, new = (safetensors.load_file(outputs(path)[-1]) for path in (first, second))
    for key in old:
        if "running" not in key and "tracked" not in key:
            torch.testing.assert_close(old[key], new[key])
    weights.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match=r"training\.start: .* cannot be read"):
        train_network(load_configuration(["msfc"], [*settings, *still]), scenes, tmp_path / "third.safetensors")
