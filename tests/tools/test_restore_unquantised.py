"""Layers restored in float32 are those that the coded model restores, but for quantisation and integers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy as safetensors_numpy

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from vcm_ref import decode, encode
from vcm_ref.app.train import main as train
from vcm_ref.files.feature_file import load_feature_file
from vcm_ref.inputs.picture_file import read_picture
from vcm_ref.network import load_network
from vcm_ref.task.scenes import write_dataset

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SMALL = ["coded_channels=4", "width=8", "squeezed=2", "steps=4", "batch=2", "evaluate_every=2", "device=cpu"]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import restore_unquantised

    return restore_unquantised


@pytest.mark.parametrize("direction", ["top_down", "bottom_up"])
def test_near_what_sixteen_bits_restore(tool: Any, tmp_path: Path, direction: str) -> None:
    data = write_dataset(tmp_path / "scenes", 5_000_000, 5, 128, 96)
    model = tmp_path / "model.safetensors"
    settings = [f"--set=training.{one}" for one in (*SMALL, f"direction={direction}")]
    assert train(["-c", "msfc_topdown", *settings, "--data", str(data), "-o", str(model)]) == 0
    assert tool.main([str(model), "--data", str(data), "-o", str(tmp_path / "restored")]) == 0
    picture = sorted((tmp_path / "scenes").rglob("*.png"))[0]
    restored = load_feature_file(tmp_path / "restored" / f"{picture.stem}.safetensors", None)
    features = load_network("refnet").extract(read_picture(picture))
    assert (restored.height, restored.width) == (features.height, features.width) == (96, 128)
    options = {"codec.name": "lossless", "quantisation.bit_depth": 16, "reduction.model": str(model)}
    coded = encode(features, config="msfc_topdown", set={**options, "reduction.carry_model": True})
    for name, layer in decode(coded.data).items():
        assert np.abs(layer - restored.layers[name]).max() < 0.05 * restored.layers[name].std()


def test_pictures_of_one_name_are_refused(tool: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_dataset(tmp_path / "scenes", 5_000_000, 2, 128, 96)
    document = json.loads(data.read_text())
    for number, image in enumerate(document["images"]):
        (data.parent / str(number)).mkdir()
        (data.parent / image["file_name"]).rename(data.parent / str(number) / "same.png")
        image["file_name"] = f"{number}/same.png"
    data.write_text(json.dumps(document))
    model = tmp_path / "model.safetensors"
    (tmp_path / "model.safetensors.json").write_text('{"training": {}}')
    (tmp_path / "model.safetensors.weights.safetensors").write_bytes(safetensors_numpy.save({}))
    with pytest.raises(SystemExit):
        tool.main([str(model), "--data", str(data), "-o", str(tmp_path / "restored")])
    assert "several pictures have the name same" in capsys.readouterr().err
