"""``vcm_train``: the same model for any number of workers and after any interruption; what it refuses."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from training.jobs import saved

from vcm_ref.app import train
from vcm_ref.conversion.reduction.klt_model import KltModel
from vcm_ref.models.tensors import read_metadata

from .running import command

TRAIN = ["-c", "klt", "--set", "reduction.components=6"]


def trained(features: Path, output: Path, *options: str) -> bytes:
    """The bytes of a model."""
    assert train.main([*TRAIN, "--data", str(features), "-o", str(output), *options]) == 0
    return output.read_bytes()


def test_any_number_of_workers_gives_the_same_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "features", 20)
    first = trained(tmp_path / "features", tmp_path / "a")
    assert "components  energy" in capsys.readouterr().out
    assert trained(tmp_path / "features", tmp_path / "b", "--workers", "2") == first
    assert KltModel.of(first).components == 6
    lists = ["a.pictures.txt", "b.pictures.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a", "a.png", "b", "b.png", "features", *lists])
    text = (tmp_path / "a.pictures.txt").read_bytes()
    assert hashlib.sha256(text).hexdigest() == read_metadata(first)["pictures_sha256"]
    inputs = sorted((tmp_path / "features").iterdir())
    assert text.decode().split() == [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs]


def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    saved(tmp_path / "features", 40)
    whole = trained(tmp_path / "features", tmp_path / "a")
    options = [*TRAIN, "--data", tmp_path / "features", "-o", tmp_path / "b"]
    process = subprocess.Popen(command("train", *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = tmp_path / "b.part"
    while not (part / "joint.npz").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part.is_dir() or (tmp_path / "b").exists()
    assert trained(tmp_path / "features", tmp_path / "b") == whole
    assert not part.exists()


def test_an_output_that_is_a_folder_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "features", 3)
    (tmp_path / "a").mkdir()
    assert train.main([*TRAIN, "--data", str(tmp_path / "features"), "-o", str(tmp_path / "a")]) == 2
    assert "a: not a regular file; refusing to overwrite it" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "features"]


def test_settings_of_another_method_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "features", 3)
    options = [*TRAIN, "--set", "training.steps=5", "--data", str(tmp_path / "features"), "-o", str(tmp_path / "a")]
    assert train.main(options) == 2
    assert "training: has no effect with reduction.method klt, only with network" in capsys.readouterr().err


def test_the_part_of_another_training_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "features", 3)
    part = tmp_path / "a.part"
    part.mkdir()
    (part / "plan.json").write_text("{}")
    (part / "joint.npz").write_bytes(b"")
    options = [*TRAIN, "--data", str(tmp_path / "features"), "-o", str(tmp_path / "a")]
    assert train.main(options) == 2
    assert "belongs to another training; remove it" in capsys.readouterr().err
    assert sorted(os.listdir(part)) == ["joint.npz", "plan.json"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-c", "fframe"], "reduction.method: none has no model; methods with a model: klt, network"),
        ([*TRAIN, "-o", "nowhere/model"], "there is no folder"),
        ([*TRAIN, "--images", "x"], "--images"),
        (["-c", "klt", "--set", "reduction.components=600"], "reduction.components is 600; these layers have 16"),
        ([*TRAIN, "-o", "features/000.safetensors"], "would be overwritten"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "features", 3)
    assert train.main([*options, "--data", "features"]) == 2
    assert told in capsys.readouterr().err
    assert sorted(os.listdir()) == ["features"]


def test_what_is_skipped_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "features", 3)
    Path("features/notes.txt").touch()
    assert train.main([*TRAIN, "--data", "features"]) == 0
    assert capsys.readouterr().out.startswith("skipped 1 file of other kinds: features/notes.txt\n")
