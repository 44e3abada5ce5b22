"""From data to a model, and from the model to a bitstream that a decoder restores exactly."""

from __future__ import annotations

import io
import json
import os
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
from vcm_ref.task.dataset import load_dataset  # noqa: E402
from vcm_ref.task.scenes import render_scene, write_dataset  # noqa: E402
from vcm_ref.training.methods import METHODS  # noqa: E402
from vcm_ref.training.network_method import train_network, write_beside  # noqa: E402

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


def files_beside(output: Path) -> list[Path]:
    return METHODS["network"].files_beside(output)


def coded(features: FeatureSet, model: Path, *settings: str) -> tuple[bytes, FeatureSet]:
    file = io.BytesIO()
    configuration = load_configuration(["msfc_topdown"], [f"reduction.model={model}", *LOSSLESS, *settings])
    encoder = Encoder(configuration, file)
    encoder.encode(features)
    encoder.close()
    (picture,) = Decoder(io.BytesIO(file.getvalue())).pictures()
    assert picture.verified
    return file.getvalue(), picture.features


def trained(data: Path, output: Path, name: str, *settings: str) -> dict[str, Any]:
    """Train on the pictures of a data set, or on the feature files of a folder, and write all files; the record."""
    configuration = load_configuration([name], [*SMALL, *settings])
    dataset = None if data.is_dir() else load_dataset(data)
    inputs = [item.path for item in dataset.items] if dataset else sorted(data.iterdir())
    found = train_network(configuration, inputs, output.with_name(output.name + ".part"), dataset=dataset)
    output.write_bytes(found.exported.data)
    write_beside(output, found)
    return found.record


@pytest.mark.parametrize("loss", ["distillation", "task", "features"])
@pytest.mark.parametrize("name", ["msfc", "msfc_topdown"])
def test_a_trained_model_codes(scenes: Path, tmp_path: Path, loss: str, name: str) -> None:
    output = tmp_path / "model.safetensors"
    record = trained(scenes, output, name, f"training.loss={loss}")
    assert record["integer_change"] < 0.01
    assert all(path.is_file() for path in files_beside(output))
    assert json.loads(files_beside(output)[0].read_text()) == json.loads(json.dumps(record))
    assert record["training"]["direction"] == ("bottom_up" if name == "msfc" else "top_down")
    assert record["examples"]["training"] == 8  # four pictures and their mirror images
    assert record["network"]["weights_sha256"]
    features = load_network("refnet").extract(render_scene(6_000_000, 128, 96).image)
    data, restored = coded(features, output, "quantisation.bit_depth=4", "reduction.carry_model=true")
    assert {k: v.shape for k, v in restored.layers.items()} == {k: v.shape for k, v in features.layers.items()}
    assert output.read_bytes() in data
    again, same = coded(features, output, "quantisation.bit_depth=4", "reduction.carry_model=true", "codec.threads=2")
    assert again == data
    for layer_name, layer in restored.layers.items():
        np.testing.assert_array_equal(layer, same.layers[layer_name])


def test_feature_files_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    for seed in range(5):
        save_features(folder / f"{seed}.safetensors", make_features(3, 16, 24, layers=3, seed=seed))
    output = tmp_path / "model.safetensors"
    record = trained(folder, output, "msfc_topdown", "training.loss=features")
    assert record["network"] == {}
    assert (record["examples"]["training"], record["examples"]["selection"]) == (4, 1)
    features = make_features(3, 13, 21, layers=3, seed=9)  # of another size, which the grid covers
    restored = coded(features, output, "reduction.carry_model=true")[1]
    assert {k: v.shape for k, v in restored.layers.items()} == {k: v.shape for k, v in features.layers.items()}


def test_feature_files_have_no_labels(tmp_path: Path) -> None:
    configuration = load_configuration(["msfc_topdown"], ["training.loss=task"])
    with pytest.raises(ConfigError, match=r"training\.loss: feature files have no labels"):
        train_network(configuration, [Path("a.npz")], tmp_path)


def test_pictures_and_feature_files_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both pictures and feature files"):
        train_network(load_configuration(["msfc"]), [Path("a.npz"), Path("b.png")], tmp_path)


def test_two_pictures_of_one_name_are_refused(scenes: Path, tmp_path: Path) -> None:
    picture = next(scenes.parent.glob("*.png"))
    (tmp_path / picture.name).write_bytes(picture.read_bytes())
    with pytest.raises(DatasetError, match=f"two of the inputs are called {picture.name}"):
        train_network(load_configuration(["msfc"]), [picture, tmp_path / picture.name], tmp_path / "part")


def test_a_training_starts_from_the_weights_beside_a_model(scenes: Path, tmp_path: Path) -> None:
    settings = ["training.loss=features", "training.steps=2"]
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    trained(scenes, first, "msfc", *settings)
    weights = files_beside(first)[-1]
    still = ["training.learning_rate=1e-12", f"training.start={weights}"]
    trained(scenes, second, "msfc", *settings, *still)
    old, new = (safetensors.load_file(files_beside(path)[-1]) for path in (first, second))
    for key in old:
        if "running" not in key and "tracked" not in key:
            torch.testing.assert_close(old[key], new[key])


def test_weights_to_start_from_are_read_before_any_work(scenes: Path, tmp_path: Path) -> None:
    """Nothing is left that would refuse the repaired training."""
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"damaged")
    os.mkfifo(tmp_path / "pipe")
    for start, message in (
        (weights, "is not a readable safetensors file"),
        (tmp_path / "pipe", "is not a regular file"),
    ):
        with pytest.raises(ConfigError, match=rf"training\.start: .*{message}"):
            trained(scenes, tmp_path / "model.safetensors", "msfc", f"training.start={start}")
    assert not (tmp_path / "model.safetensors.part").exists()
