"""What is to be coded: files, folders, globs; pictures and feature files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_features, save_features
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from vcm_ref.errors import DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.network import Network
from vcm_ref.source import Source, find_inputs, read_picture


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
    with pytest.raises(DatasetError, match=r"notes\.txt: is no kind of input; these are \.png"):
        find_inputs(str(folder / "notes.txt"))


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    """It names what was looked for."""
    with pytest.raises(DatasetError, match="holds no picture and no feature file"):
        find_inputs(str(tmp_path))
    with pytest.raises(DatasetError, match=r"absent\.png: there is no such file"):
        find_inputs(str(tmp_path / "absent.png"))
    with pytest.raises(DatasetError, match="finds nothing"):
        find_inputs(str(tmp_path / "*.png"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "LA"])
def test_pictures_of_any_kind_become_rgb(tmp_path: Path, mode: str) -> None:
    """Grey, palettes, alpha."""
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new("RGB", (6, 4), (255, 255, 255)).convert(mode).save(path)
    picture = read_picture(path)
    assert (picture.shape, picture.dtype) == ((4, 6, 3), np.uint8)
    assert (picture == 255).all()


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    """Exif orientation 6: what is stored as the first column's bottom is shown as the first row's left."""
    stored = np.zeros((2, 3, 3), np.uint8)
    stored[1, 0] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "x.png", exif=exif)
    upright = read_picture(tmp_path / "x.png")
    assert upright.shape == (3, 2, 3)
    assert upright[0, 0, 0] == 200


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=15)
@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "tif", "webp", "ppm"])
@given(places=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=3), cut=st.integers(1, 5000))
def test_a_damaged_picture_is_read_or_refused(
    tmp_path: Path, kind: str, places: list[tuple[int, int]], cut: int
) -> None:
    """Nothing else comes out."""
    path = tmp_path / f"x.{kind}"
    Image.fromarray(np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)).save(path)
    data = bytearray(path.read_bytes())
    for place, byte in places:
        data[place % len(data)] = byte
    path.write_bytes(data[:cut])
    try:
        read_picture(path)
    except DatasetError as error:
        assert str(path) in str(error)


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
