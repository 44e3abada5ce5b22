"""What the suite covers: each syntax element's values, each end of its range from both sides, each clause."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..bitstream.elements import ELEMENTS, VERSION, Element
from ..decoder import Decoder
from ..errors import BitstreamError, UnsupportedError, VcmError
from .generate.edit import elements as traced_elements
from .manifest import Suite, Vector
from .stored_file import read_stored

#: Of elements with no more values than this, all values are asked for; of others, both ends.
_FEW = 16
_HEADING = re.compile(r"^#{2,3} (\d+(?:\.\d+)?) ", re.MULTILINE)

#: What no vector of the suite can show, and why.
EXEMPT_VALUES = {
    ("nal_unit_size", 2**32 - 1): "a NAL unit of 4 GiB",
    ("stage_payload_bits", 0): "no stage has an empty payload yet",
    ("stage_payload_bits", 16384): "no stage has a payload of this length yet",
    ("ps_base_idc", 0): "each set shares the beginning of its header with a template",
    ("ps_prefix_bits", 0): "each set shares the beginning of its header with a template",
    ("ps_suffix_bits", 16384): "the prefix is as long as it can be, and takes all of a set that is its base",
    (
        "ps_middle_bits",
        16384,
    ): "such a set shares its first bits with a template; one of VVC that does not is of a layer "
    "that inner decoders refuse",
}
#: Clauses that have nothing to decode, or nothing that a bitstream can break.
EXEMPT_CLAUSES = {
    "1": "scope",
    "2": "references",
    "3": "definitions",
    "4": "conventions",
    "6.1": "the elements' ranges, by their tables",
    "7.2": "by 6.2",
    "8.1": "the whole process: no rule of its own to break",
    "8.2": "the rank's bound is 6.13's",
    "8.5": "no rule to break: grids are 6.8's",
    "8.6": "no rule to break: ranges are 6.10's",
    "8.9": "no rule to break: shifts are 6.7's",
}


@dataclass
class ElementCoverage:
    """One element: the values it has in positive vectors, and those outside its range that it has in negative ones."""

    element: Element
    values: dict[int | float | bytes, str] = field(default_factory=dict)
    count: int = 0
    broken: dict[int, str] = field(default_factory=dict)


@dataclass
class Coverage:
    """By element, and by clause the ids of positive and negative vectors."""

    elements: dict[str, ElementCoverage]
    positive: dict[str, list[str]]
    negative: dict[str, list[str]]


def clauses_of(document: Path) -> list[str]:
    """The numbered headings of docs/bitstream.md that have no parts of their own, in order."""
    found = _HEADING.findall(document.read_text(encoding="utf-8"))
    return [clause for clause in found if not any(other.startswith(f"{clause}.") for other in found)]


def measure(folder: Path, suite: Suite) -> Coverage:
    """Parse every vector of a suite."""
    coverage = Coverage(
        {name: ElementCoverage(element) for name, element in ELEMENTS.items()}, defaultdict(list), defaultdict(list)
    )
    for vector in suite.vectors:
        sides = coverage.positive if vector.kind == "positive" else coverage.negative
        for clause in vector.clauses:
            sides[clause].append(vector.id)
        data = read_stored(folder, vector.bitstream)
        if vector.kind == "positive":
            _count_values(coverage.elements, vector, data)
        elif broken := _broken(data):
            name, value = broken
            coverage.elements[name].broken.setdefault(value, vector.id)
    return coverage


def _count_values(elements: Mapping[str, ElementCoverage], vector: Vector, data: bytes) -> None:
    traced = traced_elements(data)
    for one in {element.name for element in traced}:
        elements[one].count += 1
    for element in traced:
        if not isinstance(element.value, bytes):
            elements[element.name].values.setdefault(element.value, vector.id)


def _broken(data: bytes) -> tuple[str, int] | None:
    """The element whose range a negative vector breaks, and its value there."""
    try:
        for _ in Decoder(io.BytesIO(data)).reader.groups():
            pass
    except (BitstreamError, UnsupportedError) as error:
        if error.element in ELEMENTS and isinstance(error.value, int):
            return error.element, error.value
    except VcmError:
        pass
    return None


def wanted_values(name: str, element: Element) -> list[int]:
    """The values that positive vectors have to show: all of a few, else both ends of the range."""
    if name == "version":
        return [VERSION]
    if element.low is None or element.high is None:
        return [] if element.low is None else [element.low]
    if element.high - element.low < _FEW:
        return list(range(element.low, element.high + 1))
    return [element.low, element.high]


def wanted_breaks(element: Element) -> list[int]:
    """Values just outside the range that the descriptor can express, which negative vectors have to show."""
    largest = 2**element.bits - 1 if element.bits else None
    found = []
    if element.low is not None and element.low > 0:
        found.append(element.low - 1)
    if element.high is not None and (largest is None or element.high < largest):
        found.append(element.high + 1)
    return found


def missing(coverage: Coverage, clauses: Iterable[str]) -> Iterator[str]:
    """What has no vector, in words; nothing for a suite that is complete."""
    for name, found in coverage.elements.items():
        if not found.count:
            yield f"no positive vector has {name}"
        for value in wanted_values(name, found.element):
            if value not in found.values and (name, value) not in EXEMPT_VALUES:
                yield f"no positive vector has {name} {value}"
        for value in wanted_breaks(found.element):
            if value not in found.broken and name not in ("signature", "alignment_zero_bit"):
                yield f"no negative vector has {name} {value}"
    for clause in clauses:
        if clause in EXEMPT_CLAUSES:
            continue
        for kind, sides in (("positive", coverage.positive), ("negative", coverage.negative)):
            if not sides.get(clause):
                yield f"no {kind} vector is of clause {clause}"


def table(suite: Suite, coverage: Coverage, clauses: Iterable[str]) -> str:
    """docs/conformance_coverage.md."""
    kinds = {kind: sum(vector.kind == kind for vector in suite.vectors) for kind in ("positive", "negative", "limit")}
    lines = [
        "# What the conformance suite covers",
        "",
        "Written by `tools/make_coverage.py` from the vectors themselves; a test fails where an element, an end of a",
        "range or a clause has none.",
        "",
        ", ".join(f"{count} {kind}" for kind, count in kinds.items()) + " vectors.",
        "",
        "## Syntax elements",
        "",
        "| element | descriptor | positive vectors | values in them | values outside its range, refused |",
        "|---|---|---|---|---|",
    ]
    for name, found in coverage.elements.items():
        lines.append(
            f"| {name} | {found.element.descriptor} | {found.count} | {_values(found.values)} | "
            f"{', '.join(str(value) for value in sorted(found.broken))} |"
        )
    lines += ["", "Not shown:", ""]
    lines += [f"- {name} {value}: {why}" for (name, value), why in EXEMPT_VALUES.items()]
    lines += ["", "## Clauses", "", "| clause | positive | negative and limit | for instance |", "|---|---|---|---|"]
    for clause in clauses:
        positive, negative = coverage.positive.get(clause, []), coverage.negative.get(clause, [])
        if positive or negative:
            examples = ", ".join(ids[len(ids) // 2] for ids in (positive, negative) if ids)
            lines.append(f"| {clause} | {len(positive)} | {len(negative)} | {examples} |")
    lines += ["", "Clauses without vectors on one side:", ""]
    lines += [f"- {clause}: {why}" for clause, why in EXEMPT_CLAUSES.items()]
    return "\n".join(lines) + "\n"


#: The part of the document that tools/check_the_suite.py writes.
CHECKS = "\n## Checks of a decoder\n"


def section(document: str) -> str:
    """The part of docs/conformance_coverage.md that is not :func:`table`'s."""
    place = document.find(CHECKS)
    return document[place:] if place >= 0 else ""


def _values(values: Mapping[int | float | bytes, str]) -> str:
    numbers = sorted(value for value in values if not isinstance(value, bytes))
    if not numbers:
        return ""
    if len(numbers) <= _FEW:
        return ", ".join(_shown(number) for number in numbers)
    return f"{len(numbers)} values, {_shown(numbers[0])} to {_shown(numbers[-1])}"


def _shown(number: float) -> str:
    if isinstance(number, int) and abs(number) >= 2**64:
        return f"about 2^{abs(number).bit_length() - 1}"
    return f"{number:.9g}" if isinstance(number, float) else str(number)
