"""Cross-checks: an anchor made again agrees; whatever is changed in it, beside it or here is found and named."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pycocotools", reason="pycocotools is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from vcm_ref.errors import DatasetError
from vcm_ref.experiment.crosscheck import Findings
from vcm_ref.experiment.crosscheck.first_difference import integer_tensors
from vcm_ref.experiment.records import Record
from vcm_ref.experiment.tasks import Task, TaskError

from .crosschecked import change_one_weight, checked, edited, flip, levels, made_anchor, told
from .small_sweep import Here

OUTCOMES = ("results", "metrics")


@pytest.fixture
def lossless(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An anchor at QP 22 and 32, which lossless coding takes no notice of, over three pictures."""
    return made_anchor(_beside(tmp_path_factory, tmp_path), "lossless")


@pytest.fixture
def vvc(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An anchor of VVC at QP 32."""
    return made_anchor(_beside(tmp_path_factory, tmp_path), "vvc")


@pytest.fixture
def image(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An anchor of pictures coded themselves, at half their size and QP 40."""
    return made_anchor(_beside(tmp_path_factory, tmp_path), "image")


def _beside(factory: pytest.TempPathFactory, place: Path) -> Path:
    """A folder in the folder of all tests' files, where what is made once is kept."""
    return factory.getbasetemp() / f"{place.name}_anchor"


def agrees_in_all(findings: Findings) -> bool:
    return {level for section in levels(findings).values() for level in section.values()} == {"identical"}


# Nothing changed


@pytest.mark.parametrize("depths", [("decode",), ("encode",), ("decode", "encode")])
def test_an_own_anchor_agrees_in_every_depth(lossless: Path, depths: tuple[str, ...]) -> None:
    here = Here()
    found = checked(lossless, *depths, here=here)
    assert found.agrees
    assert agrees_in_all(found)
    assert found.differences() == []
    assert set(found.depths) == set(depths)
    assert here.count["code"] == (18 if "encode" in depths else 0)  # three layers, three pictures, two QPs
    assert here.count["decode"] == 6 * ("decode" in depths) + 18 * ("encode" in depths)


def test_an_own_anchor_of_vvc_agrees(vvc: Path) -> None:
    assert agrees_in_all(checked(vvc))


def test_an_own_image_anchor_agrees(image: Path) -> None:
    assert json.loads(image.read_text())["method"] == "pictures"
    found = checked(image)
    assert agrees_in_all(found)
    assert found.depths["decode"].aspects["t1"].compared == 3


def test_a_part_of_an_anchor(lossless: Path) -> None:
    found = checked(lossless, pictures=2, qps=[22])
    assert found.agrees
    assert found.pictures == 2
    assert found.depths["encode"].aspects["bitstreams"].compared == 2
    metrics = found.depths["decode"].aspects["metrics"]
    assert metrics.level == "not checked"
    assert "all 3 pictures of the anchor, and 2 were compared" in metrics.note


# Bitstreams


def test_one_flipped_byte_that_no_decoder_takes(lossless: Path) -> None:
    path = lossless.with_suffix("") / "qp32" / "picture2.bin"
    flip(path, 1)  # in the signature
    found = checked(lossless)
    assert not found.agrees
    (difference,) = found.differences()
    assert (difference.qp, difference.picture) == (32, 2)
    assert "picture2.bin is another bitstream" in difference.text
    assert "not a vcm_ref bitstream" in told(found)  # what the decoder says
    assert "neither can" not in told(found)
    assert difference.first["element"]["name"] == "signature"
    assert found.depths["decode"].aspects["bitstreams"].different == 1
    assert agrees_in_all(checked(lossless, "encode"))


def test_one_flipped_byte_of_a_range(lossless: Path) -> None:
    """Features change, integer tensors do not: T1 cannot see it, and the header digest does."""
    path = lossless.with_suffix("") / "qp22" / "picture1.bin"
    place = _place_of(path, "range_max")
    flip(path, place // 8 + 3, 0x01)
    found = checked(lossless)
    (difference,) = [one for one in found.differences() if "bitstreams" in one.aspects]
    element = difference.first["element"]
    assert (element["name"], element["bit"], element["clause"]) == ("range_max", place, "6.10")
    assert element["file"] != pytest.approx(element["here"], rel=1e-9)
    assert "sample" not in difference.first
    assert "the header digest differs" in told(found)
    assert f"range_max (clause 6.10, bit {place}): {element['file']}, made again {element['here']}" in told(found)


def test_one_flipped_byte_of_the_digest(lossless: Path) -> None:
    """The decoder refuses the picture; its samples are compared all the same."""
    path = lossless.with_suffix("") / "qp22" / "picture3.bin"
    flip(path, _place_of(path, "t1_digest") // 8)
    found = checked(lossless)
    (difference,) = found.differences()
    assert "cannot be decoded: T1 digest: the decoded samples differ in tensor p3" in told(found)
    assert difference.first["element"]["name"] == "t1_digest"
    assert difference.first["element"]["byte"] == 0
    assert difference.first["sample"] == {}


def test_the_bitstream_of_another_picture(lossless: Path) -> None:
    """The first sample that differs is what both bitstreams say it is."""
    theirs, ours = (lossless.with_suffix("") / "qp22" / f"picture{number}.bin" for number in (3, 1))
    file, here = (integer_tensors(path.read_bytes(), "auto") for path in (theirs, ours))
    shutil.copy(theirs, ours)
    found = checked(lossless)
    difference = found.differences()[0]
    assert "it is the anchor's of QP 22, picture 3" in difference.text
    sample = difference.first["sample"]
    assert sample["layer"] == "p3"
    place = tuple(sample["index"])
    assert (sample["file"], sample["here"]) == (file["p3"][place], here["p3"][place])
    before = np.ravel_multi_index(place, here["p3"].shape)
    assert np.array_equal(file["p3"].ravel()[:before], here["p3"].ravel()[:before])
    gaps = np.abs(file["p3"].astype(int) - here["p3"])
    assert (sample["largest"], sample["different"]) == (gaps.max(), np.count_nonzero(gaps))
    assert f"{sample['different']} of its {gaps.size} samples differ, by {gaps.max()} at most" in told(found)
    assert re.search(r"is 64x96\b.* its annotations are of .*64x64", told(found))


def test_a_missing_bitstream(lossless: Path) -> None:
    path = lossless.with_suffix("") / "qp32" / "picture3.bin"
    path.unlink()
    found = checked(lossless)
    (difference,) = found.differences()
    assert difference.text == f"decode, QP 32, picture 3: {path}: is missing"
    assert found.depths["decode"].aspects["metrics"].compared == 1  # QP 22's
    assert found.depths["encode"].level == "identical"


def test_a_file_made_at_another_qp(vvc: Path) -> None:
    _replace_by_qp(vvc, 33)
    found = checked(vvc)
    assert not found.agrees
    assert found.depths["encode"].level == "identical"
    first = found.differences()[0]
    assert (first.qp, first.picture) == (32, 1)
    sample = first.first["sample"]
    assert sample["largest"] > 0
    assert len(sample["index"]) == 3
    assert f"at (c, y, x) = ({', '.join(map(str, sample['index']))}): {sample['file']}, made again" in told(found)


def test_an_anchor_of_another_qp_than_it_says(vvc: Path) -> None:
    """Decoded, all agrees; coded again, it is another QP's."""
    edited(vvc, lambda anchor: anchor["points"][0].update(qp=31))
    (vvc.with_suffix("") / "qp32").rename(vvc.with_suffix("") / "qp31")
    found = checked(vvc)
    assert found.depths["decode"].level == "identical"
    assert found.depths["encode"].aspects["bitstreams"].different == 3


def test_an_image_anchor_of_another_qp(image: Path) -> None:
    edited(image, lambda anchor: anchor["points"][0].update(qp=38))
    (image.with_suffix("") / "qp40").rename(image.with_suffix("") / "qp38")
    found = checked(image)
    assert found.depths["decode"].level == "identical"
    first = found.differences()[0]
    assert first.first["byte"]["byte"] > 0
    assert first.first["sample"]["layer"] == "picture"
    assert "the first difference is byte" in told(found)


def test_what_cannot_be_coded_again(lossless: Path) -> None:
    def spoil(task: Task) -> None:
        if task.function.__name__ == "code" and task.arguments[2]["codec"]["qp"] == 32:
            raise TaskError(13, "the codec crashed")

    found = checked(lossless, here=Here(spoil))
    assert found.depths["decode"].level == "identical"
    encoded = found.depths["encode"]
    assert encoded.aspects["bitstreams"].compared == 3
    assert encoded.aspects["t1"].different == 3
    assert "encode, QP 32, picture 1: cannot be coded again: the codec crashed" in told(found)
    assert not found.agrees


# What the anchor's file says


@pytest.mark.parametrize(("change", "level"), [(0.0005, "within tolerance"), (0.002, "different")])
def test_a_metric_beyond_and_within_the_tolerance(lossless: Path, change: float, level: str) -> None:
    def change_it(anchor: Record) -> None:
        metrics = anchor["points"][1]["metrics"]
        metrics["AP"] += change if metrics["AP"] < 0.5 else -change

    edited(lossless, change_it)
    found = checked(lossless, "decode")
    assert levels(found)["decode"]["metrics"] == level
    assert found.agrees == (level != "different")
    assert ("AP is" in told(found)) == (level == "different")
    assert "AP at decode, QP 32" in found.depths["decode"].aspects["metrics"].note


def test_the_tolerance_is_the_anchors(lossless: Path) -> None:
    def change_it(anchor: Record) -> None:
        anchor["tolerance"]["metrics"] = 0.5
        anchor["points"][1]["metrics"]["AP"] += 0.1

    edited(lossless, change_it)
    assert checked(lossless, "decode").agrees


def test_a_changed_t1_digest(lossless: Path) -> None:
    edited(lossless, lambda anchor: anchor["points"][0]["pictures"][1]["t1"].update(p4="0" * 64))
    found = checked(lossless)
    for depth in ("decode", "encode"):
        assert levels(found)[depth]["t1"] == "different"
        assert levels(found)[depth]["bitstreams"] == "identical"
    assert "decode, QP 22, picture 2: T1 differs in layer p4: " in told(found)
    assert "the anchor's 000000000000…" in told(found)


def test_changed_bits_and_sums(lossless: Path) -> None:
    def change_it(anchor: Record) -> None:
        anchor["points"][0]["pictures"][0]["bits"]["coded data"] += 8
        anchor["points"][1]["bpp"] *= 1.01

    edited(lossless, change_it)
    found = checked(lossless, "decode")
    assert levels(found)["decode"]["rate"] == "different"
    assert levels(found)["inputs"]["sums"] == "different"
    assert "QP 22: the anchor's bits is" in told(found)
    assert "QP 32: the anchor's bpp is" in told(found)
    assert "decode, QP 22, picture 1: bits of coded data" in told(found)


def test_other_floats_within_the_tolerance(lossless: Path) -> None:
    """As on another kind of machine: results differ, metrics do not, bitstreams of depth decode are the anchor's."""

    def change_it(anchor: Record) -> None:
        for picture in [*anchor["pictures"], *anchor["points"][0]["pictures"]]:
            picture["result_sha256"] = hashlib.sha256(picture["result_sha256"].encode()).hexdigest()

    edited(lossless, change_it)
    found = checked(lossless, "decode")
    assert found.agrees
    assert levels(found)["uncompressed"]["results"] == "within tolerance"
    assert levels(found)["decode"] | {"results": "identical"} == dict.fromkeys(levels(found)["decode"], "identical")
    assert levels(found)["decode"]["results"] == "within tolerance"
    # Without metrics nobody can tell how much it matters.
    part = checked(lossless, "decode", pictures=2)
    assert not part.agrees
    assert "no metric says by how much" in told(part)


# What is here


def test_one_changed_weight(lossless: Path) -> None:
    change_one_weight(lossless.parent / "small.onnx")
    here = Here()
    found = checked(lossless, here=here)
    assert not found.agrees
    (difference,) = found.differences()
    assert difference.text.startswith("the network differs: its weights_sha256 is ")
    assert here.count["code"] == here.count["analyse"] == 0  # nothing is made that could not agree
    assert levels(found)["decode"]["bitstreams"] == "identical"
    assert set(levels(found)["encode"].values()) == {"not checked"}


def test_weights_of_another_name_are_the_same(lossless: Path) -> None:
    edited(lossless, lambda anchor: anchor["network"].update(weights="other.onnx"))
    assert checked(lossless, "decode").agrees


def test_one_changed_picture(lossless: Path) -> None:
    path = lossless.parent / "picture2.png"
    picture = np.array(Image.open(path))
    picture[0, 0, 0] ^= 1
    Image.fromarray(picture).save(path)
    found = checked(lossless)
    assert not found.agrees
    (difference,) = found.differences()
    assert difference.text.startswith("picture 2 (picture2.png) is another")
    assert found.depths["encode"].aspects["bitstreams"].compared == 4  # the other two are as they were
    assert levels(found)["encode"] == levels(found)["decode"]
    assert levels(found)["encode"]["metrics"] == "not checked"
    assert levels(found)["encode"]["t1"] == "identical"


def test_other_annotations(lossless: Path) -> None:
    data = json.loads((lossless.parent / "data.json").read_text())
    data["annotations"].pop()
    (lossless.parent / "data.json").write_text(json.dumps(data))
    found = checked(lossless)
    assert "the data set differs" in told(found)
    assert levels(found)["encode"] | {"metrics": "identical"} == dict.fromkeys(levels(found)["encode"], "identical")
    assert levels(found)["encode"]["metrics"] == "not checked"


def test_a_data_set_without_any_picture_of_the_anchor(lossless: Path) -> None:
    data = json.loads((lossless.parent / "data.json").read_text())
    for entry in data["images"]:
        entry["id"] += 100
    for entry in data["annotations"]:
        entry["image_id"] += 100
    (lossless.parent / "data.json").write_text(json.dumps(data))
    found = checked(lossless)
    assert not found.agrees
    assert "picture 1 (picture1.png) is not in the data set" in told(found)
    assert set(levels(found)["encode"].values()) == {"not checked"}


def test_a_missing_picture(lossless: Path) -> None:
    (lossless.parent / "picture3.png").unlink()
    with pytest.raises(DatasetError, match=r"picture 3: .*picture3.png: is missing"):
        checked(lossless)


def _place_of(path: Path, name: str) -> int:
    """The bit at which the first element of a name is."""
    from vcm_ref.bitstream.coder import TracedElement
    from vcm_ref.bitstream.stream import BitstreamReader

    elements: list[TracedElement] = []
    with path.open("rb") as file:
        list(BitstreamReader(file, trace=elements.append).groups())
    return next(element.bit_offset for element in elements if element.name == name)


def _replace_by_qp(anchor_file: Path, qp: int) -> None:
    """Put bitstreams of ``qp`` in the place of an anchor's only point's."""
    from vcm_ref.experiment.method import FeatureMethod
    from vcm_ref.experiment.store import Store
    from vcm_ref.experiment.sweep import run_sweep

    from .crosschecked import METHODS
    from .small_sweep import sweep_of

    folder = anchor_file.parent
    kind = METHODS["vvc"](folder)
    assert isinstance(kind, FeatureMethod)
    other = FeatureMethod("other", kind.tree, (qp,))
    with Store(folder / "other") as store:
        outcome = run_sweep(sweep_of(folder, other), store, Here())
        for number, subject in enumerate(outcome.subjects, start=1):
            path = anchor_file.with_suffix("") / "qp32" / f"picture{number}.bin"
            path.write_bytes(other.bitstream(subject, qp, store))
