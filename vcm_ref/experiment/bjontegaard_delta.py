"""Bjøntegaard's delta between two rate–accuracy curves, and a policy for the curves that it does not fit.

The figures are those of the package ``bjontegaard``. Two interpolations stand side by side: *cubic*, one polynomial of
degree 3, through four points or fitted to more by least squares (G. Bjøntegaard, VCEG-M33, 2001), which published
figures mostly follow; and *PCHIP*, piecewise cubic and monotonic where the points are. The rate is always taken as its
logarithm. BD-rate is the mean difference in rate at equal accuracy, over the accuracies that both curves reach;
BD-accuracy is the mean difference in accuracy at equal rate, over the rates that both have. Nothing is extrapolated.

The policy, of which every use is in :attr:`Comparison.notes`:

1. A point without the rate asked for, with a rate of 0 (which has no logarithm), or with a value that is no finite
   number is left out.
2. Of the rest, each curve keeps its Pareto front. So dominated points go, and with them whatever is not monotonic; of
   points with the same accuracy the cheapest stays, of points with the same rate the most accurate, of equal points
   one.
3. The cubic needs 4 points of either curve. PCHIP needs 2, between which it is a line over the logarithm of the rate.
   With fewer the figure is None.
4. Curves whose ranges have no interval in common have no figure: ranges of accuracy for BD-rate, of rate for
   BD-accuracy.
5. The overlap is what the two ranges have in common over what they span together, which is the package's measure too.
   Below one half a note says so: most of what was measured then has no part in the figure. (The package warns below
   three quarters; over accuracy, one point at a very low rate takes that much, and what is always said is not read.)
6. A cubic that falls somewhere in the range it is integrated over, where its points rise, keeps its figure, with a
   note: that of PCHIP is the one to believe.
7. A figure that the points do not determine numerically, or that is no finite number, is None.
8. A point over fewer pictures than it should be, and an accuracy of 0, which any lower rate has too, are used, with a
   note.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .curve import Curve, Point, pareto_front

MIN_POINTS = {"cubic": 4, "pchip": 2}
"""How many points of either curve an interpolation needs."""

LITTLE_OVERLAP = 0.5

_SAMPLES = 1001  # of a cubic, where it is looked at for falling


@dataclass(frozen=True)
class Comparison:
    """How ``test`` compares with ``anchor``, which are names of curves.

    ``rate`` says which rate: ``bpp`` or ``seed_bpp``. ``rate_cubic`` and ``rate_pchip`` are BD-rates in percent,
    negative where the test needs fewer bits; ``accuracy_cubic`` and ``accuracy_pchip`` are BD-accuracies in points of
    100 times the metric, positive where the test is more accurate. None is a figure that there is not, and a note says
    why.
    ``overlap``, from 0 to 1, is the range of accuracy that both curves cover over the range that they span together.
    ``notes`` is everything that this module's policy did.
    """

    anchor: str
    test: str
    rate: str
    rate_cubic: float | None
    rate_pchip: float | None
    accuracy_cubic: float | None
    accuracy_pchip: float | None
    overlap: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Front:
    """What the policy leaves of a curve, by rising rate; ``label`` says in notes which it is."""

    label: str
    rates: NDArray[np.float64]
    accuracies: NDArray[np.float64]


@dataclass(frozen=True)
class _Figure:
    """One of the two figures: the variable that it is integrated over, and the package's function with its scale."""

    name: str
    over: str
    base: Callable[[_Front], NDArray[np.float64]]
    function: str
    scale: float


_RATE = _Figure("BD-rate", "accuracy", lambda front: front.accuracies, "bd_rate", 1)
_ACCURACY = _Figure("BD-accuracy", "rate", lambda front: np.log10(front.rates), "bd_psnr", 100)


def compare(anchor: Curve, test: Curve, rate: Literal["bpp", "seed_bpp"] = "bpp") -> Comparison:
    """BD-rate and BD-accuracy of ``test`` against ``anchor`` at the rate ``rate``, under this module's policy.

    Raises :class:`~vcm_ref.errors.ConfigError` for curves of different metrics and where the package is not installed.
    """
    if anchor.metric != test.metric:
        raise ConfigError(
            f"{anchor.name} is in {anchor.metric!r} and {test.name} in {test.metric!r}: name a metric that both have"
        )
    notes: list[str] = []
    fronts = _front(f"anchor {anchor.name}", anchor, rate, notes), _front(f"test {test.name}", test, rate, notes)
    methods = _methods(fronts, notes)
    rate_figures = _figures(_RATE, fronts, methods, notes)
    accuracy_figures = _figures(_ACCURACY, fronts, methods, notes)
    return Comparison(
        anchor=anchor.name,
        test=test.name,
        rate=rate,
        rate_cubic=rate_figures.get("cubic"),
        rate_pchip=rate_figures.get("pchip"),
        accuracy_cubic=accuracy_figures.get("cubic"),
        accuracy_pchip=accuracy_figures.get("pchip"),
        overlap=_overlap(_RATE, fronts),
        notes=tuple(notes),
    )


def _front(label: str, curve: Curve, rate: str, notes: list[str]) -> _Front:
    """Rules 1, 2 and 8."""
    usable: list[Point] = []
    for point in curve.points:
        value = point.bpp if rate == "bpp" else point.seed_bpp
        why = _unusable(value, point.accuracy, rate)
        if why is not None:
            notes.append(f"{label}: {_name(point)} left out: {why}")
        elif value is not None:
            usable.append(replace(point, bpp=value))
    kept: list[Point] = []
    for point in pareto_front(usable):
        if not kept or point.bpp > kept[-1].bpp:
            kept.append(point)
    identities = {id(point) for point in kept}
    notes.extend(f"{label}: {_name(p)} left out: {_beaten(p, kept)}" for p in usable if id(p) not in identities)
    for point in kept:
        if point.failed:
            pictures = "1 picture" if point.failed == 1 else f"{point.failed} pictures"
            notes.append(f"{label}: {_name(point)} lacks {pictures} that failed, so it is not over the same pictures")
        if point.accuracy == 0:
            notes.append(f"{label}: {_name(point)} has accuracy 0, which any lower rate has too")
    return _Front(label, np.array([point.bpp for point in kept]), np.array([point.accuracy for point in kept]))


def _unusable(rate: float | None, accuracy: float, name: str) -> str | None:
    if rate is None:
        return f"it has no {name}"
    if not math.isfinite(rate) or not math.isfinite(accuracy):
        return f"its {name} or its accuracy is no finite number"
    return None if rate > 0 else f"its {name} is {rate:g}, which has no logarithm"


def _beaten(point: Point, kept: Iterable[Point]) -> str:
    """Why ``point`` is none of the ``kept`` ones, one of which is at least as good."""
    better = next(other for other in kept if other.bpp <= point.bpp and other.accuracy >= point.accuracy)
    if better.accuracy > point.accuracy:
        return f"{_name(better)} costs {'less' if better.bpp < point.bpp else 'as much'} and is more accurate"
    return f"{_name(better)} is as accurate and costs {'less' if better.bpp < point.bpp else 'as much'}"


def _name(point: Point) -> str:
    place = f"{point.bpp:.4g} bpp, {100 * point.accuracy:.2f} %"
    return f"the point at {place}" if point.qp is None else f"QP {point.qp} ({place})"


def _methods(fronts: tuple[_Front, _Front], notes: list[str]) -> list[str]:
    """The interpolations that the fronts have enough points for."""
    for method, needed in MIN_POINTS.items():
        for front in fronts:
            if len(front.rates) < needed:
                points = {0: "no point", 1: "1 point"}.get(len(front.rates), f"{len(front.rates)} points")
                notes.append(f"no {method} figure: {front.label} has {points}, and {method} needs {needed}")
    return [name for name, needed in MIN_POINTS.items() if all(len(front.rates) >= needed for front in fronts)]


def _overlap(figure: _Figure, fronts: tuple[_Front, _Front]) -> float:
    """What the fronts' ranges have in common over what they span together, from 0 to 1."""
    bases = [figure.base(front) for front in fronts]
    if not all(len(base) for base in bases):
        return 0.0
    low, high = max(base.min() for base in bases), min(base.max() for base in bases)
    span = max(base.max() for base in bases) - min(base.min() for base in bases)
    return float((high - low) / span) if high > low else 0.0


def _figures(
    figure: _Figure, fronts: tuple[_Front, _Front], methods: list[str], notes: list[str]
) -> dict[str, float | None]:
    """The figure by each of ``methods``; rules 4 to 7."""
    if not methods:
        return {}
    share = _overlap(figure, fronts)
    if share == 0:
        notes.append(f"no {figure.name}: the curves have no range of {figure.over} in common")
        return {}
    if share < LITTLE_OVERLAP:
        notes.append(
            f"{figure.name} is over {100 * share:.0f} % of the range of {figure.over} that the curves span together: "
            "measure points that bring their ends closer"
        )
    return {method: _delta(figure, fronts, method, notes) for method in methods}


def _delta(figure: _Figure, fronts: tuple[_Front, _Front], method: str, notes: list[str]) -> float | None:
    package = _package()
    anchor, test = fronts
    arrays = anchor.rates, anchor.accuracies, test.rates, test.accuracies
    what = f"{figure.name} ({method})"
    # The package says what it doubts by warnings, which belong into the report.
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        try:
            # The overlap is judged here, by this module's rule.
            value, *interpolators = getattr(package, figure.function)(
                *arrays, method, require_matching_points=False, interpolators=True, min_overlap=0
            )
        except (ValueError, np.linalg.LinAlgError) as error:
            notes.append(f"no {what}: the points cannot be interpolated: {error}")
            return None
    if not np.isfinite(value) or any(issubclass(doubt.category, np.exceptions.RankWarning) for doubt in doubts):
        notes.append(f"no {what}: the points lie too close together to determine it")
        return None
    notes.extend(f"{what}: the package bjontegaard warns: {doubt.message}" for doubt in doubts)
    if method == "cubic":
        for front, interpolator in zip(fronts, interpolators, strict=True):
            _note_falling(figure, front, fronts, interpolator, notes)
    return figure.scale * float(value)


def _note_falling(
    figure: _Figure, front: _Front, fronts: tuple[_Front, _Front], interpolator: Any, notes: list[str]
) -> None:
    """Rule 6; ``interpolator`` is that of ``front``."""
    bases = [figure.base(one) for one in fronts]
    places = np.linspace(max(base.min() for base in bases), min(base.max() for base in bases), _SAMPLES)
    values = interpolator(places)
    falling = float(np.mean(np.diff(values) < -1e-9 * np.ptp(values)))
    if falling:
        notes.append(
            f"{figure.name} (cubic): the cubic of {front.label} falls over {100 * falling:.2g} % of the range, "
            "where its points rise: believe PCHIP instead"
        )


def _package() -> Any:
    # Imported here because it brings pyplot, which takes a second.
    try:
        import bjontegaard
    except ImportError as error:
        raise ConfigError("BD-rate needs bjontegaard, which is not installed: pip install bjontegaard") from error
    return bjontegaard
