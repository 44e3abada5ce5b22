"""How sure the ranking of combinations of grids is: all of them over the same resampled pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...task.tally_file import read_tallies
from ..bootstrap import Bootstrap, Interval
from ..sampled_delta import SampledCurve, sampled_deltas
from ..uncertainty import point_name, resampled
from .combinations import Combination, Combinations


@dataclass(frozen=True)
class Sureness:
    """One combination in resamples of the pictures.

    ``against_reference`` and ``against_best`` are the intervals of its BD-rate (PCHIP, every byte) in percent;
    ``share_best``, from 0 to 1, is the share of resamples in which it has the lowest BD-rate of all. A resample
    without a BD-rate counts for none of them.
    """

    against_reference: Interval
    against_best: Interval
    share_best: float

    @property
    def as_good(self) -> bool:
        """Whether the pictures show no difference from the best combination."""
        return self.against_best.known and self.against_best.low <= 0 <= self.against_best.high


Certainties = Mapping[tuple[str, ...], Sureness]
"""How sure each ranked combination is, by its grids; empty where that is not known."""


def tally_name(grids: tuple[str, ...], qp: int | None) -> str:
    """The name of a point's tally: ``4x4_4x4_16x16_16x16/qp37``."""
    return f"{'_'.join(grids)}/{point_name(qp)}"


def tallies_beside(path: Path, document: Mapping[str, Any]) -> dict[str, bytes]:
    """The tallies of a document that is in the file ``path``; none where it names no file, or the file is not there.

    Raises :class:`DatasetError` for a file that is not the one that was written with the document.
    """
    named = document.get("tallies")
    beside = path.with_name(Path(named["file"]).name) if named else None
    return read_tallies(beside, named["sha256"]) if named and beside and beside.is_file() else {}


def certainties(found: Combinations, tallies: Mapping[str, bytes], bootstrap: Bootstrap) -> Certainties:
    """How sure the ranked combinations are; empty without tallies or resamples.

    Raises :class:`DatasetError` for tallies that do not fit the document.
    """
    if not tallies or not bootstrap.resamples:
        return {}
    curves = {one.grids: _curve(one, found, tallies, bootstrap) for one in found.ranked}
    reference, best = curves[found.reference.grids], curves[found.best.grids]
    rates = {grids: sampled_deltas(reference, curve, "rate") for grids, curve in curves.items()}
    every = np.stack(list(rates.values()))
    every = np.where(np.isfinite(every), every, np.inf)
    lowest = every.argmin(0)[np.isfinite(every).any(0)]  # where no rate is known, none is the lowest
    shares = np.bincount(lowest, minlength=len(rates)) / bootstrap.resamples
    return {
        grids: Sureness(
            bootstrap.interval(values), bootstrap.interval(sampled_deltas(best, curves[grids], "rate")), float(share)
        )
        for (grids, values), share in zip(rates.items(), shares, strict=True)
    }


def _curve(one: Combination, found: Combinations, tallies: Mapping[str, bytes], bootstrap: Bootstrap) -> SampledCurve:
    """The combination's curve in resamples."""
    pictures = found.document.get("coded_pictures") or []
    ids = [picture["id"] for picture in pictures]
    points = []
    for point in one.points:
        coded = point.get("coded") or []
        if len(coded) != len(ids):
            raise DatasetError(f"combinations: {one.name} at QP {point['qp']} has no bytes of each picture")
        known = [(key, bits) for key, bits in zip(ids, coded, strict=True) if bits is not None]
        each = [{"id": key, "bytes": size, "rhee2022_bits": bits} for key, (size, bits) in known]
        points.append({"qp": point["qp"], "metrics": point["metrics"], "pictures": each})
    document: dict[str, Any] = {"pictures": pictures, "points": points, "uncompressed": {"metrics": {}}}
    own = {point_name(point["qp"]): tallies.get(tally_name(one.grids, point["qp"]), b"") for point in one.points}
    return resampled(document, own, bootstrap, [found.metric]).curve(found.metric)
