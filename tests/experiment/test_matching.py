"""Which file belongs to which picture: what names say, and what they leave open is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from vcm_ref.errors import DatasetError
from vcm_ref.experiment.matching import Candidate, check_distinct, check_distinct_files, files_in, match, without_place
from vcm_ref.task.dataset import Item

ROOT = Path("/data/images")


def items(**pictures: str) -> list[Item]:
    """Pictures by id: ``i7="day/1.png"`` has the id 7."""
    return [Item(int(name[1:]), ROOT / path) for name, path in pictures.items()]


def matched(names: list[str], pictures: list[Item], sha256: str | None = None) -> dict[Any, str]:
    candidates = [
        Candidate(number, Path(name).with_suffix("").parts, f"f/{name}", sha256) for number, name in enumerate(names)
    ]
    return {image_id: names[number] for image_id, number in match(candidates, pictures).items()}


DAY_AND_NIGHT = items(i1="day/0001.png", i2="night/0001.png")


@pytest.mark.parametrize(
    ("names", "pictures", "expected"),
    [
        (["a.bin", "b.bin"], items(i1="a.png", i2="b.png"), {1: "a.bin", 2: "b.bin"}),
        (["1.bin", "2.bin"], items(i1="a.png", i2="b.png"), {1: "1.bin", 2: "2.bin"}),  # by id
        (["a.bin", "other.bin"], items(i1="a.png", i2="b.png"), {1: "a.bin"}),
        (["day/0001.bin", "night/0001.bin"], DAY_AND_NIGHT, {1: "day/0001.bin", 2: "night/0001.bin"}),
        (["day/0001.bin"], DAY_AND_NIGHT, {1: "day/0001.bin"}),
        (["1.bin", "2.bin"], DAY_AND_NIGHT, {1: "1.bin", 2: "2.bin"}),
        (["0001.bin", "day/0001.bin", "night/0001.bin"], DAY_AND_NIGHT, {1: "day/0001.bin", 2: "night/0001.bin"}),
        (["1.bin", "2.bin"], items(i1="day/1.png", i2="night/2.png"), {1: "1.bin", 2: "2.bin"}),
        (["images/1.bin"], items(i1="1.png"), {1: "images/1.bin"}),
        (["1.bin", "day/1.bin"], items(i5="1.png", i6="day/1.png"), {5: "1.bin", 6: "day/1.bin"}),
        (["a.b.bin"], items(i1="a.b.png"), {1: "a.b.bin"}),
        (["1.bin", "2.bin"], items(i1="2.png", i2="1.png"), {1: "2.bin", 2: "1.bin"}),  # names come before ids
        ([], items(i1="a.png"), {}),
        (["a.bin"], [], {}),
    ],
)
def test_what_names_say(names: list[str], pictures: list[Item], expected: dict[Any, str]) -> None:
    assert matched(names, pictures) == expected
    assert matched(names[::-1], pictures[::-1]) == expected


@pytest.mark.parametrize(
    ("names", "pictures", "words"),
    [
        (["0001.bin"], DAY_AND_NIGHT, ["f/0001.bin", "day/0001.png or", "night/0001.png", "as in day/0001"]),
        (["0001.bin", "day/0001.bin"], DAY_AND_NIGHT, ["f/0001.bin: may belong to"]),
        (["a.bin"], items(i1="a.png", i2="a.jpg"), ["a.png or", "a.jpg"]),
        (["a.bin", "a.vcm"], items(i1="a.png"), ["picture 1", "f/a.bin or f/a.vcm"]),
        (["1.bin", "1.vcm"], items(i1="a.png"), ["picture 1", "f/1.bin or f/1.vcm"]),
        (["a.bin", "x/images/a.bin", "images/a.bin"], items(i1="a.png"), ["picture 1", "f/a.bin or f/images/a.bin"]),
        # 2.bin is the name of picture 1, and the id of picture 2, which has nothing else
        (["2.bin"], items(i1="2.png", i2="3.png"), ["picture 2 (", "3.png", "2, which is its id", "picture 1 ("]),
        ([f"{n}.bin" for n in (1, 2, 3)], items(i1="0.png", i2="1.png", i3="2.png"), ["picture 1 ("]),
    ],
)
def test_what_is_ambiguous_is_refused(names: list[str], pictures: list[Item], words: list[str]) -> None:
    for some, of in ((names, pictures), (names[::-1], pictures[::-1])):
        with pytest.raises(DatasetError) as caught:
            matched(some, of)
        if some is names:
            assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_record_tells_pictures_of_one_name_apart(tmp_path: Path) -> None:
    """By their content; where that is the same as well, nothing does."""
    pictures = [Item(number, tmp_path / name / "1.png") for number, name in enumerate(("red", "green", "blue"))]
    for item in pictures:
        item.path.parent.mkdir()
        item.path.write_text(item.path.parent.name)
    digest = hashlib.sha256(b"green").hexdigest()
    assert matched(["1.bin"], pictures, digest) == {1: "1.bin"}
    (tmp_path / "blue" / "1.png").write_text("green")
    with pytest.raises(DatasetError, match="may belong to"):
        matched(["1.bin"], pictures, digest)
    with pytest.raises(DatasetError, match="may belong to"):
        matched(["1.bin"], pictures, "0" * 64)


def test_a_record_that_names_another_picture_is_refused(tmp_path: Path) -> None:
    """A bitstream under another picture's name; a picture that is not in the data set may be another form of it."""
    pictures = [Item(7, tmp_path / "a.png"), Item(8, tmp_path / "b.png")]
    for item in pictures:
        item.path.write_bytes(item.path.name.encode())
    assert matched(["a.bin"], pictures, hashlib.sha256(b"a.png").hexdigest()) == {7: "a.bin"}
    assert matched(["a.bin"], pictures, hashlib.sha256(b"a.jpg").hexdigest()) == {7: "a.bin"}
    with pytest.raises(
        DatasetError, match=r"f/a\.bin: is named as picture 7 .*a\.png\), but its .* from picture 8 .*b\."
    ):
        matched(["a.bin"], pictures, hashlib.sha256(b"b.png").hexdigest())
    pictures[1].path.write_bytes(b"a.png")  # a copy
    assert matched(["b.bin"], pictures, hashlib.sha256(b"a.png").hexdigest()) == {8: "b.bin"}


def test_names_that_are_paths_from_elsewhere() -> None:
    """As a record may have them: the end that a picture has in common with them tells."""
    candidates = [
        Candidate(number, Path(name).parts, name)
        for number, name in enumerate(("/home/me/night/0001", "pictures/day/0001", "other/7", "8"))
    ]
    pictures = [*DAY_AND_NIGHT, *items(i3="day/7.png")]
    shortened = without_place(candidates, pictures)
    assert [candidate.name for candidate in shortened] == [("night", "0001"), ("day", "0001"), ("7",), ("8",)]
    assert match(shortened, pictures) == {2: 0, 1: 1, 3: 2}


def test_ids_that_are_paths() -> None:
    """As anchors name the bitstreams of pictures whose names occur twice."""
    pictures = [Item("a b/1.png", ROOT / "a b" / "1.png"), Item("c/1.png", ROOT / "c" / "1.png")]
    names = ["a b%2F1.png.bin", "c%2F1.png.bin"]
    assert matched(names, pictures) == {"a b/1.png": names[0], "c/1.png": names[1]}


def test_one_file_under_two_ids(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "link.png").symlink_to("a.png")
    check_distinct([Item(1, tmp_path / "a.png"), Item(2, tmp_path / "b.png")])
    for other in ("a.png", "x/../a.png", "link.png"):
        with pytest.raises(DatasetError, match="pictures 1 and 2 are one file"):
            check_distinct([Item(1, tmp_path / "a.png"), Item(2, tmp_path / other)])


def test_one_file_for_two_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"")
    (tmp_path / "b.bin").symlink_to("a.bin")
    (tmp_path / "c.bin").write_bytes(b"")  # another file, if of the same content
    check_distinct_files([(1, tmp_path / "a.bin"), (3, tmp_path / "c.bin")])
    with pytest.raises(DatasetError, match=r"pictures 1 and 2 are one file, .*b\.bin; it would count twice"):
        check_distinct_files([(1, tmp_path / "a.bin"), (2, tmp_path / "b.bin")])


def test_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    for name in ("a.npz", "a.txt", "day/b.c.NPZ", "noname"):
        (tmp_path / name).touch()
    found = files_in(tmp_path, (".npz",))
    assert [(file.name, file.path.name) for file in found] == [(("a",), "a.npz"), (("day", "b.c"), "b.c.NPZ")]
    with pytest.raises(DatasetError, match="there is no such folder"):
        files_in(tmp_path / "none", (".npz",))
