"""What a decoder runs out of, and inner decoders that misbehave: each for real, with ``vcm_dec`` as a process.

One line, the right exit code, no output, no temporary file, no process left.
"""

from __future__ import annotations

import bz2
import configparser
import errno
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import make_features, save_features

from vcm_ref.app import entry
from vcm_ref.app.command import describe
from vcm_ref.bitstream.headers import (
    GroupHeader,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
)
from vcm_ref.bitstream.stream import BitstreamWriter, CodedGroup
from vcm_ref.bitstream.values import Layer
from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.decoder import DecodedPicture, Decoder
from vcm_ref.errors import CodecError

from .running import VIDEO, command, encode
from .test_errors import one_line

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits, /proc and /dev/full are Linux's")


def two_layers(folder: Path, *options: str) -> bytes:
    """A bitstream of one picture, two substreams."""
    features = save_features(folder / "x.safetensors", make_features(16, 8, 12, layers=2))
    assert encode([*VIDEO, *options], features, folder / "x.bin") == 0
    return (folder / "x.bin").read_bytes()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two layers in HEVC."""
    return two_layers(tmp_path_factory.mktemp("video"), "--set", "codec={name: hevc, preset: ultrafast}")


def large(path: Path, pictures: int = 1) -> Path:
    """A bitstream of 100 bytes whose one layer has 32 million samples."""
    height, width = 4096, 8192
    with path.open("w+b") as file:
        tensor = TensorHeader(TensorFormat(bit_depth=8))
        writer = BitstreamWriter(file, StreamHeader(level=4, layers=[Layer("p2", 1)], tensors=[tensor]))
        header = GroupHeader(8, 8, [(height, width)], [PictureHeader([], [TensorPicture([(0.0, 1.0)])])])
        data = bz2.compress(bytes(height * width))
        for _ in range(pictures):
            writer.write(CodedGroup(header, [Substream(lossless_data=data)]))
        writer.close()
    return path


def run(
    *options: object, executable: str = "dec", limits: Sequence[tuple[int, int]] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run an executable to its end, under resource limits."""

    def limit() -> None:
        for kind, value in limits:
            resource.setrlimit(kind, (value, value))

    return subprocess.run(
        command(executable, *options),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit if limits else None,
        env={**os.environ, **environment},
    )


def test_not_enough_memory(tmp_path: Path) -> None:
    """Exit code 12, for any amount that Python itself can start with."""
    path = large(tmp_path / "x.bin")
    for mebibytes in (300, 450):
        result = run(path, "-o", tmp_path / "x.npz", "-q", limits=[(resource.RLIMIT_AS, mebibytes << 20)])
        assert result.returncode == 12, result.stderr
        one_line(result.stderr, "not enough memory")
        assert os.listdir(tmp_path) == ["x.bin"]


def test_not_enough_memory_for_threads_or_children(tmp_path: Path, video: bytes) -> None:
    """A thread's stack does not fit, or a child process, or what the child needs: never an internal error."""
    (tmp_path / "x.bin").write_bytes(video)
    codes = set()
    for mebibytes in (200, 280, 360, 440, 2000):
        result = run(tmp_path / "x.bin", "-o", tmp_path / "x.npz", "-q", limits=[(resource.RLIMIT_AS, mebibytes << 20)])
        codes.add(result.returncode)
        if result.returncode:
            one_line(result.stderr)
            assert os.listdir(tmp_path) == ["x.bin"]
        else:
            (tmp_path / "x.npz").unlink()
    assert codes <= {0, 12, 13}
    assert 0 in codes


def test_what_running_out_of_memory_looks_like() -> None:
    """Python says it in three ways; anything else of the kind is our own fault."""
    for error in (MemoryError(), RuntimeError("can't start new thread"), OSError(errno.ENOMEM, "Cannot allocate")):
        message, code = describe(error)
        assert message.startswith("not enough memory")
        assert code == 12
    assert describe(RuntimeError("oh"))[1] == 70
    assert describe(FileNotFoundError(errno.ENOENT, "No such file", "x")) == ("x: cannot be used: No such file", 2)


def test_no_descriptor_is_free(tmp_path: Path, video: bytes) -> None:
    """Files and pipes need some: 2 or 13, whichever comes first."""
    (tmp_path / "x.bin").write_bytes(video)
    for free in (8, 10, 12, 14, 24):
        result = run(tmp_path / "x.bin", "-o", tmp_path / "x.npz", "-q", limits=[(resource.RLIMIT_NOFILE, free)])
        if result.returncode != 0:
            assert result.returncode in (2, 13), result.stderr
            one_line(result.stderr)
            assert os.listdir(tmp_path) == ["x.bin"]


def test_a_file_may_not_grow(tmp_path: Path) -> None:
    """RLIMIT_FSIZE, as a quota: exit code 2, no output."""
    path = large(tmp_path / "x.bin")
    result = run(path, "-o", tmp_path / "x.npz", "-q", limits=[(resource.RLIMIT_FSIZE, 1 << 20)])
    assert result.returncode == 2
    one_line(result.stderr, "x.npz", "File too large")
    assert os.listdir(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("options", [["--tier", "all"], ["--tier", "t0"], ["--format", "npz"]])
def test_a_full_disk_leaves_no_folder(tiny_disk: Path, tmp_path: Path, options: list[str]) -> None:
    """Where each picture has a file of its own, or each tier."""
    path = large(tmp_path / "x.bin", pictures=2)
    result = run(path, "-o", tiny_disk / "x", "-q", *options)
    assert result.returncode == 2
    one_line(result.stderr, "cannot be written", "No space left")
    assert os.listdir(tiny_disk) == []


@pytest.mark.parametrize("options", [["--trace"], ["-o", "x.npz"]])
def test_standard_output_is_full(tmp_path: Path, video: bytes, options: list[str]) -> None:
    """Exit code 2; no output, since what was asked for is not done."""
    (tmp_path / "x.bin").write_bytes(video)
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command("dec", "x.bin", *options),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    assert result.returncode == 2
    one_line(result.stderr, "No space left")
    assert os.listdir(tmp_path) == ["x.bin"]


def test_standard_error_is_full(tmp_path: Path) -> None:
    """The exit code still tells."""
    with open("/dev/full", "w") as full:
        result = subprocess.run(command("dec", tmp_path / "x.bin"), stderr=full, stdout=subprocess.PIPE, check=False)
    assert (result.returncode, result.stdout) == (2, b"")


def test_closed_standard_streams(tmp_path: Path, video: bytes) -> None:
    """The pipes to an inner decoder do not take their places."""
    (tmp_path / "x.bin").write_bytes(video)
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    decoding = command("dec", tmp_path / "x.bin", "-o", tmp_path / "x.npz")
    assert subprocess.run([*shell, *decoding], check=False).returncode == 0
    assert (tmp_path / "x.npz").is_file()


def test_an_input_that_cannot_be_read(tmp_path: Path) -> None:
    """It can be opened, but not read at its place: a damaged disk, or what is no file at all."""
    result = run("/proc/self/mem", "-o", tmp_path / "x.npz")
    assert result.returncode == 2
    one_line(result.stderr, "reading")


@pytest.mark.parametrize("limit", ["inner_seconds=inf", "inner_seconds=1e300", "inner_bytes=1" + "0" * 30])
def test_a_limit_above_all_limits(tmp_path: Path, video: bytes, limit: str) -> None:
    """As good as none."""
    (tmp_path / "x.bin").write_bytes(video)
    assert run(tmp_path / "x.bin", "-o", tmp_path / "x.npz", "--limit", limit).returncode == 0


FAKE = """#!{python} -SE
# Stands in place of ffmpeg. "real" is what the real one returns.
import os, signal, subprocess, sys, time
if "-decoders" in sys.argv:
    print(" V....D hevc  x"); print(" V....D vvc  x"); sys.exit()
with open({pids!r}, "a") as file: print(os.getpid(), file=file)
target = int(sys.argv[-1].split(":")[1])
def take(): return sys.stdin.buffer.read()
def give(data): os.set_blocking(target, True); [os.write(target, data[i:i + 65536]) for i in range(0, len(data), 65536)]
def real(): return subprocess.run([{ffmpeg!r}, *sys.argv[1:-1], "pipe:1"], input=take(), stdout=-1).stdout
{behaviour}
"""


def stand_in(folder: Path, behaviour: str) -> Path:
    """An executable in place of ffmpeg, which notes its process number."""
    path = folder / "ffmpeg"
    path.write_text(
        FAKE.format(python=sys.executable, pids=str(folder / "pids"), ffmpeg=find_ffmpeg(), behaviour=behaviour)
    )
    path.chmod(0o755)
    return path


def assert_all_gone(folder: Path) -> None:
    """No process of :func:`stand_in` is left."""
    for pid in (folder / "pids").read_text().split():
        assert not Path(f"/proc/{pid}").exists(), "a child process is left"


@pytest.mark.parametrize(
    ("behaviour", "word"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("sys.stdin.buffer.read(20); sys.exit(3)", "exit code 3"),
        ("take(); sys.exit(3)", "exit code 3"),
        ("give(real()[:500]); sys.exit(3)", "exit code 3"),
        ("give(real()); sys.exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("give(real()[:500]); os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("give(real()); os.kill(os.getpid(), signal.SIGABRT)", "SIGABRT"),
        ("", "0 frames|no frames"),
        ("take()", "no frames"),
        ("give(b'rubbish' * 99)", "no frames"),
        ("give(real()[:-1])", "0 frames and a part"),
        ("give(real()[:500])", "0 frames and a part"),
        ("give(real() + b'x')", "1 frames and a part"),
        ("x = real(); give(x + x)", "more than"),
        ("give(real().replace(b' W', b' W1', 1)[:-1])", "frames of 1"),
        ("give(real().replace(b'FRAME', b'FLAME'))", "frame size"),
        ("give(b'YUV4MPEG2 W' + b'9' * 230)", "no frames"),
        ("while True: give(bytes(65536))", "more than"),
        ("time.sleep(600)", "within 1 s"),
        ("take(); time.sleep(600)", "within 1 s"),
        ("give(real()); time.sleep(600)", "within 1 s"),
        ("os.close(target); os.close(1); os.close(2); time.sleep(600)", "within 1 s"),
        ("while True: print('woe ' * 999)", "within 1 s"),
        ("take(); os.fork(); time.sleep(600)", "within 1 s"),
        ("os.fork() or time.sleep(600); sys.exit(4)", "exit code 4|within 1 s"),
        ("print('a\\nb\\x1b[31m' * 9999); sys.exit(5)", "exit code 5"),
    ],
)
def test_an_inner_decoder_that_misbehaves(tmp_path: Path, video: bytes, behaviour: str, word: str) -> None:
    """It dies at any moment, returns too little, too much or something else, or never ends: exit code 13."""
    work, temporary = tmp_path / "work", tmp_path / "tmp"
    work.mkdir()
    temporary.mkdir()
    (work / "x.bin").write_bytes(video)
    ffmpeg = stand_in(tmp_path, behaviour)
    # A loaded machine may need a second to start the script: only what hangs is given so little.
    seconds = 1 if "within 1 s" in word else 60
    result = run(
        *(work / "x.bin", "-o", work / "x.npz", "--limit", f"inner_seconds={seconds}", "-q"),
        VCM_FFMPEG=str(ffmpeg),
        TMPDIR=str(temporary),
    )
    assert result.returncode == 13, result.stderr
    one_line(result.stderr)
    assert len(result.stderr) < 500
    assert any(w in result.stderr for w in word.split("|")), result.stderr
    assert os.listdir(work) == ["x.bin"]
    assert os.listdir(temporary) == []
    if (tmp_path / "pids").exists():
        assert_all_gone(tmp_path)


def test_a_terminated_decoder_leaves_nothing(tmp_path: Path, video: bytes) -> None:
    """SIGTERM while two inner decoders hang: exit code 143."""
    (tmp_path / "x.bin").write_bytes(video)
    ffmpeg = stand_in(tmp_path, "time.sleep(600)")
    process = subprocess.Popen(
        command("dec", tmp_path / "x.bin", "-o", tmp_path / "x.npz"),
        env={**os.environ, "VCM_FFMPEG": str(ffmpeg)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (tmp_path / "pids").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 143
    one_line(error, "terminated")
    assert sorted(os.listdir(tmp_path)) == ["ffmpeg", "pids", "x.bin"]
    assert_all_gone(tmp_path)


def test_decoders_in_one_process_do_not_disturb_each_other(
    tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fails while another is at work; that one goes on."""
    failing = two_layers(tmp_path)
    behaviour = "if 'vvc' in sys.argv: sys.exit(3)\ntime.sleep(2); give(real())"
    monkeypatch.setenv("VCM_FFMPEG", str(stand_in(tmp_path, behaviour)))
    pictures: list[DecodedPicture] = []
    worker = threading.Thread(target=lambda: pictures.extend(Decoder(io.BytesIO(video)).pictures()))
    worker.start()
    while not (tmp_path / "pids").exists():
        time.sleep(0.02)
    with pytest.raises(CodecError, match="exit code 3"):
        list(Decoder(io.BytesIO(failing)).pictures())
    assert worker.is_alive(), "the other had to be at work still"
    worker.join(120)
    assert [picture.verified for picture in pictures] == [True]
    assert_all_gone(tmp_path)


INTERRUPTED_IMPORT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
left = {nth}
class Finder:
    def find_spec(self, name, path=None, target=None):
        global left
        left -= 1
        if not left: os.kill(os.getpid(), signal.SIGINT)
from vcm_ref.app.entry import {name}
sys.meta_path.insert(0, Finder())
sys.exit({name}())
"""


@pytest.mark.parametrize("name", ["enc", "dec"])
@pytest.mark.parametrize("nth", [1, 10, 40, 80, 160])
def test_ctrl_c_while_modules_are_imported(name: str, nth: int, tmp_path: Path) -> None:
    """One line and exit code 130, at whichever of them."""
    code = INTERRUPTED_IMPORT.format(name=name, nth=nth)
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert result.returncode == 130, result.stderr
    one_line(result.stderr, f"vcm_{name}: interrupted")


def test_every_executable_starts_so() -> None:
    """Each of ``setup.cfg`` is in ``entry.py``, and runs what it is called."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    scripts = [line.split(" = ") for line in setup["options.entry_points"]["console_scripts"].split("\n") if line]
    assert len(scripts) >= 8
    for executable, place in scripts:
        name = executable.removeprefix("vcm_")
        assert place == f"vcm_ref.app.entry:{name}"
        assert getattr(entry, name).args == (name,)
        assert find_spec(f"vcm_ref.app.{name}") is not None
