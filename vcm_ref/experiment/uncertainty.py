"""A method's points in resamples of their pictures: from its anchor and its tallies to intervals.

The anchor says how many bits each picture takes and how many pixels it has, its file of tallies what each picture adds
to the metrics (:mod:`~vcm_ref.task.tally_file`). Pictures are drawn in one order, by their ids, whatever the order of a
file: so methods over the same pictures are compared in pairs. Those of a sequence are drawn in the order of time, which
is the file's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from ..task.dataset import ImageId
from ..task.tally import Weights
from ..task.tally_file import read_tallies, unpacked
from .bootstrap import Bootstrap, Interval
from .records import Record
from .sampled_delta import SampledCurve, sampled_deltas

UNCOMPRESSED = "uncompressed"
RATES = {"bpp": "bytes", "rhee2022_bpp": "rhee2022_bits"}
"""Each rate, and the number of a picture's record that it counts."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Resampled:
    """A method in R resamples.

    ``points`` has, for each point of the anchor in its order, the rates and the metrics by name, each (R,), with NaN
    where a resample has no such figure; ``uncompressed`` has the metrics without coding. ``pictures`` are the ids of
    those that are drawn, in order.
    """

    bootstrap: Bootstrap
    pictures: tuple[ImageId, ...]
    points: tuple[Mapping[str, Values], ...]
    uncompressed: Mapping[str, Values]

    def curve(self, metric: str, rate: str = "bpp") -> SampledCurve:
        """The curve in ``metric``, with N points: (R, N)."""
        nothing = np.full(self.bootstrap.resamples, np.nan)
        columns = [[point.get(name, nothing) for point in self.points] for name in (rate, metric)]
        rates, accuracies = (np.stack(values, 1) if values else np.zeros((len(nothing), 0)) for values in columns)
        return SampledCurve(rates, accuracies)


def point_name(qp: int | None) -> str:
    """The name of a point's tally: ``qp37``, or ``uncompressed``."""
    return UNCOMPRESSED if qp is None else f"qp{qp}"


def tallies_path(anchor: Path) -> Path:
    """The file of tallies beside an anchor."""
    return anchor.with_name(f"{anchor.stem}.tallies.zip")


def read_resampled(
    path: Path, document: Mapping[str, Any], bootstrap: Bootstrap, metrics: Collection[str] | None = None
) -> Resampled | None:
    """A method in resamples, from its anchor ``document`` and the file of tallies beside ``path``.

    None where the anchor names no such file or it is not there, or where there are too few pictures. Raises
    :class:`DatasetError` for a file that is not the one that was written with the anchor.
    """
    named = document.get("tallies")
    if not named or not bootstrap.makes_intervals(len(document["pictures"])):
        return None
    beside = path.with_name(Path(named["file"]).name)
    if not beside.is_file():
        return None
    tallies = read_tallies(beside, named["sha256"])
    try:
        return resampled(document, tallies, bootstrap, metrics)
    except DatasetError as error:
        raise DatasetError(f"{beside}: {error}") from error


def resampled(
    document: Mapping[str, Any],
    tallies: Mapping[str, bytes],
    bootstrap: Bootstrap,
    metrics: Collection[str] | None = None,
) -> Resampled:
    """A method in resamples, from its anchor and its packed tallies by point; ``metrics``: those that are needed."""
    sizes = {picture["id"]: picture.get("height", 0) * picture.get("width", 0) for picture in document["pictures"]}
    pictures = drawn_order(sizes, bootstrap)
    places = {key: place for place, key in enumerate(pictures)}
    weights = bootstrap.weights(len(pictures))
    points = [
        _rates({picture["id"]: picture for picture in point["pictures"]}, sizes, places, weights)
        | _metrics(point["metrics"], tallies, point_name(point["qp"]), places, weights, metrics)
        for point in document["points"]
    ]
    known = document["uncompressed"]["metrics"]
    uncompressed = _metrics(known, tallies, UNCOMPRESSED, places, weights, metrics)
    return Resampled(bootstrap, pictures, tuple(points), uncompressed)


def drawn_order(pictures: Iterable[ImageId], bootstrap: Bootstrap) -> tuple[ImageId, ...]:
    """The order in which pictures are drawn: numbers first, then names; blocks follow the order of ``pictures``."""
    if bootstrap.block > 1:
        return tuple(pictures)
    return tuple(sorted(pictures, key=lambda key: (isinstance(key, str), key)))


def time_of(document: Mapping[str, Any]) -> tuple[Fraction | None, int]:
    """The frame rate of an anchor's pictures, None where they are not a sequence, and how many were coded together."""
    rate = document["data"].get("frame_rate")
    return None if rate is None else Fraction(rate), document["configuration"].get("group", 1)


def single_point(
    records: Mapping[ImageId, Record], metrics: Collection[str], tally: bytes, bootstrap: Bootstrap
) -> Resampled:
    """One point in resamples, from each picture's record (height, width, bytes, rhee2022_bits) and its packed tally.

    A point without any bytes has no rates.
    """
    pictures = drawn_order(records, bootstrap)
    places = {key: place for place, key in enumerate(pictures)}
    weights = bootstrap.weights(len(pictures))
    point = _metrics(metrics, {UNCOMPRESSED: tally}, UNCOMPRESSED, places, weights, None)
    if any(record["bytes"] for record in records.values()):
        sizes = {key: record["height"] * record["width"] for key, record in records.items()}
        point = _rates(records, sizes, places, weights) | point
    return Resampled(bootstrap, pictures, (point,), {})


def add_intervals(document: Record, found: Resampled) -> None:
    """Write the intervals of every rate and metric into an anchor."""
    document["bootstrap"] = found.bootstrap.describe()
    for point, values in zip(document["points"], found.points, strict=True):
        point["intervals"] = intervals(found, values)
    document["uncompressed"]["intervals"] = intervals(found, found.uncompressed)


def intervals(found: Resampled, values: Mapping[str, Values]) -> dict[str, list[float] | None]:
    """The interval of each figure as JSON: [low, high], or null where it is refused."""
    return {name: found.bootstrap.interval(one).ends() for name, one in values.items()}


def paired_interval(
    anchor: Resampled | None,
    test: Resampled | None,
    metrics: tuple[str, str],
    figure: Literal["rate", "accuracy"],
    rate: str = "bpp",
) -> Interval | None:
    """The interval of BD-rate or BD-accuracy of ``test`` against ``anchor``, in the metric of each.

    Both are resampled alike. None where they are not over the same pictures.
    """
    if anchor is None or test is None or (anchor.pictures, anchor.bootstrap) != (test.pictures, test.bootstrap):
        return None
    curves = anchor.curve(metrics[0], rate), test.curve(metrics[1], rate)
    return anchor.bootstrap.interval(sampled_deltas(*curves, figure))


def _rates(
    coded: Mapping[ImageId, Mapping[str, Any]],
    sizes: Mapping[ImageId, int],
    places: Mapping[ImageId, int],
    weights: Weights,
) -> dict[str, Values]:
    """Bits over pixels, as ratios of sums, in each resample; ``sizes`` has each picture's pixels."""
    drawn = weights[[places[key] for key in coded]].astype(np.int64)
    pixels = np.array([sizes[key] for key in coded], np.int64) @ drawn
    found = {}
    for name, number in RATES.items():
        unit = 8 if number == "bytes" else 1
        bits = unit * np.array([record[number] for record in coded.values()], np.int64) @ drawn
        with np.errstate(invalid="ignore", divide="ignore"):
            found[name] = np.where(pixels > 0, bits / pixels, np.nan)
    return found


def _metrics(
    known: Collection[str],
    tallies: Mapping[str, bytes],
    name: str,
    places: Mapping[ImageId, int],
    weights: Weights,
    wanted: Collection[str] | None,
) -> dict[str, Values]:
    """The metrics of one point in each resample: those of ``known`` that its tally has, and of ``wanted``."""
    if not known:
        return {}
    if name not in tallies:
        raise DatasetError(f"has no tally of the point {name}")
    tally = unpacked(tallies[name])
    if not set(tally.pictures) <= set(places):
        raise DatasetError(f"the tally of {name} has pictures that the anchor does not have")
    rows = weights[[places[picture] for picture in tally.pictures]]
    return tally.metrics(rows, [one for one in known if wanted is None or one in wanted])
