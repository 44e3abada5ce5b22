"""A report as Markdown (GitHub's flavour: it has tables)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...printable import printable
from .blocks import Block, Document, Folded, Heading, Items, Paragraph, Picture, Table

#: What means something to Markdown wherever it stands, and an underscore except between letters, as in feature_anchor.
_MARKS = re.compile(r"[\\`*<>\[\]|#&~$]|(?<!\w)_|_(?!\w)")


def markdown(document: Document) -> str:
    """The report as one text; figures are referred to as the PNG files beside it."""
    lines = [f"# {_escaped(document.title)}"]
    for block in document.blocks:
        lines += ["", *_lines(block)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\g<0>", printable(" ".join(text.split())))


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, level):
            yield f"{'#' * level} {_escaped(text)}"
        case Paragraph(text, warning):
            yield f"> **Warning.** {_escaped(text)}" if warning else _escaped(text)
        case Items(items, numbered):
            for number, item in enumerate(items, start=1):
                yield f"{number}. {_escaped(item)}" if numbered else f"- {_escaped(item)}"
        case Table():
            yield _table(block)
        case Picture(name, caption):
            yield f"![{_escaped(caption)}]({name}.png)"
            yield ""
            yield _escaped(caption)
        case Folded(title, blocks):  # Markdown has nothing to fold with: the end of the page does as well
            yield from _lines(Heading(title, 3))
            for inner in blocks:
                yield ""
                yield from _lines(inner)


def _table(table: Table) -> str:
    from tabulate import tabulate

    groups = [name for name, span in table.groups for _ in range(span)] or [""] * len(table.headers)
    headers = [f"{group}: {header}" if group else header for group, header in zip(groups, table.headers, strict=True)]
    return tabulate(
        [[_escaped(cell) for cell in row] for row in table.rows],
        [_escaped(header) for header in headers],
        tablefmt="pipe",
        colalign=["right" if letter == "r" else "left" for letter in table.align],
        disable_numparse=True,
    )
