"""A report as Markdown (GitHub's flavour: it has tables)."""

from __future__ import annotations

from collections.abc import Iterator

from ...reporting.printable import markdown_text
from .blocks import Block, Document, Folded, Heading, Items, Paragraph, Picture, Table


def markdown(document: Document) -> str:
    """The report as one text; figures are referred to as the PNG files beside it."""
    lines = [f"# {markdown_text(document.title)}"]
    for block in document.blocks:
        lines += ["", *_lines(block)]
    return "\n".join(lines) + "\n"


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, level):
            yield f"{'#' * level} {markdown_text(text)}"
        case Paragraph(text, warning):
            yield f"> **Warning.** {markdown_text(text)}" if warning else markdown_text(text)
        case Items(items, numbered):
            for number, item in enumerate(items, start=1):
                yield f"{number}. {markdown_text(item)}" if numbered else f"- {markdown_text(item)}"
        case Table():
            yield _table(block)
        case Picture(name, caption):
            yield f"![{markdown_text(caption)}]({name}.png)"
            yield ""
            yield markdown_text(caption)
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
        [[markdown_text(cell) for cell in row] for row in table.rows],
        [markdown_text(header) for header in headers],
        tablefmt="pipe",
        colalign=["right" if letter == "r" else "left" for letter in table.align],
        disable_numparse=True,
    )
