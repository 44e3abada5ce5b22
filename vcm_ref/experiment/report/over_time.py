"""The rate of sequences over time: of each picture, or the mean of each group that is coded together."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from ...reporting.report import kilobits_a_second
from .drawing import curve_look, house_style, new_figure, plain_numbers, saved
from .method import Method

_WIDTH, _HEIGHT = 7.6, 3.6  # inches


class OverTime(NamedTuple):
    """A method's point in the middle of its QPs: ``rates`` in kbit/s, from ``starts`` on, in seconds, to ``end``."""

    method: Method
    qp: int | None
    starts: list[float]
    rates: list[float]
    end: float


def found_over_time(methods: Sequence[Method]) -> list[OverTime]:
    """The methods of sequences whose pictures all have a result at that point."""
    found = []
    for method in methods:
        rate = method.anchor_file.get("data", {}).get("frame_rate") if method.anchor_file else None
        points = [point for point in method.points if not point.get("failed")]
        if rate is None or not points:
            continue
        point, frame_rate = points[len(points) // 2], Fraction(rate)
        sizes = [int(picture["bytes"]) for picture in point["pictures"]]
        group = int(method.anchor_file["configuration"].get("group", 1))
        groups = [sizes[start : start + group] for start in range(0, len(sizes), group)]
        starts = [float(start / frame_rate) for start in range(0, len(sizes), group)]
        rates = [kilobits_a_second(8 * sum(own), len(own) / frame_rate) for own in groups]
        found.append(OverTime(method, point.get("qp"), starts, rates, float(len(sizes) / frame_rate)))
    return found


def drawn_over_time(found: Sequence[OverTime]) -> dict[str, bytes]:
    """``over_time.png`` and ``.svg``: kbit/s over seconds, a line of steps for each method."""
    with house_style():
        figure = new_figure(_WIDTH, _HEIGHT)
        axes = figure.add_subplot()
        handles, labels = [], []
        for index, one in enumerate(found):
            look = {**curve_look(index), "marker": ""}
            handles += axes.step([*one.starts, one.end], [*one.rates, one.rates[-1]], where="post", **look)
            labels.append(f"{one.method.name}" + ("" if one.qp is None else f", QP {one.qp}"))
        axes.set_yscale("log")
        plain_numbers(axes.yaxis)
        axes.set_xlabel("seconds")
        axes.set_ylabel("kbit/s (logarithmic)")
        figure.legend(handles, labels, loc="outside right upper")
        return saved(figure, "over_time")
