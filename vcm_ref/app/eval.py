"""``vcm_eval``: pictures, features or bitstreams, and a data set, to metrics."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..atomic import check_output
from ..configuration import Configuration, load_configuration
from ..conversion.parallel import core_count
from ..decoder import Backend
from ..errors import ConfigError
from ..experiment.evaluation import Drawing, Evaluation, evaluate, own_store
from ..experiment.given_files import GivenBitstream, GivenBitstreams, GivenFeatures
from ..experiment.machines import machines
from ..experiment.method import Method, Uncompressed, Whole, method_of
from ..experiment.results import LABELS
from ..experiment.store import Store
from ..files.document import parse
from ..task.dataset import Dataset, load_dataset
from .command import DRAWN_SCORE, argument_parser, check_needed, run
from .experiment import note_orientation, results_progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_eval``; returns the exit code."""
    parser = argument_parser("vcm_eval", "Measure a network's results over a data set.")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DATA", help="COCO JSON, ImageNet folder or list, or YAML"
    )
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="where the pictures are, if not where DATA says")
    _add_source_arguments(parser.add_mutually_exclusive_group())
    _add_network_arguments(parser)
    parser.add_argument("--backend", choices=("auto", "ffmpeg", "vtm"), help="the VVC decoder (default: auto)")
    parser.add_argument(
        "--labels", default="names", metavar="HOW", help=f"network's labels to the data's: {', '.join(LABELS)}, or CSV"
    )
    parser.add_argument("--allow-missing", action="store_true", help="leave out and count what is missing")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("results.json"),
        metavar="FILE",
        help="the results (default: results.json)",
    )
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="a new folder for pictures of what was detected")
    parser.add_argument("--threshold", type=float, help=f"with --draw: least score to draw (default: {DRAWN_SCORE})")
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="keep the results of all pictures there, for later runs (default: OUTPUT.store, removed at the end)",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for each worker (default: cores / workers)")
    return run(parser, _work, argv)


def _add_source_arguments(group: argparse._MutuallyExclusiveGroup) -> None:
    group.add_argument("--features", type=Path, metavar="FOLDER", help="feature files, named as the pictures")
    group.add_argument("--bitstreams", type=Path, metavar="PATH", help="a folder of bitstreams, or one of vcm_enc's")
    group.add_argument("--encode", action="store_true", help="code and decode the pictures' features, as -c says")
    group.add_argument("--whole", action="store_true", help="run the network unsplit")


def _add_network_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", type=Path, action="append", default=[], metavar="FILE", help="YAML; later ones win"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as in codec.preset=fast; wins over files"
    )
    parser.add_argument("--qp", type=int, help="as --set codec.qp=QP")
    parser.add_argument(
        "--ignore-exif-orientation",
        action="store_true",
        help="leave pictures as they are stored; as --set apply_exif_orientation=false",
    )
    parser.add_argument("--network", metavar="NAME", help="the network; without it, the configuration's, or refnet")
    parser.add_argument("--weights", metavar="FILE", help="its weights, where not its own")
    parser.add_argument(
        "--network-option", action="append", default=[], metavar="KEY=VALUE", help="another option of the network"
    )


def _work(arguments: argparse.Namespace) -> None:
    for name, value in (("workers", arguments.workers), ("threads", arguments.threads)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} {value}: must be at least 1")
    configuration = _configuration(arguments)
    if not arguments.encode and arguments.bitstreams is None:
        check_needed(arguments, ("--backend",), "--encode or --bitstreams")
    if arguments.draw is None:
        check_needed(arguments, ("--threshold",), "--draw")
    name, options = _network(arguments, configuration)
    dataset = load_dataset(arguments.data, arguments.images)
    threads = arguments.threads or max(1, core_count() // arguments.workers)
    method = _method(arguments, configuration, dataset, threads)
    upright = configuration is None or configuration.get("apply_exif_orientation", True)
    upright = upright and not arguments.ignore_exif_orientation
    if arguments.features is None and arguments.bitstreams is None:
        note_orientation(dataset, dataset.items, upright)
    evaluation = Evaluation(dataset, name, options, method, arguments.labels, arguments.allow_missing, upright)
    threshold = DRAWN_SCORE if arguments.threshold is None else arguments.threshold
    drawing = None if arguments.draw is None else Drawing(arguments.draw, threshold)
    workers = min(arguments.workers, len(dataset.items)) or 1
    check_output(arguments.output)
    with (
        _store(arguments) as store,
        machines(workers, threads) as run_batches,
        results_progress() as begin,
    ):
        document = evaluate(evaluation, arguments.output, store, run_batches, begin, drawing)
    _print(document, arguments)


@contextmanager
def _store(arguments: argparse.Namespace) -> Iterator[Store]:
    """The store that the arguments name, or one beside the output, that goes when all is done."""
    if arguments.store is None:
        with own_store(arguments.output) as store:
            yield store
    else:
        with Store(arguments.store, keeps_features=False) as store:
            yield store


def _configuration(arguments: argparse.Namespace) -> Configuration | None:
    if not arguments.config:
        if arguments.encode or arguments.set or arguments.qp is not None:
            raise ConfigError("--encode, --set and --qp need a configuration; name it with -c")
        return None
    if not arguments.encode:
        check_needed(arguments, ("--qp",), "--encode")
        return load_configuration(arguments.config, arguments.set)
    flags = {"codec": {"qp": arguments.qp}} if arguments.qp is not None else {}
    return load_configuration(arguments.config, arguments.set, flags)


def _network(arguments: argparse.Namespace, configuration: Configuration | None) -> tuple[str, dict[str, Any]]:
    """The network's name and options: the configuration's, unless another is named, and what the flags add."""
    options: dict[str, Any] = dict(configuration.get("network")) if configuration is not None else {"name": "refnet"}
    if arguments.network is not None and arguments.network != options["name"]:
        options = {"name": arguments.network}
    if arguments.weights is not None:
        options["weights"] = arguments.weights
    for setting in arguments.network_option:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--network-option {setting}: write it as key=value")
        options[key] = parse(text, f"--network-option {setting}", "yaml").value
    return options.pop("name"), options


def _method(
    arguments: argparse.Namespace, configuration: Configuration | None, dataset: Dataset, threads: int
) -> Method:
    """The method that results come from; the results file calls it by its name."""
    backend: Backend = arguments.backend or "auto"
    if arguments.encode and configuration is not None:
        return method_of("pictures, coded", configuration, [configuration.get("codec.qp")], backend, threads)
    items = dataset.items
    if arguments.features is not None:
        return GivenFeatures("features", folder=arguments.features, items=items)
    if arguments.bitstreams is None:
        return Whole("pictures, unsplit network") if arguments.whole else Uncompressed("pictures")
    if arguments.bitstreams.is_dir():
        return GivenBitstreams("bitstreams", folder=arguments.bitstreams, items=items, backend=backend)
    return GivenBitstream("bitstream", path=arguments.bitstreams, items=items, backend=backend)


def _print(document: dict[str, Any], arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    print(tabulate([(name, value) for name, value in document["metrics"].items()], ("metric", "value"), floatfmt=".4f"))
    pictures = document["pictures"]
    print(f"\nfrom {document['source']['kind']}: {pictures['evaluated']} of {pictures['data_set']} pictures", end="")
    print(f", {pictures['problems']} problems: they are in the results" if pictures["problems"] else "")
    if "rate" in document:
        print(f"{document['rate']['bpp']:.4f} bpp ({document['rate']['bytes']} bytes)")
    print(f"wrote {arguments.output} and {document['results']['file']}")
