"""The fuzzer does damage at every depth, notices what it should, and runs."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from bitstream.samples import lossless_groups, lossless_header, video_groups, video_header, write_stream

from vcm_ref.errors import BitstreamError

TOOLS = Path(__file__).resolve().parents[2] / "tools"
STREAMS = [write_stream(lossless_header(), lossless_groups()), write_stream(video_header(), video_groups())]


@pytest.fixture
def mutation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import fuzz_mutation

    return fuzz_mutation


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import fuzz_targets

    return fuzz_targets


def test_the_same_number_does_the_same_damage(mutation: ModuleType) -> None:
    for number in range(50):
        assert len({mutation.mutate(Random(number), STREAMS[0], STREAMS) for _ in range(2)}) == 1


def test_damage_gets_everywhere(mutation: ModuleType, targets: ModuleType) -> None:
    """A good part is still a bitstream, and of the rest every clause refuses some."""
    clauses: Counter[str] = Counter()
    for number in range(1500):
        try:
            targets.parse(mutation.mutate(Random(number), STREAMS[number % 2], STREAMS))
            clauses["none"] += 1
        except targets.REFUSALS as error:
            clauses[getattr(error, "clause", "")] += 1
    assert clauses["none"] > 75
    expected = {"5", "6.2", "6.3", "6.4", "6.5", "6.8", "6.9", "6.10", "6.11", "6.13", "6.15", "6.16", "6.17"}
    expected |= {"6.21", "8.3"}
    assert expected - clauses.keys() == set()


def test_units_are_taken_apart_and_put_together(mutation: ModuleType) -> None:
    for stream in STREAMS:
        assert mutation.join(mutation.split(stream)) == stream
    assert mutation.split(b"PK\x03\x04") is None
    assert mutation.split(STREAMS[0][:-5]) is not None


def test_header_digests_are_renewed(mutation: ModuleType, targets: ModuleType) -> None:
    """A picture of another height, in the upper bits of its header."""
    pieces = mutation.split(STREAMS[0])
    place = next(i for i, piece in enumerate(pieces) if piece.type == 2)
    pieces[place] = pieces[place]._replace(payload=bytes([pieces[place].payload[0] ^ 2]) + pieces[place].payload[1:])
    with pytest.raises(BitstreamError, match="header digest"):
        targets.parse(mutation.join(pieces))
    targets.parse(mutation.join(mutation.with_header_digests(pieces)))


#: The processor time that the watch sees: it depends on nothing but what is executed.
clock = [1.0]


def leave_a_child(data: bytes) -> None:
    subprocess.Popen([sys.executable, "-c", "pass"]).returncode = 0  # as if nobody had to wait for it


def leave_a_file(data: bytes) -> None:
    tempfile.mkstemp()


def leave_a_thread(data: bytes) -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def take_memory(data: bytes) -> None:
    bytearray(b"x") * (300 << 20)


def take_time(data: bytes) -> None:
    clock[0] += 0.5


def fail(data: bytes) -> None:
    raise ZeroDivisionError(data)


def watch_both(what: Callable[[bytes], None], folder: Path) -> None:
    """Watch the parser, and then ``what``, in a process that has no children, threads and files of other tests."""
    sys.path.insert(0, str(TOOLS))
    import fuzz_targets

    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    fuzz_targets._cpu_s = lambda: clock[0]
    watch = fuzz_targets.Watch("parse", folder, "s-0", 0.25, 100)
    watch(b"nothing")
    assert os.listdir(folder / "findings") == []
    watch.execute = what
    watch(b"something")
    watch.save()


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (leave_a_child, "child"),
        (leave_a_file, "temporary"),
        (leave_a_thread, "thread"),
        (take_memory, "memory"),
        (take_time, "took"),
        (fail, "ZeroDivisionError"),
    ],
)
def test_what_is_found(what: Callable[[bytes], None], kind: str, tmp_path: Path) -> None:
    """The input is kept, with what came of it; what is refused is counted."""
    for name in ("findings", "sessions", "tmp"):
        (tmp_path / name).mkdir()
    # Not spawned: Linux would count our own peak of memory as the process's.
    process = multiprocessing.get_context("forkserver").Process(target=watch_both, args=(what, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 0
    (text,) = (tmp_path / "findings").glob("*.txt")
    assert kind in text.read_text()
    assert text.with_suffix(".bin").read_bytes() == b"something"
    counted = json.loads((tmp_path / "sessions" / "s-0.json").read_text())
    assert counted["executions"] == 2
    assert counted["refused"] == {"BitstreamError": 1}
    assert sum(counted["found"].values()) == 1


def test_what_was_read_is_written_again(targets: ModuleType) -> None:
    for stream in STREAMS:
        reader = targets.BitstreamReader(io.BytesIO(stream))
        assert targets.rewritten(reader.header, list(reader.groups())) == stream


def run(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / "fuzz.py"), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_without_atheris(tmp_path: Path) -> None:
    """One line."""
    (tmp_path / "atheris.py").write_text("raise ImportError")
    result = run("parse", "--folder", tmp_path / "fuzz", PYTHONPATH=str(tmp_path))
    assert result.returncode == 2
    assert result.stderr == "fuzz: atheris is not installed; get it with pip install .[fuzz], or use --plain\n"
    assert not (tmp_path / "fuzz").exists()


def told(folder: Path, result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What is summed up of the target ``parse``, of which nothing was found."""
    assert result.returncode == 0, result.stderr
    assert "| parse |" in result.stdout
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())["targets"]["parse"]
    assert found["findings"] == []
    return found


def test_a_run(tmp_path: Path) -> None:
    """A few executions."""
    pytest.importorskip("atheris", reason="atheris is not installed")
    options = ["--runs", 200, "--folder", tmp_path / "fuzz", "--vectors", tmp_path]
    summary = told(tmp_path / "fuzz", run("parse", *options))
    assert 100 <= summary["executions"] <= 200
    assert summary["corpus"] > 10
    assert summary["edges"] > 200


def test_plain_runs(tmp_path: Path) -> None:
    """A second one adds to what the first has counted."""
    for runs in (200, 300):
        summary = told(tmp_path, run("parse", "--plain", "--runs", runs, "--folder", tmp_path, "--vectors", tmp_path))
    assert summary["sessions"] == 2
    assert summary["executions"] == 500
    assert summary["accepted"] > 10


def test_the_first_bitstreams_can_be_chosen(targets: ModuleType, tmp_path: Path) -> None:
    """By their names; those of the KLT are decoded without digests, which would hide the rest."""
    (tmp_path / "other.bin").write_bytes(STREAMS[0])
    names = [name for name, _ in targets.seeds("decode", tmp_path, ["klt-*", "levels-1"])]
    assert "klt-two" in names and "levels-1" in names
    assert all(name.startswith(("klt-", "levels-1")) for name in names)
    for _, data in targets.klts():
        targets.decode(data)
