"""The plot of Rhee et al.'s Figure 7: accuracy over rate for all combinations of grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...reporting.printable import printable
from .combinations import PUBLISHED_BEST, Combination, Combinations
from .drawing import GREY, MARKERS, bpp_axis, house_style, new_figure, saved
from .numbers import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_DOT = "#c2c9d2"
_BEST = "#D55E00"
_SEED = "#CC79A7"


def combinations_plot(found: Combinations) -> dict[str, bytes]:
    """``combinations.png`` and ``.svg``."""
    with house_style():
        from matplotlib import colormaps

        figure = new_figure(7.6, 4.8)
        axes = figure.add_subplot()
        every = [point for _, point in found.alike]
        bpps, accuracies = [point.bpp for point in every], [point.accuracy for point in every]
        handles = axes.plot(bpps, accuracies, linestyle="", marker="o", markersize=2.2, color=_DOT, markeredgewidth=0)
        labels = [f"all combinations ({len(found.all)})"]
        uniform = sorted((one for one in found.all if one.uniform), key=lambda one: _place(one, found))
        ramp = colormaps["viridis"]  # the grids have an order, and so have these colours, in lightness too
        for number, one in enumerate(uniform):
            marker, colour = MARKERS[number % len(MARKERS)], ramp(0.78 * (1 - number / max(1, len(uniform) - 1)))
            handles += _curve(axes, one, color=colour, marker=marker, markersize=4.5, linewidth=1.2, zorder=3)
            labels.append(f"uniform {one.grids[0]}")
        if not found.reference.uniform:  # layers of different numbers of maps: each in one frame
            handles += _curve(axes, found.reference, color="black", marker="D", markersize=4, linestyle=":", zorder=3)
            labels.append(f"largest grids\n{_name(found.reference)}")
        front = [point for _, point in found.front]
        handles += axes.plot(
            [point.bpp for point in front],
            [point.accuracy for point in front],
            color="black",
            linewidth=1.0,
            zorder=4,
            drawstyle="steps-post",
        )
        labels.append(f"Pareto front ({len(front)})")
        handles += _curve(axes, found.best, color=_BEST, marker="o", markersize=5, linewidth=3.2, zorder=5)
        labels.append(f"best: {signed(found.best.rate, 1)} % BD-rate\n{_name(found.best)}")
        seed = found.found(PUBLISHED_BEST)
        if seed is not None:
            look = {"color": _SEED, "markeredgecolor": "black", "markeredgewidth": 0.5}
            handles += _curve(
                axes, seed, marker="*", markersize=8, linestyle=(0, (4, 2)), linewidth=1.4, zorder=6, **look
            )
            labels.append(f"Rhee et al.'s best\n{_name(seed)}")
        if found.uncompressed is not None:
            handles.append(axes.axhline(found.uncompressed, color=GREY, linestyle=(0, (5, 3)), linewidth=1.2, zorder=1))
            labels.append("uncompressed")
        bpp_axis(axes)
        axes.set_ylabel(printable(found.metric))
        figure.legend(handles, labels, loc="outside right upper", labelspacing=0.7, handlelength=2.4)
        return saved(figure, "combinations")


def _curve(axes: Axes, one: Combination, **look: Any) -> list[Line2D]:
    points = sorted(one.curve.points, key=lambda point: point.bpp)
    return axes.plot([point.bpp for point in points], [point.accuracy for point in points], **look)


def _place(one: Combination, found: Combinations) -> int:
    return list(found.document["grids"]).index(one.grids[0])


def _name(one: Combination) -> str:
    """On lines of two layers each, as a legend is narrow."""
    pairs = [", ".join(one.grids[start : start + 2]) for start in range(0, len(one.grids), 2)]
    return "{" + ",\n ".join(pairs) + "}"
