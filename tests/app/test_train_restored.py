"""``vcm_train -c klt_restored``: a KLT, then the restoration after it, through part 2 of an exported network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from network import small_networks

from vcm_ref.app import dec, enc, train
from vcm_ref.models.tensors import read_metadata
from vcm_ref.task.scenes import write_dataset

from .running import encoder_digests

SMALL = """
reduction: {components: 12}
network: {name: onnx, weights: WEIGHTS, cut: [p3, p4, p5], head: yolox, classes: {3: cat, 7: dog, 8: owl}}
"""
TRAINING = """
training: {coded_channels: 10, width: 8, steps: 4, batch: 2, evaluate_every: 2, noise_qps: [20, 26], device: cpu}
"""


def test_from_pictures_to_a_bitstream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both models are trained; the sample's digests are verified; no input is written over."""
    scenes = write_dataset(tmp_path / "scenes", 8_000_000, 5, 64, 64)
    weights = small_networks.saved(small_networks.yolox_like(), tmp_path / "small.onnx")
    network, training = tmp_path / "network.yaml", tmp_path / "training.yaml"
    network.write_text(SMALL.replace("WEIGHTS", weights))
    training.write_text(SMALL.replace("WEIGHTS", weights).replace("reduction: {components: 12}", TRAINING))
    basis, model = tmp_path / "klt.safetensors", tmp_path / "model.safetensors"
    assert train.main(["-c", "klt", "-c", str(network), "--data", str(scenes), "-o", str(basis)]) == 0
    options = ["-c", "klt_restored", "-c", str(training), "--data", str(scenes)]
    assert train.main([*options, "--set", f"training.klt={basis}", "-o", str(model)]) == 0
    assert "best of 2 selections: loss" in capsys.readouterr().out
    record = json.loads((tmp_path / "model.safetensors.json").read_text())
    assert record["training"]["architecture"] == "klt_restored"
    assert read_metadata(model.read_bytes())["method"] == "network"
    bitstream = tmp_path / "x.bin"
    coding = ["-c", "klt_restored", "-c", str(training), "--set", f"reduction.model={model}", "--set", "codec.qp=20"]
    picture = next(scenes.parent.glob("**/*.png"))
    carried = ["--set", "reduction.carry_model=true"]
    assert enc.main(["-q", *coding, *carried, "-i", str(picture), "-b", str(bitstream)]) == 0
    assert list(encoder_digests(bitstream)[0]) == ["network0"]
    assert dec.main(["-q", str(bitstream)]) == 0
    assert train.main([*options, "--set", f"training.klt={model}.json", "-o", str(model)]) == 2
    assert "model.safetensors.json: is an input, and would be overwritten" in capsys.readouterr().err
