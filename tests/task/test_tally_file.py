"""Tallies as bytes, and back."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from vcm_ref.errors import DatasetError
from vcm_ref.task.tally import Classified, Detected, Tally
from vcm_ref.task.tally_file import packed, read_tallies, unpacked, write_tallies


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Any tally, with 1 to 9 criteria."""
    pictures = tuple(range(1, draw(st.integers(2, 300))))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    criteria, sizes = draw(st.integers(1, 9)), draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    starts = np.cumsum([0, *sizes])
    count = int(starts[-1])
    tied = random.random(count) < 0.5
    tied[starts[:-1][starts[:-1] < count]] = False
    detected = Detected(
        rule=draw(st.sampled_from(["coco", "area"])),
        names={"AP": tuple(range(criteria))},
        starts=starts,
        pictures=random.integers(0, len(pictures), count),
        tied=tied,
        hits=random.random((count, criteria)) < 0.5,
        ignored=random.random((count, criteria)) < 0.2,
        truth=np.array([(0, 0, 0, 3), (0, 1, len(pictures) - 1, 70_000)]),
        ranges=np.zeros(criteria, np.int64),
    )
    return Tally(pictures, (detected, Classified(random.integers(0, 1000, len(pictures)))))


@given(tally=tallies())
def test_a_tally_comes_back(tally: Tally) -> None:
    data = packed(tally)
    found = unpacked(data)
    assert packed(found) == data
    assert found.pictures == tally.pictures
    for part, other in zip(found.parts, tally.parts, strict=True):
        for one in fields(part):
            assert np.array_equal(getattr(part, one.name), getattr(other, one.name)), one.name


@given(tally=tallies(), place=st.integers(0, 10**6), value=st.integers(0, 255))
def test_damage_is_found_or_harmless(tally: Tally, place: int, value: int) -> None:
    data = bytearray(packed(tally))
    data[place % len(data)] = value
    try:
        found = unpacked(bytes(data))
    except DatasetError:
        return
    found.metrics(np.ones((len(found.pictures), 2), np.int32))


def test_a_file_of_tallies_comes_back(tmp_path: Path) -> None:
    tallied = {"uncompressed": b"one", "qp37": b"two"}
    with (tmp_path / "a.zip").open("wb") as file:
        digest = write_tallies(file, tallied)
    assert read_tallies(tmp_path / "a.zip", digest) == tallied
    with pytest.raises(DatasetError, match="its digest differs"):
        read_tallies(tmp_path / "a.zip", "00" * 32)


def test_a_pipe_is_no_file_of_tallies(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(DatasetError, match="is a pipe, not a file"):
        read_tallies(tmp_path / "a.zip", "00" * 32)


def test_a_description_that_is_nested_deeply_is_no_tally() -> None:
    nested = b"[" * 200_000 + b"]" * 200_000
    with pytest.raises(DatasetError, match="is not a tally"):
        unpacked(save({"description": np.frombuffer(nested, np.uint8)}))


def test_the_same_tallies_are_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with (tmp_path / name).open("wb") as file:
            write_tallies(file, {"qp37": bytes(1000)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_size < 300
