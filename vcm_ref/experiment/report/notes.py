"""The ranking's footnotes, one a method: what :mod:`~vcm_ref.experiment.bjontegaard_delta` did with its points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ..bd_note import OF_POINTS, Kind, Note
from ..bjontegaard_delta import Comparison
from .standing import Standing


def footnotes(standings: Sequence[Standing]) -> dict[str, str]:
    """Give the note of each method that has one, by name and in the order of the table.

    What was done to the anchor's own points is said once, as the anchor's note. What happened in Rhee et al.'s own
    accounting as well, if with other numbers, is not repeated, but said to be so.
    """
    notes = {}
    for standing in standings:
        if standing.full is None:
            full = _of_anchor(other.full for other in standings)
            rhee2022 = _of_anchor(other.rhee2022 for other in standings)
        else:
            full, rhee2022 = _of_test(standing.full), _of_test(standing.rhee2022)
        if text := _text(standing.method.name, full, rhee2022):
            notes[standing.method.name] = text
    return notes


def _of_anchor(comparisons: Iterable[Comparison | None]) -> list[Note]:
    """Give the notes on the anchor's points, each once: every comparison has them."""
    found = [note for comparison in comparisons if comparison for note in comparison.notes]
    return list(dict.fromkeys(note for note in found if _on_anchor(note)))


def _of_test(comparison: Comparison | None) -> list[Note]:
    return [note for note in comparison.notes if not _on_anchor(note)] if comparison else []


def _on_anchor(note: Note) -> bool:
    return note.kind in OF_POINTS and note.side == "anchor"


def _sentences(notes: Sequence[Note]) -> list[str]:
    """Give the sentences, with all on cubics that fall as one: there can be four, and their words are the same."""
    falls: dict[str, list[str]] = {}
    for note in notes:
        if note.kind is Kind.FALLS:
            falls.setdefault(note.curve, []).append(f"{note.value:.2g} % of the range of {note.figure}")
    sentences = [note.sentence for note in notes if note.kind is not Kind.FALLS]
    if falls:
        which = "; ".join(f"{curve} over {' and '.join(shares)}" for curve, shares in falls.items())
        sentences.append(f"the cubic falls although the points rise ({which}); trust PCHIP")
    return sentences


def _text(name: str, full: Sequence[Note], rhee2022: Sequence[Note]) -> str:
    known = Counter(map(_alike, full))
    further = []
    for note in rhee2022:
        if known[_alike(note)]:
            known[_alike(note)] -= 1
        else:
            further.append(note)
    told = _sentences(full)
    if len(further) < len(rhee2022):
        told.append("the same holds in Rhee et al.'s accounting")
    if further:
        told.append(f"in Rhee et al.'s accounting{' also' if full else ''}: {'; '.join(_sentences(further))}")
    return f"{name}: {'; '.join(told)}." if told else ""


def _alike(note: Note) -> tuple[object, ...]:
    """Give what two notes have in common that differ in their numbers only."""
    return note.kind, note.side, note.curve, note.figure, note.method
