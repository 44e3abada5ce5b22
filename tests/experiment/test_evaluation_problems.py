"""Evaluations of what is missing, damaged, or another than it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vcm_ref.errors import DatasetError
from vcm_ref.experiment.method import Uncompressed, Whole
from vcm_ref.experiment.tasks import TaskError
from vcm_ref.files.atomic import OutputError
from vcm_ref.reporting.provenance import file_digest
from vcm_ref.task.dataset import load_dataset

from .evaluations import (
    CODED,
    PIXELS,
    bitstreams,
    evaluated,
    features,
    request,
    write_bitstreams,
    write_features,
)
from .small_sweep import Here
from .stub import SIZE

pytest.importorskip("pycocotools", reason="pycocotools is not installed")


def test_another_size_than_the_annotations(data: Path, tmp_path: Path) -> None:
    """Refused at the first picture. Of the pictures themselves the data set finds it out when it is loaded."""
    write_features(data, tmp_path / "features", lambda item: item.path.stem)
    write_bitstreams(data, tmp_path / "bitstreams")
    evaluation = request(data)
    items = [item._replace(size=SIZE[::-1]) for item in evaluation.dataset.items]
    evaluation.dataset.items = items
    for method in (
        Uncompressed("pictures"),
        Whole("pictures, unsplit network"),
        CODED,
        features(data, tmp_path / "features"),
        bitstreams(data, tmp_path / "bitstreams"),
        bitstreams(data, tmp_path / "all.bin"),
    ):
        here = Here()
        with pytest.raises((DatasetError, TaskError), match=r"is 64x48\b.* its annotations are of .*48x64"):
            evaluated(replace(evaluation, method=method), tmp_path / "r.json", here)
        assert sum(here.count[name] for name in here.count if name.startswith("analyse")) == 1


def test_a_missing_picture(data: Path, tmp_path: Path) -> None:
    (data.parent / "picture2.png").unlink()
    with pytest.raises(DatasetError, match=r"picture 20: .*picture2.png: is missing; --allow-missing"):
        evaluated(request(data), tmp_path / "r.json")
    assert not list(tmp_path.glob("r.json*"))
    document = evaluated(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 5, "evaluated": 4, "problems": 1}
    assert "picture2.png" in document["problems"][0]
    assert document["metrics"]["AP"] == pytest.approx(1.0)


def test_an_unreadable_picture(data: Path, tmp_path: Path) -> None:
    (data.parent / "picture3.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"picture3.png: .*--allow-missing"):
        evaluated(request(data), tmp_path / "r.json")
    document = evaluated(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 5, "evaluated": 4, "problems": 1}
    assert "picture3.png" in document["problems"][0]


def test_an_annotation_without_its_picture(data: Path, tmp_path: Path) -> None:
    truth = json.loads(data.read_text())
    truth["images"].pop()
    data.write_text(json.dumps(truth))
    with pytest.raises(DatasetError, match="annotation 5: its picture 50"):
        evaluated(request(data), tmp_path / "r.json")
    document = evaluated(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 4, "evaluated": 4, "problems": 1}


def test_many_problems_are_counted(data: Path, tmp_path: Path) -> None:
    for path in data.parent.glob("*.png"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"picture1.*picture2.*picture3.*and 2 more"):
        evaluated(request(data), tmp_path / "r.json")
    with pytest.raises(DatasetError, match="no pictures"):
        evaluated(request(data, allow_missing=True), tmp_path / "r.json")


def test_missing_features_and_bitstreams(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    (tmp_path / "bitstreams" / "picture4.bin").unlink()
    for path in data.parent.glob("*.png"):
        path.unlink()  # nobody needs them
    with pytest.raises(DatasetError, match=r"picture 10: .* has no features named picture1 or 10"):
        evaluated(request(data, features(data, tmp_path / "bitstreams")), tmp_path / "r.json")
    method = bitstreams(data, tmp_path / "bitstreams")
    with pytest.raises(DatasetError, match=r"^picture 40: .* has no bitstream named picture4 or 40"):
        evaluated(request(data, method), tmp_path / "r.json")
    document = evaluated(request(data, method, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"]["evaluated"] == 4
    assert document["rate"]["pixels"] == PIXELS * 4 // 5


def test_a_damaged_bitstream_is_named(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    damaged = tmp_path / "bitstreams" / "picture2.bin"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    method = bitstreams(data, tmp_path / "bitstreams")
    with pytest.raises(TaskError, match=r"^picture 20 \(picture2.png\): .*\(bit \d+, clause") as caught:
        evaluated(request(data, method, allow_missing=True), tmp_path / "r.json")
    assert caught.value.exit_code == 10


def test_one_bitstream_needs_its_record_and_no_other_pictures(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    truth = json.loads(data.read_text())
    truth["images"].pop()
    truth["annotations"].pop()
    data.write_text(json.dumps(truth))
    method = bitstreams(data, tmp_path / "all.bin")
    with pytest.raises(DatasetError, match=r"picture5.png: is not in the data set"):
        evaluated(request(data, method), tmp_path / "r.json")
    (tmp_path / "all.bin.json").unlink()
    with pytest.raises(DatasetError, match=r"all\.bin\.json: cannot be read"):
        evaluated(request(data, bitstreams(data, tmp_path / "all.bin")), tmp_path / "r.json")


def test_a_record_of_another_bitstream(data: Path, tmp_path: Path) -> None:
    """It is no record of which picture is which."""
    write_bitstreams(data, tmp_path / "bitstreams")
    record = json.loads((tmp_path / "all.bin.json").read_text())
    for sha256, fits in ((file_digest(tmp_path / "all.bin"), True), ("0" * 64, False)):
        (tmp_path / "all.bin.json").write_text(json.dumps({**record, "bitstream": {"sha256": sha256}}))
        method = bitstreams(data, tmp_path / "all.bin")
        if fits:
            assert method.missing(load_dataset(data).items) == {}
        else:
            with pytest.raises(DatasetError, match="belongs to another bitstream"):
                method.missing(load_dataset(data).items)
    record["pictures"].pop()
    (tmp_path / "all.bin.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="has 5 pictures, its record 4"):
        bitstreams(data, tmp_path / "all.bin").missing(load_dataset(data).items)


def test_a_network_that_gives_no_number_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"picture \d+ .*scores are not all finite"):
        evaluated(request(data, network="broken", allow_missing=True), tmp_path / "r.json")


def test_an_output_that_cannot_be_written_is_an_error_at_once(data: Path, tmp_path: Path) -> None:
    here = Here()
    with pytest.raises(OutputError, match="cannot be"):
        evaluated(request(data), data / "r.json", here)
    assert not here.count
