"""Sequences without annotations: their pictures, and agreement with uncompressed results."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vcm_ref.errors import DatasetError
from vcm_ref.inputs.picture_file import read_picture
from vcm_ref.task.dataset import load_dataset
from vcm_ref.task.detections import Detections
from vcm_ref.task.sequences import SequenceDataset

CLASSES = {3: "disc", 5: "star"}
SIZES = {0: (48, 64), 1: (48, 64)}


def detections(*found: tuple[tuple[float, float, float, float], float, int]) -> Detections:
    boxes, scores, labels = zip(*found, strict=True) if found else ((), (), ())
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int64)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two pictures, and a file that is not one."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(2):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(pictures / f"{number:03d}.png")
    (pictures / "notes.txt").write_text("x")
    return pictures


@pytest.fixture
def sequence(folder: Path) -> SequenceDataset:
    return SequenceDataset("street", images=folder, frame_rate=12.5)


def test_a_folder_in_the_order_of_its_names(sequence: SequenceDataset, folder: Path) -> None:
    assert [(item.id, item.path.name, item.size) for item in sequence.items] == [
        (0, "000.png", (48, 64)),
        (1, "001.png", (48, 64)),
    ]
    assert sequence.frame_rate == Fraction(25, 2)
    assert [item.id for item in SequenceDataset("part", images=folder, start=1, frames=1).items] == [1]


def test_numbers_in_the_names_of_a_folder_are_compared_as_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{number}.png")
    dataset = SequenceDataset("street", images=tmp_path, frame_rate=25)
    assert [item.path.name for item in dataset.items] == ["1.png", "2.png", "10.png"]


@pytest.mark.integration
def test_a_video_is_a_sequence_of_its_pictures(tmp_path: Path) -> None:
    grey = [bytes([50 * number]) * (64 * 48) + bytes([128]) * (2 * 32 * 24) for number in range(4)]
    video = tmp_path / "street.y4m"
    video.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 C420jpeg\n" + b"".join(b"FRAME\n" + frame for frame in grey))
    dataset = load_dataset(video)
    assert isinstance(dataset, SequenceDataset)
    assert dataset.frame_rate == 25
    assert [item.path.name for item in dataset.items] == [f"street_{number:06d}.ppm" for number in range(4)]
    levels = [int(read_picture(item.path)[0, 0, 0]) for item in dataset.items]
    assert levels == sorted(levels) and len(set(levels)) == 4
    description = tmp_path / "part.yaml"
    description.write_text("kind: sequence\nvideo: street.y4m\nstart: 2\nframes: 1\n")
    (only,) = load_dataset(description).items
    assert (only.id, only.path.name) == (2, "street_000002.ppm")
    with pytest.raises(DatasetError, match="leave out --images"):
        load_dataset(video, tmp_path)


ONE, OTHER = (4.0, 4.0, 24.0, 24.0), (30.0, 10.0, 60.0, 40.0)
UNCOMPRESSED = {0: detections((ONE, 0.9, 3), (OTHER, 0.3, 5)), 1: detections((OTHER, 0.8, 5))}


def test_the_uncompressed_results_agree_with_themselves(sequence: SequenceDataset) -> None:
    """The detection of score 0.3 is no object; it is wrong, but of a class that has one elsewhere: it comes last."""
    agreement = sequence.agreeing(CLASSES, UNCOMPRESSED)
    metrics = agreement.evaluate(UNCOMPRESSED, SIZES)
    assert metrics["agreement"] == pytest.approx(1.0)
    assert metrics["agreement50"] == pytest.approx(1.0)
    assert not any("AP" in name for name in metrics)
    assert agreement.classes == CLASSES


def test_agreement_by_hand(sequence: SequenceDataset) -> None:
    """One class is found, the other is not: the mean of 1 and 0."""
    agreement = sequence.agreeing(CLASSES, UNCOMPRESSED)
    metrics, tally = agreement.tallied({0: detections((ONE, 0.7, 3)), 1: detections()}, SIZES)
    assert metrics["agreement"] == pytest.approx(0.5)
    assert tally.metrics(np.ones((2, 1), np.int32))["agreement"].tolist() == [pytest.approx(0.5)]


def test_agreement_does_not_look_at_pictures_that_were_not_measured(sequence: SequenceDataset) -> None:
    agreement = sequence.agreeing(CLASSES, UNCOMPRESSED)
    assert agreement.evaluate({1: UNCOMPRESSED[1]}, SIZES)["agreement"] == pytest.approx(1.0)


def test_the_digest_is_of_what_results_are_compared_with(sequence: SequenceDataset) -> None:
    digests = {sequence.agreeing(CLASSES, results).digest() for results in (UNCOMPRESSED, {1: UNCOMPRESSED[1]})}
    assert len(digests) == 2
    assert sequence.digest() not in digests


def test_what_cannot_be_compared(sequence: SequenceDataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no detection without coding has a score of 0\.5"):
        sequence.agreeing(CLASSES, {0: detections((ONE, 0.4, 3))})
    with pytest.raises(DatasetError, match="has no annotations"):
        sequence.evaluate(UNCOMPRESSED, SIZES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no picture"):
        SequenceDataset("empty", images=tmp_path / "empty")
    with pytest.raises(DatasetError, match="there is no such file"):
        SequenceDataset("none", video=tmp_path / "x.mp4")
    with pytest.raises(DatasetError, match="is not a video file"):
        SequenceDataset("folder", video=tmp_path / "empty")
