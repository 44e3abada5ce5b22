"""What a report consists of, whatever its format: headings, text, tables, figures, in order.

All text is plain: a format's own marks are escaped by its reporter, so a method may have any name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Union


@dataclass(frozen=True)
class Heading:
    """A heading; ``level`` 2 is a section's, 3 that of a part of it."""

    kind: ClassVar = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Some sentences; with ``warning``, such as nobody may overlook."""

    kind: ClassVar = "paragraph"
    text: str
    warning: bool = False


@dataclass(frozen=True)
class Items:
    """Sentences one below the other; ``numbered``: the notes that a table refers to as [1], [2] …"""

    kind: ClassVar = "items"
    items: Sequence[str]
    numbered: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as text. ``align`` has ``l`` or ``r`` for each column.

    ``groups`` are headings over neighbouring columns, each with how many it spans; together they span all.
    """

    kind: ClassVar = "table"
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    groups: Sequence[tuple[str, int]] = ()

    def __post_init__(self) -> None:
        widths = {len(self.headers), len(self.align), *map(len, self.rows)}
        if self.groups:
            widths.add(sum(span for _, span in self.groups))
        if len(widths) != 1:
            raise ValueError(f"a table whose parts have {sorted(widths)} columns")


@dataclass(frozen=True)
class Picture:
    """A figure among the report's files, ``name`` without ``.png`` or ``.svg``; ``caption`` says what it shows."""

    kind: ClassVar = "picture"
    name: str
    caption: str


@dataclass(frozen=True)
class Folded:
    """What only some readers want: closed at first where the format can."""

    kind: ClassVar = "folded"
    title: str
    blocks: Sequence[Block]


Block = Union[Heading, Paragraph, Items, Table, Picture, Folded]  # noqa: UP007 - Folded refers to it


@dataclass(frozen=True)
class Document:
    """A report: its title and its blocks."""

    title: str
    blocks: Sequence[Block]
