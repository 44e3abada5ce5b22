"""``vcm_anchor``: one method over a data set and a list of QPs, to an anchor file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..configuration import load_configuration
from ..experiment.anchor import write_bitstreams, write_measured
from ..experiment.method_choice import method_of
from ..experiment.records import Record
from ..experiment.report.numbers import interval_text, level_text
from ..experiment.sweep import Sweep
from ..experiment.sweep_file import DEFAULT_QPS, check_names, check_qps, labels_path
from ..experiment.uncertainty import tallies_path
from ..experiment.usable import usable_pictures
from ..files.atomic import OutputError, check_output
from ..task.dataset import dataset_files, load_dataset
from .arguments import add_layers, whole_number
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_anchor``; returns the exit code."""
    parser = argument_parser("vcm_anchor", "Make an anchor: rate and accuracy of a method over a data set.")
    add_layers(parser)
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DATA", help="COCO JSON, ImageNet folder or list, video, or YAML"
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of the pictures (default: as the data set states)"
    )
    add_picture_arguments(parser, "all")
    parser.add_argument(
        "--labels",
        default="names",
        metavar="HOW",
        help="how the network's labels become classes: names, ids, from0, from1, or a CSV file (default: names)",
    )
    parser.add_argument(
        "--qp",
        type=whole_number(),
        nargs="+",
        default=list(DEFAULT_QPS),
        metavar="QP",
        help="QPs to measure (default: 22 27 32 37 42)",
    )
    parser.add_argument(
        "--backend", choices=("auto", "ffmpeg", "vtm"), default="auto", help="the VVC decoder (default: auto)"
    )
    parser.add_argument("--name", help="the anchor's name (default: the first configuration's)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the anchor file (default: NAME.json)")
    parser.add_argument(
        "--bitstreams", action="store_true", help="also write the bitstreams, into a new folder beside FILE"
    )
    add_bootstrap_arguments(parser)
    add_machine_arguments(parser)
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    check_qps(arguments.qp)
    name = arguments.name or arguments.config[0].stem
    output = arguments.output or Path(f"{name}.json")
    check_output(output)
    bitstreams = output.with_suffix("")
    if arguments.bitstreams and bitstreams == output:
        raise OutputError(f"{output}: the bitstreams would have this name; give -o a name that ends in .json")
    if arguments.bitstreams and bitstreams.exists():
        raise OutputError(f"{bitstreams}: exists already; remove it, or name another -o")
    configuration = load_configuration(arguments.config, arguments.set)
    options = dict(configuration.get("network"))
    network = options.pop("name")
    dataset = load_dataset(arguments.data, arguments.images)
    method = method_of(name, configuration, arguments.qp, arguments.backend)
    check_names([method])
    items, problems = usable_pictures(dataset, arguments.pictures, arguments.allow_missing)
    labels, upright = labels_path(arguments.labels, Path()), configuration.get("apply_exif_orientation", True)
    sweep = Sweep(name, dataset, items, network, options, [method], labels, upright, problems)
    files = [*dataset_files(arguments.data), *configuration.files]
    outputs = [output, tallies_path(output), *([bitstreams] if arguments.bitstreams else [])]
    check_results(outputs, files, dataset, labels, network, options)
    with opened_store(arguments) as store:
        outcome = measured(sweep, store, arguments)
        if arguments.bitstreams:
            write_bitstreams(bitstreams, outcome, method, store)
        document = write_measured(output, outcome, method, chosen_bootstrap(arguments))
    _print(document)
    print_problems(problems)
    print(f"wrote {output}" + (f" and the bitstreams in {bitstreams}" if arguments.bitstreams else ""))
    raise_failures(outcome)


def _print(document: Record) -> None:
    from tabulate import tabulate

    metric = document["main_metric"]
    without = document["uncompressed"]
    rows: list[tuple[object, ...]] = [("uncompressed", "", "", *_accuracy(without, metric), "")]
    for point in document["points"]:
        rates = point["bpp"], point["rhee2022_bpp"]
        rows.append((point["qp"], *rates, *_accuracy(point, metric), len(point["pictures"])))
    columns = ("QP", "bpp", "bpp (Rhee et al.)", metric, level_text(document), "pictures")
    print(tabulate(rows, columns, floatfmt=".4f", disable_numparse=[0, 4, 5]))


def _accuracy(point: Record, metric: str) -> tuple[float, str]:
    """The metric and its interval."""
    return point["metrics"][metric], interval_text(point.get("intervals", {}).get(metric))
