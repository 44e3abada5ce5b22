"""What a cross-check finds: how far something agrees, and where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...task.dataset import ImageId
from ..records import Record

Level = Literal["identical", "within tolerance", "different", "not checked"]
#: From the best to the worst; what was not checked says nothing of the rest.
_ORDER: tuple[Level, ...] = ("not checked", "identical", "within tolerance", "different")


@dataclass(frozen=True)
class Aspect:
    """How far one aspect agrees: how many were compared, how many of them are not identical, and a remark."""

    level: Level
    compared: int = 0
    different: int = 0
    note: str = ""

    def record(self) -> Record:
        """As JSON."""
        kept = {"level": self.level, "compared": self.compared, "different": self.different}
        return {**kept, "note": self.note} if self.note else kept


@dataclass(frozen=True)
class Difference:
    """One difference in a line: of which aspects, and where.

    ``details`` are further sentences, ``first`` has the first place that differs, as JSON.
    """

    aspects: tuple[str, ...]
    text: str
    qp: int | None = None
    picture: ImageId | None = None
    details: tuple[str, ...] = ()
    first: Record = field(default_factory=dict)

    def record(self) -> Record:
        """As JSON."""
        place = {"qp": self.qp, "picture": self.picture}
        known = {key: value for key, value in place.items() if value is not None}
        optional = {"details": list(self.details), "first": self.first}
        found = {key: value for key, value in optional.items() if value}
        return {"aspects": list(self.aspects), **known, "text": self.text, **found}


@dataclass(frozen=True)
class Section:
    """What was compared together: the aspects by name, and all differences, the first first.

    ``metrics`` has both sides' metrics for each point, as JSON.
    """

    aspects: dict[str, Aspect]
    differences: Sequence[Difference] = ()
    metrics: Sequence[Record] = ()

    @property
    def level(self) -> Level:
        """The worst of its aspects."""
        return worst(aspect.level for aspect in self.aspects.values())


@dataclass
class Tally:
    """How many were compared, how many of them differ, and where the first of those is."""

    compared: int = 0
    different: int = 0
    first: str = ""

    def add(self, same: bool, where: str) -> None:
        """Count one more."""
        self.compared += 1
        self.different += not same
        if not same and not self.first:
            self.first = where

    def aspect(self) -> Aspect:
        """What it comes to, without tolerance."""
        note = f"the first: {self.first}" if self.first else ""
        return counted(self.compared, self.different, note if self.compared else "there was nothing to compare")


def not_checked(note: str) -> Aspect:
    """An aspect that was not compared, and why."""
    return Aspect("not checked", note=note)


def counted(compared: int, different: int, note: str = "") -> Aspect:
    """An aspect without tolerance."""
    level: Level = "not checked" if not compared else "different" if different else "identical"
    return Aspect(level, compared, different, note)


def worst(levels: Iterable[Level]) -> Level:
    """The worst of some levels; ``not checked`` where nothing was."""
    return max(levels, key=_ORDER.index, default="not checked")


def short(digest: str) -> str:
    """Of a digest, what is enough to tell two of them apart in a sentence."""
    return f"{digest[:12]}…"
