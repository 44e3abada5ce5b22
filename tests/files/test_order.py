"""The order of files by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcm_ref.files.order import name_order


@pytest.mark.parametrize(
    "names",
    [
        ["1.png", "2.png", "10.png", "11.png"],
        ["a1b2.png", "a1b10.png", "a2b1.png"],
        ["0001.png", "0002.png", "0010.png"],
        ["01.png", "1.png", "2.png"],
        ["day/2.png", "day/10.png", "day2/1.png", "day10/1.png"],
        ["12.png", "a.png"],
    ],
)
def test_numbers_in_names_are_compared_as_numbers(names: list[str]) -> None:
    assert [str(path) for path in sorted(map(Path, reversed(names)), key=name_order)] == names
