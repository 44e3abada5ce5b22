"""What the results are from, side by side: what all methods share, and what differs from one to another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...configuration.words import in_current_words
from .blocks import Block, Heading, Paragraph, Table
from .method import Method
from .numbers import NOTHING

_SECTIONS = ("data", "labels", "network", "inner_codec", "versions", "code", "tolerance", "method", "configuration")


def provenance(methods: Sequence[Method]) -> list[Block]:
    """Two tables: item, value; and item, value, methods, for what is not the same in all anchor files."""
    blocks: list[Block] = []
    measured = [method for method in methods if method.anchor_file]
    shared, different = _sorted_out(measured)
    if shared:
        blocks += [Heading("The same for all measured methods" if len(measured) > 1 else "Measured", 3)]
        blocks += [Table(("item", "value"), shared, "ll")]
    if different:
        blocks += [Heading("What differs", 3), Table(("item", "value", "methods"), different, "lll")]
    blocks += [Heading("Sources", 3)]
    blocks += [Table(("method", "file", "source"), [(m.name, m.path.name, m.curve.source) for m in methods], "lll")]
    if len(measured) < len(methods):
        blocks.append(Paragraph("Of published curves no more is known than what their source states."))
    return blocks


def _sorted_out(methods: Sequence[Method]) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for method in methods:
        for section in _SECTIONS:
            for item, value in flat(section, _told(section, method.anchor_file.get(section))):
                found.setdefault(item, {}).setdefault(value, []).append(method.name)
    shared, different = [], []
    for item, values in found.items():
        missing = [m.name for m in methods if not any(m.name in names for names in values.values())]
        if missing:
            values[NOTHING] = missing
        if len(values) == 1:
            shared.append((item, next(iter(values))))
        else:
            different += [(item, value, ", ".join(names)) for value, names in values.items()]
    return shared, different


def _told(section: str, value: Any) -> Any:
    """A configuration of version 0.1 in the words of today, anything else as it is."""
    return in_current_words(value) if section == "configuration" and isinstance(value, Mapping) else value


def flat(item: str, value: Any) -> Iterator[tuple[str, str]]:
    """``codec.preset`` and ``faster``, and so on for all that ``value`` holds."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(f"{item}.{key}", inner)
    elif value is not None:
        yield item, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
