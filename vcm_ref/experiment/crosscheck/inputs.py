"""What of an anchor is compared, and whether data set, pictures and network are its own: else nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from ...errors import ConfigError
from ...reporting.provenance import file_digest, versions
from ...task.dataset import Dataset, ImageId, Item
from ..anchor import rate
from ..records import Record
from ..usable import check_none, missing_pictures, problems_of
from .findings import Aspect, Difference, counted, short
from .groups import Groups

#: What a network says of itself that does not tell one from another: where it is from, and packages, which the record
#: has side by side.
_NOT_IDENTITY = ("name", "options", "network", "weights", "layers")


_SUMS = ("bytes", "pixels", "bits", "bpp", "rhee2022_bpp", "kbit_per_s")
_SUM_ERROR = 1e-9  # relative, of a quotient that was written as decimal digits


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

    @cached_property
    def groups(self) -> Groups:
        """The groups of the anchor's pictures."""
        return Groups.of(self.anchor)


class Pictures(NamedTuple):
    """The anchor's pictures that are in the data set with the same content, in whole groups."""

    items: list[Item]
    aspect: Aspect
    differences: list[Difference]


def compare_data(anchor: Record, dataset: Dataset) -> tuple[Aspect, list[Difference]]:
    """The annotations and the list of pictures, by their digest."""
    theirs, ours = anchor["data"]["sha256"], dataset.digest()
    if theirs == ours:
        return counted(1, 0), []
    text = f"the data set differs: {dataset.name} has SHA-256 {short(ours)}, the anchor's {anchor['data']['name']} "
    return counted(1, 1), [Difference(("data",), f"{text}{short(theirs)}")]


def compare_pictures(anchor: Record, dataset: Dataset, limit: int | None) -> Pictures:
    """The content of the anchor's first ``limit`` pictures.

    Raises DatasetError where a picture's file is missing, and ConfigError where ``limit`` divides a group.
    """
    by_id = {item.id: item for item in dataset.items}
    wanted = anchor["pictures"][:limit]
    groups = Groups.of(anchor)
    if len(wanted) % groups.size and len(wanted) < len(anchor["pictures"]):
        told = f"the anchor's pictures were coded in groups of {groups.size}; give a multiple of this number"
        raise ConfigError(f"--pictures {limit}: {told}")
    if not wanted:
        raise ConfigError("the anchor has no pictures")
    missing = missing_pictures(by_id[picture["id"]] for picture in wanted if picture["id"] in by_id)
    check_none(problems_of(missing))
    items: list[Item] = []
    differences: list[Difference] = []
    for picture in wanted:
        image_id: ImageId = picture["id"]
        if image_id not in by_id:
            text = f"picture {image_id} ({picture['file']}) is not in the data set"
            differences.append(Difference(("pictures",), text, picture=image_id))
            continue
        item = by_id[image_id]
        sha256 = file_digest(item.path)
        if sha256 == picture["sha256"]:
            items.append(item)
            continue
        text = f"picture {image_id} ({item.path.name}) is another: it has SHA-256 {short(sha256)}, the anchor's "
        differences.append(Difference(("pictures",), text + short(picture["sha256"]), picture=image_id))
    whole = groups.whole(item.id for item in items)
    items = [item for item in items if item.id in whole]
    if groups.size == 1:
        order = {item.id: place for place, item in enumerate(dataset.items)}
        items.sort(key=lambda item: order[item.id])
    note = f"the first {len(wanted)} of {len(anchor['pictures'])}" if len(wanted) < len(anchor["pictures"]) else ""
    return Pictures(items, counted(len(wanted), len(differences), note), differences)


def compare_network(anchor: Record, described: Record) -> tuple[Aspect, list[Difference]]:
    """The layers, and what the network says of itself: its weights' digest, its options."""
    theirs = {"layers": ", ".join(anchor["network"]["layers"]), **_identity(anchor["network"], anchor["versions"])}
    ours = {"layers": ", ".join(described["layers"]), **_identity(described["description"], anchor["versions"])}
    keys = list(dict.fromkeys([*theirs, *ours]))
    differing = [key for key in keys if theirs.get(key) != ours.get(key)]
    told = [f"{key} is {_told(ours.get(key))}, the anchor's {_told(theirs.get(key))}" for key in differing]
    differences = [Difference(("network",), f"the network differs: its {text}") for text in told]
    return counted(len(keys), len(differing)), differences


def _identity(description: Record, packages: Record) -> Record:
    left_out = {*_NOT_IDENTITY, *packages, *versions()}
    return {key: value for key, value in description.items() if key not in left_out}


def _told(value: object) -> str:
    if value is None:
        return "not said"
    text = str(value)
    return short(text) if len(text) == 64 and " " not in text else text


def compare_sums(anchor: Record, qps: Sequence[int]) -> tuple[Aspect, list[Difference]]:
    """Whether an anchor's rates are what its own pictures give: a file that was edited, or put together."""
    sizes = {picture["id"]: picture for picture in anchor["pictures"]}
    frame_rate = anchor["data"].get("frame_rate")
    differences: list[Difference] = []
    compared = 0
    for point in anchor["points"]:
        records = [{**sizes.get(picture["id"], {}), **picture} for picture in point["pictures"]]
        if point["qp"] not in qps or any("height" not in record for record in records):
            continue
        compared += 1
        right = rate(records, frame_rate=None if frame_rate is None else Fraction(frame_rate))
        for key in _SUMS:
            if key in right and not _same(right[key], point[key]):
                text = f"QP {point['qp']}: the anchor's {key} is {point[key]}, its own pictures give {right[key]}"
                differences.append(Difference(("sums",), text, point["qp"]))
                break
    return counted(compared, len(differences)), differences


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) if isinstance(one, dict) else abs(one - other) <= _SUM_ERROR * max(abs(one), 1)
