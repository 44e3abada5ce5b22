from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.values import Grid, Packing
from vcm_ref.conversion.grids import check_grid, default_grid, stacked_grids
from vcm_ref.errors import ConfigError


@pytest.mark.parametrize(
    ("channels", "grid"), [(256, "16x16"), (64, "8x8"), (128, "16x8"), (7, "7x1"), (1, "1x1"), (192, "16x12")]
)
def test_default_grid_by_hand(channels: int, grid: str) -> None:
    assert str(default_grid(channels)) == grid


@given(st.integers(1, 3000))
def test_default_grid_is_nearest_to_square(channels: int) -> None:
    grid = default_grid(channels)
    assert grid.maps == channels
    assert grid.columns >= grid.rows
    assert all(channels % rows for rows in range(grid.rows + 1, channels) if rows * rows <= channels)


def test_stacked_grids_of_the_anchor() -> None:
    """MPEG's 4864x4250 picture: 304x216 and its dyadic parts, all four layers 4864 wide."""
    shapes = [(256, 216, 304), (256, 108, 152), (256, 54, 76), (256, 27, 38)]
    assert [str(grid) for grid in stacked_grids(shapes)] == ["16x16", "32x8", "64x4", "128x2"]


def test_stacked_grids_where_halves_are_rounded_up() -> None:
    """33 columns of 9 would be 297 wide and 256 divides by 32; 17 columns of 5 pass the width, and so on."""
    assert [str(grid) for grid in stacked_grids([(256, 9, 17), (256, 5, 9)])] == ["16x16", "16x16"]
    assert [str(grid) for grid in stacked_grids([(4, 2, 2), (3, 2, 9)])] == ["2x2", "1x3"]
    assert [str(grid) for grid in stacked_grids([(64, 4, 8), (512, 1, 1)])] == ["8x8", "64x8"]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 40))
def test_check_accepts_exactly_full_frames(channels: int, columns: int, rows: int) -> None:
    grid = Grid(columns, rows)
    for packing in Packing:
        one_frame = packing == Packing.STACKED
        if grid.maps == channels or (channels % grid.maps == 0 and not one_frame):
            check_grid("p2", channels, grid, packing)
        else:
            with pytest.raises(ConfigError) as raised:
                check_grid("p2", channels, grid, packing)
            listed = str(raised.value).split("fit: ")[1]
            for fit in listed.split(", "):
                found_columns, found_rows = fit.split(" ")[0].split("x")
                check_grid("p2", channels, Grid(int(found_columns), int(found_rows)), packing)


def test_check_says_what_fits() -> None:
    with pytest.raises(ConfigError) as raised:
        check_grid("p3", 64, Grid(5, 4))
    assert str(raised.value) == (
        "layer p3: grid 5x4 does not divide its 64 maps into full frames; grids that fit: 8x8 (1 frame), "
        "8x4 (2 frames), 4x4 (4 frames), 4x2 (8 frames), 2x2 (16 frames), 2x1 (32 frames), 1x1 (64 frames)"
    )
    with pytest.raises(ConfigError) as raised:
        check_grid("p3", 6, Grid(2, 1), Packing.STACKED)
    assert str(raised.value) == (
        "layer p3: grid 2x1 does not hold its 6 maps in one frame; grids that fit: 6x1, 3x2, 2x3, 1x6"
    )


@pytest.mark.parametrize("grid", [Grid(0, 4), Grid(-2, -2), Grid(4, 0)])
def test_check_refuses_empty_grids(grid: Grid) -> None:
    with pytest.raises(ConfigError, match="layer p2"):
        check_grid("p2", 256, grid)


def test_message_stays_short() -> None:
    with pytest.raises(ConfigError) as raised:
        check_grid("p2", 5040, Grid(11, 1))
    assert str(raised.value).count("frame") <= 14
