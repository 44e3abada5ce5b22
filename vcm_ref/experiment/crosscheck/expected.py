"""What of an anchor is compared."""

from __future__ import annotations

from dataclasses import dataclass

from ...task.dataset import ImageId
from ..records import Record


@dataclass(frozen=True)
class Expected:
    """The anchor's points at some QPs, of some of its pictures.

    ``no_metrics`` says why metrics are not compared, where they are not.
    """

    anchor: Record
    qps: tuple[int, ...]
    pictures: frozenset[ImageId]
    no_metrics: str = ""

    def points(self) -> list[Record]:
        """The points, in the anchor's order."""
        return [point for point in self.anchor["points"] if point["qp"] in self.qps]

    def of(self, point: Record) -> list[Record]:
        """A point's pictures."""
        return [picture for picture in point["pictures"] if picture["id"] in self.pictures]
