"""``vcm_crosscheck``: its options, what it prints, the record it writes, its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pycocotools", reason="pycocotools is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from experiment.crosschecked import change_one_weight, edited, flip, made_anchor
from experiment.small_sweep import Here
from jsonschema import Draft202012Validator

import vcm_ref.app.experiment
from vcm_ref.app.command import INTERRUPTED
from vcm_ref.app.crosscheck import main as vcm_crosscheck

COMMAND = ["lossless.json", "--data", "data.json", "--weights", "small.onnx"]
PROGRAM = "import sys; from vcm_ref.app.entry import crosscheck; sys.exit(crosscheck())"


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, and the current one, with an anchor, its bitstreams and its data; tasks run in this process."""
    folder = tmp_path_factory.getbasetemp() / f"{tmp_path.name}_anchor"
    made_anchor(folder, "lossless")

    @contextmanager
    def machines(*_: object, **__: object) -> Iterator[Here]:
        yield Here()

    monkeypatch.setattr(vcm_ref.app.experiment, "machines", machines)
    monkeypatch.chdir(folder)
    return folder


def record(name: str = "lossless.crosscheck.json") -> Any:
    """A record, checked against the schema."""
    found = json.loads(Path(name).read_text())
    schema = json.loads(files("vcm_ref.experiment").joinpath("crosscheck.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(found)
    return found


def test_both_depths_where_the_bitstreams_are(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_crosscheck(COMMAND) == 0
    printed = capsys.readouterr()
    assert "anchor lossless agrees: decoded and coded again, 3 of 3 pictures, QP 22 32" in printed.out
    assert "wrote lossless.crosscheck.json and lossless.crosscheck.md" in printed.out
    assert printed.err == ""
    found = record()
    assert found["verdict"] == "agrees"
    assert found["depths"] == ["decode", "encode"]
    assert found["counts"] == {
        "pictures": 3,
        "anchor_pictures": 3,
        "qps": [22, 32],
        "anchor_qps": [22, 32],
        "differences": 0,
    }
    assert found["tolerance"] == {"t1": 0, "metrics": 0.001}
    assert found["encode"]["bitstreams"] == {"level": "identical", "compared": 6, "different": 0}
    assert [point["qp"] for point in found["decode"]["points"]] == [22, 32]
    assert found["versions"]["anchor"] == found["versions"]["here"]
    assert set(found["host"]) == {"platform", "machine", "processor", "cores"}  # and not its name
    assert all(found["code"].values())
    text = Path("lossless.crosscheck.md").read_text()
    assert text.startswith("# Cross-check of lossless: it agrees\n")
    assert not list(place.glob(".*"))


def test_encode_where_there_are_no_bitstreams(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lossless").rename("elsewhere")
    assert vcm_crosscheck(COMMAND) == 0
    assert "no bitstreams in lossless: coding again only (--depth encode)" in capsys.readouterr().out
    assert record()["depths"] == ["encode"]
    assert vcm_crosscheck([*COMMAND, "--bitstreams", "elsewhere", "--depth", "decode", "-o", "other.json"]) == 0
    assert record("other.json")["depths"] == ["decode"]


def test_a_flipped_byte(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(place / "lossless" / "qp32" / "picture1.bin", -8)  # in the digests
    assert vcm_crosscheck([*COMMAND, "--qp", "32"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("vcm_crosscheck: anchor lossless differs (1 difference): ")
    assert "decode, QP 32, picture 1: lossless/qp32/picture1.bin is another bitstream" in printed.err
    assert printed.err.count("\n") == 1
    assert "the first difference is t1_digest (clause 6.17, bit " in printed.out
    found = record()
    assert found["verdict"] == "differs"
    assert found["decode"]["level"] == "different"
    assert found["encode"]["level"] == "identical"
    (difference,) = found["differences"]
    assert (difference["qp"], difference["picture"], difference["aspects"]) == (32, 1, ["bitstreams", "t1"])
    assert difference["first"]["element"]["name"] == "t1_digest"
    assert "t1_digest" in Path("lossless.crosscheck.md").read_text()


def test_encode_names_the_first_difference_to_a_file(place: Path) -> None:
    """Where the bitstreams are there, depth encode compares with them, too."""
    edited(place / "lossless.json", lambda anchor: anchor["configuration"]["packing"].update(allocation="interleaved"))
    assert vcm_crosscheck([*COMMAND, "--depth", "encode"]) == 1
    element = record()["differences"][0]["first"]["element"]
    assert (element["name"], element["file"], element["here"]) == ("allocation_idc", 0, 1)
    assert record()["encode"]["t1"]["level"] == "identical"  # the same tensors, in another order
    Path("lossless").rename("elsewhere")
    assert vcm_crosscheck([*COMMAND, "--depth", "encode"]) == 1
    assert "first" not in record()["differences"][0]


def test_one_changed_weight(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_one_weight(place / "small.onnx")
    assert vcm_crosscheck(COMMAND) == 1
    told = capsys.readouterr().err
    assert "anchor lossless differs (1 difference): inputs only, " in told
    assert "the network differs: its weights_sha256 is " in told
    assert record()["encode"]["bitstreams"]["note"] == "the network differs"


def test_many_differences_are_counted_and_the_first_listed(place: Path) -> None:
    def change_it(anchor: Any) -> None:
        for point in anchor["points"]:
            for picture in point["pictures"]:
                picture["t1"]["p3"] = "0" * 64

    edited(place / "lossless.json", change_it)
    assert vcm_crosscheck(COMMAND) == 1
    assert record()["counts"]["differences"] == len(record()["differences"]) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json", "--data", "data.json"], "none.json: "),
        (["data.json", "--data", "data.json"], "data.json: "),
        ([*COMMAND[:2], "none.json", *COMMAND[3:]], "none.json"),
        (["lossless.json", "--data", "data.json"], "the weights small.onnx: name this file with --weights"),
        ([*COMMAND[:3], "--weights", "none.onnx"], "--weights none.onnx: there is no such file"),
        ([*COMMAND, "--images", "lossless"], "picture 1: lossless/picture1.png: is missing; picture 2: "),
        ([*COMMAND, "--bitstreams", "none"], "none: there is no such folder of bitstreams"),
        ([*COMMAND, "--bitstreams", "lossless/qp22"], "lossless/qp22: has no folder qp22 of bitstreams"),
        ([*COMMAND, "--qp", "22", "37"], "--qp 37: the anchor does not have this point; it has 22 32"),
        ([*COMMAND, "--workers", "1", "--scheduler", "tcp://x:1"], "give one of the two"),
        ([*COMMAND, "--set", "codec.preset=slow"], "the anchor states everything else"),
        ([*COMMAND, "--set", "codec.time_limit=soon"], "codec.time_limit: is 'soon'"),
        ([*COMMAND, "--labels", "ids"], "--labels ids: the anchor was made with labels names"),
        ([*COMMAND, "-o", "."], ".: is not a file name"),
        ([*COMMAND, "-o", "none/record.json"], "there is no folder none"),
        ([*COMMAND, "-o", "record.md"], "the Markdown file would have this name"),
        ([*COMMAND, "-o", "lossless.json"], "lossless.json: is an input, and would be overwritten"),
        ([*COMMAND, "-o", "data.json"], "data.json: is an input, and would be overwritten"),
        ([*COMMAND, "-o", "lossless/qp22/picture1.bin"], "picture1.bin: is an input, and would be overwritten"),
    ],
)
def test_what_is_wrong_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert vcm_crosscheck(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("vcm_crosscheck: ")
    assert told.count("\n") == 1
    assert not list(place.glob("*crosscheck*"))


def test_depth_decode_needs_bitstreams(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lossless").rename("elsewhere")
    for depth in ("decode", "both"):
        assert vcm_crosscheck([*COMMAND, "--depth", depth]) == 2
        assert "lossless: there is no such folder of bitstreams" in capsys.readouterr().err


def test_an_interrupt_leaves_no_record(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(task: Any) -> None:
        if task.function.__name__ == "code":
            raise KeyboardInterrupt

    @contextmanager
    def machines(*_: object, **__: object) -> Iterator[Here]:
        yield Here(spoil)

    monkeypatch.setattr(vcm_ref.app.experiment, "machines", machines)
    monkeypatch.setattr("tempfile.tempdir", str(place))
    before = sorted(place.iterdir())
    assert vcm_crosscheck(COMMAND) == INTERRUPTED
    assert sorted(place.iterdir()) == before  # no temporary store either


def test_with_workers_as_a_user_runs_it(place: Path) -> None:
    """Processes that load the network themselves, and nothing that an earlier run made."""
    flip(place / "lossless" / "qp32" / "picture3.bin", -8)
    command = [sys.executable, "-c", PROGRAM, *COMMAND, "--workers", "1", "--qp", "32"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "decode, QP 32, picture 3: " in done.stderr
    assert record()["encode"]["level"] == "identical"


@pytest.mark.parametrize("after", [0, 0.4, 0.8])
def test_ctrl_c_leaves_nothing(place: Path, after: float) -> None:
    """While workers start, or work; on a fast machine all may be done."""
    command = [sys.executable, "-c", PROGRAM, *COMMAND, "--workers", "1"]
    temporary = place / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        while not any(temporary.glob("vcm_ref_workers_*")) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(after)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, told = process.communicate(timeout=60)
    assert not list(temporary.glob("vcm_*"))
    if process.returncode:
        assert (process.returncode, told) == (INTERRUPTED, "vcm_crosscheck: interrupted\n")
        assert not list(place.glob("*crosscheck*"))


def test_help_needs_no_torch() -> None:
    unwanted = {"torch", "pycocotools", "distributed", "matplotlib"}
    code = f"import sys; from vcm_ref.app import crosscheck; sys.exit(bool({unwanted!r} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
