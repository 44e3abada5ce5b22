"""Comparing what was found here with the anchor: bitstreams, rate and T1, picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ...task.dataset import ImageId
from ..records import Record
from ..sweep import Measured
from .findings import Aspect, Difference, Section, Tally, not_checked, short
from .given import Given
from .inputs import Expected
from .outcomes import Outcomes

_LONGEST = 160  # of what an inner codec says for itself
_NAMES = {"rhee2022_bits": "bits in Rhee et al.'s accounting"}
GivenAt = Callable[[int, ImageId], Given]


def compare_bitstreams(expected: Expected, given: GivenAt) -> Section:
    """Somebody's bitstreams by size and digest alone, where nothing else can be compared."""
    tally = Tally()
    differences = []
    for point in expected.points():
        for picture in expected.of(point):
            qp, image_id = point["qp"], picture["id"]
            if expected.groups.place(image_id):
                continue
            told = _given_told(expected, picture, given(qp, image_id))
            tally.add(not told, _where(qp, image_id))
            if told:
                differences.append(_difference("decode", qp, image_id, [told], ["bitstreams"]))
    return Section({"bitstreams": tally.aspect()}, differences)


def compare_decoded(expected: Expected, given: GivenAt, measured: Mapping[int, Measured]) -> Section:
    """Somebody's bitstreams, and what was decoded of them."""
    comparison = _Comparison("decode", expected, ("bits",), "cannot be decoded")
    return comparison.of(measured, lambda qp, picture, record: _given_told(expected, picture, given(qp, picture["id"])))


def compare_encoded(expected: Expected, measured: Mapping[int, Measured]) -> Section:
    """What was coded again, and what was decoded of that."""
    comparison = _Comparison("encode", expected, ("bits", "rhee2022_bits"), "cannot be coded again")
    return comparison.of(measured, lambda qp, picture, record: None if record is None else _again_told(picture, record))


def unchecked(names: Iterable[str], note: str) -> dict[str, Aspect]:
    """Aspects of which nothing was compared, and why."""
    return {name: not_checked(note) for name in names}


class _Comparison:
    """One depth: ``sizes`` are the keys of its rate, ``failed`` what is told where there is no result."""

    def __init__(self, depth: str, expected: Expected, sizes: Sequence[str], failed: str) -> None:
        self._depth = depth
        self._expected = expected
        self._sizes = sizes
        self._failed = failed
        self._tallies = {name: Tally() for name in ("bitstreams", "rate", "t1")}
        self._outcomes = Outcomes(expected, depth)
        self._differences: list[Difference] = []

    def of(
        self, measured: Mapping[int, Measured], bitstream_told: Callable[[int, Record, Record | None], str | None]
    ) -> Section:
        """Compare all points.

        ``bitstream_told`` says what of a bitstream differs, ``None`` where there is none. A group's bitstream is
        compared at its first picture.
        """
        for point in self._expected.points():
            qp, found = point["qp"], measured[point["qp"]]
            failures = {failure.image_id: failure.message for failure in found.failures}
            explained: set[ImageId] = set()
            for picture in self._expected.of(point):
                record = found.records.get(picture["id"])
                told = None if self._expected.groups.place(picture["id"]) else bitstream_told(qp, picture, record)
                if self._compare(qp, picture, record, told, failures.get(picture["id"], "")):
                    explained.add(picture["id"])
            digests = {picture["id"]: picture["result_sha256"] for picture in self._expected.of(point)}
            self._outcomes.add(qp, point["metrics"], digests, found, len(point["pictures"]), explained)
        aspects = {name: tally.aspect() for name, tally in self._tallies.items()}
        differences = [*self._differences, *self._outcomes.differences]
        return Section({**aspects, **self._outcomes.aspects()}, differences, self._outcomes.metrics)

    def _compare(self, qp: int, picture: Record, record: Record | None, bitstream: str | None, failure: str) -> bool:
        """Compare one picture; returns whether what the network is given differs."""
        failed = ""
        if record is None and (not failure or failure != bitstream):
            failed = f"{self._failed}: {_shortened(failure) or 'the reason is unknown'}"
        told: dict[str, str] = {}
        if bitstream is not None:
            told["bitstreams"] = bitstream
        told["t1"] = failed if record is None else _t1_told(picture, record)
        if record is not None:
            told["rate"] = _rate_told(picture, record, self._sizes)
        differing = [name for name, text in told.items() if text or (name == "t1" and record is None)]
        for name in told:
            self._tallies[name].add(name not in differing, _where(qp, picture["id"]))
        if differing:
            texts = [text for text in told.values() if text]
            self._differences.append(_difference(self._depth, qp, picture["id"], texts, differing))
        return "t1" in differing


def _where(qp: int, image_id: ImageId) -> str:
    return f"QP {qp}, picture {image_id}"


def _difference(depth: str, qp: int, image_id: ImageId, texts: Sequence[str], aspects: Sequence[str]) -> Difference:
    headline = f"{depth}, {_where(qp, image_id)}: {texts[0]}"
    return Difference(tuple(aspects), headline, qp, image_id, tuple(texts[1:]))


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"


def _given_told(expected: Expected, picture: Record, given: Given) -> str:
    if given.problem:
        return given.problem
    told = _bitstream_told(str(given.path), given.bytes, given.sha256, picture)
    if not told:
        return ""
    for point in expected.anchor["points"]:
        for other in point["pictures"]:
            if other is not picture and other["sha256"] == given.sha256:
                return f"{told}; it is the anchor's of {_where(point['qp'], other['id'])}"
    return told


def _again_told(picture: Record, record: Record) -> str:
    return _bitstream_told("coded again it", record["bytes"], record["sha256"], picture)


def _bitstream_told(what: str, size: int, sha256: str, picture: Record) -> str:
    if sha256 != picture["sha256"]:
        theirs = f"the anchor's has {picture['bytes']}, SHA-256 {short(picture['sha256'])}"
        return f"{what} is another bitstream: {size} bytes, SHA-256 {short(sha256)}; {theirs}"
    return f"{what} has {size} bytes, the anchor says {picture['bytes']}" if size != picture["bytes"] else ""


def _rate_told(picture: Record, record: Record, sizes: Sequence[str]) -> str:
    told = []
    for key in sizes:
        ours, theirs = record[key], picture[key]
        if not isinstance(ours, dict):
            told += [f"{_NAMES[key]} {ours}, the anchor's {theirs}"] if ours != theirs else []
            continue
        parts = [part for part in dict.fromkeys([*theirs, *ours]) if ours.get(part, 0) != theirs.get(part, 0)]
        told += [f"{key} of {part} {ours.get(part, 0)}, the anchor's {theirs.get(part, 0)}" for part in parts]
    return ", ".join(told)


def _t1_told(picture: Record, record: Record) -> str:
    theirs, ours = picture["t1"], record["t1"]
    differing = [layer for layer in dict.fromkeys([*theirs, *ours]) if theirs.get(layer) != ours.get(layer)]
    if not differing:
        return ""
    first = differing[0]
    digests = [short(side[first]) if first in side else "none" for side in (ours, theirs)]
    more = f", and in {', '.join(differing[1:])}" if len(differing) > 1 else ""
    return f"T1 differs in layer {first}: {digests[0]}, the anchor's {digests[1]}{more}"
