"""Reports of a run, one module for each format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...files.atomic import atomic_file
from ..results import Report
from .csv_report import csv_report
from .json_report import json_report
from .junit import junit_report
from .markdown import markdown_report
from .terminal import terminal_report

__all__ = ["FORMATS", "csv_report", "json_report", "junit_report", "markdown_report", "terminal_report", "write_report"]

#: By the suffix of the file's name.
FORMATS: dict[str, Callable[[Report], str]] = {
    ".md": markdown_report,
    ".json": json_report,
    ".csv": csv_report,
    ".xml": junit_report,
}


def write_report(path: Path, report: Report) -> None:
    """Write the report in the format that the file's suffix names. Raises :class:`OutputError`."""
    text = FORMATS[path.suffix](report)
    with atomic_file(path) as file:
        file.write(text.encode())
