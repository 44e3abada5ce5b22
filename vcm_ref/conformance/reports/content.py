"""What every report says, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..judgement import Outcome
from ..manifest import KINDS
from ..results import Report, Result, counts

OUTCOMES = tuple(Outcome)


def verdict(report: Report) -> str:
    """Whether the decoder conforms, as a sentence."""
    name, mode = report.adaptor.name, report.mode.upper()
    if report.conforms is None:
        passed = f"{name}: every vector that was run has passed (mode {mode})"
        return f"{passed}; only the whole suite shows whether it conforms"
    if report.conforms:
        claimed = ", ".join(sorted(report.adaptor.profiles))
        return f"{name} conforms (mode {mode}): profiles {claimed} up to level {report.adaptor.level}"
    return f"{name} does not conform (mode {mode}): {len(report.failures)} of {ran(report)} vectors have not passed"


def ran(report: Report) -> int:
    """How many vectors were run."""
    return sum(result.outcome is not Outcome.NOT_RUN for result in report.results)


def selected(report: Report) -> str:
    """What vectors were selected by."""
    return "; ".join(f"{key} {' '.join(map(str, values))}" for key, values in report.selection.items()) or "all"


def facts(report: Report) -> list[tuple[str, str]]:
    """What, with what, where and when: pairs of a label and a text."""
    suite, host = report.suite, report.host
    return [
        ("decoder", report.adaptor.name),
        ("its version", report.decoder_version or "not known"),
        ("adaptor's SHA-256", report.adaptor.sha256),
        ("suite", f"{suite.suite} {suite.version}, of {suite.specification.document} {suite.specification.version}"),
        ("manifest's SHA-256", report.manifest_sha256),
        ("mode", report.mode.upper()),
        ("vectors", selected(report)),
        *([("time limits", f"multiplied by {report.time_factor:g}")] if report.time_factor != 1 else []),
        ("decoder's processes", "each for many vectors" if report.served else "one for each vector"),
        ("date", f"{report.started}, {report.seconds:.1f} s"),
        ("host", f"{host['platform']}, {host['processor']}, {host['cores']} cores"),
        ("versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())),
    ]


def summary(report: Report) -> tuple[list[str], list[list[str]]]:
    """The counts by kind and by inner codec: header and rows. An outcome that there is not has no column."""
    total = counts(report.results)
    shown = [outcome for outcome in OUTCOMES if outcome is Outcome.PASS or total[outcome]]
    rows = [
        *_grouped(sorted(report.results, key=_kind_number), shown, lambda result: result.vector.kind),
        *_grouped(report.results, shown, lambda result: result.vector.inner_codec or "inner codec not known"),
        ["all", str(len(report.results)), *(str(total[outcome]) for outcome in shown)],
    ]
    return ["", "vectors", *(outcome.value for outcome in shown)], rows


def _kind_number(result: Result) -> int:
    return KINDS.index(result.vector.kind)


def _grouped(results: Iterable[Result], shown: list[Outcome], key: Callable[[Result], str]) -> list[list[str]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    rows = []
    for name, members in groups.items():
        found = counts(members)
        rows.append([name, str(len(members)), *(str(found[outcome]) for outcome in shown)])
    return rows
