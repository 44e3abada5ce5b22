"""Adding to a difference where exactly it begins, where both bitstreams are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...codec.picture import PictureCoder
from ...decoder import Backend
from ...errors import VcmError
from ...task.dataset import ImageId
from ..records import Record
from .findings import Difference, Section
from .first_difference import (
    Tensors,
    first_byte,
    first_element,
    first_sample,
    integer_tensors,
    picture_samples,
    told_byte,
    told_element,
    told_sample,
)
from .groups import Groups

#: So many differences of a depth are looked into: tensors are decoded for it, and one explains the others mostly.
DETAILED = 3
Sides = Callable[[int, ImageId], tuple[bytes | None, bytes | None]]
"""The given bitstream and the one made again; absent ones are ``None``."""


class Inspector:
    """Finds the first difference of two bitstreams of one kind.

    ``coder`` is of pictures that are coded themselves, ``sizes`` are those pictures' height and width; without it, they
    are bitstreams of features.
    """

    def __init__(
        self,
        sides: Sides,
        backend: Backend,
        coder: PictureCoder | None,
        sizes: Mapping[ImageId, tuple[int, int]],
        groups: Groups,
    ) -> None:
        self._sides = sides
        self._backend = backend
        self._coder = coder
        self._sizes = sizes
        self._groups = groups

    def look_into(self, section: Section) -> Section:
        """A section whose first differences of bitstreams and T1 say where they begin."""
        differences: list[Difference] = []
        seen = 0
        for difference in section.differences:
            found = None
            if seen < DETAILED and {"bitstreams", "t1"} & set(difference.aspects):
                found = self._detailed(difference)
            seen += found is not None
            differences.append(found or difference)
        return replace(section, differences=differences)

    def _detailed(self, difference: Difference) -> Difference | None:
        if difference.qp is None or difference.picture is None:
            return None
        file, here = self._sides(difference.qp, difference.picture)
        if file is None or here is None or file == here:
            return None
        texts: list[str] = []
        first: Record = {}
        if self._coder is None:
            first["element"] = first_element(file, here)
            texts.append(
                told_element(first["element"]) if first["element"] else "neither can be parsed to where it differs"
            )
        else:
            first["byte"] = first_byte(file, here)
            texts.append(told_byte(first["byte"]))
        try:
            first["sample"] = first_sample(*(self._tensors(side, difference.picture) for side in (file, here)))
            texts.append(told_sample(first["sample"]) if first["sample"] else "T1 is the same in all layers")
        except VcmError as error:
            if "cannot be" not in " ".join([difference.text, *difference.details]):  # else it has been told
                texts.append(f"its samples cannot be compared: {error}")
        return replace(difference, details=(*difference.details, *texts), first={**difference.first, **first})

    def _tensors(self, bitstream: bytes, image_id: ImageId) -> Tensors:
        place = self._groups.place(image_id)
        if self._coder is None:
            return integer_tensors(bitstream, self._backend, place)
        count = len(self._groups.members(image_id))
        return picture_samples(bitstream, self._coder, self._sizes[image_id], place, count)
