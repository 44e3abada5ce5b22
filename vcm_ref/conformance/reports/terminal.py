"""A report for people, at once: the counts, and each vector that has not passed."""

from __future__ import annotations

from ..results import Report
from .content import facts, summary, verdict


def terminal_report(report: Report) -> str:
    """Conditions; counts; for each vector that has not passed the reason, and what a failure suggests; the verdict."""
    from tabulate import tabulate

    headers, rows = summary(report)
    align = ["left", *["right"] * (len(headers) - 1)]
    conditions = tabulate(facts(report), tablefmt="plain", disable_numparse=True)
    lines = [conditions, "", tabulate(rows, headers, disable_numparse=True, colalign=align), ""]
    for result in report.failures:
        lines += [
            f"{result.vector.id}: {result.outcome.value}: {result.judgement.reason}",
            f"    {result.vector.failure_suggests}",
        ]
    if report.failures:
        lines.append("")
    return "\n".join([*lines, verdict(report)])
