"""A report as Markdown (GitHub's flavour: it has tables)."""

from __future__ import annotations

from collections.abc import Sequence

from ...reporting.printable import markdown_text
from ..judgement import Outcome
from ..results import Report
from .content import facts, summary, verdict


def markdown_report(report: Report) -> str:
    """Verdict, conditions, counts, vectors that have not passed, and those that were not run."""
    headers, rows = summary(report)
    blocks = [
        f"# Conformance of {markdown_text(report.adaptor.name)}",
        markdown_text(verdict(report)) + ".",
        _table(["", ""], [list(fact) for fact in facts(report)]),
        _table(headers, rows, "l" + "r" * (len(headers) - 1)),
    ]
    if report.failures:
        found = [
            [result.vector.id, result.outcome.value, result.judgement.reason, result.vector.failure_suggests]
            for result in report.failures
        ]
        blocks += ["## Not passed", _table(["vector", "result", "reason", "this suggests"], found)]
    idle = [result for result in report.results if result.outcome is Outcome.NOT_RUN]
    if idle:
        blocks += ["## Not run", _table(["vector", "reason"], [[r.vector.id, r.judgement.reason] for r in idle])]
    return "\n\n".join(blocks) + "\n"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    rules = ["---:" if letter == "r" else "---" for letter in align or "l" * len(headers)]
    cells = [[markdown_text(cell) for cell in headers], rules, *([markdown_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
