"""Each report, read back by another program's parser: all say the same of one run."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.sax
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pytest
from jsonschema import Draft202012Validator

from vcm_ref.conformance.judgement import Judgement, Outcome
from vcm_ref.conformance.manifest import KINDS, load_suite
from vcm_ref.conformance.reports import (
    FORMATS,
    csv_report,
    json_report,
    junit_report,
    markdown_report,
    terminal_report,
    write_report,
)
from vcm_ref.conformance.results import Report, Result
from vcm_ref.files.atomic import OutputError
from vcm_ref.reporting.provenance import host, versions

from .suites import SmallSuite

#: Whatever a decoder may say of itself.
REASON = "exit code 70: <&>|`\"'_a_ é [x](y)"
OUTCOMES = [
    (Outcome.PASS, ""),
    (Outcome.ERROR, REASON),
    (Outcome.PASS, ""),
    (Outcome.NOT_RUN, "profile VVC is not claimed"),
    (Outcome.CRASH, "was ended by SIGSEGV"),
]


@pytest.fixture
def report(small: SmallSuite) -> Report:
    """A run of which not all has passed."""
    suite = load_suite(small.folder)
    results = [
        Result(vector, Judgement(outcome, reason), *((None, None) if outcome is Outcome.NOT_RUN else (0.25, 1 << 20)))
        for vector, (outcome, reason) in zip(suite.vectors, OUTCOMES, strict=True)
    ]
    return Report(
        suite=suite,
        manifest_sha256="1" * 64,
        adaptor=small.adaptor("right", name="my <decoder>"),
        decoder_version="my decoder 1.0 & more",
        mode="b",
        selection={},
        time_factor=1.0,
        served=False,
        started="2030-01-02T03:04:05Z",
        seconds=12.34,
        host=host(),
        versions=versions(),
        results=tuple(results),
    )


def passing(report: Report) -> Report:
    """The same, all passed."""
    return replace(report, results=tuple(replace(r, judgement=Judgement(Outcome.PASS)) for r in report.results))


def part(report: Report) -> Report:
    """The same, all passed of the vectors selected."""
    return replace(passing(report), selection={"kinds": ["negative"], "ids": ["BAD*"]}, time_factor=4.0)


def checked_json(report: Report) -> Any:
    """The JSON report, checked against its schema."""
    schema = json.loads(files("vcm_ref.conformance.reports").joinpath("report.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    found = json.loads(json_report(report))
    Draft202012Validator(schema).validate(found)
    return found


def test_conforms(report: Report) -> None:
    assert report.conforms is False
    assert passing(report).conforms is True
    assert part(report).conforms is None
    assert replace(part(report), results=report.results).conforms is False
    unsupported = replace(report.results[0], judgement=Judgement(Outcome.UNSUPPORTED))
    assert replace(passing(report), results=(unsupported,)).conforms is False
    idle = replace(report.results[0], judgement=Judgement(Outcome.NOT_RUN))
    assert replace(passing(report), results=(*passing(report).results, idle)).conforms is True


def test_json(report: Report) -> None:
    found = checked_json(report)
    assert found["conforms"] is False
    assert found["counts"] == {
        "pass": 2, "fail": 0, "unsupported": 0, "error": 1, "timeout": 0, "crash": 1, "not run": 1,
    }  # fmt: skip
    assert [result["reason"] for result in found["results"]] == [reason or None for _, reason in OUTCOMES]
    assert found["results"][3]["seconds"] is None
    assert found["decoder"]["name"] == "my <decoder>"
    assert found["suite"]["specification"] == {"document": "docs/bitstream.md", "version": 2}
    assert set(found["host"]) == {"platform", "machine", "processor", "cores"}  # and not its name
    assert checked_json(passing(report))["conforms"] is True
    some = checked_json(part(report))
    assert (some["conforms"], some["selection"]) == (None, {"kinds": ["negative"], "ids": ["BAD*"]})


def test_csv(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_report(report), newline="")))
    assert [row["id"] for row in rows] == [vector.id for vector in report.suite.vectors]
    assert [(row["result"], row["reason"]) for row in rows] == [(outcome.value, reason) for outcome, reason in OUTCOMES]
    assert {row["conforms"] for row in rows} == {"no"}
    assert {(row["selection"], row["time_factor"]) for row in rows} == {("all", "1")}
    assert {row["decoder_version"] for row in rows} == {"my decoder 1.0 & more"}
    assert [row["level"] for row in rows] == ["", "2", "1", "2", "1"]
    assert [row["seconds"] for row in rows] == ["0.250", "0.250", "0.250", "", "0.250"]
    assert all(None not in row and None not in row.values() for row in rows)
    assert {row["conforms"] for row in csv.DictReader(io.StringIO(csv_report(part(report))))} == {""}


def test_junit(report: Report) -> None:
    text = junit_report(report)
    xml.sax.parseString(text.encode(), xml.sax.ContentHandler())
    root = minidom.parseString(text.encode()).documentElement
    assert root is not None
    suites = root.getElementsByTagName("testsuite")
    assert [suite.getAttribute("name") for suite in suites] == list(KINDS)
    for place in (root, *suites):
        cases = place.getElementsByTagName("testcase")
        assert int(place.getAttribute("tests")) == len(cases)
        for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(place.getAttribute(attribute)) == len(place.getElementsByTagName(element))
        seconds = sum(float(case.getAttribute("time")) for case in cases)
        assert float(place.getAttribute("time")) == pytest.approx(seconds)
    (error, crash) = root.getElementsByTagName("error")
    assert error.getAttribute("message") == f"error: {REASON}"
    assert crash.getAttribute("type") == "crash"
    (skipped,) = root.getElementsByTagName("skipped")
    assert skipped.getAttribute("message") == "not run: profile VVC is not claimed"
    assert error.parentNode.getAttribute("name") == "BAD_VVC_A_2"
    assert "Look at what BAD_VVC_A_2 needs." in error.firstChild.data
    properties = {p.getAttribute("name"): p.getAttribute("value") for p in suites[0].getElementsByTagName("property")}
    assert properties["conforms"] == "no"
    assert properties["its version"] == "my decoder 1.0 & more"
    # a suite's children stand in the order that the schemas in use ask for: properties, then cases
    assert next(node.nodeName for node in suites[0].childNodes if node.nodeType == node.ELEMENT_NODE) == "properties"
    assert suites[0].getAttribute("timestamp") == "2030-01-02T03:04:05"


def cells(line: str) -> list[str]:
    """The cells of a row of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown(report: Report) -> None:
    text = markdown_report(report)
    assert text.startswith("# Conformance of my \\<decoder\\>\n\nmy \\<decoder\\> does not conform (mode B): 2 of 4 ")
    tables = [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    assert len(tables) == 4
    for table in tables:
        assert len({len(cells(line)) for line in table}) == 1
        assert re.fullmatch(r"(\| -+:? )+\|", table[1])
    summary = {cells(line)[0]: cells(line)[1:] for line in tables[1]}
    assert summary[""] == ["vectors", "pass", "error", "crash", "not run"]
    assert summary["negative"] == ["2", "1", "1", "0", "0"]
    assert summary["LOSSLESS"] == ["2", "1", "0", "1", "0"]
    assert summary["all"] == ["5", "2", "1", "1", "1"]
    assert [cells(line)[0] for line in tables[2][2:]] == ["BAD_VVC_A_2", "LARGE_A_1"]
    assert [cells(line)[0] for line in tables[3][2:]] == ["GOOD_VVC_A_1"]
    facts = {cells(line)[0]: cells(line)[1] for line in tables[0][2:]}
    assert facts["date"] == "2030-01-02T03:04:05Z, 12.3 s"
    assert facts["adaptor's SHA-256"] == report.adaptor.sha256
    assert facts["vectors"] == "all"
    some = markdown_report(part(report))
    assert "Not passed" not in some
    assert "| vectors | kinds negative; ids BAD\\* |" in some
    assert "| time limits | multiplied by 4 |" in some


def test_terminal(report: Report) -> None:
    lines = terminal_report(report).splitlines()
    table = lines.index("") + 1
    conditions = dict(re.split(" {2,}", line, maxsplit=1) for line in lines[: table - 1])
    assert (conditions["decoder"], conditions["mode"]) == ("my <decoder>", "B")
    assert re.split(" {2,}", lines[table].strip()) == ["vectors", "pass", "error", "crash", "not run"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[table + 2 :] if line}
    assert rows["positive"] == ["2", "1", "0", "0", "1"]
    assert rows["VVC"] == ["2", "0", "1", "0", "1"]
    start = lines.index(f"BAD_VVC_A_2: error: {REASON}")
    assert lines[start + 1] == "    Look at what BAD_VVC_A_2 needs."
    assert lines[-1] == "my <decoder> does not conform (mode B): 2 of 4 vectors have not passed"
    assert terminal_report(passing(report)).endswith(
        "\nmy <decoder> conforms (mode B): profiles Core, VVC up to level 2"
    )
    assert terminal_report(part(report)).endswith("only the whole suite shows whether it conforms")


def test_all_count_alike(report: Report) -> None:
    found = Counter(row["result"] for row in csv.DictReader(io.StringIO(csv_report(report))))
    assert found == {name: count for name, count in checked_json(report)["counts"].items() if count}


@pytest.mark.parametrize("suffix", FORMATS)
def test_files(report: Report, tmp_path: Path, tiny_disk: Path, suffix: str) -> None:
    path = tmp_path / f"report{suffix}"
    write_report(path, report)
    write_report(path, report)
    assert path.read_bytes().decode() == FORMATS[suffix](report)
    with pytest.raises(OutputError):
        write_report(tiny_disk / f"report{suffix}", replace(report, results=report.results * 100))
    assert list(tiny_disk.iterdir()) == []


#: End a line, begin a command to a terminal, are not allowed in XML, turn the direction of writing.
STEERING = "\r\x1b\x00\x0b\ud800\u202e\ufffe\u2028"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_decoder_cannot_steer_a_reader(report: Report, tmp_path: Path, suffix: str) -> None:
    """Its adaptor's name, its version and its last words are shown, and no character that steers is in any file."""
    hostile = Judgement(Outcome.ERROR, f"exit code 1: {STEERING}")
    results = tuple(replace(result, judgement=hostile) for result in report.results)
    adaptor = replace(report.adaptor, name=f"mine{STEERING}")
    odd = replace(report, adaptor=adaptor, decoder_version=f"1.0{STEERING}", results=results)
    write_report(tmp_path / f"r{suffix}", odd)
    content = (tmp_path / f"r{suffix}").read_text(encoding="utf-8")
    assert not set(STEERING) & set(content.replace("\r\n", "\n"))
    if suffix == ".xml":
        shown = minidom.parseString(content).getElementsByTagName("testcase")[0].getAttribute("classname")
        assert shown.startswith("mine\\r\\x1b\\x00\\x0b\\ud800\\u202e\\ufffe\\u2028.")
