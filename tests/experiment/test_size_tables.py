"""The tables of Han et al. 2022, from the sizes that the paper states."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vcm_ref.experiment.size_tables import layer_rows, reduction_rows, told

LAYERS = {"p2": (256, 200, 272), "p3": (256, 100, 136), "p4": (256, 50, 68), "p5": (256, 25, 34)}


def test_table_1() -> None:
    rows = layer_rows((768, 1024), LAYERS)
    assert [row.kilobytes for row in rows[:3]] == [2304, 13600, 3400]
    assert rows[3].kilobytes == 850  # the paper prints 750
    assert rows[4].kilobytes == 212.5
    assert rows[5].kilobytes == 13600 + 3400 + 850 + 212.5
    assert float(rows[5].ratio) == pytest.approx(7.84, abs=0.005)


def test_table_3() -> None:
    rows = reduction_rows((480, 640), LAYERS, (64, 25, 34))
    assert rows[1].shape == (18_496_000, 1, 1)
    assert [round(float(row.ratio), 3) for row in rows] == [1.0, 80.278, 0.236, 0.059, 0.03, 0.015]
    assert [round(1 / float(row.ratio), 2) for row in rows[2:]] == [4.24, 16.94, 33.88, 67.76]  # the paper cuts 4.235


def test_the_two_tables_differ_by_bits_and_by_the_picture() -> None:
    first, third = layer_rows((768, 1024), LAYERS)[-1], reduction_rows((480, 640), LAYERS, (64, 25, 34))[1]
    assert third.ratio / first.ratio == Fraction(32, 8) * Fraction(1024 * 768, 640 * 480)


def test_it_is_told_in_lines() -> None:
    lines = told(reduction_rows((480, 640), LAYERS, (64, 25, 34), (1,))).splitlines()
    assert len(lines) == 2 + 4
    assert lines[-1].split() == ["1-bit", "tensor", "1", "64x25x34", "6.6", "0.007"]
