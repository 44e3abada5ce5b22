"""``vcm_anchor``: one command to an anchor, and one line for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from experiment.small_sweep import Here, nowhere, write_all

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("pycocotools", reason="pycocotools is not installed")

import vcm_ref.app.experiment
from vcm_ref.app.anchor import main as vcm_anchor
from vcm_ref.app.eval import main as vcm_eval
from vcm_ref.experiment.anchor import read_anchor
from vcm_ref.reporting.provenance import file_digest

CFG = Path(__file__).parents[2] / "cfg"
DATA = ["-c", "data/lossless.yaml", "--data", "data/data.json"]


@pytest.fixture(autouse=True)
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """A folder to work in, with the data in ``data``; all tasks are run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VCM_STORE", raising=False)
    write_all(tmp_path / "data")
    here = Here()
    runs_with(monkeypatch, here)
    return here


def runs_with(monkeypatch: pytest.MonkeyPatch, runner: Any) -> None:
    @contextmanager
    def machines(*_: object, **__: object) -> Iterator[Any]:
        yield runner

    monkeypatch.setattr(vcm_ref.app.experiment, "machines", machines)


def test_an_anchor_with_one_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_anchor([*DATA, "--qp", "30", "40", "--bitstreams"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "wrote lossless.json and the bitstreams in lossless" in printed.out
    assert "uncompressed" in printed.out
    document = read_anchor(Path("lossless.json"))
    assert f"{document['points'][0]['bpp']:.4f}" in printed.out
    for point in document["points"]:
        for picture in point["pictures"]:
            path = Path("lossless", f"qp{point['qp']}", f"picture{picture['id']}.bin")
            assert file_digest(path) == picture["sha256"]
    runs_with(monkeypatch, nowhere)
    assert vcm_anchor([*DATA, "--qp", "40", "-o", "other.json", "--name", "other"]) == 0
    assert read_anchor(Path("other.json"))["points"][0] == document["points"][1]


def test_its_points_are_vcm_evals() -> None:
    """Also from the bitstreams that it writes."""
    assert vcm_anchor([*DATA, "--qp", "30", "--bitstreams", "--set", "quantisation.bit_depth=3"]) == 0
    (point,) = read_anchor(Path("lossless.json"))["points"]
    coded = ["--encode", "--set", "quantisation.bit_depth=3", "-o", "coded.json"]
    assert vcm_eval([*DATA, *coded]) == 0
    assert vcm_eval([*DATA, "--bitstreams", "lossless/qp30", "-o", "decoded.json"]) == 0
    for name in ("coded", "decoded"):
        document = json.loads(Path(f"{name}.json").read_text())
        assert document["metrics"] == point["metrics"]
        assert document["rate"]["bpp"] == point["bpp"]
        assert document["rate"]["bits"] == point["bits"]


def test_an_image_anchor() -> None:
    arguments = ["-c", str(CFG / "image_anchor.yaml"), *DATA, "--qp", "40", "--pictures", "1", "--bitstreams"]
    settings = ["--set", "codec.name=vvenc", "--set", "picture.scale=50"]
    assert vcm_anchor([*arguments, *settings]) == 0
    document = read_anchor(Path("image_anchor.json"))
    assert document["method"] == "pictures"
    assert document["configuration"]["picture"] == {"scale": 50}
    (picture,) = document["points"][0]["pictures"]
    assert file_digest(Path("image_anchor/qp40/picture1.bin")) == picture["sha256"]


def test_a_picture_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """The anchor is written, and says so; the exit code too."""
    Path("data/picture3.png").write_bytes(b"damaged")
    assert vcm_anchor([*DATA, "--qp", "30", "--bitstreams"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "2 results failed" in error
    assert "picture 3: picture3.png: " in error
    (point,) = read_anchor(Path("lossless.json"))["points"]
    assert [failure["id"] for failure in point["failed"]] == [3]
    assert sorted(path.name for path in Path("lossless/qp30").iterdir()) == ["picture1.bin", "picture2.bin"]


def test_what_is_missing_is_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/picture2.png").unlink()
    assert vcm_anchor([*DATA, "--qp", "30"]) == 2
    assert "picture2.png: is missing; --allow-missing" in capsys.readouterr().err
    assert vcm_anchor([*DATA, "--qp", "30", "--allow-missing"]) == 0
    assert "left out of the data set: 1: picture 2: " in capsys.readouterr().out
    document = read_anchor(Path("lossless.json"))
    assert [picture["id"] for picture in document["pictures"]] == [1, 3]
    assert len(document["problems"]) == 1
    assert "picture2.png: is missing" in document["problems"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--qp", "64"], ["--qp 64", "0 to 63"]),
        (["--qp", "3", "3"], ["--qp", "twice"]),
        (["--name", "uncompressed"], ["uncompressed"]),
        (["-o", ""], [".: is not a file name"]),
        (["-o", "none/a.json"], ["none/a.json", "no folder none"]),
        (["-o", "a", "--bitstreams"], ["a: ", ".json"]),
        (["-o", "data.json", "--bitstreams"], ["data: exists already"]),
        (["-c", "absent.yaml"], ["absent.yaml", "cannot be read"]),
        (["--set", "codec.speed=1"], ["codec.speed", "unknown key"]),
        (["--set", "picture.scale=100"], ["lossless"]),
        (["--set", "packing.grid={p2: 4x4}"], ["there is no layer p2"]),
        (["--labels", "absent.csv"], ["absent.csv"]),
        (["--images", "absent"], ["picture1.png", "is missing"]),
        (["-o", "data/data.json"], ["data/data.json: is an input, and would be overwritten"]),
        (["-o", "data/picture1.png"], ["data/picture1.png: is an input, and would be overwritten"]),
        (["-o", "data/lossless.yaml"], ["data/lossless.yaml: is an input, and would be overwritten"]),
        (["-o", "data/small.onnx"], ["data/small.onnx: is an input, and would be overwritten"]),
        (["--store", "data/data.json"], ["the store data/data.json cannot be used"]),
    ],
)
def test_what_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]) -> None:
    assert vcm_anchor([*DATA, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert error.startswith("vcm_anchor: ")
    assert "internal error" not in error
    for word in words:
        assert word in error, error
    assert not Path("lossless.json").exists()
