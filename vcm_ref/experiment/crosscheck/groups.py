"""The groups in which an anchor's pictures were coded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...task.dataset import ImageId
from ..records import Record


@dataclass(frozen=True)
class Groups:
    """Each ``size`` pictures of an anchor, in its order, but the last ones, which may be fewer.

    The bytes of a group are those of its first picture, after which its bitstream is named.
    """

    size: int
    pictures: Sequence[ImageId]

    @classmethod
    def of(cls, anchor: Record) -> Groups:
        """Those of an anchor; of one picture each where none were coded together."""
        return cls(anchor["configuration"].get("group", 1), [picture["id"] for picture in anchor["pictures"]])

    def place(self, image_id: ImageId) -> int:
        """The place of a picture in its group."""
        return self._places[image_id] % self.size

    def members(self, image_id: ImageId) -> Sequence[ImageId]:
        """The pictures of a picture's group, the first first."""
        start = self._places[image_id] - self.place(image_id)
        return self.pictures[start : start + self.size]

    def whole(self, pictures: Iterable[ImageId]) -> set[ImageId]:
        """Of some pictures, those whose whole group is there."""
        there = set(pictures)
        return {image_id for image_id in there if there.issuperset(self.members(image_id))}

    @cached_property
    def _places(self) -> dict[ImageId, int]:
        return {image_id: place for place, image_id in enumerate(self.pictures)}
