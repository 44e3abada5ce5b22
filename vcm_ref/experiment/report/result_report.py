"""The report over a set of results: which method is ahead, by how much, and where the bits went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ..bootstrap import NO_BOOTSTRAP, Bootstrap
from .agreement import differences
from .content import report_document
from .html import html
from .json_report import json_report
from .long_csv import (
    COMPARISON_COLUMNS,
    PICTURE_COLUMNS,
    POINT_COLUMNS,
    comparison_rows,
    picture_rows,
    point_rows,
    written,
)
from .markdown import markdown
from .method import Anchor, Method, read_methods
from .over_time import found_over_time
from .spending import spendings
from .standing import Standing, standings
from .writing import write_files

TITLE = "Rate–accuracy report"

FILES = (
    "report.md",
    "report.html",
    "report.json",
    "points.csv",
    "pictures.csv",
    "comparisons.csv",
    "rate_accuracy.png",
    "rate_accuracy.svg",
    "upper.png",
    "upper.svg",
    "bits.png",
    "bits.svg",
    "over_time.png",
    "over_time.svg",
)
"""All that a report can consist of.

``pictures.csv``, ``upper.*``, ``bits.*`` and ``over_time.*`` are there where results suffice.
"""


@dataclass(frozen=True)
class Result:
    """Methods in the order given, where each stands, best first, and the one they are compared with."""

    methods: list[Method]
    standings: list[Standing]
    anchor: Method


def compared(
    results: Sequence[Path | Anchor],
    anchor: str | None = None,
    metric: str | None = None,
    allow_different: bool = False,
    bootstrap: Bootstrap = NO_BOOTSTRAP,
) -> Result:
    """Read and compare ``results``; parameters and errors are those of :func:`write_report`."""
    methods = read_methods(results, metric, bootstrap)
    against = methods[0] if anchor is None else next((method for method in methods if method.name == anchor), None)
    if against is None:
        raise ConfigError(f"no result is named {anchor!r}; there are {', '.join(method.name for method in methods)}")
    if not allow_different and (different := differences(methods)):
        raise ConfigError(
            f"the results are not comparable: {' '.join(different)} Leave some out, name a common metric with "
            "--metric, or compare them in spite of this with --allow-different"
        )
    return Result(methods, standings(methods, against), against)


def write_report(
    folder: Path,
    results: Sequence[Path | Anchor],
    *,
    anchor: str | None = None,
    metric: str | None = None,
    title: str = TITLE,
    allow_different: bool = False,
    bootstrap: Bootstrap = NO_BOOTSTRAP,
) -> Result:
    """Write the report over ``results``: anchor files, published curves, folders of these, and anchors as read.

    ``anchor`` names the method that others are compared with, by default the first; ``metric`` is by default each
    file's main one. Curves over different data, pictures, networks or metrics are an error, unless
    ``allow_different``: then the report opens with a warning that names them. ``folder`` may hold an earlier report,
    whose files are replaced. The same results give the same bytes. With resamples in ``bootstrap``, figures have
    intervals where the tallies of the pictures are beside an anchor file.

    Raises :class:`ConfigError` for curves that are not comparable, names that occur twice, and an anchor or metric that
    there is not; :class:`~vcm_ref.errors.DatasetError` for a file that is no result; and
    :class:`~vcm_ref.files.atomic.OutputError`.
    """
    from . import plots
    from .over_time import drawn_over_time

    found = compared(results, anchor, metric, allow_different, bootstrap)
    figures = plots.rate_accuracy(found.standings, found.methods, found.anchor)
    if spent := spendings([standing.method for standing in found.standings]):
        figures |= plots.bits(spent)
    if sequences := found_over_time(found.methods):
        figures |= drawn_over_time(sequences)
    document = report_document(title, found.standings, found.methods, found.anchor)
    drawn = {name.removesuffix(".svg"): content for name, content in figures.items() if name.endswith(".svg")}
    files: dict[str, bytes | Iterable[bytes]] = {
        "report.md": markdown(document).encode(),
        "report.html": html(document, drawn).encode(),
        "points.csv": written(POINT_COLUMNS, point_rows(found.methods)),
        "report.json": json_report(title, found.standings, found.methods, found.anchor),
        "comparisons.csv": written(COMPARISON_COLUMNS, comparison_rows(found.standings, found.anchor.curve.metric)),
        **figures,
    }
    if next(picture_rows(found.methods), None) is not None:
        files["pictures.csv"] = written(PICTURE_COLUMNS, picture_rows(found.methods))
    write_files(folder, files, FILES)
    return found
