"""The cost of one part of the way from picture to task: part 1 or 2 of a network, reduction, restoration."""

from __future__ import annotations

from typing import NamedTuple


class PartCost(NamedTuple):
    """The cost of one part for one picture: multiply–accumulates, and the numbers that its layers hold."""

    macs: int
    parameters: int


class StageCost(NamedTuple):
    """The cost of a reduction stage, or of several, for one picture: to reduce its layers, and to restore them."""

    reduction: PartCost
    restoration: PartCost

    def plus(self, other: StageCost) -> StageCost:
        """The cost of both, one after the other."""
        first, second = (
            PartCost(one.macs + more.macs, one.parameters + more.parameters)
            for one, more in zip(self, other, strict=True)
        )
        return StageCost(first, second)
