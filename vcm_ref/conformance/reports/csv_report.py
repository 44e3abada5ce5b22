"""A report as CSV: a line for each vector, with the run's conditions on each, so that files can be joined."""

from __future__ import annotations

import csv
import io

from ...reporting.printable import spreadsheet_cell
from ..results import Report
from .content import selected

HEADERS = (
    "decoder", "decoder_version", "adaptor_sha256", "suite", "suite_version", "manifest_sha256", "mode", "selection",
    "time_factor", "conforms", "started", "host", "versions", "id", "kind", "profile", "level", "inner_codec",
    "features", "result", "reason", "seconds", "memory",
)  # fmt: skip


def csv_report(report: Report) -> str:
    """RFC 4180, with a header line. What is not known is empty; lists have spaces between their entries."""
    conforms = {True: "yes", False: "no", None: ""}[report.conforms]
    run = [
        report.adaptor.name,
        report.decoder_version or "",
        report.adaptor.sha256,
        report.suite.suite,
        report.suite.version,
        report.manifest_sha256,
        report.mode.upper(),
        selected(report),
        f"{report.time_factor:g}",
        conforms,
        report.started,
        "; ".join(map(str, report.host.values())),
        "; ".join(f"{name} {version}" for name, version in report.versions.items()),
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADERS)
    for result in report.results:
        vector = result.vector
        seconds = "" if result.seconds is None else f"{result.seconds:.3f}"
        cells = (
                *run, vector.id, vector.kind, vector.profile, vector.level, vector.inner_codec,
                " ".join(vector.features), result.outcome.value, result.judgement.reason, seconds, result.memory,
        )  # fmt: skip
        writer.writerow(map(spreadsheet_cell, cells))
    return text.getvalue()
