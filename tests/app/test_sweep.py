"""``vcm_sweep``: what it leaves, what it tells, and what is left of it when it is ended."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiment.small_sweep import TREE, Here, changed, nowhere, write_all

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("pycocotools", reason="pycocotools is not installed")
pytest.importorskip("bjontegaard", reason="bjontegaard is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

import psutil

import vcm_ref.app.experiment
import vcm_ref.app.sweep
from vcm_ref.app.sweep import main as vcm_sweep
from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.experiment import cluster
from vcm_ref.experiment.anchor import read_anchor

from .running import command, run

LATEST_S = 60


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no plots, which take longer than everything else here."""
    monkeypatch.setattr(vcm_ref.app.sweep, "write_report", lambda *_, **__: None)
    monkeypatch.setattr(vcm_ref.app.sweep, "_print_ranking", lambda report: None)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the data in ``data`` and sweeps in ``s.yaml``, ``c.yaml`` and ``v.yaml``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VCM_STORE", raising=False)
    write_all(tmp_path / "data")
    video = changed(TREE, {"network.weights": "small.onnx", "codec.name": "vvenc", "packing.grid": "4x2"})
    Path("data/video.yaml").write_text(yaml.safe_dump(video))
    rough = {"config": "data/lossless.yaml", "set": {"quantisation.bit_depth": 3}}
    tree: dict[str, Any] = {"data": "data/data.json", "qps": [40, 45], "title": "Mine"}
    Path("s.yaml").write_text(yaml.safe_dump({**tree, "methods": {"fine": "data/lossless.yaml", "rough": rough}}))
    Path("v.yaml").write_text(yaml.safe_dump({**tree, "methods": {"video": "data/video.yaml"}}))
    combined = {"config": "data/lossless.yaml", "grids": {"p3": ["1x1", "2x2"], "p4": ["1x1", "2x2"]}}
    Path("c.yaml").write_text(yaml.safe_dump({**tree, "combinations": combined}))
    Path("d.yaml").write_text(yaml.safe_dump({**tree, "methods": {"data": "data/lossless.yaml"}}))
    return tmp_path


def inside(monkeypatch: pytest.MonkeyPatch, runner: Any) -> Any:
    """Let ``runner`` run all tasks in this process."""

    @contextmanager
    def machines(*_: object, **__: object) -> Iterator[Any]:
        yield runner

    monkeypatch.setattr(vcm_ref.app.experiment, "machines", machines)
    return runner


def one_line(error: str, *words: str) -> None:
    assert error.count("\n") == 1, error
    assert error.startswith(("vcm_sweep: ", "vcm_anchor: "))
    assert "Traceback" not in error
    assert "internal error" not in error
    for word in words:
        assert word in error, error


def test_anchors_and_a_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And the same bytes again, from the store alone, but for nothing."""
    inside(monkeypatch, Here())
    assert vcm_sweep(["s.yaml", "-o", "out"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found, *ranking, wrote = printed.out.splitlines()
    assert (found, wrote) == ("0 of 15 results found in the store", "wrote out; see out/report.html")
    assert "BD-rate against fine (AP)" in ranking[0]
    assert {line.split()[1] for line in ranking[2:]} == {"fine", "rough"}
    for name in ("fine", "rough"):
        assert [point["qp"] for point in read_anchor(Path("out", f"{name}.json"))["points"]] == [40, 45]
    assert Path("out/report.md").read_text(encoding="utf-8").startswith("# Mine (only 3 pictures)\n")
    assert {"report.html", "points.csv", "rate_accuracy.svg"} <= set(os.listdir("out"))
    assert sorted(os.listdir("vcm_store")) == ["features", "results.sqlite"]
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    inside(monkeypatch, nowhere)
    assert vcm_sweep(["s.yaml", "-o", "out"]) == 0
    assert capsys.readouterr().out.startswith("15 of 15 results found in the store\n")
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


@pytest.mark.usefixtures("no_report")
def test_options(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = inside(monkeypatch, Here())
    monkeypatch.setenv("VCM_STORE", "elsewhere")
    arguments = ["--only", "rough", "--qp", "30", "--pictures", "1", "--set", "digest_length=0", "--discard-features"]
    assert vcm_sweep(["s.yaml", *arguments]) == 0
    (anchor,) = [read_anchor(path) for path in Path("s").glob("*.json")]
    assert anchor["name"] == "rough"
    assert anchor["configuration"]["digest_length"] == 0
    assert [(point["qp"], len(point["pictures"])) for point in anchor["points"]] == [(30, 1)]
    assert runner.count["extract"] == 1
    assert not os.listdir("elsewhere/features")
    assert not Path("vcm_store").exists()


def test_combinations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document has each combination's points, with its grids."""
    runner = inside(monkeypatch, Here())
    assert vcm_sweep(["c.yaml", "--pictures", "2", "-o", "out"]) == 0
    assert runner.count["code"] == 2 * 2 * (2 + 2 + 1)
    document = json.loads(Path("out/combinations.json").read_text())
    assert document["layers"] == ["p3", "p4"]
    found = {(*point["grids"], point["qp"]) for point in document["points"]}
    assert found == {(one, other, qp) for one in ("1x1", "2x2") for other in ("1x1", "2x2") for qp in (40, 45)}
    assert all(point["pictures"] == 2 and point["failed"] == 0 for point in document["points"])
    assert not list(Path("out").glob("report*"))


def with_screening(pictures: int, best: int) -> None:
    """Let ``c.yaml`` screen its combinations."""
    tree = yaml.safe_load(Path("c.yaml").read_text())
    tree["combinations"]["screening"] = {"pictures": pictures, "best": best}
    Path("c.yaml").write_text(yaml.safe_dump(tree))


def test_combinations_that_are_screened(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All four over the first picture; the best one and the reference over all three, with what is known of the first.

    A report of each; the second says from how many its combinations were chosen.
    """
    with_screening(1, 1)
    runner = inside(monkeypatch, Here())
    assert vcm_sweep(["c.yaml", "-o", "out"]) == 0
    assert "screening: 4 combinations over the first 1 pictures\n" in capsys.readouterr().out
    first, last = (json.loads(Path("out", place, "combinations.json").read_text()) for place in ("screening", ""))
    assert {tuple(point["grids"]) for point in first["points"]} == {*product(("1x1", "2x2"), repeat=2)}
    assert {point["pictures"] for point in first["points"]} == {1}
    kept = {tuple(first["ranking"][0]["grids"]), ("2x2", "2x2")}
    assert {tuple(point["grids"]) for point in last["points"]} == kept
    assert {point["pictures"] for point in last["points"]} == {3}
    assert runner.count["analyse"] == 2 * (4 + 2 * len(kept))
    assert "screening" not in first
    assert last["screening"] == {"combinations": 4, "pictures": 1, "best": 1}
    report = Path("out/combinations.md").read_text(encoding="utf-8")
    assert "These are the best 1 of 4 combinations over the first 1 picture" in report
    inside(monkeypatch, nowhere)
    assert vcm_sweep(["c.yaml", "-o", "again"]) == 0


def test_few_pictures_need_no_screening(monkeypatch: pytest.MonkeyPatch) -> None:
    with_screening(2, 1)
    inside(monkeypatch, Here())
    assert vcm_sweep(["c.yaml", "--pictures", "2", "-o", "out"]) == 0
    assert len(json.loads(Path("out/combinations.json").read_text())["points"]) == 2 * 4
    assert not Path("out/screening").exists()


def test_a_screening_in_which_everything_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to choose by, and the one line names the picture."""
    with_screening(1, 1)
    picture = Path("data/picture1.png")
    picture.write_bytes(picture.read_bytes()[:50])
    inside(monkeypatch, Here())
    assert vcm_sweep(["c.yaml", "-o", "out"]) == 2
    one_line(capsys.readouterr().err, "picture1.png: is not a readable picture")


@pytest.mark.usefixtures("no_report")
def test_what_fails_is_told_and_done_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = Path("data/picture2.png").read_bytes()
    Path("data/picture2.png").write_bytes(picture[:50])
    inside(monkeypatch, Here())
    assert vcm_sweep(["s.yaml", "-o", "out"]) == 2
    printed = capsys.readouterr()
    one_line(
        printed.err, "5 results failed", "picture 2: picture2.png: is not a readable picture", "Run the command again"
    )
    assert printed.err.count("picture 2:") == 1
    document = read_anchor(Path("out/fine.json"))
    assert [failure["id"] for failure in document["points"][0]["failed"]] == [2]
    assert [failure["id"] for failure in document["uncompressed"]["failed"]] == [2]
    Path("data/picture2.png").write_bytes(picture)
    runner = inside(monkeypatch, Here())
    assert vcm_sweep(["s.yaml", "-o", "out"]) == 0
    assert runner.count["extract"] == 1
    assert runner.count["analyse"] == 4
    assert not read_anchor(Path("out/fine.json"))["points"][0]["failed"]
    assert capsys.readouterr().err == ""


def test_a_method_that_fails_everywhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The other is written and reported; its own anchor says what failed."""
    tree = yaml.safe_load(Path("s.yaml").read_text())
    tree["methods"]["wrong"] = {"config": "data/lossless.yaml", "set": {"packing.grid": "3x3"}}
    Path("s.yaml").write_text(yaml.safe_dump(tree))
    inside(monkeypatch, Here())
    assert vcm_sweep(["s.yaml", "-o", "out"]) == 2
    one_line(capsys.readouterr().err, "6 results failed", "packing.grid: layer p3")
    assert read_anchor(Path("out/wrong.json"))["points"] == []
    assert len(read_anchor(Path("out/wrong.json"))["failed_points"]) == 2
    assert len(read_anchor(Path("out/fine.json"))["points"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.yaml"], ["absent.yaml", "cannot be read"]),
        (["s.yaml", "--only", "z"], ["--only z", "fine, rough"]),
        (["s.yaml", "--qp", "99"], ["--qp 99"]),
        (["s.yaml", "--qp", "9", "9"], ["--qp", "twice"]),
        (["s.yaml", "--workers", "1", "--scheduler", "tcp://127.0.0.1:9"], ["give one of the two"]),
        (["s.yaml", "--tls-ca", "a.pem"], ["--tls-ca changes nothing without --scheduler"]),
        (["s.yaml", "--scheduler", "tls://x:1", "--tls-ca", "a", "--tls-key", "b"], ["--tls-ca needs --tls-cert"]),
        (["s.yaml", "--data", "absent.json"], ["absent.json"]),
        (["s.yaml", "--images", "absent"], ["picture1.png", "is missing"]),
        (["s.yaml", "--set", "codec.speed=1"], ["codec.speed", "unknown key"]),
        (["s.yaml", "-o", "s.yaml"], ["s.yaml: is not a folder"]),
        (["d.yaml", "-o", "data"], ["data/data.json: is an input, and would be overwritten"]),
        (["s.yaml", "-o", "s.yaml/deeper"], ["there is no folder", "s.yaml"]),
        (["s.yaml", "--store", "s.yaml"], ["the store s.yaml cannot be used"]),
        (
            ["c.yaml", "--set", "packing.method=stacked", "--set", "codec.mode=RA"],
            ["24 results failed", "packing.grid"],
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    inside(monkeypatch, Here())
    assert vcm_sweep(arguments) == 2
    one_line(capsys.readouterr().err, *words)


def test_what_is_missing_is_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture, and an annotation of no picture: refused, or named in the anchors and in the report."""
    inside(monkeypatch, Here())
    Path("data/picture2.png").unlink()
    document = json.loads(Path("data/data.json").read_text())
    document["annotations"].append({**document["annotations"][0], "id": 999, "image_id": 50})
    Path("data/data.json").write_text(json.dumps(document))
    assert vcm_sweep(["s.yaml", "-o", "out"]) == 2
    one_line(capsys.readouterr().err, "annotation 999", "picture 2: ", "picture2.png: is missing; --allow-missing")
    assert vcm_sweep(["s.yaml", "-o", "out", "--allow-missing"]) == 0
    assert "left out of the data set: 2: annotation 999" in capsys.readouterr().out
    anchor = read_anchor(Path("out/fine.json"))
    assert [picture["id"] for picture in anchor["pictures"]] == [1, 3]
    assert len(anchor["problems"]) == 2
    report = Path("out/report.md").read_text()
    assert "2 problems of the data set" in report
    assert report.count("annotation 999") == 1


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr(cluster, "_ANSWER_S", 0.5)
    assert vcm_sweep(["s.yaml", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    one_line(capfd.readouterr().err, "--scheduler tcp://127.0.0.1:9: no scheduler answers there")
    ended = run("sweep", "s.yaml", "--scheduler", "nonsense")  # to its end, at which Dask may have more to say
    assert ended.returncode == 2
    one_line(ended.stderr, "--scheduler nonsense: no scheduler answers there")


@pytest.mark.usefixtures("no_report")
def test_a_full_disk(tiny_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["mount", "-o", "remount,size=120k", str(tiny_disk)], check=True)
    inside(monkeypatch, Here())
    assert vcm_sweep(["s.yaml", "--store", str(tiny_disk / "store")]) == 2
    one_line(capsys.readouterr().err, str(tiny_disk))
    subprocess.run(["mount", "-o", "remount,size=4m", str(tiny_disk)], check=True)
    assert vcm_sweep(["s.yaml", "--store", str(tiny_disk / "store")]) == 0
    assert vcm_sweep(["s.yaml", "--store", "another", "-o", "another_s"]) == 0

    def points(name: str) -> Any:
        document = read_anchor(Path(name))
        return [{key: value for key, value in point.items() if key != "seconds"} for point in document["points"]]

    assert points("s/rough.json") == points("another_s/rough.json")


# With workers


def script(body: str) -> Path:
    """An ffmpeg that does ``body`` first when it is to code or decode."""
    path = Path("ffmpeg").resolve()
    path.write_text(f'#!/bin/sh\ncase "$*" in *pipe:0*) {body};; esac\nexec {shlex.quote(find_ffmpeg())} "$@"\n')
    path.chmod(0o755)
    return path


def test_workers_are_not_heard(here: Path) -> None:
    """A codec that fails once, on two workers: one line, and what did not fail. Then all of it."""
    count = shlex.quote(str(here / "count"))
    crash = "echo noise; echo I crash >&2; exit 3"
    fifth = f"[ $(wc -l <{count}) -ge 5 ] && mkdir {shlex.quote(str(here / 'once'))} 2>/dev/null"
    ffmpeg = script(f'case "$*" in *libvvenc*) echo >>{count}; {fifth} && {{ {crash}; }};; esac')
    # vcm_anchor, which draws nothing
    arguments = ["-c", "data/video.yaml", "--data", "data/data.json", "--qp", "45", "--workers", "2"]
    spoiled = run("anchor", *arguments, VCM_FFMPEG=str(ffmpeg))
    assert spoiled.returncode == 13
    assert "wrote video.json" in spoiled.stdout
    one_line(spoiled.stderr, "1 result failed", "picture", "ffmpeg failed with exit code 3: noise; I crash")
    (point,) = read_anchor(Path("video.json"))["points"]
    assert len(point["pictures"]) == 2
    assert len(point["failed"]) == 1
    stored = names_in(here / "vcm_store")
    mended = run("anchor", *arguments)
    assert (mended.returncode, mended.stderr) == (0, "")
    (point,) = read_anchor(Path("video.json"))["points"]
    assert [picture["id"] for picture in point["pictures"]] == [1, 2, 3]
    assert stored < names_in(here / "vcm_store")


def names_in(store: Path) -> set[str]:
    """The names of all results."""
    database = sqlite3.connect(store / "results.sqlite")
    try:
        return {name for (name,) in database.execute("SELECT name FROM results")}
    finally:
        database.close()


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle(here: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Nothing is left of it, and the next run goes on: nothing that was stored is done again, nothing is lost."""
    # The first layers are coded; those after them never end, and only a signal to themselves reaches them.
    count = shlex.quote(str(here / "count"))
    ffmpeg = script(f'case "$*" in *libvvenc*) echo >>{count}; [ $(wc -l <{count}) -gt 5 ] && exec sleep 987;; esac')
    environment = {**os.environ, "VCM_FFMPEG": str(ffmpeg)}
    client = subprocess.Popen(
        command("sweep", "v.yaml", "-o", "out", "--workers", "2"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    begun: list[psutil.Process] = []
    while sum(process.name() == "sleep" for process in begun if alive(process)) < 2:
        assert client.poll() is None, client.communicate()
        begun = psutil.Process(client.pid).children(recursive=True)
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(client.pid, number)  # as a terminal does
    else:
        client.kill()
    out, error = client.communicate()
    assert out in ("", "0 of 9 results found in the store\n")
    if number == signal.SIGKILL:
        assert client.returncode == -signal.SIGKILL
        assert "Traceback" not in error
    else:
        assert client.returncode == 130
        assert error == "vcm_sweep: interrupted\n"
    latest = time.monotonic() + LATEST_S
    while left := [process for process in begun if alive(process)]:
        assert time.monotonic() < latest, left
        time.sleep(0.05)
    stored = names_in(here / "vcm_store")
    assert stored
    runner = inside(monkeypatch, Here())
    assert vcm_sweep(["v.yaml", "-o", "out"]) == 0
    assert not stored & set(runner.names)
    assert runner.count["code"] + 5 >= 2 * 9
    assert [len(point["pictures"]) for point in read_anchor(Path("out/video.json"))["points"]] == [3, 3]
