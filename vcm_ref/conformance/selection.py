"""Which vectors of a suite are meant, and which of them a decoder is run on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..errors import ConfigError
from .adaptor import Adaptor, Mode
from .manifest import Kind, Suite, Vector


@dataclass(frozen=True)
class Selection:
    """Vectors that have one of each of these; what is empty selects nothing out. ``ids`` are globs."""

    kinds: tuple[Kind, ...] = ()
    features: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()

    def record(self) -> dict[str, list[Any]]:
        """What is selected by; empty where all is."""
        return {key: list(values) for key, values in asdict(self).items() if values}


def select(suite: Suite, selection: Selection) -> list[Vector]:
    """The vectors selected, in the manifest's order.

    :class:`ConfigError` for a feature, profile or id that the suite does not have: it would be a slip of the pen.
    """
    _check("feature", selection.features, {name for vector in suite.vectors for name in vector.features})
    _check("profile", selection.profiles, {vector.profile for vector in suite.vectors if vector.profile is not None})
    for glob in selection.ids:
        if not any(fnmatchcase(vector.id, glob) for vector in suite.vectors):
            raise ConfigError(f"{glob}: no vector of the suite has this id, or fits this pattern")
    return [vector for vector in suite.vectors if _is_selected(vector, selection)]


def why_not_run(vector: Vector, adaptor: Adaptor, mode: Mode) -> str | None:
    """Why a decoder is not run on a vector; ``None`` where it is.

    A vector whose profile or level cannot be read is every decoder's to refuse.
    """
    if vector.profile is not None and vector.profile not in adaptor.profiles:
        return f"profile {vector.profile} is not claimed"
    if vector.level is not None and vector.level > adaptor.level:
        return f"level {vector.level} is not claimed"
    if mode == "a" and vector.planes is None:
        return "mode A does not apply"
    return None


def _is_selected(vector: Vector, selection: Selection) -> bool:
    return (
        (not selection.kinds or vector.kind in selection.kinds)
        and (not selection.features or not set(vector.features).isdisjoint(selection.features))
        and (not selection.profiles or vector.profile in selection.profiles)
        and (not selection.levels or vector.level in selection.levels)
        and (not selection.ids or any(fnmatchcase(vector.id, glob) for glob in selection.ids))
    )


def _check(option: str, wanted: Iterable[str], known: set[str]) -> None:
    for name in wanted:
        if name not in known:
            raise ConfigError(f"--{option} {name}: the suite does not have it; it has {', '.join(sorted(known))}")
