"""Bad input: one clear line, the right exit code, and no output."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import make_features, save_features

from vcm_ref.codec import ffmpeg
from vcm_ref.feature_set import FeatureSet

from .running import LOSSLESS, VIDEO, command, decode, encode, run


@pytest.fixture(scope="module")
def stream(small: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The small features, lossless, as a bitstream."""
    path = tmp_path_factory.mktemp("stream") / "x.bin"
    assert encode(LOSSLESS, small, path) == 0
    return path.read_bytes()


def one_line(error: str, *words: str) -> None:
    """The message is one line, without a traceback, and has the words."""
    assert error.count("\n") == 1, error
    assert "Traceback" not in error
    assert "internal error" not in error
    for word in words:
        assert word in error, error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "codec.speed=3"], ["codec.speed", "unknown key"]),
        (["--set", "codec.qp=99"], ["codec.qp", "99", "63"]),
        (["--qp", "99"], ["codec.qp", "99", "command line"]),
        (["-c", "absent.yaml"], ["absent.yaml", "cannot be read"]),
        (["--set", "packing.grid=3x3"], ["packing.grid", "p2", "4x4"]),
        (["--set", "packing.grid={p7: 3x3}"], ["packing.grid", "p7", "p2, p3, p4, p5"]),
        (["--set", "codec.name=vvenc", "--set", "codec.preset=lazy"], ["codec", "lazy", "faster"]),
        (["--set", "codec.name=vvenc", "--set", "quantisation.bit_depth=12"], ["quantisation.bit_depth", "lossless"]),
        (["--set", "quantisation.range=fixed"], ["quantisation.range", "profile"]),
        (
            ["--set", "quantisation.range=fixed", "--set", "quantisation.profile=mine"],
            ["quantisation.profile", "mine", "mpeg-m58786"],
        ),
        (
            ["--set", "quantisation={range: fixed, min: 1, max: -1}"],
            ["quantisation.min", "1", "-1"],
        ),
        (["--set", "quantisation={range: fixed, min: -1.0e+39, max: 1.0e+39}"], ["quantisation.min"]),
        (["--set", "quantisation={range: fixed, min: .nan, max: 1}"], ["quantisation", "min: a number must be finite"]),
        (["--set", "codec.qp_offset={p2: 60}"], ["codec.qp_offset", "p2"]),
    ],
)
def test_a_wrong_configuration(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: list[str]
) -> None:
    """Exit code 2."""
    assert encode([*LOSSLESS, *options], small, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, *words)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["π", "layer 2", "a" * 33, "a/b", ""])
def test_a_layer_name_that_the_syntax_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """It is the input's fault, and said before anything is coded."""
    features = FeatureSet(8, 8, {name: np.zeros((16, 4, 4), np.float32)})
    source = save_features(tmp_path / "x.safetensors", features)
    assert encode(LOSSLESS, source, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, "x.safetensors", "a name is")
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_too_many_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """64 are the most."""
    layers = {f"l{n}": np.zeros((16, 2, 2), np.float32) for n in range(65)}
    source = save_features(tmp_path / "x.npz", FeatureSet(8, 8, layers))
    assert encode(LOSSLESS, source, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, "65 layers")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite(tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float) -> None:
    """Layer and channel are named."""
    features = make_features(16, 8, 8)
    features.layers["p3"][5, 1, 1] = value
    source = save_features(tmp_path / "x.npz", features)
    assert encode(LOSSLESS, source, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, "x.npz", "layer p3", "channel 5", "NaN" if np.isnan(value) else "infinity")
    assert os.listdir(tmp_path) == ["x.npz"]


@pytest.mark.parametrize("source", ["absent.png", "absent/*.png", "notes.txt", "broken.png", "broken.npz"])
def test_a_missing_or_unreadable_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str) -> None:
    """Exit code 2, naming it."""
    for name in ("notes.txt", "broken.png", "broken.npz"):
        (tmp_path / name).write_text("hello")
    assert encode(LOSSLESS, tmp_path / source, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, source)
    assert not list(tmp_path.glob("*x.bin*"))


def test_an_output_that_would_replace_its_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes
) -> None:
    """Encoder and decoder alike, under whatever path."""
    source = save_features(tmp_path / "x.npz", make_features(16, 8, 8))
    before = source.read_bytes()
    assert encode(LOSSLESS, source, tmp_path / "." / "x.npz") == 2
    (tmp_path / "x.raw").write_bytes(stream)
    assert decode(tmp_path / "x.raw", "--tier", "t1", "-o", tmp_path / ".." / tmp_path.name / "x.raw") == 2
    assert capsys.readouterr().err.count("would be overwritten") == 2
    assert (source.read_bytes(), (tmp_path / "x.raw").read_bytes()) == (before, stream)


@pytest.mark.parametrize(
    ("executable", "options"),
    [
        ("enc", []),
        ("enc", ["--no-such-option"]),
        ("dec", []),
        ("dec", ["absent.bin"]),
        ("dec", ["x.bin", "--tier", "t9"]),
        ("dec", ["x.bin", "-o", "x.txt"]),
        ("dec", ["x.bin", "--tier", "t1", "-o", "x.npz"]),
        ("dec", ["x.bin", "--limit", "speed=3"]),
        ("dec", ["x.bin", "--limit", "frames=many"]),
        ("dec", ["x.bin", "-o", "absent/x.npz"]),
        ("dec", ["x.bin", "--threshold", "0"]),
        ("dec", ["x.bin", "--picture", "absent.png"]),
        ("dec", ["x.bin", "-c", "absent.yaml"]),
    ],
)
def test_wrong_usage(tmp_path: Path, stream: bytes, executable: str, options: list[str]) -> None:
    """Exit code 2, as a process."""
    (tmp_path / "x.bin").write_bytes(stream)
    options = [str(tmp_path / o) if o.startswith(("x.", "absent")) else o for o in options]
    result = run(executable, *options)
    assert result.returncode == 2, result.stderr
    assert "internal" not in result.stderr
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path) == ["x.bin"]


def test_a_prefix_leaves_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes) -> None:
    """Cut in each unit, and at each end of one: exit code 10."""
    path = tmp_path / "x.bin"
    cuts, place = {0, 2, 4}, 4
    while place < len(stream):
        size = stream[place] & 15
        payload = int.from_bytes(stream[place + 1 : place + 1 + size], "big")
        cuts |= {place, place + 1, place + 1 + size, place + 1 + size + payload // 2}
        place += 1 + size + payload
    for cut in sorted(cuts - {len(stream)}):
        path.write_bytes(stream[:cut])
        assert decode(path, "-o", tmp_path / "x.npz") == 10
        one_line(capsys.readouterr().err, "clause", "bit")
    assert os.listdir(tmp_path) == ["x.bin"]


def test_a_wrong_digest_names_the_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes) -> None:
    """The third of four: exit code 10."""
    data = bytearray(stream)
    data[-1 - 8 - 1] ^= 1  # the end unit, then the last digest of 8 bytes, then the third's last byte
    (tmp_path / "x.bin").write_bytes(data)
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "x.npz") == 10
    one_line(capsys.readouterr().err, "tensor p4", "digest")
    assert os.listdir(tmp_path) == ["x.bin"]


def test_damaged_coded_data(tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes) -> None:
    """The lossless format is the specification's own, so this is the bitstream's fault: 10; never an output."""
    data = bytearray(stream)
    data[len(data) // 3] ^= 0x40
    (tmp_path / "x.bin").write_bytes(data)
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "x.npz") == 10
    one_line(capsys.readouterr().err, "x.bin")
    assert os.listdir(tmp_path) == ["x.bin"]


def test_a_later_version_is_not_supported(tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes) -> None:
    """Exit code 11."""
    data = bytearray(stream)
    data[6] += 0x10
    (tmp_path / "x.bin").write_bytes(data)
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "x.npz") == 11
    one_line(capsys.readouterr().err, "version is 4")


def test_a_later_version_may_have_other_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes
) -> None:
    """It is still unsupported, not wrong."""
    data = bytearray(stream)
    data[6] += 0x10
    data += b"\x60"
    (tmp_path / "x.bin").write_bytes(data)
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "x.npz") == 11


def test_what_was_coded_is_not_replaced_by_what_is_decoded(small: Path, tmp_path: Path) -> None:
    """x.safetensors coded into x.bin, decoded without -o, is still there."""
    source = tmp_path / "x.safetensors"
    source.write_bytes(small.read_bytes())
    assert encode(LOSSLESS, source, tmp_path / "x.bin") == 0
    assert decode(tmp_path / "x.bin") == 0
    assert source.read_bytes() == small.read_bytes()
    assert (tmp_path / "x.decoded.safetensors").is_file()


def test_an_input_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes) -> None:
    """Nor is the picture that detections are drawn on."""
    (tmp_path / "x.bin").write_bytes(stream)
    picture = tmp_path / "x.png"
    assert decode(tmp_path / "x.bin", "--detect", picture, "--picture", picture) == 2
    one_line(capsys.readouterr().err, "x.png", "overwritten")


@pytest.mark.parametrize("key", ["profile=vcm-detection", "min=-1", "max=1"])
def test_a_range_that_is_not_fixed_has_no_ends(
    key: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who gives them believes they hold."""
    assert encode([*LOSSLESS, "--set", f"quantisation.{key}"], small, tmp_path / "x.bin") == 2
    one_line(capsys.readouterr().err, f"quantisation.{key.partition('=')[0]}", "range is fixed")


@pytest.mark.parametrize(
    "limit", ["channels=15", "frames=0", "frame_samples=1000", "layers=3", "pictures=0", "output_bytes=1000"]
)
def test_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes, limit: str) -> None:
    """Exit code 12, and how to raise it."""
    (tmp_path / "x.bin").write_bytes(stream)
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "x.npz", "--limit", limit) == 12
    one_line(capsys.readouterr().err, limit.split("=")[0], "--limit")
    assert os.listdir(tmp_path) == ["x.bin"]


@pytest.fixture
def fresh_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What an executable offers is remembered by its path: forget it."""
    ffmpeg._ask.cache_clear()
    return monkeypatch


def script(path: Path, text: str) -> Path:
    """An executable."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_codec_that_is_missing(
    small: Path, tmp_path: Path, fresh_ffmpeg: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 13."""
    fresh_ffmpeg.setenv("VCM_FFMPEG", "/nonexistent")
    assert encode(VIDEO, small, tmp_path / "x.bin") == 13
    one_line(capsys.readouterr().err, "VCM_FFMPEG", "/nonexistent")
    assert os.listdir(tmp_path) == []


def test_an_ffmpeg_without_libvvenc(
    small: Path, tmp_path: Path, fresh_ffmpeg: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the alternatives."""
    fake = script(tmp_path / "ffmpeg", 'echo " V....D libx265 H.265"')
    fresh_ffmpeg.setenv("VCM_FFMPEG", str(fake))
    assert encode(VIDEO, small, tmp_path / "x.bin") == 13
    one_line(capsys.readouterr().err, "libvvenc", "VCM_FFMPEG", "hevc, vtm, lossless")
    assert os.listdir(tmp_path) == ["ffmpeg"]


@pytest.mark.parametrize(
    ("what", "word"),
    [("sleep 600", "within 1 s"), ("exit 3", "exit code 3"), ("echo rubbish", ""), ("kill -9 $$", "SIGKILL")],
)
def test_a_codec_that_hangs_or_fails(
    small: Path,
    tmp_path: Path,
    fresh_ffmpeg: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    word: str,
) -> None:
    """Exit code 13; the child is gone."""
    fake = script(
        tmp_path / "ffmpeg",
        f'case "$*" in *-encoders*) echo " V....D libvvenc x"; exit;; esac\necho $$ >> {tmp_path}/pid\n{what}',
    )
    fresh_ffmpeg.setenv("VCM_FFMPEG", str(fake))
    assert encode([*VIDEO, "--set", "codec.time_limit=1"], small, tmp_path / "x.bin") == 13
    one_line(capsys.readouterr().err, word)
    assert sorted(os.listdir(tmp_path)) == ["ffmpeg", "pid"]
    for pid in (tmp_path / "pid").read_text().split():
        assert not Path(f"/proc/{pid}").exists()


def test_ctrl_c_leaves_nothing(small: Path, tmp_path: Path) -> None:
    """Exit code 130, no file, no child process."""
    fake = script(
        tmp_path / "ffmpeg",
        f'case "$*" in *-encoders*) echo " V....D libvvenc x"; exit;; esac\necho $$ >> {tmp_path}/pid\nexec sleep 600',
    )
    process = subprocess.Popen(
        command("enc", *VIDEO, "-i", small, "-b", tmp_path / "x.bin"),
        env={**os.environ, "VCM_FFMPEG": str(fake)},
        stderr=subprocess.PIPE,
        text=True,
    )
    pids = tmp_path / "pid"
    while process.poll() is None and not (pids.exists() and pids.read_text().strip()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    one_line(error, "interrupted")
    assert sorted(os.listdir(tmp_path)) == ["ffmpeg", "pid"]
    for pid in pids.read_text().split():
        assert not Path(f"/proc/{pid}").exists()


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """`vcm_dec --trace | head -1`, with a trace longer than any pipe holds."""
    source = save_features(tmp_path / "x.npz", make_features(1024, 2, 2, layers=1))
    options = [
        *LOSSLESS,
        "--set",
        "packing.grid=4x4",
        "--set",
        "quantisation.range=channel",
    ]
    assert encode(options, source, tmp_path / "x.bin") == 0
    process = subprocess.Popen(
        command("dec", tmp_path / "x.bin", "--trace"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert "clause" in process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() in (0, 141)


def test_a_full_disk_leaves_no_output(
    tiny_disk: Path, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bytes
) -> None:
    """Encoder and decoder, every kind of output: exit code 2."""
    (tmp_path / "x.bin").write_bytes(stream)
    assert encode(LOSSLESS, small, tiny_disk / "x.bin") == 2
    one_line(capsys.readouterr().err, "cannot be written", "No space left")
    assert os.listdir(tiny_disk) == []
    for options in (
        ["-o", tiny_disk / "x.npz"],
        ["-o", tiny_disk / "x.safetensors"],
        ["--tier", "t1", "-o", tiny_disk / "x.raw"],
    ):
        assert decode(tmp_path / "x.bin", *options, "-q") == 2
        one_line(capsys.readouterr().err, "cannot be written", "No space left")
        assert os.listdir(tiny_disk) == []


def test_a_pipe_is_no_bitstream(tmp_path: Path, stream: bytes) -> None:
    """It is read from its start more than once."""
    result = subprocess.run(
        command("dec", "/dev/stdin", "-o", tmp_path / "x.npz"), input=stream, capture_output=True, check=False
    )
    assert result.returncode == 2
    one_line(result.stderr.decode(), "pipe")


def test_debug_adds_the_traceback(tmp_path: Path) -> None:
    """And keeps the exit code."""
    (tmp_path / "x.bin").write_bytes(b"hello world")
    result = run("dec", tmp_path / "x.bin", "--debug")
    assert result.returncode == 10
    assert "Traceback" in result.stderr
