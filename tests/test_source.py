"""What is to be coded: files, folders, globs; pictures and feature files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_features, save_features
from numpy.typing import NDArray
from PIL import Image

from vcm_ref.errors import DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.network import Network
from vcm_ref.source import Source, find_inputs


class Stub:
    """A network whose one layer is the picture's red channel."""

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        return FeatureSet(*image.shape[:2], {"red": image[None, :, :, 0].astype(np.float32)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, a feature file, other files, and a folder with a picture's name."""
    for name in ("b.png", "a.JPG"):
        Image.new("RGB", (6, 4), (9, 8, 7)).save(tmp_path / name)
    save_features(tmp_path / "c.npz", make_features(2, 4, 4))
    (tmp_path / "notes.txt").write_text("no input")
    (tmp_path / "d.png").mkdir()
    return tmp_path


def names(found: list[Path]) -> list[str]:
    """Of some paths."""
    return [path.name for path in found]


def test_a_folder_gives_its_inputs_by_name(folder: Path) -> None:
    """Other files and folders are passed over."""
    assert names(find_inputs(str(folder))) == ["a.JPG", "b.png", "c.npz"]


def test_a_glob_gives_what_it_finds_by_name(folder: Path) -> None:
    """Also through folders."""
    (folder / "d.png" / "e.png").write_bytes((folder / "b.png").read_bytes())
    assert names(find_inputs(str(folder / "*.png"))) == ["b.png"]
    assert names(find_inputs(str(folder / "*"))) == ["a.JPG", "b.png", "c.npz"]
    assert names(find_inputs(str(folder / "**" / "*.png"))) == ["b.png", "e.png"]


def test_a_file_stands_for_itself(folder: Path) -> None:
    """One of another kind does not."""
    assert find_inputs(str(folder / "b.png")) == [folder / "b.png"]
    with pytest.raises(DatasetError, match=r"notes\.txt: unsupported kind of input; supported are \.png"):
        find_inputs(str(folder / "notes.txt"))


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    """It names what was looked for."""
    with pytest.raises(DatasetError, match="holds no picture and no feature file"):
        find_inputs(str(tmp_path))
    with pytest.raises(DatasetError, match=r"absent\.png: no such file"):
        find_inputs(str(tmp_path / "absent.png"))
    with pytest.raises(DatasetError, match="no file matches it as a pattern"):
        find_inputs(str(tmp_path / "*.png"))


def test_the_network_is_made_when_a_picture_needs_it(folder: Path) -> None:
    """Once, and not for feature files."""
    made = []

    def make() -> Network:
        made.append(1)
        return Stub()  # type: ignore[return-value]

    source = Source(make)
    assert list(source.features(folder / "c.npz").layers) == ["p2", "p3", "p4", "p5"]
    assert made == []
    for name in ("b.png", "b.png"):
        features = source.features(folder / name)
        assert (features.height, features.width) == (4, 6)
        assert (features.layers["red"] == 9).all()
    assert made == [1]


def test_a_source_leaves_pictures_as_stored_if_told_so(tmp_path: Path) -> None:
    """Exif orientation 6 swaps the sides, unless orientation is not to be applied."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "x.png", exif=exif)
    sizes = []
    for apply in (True, False):
        source = Source(lambda: Stub(), apply_orientation=apply)  # type: ignore[arg-type, return-value]
        features = source.features(tmp_path / "x.png")
        sizes.append((features.height, features.width))
    assert sizes == [(6, 4), (4, 6)]
