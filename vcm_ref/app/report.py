"""``vcm_report``: anchor files and published curves to a report: which method is ahead, by how much, and why."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..experiment.report.blocks import Table
from .bootstrap import add_bootstrap_arguments, chosen_bootstrap
from .command import argument_parser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_report``; returns the exit code."""
    parser = argument_parser("vcm_report", "Compare results: tables, plots and BD-rate as Markdown, HTML and CSV.")
    parser.add_argument(
        "results",
        nargs="+",
        type=Path,
        metavar="RESULT",
        help="anchor files, curves, folders of them; or one file of combinations of grids",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="the report's folder; it may hold an earlier report",
    )
    parser.add_argument("--anchor", metavar="NAME", help="the method to compare with (default: the first)")
    parser.add_argument(
        "--metric", metavar="NAME", help="metric of the curves, as in AP50 (default: each file's main metric)"
    )
    parser.add_argument("--title", metavar="TEXT", help="the heading of the report (default: the kind of report)")
    parser.add_argument(
        "--allow-different",
        action="store_true",
        help="report on different data, pictures, networks or metrics, with a warning (default: refuse)",
    )
    add_bootstrap_arguments(parser)
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    from ..experiment.report.method import kind_of

    kinds = [None if path.is_dir() else kind_of(path) for path in arguments.results]
    if "combinations" not in kinds:
        _report(arguments)
    elif len(kinds) > 1:
        raise ConfigError("combinations of grids have a report of their own: name one such file, and nothing else")
    else:
        _combinations(arguments)


def _report(arguments: argparse.Namespace) -> None:
    from ..experiment.report import write_report
    from ..experiment.report.content import ranking_table
    from ..experiment.report.standing import sentence

    given: dict[str, Any] = {"title": arguments.title} if arguments.title else {}
    result = write_report(
        arguments.output,
        arguments.results,
        anchor=arguments.anchor,
        metric=arguments.metric,
        allow_different=arguments.allow_different,
        bootstrap=chosen_bootstrap(arguments),
        **given,
    )
    _print(ranking_table(result.standings, result.anchor, accountings=1))
    print()
    for standing in result.standings:
        if standing.full:
            print(sentence(standing, result.anchor))
    print(f"wrote {arguments.output / 'report.html'} and more; the notes are in it")


def _combinations(arguments: argparse.Namespace) -> None:
    from ..experiment.report import write_combinations
    from ..experiment.report.combinations_certainty import tallies_beside
    from ..experiment.report.combinations_report import best_sentence, best_table
    from ..experiment.report.method import read_json

    if arguments.anchor is not None:
        raise ConfigError("--anchor: combinations are compared with the uniform combination of the largest grid")
    (path,) = arguments.results
    bootstrap, document = chosen_bootstrap(arguments), read_json(path)
    tallies = tallies_beside(path, document)
    given = {"metric": arguments.metric, "title": arguments.title, "tallies": tallies, "bootstrap": bootstrap}
    found, sure = write_combinations(arguments.output, document, **given)
    _print(best_table(found, sure))
    print(f"\n{best_sentence(found, sure)}")
    print(f"wrote {arguments.output / 'combinations.html'} and more")


def _print(table: Table) -> None:
    from tabulate import tabulate

    columns = ["right" if letter == "r" else "left" for letter in table.align]
    print(tabulate(table.rows, table.headers, disable_numparse=True, colalign=columns))
