"""Pipes and devices in the place of files: refused in one line, before anything waits for them or reads without end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vcm_ref.conformance.errors import SuiteError
from vcm_ref.conformance.stored_file import StoredFile, check_stored
from vcm_ref.conformance.tensor_files import read_tensors
from vcm_ref.errors import VcmError
from vcm_ref.experiment.given_files import GivenBitstream
from vcm_ref.experiment.results import label_table
from vcm_ref.files.feature_file import load_feature_file
from vcm_ref.inputs.picture_file import picture_size, read_picture
from vcm_ref.task.dataset import read_text

READERS: dict[str, Callable[[Path], Any]] = {
    "labels": lambda path: label_table(str(path), {1: "cup"}, {1: "cup"}),
    "list": lambda path: read_text(path, "list of classes"),
    "features": load_feature_file,
    "compared": read_tensors,
    "picture": read_picture,
    "size of a picture": picture_size,
    "stored": lambda path: check_stored(path.parent, StoredFile(path.name, 1, "0" * 64)),
    "bitstream": lambda path: GivenBitstream(path=path)._sha256,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("kind", "shown"), [("pipe", "a pipe"), ("device", "a device"), ("folder", "a folder")])
def test_what_is_not_a_file_is_refused(tmp_path: Path, reader: str, kind: str, shown: str) -> None:
    path = tmp_path / "x.npz"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(VcmError, match=f"{path}: is {shown}, not a file") as caught:
        READERS[reader](path)
    assert caught.value.exit_code == (SuiteError.exit_code if reader == "stored" else 2)
