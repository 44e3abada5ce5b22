"""The suite's files: read whole and right, or refused, in bounded memory."""

from __future__ import annotations

import hashlib
import lzma
from dataclasses import replace
from pathlib import Path

import pytest

from vcm_ref.conformance.errors import HarnessError, SuiteError
from vcm_ref.conformance.stored_file import StoredFile, check_stored, copy_stored, read_stored

from .suites import stored

CONTENT = bytes(range(256)) * 8192 + b"end"  # more than is read at once


@pytest.mark.parametrize("name", ["a/b.bin", "b.bin.xz"])
@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=len)
def test_what_is_stored_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    file = stored(tmp_path, name, content)
    assert file.is_compressed == name.endswith("xz")
    assert read_stored(tmp_path, file) == content
    copy_stored(tmp_path, file, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    check_stored(tmp_path, file)


@pytest.mark.parametrize("name", ["b.bin", "b.bin.xz"])
def test_other_content_is_refused(tmp_path: Path, name: str) -> None:
    file = stored(tmp_path, name, CONTENT)
    with pytest.raises(SuiteError, match="more than the 2097154 bytes that the manifest says"):
        check_stored(tmp_path, replace(file, size=len(CONTENT) - 1))
    with pytest.raises(SuiteError, match="has 2097155 bytes; the manifest says 2097156"):
        check_stored(tmp_path, replace(file, size=len(CONTENT) + 1))
    with pytest.raises(SuiteError, match=f"{name}: its SHA-256 is {hashlib.sha256(CONTENT).hexdigest()}; the manifest"):
        check_stored(tmp_path, replace(file, sha256="0" * 64))
    (tmp_path / name).unlink()
    with pytest.raises(SuiteError, match=f"{name}: cannot be read: No such file"):
        read_stored(tmp_path, file)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no xz",
        lzma.compress(CONTENT)[:-1],
        lzma.compress(CONTENT)[:100],
        lzma.compress(CONTENT) + b"x",
        lzma.compress(CONTENT, lzma.FORMAT_ALONE),
        # a dictionary of 1 GiB is more than anybody needs to give
        lzma.compress(CONTENT, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]),
    ],
    ids=["empty", "other", "short", "shorter", "long", "another format", "dictionary"],
)
def test_damaged_compression_is_refused(tmp_path: Path, damaged: bytes) -> None:
    file = stored(tmp_path, "b.xz", CONTENT)
    (tmp_path / "b.xz").write_bytes(damaged)
    with pytest.raises(SuiteError, match=r"b\.xz: is not a whole xz file: "):
        read_stored(tmp_path, file)


def test_a_bomb_is_not_expanded(tmp_path: Path) -> None:
    """16 MiB in 3 KiB: no more is taken than the manifest says."""
    compressor = lzma.LZMACompressor()
    bomb = b"".join(compressor.compress(bytes(1 << 22)) for _ in range(4)) + compressor.flush()
    (tmp_path / "b.xz").write_bytes(bomb)
    with pytest.raises(SuiteError, match="more than the 1000 bytes"):
        copy_stored(tmp_path, StoredFile("b.xz", 1000, "0" * 64), tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size == 0


def test_a_copy_that_cannot_be_written_is_not_the_suites_fault(tmp_path: Path, tiny_disk: Path) -> None:
    file = stored(tmp_path, "b.bin", CONTENT)
    with pytest.raises(HarnessError, match=r"copy: cannot be written: No space left") as caught:
        copy_stored(tmp_path, file, tiny_disk / "copy")
    assert not isinstance(caught.value, SuiteError)
