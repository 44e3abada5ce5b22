"""The report over all combinations of grids: the plot of Rhee et al.'s Figure 7, the Pareto front, the best one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...task.tally_file import write_tallies
from ..bootstrap import NO_BOOTSTRAP, Bootstrap
from .blocks import Block, Document, Folded, Heading, Items, Paragraph, Picture, Table
from .certainty import FEW_PICTURES, few_sentence
from .combinations import PUBLISHED_BEST, Combination, Combinations, read_combinations
from .combinations_certainty import Certainties, Sureness, certainties
from .html import html
from .long_csv import Row, written
from .markdown import markdown
from .numbers import NOTHING, counted, fixed, interval_text, percent, signed
from .provenance import flat
from .standing import by_cubic
from .trained import overlaps, training
from .writing import Files, write_files

BEST_LISTED = 10
_SURE = ("low", "high", "share_best", "level", "resamples", "seed")
TALLIES = "combinations.tallies.zip"
FILES = (*(f"combinations.{suffix}" for suffix in ("md", "html", "csv", "json", "png", "svg")), TALLIES)
"""All that this report consists of, the document itself among it; it can share a folder with that over results."""


def write_combinations(
    folder: Path,
    document: Mapping[str, Any],
    *,
    metric: str | None = None,
    title: str | None = None,
    tallies: Mapping[str, bytes] = MappingProxyType({}),
    bootstrap: Bootstrap = NO_BOOTSTRAP,
) -> tuple[Combinations, Certainties]:
    """Write the report over the combinations in ``document``; returns what it says, and how sure that is.

    ``metric`` is by default the document's main one. ``folder`` may hold an earlier report, whose files are replaced.
    The same document gives the same bytes. With ``tallies`` and resamples in ``bootstrap``, figures have intervals.
    Raises :class:`~vcm_ref.errors.DatasetError`,
    :class:`~vcm_ref.errors.ConfigError` and :class:`~vcm_ref.files.atomic.OutputError`.
    """
    from .combinations_plot import combinations_plot

    found = read_combinations(document, metric)
    sure = certainties(found, tallies, bootstrap)
    figures = combinations_plot(found)
    page = combinations_document(found, title or f"Combinations of grids: {document['name']}", sure, bootstrap)
    document = {key: value for key, value in document.items() if key not in ("bootstrap", "ranking")}
    if tallies:
        file = BytesIO()
        document["tallies"] = {"file": TALLIES, "sha256": write_tallies(file, tallies)}
        figures[TALLIES] = file.getvalue()
    if sure:
        document["bootstrap"] = bootstrap.describe()
    document["ranking"] = ranking(found, sure)
    files: Files = {
        "combinations.md": markdown(page).encode(),
        "combinations.html": html(page, {"combinations": figures["combinations.svg"]}).encode(),
        "combinations.csv": written(csv_columns(found), csv_rows(found, sure, bootstrap)),
        "combinations.json": json.dumps(document, indent=1).encode() + b"\n",
        **figures,
    }
    write_files(folder, files, FILES)
    return found, sure


def ranking(found: Combinations, sure: Certainties = MappingProxyType({})) -> list[dict[str, Any]]:
    """The ranked combinations as JSON, best first. BD-rates are in percent; intervals are null where there are none."""
    rows = []
    for one in found.ranked:
        certain, cubic = sure.get(one.grids), one.comparison.rate_cubic if one.comparison else one.rate
        row: dict[str, Any] = {"grids": list(one.grids), "bd_rate_pchip": one.rate, "bd_rate_cubic": cubic}
        row["bd_rate_pchip_interval"] = certain.against_reference.ends() if certain else None
        row["against_best_interval"] = certain.against_best.ends() if certain else None
        row["share_best"] = certain.share_best if certain else None
        rows.append(row)
    return rows


def csv_columns(found: Combinations) -> Row:
    """The grid of each layer, the point, and what became of its combination."""
    grids = [f"grid_{layer}" for layer in found.document["layers"]]
    rest = ("pictures", "failed", "pareto", "comparable", "bd_rate_pchip", "bd_rate_cubic", "overlap", *_SURE)
    return (*grids, "qp", "bpp", "rhee2022_bpp", *_metrics(found), *rest)


def csv_rows(
    found: Combinations, sure: Certainties = MappingProxyType({}), bootstrap: Bootstrap = NO_BOOTSTRAP
) -> Iterator[Row]:
    """A row for each combination and QP. BD-rates are in percent; ``pareto`` and ``comparable`` are 0 or 1.

    ``low`` and ``high`` are the interval of the BD-rate by PCHIP; ``share_best`` is the share of resamples in which the
    combination is the best, and the last columns say how the intervals were made.
    """
    metrics = _metrics(found)
    front = {(one.grids, point.qp) for one, point in found.front}
    for one in found.all:
        figures = one.comparison
        for point in one.points:
            yield (
                *(*one.grids, point["qp"], point["bpp"], point.get("rhee2022_bpp")),
                *(point["metrics"].get(name) for name in metrics),
                *(point.get("pictures"), point.get("failed", 0), int((one.grids, point["qp"]) in front)),
                *(int(not one.why_not), one.rate, figures.rate_cubic if figures else one.rate),
                figures.overlap if figures else 1.0,
                *_sure_cells(sure.get(one.grids), bootstrap),
            )


def _sure_cells(one: Sureness | None, bootstrap: Bootstrap) -> Row:
    if one is None:
        return (None,) * len(_SURE)
    ends = one.against_reference.ends() or (None, None)
    return (*ends, one.share_best, bootstrap.level, bootstrap.resamples, bootstrap.seed)


def best_sentence(found: Combinations, sure: Certainties = MappingProxyType({})) -> str:
    """The best combination in words."""
    best, reference = found.best, found.reference
    certain = sure.get(best.grids)
    if best is reference:
        told = f"No comparable combination needs fewer bits than {reference.name}, so it is the best."
        return told if certain is None else f"{told} {_how_often(found, certain, sure)}"
    cubic = best.comparison.rate_cubic if best.comparison else None
    told = by_cubic(cubic)
    figure = f"{abs(best.rate or 0.0):.1f} % fewer bits than {reference.name} at the same {found.metric}"
    if certain is None:
        return f"The best combination is {best.name}: it needs {figure} (PCHIP; {told})."
    interval = interval_text(certain.against_reference.ends(), 1, sign=True) or "no interval"
    return (
        f"The best combination is {best.name}: it needs {figure}, BD-rate {signed(best.rate, 1)} % {interval} (PCHIP; "
        f"{told}). {_how_often(found, certain, sure)}"
    )


def _how_often(found: Combinations, certain: Sureness, sure: Certainties) -> str:
    """How often the best is the best, and how many combinations cannot be told from it."""
    often = f"It is the best in {percent(certain.share_best)} of the resamples of the pictures."
    number = sum(sure[one.grids].as_good for one in found.ranked if one is not found.best)
    if not number:
        return f"{often} The pictures show that it is better than every other one that is ranked."
    return f"{often} The pictures show no difference between it and {counted(number, 'other ranked combination')}."


def best_table(found: Combinations, sure: Certainties = MappingProxyType({})) -> Table:
    """The ten best, with the grid of each layer."""
    layers = found.document["layers"]
    rows = []
    for place, one in enumerate(found.ranked[:BEST_LISTED], start=1):
        figures = one.comparison
        cubic, overlap = (figures.rate_cubic, figures.overlap) if figures else (0.0, 1.0)
        certain: list[str] = []
        if sure:
            intervals = sure[one.grids].against_reference, sure[one.grids].against_best
            certain = [interval_text(interval.ends(), 2, sign=True) or NOTHING for interval in intervals]
            certain.append(percent(sure[one.grids].share_best))
        rows.append((str(place), *one.grids, signed(one.rate), signed(cubic), f"{100 * overlap:.0f} %", *certain))
    headers = ["", *layers, "BD-rate PCHIP, %", "BD-rate cubic, %", "overlap"]
    headers += ["interval", "against the best", "best in"] if sure else []
    return Table(headers, rows, "r" * len(headers))


def combinations_document(
    found: Combinations,
    title: str,
    sure: Certainties = MappingProxyType({}),
    bootstrap: Bootstrap = NO_BOOTSTRAP,
) -> Document:
    """The whole report."""
    document = found.document
    qps = sorted({point["qp"] for point in document["points"] if point["qp"] is not None})
    overview = (
        f"{counted(len(found.all), 'combination')} of the grids {', '.join(document['grids'])} over "
        f"{', '.join(document['layers'])}, QP {', '.join(map(str, qps)) or NOTHING}: {len(document['points'])} points. "
        f"Accuracy is {found.metric}, from 0 to 1; bpp counts every byte."
    )
    known = [(document.get("training") or [], len(document.get("coded_pictures") or ()))]
    blocks: list[Block] = [*overlaps(known)]
    failed = sum(point.get("failed", 0) for point in document["points"])
    if failed:
        warning = "A combination is ranked only if the same pictures failed as for the reference."
        blocks.append(Paragraph(f"Results of pictures failed: {failed} over all points. {warning}", warning=True))
    pictures = min((point["pictures"] for point in document["points"] if point.get("pictures")), default=FEW_PICTURES)
    if pictures < FEW_PICTURES:
        title += f" (only {counted(pictures, 'picture')})"
        blocks.append(Paragraph(few_sentence(pictures, bool(sure)), warning=True))
    blocks += [Paragraph(overview), *_screened(document), *training(known)]
    blocks += [Paragraph(best_sentence(found, sure)), Picture("combinations", _caption(found))]
    blocks += [Heading(f"The best {min(BEST_LISTED, len(found.ranked))}"), best_table(found, sure)]
    blocks.append(Paragraph(_definition(found)))
    blocks += [Paragraph(_how_sure(bootstrap))] if sure else []
    blocks += _left_out(found)
    blocks += _seed(found, sure)
    if uniform := [one for one in found.all if one.uniform]:
        blocks += [Heading("Uniform combinations"), _points_table(uniform, found)]
    front = _front_table(found)
    text = f"{counted(len(found.front), 'point')} that no other point beats in both bpp and {found.metric}."
    blocks += [Heading("Pareto front over all combinations"), Paragraph(text), Folded("The points", [front])]
    items = [pair for name in ("data", "network") for pair in flat(name, document.get(name))]
    if items:
        blocks.append(Folded("Provenance", [Table(("item", "value"), items, "ll")]))
    return Document(title, blocks)


def _screened(document: Mapping[str, Any]) -> list[Block]:
    """From how many combinations these were chosen, and by which pictures."""
    known = document.get("screening")
    if not known:
        return []
    told = (
        f"These are the best {known['best']} of {counted(known['combinations'], 'combination')} over the first "
        f"{counted(known['pictures'], 'picture')}, with the reference and Rhee et al.'s choice. A "
        "combination that is worse only on these pictures is missing."
    )
    return [Paragraph(told)]


def _caption(found: Combinations) -> str:
    text = (
        f"{found.metric} over bpp (logarithmic), as Rhee et al.'s Figure 7: each dot is a combination at a QP; the "
        "uniform combinations are curves through their QPs; the black line is the Pareto front over all dots"
    )
    return f"{text}; the thick curve is the best combination."


def _definition(found: Combinations) -> str:
    return (
        "The best combination has the lowest BD-rate (PCHIP, every byte) against the combination of the largest grids, "
        f"{found.reference.name}, whose BD-rate is 0. A combination is ranked if it was measured at the same QPs as "
        "this reference, over as many pictures, with as many failures, and if the overlap of the two ranges of "
        "accuracy is at least half of the range that they span together."
    )


def _left_out(found: Combinations) -> list[Block]:
    reasons = Counter(one.why_not for one in found.all if one.why_not)
    missing = sum(len(one.points) - len(one.curve.points) for one in found.all)
    items = [f"{counted(count, 'combination')} not ranked: {why}" for why, count in sorted(reasons.items())]
    if missing:
        items.append(f"{counted(missing, 'point')} without a number for {found.metric}")
    other = sum(len(one.curve.points) for one in found.all) - len(found.alike)
    if other:
        items.append(f"{counted(other, 'point')} over other pictures: not among the dots, and not in the Pareto front")
    return [Items(items)] if items else []


def _how_sure(bootstrap: Bootstrap) -> str:
    return (
        f"Intervals are {100 * bootstrap.level:g} % percentile intervals over {bootstrap.resamples} resamples of the "
        f"pictures (seed {bootstrap.seed}), in which all combinations are over the same pictures. The second interval "
        "is for the BD-rate against the best combination; if it contains 0, the pictures show no difference. The best "
        "combination was chosen on these pictures, so its figure is likely to be better here than on other pictures."
    )


def _seed(found: Combinations, sure: Certainties) -> list[Block]:
    one = found.found(PUBLISHED_BEST)
    if one is None:
        return []
    told = f"Rhee et al.'s choice for P2 to P5, {one.name}, "
    if one.why_not:
        return [Paragraph(f"{told}is not ranked: {one.why_not}.")]
    place, certain = found.ranked.index(one) + 1, sure.get(one.grids)
    if certain is None:
        return [Paragraph(f"{told}is number {place}: BD-rate {signed(one.rate)} % (PCHIP).")]
    intervals = certain.against_reference, certain.against_best
    own, other = (interval_text(interval.ends(), 2, sign=True) or "no interval" for interval in intervals)
    verdict = "The pictures show no difference between the two." if certain.as_good else ""
    told += f"is number {place}: BD-rate {signed(one.rate)} % {own} (PCHIP); against the best {other}. {verdict}"
    return [Paragraph(told.rstrip())]


def _points_table(combinations: list[Combination], found: Combinations) -> Table:
    rows = [
        (*one.grids[:1], _qp(point["qp"]), fixed(point["bpp"]), fixed(point["metrics"].get(found.metric)))
        for one in combinations
        for point in one.points
    ]
    return Table(("grid", "QP", "bpp", found.metric), rows, "rrrr")


def _front_table(found: Combinations) -> Table:
    layers = found.document["layers"]
    rows = [
        (*one.grids, _qp(point.qp), fixed(point.bpp), fixed(point.rhee2022_bpp), fixed(point.accuracy))
        for one, point in found.front
    ]
    return Table((*layers, "QP", "bpp", "bpp (Rhee et al.)", found.metric), rows, "r" * (len(layers) + 4))


def _metrics(found: Combinations) -> list[str]:
    names = [found.metric, *(name for point in found.document["points"] for name in point["metrics"])]
    return list(dict.fromkeys(names))


def _qp(qp: int | None) -> str:
    return NOTHING if qp is None else str(qp)
