"""The pictures of inputs in order, and how they fall into groups."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.inputs import sequence
from vcm_ref.inputs.sequence import PictureSequence, Selection, SequencePicture, groups
from vcm_ref.inputs.source import Source
from vcm_ref.inputs.video_file import Video

FEATURES = FeatureSet(8, 8, {"p2": np.zeros((1, 2, 2), np.float32)})


def pictures(kinds: str) -> list[SequencePicture]:
    """A digit for a picture of the video of that number, a dot for a file of one picture."""
    return [
        SequencePicture(Path(kind if kind != "." else f"{place}.png"), None if kind == "." else place, FEATURES)
        for place, kind in enumerate(kinds)
    ]


def grouped(kinds: str, size: int) -> list[str]:
    """The kinds of the pictures of each group."""
    given = groups(iter(pictures(kinds)), size)
    return ["".join("." if picture.number is None else str(picture.path) for picture in group) for group in given]


@pytest.mark.parametrize(
    ("kinds", "size", "expected"),
    [
        ("", 3, []),
        (".....", 2, ["..", "..", "."]),
        ("....", 2, ["..", ".."]),
        ("0000011", 3, ["000", "00", "11"]),
        ("00..1", 8, ["00", "..", "1"]),
        ("01", 1, ["0", "1"]),
    ],
)
def test_a_group_ends_with_its_video(kinds: str, size: int, expected: list[str]) -> None:
    assert grouped(kinds, size) == expected


@given(st.text("01.", max_size=30), st.integers(1, 9))
def test_groups_are_all_pictures_in_order(kinds: str, size: int) -> None:
    found = list(groups(iter(pictures(kinds)), size))
    assert [picture for group in found for picture in group] == pictures(kinds)
    assert all(1 <= len(group) <= size for group in found)


def test_no_picture_is_read_before_the_group_that_needs_it() -> None:
    """Memory is that of one group."""
    read = 0

    def counted() -> Iterator[SequencePicture]:
        nonlocal read
        for picture in pictures("00000000"):
            read += 1
            yield picture

    for number, group in enumerate(groups(counted(), 3), start=1):
        assert read == min(3 * number, 8)
        assert len(group) == (2 if number == 3 else 3)


class _Network:
    """Gives features that say which picture they are of."""

    def extract(self, picture: NDArray[np.uint8]) -> FeatureSet:
        return FeatureSet(2, 2, {"p2": picture[:1, :1, :1].astype(np.float32)})


@pytest.fixture
def ten_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every video have ten pictures of 2x2, whose samples are their number."""

    def pictures_of(video: Video, start: int, count: int | None) -> Iterator[NDArray[np.uint8]]:
        for number in list(range(10))[start:][:count]:
            yield np.full((2, 2, 3), number, np.uint8)

    monkeypatch.setattr(Video, "pictures", pictures_of)
    rates = {"a.mp4": Fraction(25), "b.mkv": Fraction(30000, 1001)}
    monkeypatch.setattr(sequence, "open_video", lambda path, upright: Video(path, 2, 2, rates[path.name]))


def of(names: list[str], selection: Selection) -> PictureSequence:
    return PictureSequence([Path(name) for name in names], Source(_Network), selection)  # type: ignore[arg-type]


def test_the_chosen_pictures_of_each_video_keep_their_numbers(ten_pictures: None) -> None:
    chosen = of(["a.mp4", "b.mkv"], Selection(start=7, frames=2))
    found = [(picture.path.name, picture.number) for picture in chosen]
    assert found == [("a.mp4", 7), ("a.mp4", 8), ("b.mkv", 7), ("b.mkv", 8)]
    assert [float(picture.features.layers["p2"][0, 0, 0]) for picture in chosen] == [7, 8, 7, 8]
    assert chosen.frame_rate() is None  # they differ


def test_the_frame_rate_is_the_video_s(ten_pictures: None) -> None:
    chosen = of(["b.mkv"], Selection(start=9))
    assert len(list(chosen)) == 1
    assert chosen.frame_rate() == Fraction(30000, 1001)


def test_a_start_behind_the_end_is_an_error_that_names_the_file(ten_pictures: None) -> None:
    with pytest.raises(DatasetError, match=r"a\.mp4: has no picture 10"):
        list(of(["a.mp4"], Selection(start=10)))


def test_raw_video_needs_a_size() -> None:
    with pytest.raises(ConfigError, match=r"x\.yuv: raw video does not say its size; give it with --picture-size"):
        list(of(["x.yuv"], Selection()))
