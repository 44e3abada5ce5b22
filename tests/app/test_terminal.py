"""Text on its way to the terminal: no escape sequence, no crash at a character that an encoding lacks."""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make_features, save_features

from vcm_ref.app import command as executable
from vcm_ref.app.signals import Terminated, ending_signals
from vcm_ref.app.terminal import SafeStream, safe_streams

from .running import LOSSLESS, command, run


def written(text: str, encoding: str) -> bytes:
    """What a stream of this encoding gets."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    SafeStream(stream).write(text)
    stream.flush()
    return raw.getvalue()


def test_what_steers_a_terminal_is_shown() -> None:
    """Line ends stay."""
    assert written("a\x1b[31m\x07\n\u202eb\udce9", "utf-8") == b"a\\x1b[31m\\x07\n\\u202eb\\udce9"
    assert written("äπ\n", "ascii") == b"\\xe4\\u03c0\n"
    assert written("äπ", "latin-1") == b"\xe4\\u03c0"
    assert written("äπ", "utf-8") == "äπ".encode()


def test_the_streams_are_restored() -> None:
    before = sys.stdout, sys.stderr
    with safe_streams():
        assert isinstance(sys.stdout, SafeStream)
        assert isinstance(sys.stderr, SafeStream)
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"PYTHONUTF8": "1"}])
def test_any_file_name_can_be_printed(tmp_path: Path, environment: dict[str, str]) -> None:
    """Greek, an escape sequence, bytes that are not UTF-8; in output and in errors."""
    name = os.fsdecode("π\x1b[2Jx".encode() + b"\xe9.npz")
    source = save_features(tmp_path / name, make_features(16, 4, 4))
    result = run("enc", *LOSSLESS, "-i", source, "-b", tmp_path / "x.bin", **environment)
    assert result.returncode == 0, result.stderr
    result = run("dec", source, **environment)
    assert result.returncode == 10
    for text in (result.stdout, result.stderr):
        assert "\x1b" not in text
    assert "\\x1b[2Jx" in result.stderr
    assert result.stderr.count("\n") == 1


def test_help_into_a_full_device() -> None:
    """One line and exit code 2, as for any output."""
    with open("/dev/full", "w") as full:
        result = subprocess.run(command("dec", "--help"), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, "vcm_dec: reading or writing failed: No space left on device\n")


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_second_signal_does_not_disturb_cleaning_up(number: int, kind: type[BaseException]) -> None:
    """Nor a third of another kind."""
    before = {other: signal.getsignal(other) for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    cleaned = False
    try:
        with pytest.raises(kind), ending_signals():
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(number)
                signal.raise_signal(signal.SIGHUP)
                cleaned = True
    finally:
        for other, handler in before.items():
            signal.signal(other, handler)
    assert cleaned


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_library_may_turn_a_signal_into_another_error(
    number: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """As safetensors does while it makes a tensor. The message and the exit code are still those of the signal."""
    before = {other: signal.getsignal(other) for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def work(arguments: argparse.Namespace) -> None:
        try:
            signal.raise_signal(number)
        except BaseException:
            raise ValueError("could not determine the shape") from None

    try:
        assert executable.run(executable.argument_parser("vcm_enc", ""), work, []) == code
    finally:
        for other, handler in before.items():
            signal.signal(other, handler)
    assert capsys.readouterr().err in ("vcm_enc: interrupted\n", "vcm_enc: terminated\n")


def test_the_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ending_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
