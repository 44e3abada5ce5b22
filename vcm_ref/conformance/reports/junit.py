"""A report as JUnit XML, which CI systems show: a suite for each kind of vector, a case for each vector."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from ...reporting.printable import printable
from ..judgement import Outcome
from ..manifest import KINDS
from ..results import Report, Result
from .content import facts, verdict

#: A case without one of these elements has passed.
_ELEMENTS = {
    Outcome.FAIL: "failure",
    Outcome.ERROR: "error",
    Outcome.TIMEOUT: "error",
    Outcome.CRASH: "error",
    Outcome.UNSUPPORTED: "skipped",
    Outcome.NOT_RUN: "skipped",
}


def junit_report(report: Report) -> str:
    """The document. Unsupported vectors are skipped ones here; that the decoder conforms stands in the properties."""
    root = ElementTree.Element("testsuites", {"name": report.suite.suite, **_counts(report.results)})
    for kind in KINDS:
        results = [result for result in report.results if result.vector.kind == kind]
        if results:
            root.append(_suite(report, kind, results))
    _make_printable(root)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _make_printable(root: ElementTree.Element) -> None:
    """Make every text and attribute printable, line by line: XML cannot hold most control characters."""
    for element in root.iter():
        element.attrib.update({name: printable(value) for name, value in element.attrib.items()})
        if element.text is not None:
            element.text = "\n".join(map(printable, element.text.split("\n")))


def _suite(report: Report, kind: str, results: Sequence[Result]) -> ElementTree.Element:
    timestamp = report.started.removesuffix("Z")
    suite = ElementTree.Element("testsuite", {"name": kind, "timestamp": timestamp, **_counts(results)})
    properties = ElementTree.SubElement(suite, "properties")
    conforms = {True: "yes", False: "no", None: "not decided"}[report.conforms]
    for name, value in [("conforms", conforms), ("verdict", verdict(report)), *facts(report)]:
        ElementTree.SubElement(properties, "property", name=name, value=value)
    for result in results:
        suite.append(_case(report, result))
    return suite


def _case(report: Report, result: Result) -> ElementTree.Element:
    vector = result.vector
    case = ElementTree.Element(
        "testcase",
        classname=f"{report.adaptor.name}.{vector.kind}",
        name=vector.id,
        time=f"{result.seconds or 0:.3f}",
    )
    if result.outcome in _ELEMENTS:
        reason = f"{result.outcome.value}: {result.judgement.reason}"
        told = ElementTree.SubElement(case, _ELEMENTS[result.outcome], message=reason)
        if told.tag != "skipped":
            told.set("type", result.outcome.value)
            told.text = f"{vector.purpose}\n{vector.failure_suggests}"
    return case


def _counts(results: Sequence[Result]) -> dict[str, str]:
    elements = [_ELEMENTS.get(result.outcome) for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
        "time": f"{sum(result.seconds or 0 for result in results):.3f}",
    }
