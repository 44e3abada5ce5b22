"""Annotated sizes against pictures, and class names against labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vcm_ref.errors import DatasetError
from vcm_ref.task.dataset import Item, check_size, load_dataset, match_names, with_unclear_orientation

ORIENTATION = 0x0112  # Exif 2.32, tag 274


def test_sizes_that_agree_or_are_not_stated_pass() -> None:
    check_size(Item(1, Path("a.png"), (60, 80)), 60, 80)
    check_size(Item("a", Path("a.png")), 1, 1)


def test_both_sizes_are_told() -> None:
    with pytest.raises(DatasetError) as caught:
        check_size(Item(7, Path("x/a.png"), (400, 300)), 200, 150)
    assert str(caught.value) == (
        "picture 7 (a.png): it is 150x200 here, its annotations are of 300x400 (width x height)"
    )


def test_swapped_sides_are_told_to_be_exif_s() -> None:
    with pytest.raises(DatasetError, match=r'picture "b" .*: it is 60x80 here, .* of 80x60 .*sides are swapped.*Exif'):
        check_size(Item("b", Path("a.jpg"), (60, 80)), 80, 60)


def write_set(folder: Path, width: int, height: int, orientation: int | None = None) -> Path:
    """Write annotations of 96x64 and a picture of another size, with an Exif orientation."""
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    Image.new("RGB", (width, height)).save(folder / "p.jpg", exif=exif)
    image = {"id": 1, "file_name": "p.jpg", "width": 96, "height": 64}
    path = folder / "gt.json"
    path.write_text(json.dumps({"images": [image], "categories": [], "annotations": []}))
    return path


@pytest.mark.parametrize(
    ("width", "height", "orientation"), [(96, 64, None), (96, 64, 3), (96, 64, 6), (64, 96, 6), (64, 96, 8)]
)
def test_pictures_may_have_the_annotated_size_as_stored_or_turned(
    tmp_path: Path, width: int, height: int, orientation: int | None
) -> None:
    assert load_dataset(write_set(tmp_path, width, height, orientation)).items[0].size == (64, 96)


@pytest.mark.parametrize(
    ("width", "height", "orientation"), [(64, 96, None), (64, 96, 3), (192, 128, None), (96, 63, 6), (95, 64, 1)]
)
def test_pictures_of_another_size_are_found_when_the_set_is_loaded(
    tmp_path: Path, width: int, height: int, orientation: int | None
) -> None:
    path = write_set(tmp_path, width, height, orientation)
    with pytest.raises(DatasetError, match=r"picture 1 \(p\.jpg\): it is .* here, its annotations are of 96x64"):
        load_dataset(path)


def test_a_picture_that_cannot_be_read_is_left_to_its_reader(tmp_path: Path) -> None:
    path = write_set(tmp_path, 96, 64)
    (tmp_path / "p.jpg").write_bytes(b"not a picture")
    load_dataset(path)
    (tmp_path / "p.jpg").unlink()
    load_dataset(path)


@pytest.mark.parametrize(
    ("orientation", "size", "unclear"),
    [
        (None, (64, 96), False),
        (1, None, False),
        (2, (64, 96), True),
        (3, (64, 96), True),
        (4, (64, 96), True),
        (6, (64, 96), False),
        (8, (96, 64), False),
        (5, (64, 64), True),
        (6, None, True),
    ],
)
def test_orientations_that_sizes_do_not_show(
    tmp_path: Path, orientation: int | None, size: tuple[int, int] | None, unclear: bool
) -> None:
    """A half turn and a mirrored picture keep the sides; so does a quarter turn of a square."""
    write_set(tmp_path, 96, 64, orientation)
    there = Item(1, tmp_path / "p.jpg", size)
    others = [Item(2, tmp_path / "missing.jpg"), Item(3, tmp_path / "gt.json")]
    assert with_unclear_orientation([*others, there]) == ([there] if unclear else [])


def test_names_match_whatever_their_case_and_underscores() -> None:
    classes = {3: "Cell phone", 5: "dog", 6: "Dog "}
    assert match_names({0: "cell_phone", 1: "owl"}, classes) == {0: 3}
    with pytest.raises(DatasetError, match=r'2 classes with the name "dog" \(ids 5, 6\)'):
        match_names({2: "dog"}, classes)
