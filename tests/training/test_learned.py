"""A trained encoder: from the weights of a restoration to a model, and from the model to a bitstream."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from vcm_ref.codec.coefficients.tables import CONTEXT_COUNTS, SCALES, tables_from  # noqa: E402
from vcm_ref.configuration import load_configuration  # noqa: E402
from vcm_ref.decoder import Decoder  # noqa: E402
from vcm_ref.encoder import Encoder  # noqa: E402
from vcm_ref.errors import ConfigError  # noqa: E402
from vcm_ref.feature_set import FeatureSet  # noqa: E402
from vcm_ref.models.tensors import read_tensors  # noqa: E402
from vcm_ref.training.network_method import Trained, train_network, write_beside  # noqa: E402

from .jobs import SMALL, correlated  # noqa: E402

SETTINGS = [*SMALL, "training.loss=features", "training.noise_qps=[20, 26, 32]"]


def trained(kind: str, files: list[Path], folder: Path, basis: Path, *settings: str) -> tuple[Path, Trained]:
    configuration = load_configuration([kind], [*SETTINGS, f"training.klt={basis}", *settings])
    folder.mkdir(exist_ok=True)
    found = train_network(configuration, files, folder / "part")
    output = folder / f"{kind}.safetensors"
    output.write_bytes(found.exported.data)
    write_beside(output, found)
    return output, found


def coded(features: FeatureSet, model: Path, qp: int) -> tuple[Encoder, FeatureSet]:
    """The encoder, and the layers that a decoder restores, whose digests it has verified."""
    file = io.BytesIO()
    settings = [f"reduction.model={model}", "reduction.carry_model=true", f"codec.qp={qp}"]
    encoder = Encoder(load_configuration(["learned"], settings), file)
    encoder.encode(features)
    encoder.close()
    (picture,) = Decoder(io.BytesIO(file.getvalue())).pictures()
    assert picture.verified
    return encoder, picture.features


def test_bits_that_are_paid_for_become_fewer(files: list[Path], basis: Path, tmp_path: Path) -> None:
    """From the weights of a restoration; the tables are those of the network's own levels."""
    start, _ = trained("klt_restored", files, tmp_path, basis)
    weights = f"training.start={start}.weights.safetensors"
    more = ["training.steps=100", "training.evaluate_every=100", "training.learning_rate=0.003", weights]
    _, free = trained("learned", files, tmp_path / "free", basis, *more, "training.rate_weight=0")
    output, paid = trained("learned", files, tmp_path / "paid", basis, *more, "training.rate_weight=3")
    features = correlated(100, size=(8, 12))
    given = [torch.from_numpy(layer)[None] for layer in features.layers.values()]
    with torch.no_grad():
        sizes = [one.result.model.analysed(given, 26).abs().mean().item() for one in (paid, free)]
    assert sizes[0] < 0.9 * sizes[1]
    _, restored = coded(features, output, 26)
    assert restored.layers.keys() == features.layers.keys()
    ours, theirs = read_tensors(output.read_bytes()), read_tensors(basis.read_bytes())
    assert not np.array_equal(ours[SCALES], theirs[SCALES][:6])
    assert not np.array_equal(ours[CONTEXT_COUNTS], theirs[CONTEXT_COUNTS])
    tables_from(ours, 0, 6, 26)


def test_it_starts_where_the_restoration_ended(files: list[Path], basis: Path, tmp_path: Path) -> None:
    """Before it learns, the same layers are restored; the integers of eight bits change them a little."""
    start, _ = trained("klt_restored", files, tmp_path, basis, "training.learning_rate=0.01")
    still = ["training.learning_rate=1e-12", f"training.start={start}.weights.safetensors"]
    output, _ = trained("learned", files, tmp_path / "learned", basis, *still)
    features = correlated(100, size=(8, 12))
    (_, ours), (_, theirs) = coded(features, output, 20), coded(features, start, 20)
    for name, layer in ours.layers.items():
        assert np.sqrt(np.mean((layer - theirs.layers[name]) ** 2)) < 0.1 * layer.std()


def test_positions_outside_of_the_picture_are_cleared(files: list[Path], basis: Path, tmp_path: Path) -> None:
    """As the model says, which was trained so; in one that was not, they stay."""
    features = replace(correlated(100, size=(8, 12)), covered=(0.5, 1.0))
    for clear in (True, False):
        model, _ = trained(
            "learned", files, tmp_path / str(clear), basis, f"training.clear_outside={str(clear).lower()}"
        )
        encoder, _ = coded(features, model, 20)
        (levels,) = encoder.convert(features).frames
        assert levels[:, :2].any()
        assert bool(levels[:, 2:].any()) != clear


def test_parts_of_pictures_have_no_labels(files: list[Path], tmp_path: Path) -> None:
    configuration: Any = load_configuration(["learned"], ["training.loss=task"])
    with pytest.raises(ConfigError, match=r"training\.crops: parts of pictures have no labels"):
        train_network(configuration, files, tmp_path / "part")
