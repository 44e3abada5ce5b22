"""ImageNet's layouts, and top-1 and top-5 by hand."""

from __future__ import annotations

from collections.abc import Sequence
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
    assert data.items == [(name, tmp_path / name, None) for name in ("cat/x.png", "owl/1.jpg", "owl/2.jpg")]
    assert data.problems == []
    found = {"cat/x.png": logits(3, 2, 1), "owl/1.jpg": logits(3, 1, 2), "owl/2.jpg": logits(1, 2, 3)}
    assert data.evaluate(found, {}) == {"top1": pytest.approx(2 / 3), "top5": 1.0}


def test_a_list(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("a b.JPEG 6\n\nsub/c.JPEG   0\n")
    data = load_dataset(tmp_path / "val.txt")
    assert data.items == [
        ("a b.JPEG", tmp_path / "a b.JPEG", None),
        ("sub/c.JPEG", tmp_path / "sub" / "c.JPEG", None),
    ]
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
    with pytest.raises(DatasetError, match="has 2 classes, the network 4: name all classes"):
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
        (
            "a -1",
            'line 1: is "a -1"; a line is a picture and its class, with a tab, a comma or a space between them: an',
        ),
        ("a,0\na\t1\n", 'line 2: "a" is listed twice'),
        ("a 0\n./a 1\n", 'line 2: "./a" is listed twice'),
        ("a.png 0 1\n", "line 1: .*which can be split in several ways"),
        ("a 1.0\n", "line 1"),
        ("a +1\n", "line 1"),
        ("a \u0663\n", "line 1"),  # a digit, but not one of ours
        ("ImageId,PredictionString\na,n01440764 1 2 3 4\n", "line 2: .*a class that is known"),
        ("a\0b 1\n", "line 1: .* cannot be the name of a file"),
        ("a" * 256 + " 1\n", "line 1: .* cannot be the name of a file"),
    ],
)
def test_a_list_that_is_none_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "val.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / "val.txt")


WORDS = "n00111111 red thing, crimson\nn01111111 green thing\nn02111111 blue thing\n"


def listed(folder: Path, text: str, classes: str | None = None, pictures: Sequence[str] = ()) -> dict[str, int]:
    """Give the class of each picture of a list, by the names of the files."""
    for name in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "list.txt").write_bytes(text.encode())
    (folder / "classes.txt").write_text(classes or "")
    told = "classes: classes.txt\n" if classes else ""
    (folder / "set.yaml").write_text(f"kind: imagenet\nimage_list: list.txt\n{told}")
    data = load_dataset(folder / "set.yaml")
    right = {}
    for item in data.items:
        top = [label for label in range(3) if data.evaluate({item.id: logits(*np.eye(3)[label])}, {})["top1"] == 1]
        right[str(item.path.relative_to(folder))] = top[0]
    return right


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("v/0.JPEG 0\nv/1.JPEG 1\nv/2.JPEG 2\n", None),
        ("v/0.JPEG\t0\nv/1.JPEG\t1\nv/2.JPEG\t2\n", None),
        ("v/0.JPEG,0\nv/1.JPEG, 1\nv/2.JPEG ,2\n", None),
        ("v/0.JPEG 0\r\nv/1.JPEG 1\r\nv/2.JPEG 2\r\n", None),
        ("\ufeffv/0.JPEG 0\nv/1.JPEG 1\nv/2.JPEG 2", None),
        ("v\\0.JPEG 0\nv\\1.JPEG 1\nv\\2.JPEG 2\n", None),
        ("v/0 0\nv/1 1\nv/2 2\n", None),
        ("path,label\nv/0,0\nv/1,1\nv/2,2\n", None),
        ("v/0.JPEG n00111111\nv/1.JPEG n01111111\nv/2.JPEG 2\n", WORDS),
        ("v/0.JPEG red thing\nv/1.JPEG\tgreen thing\nv/2.JPEG,blue thing\n", WORDS),
        ("v/0.JPEG red thing, crimson\nv/1.JPEG green thing\nv/2.JPEG blue thing\n", WORDS),
        ("v/0.JPEG red thing\nv/1.JPEG green thing\nv/2.JPEG thing\n", "red thing\ngreen thing\nthing\n"),
        (
            "ImageId,PredictionString\nv/0,n00111111 1 2 3 4 \nv/1,n01111111 1 2 3 4\n"
            "v/2,n02111111 1 2 3 4 n02111111 5 6 7 8\n",
            WORDS,
        ),
    ],
)
def test_lists_in_all_their_forms(tmp_path: Path, text: str, classes: str | None) -> None:
    names = ("v/0.JPEG", "v/1.JPEG", "v/2.JPEG")
    assert listed(tmp_path, text, classes, names) == {name: label for label, name in enumerate(names)}


@pytest.mark.parametrize(
    ("text", "classes", "message"),
    [
        ("a.png 3\n", WORDS, "0 to 2 or a name of the list of classes"),
        ("a.png yellow thing\n", WORDS, "0 to 2 or a name of the list of classes"),
        ("a.png crane\n", "crane\nowl\ncrane\n", r"\"crane\" can mean the classes \[0, 2\]; write the index"),
        ("a.png 1\n", "owl\n2\n1\n", r"\"1\" can mean the classes \[1, 2\]; write the index"),
        ("a.png 1\n", "owl\n\ncat\n", "classes.txt, line 2: is empty"),
        ("a.png 0\nb.png 1\n", "owl\ncat\n", "has 2 classes, the network 3"),
        ("a.png 1\nb.png 2\nc.png 3\n", None, "is of class 3; .* 0 to 2; the list seems to count from 1"),
    ],
)
def test_classes_that_are_not_known_are_refused(tmp_path: Path, text: str, classes: str | None, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        listed(tmp_path, text, classes)


def test_a_name_that_files_of_two_endings_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r'"v/0": .*v holds 0\.jpg and 0\.png: list it with its ending'):
        listed(tmp_path, "v/0 1\n", None, ["v/0.jpg", "v/0.png"])


def test_folders_that_are_numbers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    make_folders(tmp_path, **{str(number): [f"{number}.png"] for number in range(12)})
    (tmp_path / ".cache").mkdir()
    data = load_dataset(tmp_path)
    assert data.classes == {number: str(number) for number in range(12)}
    assert [item.id for item in data.items] == [f"{number}/{number}.png" for number in range(12)]
    assert data.evaluate({"10/10.png": logits(*np.eye(12)[10]), "2/2.png": logits(*np.eye(12)[2])}, {})["top1"] == 1
    (tmp_path / "02").mkdir()
    with pytest.raises(DatasetError, match="the folders 02 and 2 are the same number"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("folders", "first", "second"),
    [
        (["class_0", "class_2", "class_10"], "class_10", "class_2"),
        (["c9", "c10", "c11"], "c10", "c9"),
        (["1 cat", "2 dog", "10 cow"], "10 cow", "2 dog"),
        (["1.0", "2.0", "10.0"], "10.0", "2.0"),
        (["00000000000001", "2", "10"], "10", "2"),
    ],
)
def test_folders_whose_order_is_open_are_refused(tmp_path: Path, folders: list[str], first: str, second: str) -> None:
    make_folders(tmp_path, **{name: ["x.png"] for name in folders})
    with pytest.raises(DatasetError, match=f'is the folder "{first}" or "{second}" the earlier class'):
        load_dataset(tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(folders))
    (tmp_path / "set.yaml").write_text("kind: imagenet\nimages: .\nclasses: names.txt\n")
    assert [*load_dataset(tmp_path / "set.yaml").classes.values()] == folders


@pytest.mark.parametrize("folders", [["class_08", "class_09", "class_10"], ["a", "a 1", "a!", "a2"], ["F-16", "F16"]])
def test_folders_with_numbers_whose_order_is_the_same_either_way(tmp_path: Path, folders: list[str]) -> None:
    make_folders(tmp_path, **{name: ["x.png"] for name in folders})
    assert [*load_dataset(tmp_path).classes.values()] == folders


def test_a_network_with_a_background_class_needs_names(tmp_path: Path) -> None:
    """TensorFlow's networks for ImageNet have 1,001 outputs, the first for the background."""
    (tmp_path / "val.txt").write_text("a 0\nb 999\n")
    found = {"a": logits(*np.eye(1001)[1]), "b": logits(*np.eye(1001)[1000])}
    with pytest.raises(DatasetError, match="1001 classes, of which the first may be the background"):
        load_dataset(tmp_path / "val.txt").evaluate(found, {})
    (tmp_path / "val.txt").write_text("a 1\nb 1000\n")
    assert load_dataset(tmp_path / "val.txt").evaluate(found, {})["top1"] == 1


def test_folders_are_found_by_the_first_name_of_a_synset(tmp_path: Path) -> None:
    make_folders(tmp_path, n02111111=["b.png"], n00111111=["r.png"])
    (tmp_path / "words.txt").write_text(WORDS)
    (tmp_path / "set.yaml").write_text("kind: imagenet\nimages: .\nclasses: words.txt\n")
    found = {"n02111111/b.png": logits(0, 0, 1), "n00111111/r.png": logits(1, 0, 0)}
    assert load_dataset(tmp_path / "set.yaml").evaluate(found, {})["top1"] == 1
    (tmp_path / "train").mkdir()
    with pytest.raises(DatasetError, match='the folder "train" is not the name of a class in the list of classes'):
        load_dataset(tmp_path / "set.yaml")


def test_what_cannot_be_measured_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures"):
        load_dataset(tmp_path)
    (tmp_path / "val.txt").write_text("a 3\n")
    data = load_dataset(tmp_path / "val.txt")
    with pytest.raises(DatasetError, match="no pictures"):
        data.evaluate({}, {})
    with pytest.raises(DatasetError, match="class 3; the network has 2 classes, 0 to 1"):
        data.evaluate({"a": logits(1, 2)}, {})
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    with pytest.raises(DatasetError, match="detects"):
        data.evaluate({"a": nothing}, {})
