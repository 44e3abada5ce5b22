"""ImageNet's layouts, and top-1 and top-5 by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vcm_ref.errors import DatasetError
from vcm_ref.task.classification import Classification
from vcm_ref.task.dataset import load_dataset
from vcm_ref.task.detections import Detections


def logits(*values: float) -> Classification:
    """Give the result of a network with as many classes."""
    return Classification(np.array(values, np.float32))


def make_folders(folder: Path, **files: list[str]) -> None:
    """Make a folder a class, with empty files."""
    for name, pictures in files.items():
        (folder / name).mkdir()
        for picture in pictures:
            (folder / name / picture).touch()


def test_a_folder_a_class(tmp_path: Path) -> None:
    make_folders(tmp_path, owl=["2.jpg", "1.jpg"], cat=["x.png", ".hidden"], dog=[])
    (tmp_path / "readme.txt").touch()
    data = load_dataset(tmp_path)
    assert data.classes == {0: "cat", 1: "dog", 2: "owl"}
    assert data.items == [(name, tmp_path / name) for name in ("cat/x.png", "owl/1.jpg", "owl/2.jpg")]
    assert data.problems == []
    found = {"cat/x.png": logits(3, 2, 1), "owl/1.jpg": logits(3, 1, 2), "owl/2.jpg": logits(1, 2, 3)}
    assert data.evaluate(found, {}) == {"top1": pytest.approx(2 / 3), "top5": 1.0}


def test_a_list(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("a b.JPEG 6\n\nsub/c.JPEG   0\n")
    data = load_dataset(tmp_path / "val.txt")
    assert data.items == [("a b.JPEG", tmp_path / "a b.JPEG"), ("sub/c.JPEG", tmp_path / "sub" / "c.JPEG")]
    falling = logits(7, 6, 5, 4, 3, 2, 1)
    assert data.evaluate({"a b.JPEG": falling, "sub/c.JPEG": falling}, {}) == {"top1": 0.5, "top5": 0.5}
    assert load_dataset(tmp_path / "val.txt", tmp_path / "x").items[0].path == tmp_path / "x" / "a b.JPEG"


def test_a_list_with_class_names(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("1.png n02\n2.png n01\n3.png 1\n")
    (tmp_path / "names.txt").write_text("n01\nn02\nn03\n")
    (tmp_path / "set.yaml").write_text("kind: imagenet\nimage_list: val.txt\nclasses: names.txt\n")
    data = load_dataset(tmp_path / "set.yaml")
    assert data.classes == {0: "n01", 1: "n02", 2: "n03"}
    assert data.evaluate({f"{n}.png": logits(0, 1, 0) for n in (1, 2, 3)}, {})["top1"] == pytest.approx(2 / 3)


def test_of_equal_logits_the_lower_index_comes_first(tmp_path: Path) -> None:
    # Six classes alike: ranks are the indices, so that class 0 is the first, 4 the fifth, and 5 not among five.
    (tmp_path / "val.txt").write_text("a 0\nb 4\nc 5\n")
    data = load_dataset(tmp_path / "val.txt")
    alike = logits(*[0.25] * 6)
    assert data.evaluate({"a": alike}, {}) == {"top1": 1.0, "top5": 1.0}
    assert data.evaluate({"b": alike}, {}) == {"top1": 0.0, "top5": 1.0}
    assert data.evaluate({"c": alike}, {}) == {"top1": 0.0, "top5": 0.0}


def test_a_selection_of_folders_needs_the_class_names(tmp_path: Path) -> None:
    make_folders(tmp_path, n02=["a.jpg"], n03=["b.jpg"])
    found = {"n02/a.jpg": logits(0, 1, 0, 0), "n03/b.jpg": logits(0, 0, 1, 0)}
    with pytest.raises(DatasetError, match="2 folders, the network 4 classes"):
        load_dataset(tmp_path).evaluate(found, {})
    (tmp_path / "names.txt").write_text("n01\nn02\nn03\nn04\n")
    (tmp_path / "set.yaml").write_text("kind: imagenet\nimages: .\nclasses: names.txt\n")
    assert load_dataset(tmp_path / "set.yaml").evaluate(found, {}) == {"top1": 1.0, "top5": 1.0}


def test_the_digest_is_of_paths_and_classes(tmp_path: Path) -> None:
    digests = set()
    for text in ("a 0\nb 1\n", "a 0\nb 2\n", "a 0\nc 1\n", "b 1\na 0\n"):
        (tmp_path / "val.txt").write_text(text)
        digests.add(load_dataset(tmp_path / "val.txt").digest())
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n", "line 1"),
        ("a 0\nb cat\n", "line 2"),
        ("a 0\na 1\n", "listed twice"),
        ("\n", "no pictures"),
        ("a -1", "line 1"),
    ],
)
def test_a_list_that_is_none_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "val.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / "val.txt")


def test_what_cannot_be_measured_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures"):
        load_dataset(tmp_path)
    (tmp_path / "val.txt").write_text("a 3\n")
    data = load_dataset(tmp_path / "val.txt")
    with pytest.raises(DatasetError, match="no pictures"):
        data.evaluate({}, {})
    with pytest.raises(DatasetError, match="class 3; the network has 2"):
        data.evaluate({"a": logits(1, 2)}, {})
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    with pytest.raises(DatasetError, match="detects"):
        data.evaluate({"a": nothing}, {})
