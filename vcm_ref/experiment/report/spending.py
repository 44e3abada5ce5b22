"""Where the bits went: each method's rate by part, at one point that can be compared across methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...bitstream.elements import Part
from ..curve import pareto_front
from .method import Method

SHARE_OF_UNCOMPRESSED = 0.95
"""Of the accuracy without coding: what is left where a codec is still of use, and what most curves pass through."""


@dataclass(frozen=True)
class Spending:
    """One point of a method: ``parts`` is bpp by part of the rate, in the order of :class:`Part`; their sum is ``bpp``.

    ``wanted`` is the accuracy that the point was chosen to be nearest to.
    """

    method: Method
    qp: int | None
    bpp: float
    accuracy: float
    wanted: float
    parts: dict[str, float]


def target(methods: Sequence[Method]) -> tuple[dict[str, float], str]:
    """For each method the accuracy at which to look, and in words what it is.

    It is 95 % of the method's uncompressed accuracy; without that, of the highest that any point of any method has.
    """
    metric = methods[0].curve.metric
    highest = max((point.accuracy for method in methods for point in method.curve.points), default=0.0)
    wanted, replaced = {}, []
    for method in methods:
        uncompressed = method.curve.uncompressed
        if uncompressed is None:
            replaced.append(method.name)
        wanted[method.name] = SHARE_OF_UNCOMPRESSED * (highest if uncompressed is None else uncompressed)
    share = f"{100 * SHARE_OF_UNCOMPRESSED:.0f} % of uncompressed"
    text = f"the point of each method's Pareto front whose {metric} is nearest to {share}"
    if replaced:
        text += f" (of the highest {metric} of all points for {', '.join(replaced)}, whose uncompressed is not known)"
    return wanted, text


def spendings(methods: Sequence[Method]) -> list[Spending]:
    """Give what each method spends at the comparable point; methods without points whose bits are stated are left out.

    The point is one of the Pareto front over all of the method's points: one that is beaten says nothing of a method.
    Of points that are equally near, the cheaper.
    """
    wanted, _ = target(methods)
    found = []
    for method in methods:
        metric, aim = method.curve.metric, wanted[method.name]
        front = {(point.bpp, point.accuracy) for point in pareto_front(method.curve.points)}
        best = (point for point in method.points if (point["bpp"], point["metrics"][metric]) in front)
        points = [point for point in best if point.get("bits") and point.get("pixels")]
        if points:
            point = min(points, key=lambda point: (abs(point["metrics"][metric] - aim), point["bpp"]))
            parts = {name: bits / point["pixels"] for name, bits in ordered_parts(point["bits"]).items()}
            accuracy = float(point["metrics"][metric])
            found.append(Spending(method, point.get("qp"), point["bpp"], accuracy, aim, parts))
    return found


def ordered_parts(bits: dict[str, int]) -> dict[str, int]:
    """The parts in the order of :class:`Part`, then whatever else there is, by name."""
    names = [part.value for part in Part]
    return {name: bits[name] for name in sorted(bits, key=lambda name: _place(names, name))}


def _place(names: Sequence[str], name: str) -> tuple[int, str]:
    return (names.index(name) if name in names else len(names), name)
