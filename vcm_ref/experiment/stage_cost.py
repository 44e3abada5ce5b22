"""The cost of reduction and restoration as records have it: of one picture, and of the pictures of a point."""

from __future__ import annotations

from collections.abc import Iterable

from ..models.cost import StageCost
from .records import Record


def stage_record(cost: StageCost) -> Record:
    """Multiply–accumulates and parameters of a picture's ``reduction`` and ``restoration``."""
    return {name: part._asdict() for name, part in cost._asdict().items()}


def mean_cost(pictures: Iterable[Record]) -> Record:
    """The cost of a point, from its pictures' records; empty where there is neither reduction nor restoration.

    ``macs`` is the mean of the pictures, rounded, ``macs_per_pixel`` the ratio of sums, and ``parameters`` the number
    of the picture that uses most.
    """
    known = [picture for picture in pictures if "cost" in picture]
    if not known:
        return {}
    pixels = sum(picture["height"] * picture["width"] for picture in known)
    found = {}
    for part in StageCost._fields:
        costs = [picture["cost"][part] for picture in known]
        macs = sum(cost["macs"] for cost in costs)
        parameters = max(cost["parameters"] for cost in costs)
        found[part] = {"macs": round(macs / len(costs)), "macs_per_pixel": macs / pixels, "parameters": parameters}
    return found
