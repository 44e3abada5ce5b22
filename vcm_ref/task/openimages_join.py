"""Which mask is of which object: the masks' table of OpenImages names its objects by their boxes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vcm_ref.task.openimages_files import Coordinates, Row

MaskJoin = Literal["rounded", "exact"]
_ROUNDING = 1.001e-6  # the masks' table has six decimals, however they were rounded


@dataclass(frozen=True)
class Object:
    """One object: its box, whether that is around a group, and the row about its mask, if it has one."""

    box: Coordinates
    group: bool
    mask: Row | None = None


def join_masks(boxes: Sequence[Object], masks: Sequence[Object], how: MaskJoin, by_group: bool) -> list[Object]:
    """The objects of one picture and class: ``boxes``, with those of ``masks`` that are of the same object.

    A mask whose object is not among ``boxes`` is an object of its own. ``rounded``: boxes alike to six decimals are of
    one object, and each object has one mask at most. ``exact``: as the challenge's own tool joins the tables (the outer
    merge in the TF Object Detection API's ``oid_challenge_evaluation_utils``), every box with every mask of exactly its
    coordinates, in the order of XMin, XMax, YMin, YMax. ``by_group``: also whether they are around a group is to be the
    same.
    """
    return _exact(boxes, masks, by_group) if how == "exact" else _rounded(boxes, masks, by_group)


def _rounded(boxes: Sequence[Object], masks: Sequence[Object], by_group: bool) -> list[Object]:
    objects = list(boxes)
    for mask in masks:
        waiting = [
            place for place, one in enumerate(objects) if one.mask is None and (not by_group or one.group == mask.group)
        ]
        nearest = min(waiting, key=lambda place: _difference(objects[place].box, mask.box), default=None)
        if nearest is not None and _difference(objects[nearest].box, mask.box) <= _ROUNDING:
            objects[nearest] = replace(objects[nearest], mask=mask.mask)
        else:
            objects.append(mask)
    return objects


def _exact(boxes: Sequence[Object], masks: Sequence[Object], by_group: bool) -> list[Object]:
    joined: list[Object] = []
    alone = list(masks)
    for one in boxes:
        same = [mask for mask in masks if mask.box == one.box and (not by_group or mask.group == one.group)]
        joined += [replace(one, mask=mask.mask) for mask in same] or [one]
        alone = [mask for mask in alone if mask not in same]
    return sorted(joined + alone, key=_by_coordinates)


def _by_coordinates(one: Object) -> tuple[float, ...]:
    x0, y0, x1, y1 = one.box
    return x0, x1, y0, y1, one.group


def _difference(first: Coordinates, second: Coordinates) -> float:
    return max(abs(one - other) for one, other in zip(first, second, strict=True))
