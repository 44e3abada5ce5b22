"""Output files appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vcm_ref.files.atomic import OutputError, atomic_file, atomic_folder, check_outputs


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    """Not before, and with nothing beside it."""
    path = tmp_path / "out.bin"
    with atomic_file(path) as file:
        file.write(b"abc")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
def test_a_file_vanishes_when_the_block_raises(tmp_path: Path, error: type[BaseException]) -> None:
    """An older file of the name stays as it was; Ctrl-C is no exception."""
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_file(path) as file:
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.bin"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """By the complete one."""
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with atomic_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    """Temporary files are private; results are not, as far as the umask allows."""
    old = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "file"):
            pass
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """And nothing is made."""
    for make in (atomic_file, atomic_folder):
        with (
            pytest.raises(OutputError, match=r"absent/out: cannot be written: No such file"),
            make(tmp_path / "absent" / "out"),
        ):
            pass
    assert os.listdir(tmp_path) == []


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """A folder, a pipe, a device: a rename over /dev/null would take it away."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(OutputError, match="not a regular file"), atomic_file(tmp_path / name):
            pass
    with pytest.raises(OutputError, match="not a regular file"), atomic_file(Path(os.devnull)):
        pass
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_a_closed_pipe_is_not_the_files_fault(tmp_path: Path) -> None:
    """What prints inside the block may find that nobody reads."""
    with pytest.raises(BrokenPipeError), atomic_file(tmp_path / "out"):
        raise BrokenPipeError
    with pytest.raises(BrokenPipeError), atomic_folder(tmp_path / "folder"):
        raise BrokenPipeError
    assert os.listdir(tmp_path) == []


def test_a_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    """Not before; an empty folder of the name may be there."""
    path = tmp_path / "out"
    path.mkdir()
    with atomic_folder(path) as folder:
        (folder / "a").write_bytes(b"a")
        assert os.listdir(path) == []
    assert [entry.name for entry in path.iterdir()] == ["a"]
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_vanishes_when_the_block_raises(tmp_path: Path, error: type[BaseException]) -> None:
    """With what is in it."""
    with pytest.raises(error), atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_bytes(b"a")
        raise error
    assert os.listdir(tmp_path) == []


def test_an_existing_folder_is_kept(tmp_path: Path) -> None:
    """Results are never mixed with older ones; a file is not taken for a folder."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_bytes(b"old")
    (tmp_path / "file").write_bytes(b"old")
    for name in ("full", "file"):
        with pytest.raises(OutputError, match="exists already"), atomic_folder(tmp_path / name):
            pass
    assert (tmp_path / "full" / "a").read_bytes() == b"old"
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.integration
@pytest.mark.parametrize("size", [66_000, 10**6])
def test_a_full_disk_leaves_nothing(tiny_disk: Path, size: int) -> None:
    """Whether a write or the last flush meets it; an older file stays."""
    (tiny_disk / "out.bin").write_bytes(b"old")
    with (
        pytest.raises(OutputError, match=r"out\.bin: cannot be written: No space left"),
        atomic_file(tiny_disk / "out.bin") as file,
    ):
        file.write(b"x" * size)
    assert os.listdir(tiny_disk) == ["out.bin"]
    assert (tiny_disk / "out.bin").read_bytes() == b"old"
    with pytest.raises(OutputError, match="No space left"), atomic_folder(tiny_disk / "folder") as folder:
        (folder / "a").write_bytes(b"x" * size)
    assert os.listdir(tiny_disk) == ["out.bin"]


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    """A private result stays private, also through a link, which stays a link."""
    (tmp_path / "private").write_bytes(b"old")
    (tmp_path / "private").chmod(0o600)
    (tmp_path / "link").symlink_to("private")
    (tmp_path / "folder").mkdir(0o700)
    with atomic_file(tmp_path / "link") as file:
        file.write(b"new")
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").touch()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "private").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700


def test_outputs_are_checked_against_inputs_and_each_other(tmp_path: Path) -> None:
    """Other spellings, links, companions; a missing folder; a name that is not one."""
    given = tmp_path / "a"
    given.touch()
    (tmp_path / "s").symlink_to(given)
    (tmp_path / "h").hardlink_to(given)
    (tmp_path / "f").mkdir()
    check_outputs([tmp_path / "b", tmp_path / "b.json"], [given, tmp_path / "missing"])
    for output in (given, tmp_path / "f" / ".." / "a", tmp_path / "s", tmp_path / "h"):
        with pytest.raises(OutputError, match="is an input, and would be overwritten"):
            check_outputs([output], [given])
    with pytest.raises(OutputError, match="written twice"):
        check_outputs([tmp_path / "b", tmp_path / "f" / ".." / "b"], [])
    for output in (Path("."), Path(".."), Path("-"), tmp_path / "a\0b", tmp_path / "none" / "b"):
        with pytest.raises(OutputError):
            check_outputs([output], [])


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    """The name of the temporary file is not longer."""
    with atomic_file(tmp_path / ("ä" * 125)) as file:
        file.write(b"a")
    assert os.listdir(tmp_path) == ["ä" * 125]
