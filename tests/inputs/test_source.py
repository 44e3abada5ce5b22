"""What is to be coded: files, folders, globs; pictures and feature files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_features, save_features
from numpy.typing import NDArray
from PIL import Image

from vcm_ref.feature_set import FeatureSet
from vcm_ref.inputs.source import Source
from vcm_ref.network import Network


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
