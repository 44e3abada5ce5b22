"""Temporary folders: whatever they hold, and however their process ends, they go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vcm_ref.process.scratch import remove_tree, scratch_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def nest(folder: Path, depth: int) -> None:
    """Folders within each other, more deeply than a path can lead."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=here)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_folder_with_anything_in_it_goes(temporary: Path) -> None:
    outside = temporary / "outside"
    outside.write_text("stays")
    with scratch_folder("test") as folder:
        assert folder.parent == temporary
        (folder / "file").write_text("x")
        (folder / "link").symlink_to(outside)
        (folder / "up").symlink_to(temporary)
        os.mkfifo(folder / "pipe")
        (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n"))).write_text("x")
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b").chmod(0)
        (folder / "a").chmod(0)
        nest(folder, 1100)
    assert list(temporary.iterdir()) == [outside]
    assert outside.read_text() == "stays"


def test_it_goes_when_the_block_fails(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder("test"):
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_a_folder_that_was_replaced(tmp_path: Path, temporary: Path) -> None:
    """A link goes; what it leads to stays."""
    kept = tmp_path / "kept"
    kept.mkdir()
    with scratch_folder("test") as folder:
        folder.rmdir()
        folder.symlink_to(kept)
    with scratch_folder("test") as folder:
        folder.rmdir()
    assert list(temporary.iterdir()) == []
    assert kept.is_dir()
    remove_tree(temporary / "none")


BEGIN = """
import os, signal, sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from vcm_ref.process import scratch
"""


def run(temporary: Path, program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BEGIN + program, str(temporary)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_next_process_removes_what_a_killed_one_left(temporary: Path) -> None:
    with scratch_folder("test") as mine:
        ended = run(temporary, "with scratch.scratch_folder('x') as f: os.kill(os.getpid(), signal.SIGKILL)")
        assert ended.returncode == -signal.SIGKILL
        assert len(list(temporary.iterdir())) == 2
        foreign = temporary / "somebody_elses"
        foreign.mkdir()
        with scratch_folder("test") as other:
            assert set(temporary.iterdir()) == {mine, other, foreign}
        assert run(temporary, "with scratch.scratch_folder('x') as f: pass").returncode == 0
        assert set(temporary.iterdir()) == {mine, foreign}, "a folder in use stays, also for another process"


@pytest.mark.parametrize("moment", ["remove_tree", "_uninterrupted"])
def test_two_interrupts(temporary: Path, moment: str) -> None:
    """The second comes while the first one's way out is at work, there or just before."""
    program = f"""
real = scratch.{moment}
def again(*arguments):
    scratch.{moment} = real
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)
    return real(*arguments)
with scratch.scratch_folder('x') as folder:
    (folder / "file").write_text("x")
    scratch.{moment} = again
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
"""
    ended = run(temporary, program)
    assert "KeyboardInterrupt" in ended.stderr
    assert list(temporary.iterdir()) == []
