"""Cross-checks of anchors whose pictures were coded in groups: a bitstream and its faults are of the whole group."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from network.samples import picture
from PIL import Image

pytest.importorskip("pycocotools", reason="pycocotools is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from vcm_ref.errors import ConfigError
from vcm_ref.experiment.anchor import anchor_document, write_anchor, write_bitstreams
from vcm_ref.experiment.crosscheck import Findings
from vcm_ref.experiment.crosscheck.groups import Groups
from vcm_ref.experiment.method import Method
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import Sweep, run_sweep
from vcm_ref.task.dataset import load_dataset

from . import crosschecked
from .crosschecked import flip, levels, told
from .small_sweep import OPTIONS, Here, method, write_all

PICTURES = 5
DATA = "street.yaml"


def made(folder: Path, *changes: object, **values: object) -> Path:
    """An anchor with its bitstreams: five pictures of a moving scene, in groups of two; returns the anchor's path."""
    write_all(folder)
    (folder / "street").mkdir()
    for number in range(PICTURES):
        Image.fromarray(np.roll(picture(64, 64), 3 * number, 1)).save(folder / "street" / f"{number:03d}.png")
    (folder / DATA).write_text("kind: sequence\nimages: street\nframe_rate: 10\nscore: 0.3\n")
    dataset = load_dataset(folder / DATA)
    chosen: Method = method(folder, "grouped", 32, group=2, **values)
    options = {"weights": str(folder / "small.onnx"), **OPTIONS}
    with Store(folder / "store") as store:
        outcome = run_sweep(Sweep("street", dataset, dataset.items, "onnx", options, [chosen]), store, Here())
        assert not outcome.failures
        write_anchor(folder / "grouped.json", anchor_document(outcome, chosen))
        write_bitstreams(folder / "grouped", outcome, chosen, store)
    return folder / "grouped.json"


@pytest.fixture
def anchor(tmp_path: Path) -> Path:
    return made(tmp_path)


def checked(anchor: Path, *depths: str, **plan: object) -> Findings:
    return crosschecked.checked(anchor, *depths, data=DATA, **plan)


def agrees_in_all(findings: Findings) -> bool:
    return {level for section in levels(findings).values() for level in section.values()} == {"identical"}


def test_an_own_anchor_agrees_in_both_depths(anchor: Path) -> None:
    """A bitstream is compared once, T1 and results of each picture; each group is coded and decoded once."""
    here = Here()
    found = checked(anchor, here=here)
    assert found.differences() == []
    assert agrees_in_all(found)
    assert here.count["code_group"] == 3
    assert here.count["decode_group"] == 6
    for depth in ("decode", "encode"):
        assert found.depths[depth].aspects["bitstreams"].compared == 3
        assert found.depths[depth].aspects["t1"].compared == PICTURES


def test_pictures_coded_themselves_as_video(tmp_path: Path) -> None:
    coded = {"name": "vvenc", "preset": "faster", "qp": 1, "mode": "RA"}
    anchor = made(tmp_path, picture={"scale": 50}, codec=coded)
    assert json.loads(anchor.read_text())["method"] == "pictures"
    assert agrees_in_all(checked(anchor))
    files = sorted((anchor.with_suffix("") / "qp32").iterdir())
    shutil.copyfile(files[1], files[0])
    found = checked(anchor)
    (first, *_) = found.differences()
    assert "000.bin is another bitstream" in first.text
    assert "it is the anchor's of QP 32, picture 2" in first.text
    assert {one.picture for one in found.differences() if one.picture is not None} == {0, 1}
    assert "T1 layer picture at (c, y, x)" in told(found)


def test_a_damaged_bitstream_is_a_difference_of_its_group(anchor: Path) -> None:
    flip(anchor.with_suffix("") / "qp32" / "002.bin", 1)  # in the signature
    found = checked(anchor, "decode")
    assert {difference.picture for difference in found.differences() if difference.picture is not None} == {2, 3}
    assert found.depths["decode"].aspects["bitstreams"].different == 1
    assert agrees_in_all(checked(anchor, "encode"))


def test_a_bitstream_of_another_group_is_recognised(anchor: Path) -> None:
    """It has another number of pictures, so nothing of it is given to the network."""
    folder = anchor.with_suffix("") / "qp32"
    shutil.copyfile(folder / "004.bin", folder / "002.bin")
    found = checked(anchor)
    assert "it is the anchor's of QP 32, picture 4" in found.differences()[0].text
    assert "the bitstream has 1 pictures; its group has 2" in told(found)


def test_the_second_picture_of_a_group_is_looked_into(anchor: Path) -> None:
    """The pictures of a group in the other order: the sample that is named is one of the picture that differs."""
    folder = anchor.with_suffix("") / "qp32"
    shutil.copyfile(folder / "002.bin", folder / "000.bin")
    found = checked(anchor)
    samples = {one.picture: one.first["sample"] for one in found.differences() if one.first.get("sample")}
    assert samples.keys() == {0, 1}
    assert samples[0] != samples[1]


def test_a_missing_bitstream_is_told_for_each_picture(anchor: Path) -> None:
    (anchor.with_suffix("") / "qp32" / "000.bin").unlink()
    found = checked(anchor, "decode")
    first, second = [one for one in found.differences() if one.picture is not None]
    assert "is missing" in first.text
    assert (first.picture, second.picture) == (0, 1)


def test_groups_are_compared_whole(anchor: Path) -> None:
    found = checked(anchor, pictures=2)
    assert found.agrees
    assert found.pictures == 2
    with pytest.raises(ConfigError, match=r"--pictures 3: .* in groups of 2; give a multiple"):
        checked(anchor, pictures=3)
    assert checked(anchor, "encode", pictures=PICTURES).pictures == PICTURES


def test_with_another_picture_its_whole_group_is_left_out(anchor: Path) -> None:
    path = anchor.parent / "street" / "001.png"
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    found = checked(anchor, "encode")
    assert "picture 1 (001.png) is another" in told(found)
    assert found.pictures == 3
    assert found.depths["encode"].aspects["bitstreams"].compared == 2
    assert found.depths["encode"].aspects["t1"].level == "identical"


def test_an_edited_rate_over_time_is_found(anchor: Path) -> None:
    def change(document: dict[str, object]) -> None:
        document["points"][0]["kbit_per_s"] += 1  # type: ignore[index]

    crosschecked.edited(anchor, change)
    assert "the anchor's kbit_per_s is" in told(checked(anchor, "decode"))


def test_groups_by_hand() -> None:
    groups = Groups(3, ["a", "b", "c", "d", "e", "f", "g"])
    assert [groups.place(one) for one in groups.pictures] == [0, 1, 2, 0, 1, 2, 0]
    assert list(groups.members("e")) == ["d", "e", "f"]
    assert list(groups.members("g")) == ["g"]
    assert groups.whole("abdefg") == {"d", "e", "f", "g"}
