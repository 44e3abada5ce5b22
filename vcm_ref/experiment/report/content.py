"""What the report over a set of methods says, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..bjontegaard_delta import Comparison
from ..curve import pareto_front
from .agreement import differences, unstated
from .blocks import Block, Document, Folded, Heading, Items, Paragraph, Picture, Table
from .certainty import Certainty, few_pictures, heading
from .certainty import explained as how_sure
from .cost import cost, in_order
from .kilobytes import kilobytes_a_picture
from .method import Method
from .notes import footnotes
from .numbers import NOTHING, counted, fixed, interval_text, percent, signed
from .over_time import found_over_time
from .provenance import provenance
from .spending import Spending, ordered_parts, spendings, target
from .standing import Standing, sentence
from .trained import of_methods, overlaps, training

MANY_FAILURES = 20
"""More than these are folded."""

#: Rates that only some points have, by the heading of their column.
_FURTHER_RATES: Mapping[str, Callable[[dict[str, Any]], float | None]] = {
    "kbit/s": lambda point: point.get("kbit_per_s"),
    "kB a picture": kilobytes_a_picture,
}

UPPER = 0.85
"""Of the accuracy without coding: where the figure of the curves' upper part begins."""


def upper_part(methods: Sequence[Method]) -> float | None:
    """The accuracy from which curves lie close together and a codec is of most use: the figure ``upper`` begins there.

    None where no point is above it, or no uncompressed accuracy is known.
    """
    known = [method.curve.uncompressed for method in methods if method.curve.uncompressed is not None]
    least = UPPER * max(known, default=0.0)
    above = any(point.accuracy > least for method in methods for point in method.curve.points)
    return least if known and above else None


def report_document(title: str, standings: Sequence[Standing], methods: Sequence[Method], anchor: Method) -> Document:
    """The whole report. ``standings`` are of all ``methods``, which are in the order given."""
    blocks: list[Block] = [Paragraph(text, warning=True) for text in differences(methods)]
    if blocks:
        blocks.append(
            Paragraph("The curves are not comparable. The option --allow-different made this report.", warning=True)
        )
    blocks += [*overlaps(of_methods(methods)), *few_pictures(methods)]
    blocks += [Paragraph(text) for text in unstated(methods)]
    blocks += [
        Paragraph(_overview(methods, anchor)),
        *training(of_methods(methods)),
        *_ranking(standings, anchor),
        *_failures(methods),
    ]
    blocks += [Heading("Rate and accuracy"), Picture("rate_accuracy", _curves_caption(methods, anchor))]
    if upper_part(methods) is not None:
        caption = f"The same curves, from {100 * UPPER:.0f} % of the accuracy without coding on."
        blocks.append(Picture("upper", caption))
    blocks += _spending([standing.method for standing in standings])
    blocks += cost([standing.method for standing in standings])
    if found_over_time(methods):
        caption = (
            "kbit/s over time, at the point in the middle of each method's QPs; of a group, the mean of its pictures."
        )
        blocks += [Heading("Over time"), Picture("over_time", caption)]
    blocks.append(Heading("Points"))
    for standing in standings:
        blocks += _points(standing.method)
    blocks.append(Folded("Provenance: data, network, codec, versions, configuration", provenance(methods)))
    return Document(heading(title, methods), blocks)


def ranking_table(standings: Sequence[Standing], anchor: Method, accountings: int = 2) -> Table:
    """The methods in order, with figures in both accountings or one, failures and the numbers of their notes."""
    accountings = accountings if any(standing.rhee2022 for standing in standings) else 1
    noted = list(footnotes(standings))
    sure = [standing.certainty for standing in standings if standing.certainty]
    rows = []
    for standing in standings:
        cells = [standing.method.name if standing.full else f"{standing.method.name} (anchor)"]
        for comparison in (standing.full, standing.rhee2022)[:accountings]:
            own = _figures(comparison) if standing.full else [signed(0.0)] * 4
            if standing.certainty:
                own = _with_intervals(own, standing.certainty, comparison is standing.full)
            cells += own
        if sure:
            cells.append(standing.certainty.verdict if standing.certainty else "")
        name = standing.method.name
        reference = f"[{noted.index(name) + 1}]" if name in noted else ""
        rows.append((*cells, str(len(standing.method.failures) or NOTHING), reference))
    figures = ("BD-rate PCHIP, %", "BD-rate cubic, %", "BD-accuracy PCHIP", "BD-accuracy cubic")
    verdict = [f"at {100 * sure[0].bootstrap.level:g} %"] if sure else []
    return Table(
        ("method", *figures * accountings, *verdict, "failed", "notes"),
        rows,
        "l" + "rrrr" * accountings + "l" * len(verdict) + "rl",
        (("", 1), *(("every byte", 4), ("Rhee et al.'s accounting", 4))[:accountings], ("", 2 + len(verdict))),
    )


def _with_intervals(figures: Sequence[str], sure: Certainty, full: bool) -> list[str]:
    """The figures of one accounting, those by PCHIP with their intervals."""
    rate, accuracy = (sure.rate, sure.accuracy) if full else (sure.rhee2022, None)
    ends = (rate, None, accuracy, None)
    texts = [interval_text(one.ends(), sign=True, digits=2) if one else "" for one in ends]
    return [f"{figure} {text}".rstrip() for figure, text in zip(figures, texts, strict=True)]


def _figures(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return [NOTHING] * 4
    rates = comparison.rate_pchip, comparison.rate_cubic
    return [signed(figure) for figure in (*rates, comparison.accuracy_pchip, comparison.accuracy_cubic)]


def _curves_caption(methods: Sequence[Method], anchor: Method) -> str:
    text = (
        f"{anchor.curve.metric} over bpp, every byte counted. The axis of bpp is logarithmic, so equal "
        f"ratios of rate have equal distances. The anchor, {anchor.name}, is black"
    )
    if any(method.samples for method in methods):
        text += "; shades show the interval of the accuracy at each point"
    if any(method.curve.uncompressed is not None for method in methods):
        text += "; the grey dashed line is the accuracy without coding"
    if any(len(pareto_front(method.curve.points)) < len(method.curve.points) for method in methods):
        text += "; hollow points are dominated by another point of their curve, and BD-rate does not use them"
    return f"{text}."


def _overview(methods: Sequence[Method], anchor: Method) -> str:
    data = ", ".join(dict.fromkeys(method.data for method in methods if method.data))
    networks = ", ".join(dict.fromkeys(method.network for method in methods if method.network))
    metric = anchor.curve.metric
    text = f"{counted(len(methods), 'method')}, compared with {anchor.name}"
    text += f", over {data} with {networks}" if data else ""
    numbers = sorted({len(method.anchor_file["pictures"]) for method in methods if method.anchor_file.get("pictures")})
    text += f", {counted(numbers[0], 'picture')}" if len(numbers) == 1 else ""
    uncompressed = anchor.curve.uncompressed
    text += f". Accuracy is {metric}, from 0 to 1"
    if uncompressed is None:
        return f"{text}."
    return f"{text}; without coding it is {_with_interval(fixed(uncompressed), anchor, None, metric)}."


def _with_interval(figure: str, method: Method, qp: int | None, name: str) -> str:
    """A figure, with its interval where there is one."""
    interval = method.interval(qp, name)
    return figure if interval is None else f"{figure} {interval_text(interval.ends())}".rstrip()


def _ranking(standings: Sequence[Standing], anchor: Method) -> list[Block]:
    notes = list(footnotes(standings).values())
    explained = (
        "The methods are ordered by BD-rate with PCHIP, the best first. BD-rate is the mean difference in bits at the "
        f"same {anchor.curve.metric}; a negative number means fewer bits. BD-accuracy is the mean difference in "
        f"{anchor.curve.metric} at the same bits, in hundredths (points). Rhee et al.'s accounting counts substreams "
        "and 8 bits for the index of each channel."
    )
    others = [sentence(standing, anchor) for standing in standings if standing.full]
    blocks: list[Block] = [Heading("Which method is ahead"), ranking_table(standings, anchor)]
    blocks += [Items(others)] if others else []
    silent = [standing.method.name for standing in standings if not standing.method.has_rhee2022_rate]
    if silent:
        explained += f" These methods do not state it: {', '.join(silent)}."
    blocks.append(Paragraph(explained))
    blocks += how_sure([standing.method for standing in standings])
    if notes:
        blocks += [Heading("Notes", 3), Items(notes, numbered=True)]
    return blocks


def _failures(methods: Sequence[Method]) -> list[Block]:
    rows = [
        (method.name, "uncompressed" if qp is None else str(qp), str(picture), error)
        for method in methods
        for qp, picture, error in method.failures
    ]
    if not any(method.anchor_file for method in methods):
        return []
    if not rows:
        return [Paragraph("No picture failed."), *_left_out(methods)]
    told = ", ".join(f"{method.name}: {len(method.failures)}" for method in methods if method.failures)
    warning = f"Pictures failed ({told}). A point without them does not cover the same pictures as the other points."
    table = Table(("method", "QP", "picture", "reason"), rows, "lrll")
    shown: Block = Folded(f"All {len(rows)} failures", [table]) if len(rows) > MANY_FAILURES else table
    return [Heading("Failures"), Paragraph(warning, warning=True), shown, *_left_out(methods)]


def _left_out(methods: Sequence[Method]) -> list[Block]:
    """The pictures and annotations that no method was measured on, since they cannot be used."""
    problems = list(dict.fromkeys(text for method in methods for text in method.anchor_file.get("problems", ())))
    if not problems:
        return []
    told = f"{counted(len(problems), 'problem')} of the data set: these pictures or annotations were left out."
    listed: Block = Items(problems)
    shown = Folded(f"All {len(problems)} problems", [listed]) if len(problems) > MANY_FAILURES else listed
    return [Paragraph(told, warning=True), shown]


def _spending(methods: Sequence[Method]) -> list[Block]:
    blocks: list[Block] = [Heading("Where the bits went")]
    found = spendings(methods)
    if not found:
        return [*blocks, Paragraph("No result states its bits by part.")]
    shares = "on the right, all parts except the coded data, in percent of the rate"
    caption = f"Bits by part at {target(methods)[1]}: in bpp; {shares}."
    blocks += [Picture("bits", caption), _spending_table(found)]
    silent = [method.name for method in methods if method.name not in {spending.method.name for spending in found}]
    if silent:
        blocks.append(Paragraph(f"Bits by part are not stated for {', '.join(silent)}."))
    return blocks


def _spending_table(found: Sequence[Spending]) -> Table:
    names = list(ordered_parts({name: 0 for spending in found for name in spending.parts}))
    rows = []
    for spending in found:
        cells = [spending.method.name, _qp(spending.qp), fixed(spending.accuracy), fixed(spending.bpp)]
        for name in names:
            bpp = spending.parts.get(name, 0.0)
            cells += [fixed(bpp), percent(bpp / spending.bpp if spending.bpp else None)]
        rows.append(cells)
    groups = [("", 4), *((name, 2) for name in names)]
    headers = ("method", "QP", found[0].method.curve.metric, "bpp", *("bpp", "share") * len(names))
    return Table(headers, rows, "lrrr" + "rr" * len(names), groups)


def _points(method: Method) -> list[Block]:
    """QP, rates, pictures that failed, every metric and the seconds of each step."""
    metrics = [name for name in method.metrics if "/" not in name]
    steps = in_order(step for point in method.points for step in point.get("seconds") or ())
    further = [name for name, rate in _FURTHER_RATES.items() if any(rate(point) is not None for point in method.points)]
    rows = [_point(method, point, further, metrics, steps) for point in method.points]
    if method.uncompressed:
        accuracies = [_with_interval(_metric(method.uncompressed.get(name)), method, None, name) for name in metrics]
        rows.insert(0, ["uncompressed", *[""] * (3 + len(further)), *accuracies, *[""] * len(steps)])
    groups = [("", 4 + len(further)), ("accuracy", len(metrics))] + ([("seconds", len(steps))] if steps else [])
    headers = ("QP", "bpp", *further, "bpp (Rhee et al.)", "failed", *metrics, *steps)
    blocks: list[Block] = [Heading(method.name, 3), Table(headers, rows, "r" * len(headers), groups)]
    left_out = len(method.metrics) - len(metrics)
    if left_out:
        blocks.append(Paragraph(f"{counted(left_out, 'metric')} of single classes: see points.csv."))
    return blocks


def _point(
    method: Method, point: dict[str, Any], further: Sequence[str], metrics: Sequence[str], steps: Sequence[str]
) -> list[str]:
    seconds = point.get("seconds") or {}
    return [
        _qp(point.get("qp")),
        _with_interval(fixed(point["bpp"]), method, point.get("qp"), "bpp"),
        *(fixed(_FURTHER_RATES[name](point), 2) for name in further),
        fixed(point.get("rhee2022_bpp")),
        str(len(point.get("failed") or ())),
        *(_with_interval(_metric(point["metrics"].get(name)), method, point.get("qp"), name) for name in metrics),
        *(fixed(seconds.get(step), 1) for step in steps),
    ]


def _metric(value: float | None) -> str:
    """Most are from 0 to 1; one may count something, as OpenImages' ``classes``."""
    return fixed(value) if value is None or value <= 1 else f"{value:g}"


def _qp(qp: int | None) -> str:
    return NOTHING if qp is None else str(qp)
