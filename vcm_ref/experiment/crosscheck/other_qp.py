"""Recognising a bitstream that was made at another QP than it is said to be: by coding its picture at QPs around."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ...task.dataset import ImageId
from .findings import Difference, Section

#: So many QPs of a curve are looked into, at one picture each.
_LOOKED_INTO = 3
_REACH = 4  # the nearest first
_HIGHEST = 63

Expected = Callable[[int, ImageId], Mapping[str, str]]
"""The SHA-256 of what there was to be at a QP, by what to call it."""
CodedAt = Callable[[ImageId, Sequence[int]], Mapping[int, bytes]]
"""A picture's bitstreams at some QPs; those that could not be made are left out."""


def name_other_qps(section: Section, expected: Expected, coded_at: CodedAt) -> Section:
    """A section whose differing bitstreams say so where they are what another QP gives."""
    differences: list[Difference] = []
    asked: set[int] = set()
    for difference in section.differences:
        qp, image_id = difference.qp, difference.picture
        if "bitstreams" in difference.aspects and qp is not None and image_id is not None and qp not in asked:
            asked.add(qp)
            if len(asked) <= _LOOKED_INTO:
                difference = _named(difference, expected(qp, image_id), qp, partial(coded_at, image_id))
        differences.append(difference)
    return replace(section, differences=differences)


def _named(
    difference: Difference,
    expected: Mapping[str, str],
    qp: int,
    coded_at: Callable[[Sequence[int]], Mapping[int, bytes]],
) -> Difference:
    for distance in range(1, _REACH + 1):
        made = coded_at([other for other in (qp - distance, qp + distance) if 0 <= other <= _HIGHEST])
        digests = {hashlib.sha256(bitstream).hexdigest(): other for other, bitstream in made.items()}
        found = {name: digests[sha256] for name, sha256 in expected.items() if sha256 in digests}
        if found:
            told = [f"{name} is what QP {other} gives" for name, other in found.items()]
            first = {**difference.first, "made_at_qp": next(iter(found.values()))}
            return replace(difference, text=", ".join([difference.text, *told]), first=first)
    return difference
