"""The ranking's footnotes, one a method: what :mod:`~vcm_ref.experiment.bjontegaard_delta` did with its points."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from .standing import Standing

_FALLING = re.compile(r"(BD-\S+) \(cubic\): the cubic of (?:anchor|test) (.+) falls over (\S+ %) of the range, .+")
_NUMBER = re.compile(r"\d+(\.\d+)?")


def footnotes(standings: Sequence[Standing], anchor: str) -> dict[str, str]:
    """The note of each method that has one, by name and in the order of the table.

    What was done to the anchor's own points is said once, as the anchor's note. What happened in the seed's own
    accounting as well, if with other numbers, is not repeated, but said to be so.
    """
    notes = {}
    for standing in standings:
        name = standing.method.name
        if standing.full is None:
            of = f"anchor {name}: "
            full = _once([note for other in standings if other.full for note in other.full.notes if _is(note, of)])
            seed = _once([note for other in standings if other.seed for note in other.seed.notes if _is(note, of)])
        else:
            of = f"test {name}: "
            full = [note for note in standing.full.notes if not _is(note, f"anchor {anchor}: ")]
            seed = (
                [note for note in standing.seed.notes if not _is(note, f"anchor {anchor}: ")] if standing.seed else []
            )
        if text := _text(name, [note.removeprefix(of) for note in full], [note.removeprefix(of) for note in seed]):
            notes[name] = text
    return notes


def _is(note: str, of: str) -> bool:
    return note.startswith(of)


def _once(notes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(notes))


def _falls_together(notes: Sequence[str]) -> list[str]:
    """The notes, with all on cubics that fall as one: there can be four, and their words are the same."""
    falls: dict[str, list[str]] = {}
    others = []
    for note in notes:
        if match := _FALLING.fullmatch(note):
            figure, curve, share = match.groups()
            falls.setdefault(curve, []).append(f"{share} of the range of {figure}")
        else:
            others.append(note)
    if falls:
        which = "; ".join(f"that of {curve} over {' and '.join(shares)}" for curve, shares in falls.items())
        others.append(f"cubics fall where points rise, so believe PCHIP ({which})")
    return others


def _text(name: str, full: Sequence[str], seed: Sequence[str]) -> str:
    known = Counter(_NUMBER.sub("#", note) for note in full)
    further = []
    for note in seed:
        kind = _NUMBER.sub("#", note)
        if known[kind]:
            known[kind] -= 1
        else:
            further.append(note)
    told = _falls_together(full)
    if len(further) < len(seed):
        told.append("in the seed's own accounting likewise")
    if further:
        told.append(f"in the seed's own accounting {'also ' if full else ''}{'; '.join(_falls_together(further))}")
    return f"{name}: {'; '.join(told)}." if told else ""
