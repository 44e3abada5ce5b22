"""Models from the command line: named and carried ones, and the exit codes of those that cannot be used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from conversion.reduction.klt_models import orthonormal

from vcm_ref.app import dec, enc
from vcm_ref.bitstream.stream import BitstreamReader
from vcm_ref.codec.coefficients import table_tensors
from vcm_ref.codec.coefficients.contexts import CONTEXTS, FLAGS
from vcm_ref.conversion.reduction import Klt
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import load_feature_file, save_feature_file
from vcm_ref.models import VARIABLE

KLT = ["-q", "-c", "klt"]


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Two layers of 3 and 4 channels."""
    random = np.random.default_rng(4)
    layers = {"a": random.normal(size=(3, 8, 11)), "b": random.normal(size=(4, 4, 6))}
    path = tmp_path / "features.npz"
    with path.open("wb") as file:
        save_feature_file(file, ".npz", FeatureSet(32, 44, {n: x.astype(np.float32) for n, x in layers.items()}))
    return path


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model for them, in the folder of the user's models."""
    data = orthonormal(1, [3, 4], [1, 0]).to_bytes({"network": "small"}, {})
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    monkeypatch.setenv(VARIABLE, str(folder))
    return path


def coded(features: Path, *settings: str) -> Path:
    """The bitstream."""
    bitstream = features.with_suffix(".bin")
    options = [option for setting in settings for option in ("--set", setting)]
    assert enc.main([*KLT, *options, "-i", str(features), "-b", str(bitstream)]) == 0
    return bitstream


def largest_error(features: Path, decoded: Path) -> float:
    """The largest difference of a sample."""
    before, after = load_feature_file(features).layers, load_feature_file(decoded).layers
    assert list(before) == list(after)
    return max(float(np.abs(before[name] - after[name]).max()) for name in before)


@pytest.mark.parametrize("settings", [[], ["reduction.carry_model=true"]])
def test_a_model_by_file_and_what_is_lost(features: Path, model: Path, settings: list[str]) -> None:
    for qp, most in ((14, 0.3), (32, 4.0)):
        bitstream = coded(features, f"reduction.model={model}", f"codec.qp={qp}", *settings)
        assert dec.main(["-q", str(bitstream)]) == 0
        assert largest_error(features, features.with_suffix(".decoded.safetensors")) < most
    assert (bitstream.stat().st_size > model.stat().st_size) == bool(settings)


def test_a_model_by_its_digest_and_fewer_components(features: Path, model: Path) -> None:
    named = f"reduction.model_sha256={model.name}"
    all_bytes = coded(features, named, "codec.qp=14").stat().st_size
    few = coded(features, named, "codec.qp=14", "reduction.components=3")
    assert few.stat().st_size < all_bytes
    assert dec.main(["-q", str(few)]) == 0


def test_components_that_are_not_worth_their_bits_are_left_out(features: Path, tmp_path: Path) -> None:
    """Mean magnitudes of 1, 1/2 and so on: at QP 32 (a step of 1) 1/8 is the last above 0.099."""
    scales = np.array([128 - 6 * k for k in range(16)], np.uint8)
    contexts = table_tensors(scales, np.ones((FLAGS * CONTEXTS, 2), np.int64))
    path = tmp_path / "tables"
    path.write_bytes(orthonormal(1, [3, 4], [1, 0]).to_bytes({}, contexts))
    for qp, components in ((32, 4), (38, 3), (50, 1), (14, 7)):
        with coded(features, f"reduction.model={path}", f"codec.qp={qp}").open("rb") as file:
            (stage,) = BitstreamReader(file).header.stages
        assert isinstance(stage, Klt) and stage.components == components


def test_other_inner_codecs_carry_components(features: Path, model: Path) -> None:
    named = f"reduction.model={model}"
    bitstream = coded(features, named, "codec.name=lossless", "quantisation.bit_depth=16")
    assert dec.main(["-q", str(bitstream)]) == 0
    assert largest_error(features, features.with_suffix(".decoded.safetensors")) < 0.3


def test_without_the_model_the_digest_is_told(
    features: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bitstream = coded(features, f"reduction.model={model}")
    monkeypatch.delenv(VARIABLE)
    assert dec.main(["-q", str(bitstream)]) == 11
    assert f"needs model {model.name[:16]}," in capsys.readouterr().err


def test_a_damaged_model_in_the_bitstream(features: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the header, whose digest is not looked at before the model is: one letter of a name."""
    bitstream = coded(features, f"reduction.model={model}", "reduction.carry_model=true", "digest_length=0")
    data = bitstream.read_bytes()
    bitstream.write_bytes(data.replace(b'"basis.1"', b'"basiz.1"'))
    assert dec.main(["-q", str(bitstream)]) == 10
    assert "7.18" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["reduction.model={tmp}/none"], "none: cannot be read"),
        (["reduction.model={tmp}/features.npz"], "not a safetensors file"),
        (["reduction.model_sha256=" + "ab" * 32], "model " + "ab" * 32),
        (["reduction.model_sha256=x"], "64 hexadecimal digits"),
        (["reduction.model={model}", "reduction.model_sha256=" + "ab" * 32], "is not the model"),
        (["reduction.model={model}", "reduction.components=17"], "reduction.components: the model has 16"),
        (["reduction.model={other}"], "a 3, b 4, which it is not for; it was trained for the network other"),
    ],
)
def test_models_that_cannot_be_used(
    tmp_path: Path, features: Path, model: Path, settings: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_bytes(orthonormal(1, [3, 5], [1, 0]).to_bytes({"network": "other"}, {}))
    given = [setting.format(tmp=tmp_path, model=model, other=other) for setting in settings]
    options = [option for setting in given for option in ("--set", setting)]
    assert enc.main([*KLT, *options, "-i", str(features), "-b", str(tmp_path / "x.bin")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "x.bin").exists()


def test_a_model_without_effect_is_refused(features: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", f"reduction.model={model}", "-i", str(features), "-b", str(features) + ".bin"]
    assert enc.main(["-q", "-c", "lossless", *options]) == 2
    assert "reduction.model" in capsys.readouterr().err
