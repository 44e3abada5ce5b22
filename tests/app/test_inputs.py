"""The files that a command line names: paths, folders, patterns, several of them; and what is not a file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from conftest import make_features, save_features
from PIL import Image

from vcm_ref.app import enc
from vcm_ref.app.inputs import find_inputs, open_input
from vcm_ref.errors import ConfigError, DatasetError

from .running import LOSSLESS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, a feature file, another file, and a folder with a picture's name."""
    for name in ("b.png", "a.JPG"):
        Image.new("RGB", (6, 4), (9, 8, 7)).save(tmp_path / name)
    save_features(tmp_path / "c.npz", make_features(2, 4, 4))
    (tmp_path / "notes.txt").write_text("not an input")
    (tmp_path / "d.png").mkdir()
    return tmp_path


def names(*texts: object) -> list[str]:
    """The names of the files found."""
    return [path.name for path in find_inputs(map(str, texts)).paths]


def test_a_folder_gives_its_inputs_by_name(folder: Path) -> None:
    """Other files are skipped, counted and named; folders are not files."""
    assert names(folder) == ["a.JPG", "b.png", "c.npz"]
    assert find_inputs([str(folder)]).skipped_line() == f"skipped 1 file of other kinds: {folder / 'notes.txt'}"
    for number in range(9):
        (folder / f"{number}.txt").touch()
    line = find_inputs([str(folder)]).skipped_line()
    assert line.startswith("skipped 10 files of other kinds: ")
    assert line.endswith(f"{folder / '4.txt'} and 5 more")
    assert find_inputs([str(folder / "b.png")]).skipped_line() == ""


def test_a_pattern_gives_the_matches_by_name(folder: Path) -> None:
    """Also through folders."""
    (folder / "d.png" / "e.png").write_bytes((folder / "b.png").read_bytes())
    assert names(folder / "*.png") == ["b.png"]
    assert names(folder / "*") == ["a.JPG", "b.png", "c.npz"]
    assert names(folder / "**" / "*.png") == ["b.png", "e.png"]


def test_several_inputs_stay_in_their_order(folder: Path) -> None:
    """A file that is named twice, under whatever spelling, is refused: it would be coded twice."""
    assert names(folder / "c.npz", folder / "b.png") == ["c.npz", "b.png"]
    with pytest.raises(DatasetError, match=r"b\.png: is named twice"):
        find_inputs([str(folder), str(folder / "d.png" / ".." / "b.png")])


def test_a_file_of_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"notes\.txt: unsupported kind of input; supported are \.png"):
        find_inputs([str(folder / "notes.txt")])


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    """The message names the argument."""
    with pytest.raises(DatasetError, match="holds no picture and no feature file"):
        find_inputs([str(tmp_path)])
    for name in ("absent.png", "*.png"):
        with pytest.raises(DatasetError, match="no such file, and no file matches it as a pattern"):
            find_inputs([str(tmp_path / name)])
    for text in ("", "-"):
        with pytest.raises(DatasetError):
            find_inputs([text])


def test_pipes_devices_and_sockets_are_not_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening one could wait for ever."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        for name, kind in (("pipe.png", "a pipe"), ("socket.png", "a socket"), (os.devnull, "a device")):
            with pytest.raises(DatasetError, match=f"{name}: is {kind}, not a file"):
                find_inputs([name])
            with pytest.raises(ConfigError, match=f"{name}: is {kind}, not a file"):
                open_input(Path(name))
    with pytest.raises(ConfigError, match="is a folder, not a file"):
        open_input(tmp_path)


def test_all_named_inputs_are_coded(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -i repeated, and with several names after one -i."""
    for name in ("e", "f"):
        save_features(tmp_path / f"{name}.npz", make_features(16, 4, 4))
    e, f = str(tmp_path / "e.npz"), str(tmp_path / "f.npz")
    for given in (["-i", e, "-i", f], ["-i", e, f]):
        assert enc.main([*LOSSLESS, *given, "-b", str(tmp_path / "x.bin")]) == 0
        assert "x.bin: 2 pictures" in capsys.readouterr().out
