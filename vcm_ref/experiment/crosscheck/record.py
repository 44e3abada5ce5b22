"""The record of a cross-check: one JSON document (``crosscheck.schema.json``), and the same as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from ...files.atomic import atomic_file
from ...reporting.provenance import file_digest, host, versions
from ..naming import environment
from ..records import Record
from ..report.blocks import Block, Document, Heading, Items, Paragraph, Table
from ..report.markdown import markdown
from .check import Findings, Plan
from .findings import Section

SCHEMA = "crosscheck.schema.json"
_SECTIONS = {"inputs": "inputs", "uncompressed": "without coding", "decode": "decoded", "encode": "coded again"}
_ASPECTS = {"data": "data set", "sums": "the anchor's sums", "t1": "T1"}
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


def aspect_rows(document: Record) -> list[tuple[str, str, str, str]]:
    """For each aspect: what it is, its level, how many of how many are not identical, and the remark."""
    rows = []
    for name, called in _SECTIONS.items():
        for aspect, found in document.get(name, {}).items():
            if isinstance(found, dict):
                count = f"{found['different']} of {found['compared']}" if found["compared"] else ""
                what = f"{called}: {_ASPECTS.get(aspect, aspect)}"
                rows.append((what, found["level"], count, found.get("note", "")))
    return rows


def told_record(document: Record) -> str:
    """The record as Markdown."""
    title = f"Cross-check of {document['anchor']['name']}: it {document['verdict']}"
    return markdown(Document(title, list(_blocks(document))))


def summary(document: Record) -> str:
    """The verdict in a line."""
    counts, anchor = document["counts"], document["anchor"]
    done = [_SECTIONS[depth] for depth in document["depths"] if document[depth]["t1"]["level"] != "not checked"]
    depths = " and ".join(done) or "inputs only"
    pictures = f"{counts['pictures']} of {counts['anchor_pictures']} pictures"
    qps = f"QP {' '.join(map(str, counts['qps']))}"
    count = f"{counts['differences']} difference{'s' if counts['differences'] != 1 else ''}"
    told = "agrees" if document["verdict"] == "agrees" else f"differs ({count})"
    return f"anchor {anchor['name']} {told}: {depths}, {pictures}, {qps}"


def _blocks(document: Record) -> Iterator[Block]:
    yield Paragraph(f"{summary(document)}.")
    yield Paragraph(
        f"The anchor's tolerance for metrics is {document['tolerance']['metrics']}; T1 digests have none. "
        f"Started {document['started']}, {document['seconds']} s."
    )
    yield Heading("What agrees")
    yield Table(("what", "level", "not identical", "remark"), aspect_rows(document), "llrl")
    if document["differences"]:
        yield Heading("Differences")
        yield Items([". ".join([one["text"], *one.get("details", [])]) for one in document["differences"]])
        if len(document["differences"]) < document["counts"]["differences"]:
            yield Paragraph(f"All {document['counts']['differences']} were counted; the first of each kind are listed.")
    if rows := list(_metric_rows(document)):
        yield Heading("Metrics")
        yield Table(("what", "QP", "metric", "anchor", "here"), rows, "lrlrr")
    yield Heading("The two sides")
    yield Table(("version", "anchor", "here"), list(_version_rows(document)), "lll")
    stages = [stage for stage, same in document["code"].items() if not same]
    yield Paragraph(
        f"Code or packages differ for: {', '.join(stages)}." if stages else "All stages have the anchor's code."
    )
    named = document["host"]
    yield Paragraph(f"Host: {named['platform']}, {named['processor']}, {named['cores']} cores.")


def _metric_rows(document: Record) -> Iterator[tuple[str, str, str, str, str]]:
    for name, called in _SECTIONS.items():
        for point in document.get(name, {}).get("points", []):
            for metric in dict.fromkeys([*point["anchor"], *point["here"]]):
                qp = "" if point["qp"] is None else str(point["qp"])
                values = [f"{point[side][metric]:.6f}" if metric in point[side] else "" for side in ("anchor", "here")]
                yield called, qp, metric, values[0], values[1]


def _version_rows(document: Record) -> Iterator[tuple[str, str, str]]:
    for group, prefix in (("versions", ""), ("inner_codec", "codec ")):
        sides = document[group]
        for key in dict.fromkeys([*sides["anchor"], *sides["here"]]):
            yield f"{prefix}{key}", sides["anchor"].get(key, ""), sides["here"].get(key, "")
