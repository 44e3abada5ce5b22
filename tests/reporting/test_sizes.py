"""The size tables of Han et al. 2022: their Tables 1 and 3, and the two ways of counting behind them."""

from __future__ import annotations

import pytest

from vcm_ref.bitstream.values import Shape
from vcm_ref.reporting.sizes import Size, sizes

PYRAMID: dict[str, Shape] = {
    "p2": (256, 200, 272),
    "p3": (256, 100, 136),
    "p4": (256, 50, 68),
    "p5": (256, 25, 34),
}
"""The layers of Table 1, for a picture of 1024x768 as for one of 640x480: both come to 1088x800 in the network."""

SSFC: dict[str, Shape] = {"z": (64, 25, 34)}


def rows(width: int, height: int, coded: dict[str, Shape] = PYRAMID) -> dict[str, Size]:
    return {row.step: row for row in sizes((height, width), PYRAMID, coded)}


def test_table_1_counts_a_byte_a_value_against_a_picture_of_1024x768() -> None:
    found = rows(1024, 768)
    kib = {name: row.bits(8) / 8192 for name, row in found.items()}
    # The paper prints 750 KB for P4; 68 x 50 x 256 bytes are 850.
    assert kib == {"p2": 13600, "p3": 3400, "p4": 850, "p5": 212.5, "all layers": 18062.5}
    assert found["all layers"].picture_bits == 2304 * 8192
    assert found["all layers"].ratio(8) == pytest.approx(7.84, abs=5e-3)
    as_printed = (13600 + 3400 + 750 + 212.5) / 2304
    assert int(as_printed * 10) / 10 == 7.7


def test_table_3_counts_float32_against_a_picture_of_640x480() -> None:
    found = rows(640, 480, SSFC)
    layers, coded = found["all layers"], found["all coded tensors"]
    assert layers.picture_bits == 8 * 3 * 640 * 480
    assert layers.values == 18_496_000
    assert f"{layers.ratio(32):.3f}" == "80.278"
    assert coded.bits(32) == 32 * 64 * 25 * 34
    assert [f"{coded.ratio(depth):.3f}" for depth in (32, 8, 4, 2)] == ["0.236", "0.059", "0.030", "0.015"]
    # The paper cuts its factors after two digits, and doubles 16.94 for 4 and for 2 bits.
    assert [int(100 / coded.ratio(depth)) / 100 for depth in (32, 8)] == [4.23, 16.94]
    assert found["coded z"].bits(8) == coded.bits(8)


def test_the_two_tables_differ_by_the_type_and_by_the_picture() -> None:
    first, third = rows(1024, 768)["all layers"], rows(640, 480)["all layers"]
    assert third.ratio(32) == pytest.approx(first.ratio(8) * (32 / 8) * (1024 * 768) / (640 * 480))


def test_without_reduction_the_coded_tensors_are_not_listed_again() -> None:
    assert list(rows(640, 480)) == ["p2", "p3", "p4", "p5", "all layers"]
