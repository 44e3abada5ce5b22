"""A report as JSON, everything that is known (``report.schema.json``)."""

from __future__ import annotations

import json
from typing import Any

from ..results import Report, Result, counts

SCHEMA = "report.schema.json"


def json_report(report: Report) -> str:
    """The document as text in ASCII, a line for each value."""
    return json.dumps(report_record(report), indent=1, allow_nan=False) + "\n"


def report_record(report: Report) -> dict[str, Any]:
    """The document."""
    suite, adaptor = report.suite, report.adaptor
    return {
        "schema": 1,
        "kind": "conformance",
        "conforms": report.conforms,
        "decoder": {
            "name": adaptor.name,
            "version": report.decoder_version,
            "adaptor_sha256": adaptor.sha256,
            "profiles": sorted(adaptor.profiles),
            "level": adaptor.level,
        },
        "suite": {
            "name": suite.suite,
            "version": suite.version,
            "manifest_sha256": report.manifest_sha256,
            "specification": {"document": suite.specification.document, "version": suite.specification.version},
        },
        "mode": report.mode.upper(),
        "selection": dict(report.selection),
        "time_factor": report.time_factor,
        "served": report.served,
        "counts": {outcome.value: count for outcome, count in counts(report.results).items()},
        "results": [_result(result) for result in report.results],
        "started": report.started,
        "seconds": round(report.seconds, 1),
        "host": dict(report.host),
        "versions": dict(report.versions),
    }


def _result(result: Result) -> dict[str, Any]:
    vector = result.vector
    return {
        "id": vector.id,
        "kind": vector.kind,
        "profile": vector.profile,
        "level": vector.level,
        "inner_codec": vector.inner_codec,
        "result": result.outcome.value,
        "reason": result.judgement.reason or None,
        "seconds": None if result.seconds is None else round(result.seconds, 3),
        "memory": result.memory,
    }
