"""Models are found by the SHA-256 of their bytes, in a folder of the user's or as shipped."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from vcm_ref.errors import UnsupportedError
from vcm_ref.models import VARIABLE, find
from vcm_ref.models.choice import shipped_models

DATA = b"numbers"
DIGEST = hashlib.sha256(DATA).digest()


def test_a_model_is_found_in_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / DIGEST.hex()).write_bytes(DATA)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find(DIGEST) == DATA


@pytest.mark.parametrize("folder", [None, "", "nowhere"])
def test_a_model_that_is_not_there_is_named(folder: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if folder is not None:
        monkeypatch.setenv(VARIABLE, folder)
    with pytest.raises(UnsupportedError, match=DIGEST.hex()) as caught:
        find(DIGEST)
    assert caught.value.exit_code == 11


def test_a_damaged_model_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / DIGEST.hex()).write_bytes(DATA + b"!")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(UnsupportedError, match="damaged"):
        find(DIGEST)


def test_a_pipe_with_a_model_s_name_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / DIGEST.hex())
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(UnsupportedError, match="is not a regular file"):
        find(DIGEST)


def test_the_beginning_of_the_digest_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / DIGEST.hex()).write_bytes(DATA)
    (tmp_path / f"{DIGEST.hex()}.pictures.txt").write_bytes(b"not a model")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert [find(DIGEST[:length]) for length in (4, 8, 31)] == [DATA] * 3


def test_a_beginning_of_two_models_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"model 61386", b"model 125049"):  # both begin with c3f2018c
        (tmp_path / hashlib.sha256(data).hexdigest()).write_bytes(data)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(UnsupportedError, match=r"several models begin with c3f2018c: c3f2018cc00e.*, c3f2018cf5e1"):
        find(bytes.fromhex("c3f2018c"))
    assert find(bytes.fromhex("c3f2018cf5")) == b"model 125049"


def test_a_shipped_model_is_found_in_the_folder_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = next(shipped_models()).sha256
    data = find(bytes.fromhex(sha256))
    (tmp_path / sha256).write_bytes(data)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find(bytes.fromhex(sha256)[:8]) == data


@pytest.mark.parametrize("folder", ["n" * 300, "n" * 5000])
def test_a_folder_whose_name_is_too_long_is_told(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, folder)
    with pytest.raises(UnsupportedError, match="cannot be read"):
        find(bytes(32))
