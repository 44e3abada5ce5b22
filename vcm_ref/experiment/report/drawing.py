"""The looks of all figures, and figures as files that are the same bytes for the same content."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DOTS_PER_INCH = 200
GREY = "#6b7280"

#: Okabe and Ito's colours, told apart with any colour vision; their black is the anchor's, their yellow lost on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">")
#: The next six curves have the next of these.
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # the one that matplotlib carries
    "font.size": 9,
    "text.parse_math": False,  # a name may hold a dollar
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#1c1e21",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "legend.frameon": False,
    "svg.fonttype": "path",  # looks the same where the font is not
    "svg.hashsalt": "vcm_ref",  # else matplotlib makes ids up
    "savefig.dpi": DOTS_PER_INCH,
}


@contextmanager
def house_style() -> Iterator[None]:
    """All figures are made and saved within it: no user's settings of matplotlib's play a part."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of that many inches, its parts kept from overlapping. No window is ever opened."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def saved(figure: Figure, name: str) -> dict[str, bytes]:
    """The files ``name.png`` and ``name.svg``, without date or version in them."""
    files = {}
    no_metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    }
    for suffix, metadata in no_metadata.items():
        file = BytesIO()
        figure.savefig(file, format=suffix, metadata=metadata)
        files[f"{name}.{suffix}"] = file.getvalue()
    return files


def curve_look(index: int) -> dict[str, Any]:
    """The looks of the curve of that index; 0 is the anchor's, and no other is black."""
    if index == 0:
        return {"color": "black", "marker": "o", "linewidth": 2.0, "zorder": 3}
    other = index - 1
    return {
        "color": COLOURS[other % len(COLOURS)],
        "marker": MARKERS[other % len(MARKERS)],
        "linestyle": DASHES[other // len(COLOURS) % len(DASHES)],
        "linewidth": 1.5,
        "zorder": 2.5,
    }


def bpp_axis(axes: Axes) -> None:
    """A logarithmic axis of bpp for what is drawn."""
    axes.set_xlabel("bpp (every byte of the bitstream; logarithmic)")
    if math.isfinite(axes.xaxis.get_minpos()):  # something is drawn that has a logarithm
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)


def plain_numbers(axis: Axis) -> None:
    """Numbers of a logarithmic axis as people write them: 0.05, 0.1, 0.2, 0.5 …"""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
