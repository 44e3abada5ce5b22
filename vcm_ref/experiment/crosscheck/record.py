"""The record of a cross-check: one JSON document (``crosscheck.schema.json``), and the same as Markdown."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from ...atomic import atomic_file
from ...provenance import file_digest, host, versions
from ..naming import environment
from ..records import Record
from .check import Findings, Plan
from .findings import Section
from .telling import told_record

SCHEMA = "crosscheck.schema.json"
#: So many differences of a section are listed; all are counted.
LISTED = 20


def crosscheck_document(plan: Plan, anchor_file: Path, findings: Findings, started: str, seconds: float) -> Record:
    """The record, checked against the schema. ``started`` is the time in UTC, ``seconds`` what it took."""
    from jsonschema import Draft202012Validator

    anchor = plan.anchor
    both = {"anchor": anchor["versions"], "here": versions()}
    codecs = {"anchor": anchor["inner_codec"], "here": plan.method.inner_codec()}
    sections = findings.sections()
    document: Record = {
        "schema": 2,
        "kind": "crosscheck",
        "verdict": "agrees" if findings.agrees else "differs",
        "anchor": {
            "name": anchor["name"],
            "file": anchor_file.name,
            "sha256": file_digest(anchor_file),
            "method": anchor["method"],
            "data": anchor["data"]["name"],
            "network": anchor["network"]["name"],
        },
        "depths": list(plan.depths),
        "counts": {
            "pictures": findings.pictures,
            "anchor_pictures": len(anchor["pictures"]),
            "qps": list(plan.method.qps),
            "anchor_qps": [point["qp"] for point in anchor["points"]],
            "differences": len(findings.differences()),
        },
        "tolerance": anchor["tolerance"],
        **{name: _section_record(section) for name, section in sections.items()},
        "differences": [
            difference.record() for section in sections.values() for difference in section.differences[:LISTED]
        ],
        "versions": both,
        "inner_codec": codecs,
        "code": {stage: anchor["code"].get(stage) == made for stage, made in environment().items()},
        "host": host(),
        "started": started,
        "seconds": round(seconds, 1),
    }
    schema = json.loads(files("vcm_ref.experiment").joinpath(SCHEMA).read_text())
    Draft202012Validator(schema).validate(document)
    return document


def write_record(path: Path, document: Record) -> None:
    """Write the record to ``path``, and its Markdown beside it first: where ``path`` is, all is."""
    with atomic_file(path.with_suffix(".md")) as file:
        file.write(told_record(document).encode())
    with atomic_file(path) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")


def _section_record(section: Section) -> Record:
    aspects = {name: aspect.record() for name, aspect in section.aspects.items()}
    return {"level": section.level, **aspects, **({"points": list(section.metrics)} if section.metrics else {})}
