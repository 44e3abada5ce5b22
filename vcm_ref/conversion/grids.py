"""Grids: how many maps a frame holds. The rules that choose one, and the check of a chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from vcm_ref.bitstream.values import Grid, Packing
from vcm_ref.errors import ConfigError

LONGEST_SIDE = 16384
"""The longest side of a frame that a grid is chosen for, in samples; level 6.2 of H.266 and H.265 allows 16888."""

_SUGGESTIONS = 12  # the most grids an error message lists


def default_grid(channels: int) -> Grid:
    """Return the grid of all ``channels`` maps that is nearest to square, with no fewer columns than rows."""
    rows = next(rows for rows in range(isqrt(channels), 0, -1) if channels % rows == 0)
    return Grid(channels // rows, rows)


def frame_grid(shape: tuple[int, int, int]) -> Grid:
    """Return the grid of a layer ``(C, H, W)`` with packing ``FRAMES`` where the configuration gives none.

    It is the default grid of all maps. Where that frame had a side above `LONGEST_SIDE`, as the strip of a large prime
    number of maps has, it is the default grid of the most maps that divide C and stay within it, so that the layer
    takes several frames.
    """
    channels, height, width = shape
    maps = (channels // frames for frames in range(1, channels + 1) if channels % frames == 0)
    fitting = (grid for grid in map(default_grid, maps) if _longest_side(grid, height, width) <= LONGEST_SIDE)
    return next(fitting, Grid(1, 1))


def _longest_side(grid: Grid, height: int, width: int) -> int:
    return max(grid.columns * width, grid.rows * height)


def stacked_grids(shapes: Sequence[tuple[int, int, int]]) -> list[Grid]:
    """Return a grid for each layer ``(C, H, W)`` of packing ``STACKED``.

    The first layer takes its default grid. Each further layer takes the most columns that divide its channels
    and keep it within the width of the first (one column where none do). A dyadic pyramid of 256 channels
    gets 16x16, 32x8, 64x4 and 128x2, all equally wide: the grids of the MPEG-VCM feature anchor m58786.
    """
    first_channels, _, first_width = shapes[0]
    grids = [default_grid(first_channels)]
    frame_width = grids[0].columns * first_width
    for channels, _, width in shapes[1:]:
        most = min(channels, frame_width // width)
        columns = next((columns for columns in range(most, 0, -1) if channels % columns == 0), 1)
        grids.append(Grid(columns, channels // columns))
    return grids


def check_grid(layer: str, channels: int, grid: Grid, packing: Packing = Packing.FRAMES) -> None:
    """Check that ``grid`` holds the layer's ``channels`` maps in full frames; with ``STACKED``, in one frame.

    Raises `ConfigError` that names the layer and lists grids that fit: for each number of frames the one
    nearest to square; with ``STACKED`` those of all maps. Where there are many, it lists the nearest to the one
    asked for.
    """
    stacked = packing == Packing.STACKED
    fits = grid.columns > 0 and grid.rows > 0 and channels % grid.maps == 0
    if fits and (not stacked or grid.maps == channels):
        return
    divisors = [number for number in range(1, channels + 1) if channels % number == 0]
    if stacked:
        fitting = [Grid(columns, channels // columns) for columns in divisors]
        fitting.sort(key=lambda fit: abs(fit.columns - grid.columns))
        listed = ", ".join(str(fit) for fit in sorted(fitting[:_SUGGESTIONS], key=lambda fit: fit.rows))
        problem = f"does not hold its {channels} maps in one frame"
    else:
        fitting = [default_grid(maps) for maps in divisors]
        fitting.sort(key=lambda fit: abs(fit.maps - grid.maps))
        listed = ", ".join(
            f"{fit} ({channels // fit.maps} {'frame' if fit.maps == channels else 'frames'})"
            for fit in sorted(fitting[:_SUGGESTIONS], key=lambda fit: -fit.maps)
        )
        problem = f"does not divide its {channels} maps into full frames"
    raise ConfigError(f"layer {layer}: grid {grid} {problem}; grids that fit: {listed}")
