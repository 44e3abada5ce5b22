"""``vcm_sweep``: methods over a data set and QPs, to an anchor file each and a report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ..decoder import Backend
from ..experiment.anchor import write_measured
from ..experiment.bootstrap import Bootstrap
from ..experiment.combinations_document import combinations_document
from ..experiment.report import write_combinations, write_report
from ..experiment.report.combinations import Combinations as Ranked
from ..experiment.report.combinations_report import FILES as COMBINATIONS_FILES
from ..experiment.report.numbers import interval_text
from ..experiment.report.result_report import FILES, Result
from ..experiment.screening import screened_sweep, with_finalists
from ..experiment.store import Store
from ..experiment.sweep import Outcome
from ..experiment.sweep_file import Overrides, SweepFile, load_sweep
from ..experiment.uncertainty import tallies_path
from ..files.atomic import OutputError, check_output
from .arguments import whole_number
from .bootstrap import add_bootstrap_arguments, chosen_bootstrap
from .command import argument_parser, run
from .experiment import (
    add_machine_arguments,
    add_picture_arguments,
    check_results,
    measured,
    opened_store,
    print_problems,
    raise_failures,
)

SCREENING = "screening"
"""The folder, in that of the report, for the report over all combinations on the first pictures."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_sweep``; returns the exit code."""
    parser = argument_parser("vcm_sweep", "Measure methods of coding over a data set, and compare them in a report.")
    parser.add_argument("sweep", type=Path, metavar="SWEEP", help="YAML: data set, methods, QPs")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="folder for the anchors and the report (default: SWEEP without .yaml)",
    )
    parser.add_argument("--data", type=Path, metavar="DATA", help="data set (default: the sweep file's)")
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of the pictures (default: as the data set states)"
    )
    add_picture_arguments(parser, "as the sweep file says")
    parser.add_argument(
        "--qp",
        type=whole_number(),
        nargs="+",
        default=[],
        metavar="QP",
        help="QPs to measure (default: the sweep file's)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="measure only these methods, without combinations (default: all)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a value in every configuration, as in codec.preset=fast; wins over files",
    )
    parser.add_argument("--backend", choices=get_args(Backend), default="auto", help="the VVC decoder (default: auto)")
    add_bootstrap_arguments(parser)
    add_machine_arguments(parser)
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    folder = arguments.output or Path(arguments.sweep.stem)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder; name another -o")
    overrides = Overrides(
        arguments.data,
        arguments.images,
        arguments.pictures,
        arguments.qp,
        arguments.only,
        arguments.set,
        arguments.backend,
        arguments.allow_missing,
    )
    bootstrap = chosen_bootstrap(arguments)
    file = load_sweep(arguments.sweep, overrides)
    _check_folder(folder, file)
    with opened_store(arguments) as store:
        screened = _screened(folder, file, store, arguments, bootstrap)
        outcome = measured(screened.file.sweep, store, arguments)
        reports = [*screened.reports, *_write(folder, screened, outcome, bootstrap)]
    print_problems(file.sweep.problems)
    print("; see ".join([f"wrote {folder}", *map(str, reports)]))
    for one in (*screened.outcomes, outcome):
        raise_failures(one)


def _check_folder(folder: Path, file: SweepFile) -> None:
    """Check, before any work, that the folder can be made, and that nothing written there is read by the sweep."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    check_output(place / "report.html")
    if folder.is_dir():
        anchors = [Path(f"{method.name}.json") for method in file.methods]
        names = [*map(str, anchors), *(tallies_path(path).name for path in anchors), *FILES]
        if file.combinations is not None:
            names += [str(Path(place, name)) for place in ("", SCREENING) for name in COMBINATIONS_FILES]
        of = file.sweep
        outputs = [folder / name for name in names]
        check_results(outputs, file.files, of.dataset, of.labels, of.network, of.network_options)


@dataclass(frozen=True)
class _Screened:
    """The sweep file, of whose combinations the best are left; and what all of them came to, if they were screened."""

    file: SweepFile
    combinations: int = 0
    outcomes: Sequence[Outcome] = ()
    reports: Sequence[Path] = ()


def _screened(
    folder: Path, file: SweepFile, store: Store, arguments: argparse.Namespace, bootstrap: Bootstrap
) -> _Screened:
    """Measure all combinations over the first pictures where the sweep file asks for it."""
    sweep = screened_sweep(file)
    if sweep is None:
        return _Screened(file)
    print(f"screening: {len(sweep.methods)} combinations over the first {len(sweep.items)} pictures")
    outcome = measured(sweep, store, arguments)
    found = _write_combinations(folder / SCREENING, file, outcome, bootstrap)
    if found is None:
        return _Screened(file, outcomes=[outcome])
    reports = [folder / SCREENING / "combinations.html"]
    return _Screened(with_finalists(file, found), len(sweep.methods), [outcome], reports)


def _write_combinations(
    folder: Path, file: SweepFile, outcome: Outcome, bootstrap: Bootstrap, screened: int = 0
) -> Ranked | None:
    """Write the report over combinations; None where not one picture of any has a result."""
    document, tallies = combinations_document(file, outcome, screened)
    if not document["points"]:
        return None
    _make(folder)
    return write_combinations(folder, document, tallies=tallies, bootstrap=bootstrap)[0]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error


def _write(folder: Path, screened: _Screened, outcome: Outcome, bootstrap: Bootstrap) -> list[Path]:
    """Write the anchors, the reports and the ranking; returns the reports."""
    file = screened.file
    _make(folder)
    written: list[Path] = []
    reports: list[Path] = []
    for method in file.methods:
        written.append(folder / f"{method.name}.json")
        write_measured(written[-1], outcome, method, bootstrap)
    if any(outcome.points[method.name, qp].records for method in file.methods for qp in method.qps):
        given: dict[str, Any] = {"anchor": file.anchor, "metric": file.metric, "title": file.title}
        _print_ranking(write_report(folder, written, bootstrap=bootstrap, **given))
        reports.append(folder / "report.html")
    combined = file.combinations is not None
    if combined and _write_combinations(folder, file, outcome, bootstrap, screened.combinations) is not None:
        reports.append(folder / "combinations.html")
    return reports


def _print_ranking(report: Result) -> None:
    """Print the methods from the one that needs the fewest bits."""
    from tabulate import tabulate

    rows = []
    for place, standing in enumerate(report.standings, start=1):
        figure = "no figure" if standing.rate is None else f"{standing.rate:+.2f} %"
        sure = standing.certainty
        interval = interval_text(sure.rate.ends(), 2, sign=True) if sure and sure.rate else ""
        rows.append((place, standing.method.name, figure, interval, sure.verdict if sure else ""))
    headers = ["", "method", f"BD-rate against {report.anchor.name} ({report.anchor.curve.metric})", "interval", ""]
    columns = len(headers) if any(row[3] for row in rows) else 3
    shown, align = [row[:columns] for row in rows], ("right", "left", "right", "right", "left")[:columns]
    print(tabulate(shown, headers[:columns], colalign=align, disable_numparse=True))
