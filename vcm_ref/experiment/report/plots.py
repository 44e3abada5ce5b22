"""The report's figures: accuracy over rate, and where the bits went."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...bitstream.elements import Part
from ...reporting.printable import printable
from ..curve import pareto_front
from .content import upper_part
from .drawing import GREY, bpp_axis, curve_look, house_style, new_figure, saved
from .method import Method
from .numbers import interval_text, signed
from .spending import Spending, ordered_parts
from .standing import Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _LEAST_HEIGHT = 7.6, 4.4  # inches
_LINE_HEIGHT = 0.15  # of a legend, inches
_SHADE = 0.15
_LONG = 28  # letters of a name in a legend's line
_PART_COLOURS = {
    Part.HEADER.value: "#D55E00",
    Part.REORDER.value: "#009E73",
    Part.PARAMETER_SETS.value: "#E69F00",
    Part.CODED_DATA.value: "#9CC7E6",
    Part.DIGEST.value: "#CC79A7",
}


def rate_accuracy(standings: Sequence[Standing], methods: Sequence[Method], anchor: Method) -> dict[str, bytes]:
    """``rate_accuracy.png`` and ``.svg``, and, where it is known what is reached without coding, ``upper``.

    A curve for each method; the legend beside it is in the order of the table.
    """
    least = upper_part(methods)
    files = _curves(standings, methods, anchor, "rate_accuracy", None)
    return files if least is None else files | _curves(standings, methods, anchor, "upper", least)


def _curves(
    standings: Sequence[Standing], methods: Sequence[Method], anchor: Method, name: str, least: float | None
) -> dict[str, bytes]:
    others = [method for method in methods if method is not anchor]
    looks = {method.name: curve_look(index) for index, method in enumerate([anchor, *others])}
    with house_style():
        figure = new_figure(_WIDTH, _LEAST_HEIGHT)
        axes = figure.add_subplot()
        handles, labels = [], []
        for standing in standings:
            points = sorted(standing.method.curve.points, key=lambda point: point.bpp)
            bpps, accuracies = [point.bpp for point in points], [point.accuracy for point in points]
            handles += axes.plot(bpps, accuracies, **looks[standing.method.name])
            labels.append(f"{shortened(standing.method.name)}\n{_against(standing)}")
            _shade(axes, standing.method, looks[standing.method.name]["color"])
            kept = {id(point) for point in pareto_front(points)}
            beaten = [point for point in points if id(point) not in kept]
            hollow = {**looks[standing.method.name], "linestyle": "", "markerfacecolor": "white"}
            axes.plot([point.bpp for point in beaten], [point.accuracy for point in beaten], **hollow)
        known = {m.curve.uncompressed for m in methods if m.curve.uncompressed is not None}
        for accuracy in sorted(known, reverse=True):
            handles.append(axes.axhline(accuracy, color=GREY, linestyle=(0, (5, 3)), linewidth=1.2, zorder=1))
            labels.append(f"uncompressed {accuracy:.4f}")
        bpp_axis(axes)
        if least is not None:
            shown = [point for method in methods for point in method.curve.points if point.accuracy >= least]
            low, high = min(point.bpp for point in shown), max(point.bpp for point in shown)
            top = max([*known, *(point.accuracy for point in shown)])
            axes.set_xlim(low / 1.15, high * 1.15)
            axes.set_ylim(least, top + 0.05 * (top - least))
        axes.set_ylabel(printable(anchor.curve.metric))
        lines = sum(1 + label.count("\n") for label in labels)
        figure.set_figheight(max(_LEAST_HEIGHT, _LINE_HEIGHT * (lines + 0.7 * len(labels) + 1)))
        figure.legend(handles, labels, loc="outside right upper", labelspacing=0.7, handlelength=2.6)
        return saved(figure, name)


def bits(found: Sequence[Spending]) -> dict[str, bytes]:
    """``bits.png`` and ``.svg``: on the left bpp by part, on the right what is not coded data in percent."""
    parts = list(ordered_parts({name: 0 for spending in found for name in spending.parts}))
    # Coded data first, as it is most of every bar: so the other parts end it and can be seen.
    parts.sort(key=lambda name: name != Part.CODED_DATA.value)
    rows = range(len(found))
    with house_style():
        figure = new_figure(_WIDTH, 1.5 + 0.5 * len(found))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        handles = []
        for axes in (left, right):
            starts = [0.0] * len(found)
            for name in parts:
                if axes is right and name == Part.CODED_DATA.value:
                    continue
                whole = [spending.bpp / 100 if axes is right else 1.0 for spending in found]
                widths = [
                    spending.parts.get(name, 0.0) / unit if unit else 0.0
                    for spending, unit in zip(found, whole, strict=True)
                ]
                colour = _PART_COLOURS.get(name, GREY)
                drawn = axes.barh(rows, widths, 0.62, starts, color=colour, edgecolor="white", linewidth=0.4)
                starts = [start + width for start, width in zip(starts, widths, strict=True)]
                if axes is left:
                    handles.append(drawn)
            axes.grid(visible=False, axis="y")
            axes.set_ylim(len(found) - 0.45, -0.55)
            axes.tick_params(axis="y", length=0)
            axes.set_xlim(0, max([*starts, 1e-6]) * (1.42 if axes is left else 1.15))
            for row, (spending, end) in enumerate(zip(found, starts, strict=True)):
                axes.annotate(
                    _total(spending) if axes is left else f"{end:.1f} %",
                    (end, row),
                    xytext=(4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
                )
        left.set_yticks(rows, [shortened(spending.method.name) for spending in found])
        left.set_xlabel("bpp")
        right.set_xlabel("all but the coded data, % of the rate")
        figure.legend(handles, parts, loc="outside upper center", ncols=len(parts), handlelength=1.2)
        return saved(figure, "bits")


def shortened(name: str) -> str:
    """A name on at most two lines, so that a figure has room for its curves."""
    name = printable(name)
    return "\n".join(textwrap.wrap(name, _LONG, max_lines=2, placeholder=" …")) or name


def _shade(axes: Axes, method: Method, colour: str) -> None:
    """The interval of the accuracy at each point."""
    points = sorted((point for point in method.curve.points if point.qp is not None), key=lambda point: point.bpp)
    found = [(point.bpp, method.interval(point.qp, method.curve.metric)) for point in points]
    known = [(bpp, interval) for bpp, interval in found if interval is not None and interval.known]
    if known:
        lows, highs = ([getattr(interval, end) for _, interval in known] for end in ("low", "high"))
        axes.fill_between([bpp for bpp, _ in known], lows, highs, color=colour, alpha=_SHADE, linewidth=0, zorder=1.5)


def _against(standing: Standing) -> str:
    if standing.full is None:
        return "anchor"
    if standing.rate is None:
        return "no BD-rate"
    interval = standing.certainty.rate if standing.certainty else None
    ends = interval_text(interval.ends(), 1, sign=True) if interval else ""
    return f"{signed(standing.rate, 1)} % BD-rate{chr(10) if ends else ''}{ends}"


def _total(spending: Spending) -> str:
    qp = "" if spending.qp is None else f"QP {spending.qp}, "
    return f"{spending.bpp:.4f} ({qp}{spending.method.curve.metric} {spending.accuracy:.3f})"
