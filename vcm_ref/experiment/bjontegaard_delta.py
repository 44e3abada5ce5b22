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
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .bd_note import Kind, Note
from .curve import Curve, Point, pareto_front

MIN_POINTS = {"cubic": 4, "pchip": 2}
"""How many points of either curve an interpolation needs."""

LITTLE_OVERLAP = 0.5

_SAMPLES = 1001  # of a cubic, where it is looked at for falling


@dataclass(frozen=True)
class Comparison:
    """How ``test`` compares with ``anchor``, which are names of curves.

    ``rate`` says which rate: ``bpp`` or ``rhee2022_bpp``. ``rate_cubic`` and ``rate_pchip`` are BD-rates in percent,
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
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Front:
    """What the policy leaves of a curve, by rising rate; ``side`` and ``curve`` say which it is."""

    side: Literal["anchor", "test"]
    curve: str
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


def compare(anchor: Curve, test: Curve, rate: Literal["bpp", "rhee2022_bpp"] = "bpp") -> Comparison:
    """BD-rate and BD-accuracy of ``test`` against ``anchor`` at the rate ``rate``, under this module's policy.

    Raises :class:`~vcm_ref.errors.ConfigError` for curves of different metrics and where the package is not installed.
    """
    if anchor.metric != test.metric:
        raise ConfigError(
            f"{anchor.name} is in {anchor.metric!r} and {test.name} in {test.metric!r}: name a metric that both have"
        )
    notes: list[Note] = []
    fronts = _front("anchor", anchor, rate, notes), _front("test", test, rate, notes)
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


def _front(side: Literal["anchor", "test"], curve: Curve, rate: str, notes: list[Note]) -> _Front:
    """Rules 1, 2 and 8."""

    def note(kind: Kind, point: Point, **facts: Any) -> None:
        notes.append(Note(kind, side, curve.name, point=point, **facts))

    usable: list[Point] = []
    for point in curve.points:
        value = point.bpp if rate == "bpp" else point.rhee2022_bpp
        if value is None:
            note(Kind.NO_RATE, point, rate=rate)
        elif not math.isfinite(value) or not math.isfinite(point.accuracy):
            note(Kind.NOT_FINITE, point, rate=rate)
        elif value <= 0:
            note(Kind.NO_LOGARITHM, point, rate=rate, value=value)
        else:
            usable.append(replace(point, bpp=value))
    kept: list[Point] = []
    for point in pareto_front(usable):
        if not kept or point.bpp > kept[-1].bpp:
            kept.append(point)
    identities = {id(point) for point in kept}
    for point in usable:
        if id(point) not in identities:
            better = next(one for one in kept if one.bpp <= point.bpp and one.accuracy >= point.accuracy)
            note(Kind.BEATEN, point, other=better)
    for point in kept:
        if point.failed:
            note(Kind.LACKS_PICTURES, point, value=point.failed)
        if point.accuracy == 0:
            note(Kind.ACCURACY_0, point)
    return _Front(side, curve.name, np.array([p.bpp for p in kept]), np.array([p.accuracy for p in kept]))


def _methods(fronts: tuple[_Front, _Front], notes: list[Note]) -> list[str]:
    """The interpolations that the fronts have enough points for."""
    for method, needed in MIN_POINTS.items():
        for front in fronts:
            if len(front.rates) < needed:
                few = Note(Kind.FEW_POINTS, front.side, front.curve, method=method, needed=needed)
                notes.append(replace(few, value=len(front.rates)))
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
    figure: _Figure, fronts: tuple[_Front, _Front], methods: list[str], notes: list[Note]
) -> dict[str, float | None]:
    """The figure by each of ``methods``; rules 4 to 7."""
    if not methods:
        return {}
    share = _overlap(figure, fronts)
    if share == 0:
        notes.append(Note(Kind.NOTHING_IN_COMMON, figure=figure.name, over=figure.over))
        return {}
    if share < LITTLE_OVERLAP:
        notes.append(Note(Kind.LITTLE_OVERLAP, figure=figure.name, over=figure.over, value=100 * share))
    return {method: _delta(figure, fronts, method, notes) for method in methods}


def _delta(figure: _Figure, fronts: tuple[_Front, _Front], method: str, notes: list[Note]) -> float | None:
    package = _package()
    anchor, test = fronts
    arrays = anchor.rates, anchor.accuracies, test.rates, test.accuracies
    # The package says what it doubts by warnings, which belong into the report.
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        try:
            # The overlap is judged here, by this module's rule.
            value, *interpolators = getattr(package, figure.function)(
                *arrays, method, require_matching_points=False, interpolators=True, min_overlap=0
            )
        except (ValueError, np.linalg.LinAlgError) as error:
            notes.append(Note(Kind.NOT_INTERPOLATED, figure=figure.name, method=method, text=str(error)))
            return None
    if not np.isfinite(value) or any(issubclass(doubt.category, np.exceptions.RankWarning) for doubt in doubts):
        notes.append(Note(Kind.NOT_DETERMINED, figure=figure.name, method=method))
        return None
    warned = Note(Kind.WARNED, figure=figure.name, method=method)
    notes.extend(replace(warned, text=str(doubt.message)) for doubt in doubts)
    if method == "cubic":
        for front, interpolator in zip(fronts, interpolators, strict=True):
            _note_falling(figure, front, fronts, interpolator, notes)
    return figure.scale * float(value)


def _note_falling(
    figure: _Figure, front: _Front, fronts: tuple[_Front, _Front], interpolator: Any, notes: list[Note]
) -> None:
    """Rule 6; ``interpolator`` is that of ``front``."""
    bases = [figure.base(one) for one in fronts]
    places = np.linspace(max(base.min() for base in bases), min(base.max() for base in bases), _SAMPLES)
    values = interpolator(places)
    falling = float(np.mean(np.diff(values) < -1e-9 * np.ptp(values)))
    if falling:
        fall = Note(Kind.FALLS, front.side, front.curve, figure=figure.name, method="cubic")
        notes.append(replace(fall, value=100 * falling))


def _package() -> Any:
    # Imported here because it brings pyplot, which takes a second.
    try:
        import bjontegaard
    except ImportError as error:
        raise ConfigError("BD-rate needs bjontegaard, which is not installed: pip install bjontegaard") from error
    return bjontegaard
