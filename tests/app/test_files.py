"""Outputs, their companions, inputs and pipes: nothing is overwritten that is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import make_features, save_features

from vcm_ref.files.feature_file import load_feature_file

from .running import CONFIGURATIONS, LOSSLESS, command, decode, encode, run
from .test_errors import one_line


@pytest.fixture
def stream(small: Path, tmp_path: Path) -> Path:
    """The small features, lossless, in x.bin with its record; the working folder."""
    assert encode(LOSSLESS, small, tmp_path / "x.bin") == 0
    return tmp_path / "x.bin"


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_companions_overwrite_nothing(stream: Path, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The description of raw planes, and the record of a bitstream."""
    folder = stream.parent
    shutil.copy(stream, folder / "y.raw.json")
    shutil.copytree(CONFIGURATIONS, folder / "cfg")
    (folder / "e.bin.json").write_text("base: cfg/lossless.yaml\ndigest_length: 4\n")
    (folder / "on.yaml").write_text("base: e.bin.json\n")
    before = contents(folder)
    capsys.readouterr()
    assert decode(folder / "y.raw.json", "--tier", "t1", "-o", folder / "y.raw") == 2
    one_line(capsys.readouterr().err, "y.raw.json", "would be overwritten")
    for configuration in ("e.bin.json", "on.yaml"):
        grid = ["--set", "packing.grid=4x4"]
        assert encode(["-c", str(folder / configuration), *grid], small, folder / "e.bin") == 2
        one_line(capsys.readouterr().err, "e.bin.json", "would be overwritten")
    assert decode(stream, "--detect", folder / "x.bin.json.png", "--tier", "t1", "-o", folder / "x.bin.json") == 2
    assert contents(folder) == before


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_an_input_under_another_name_is_not_overwritten(
    link: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save_features(tmp_path / "a.npz", make_features(16, 4, 4))
    getattr(tmp_path / "b.bin", link)(source)
    before = contents(tmp_path)
    assert encode(LOSSLESS, source, tmp_path / "b.bin") == 2
    one_line(capsys.readouterr().err, "b.bin", "would be overwritten")
    assert contents(tmp_path) == before


def test_two_outputs_with_one_name(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before any work."""
    place = stream.parent / "y"
    capsys.readouterr()
    assert decode(stream, "--tier", "all", "-o", place.with_suffix(".png"), "--detect", place.with_suffix(".png")) == 2
    one_line(capsys.readouterr().err, "y.png", "written twice")


def test_a_pipe_carries_a_bitstream(stream: Path, small: Path, tmp_path: Path) -> None:
    """The same bytes as in a file, and nothing else on standard output; no record is written."""
    (tmp_path / "work").mkdir()
    coded = subprocess.run(
        command("enc", *LOSSLESS, "-i", small, "-b", "-"), capture_output=True, check=True, cwd=tmp_path / "work"
    )
    assert coded.stdout == stream.read_bytes()
    assert b"p2" in coded.stderr
    assert os.listdir(tmp_path / "work") == []
    decoding = command("dec", "-", "-o", tmp_path / "work" / "y.npz", "-q")
    done = subprocess.run(decoding, input=coded.stdout, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert decode(stream, "-o", tmp_path / "z.npz") == 0
    assert (tmp_path / "work" / "y.npz").read_bytes() == (tmp_path / "z.npz").read_bytes()


def test_standard_input_names_no_output(stream: Path) -> None:
    result = subprocess.run(command("dec", "-"), input=stream.read_bytes(), capture_output=True, check=False)
    assert result.returncode == 2
    one_line(result.stderr.decode(), "name it with -o")


def test_pictures_have_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the record; numbers where there is none, it is another's, or two names are equal."""
    for name in ("dog.npz", "cat.npz", "dog.safetensors"):
        save_features(tmp_path / name, make_features(16, 4, 4))

    def decoded(expected: str) -> list[str]:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        capsys.readouterr()
        assert decode(tmp_path / "x.bin", "-o", tmp_path / "out", "--format", "npz") == 0
        assert expected in capsys.readouterr().out
        return sorted(os.listdir(tmp_path / "out"))

    assert encode(LOSSLESS, tmp_path / "*.npz", tmp_path / "x.bin") == 0
    assert decoded("cat") == ["cat.npz", "dog.npz"]
    record = json.loads((tmp_path / "x.bin.json").read_text())
    record["pictures"][0]["input"] = "../../etc/cron.npz"
    (tmp_path / "x.bin.json").write_text(json.dumps(record))
    assert decoded("cannot name a file") == ["000000.npz", "000001.npz"]
    (tmp_path / "x.bin.json").unlink()
    assert decoded("there is no record") == ["000000.npz", "000001.npz"]
    assert encode(LOSSLESS, tmp_path / "*s", tmp_path / "y.bin") == 0
    shutil.copy(tmp_path / "y.bin.json", tmp_path / "x.bin.json")
    assert decoded("belongs to another bitstream") == ["000000.npz", "000001.npz"]
    (tmp_path / "y.bin").replace(tmp_path / "x.bin")
    assert encode(LOSSLESS, tmp_path / "dog.*", tmp_path / "x.bin") == 0
    assert decoded("names two pictures dog") == ["000000.npz", "000001.npz"]
    assert (tmp_path / "dog.npz").is_file()
    assert load_feature_file(tmp_path / "out" / "000000.npz").height == 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trace", "--tier", "t1"], "--tier changes nothing with --trace"),
        (["--trace", "-o", "y.npz"], "--output changes nothing with --trace"),
        (["--set", "network.name=refnet"], "--set changes nothing without --detect"),
        (["--detect", "--format", "npz"], "--format changes nothing with --detect, without -o"),
        (["--tier", "t0", "--format", "npz", "-o", "y.raw"], "--format changes nothing with --tier t0"),
        (["--format", "npz", "-o", "y.npz"], "--format changes nothing with -o"),
        (["--limit", "frames=1", "--limit", "frames=2"], "--limit frames: given twice"),
        (["--limit", "inner_seconds=1e400"], "--limit inner_seconds: '1e400' is not a finite number"),
        (["--limit", "inner_seconds=nan"], "--limit inner_seconds: 'nan' is not a finite number"),
        (["--limit", "frames=" + "9" * 400], "is not a whole number"),
        (["--limit", "frames=-1"], "must be at least 0"),
        (["--detect", "y.jpg"], "the file ends in .png"),
    ],
)
def test_an_option_that_changes_nothing_or_is_no_number(
    stream: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert decode(stream, *options) == 2
    one_line(capsys.readouterr().err, message)


def test_options_of_the_encoder_that_change_nothing(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert encode([*LOSSLESS, "--qp", "30"], small, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, "codec.qp: is 30; it has no effect with codec.name lossless")
    picture = CONFIGURATIONS / "sample.png"
    assert encode([*LOSSLESS, "--picture-size", "3x4"], picture, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, "--picture-size changes nothing without feature files")


def test_a_wrong_file_is_named_as_such(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decode(small) == 10
    one_line(capsys.readouterr().err, small.name, 'not a vcm_ref bitstream: it does not begin with "VCMF"')


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """Exit code 2, wherever it is met."""
    for options in ([tmp_path / ("a" * 300)], ["-", "-o", tmp_path / ("a" * 300 + ".npz")]):
        result = run("dec", *options)
        assert result.returncode in (2, 10)
        one_line(result.stderr)
