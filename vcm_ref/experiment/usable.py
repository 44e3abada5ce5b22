"""The part of a data set that can be measured. The rest is an error, or is left out and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..errors import DatasetError
from ..task.dataset import Dataset, ImageId, Item

_SHOWN = 3


class Usable(NamedTuple):
    """The pictures that can be measured, and a sentence for each picture or annotation that is left out."""

    items: list[Item]
    problems: list[str]


def usable_pictures(dataset: Dataset, pictures: int | None = None, allow_missing: bool = False) -> Usable:
    """Find the first ``pictures`` of a data set, or all, of which the files are there.

    Raises :class:`DatasetError` where no picture is left, and without ``allow_missing`` for whatever cannot be used.
    """
    wanted = dataset.items[:pictures]
    missing = missing_pictures(wanted)
    problems = [*dataset.problems, *problems_of(missing)]
    tolerate(problems, allow_missing)
    items = [item for item in wanted if item.id not in missing]
    if not items:
        raise DatasetError("the data set has no pictures" if not wanted else "there are no pictures to measure")
    return Usable(items, problems)


def missing_pictures(items: Iterable[Item]) -> dict[ImageId, str]:
    """Say of each picture without a file that it is missing, or that a folder has its name."""
    return {
        item.id: f"{item.path}: {'is a folder, not a picture' if item.path.is_dir() else 'is missing'}"
        for item in items
        if not item.path.is_file()
    }


def problems_of(missing: Mapping[ImageId, str]) -> list[str]:
    """Give a sentence for each picture that is missing."""
    return [f"picture {image_id}: {what}" for image_id, what in missing.items()]


def tolerate(problems: Sequence[str], allowed: bool) -> None:
    """Raise :class:`DatasetError` with the first problems, if there are any and they are not ``allowed``."""
    if not allowed:
        check_none(problems, "; --allow-missing measures without them, and counts them")


def check_none(problems: Sequence[str], remedy: str = "") -> None:
    """Raise :class:`DatasetError` with the first problems, if there are any, and the remedy."""
    if problems:
        raise DatasetError(f"{first_of(problems)}{remedy}")


def first_of(problems: Sequence[str]) -> str:
    """Give the first problems, and the number of the others."""
    shown = "; ".join(problems[:_SHOWN])
    return f"{shown}, and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else shown
