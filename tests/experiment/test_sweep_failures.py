"""Sweeps in which something fails: it is told with its picture, the rest goes on, and the next run tries it again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("pycocotools", reason="pycocotools is not installed")

from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.errors import CodecError, DatasetError
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import run_sweep
from vcm_ref.experiment.tasks import Task, TaskError
from vcm_ref.files.atomic import OutputError

from .small_sweep import Here, facts, method, sweep_of


def spoiled(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])


def test_a_damaged_picture(folder: Path, store: Store) -> None:
    """Its results fail, each with why; the rest goes on, and with the picture mended, only it is done."""
    whole_picture = (folder / "picture2.png").read_bytes()
    spoiled(folder, "picture2.png")
    sweep = sweep_of(folder, method(folder, "a", 30, 31))
    outcome = run_sweep(sweep, store, Here())
    for measured in (outcome.uncompressed, *outcome.points.values()):
        assert list(measured.records) == [1, 3]
        (failure,) = measured.failures
        assert (failure.image_id, failure.exit_code) == (2, 2)
        assert failure.message.startswith("picture2.png: ")
    assert len(outcome.failures) == 2
    assert outcome.points["a", 30].metrics["AP"] > 0.9
    (folder / "picture2.png").write_bytes(whole_picture)
    here = Here()
    outcome = run_sweep(sweep_of(folder, method(folder, "a", 30, 31)), store, here)
    assert here.count["extract"] == 1
    assert here.count["analyse"] == 2
    assert not outcome.failures
    assert not outcome.uncompressed.failures


def test_only_damaged_pictures(folder: Path, store: Store) -> None:
    for number in (1, 2, 3):
        spoiled(folder, f"picture{number}.png")
    with pytest.raises(DatasetError, match=r"^no picture could be analysed: picture1.png: "):
        run_sweep(sweep_of(folder, method(folder, "a")), store, Here())


def test_a_picture_that_vanishes(folder: Path, store: Store) -> None:
    sweep = sweep_of(folder, method(folder, "a"))
    (folder / "picture3.png").unlink()
    with pytest.raises(DatasetError, match=r"^picture 3: .*picture3.png: cannot be read: No such file"):
        run_sweep(sweep, store, Here())


def test_the_network_cannot_be_loaded(folder: Path, store: Store) -> None:
    (folder / "small.onnx").write_bytes(b"no model")
    with pytest.raises(TaskError, match=r"small.onnx: not an ONNX model"):
        run_sweep(sweep_of(folder, method(folder, "a")), store, Here())


def test_one_layer_of_one_method_fails(whole: Path, store: Store) -> None:
    """Only the points that need it fail; the next run does what is missing and nothing else."""
    methods = [method(whole, "a", 30), method(whole, "b", 30, packing__grid={"p4": "1x1", "default": "2x2"})]
    sweep = sweep_of(whole, *methods)

    def spoil(task: Task) -> None:
        if task.function.__name__ == "code" and task.arguments[2]["packing"]["grid"] == "1x1":
            raise TaskError(13, "the codec failed")

    outcome = run_sweep(sweep, store, Here(spoil))
    assert not outcome.points["a", 30].failures
    assert [failure.message for failure in outcome.points["b", 30].failures] == ["the codec failed"] * 3
    assert outcome.points["b", 30].metrics == {}
    here = Here()
    assert not run_sweep(sweep, store, here).failures
    assert here.count == {"code": 3, "decode": 9, "analyse": 3}


def script(folder: Path, body: str) -> Path:
    """An ffmpeg that does ``body`` first when it is to code or decode."""
    path = folder / "ffmpeg"
    real = shlex.quote(find_ffmpeg())
    path.write_text(f'#!/bin/sh\ncase "$*" in *pipe:0*) {body};; esac\nexec {real} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("body", "limit", "message"),
    [
        ("echo I crash >&2; exit 3", 600, "failed with exit code 3: I crash"),
        ("exec sleep 600", 1, "did not finish within 1 s"),
    ],
)
def test_a_codec_that_crashes_or_hangs_on_one_picture(
    whole: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, limit: int, message: str
) -> None:
    """The fifth layer of nine. The mended one fills in what is missing."""
    here = Here()
    made = method(whole, "a", 45, codec__name="vvenc", codec__time_limit=limit, packing__grid="4x2")
    sweep = sweep_of(whole, made)
    with monkeypatch.context() as patch:
        count = tmp_path / "count"
        number = f"n=$(cat {count} 2>/dev/null || echo 0); echo $((n+1)) >{count}"
        fifth = f'case "$*" in *libvvenc*) {number}; if [ $n = 4 ]; then {body}; fi;; esac'
        patch.setenv("VCM_FFMPEG", str(script(tmp_path, fifth)))
        outcome = run_sweep(sweep, store, here)
    (failure,) = outcome.points["a", 45].failures
    assert (failure.image_id, failure.exit_code) == (2, 13)
    assert message in failure.message
    assert list(outcome.points["a", 45].records) == [1, 3]
    mended = Here()
    again = run_sweep(sweep, store, mended)
    assert mended.count == {"code": 1, "decode": 3, "analyse": 1}
    assert not again.failures
    assert list(again.points["a", 45].records) == [1, 2, 3]


def test_no_codec_at_all(whole: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before anything is done."""
    monkeypatch.setenv("VCM_FFMPEG", "absent")
    made = method(whole, "a", codec__name="vvenc", codec__preset="slow")
    with pytest.raises(CodecError, match="VCM_FFMPEG names absent"):
        run_sweep(
            sweep_of(whole, made), store, Here(lambda task: pytest.fail() if task.function.__name__ == "code" else None)
        )


def test_a_store_that_cannot_be_written(whole: Path, tmp_path: Path) -> None:
    """The error ends the sweep, and what was stored before it is there."""

    class Full(Store):
        left = 5

        def add(self, name: str, result: Any) -> None:
            self.left -= 1
            if not self.left:
                raise OutputError("the store is full")
            super().add(name, result)

    sweep = sweep_of(whole, method(whole, "a"))
    with Full(tmp_path / "store") as full, pytest.raises(OutputError, match="the store is full"):
        run_sweep(sweep, full, Here())
    here = Here()
    with Store(tmp_path / "store") as store:
        assert not run_sweep(sweep, store, here).failures
    assert 0 < here.count["code"] < 9


def test_interrupted_anywhere_the_next_run_goes_on(whole: Path, tmp_path: Path) -> None:
    """Nothing that was stored is done again, wherever it stops."""
    sweep = sweep_of(whole, method(whole, "a", 30), pictures=1)
    everything = Here()
    with Store(tmp_path / "whole") as store:
        expected = facts(run_sweep(sweep, store, everything))
    total = sum(everything.count.values())
    for stop in range(total):
        left = stop

        def spoil(task: Task) -> None:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1

        with Store(tmp_path / f"store{stop}") as store:
            first, second = Here(spoil), Here()
            with pytest.raises(KeyboardInterrupt):
                run_sweep(sweep, store, first)
            stored = {name for (name,) in store._database.execute("SELECT name FROM results")}
            assert facts(run_sweep(sweep, store, second)) == expected
            assert not stored & set(second.names)
