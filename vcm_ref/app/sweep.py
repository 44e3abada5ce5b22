"""``vcm_sweep``: methods over a data set and QPs, to an anchor file each and a report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from ..atomic import OutputError
from ..decoder import Backend
from ..errors import ConfigError
from ..experiment.anchor import anchor_document, main_metric, rate, write_anchor
from ..experiment.records import Record
from ..experiment.report import write_combinations, write_report
from ..experiment.report.result_report import Result
from ..experiment.sweep import Outcome
from ..experiment.sweep_file import Combinations, Overrides, SweepFile, load_sweep
from .command import argument_parser, run
from .experiment import add_machine_arguments, measured, opened_store, raise_failures


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_sweep``; returns the exit code."""
    parser = argument_parser("vcm_sweep", "Measure methods of coding over a data set, and report which is ahead.")
    parser.add_argument("sweep", type=Path, metavar="SWEEP", help="YAML: data set, methods, QPs")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="folder for the anchors and the report (default: SWEEP without .yaml)",
    )
    parser.add_argument("--data", type=Path, metavar="DATA", help="data set (default: the sweep file's)")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="folder of the pictures (default: as DATA says)")
    parser.add_argument(
        "--pictures", type=int, metavar="N", help="use only the first N pictures (default: as the sweep file says)"
    )
    parser.add_argument(
        "--qp", type=int, nargs="+", default=[], metavar="QP", help="QPs to measure (default: the sweep file's)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="measure only these methods, without combinations (default: all)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="in every configuration; wins over files"
    )
    parser.add_argument("--backend", choices=get_args(Backend), default="auto", help="the VVC decoder (default: auto)")
    add_machine_arguments(parser)
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    if arguments.pictures is not None and arguments.pictures < 1:
        raise ConfigError(f"--pictures {arguments.pictures}: must be at least 1")
    folder = arguments.output or Path(arguments.sweep.stem)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is no folder; name another -o")
    overrides = Overrides(
        arguments.data,
        arguments.images,
        arguments.pictures,
        arguments.qp,
        arguments.only,
        arguments.set,
        arguments.backend,
    )
    file = load_sweep(arguments.sweep, overrides)
    with opened_store(arguments) as store:
        outcome = measured(file.sweep, store, arguments)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    _write(folder, file, outcome)
    print(f"wrote {folder}")
    raise_failures(outcome)


def _write(folder: Path, file: SweepFile, outcome: Outcome) -> None:
    written = []
    for method in file.methods:
        written.append(folder / f"{method.name}.json")
        write_anchor(written[-1], anchor_document(outcome, method))
    if any(outcome.points[method.name, qp].records for method in file.methods for qp in method.qps):
        _print_ranking(write_report(folder, written, anchor=file.anchor, metric=file.metric, title=file.title))
    if file.combinations is not None:
        document = _combinations_document(file.combinations, file, outcome)
        if document["points"]:
            write_combinations(folder, document)


def _print_ranking(report: Result) -> None:
    """Print the methods from the one that needs the fewest bits."""
    from tabulate import tabulate

    rows = [
        (place, standing.method.name, "no figure" if standing.rate is None else f"{standing.rate:+.2f} %")
        for place, standing in enumerate(report.standings, start=1)
    ]
    headers = ("", "method", f"BD-rate against {report.anchor.name} ({report.anchor.curve.metric})")
    print(tabulate(rows, headers, colalign=("right", "left", "right"), disable_numparse=True))


def _combinations_document(combinations: Combinations, file: SweepFile, outcome: Outcome) -> Record:
    sweep = outcome.sweep
    points: list[dict[str, Any]] = []
    for (name, qp), measurement in outcome.points.items():
        if name in combinations.of and measurement.records:
            found = rate(measurement.records.values())
            points.append(
                {
                    "grids": list(combinations.of[name]),
                    "qp": qp,
                    "bpp": found["bpp"],
                    "seed_bpp": found["seed_bpp"],
                    "metrics": measurement.metrics,
                    "pictures": len(measurement.records),
                    "failed": len(measurement.failures),
                }
            )
    return {
        "schema": 1,
        "kind": "combinations",
        "name": file.title,
        "layers": list(combinations.layers),
        "grids": list(combinations.grids),
        "main_metric": file.metric or main_metric(outcome.uncompressed.metrics),
        "data": {"name": sweep.dataset.name, "sha256": sweep.dataset.digest(), "pictures": len(outcome.subjects)},
        "network": {"name": sweep.network, **outcome.network["description"]},
        "uncompressed": {"metrics": outcome.uncompressed.metrics},
        "points": points,
    }
