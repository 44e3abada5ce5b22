"""Where each method stands against the anchor, as figures and as a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..bd_note import NO_FIGURE
from ..bjontegaard_delta import Comparison, compare
from .certainty import Certainty, certainty, missing
from .method import Method
from .numbers import interval_text, signed


@dataclass(frozen=True)
class Standing:
    """A method against the anchor: ``full`` counts every byte, ``rhee2022`` is Rhee et al.'s own accounting.

    Both are None for the anchor itself, and ``rhee2022`` where one of the two does not state it. ``certainty`` has the
    intervals, where both have tallies.
    """

    method: Method
    full: Comparison | None
    rhee2022: Comparison | None
    certainty: Certainty | None = None

    @property
    def rate(self) -> float | None:
        """The BD-rate by which methods are ordered, in percent: PCHIP's, or where there is none the cubic's."""
        if self.full is None:
            return 0.0
        return self.full.rate_cubic if self.full.rate_pchip is None else self.full.rate_pchip


def standings(methods: Sequence[Method], anchor: Method) -> list[Standing]:
    """All methods, from the one that needs fewest bits; those without a BD-rate last, in the order given.

    The anchor stands at its own 0. Curves in another metric than the anchor's, which a report that was forced may hold,
    are compared as if their accuracy meant the same.
    """
    found = [Standing(method, *_comparisons(method, anchor), certainty(method, anchor)) for method in methods]
    return sorted(found, key=lambda standing: (standing.rate is None, standing.rate or 0.0))


def _comparisons(method: Method, anchor: Method) -> tuple[Comparison | None, Comparison | None]:
    if method is anchor:
        return None, None
    test = replace(method.curve, metric=anchor.curve.metric)
    rhee2022 = (
        compare(anchor.curve, test, "rhee2022_bpp") if anchor.has_rhee2022_rate and method.has_rhee2022_rate else None
    )
    return compare(anchor.curve, test), rhee2022


def sentence(standing: Standing, anchor: Method) -> str:
    """One line: how many bits more or fewer at the same accuracy, by PCHIP and by cubic, in both accountings."""
    name, metric, full = standing.method.name, anchor.curve.metric, standing.full
    if full is None:
        return f"{name} is the method that the others are compared with."
    if standing.rate is None:
        why = "; ".join(str(note) for note in full.notes if note.kind in NO_FIGURE) or "see the notes"
        return f"The BD-rate of {name} against {anchor.name} cannot be computed: {why}."
    used, other = "PCHIP", f"; {by_cubic(full.rate_cubic)}"
    if full.rate_pchip is None:
        used, other = "cubic", "; PCHIP cannot be computed"
    told = f"{name} needs {_amount(standing.rate)} {anchor.name} at the same {metric} ({used}{other})"
    told = _uncertain(standing, anchor) or told
    if full.accuracy_pchip is not None:
        more = "more" if full.accuracy_pchip >= 0 else "less"
        told += f", or has {abs(full.accuracy_pchip):.2f} points {more} {metric} at the same bits"
        accuracy = standing.certainty.accuracy if standing.certainty else None
        told += f" {interval_text(accuracy.ends(), 2, sign=True)}" if accuracy and accuracy.known else ""
    if standing.rhee2022 is not None and standing.rhee2022.rate_pchip is not None:
        told += f"; in Rhee et al.'s accounting {signed(standing.rhee2022.rate_pchip, 1)} %"
    if full.rate_pchip is not None and full.rate_cubic is not None and full.rate_pchip * full.rate_cubic < 0:
        told += ". The two interpolations disagree about the better method"
    return f"{told}."


def _uncertain(standing: Standing, anchor: Method) -> str:
    """The beginning of the sentence where there is an interval: ``−66 % [−71, −60]``; empty where there is none."""
    sure, full = standing.certainty, standing.full
    if sure is None or sure.rate is None or full is None or full.rate_pchip is None:
        return ""
    name, metric = standing.method.name, anchor.curve.metric
    figure = f"{signed(full.rate_pchip, 1)} % {interval_text(sure.rate.ends(), 1, sign=True)}".rstrip()
    doubt = f"; {missing(sure.rate)}" if missing(sure.rate) else ""
    figures = f"BD-rate {figure} (PCHIP; {by_cubic(full.rate_cubic)}{doubt})"
    if sure.verdict == "no difference":
        return f"{name} and {anchor.name} show no difference in bits at the same {metric}: {figures}"
    return f"{name} needs {_amount(full.rate_pchip)} {anchor.name} at the same {metric}: {figures}"


def by_cubic(rate: float | None) -> str:
    """The BD-rate by the cubic beside another figure, or that there is none."""
    return "the cubic cannot be computed" if rate is None else f"cubic {signed(rate, 1)} %"


def _amount(rate: float) -> str:
    text = f"{abs(rate):.1f} %"
    if text == "0.0 %":
        return "as many bits as"
    return f"{text} {'fewer' if rate < 0 else 'more'} bits than"
