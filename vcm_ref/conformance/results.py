"""What a run of the suite came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .adaptor import Adaptor, Mode
from .judgement import Judgement, Outcome
from .manifest import Suite, Vector


@dataclass(frozen=True)
class Result:
    """One vector's. ``seconds`` and ``memory`` (bytes, the most that was seen) are ``None`` where it was not run."""

    vector: Vector
    judgement: Judgement
    seconds: float | None = None
    memory: int | None = None

    @property
    def outcome(self) -> Outcome:
        """What the vector came to."""
        return self.judgement.outcome

    @property
    def counts_against(self) -> bool:
        """Whether a decoder does not conform that has this result."""
        return self.outcome not in (Outcome.PASS, Outcome.NOT_RUN)


@dataclass(frozen=True)
class Report:
    """A run: what of, with what, under which conditions, and its results in the manifest's order.

    ``selection`` has the options by which vectors were selected (empty: all were); ``time_factor`` multiplied their
    time limits; ``served`` says whether one process decoded many vectors; ``started`` is a time in UTC;
    ``decoder_version`` what the decoder says of itself, where it was asked.
    """

    suite: Suite
    manifest_sha256: str
    adaptor: Adaptor
    decoder_version: str | None
    mode: Mode
    selection: Mapping[str, list[Any]]
    time_factor: float
    served: bool
    started: str
    seconds: float
    host: Mapping[str, Any]
    versions: Mapping[str, str]
    results: tuple[Result, ...]

    @property
    def conforms(self) -> bool | None:
        """Whether the decoder conforms; ``None`` where only a part of the suite was run, and passed."""
        if any(result.counts_against for result in self.results):
            return False
        return None if self.selection else True

    @property
    def failures(self) -> list[Result]:
        """Those that were run and have not passed."""
        return [result for result in self.results if result.counts_against]


def counts(results: Iterable[Result]) -> dict[Outcome, int]:
    """How many have each outcome."""
    found = Counter(result.outcome for result in results)
    return {outcome: found[outcome] for outcome in Outcome}
