"""Notes on a comparison of two curves: each is data, and its sentence is made where it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from .curve import Point


class Kind(Enum):
    """What was done or found; the comments say which fields of :class:`Note` the sentence needs."""

    NO_RATE = "a point has no such rate"  # point, rate
    NOT_FINITE = "a value of a point is not a finite number"  # point, rate
    NO_LOGARITHM = "a rate is 0 or less"  # point, rate, value
    BEATEN = "another point is at least as good"  # point, other
    LACKS_PICTURES = "a point is over fewer pictures"  # point, value
    ACCURACY_0 = "a point has accuracy 0"  # point
    FEW_POINTS = "a curve has too few points"  # method, value (how many it has), needed
    NOTHING_IN_COMMON = "the ranges have nothing in common"  # figure, over
    LITTLE_OVERLAP = "the ranges have little in common"  # figure, over, value (percent)
    NOT_INTERPOLATED = "the points cannot be interpolated"  # figure, method, text
    NOT_DETERMINED = "the points do not determine the figure"  # figure, method
    WARNED = "the package warned"  # figure, method, text
    FALLS = "a cubic falls where its points rise"  # figure, method, value (percent)


#: The interpolations as sentences name them.
_METHODS = {"cubic": "the cubic", "pchip": "PCHIP"}
#: Kinds that are about the points of one curve, whatever it is compared with.
OF_POINTS = {Kind.NO_RATE, Kind.NOT_FINITE, Kind.NO_LOGARITHM, Kind.BEATEN, Kind.LACKS_PICTURES, Kind.ACCURACY_0}
#: Kinds that say why there is no figure.
NO_FIGURE = {Kind.FEW_POINTS, Kind.NOTHING_IN_COMMON, Kind.NOT_INTERPOLATED, Kind.NOT_DETERMINED}


@dataclass(frozen=True)
class Note:
    """One note. ``side`` and ``curve`` say which curve it is about, where it is about one.

    ``figure`` is ``BD-rate`` or ``BD-accuracy``, ``over`` the variable of its range, ``method`` the interpolation, and
    ``rate`` the name of the rate. The other fields are as :class:`Kind` says.
    """

    kind: Kind
    side: Literal["anchor", "test", ""] = ""
    curve: str = ""
    figure: str = ""
    over: str = ""
    method: str = ""
    rate: str = ""
    point: Point | None = None
    other: Point | None = None
    value: float = 0
    needed: int = 0
    text: str = ""

    def __str__(self) -> str:
        """Give the sentence; one about points begins with their curve."""
        return f"{self.side} {self.curve}: {self.sentence}" if self.kind in OF_POINTS else self.sentence

    @property
    def sentence(self) -> str:
        """Give the sentence without the curve that its points are of."""
        what = f"{self.figure} with {_METHODS.get(self.method, self.method)}"
        match self.kind:
            case Kind.NO_RATE:
                return f"{_name(self.point)} is left out: it does not have the rate {self.rate}"
            case Kind.NOT_FINITE:
                return f"{_name(self.point)} is left out: its {self.rate} or its accuracy is not a finite number"
            case Kind.NO_LOGARITHM:
                return f"{_name(self.point)} is left out: its {self.rate} is {self.value:g}, and must be above 0"
            case Kind.BEATEN:
                return f"{_name(self.point)} is left out: {_beaten(self.point, self.other)}"
            case Kind.LACKS_PICTURES:
                pictures = "1 picture" if self.value == 1 else f"{self.value:g} pictures"
                return f"{_name(self.point)} does not cover the same pictures: {pictures} failed"
            case Kind.ACCURACY_0:
                return f"{_name(self.point)} has accuracy 0; lower rates would have it too"
            case Kind.FEW_POINTS:
                points = {0: "none"}.get(int(self.value), f"{self.value:g}")
                name = _METHODS.get(self.method, self.method)
                return f"{name} needs {self.needed} points, and {self.side} {self.curve} has {points}"
            case Kind.NOTHING_IN_COMMON:
                return f"{self.figure} cannot be computed: the curves do not overlap in {self.over}"
            case Kind.LITTLE_OVERLAP:
                return (
                    f"{self.figure} covers only {self.value:.0f} % of the range of {self.over} that the two curves "
                    "span together; measure points that bring the ends of the curves closer"
                )
            case Kind.NOT_INTERPOLATED:
                return f"{what} cannot be computed: the points cannot be interpolated: {self.text}"
            case Kind.NOT_DETERMINED:
                return f"{what} cannot be computed: the points are too close together"
            case Kind.WARNED:
                return f"{what}: the package bjontegaard warns: {self.text}"
            case Kind.FALLS:
                return (
                    f"{what}: the cubic of {self.side} {self.curve} falls over {self.value:.2g} % of the range, "
                    "although its points rise; trust PCHIP"
                )


def _name(point: Point | None) -> str:
    assert point is not None
    place = f"{point.bpp:.4g} bpp, {100 * point.accuracy:.2f} %"
    return f"the point at {place}" if point.qp is None else f"QP {point.qp} ({place})"


def _beaten(point: Point | None, better: Point | None) -> str:
    assert point is not None
    assert better is not None
    cost = f"costs {'less' if better.bpp < point.bpp else 'as much'}"
    if better.accuracy > point.accuracy:
        return f"{_name(better)} {cost} and is more accurate"
    return f"{_name(better)} is as accurate and {cost}"
