"""``vcm_train`` with ``reduction.method: network``: from a data set or feature files to the model and its files."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from vcm_ref.app import train
from vcm_ref.models.tensors import read_metadata
from vcm_ref.task.scenes import write_dataset

from .running import command

SETTINGS = (
    "training.loss=task",
    "training.coded_channels=4",
    "training.width=8",
    "training.squeezed=2",
    "training.steps=4",
    "training.batch=2",
    "training.evaluate_every=2",
    "training.device=cpu",
)
OPTIONS = ["-c", "msfc_topdown", *(option for setting in SETTINGS for option in ("--set", setting))]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("scenes"), 7_000_000, 5, 128, 96)


def test_a_data_set_gives_a_model_and_the_files_beside_it(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "m"
    assert train.main([*OPTIONS, "--data", str(scenes), "-o", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "best of 2 selections: loss" in printed
    assert "integers change the restored layers by" in printed
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"m", "m.json", "m.pictures.txt", "m.png", "m.weights.safetensors"}
    assert json.loads((tmp_path / "m.json").read_text())["training"]["loss"] == "task"
    assert read_metadata(output.read_bytes())["method"] == "network"


def test_a_killed_training_goes_on_to_the_same_model(scenes: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train.main([*OPTIONS, "--data", str(scenes), "-o", str(whole)]) == 0
    options = [*OPTIONS, "--data", scenes, "-o", parts]
    process = subprocess.Popen(command("train", *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "parts.part"
    while not (folder / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert train.main([*OPTIONS, "--data", str(scenes), "-o", str(parts)]) == 0
    assert parts.read_bytes() == whole.read_bytes()
    assert not folder.exists()


def test_an_input_is_not_written_over(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tmp_path / "m.weights.safetensors"
    weights.write_bytes(b"x")
    start = ["--set", f"training.start={weights}"]
    assert train.main([*OPTIONS, *start, "--data", str(scenes), "-o", str(tmp_path / "m")]) == 2
    assert "m.weights.safetensors: is an input, and would be overwritten" in capsys.readouterr().err
