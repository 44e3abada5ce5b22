"""A figure of a KLT: the energy that the first components have, and the bits of each component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..files.atomic import atomic_file


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_components(path: Path, shares: Sequence[float], bits: Mapping[int, Sequence[float]]) -> None:
    """Write a PNG: the ``shares`` of the energy by number of components, and ``bits`` by component for some QPs."""
    from ..experiment.report.drawing import COLOURS, house_style, new_figure, saved

    with house_style():
        figure = new_figure(9, 4)
        energy, rate = figure.subplots(1, 2)
        numbers = range(1, len(shares) + 1)
        energy.plot(numbers, shares, color=COLOURS[0])
        energy.set(xlabel="components", ylabel="share of the energy", ylim=(0, 1))
        for colour, (qp, own) in zip(COLOURS, bits.items(), strict=False):
            rate.plot(numbers, own, color=colour, label=f"QP {qp}")
        rate.set(xlabel="component", ylabel="bits of a position, ideal coder")
        rate.legend()
        content = saved(figure, "components")["components.png"]
    with atomic_file(path) as file:
        file.write(content)
