"""What the tests of trainings after a KLT share."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcm_ref.training import klt

from .jobs import job, saved


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten feature files of one size; the KLT is of these."""
    return saved(tmp_path_factory.mktemp("features"), 11, size=(8, 12))[:10]


@pytest.fixture(scope="module")
def basis(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("klt")
    path = folder / "klt.safetensors"
    path.write_bytes(klt.train(job(files, folder / "part", "reduction.components=8")))
    return path
