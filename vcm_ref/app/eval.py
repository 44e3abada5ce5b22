"""``vcm_eval``: pictures, features or bitstreams, and a data set, to metrics."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..configuration import Configuration, load_configuration
from ..conversion.parallel import core_count
from ..errors import ConfigError
from ..experiment.evaluation import Evaluation, evaluate
from ..experiment.results import LABELS
from ..experiment.sources import Coded, Features, Pictures, Source, bitstreams
from ..files.document import parse
from ..network import load_network
from ..task.dataset import load_dataset
from .command import DRAWN_SCORE, argument_parser, check_needed, progress_bar, run


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
        "-o", "--output", type=Path, default=Path("results.json"), metavar="FILE", help="(default: results.json)"
    )
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="a new folder for pictures of what was detected")
    parser.add_argument("--threshold", type=float, help=f"with --draw: least score to draw (default: {DRAWN_SCORE})")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--threads", type=int, help="of each worker; by default they share the cores")
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
    parser.add_argument("--network", metavar="NAME", help="the network; without it, the configuration's, or refnet")
    parser.add_argument("--weights", metavar="FILE", help="its weights, where not its own")
    parser.add_argument(
        "--network-option", action="append", default=[], metavar="KEY=VALUE", help="another option of the network"
    )


def _work(arguments: argparse.Namespace) -> None:
    for name, value in (("workers", arguments.workers), ("threads", arguments.threads)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} {value}: must be at least 1")
    if arguments.threads is None and arguments.workers > 1:
        arguments.threads = max(1, core_count() // arguments.workers)
    configuration = _configuration(arguments)
    if not arguments.encode and arguments.bitstreams is None:
        check_needed(arguments, ("--backend",), "--encode or --bitstreams")
    if arguments.draw is None:
        check_needed(arguments, ("--threshold",), "--draw")
    name, options = _network(arguments, configuration)
    dataset = load_dataset(arguments.data, arguments.images)
    evaluation = Evaluation(
        dataset=dataset,
        network_name=name,
        make_network=partial(load_network, name, **options),
        source=_source(arguments, configuration),
        labels=arguments.labels,
        allow_missing=arguments.allow_missing,
        workers=arguments.workers,
        threads=arguments.threads,
    )
    with progress_bar(len(dataset.items), "evaluating") as progress:
        threshold = DRAWN_SCORE if arguments.threshold is None else arguments.threshold
        document = evaluate(evaluation, arguments.output, progress, arguments.draw, threshold)
    _print(document, arguments)


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


def _source(arguments: argparse.Namespace, configuration: Configuration | None) -> Source:
    if arguments.encode and configuration is not None:
        return Coded(configuration.tree, arguments.backend or "auto", arguments.threads)
    if arguments.features is not None:
        return Features(arguments.features)
    if arguments.bitstreams is not None:
        return bitstreams(arguments.bitstreams, arguments.backend or "auto")
    return Pictures(arguments.whole)


def _print(document: dict[str, Any], arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    print(tabulate([(name, value) for name, value in document["metrics"].items()], ("metric", "value"), floatfmt=".4f"))
    pictures = document["pictures"]
    print(f"\nfrom {document['source']['kind']}: {pictures['evaluated']} of {pictures['data_set']} pictures", end="")
    print(f", {pictures['problems']} problems: they are in the results" if pictures["problems"] else "")
    if "rate" in document:
        print(f"{document['rate']['bpp']:.4f} bpp ({document['rate']['bytes']} bytes)")
    print(f"wrote {arguments.output} and {document['results']['file']}")
