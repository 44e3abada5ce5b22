"""A restoration after a KLT: from features to the model, and from the model to a bitstream that is restored exactly."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from safetensors import torch as safetensors  # noqa: E402

from vcm_ref.codec.coefficients.tables import CONTEXT_COUNTS, SCALES  # noqa: E402
from vcm_ref.configuration import load_configuration  # noqa: E402
from vcm_ref.configuration.sections import Training  # noqa: E402
from vcm_ref.decoder import Decoder  # noqa: E402
from vcm_ref.encoder import Encoder  # noqa: E402
from vcm_ref.encoding.model_choice import with_model  # noqa: E402
from vcm_ref.errors import ConfigError  # noqa: E402
from vcm_ref.feature_set import FeatureSet  # noqa: E402
from vcm_ref.inputs.picture_file import read_picture  # noqa: E402
from vcm_ref.models.tensors import read_tensors  # noqa: E402
from vcm_ref.network import load_network  # noqa: E402
from vcm_ref.task.dataset import load_dataset  # noqa: E402
from vcm_ref.task.scenes import write_dataset  # noqa: E402
from vcm_ref.training.designs import design_for  # noqa: E402
from vcm_ref.training.network_method import Trained, train_network, write_beside  # noqa: E402
from vcm_ref.training.network_training import train  # noqa: E402

from .jobs import SMALL, correlated  # noqa: E402
from .test_network_training import Maps  # noqa: E402


def trained(files: list[Path], folder: Path, basis: Path, *settings: str, **options: Any) -> tuple[Path, Trained]:
    """Train on feature files, and write the model and the files beside it."""
    configuration = load_configuration(["klt_restored"], [*SMALL, f"training.klt={basis}", *settings])
    folder.mkdir(exist_ok=True)
    found = train_network(configuration, files, folder / "part", **options)
    output = folder / "model.safetensors"
    output.write_bytes(found.exported.data)
    write_beside(output, found)
    return output, found


def coded(features: FeatureSet, *settings: str) -> tuple[bytes, FeatureSet]:
    """The bitstream, and the layers that a decoder restores, whose digests it has verified."""
    file = io.BytesIO()
    encoder = Encoder(
        load_configuration([], ["codec.name=coefficients", "reduction.carry_model=true", *settings]), file
    )
    encoder.encode(features)
    encoder.close()
    (picture,) = Decoder(io.BytesIO(file.getvalue())).pictures()
    assert picture.verified
    return file.getvalue(), picture.features


@pytest.mark.parametrize("qp", [14, 20])
@pytest.mark.parametrize("bits", [8, 16])
def test_before_it_learns_it_restores_what_the_klt_does(
    files: list[Path], basis: Path, tmp_path: Path, qp: int, bits: int
) -> None:
    """The same levels in nearly as many bytes, and layers as the stage KLT restores them."""
    still = ["training.learning_rate=1e-12", "training.loss=features", "training.noise_qps=[14, 20]"]
    output, found = trained(files, tmp_path, basis, *still, f"training.weight_bits={bits}")
    assert found.exported.change < (0.001 if bits == 16 else 0.1)
    features = correlated(100, size=(8, 12))
    own = ["reduction.method=network", f"reduction.model={output}", f"codec.qp={qp}"]
    other = ["reduction.method=klt", f"reduction.model={basis}", "reduction.components=6", f"codec.qp={qp}"]
    (data, restored), (before, expected) = coded(features, *own), coded(features, *other)
    assert output.read_bytes() in data
    sizes = [len(data) - output.stat().st_size, len(before) - basis.stat().st_size]
    assert abs(sizes[0] - sizes[1]) <= 0.05 * sizes[1] + 16
    for name, layer in restored.layers.items():
        error = np.sqrt(np.mean((layer - expected.layers[name]) ** 2))
        assert error < 0.1 * expected.layers[name].std()


def test_it_learns_with_the_quantisation_of_the_encoder(files: list[Path], basis: Path, tmp_path: Path) -> None:
    """The error of the layers falls; the KLT stays as it was; the tables are the KLT's."""
    own = ["training.loss=features", "training.noise_qps=[32, 35]"]
    _, before = trained(files, tmp_path / "before", basis, *own, "training.learning_rate=1e-12")
    more = ["training.steps=100", "training.evaluate_every=20", "training.learning_rate=0.003"]
    output, found = trained(files, tmp_path, basis, *own, *more)
    assert found.result.best_loss < 0.95 * before.result.best_loss
    assert found.record["klt_sha256"]
    assert found.record["products"].keys() == {"analysis", "synthesis"}
    weights = safetensors.load_file(output.with_name(output.name + ".weights.safetensors"))
    start = design_for(
        load_configuration(["klt_restored"], SMALL).coding.training or Training(),
        correlated(0, size=(8, 12)).layers,
        basis.read_bytes(),
    )
    for name, values in start.build().state_dict().items():
        if "linear" in name or "projection" in name or "gains" in name:
            torch.testing.assert_close(weights[name], values, rtol=0, atol=0)
    ours, theirs = read_tensors(output.read_bytes()), read_tensors(basis.read_bytes())
    np.testing.assert_array_equal(ours[SCALES], theirs[SCALES][:6])
    np.testing.assert_array_equal(ours[CONTEXT_COUNTS], theirs[CONTEXT_COUNTS])


def test_after_a_klt_of_two_steps(tmp_path: Path) -> None:
    """The model that is shipped for refnet is one. Before a restoration learns, it restores what the KLT does."""
    scenes = write_dataset(tmp_path / "scenes", 5_000_000, 3, 128, 96)
    inputs = [item.path for item in load_dataset(scenes).items]
    still = [
        "training.learning_rate=1e-12",
        "training.noise_qps=[38]",
        "training.steps=1",
        "training.coded_channels=32",
    ]
    configuration = load_configuration(["klt_restored"], [*SMALL, *still])
    found = train_network(configuration, inputs, tmp_path / "part")
    assert found.exported.change < 0.025  # 0.0207: weights of 8 bits, 12 bits for the tensors between
    model = tmp_path / "model.safetensors"
    model.write_bytes(found.exported.data)
    features = load_network("refnet").extract(read_picture(inputs[0]))
    basis = with_model(load_configuration(["klt"])).get("reduction.model_sha256")
    own = ["reduction.method=network", f"reduction.model={model}", "codec.qp=38"]
    other = ["reduction.method=klt", f"reduction.model_sha256={basis}", "reduction.components=32", "codec.qp=38"]
    (_, restored), (_, expected) = coded(features, *own), coded(features, *other)
    for name, layer in restored.layers.items():
        error = np.sqrt(np.mean((layer - expected.layers[name]) ** 2))
        assert error < 0.1 * expected.layers[name].std()


class StoppedError(Exception):
    pass


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(files: list[Path], basis: Path, tmp_path: Path) -> None:
    settings = replace(
        load_configuration(["klt_restored"], SMALL).coding.training or Training(), loss="features", noise_qps=(20, 26)
    )
    maps = Stored(files)
    whole = train(settings, maps, None, tmp_path / "whole", klt=basis.read_bytes(), checkpoint_every=1)

    def stop(done: float, told: str = "", left: list[int] = [3], **_: object) -> None:  # noqa: B006
        left[0] -= 1
        if not left[0]:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(settings, maps, None, tmp_path / "parts", klt=basis.read_bytes(), checkpoint_every=1, progress=stop)
    again = train(settings, maps, None, tmp_path / "parts", klt=basis.read_bytes(), checkpoint_every=1)
    for name, values in whole.model.state_dict().items():
        assert torch.equal(values, again.model.state_dict()[name]), name
    other = bytearray(basis.read_bytes())
    other[-1] ^= 1
    with pytest.raises(ConfigError, match="other values of origin"):
        train(settings, maps, None, tmp_path / "parts", klt=bytes(other), checkpoint_every=1)


class Stored(Maps):
    """The pyramids of :func:`correlated`."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__()
        self.files = files

    def layers(self, index: int) -> dict[str, Any]:
        return dict(correlated(index, size=(8, 12)).layers)

    def digest(self) -> str:
        return "correlated"


def test_what_does_not_fit_is_refused(basis: Path) -> None:
    settings = load_configuration(["klt_restored"], SMALL).coding.training or Training()
    data = basis.read_bytes()
    layers = correlated(0, size=(8, 12)).layers
    with pytest.raises(ConfigError, match=r"training\.klt: the model of the KLT is missing"):
        design_for(settings, layers)
    with pytest.raises(ConfigError, match=r"it has 8 components, and training\.coded_channels is 9"):
        design_for(replace(settings, coded_channels=9), layers, data)
    with pytest.raises(ConfigError, match="parts of its blocks alone"):
        design_for(settings, correlated(0, size=(9, 12)).layers, data)
    with pytest.raises(ConfigError, match="it is for 2 layers, and there are 1"):
        design_for(settings, {"p0": layers["p0"]}, data)
    with pytest.raises(ConfigError, match="it is not for layers of 5, 4 channels"):
        design_for(settings, correlated(0, (5, 4), (8, 12)).layers, data)
