"""A trained model and the features of another network: one line, the right exit code, and no bitstream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vcm_ref.app import enc
from vcm_ref.models import find
from vcm_ref.models.choice import shipped_models

pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("named_by", ["model", "model_sha256"])
@pytest.mark.parametrize("architecture", ["klt_restored", "learned"])
def test_features_of_another_network_are_refused(
    architecture: str, named_by: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """YOLOX-nano's models, and refnet's features of a picture."""
    of_yolox = next(one for one in shipped_models() if (one.architecture, one.network) == (architecture, "YOLOX-nano"))
    model = picture.with_name("model")
    model.write_bytes(find(bytes.fromhex(of_yolox.sha256)))
    value = model if named_by == "model" else of_yolox.sha256
    bitstream = picture.with_name("x.bin")
    given = [
        "-q",
        "-c",
        architecture,
        "--set",
        f"reduction.{named_by}={value}",
        "-i",
        str(picture),
        "-b",
        str(bitstream),
    ]
    assert enc.main(given) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"was trained for the network onnx whose weights are {of_yolox.network_sha256[:16]}" in error
    assert "these layers are those of refnet with other weights; train one with vcm_train" in error
    assert not bitstream.exists()


def test_features_of_another_network_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file does not say which network its features are of; layers of other channels are refused all the same."""
    of_yolox = next(one for one in shipped_models() if one.architecture == "learned" and one.network == "YOLOX-nano")
    layers = {f"p{level}": np.zeros((256, 64 >> level, 64 >> level), np.float32) for level in (2, 3, 4, 5)}
    np.savez(tmp_path / "features.npz", **layers)
    given = ["-q", "-c", "learned", "--set", f"reduction.model_sha256={of_yolox.sha256}", "--picture-size", "64x64"]
    assert enc.main([*given, "-i", str(tmp_path / "features.npz"), "-b", str(tmp_path / "x.bin")]) == 2
    assert "it was trained for the network onnx" in capsys.readouterr().err
    assert not (tmp_path / "x.bin").exists()
