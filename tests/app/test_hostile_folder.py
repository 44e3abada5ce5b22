"""Executables in a folder that another person has filled: they and their children run no module that lies there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from experiment.small_sweep import write_all

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("pycocotools", reason="pycocotools is not installed")

HOSTILE = ("pickle", "subprocess", "numpy", "multiprocessing", "tempfile", "threading", "encodings", "vcm_ref", "yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small data set and a sweep, and with modules that leave a file when they are imported."""
    write_all(tmp_path / "data")
    sweep = {"data": "data/data.json", "qps": [40], "methods": {"m": "data/lossless.yaml"}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(sweep))
    for name in HOSTILE:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'taken_over')!r}, 'a').write({name!r})\n")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "s.yaml", "--workers", "2"],
        ["anchor", "-c", "data/lossless.yaml", "--data", "data/data.json", "--qp", "40", "--workers", "2"],
        ["eval", "--data", "data/data.json", "-c", "data/lossless.yaml", "--workers", "2"],
        ["eval", "--data", "data/data.json", "-c", "data/lossless.yaml", "--encode", "--workers", "2"],
        ["enc", "-c", "data/lossless.yaml", "-i", "data/picture1.png", "-b", "x.bin"],
        ["conformance", "--help"],
    ],
)
def test_its_modules_are_not_run(folder: Path, arguments: list[str]) -> None:
    executable = Path(sys.executable).with_name(f"vcm_{arguments[0]}")
    if not executable.is_file():
        pytest.skip(f"{executable} is not installed")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    done = subprocess.run(
        [executable, *arguments[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert not (folder / "taken_over").exists(), (folder / "taken_over").read_text()
    assert done.returncode == 0, done.stderr


def test_a_program_in_the_folder_is_one_that_the_user_runs(folder: Path) -> None:
    """The folder does what it says it does."""
    shutil.copy(folder / "pickle.py", folder / "program.py")
    subprocess.run([sys.executable, "-c", "import program"], cwd=folder, check=False, capture_output=True)
    assert (folder / "taken_over").exists()
