"""``vcm_eval``: pictures, features or bitstreams, and a data set, to metrics."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..configuration import Configuration, load_configuration
from ..conversion.parallel import core_count
from ..decoder import Backend
from ..errors import ConfigError
from ..experiment.devices import compare_devices, write_devices
from ..experiment.evaluation import Drawing, Evaluation, detections_file, evaluate, own_store
from ..experiment.given_files import GivenBitstream, GivenBitstreams, GivenFeatures
from ..experiment.machines import machines
from ..experiment.method import Method, Uncompressed, Whole
from ..experiment.method_choice import method_of
from ..experiment.report.numbers import interval_text, level_text
from ..experiment.results import LABELS
from ..experiment.store import Store
from ..files.atomic import check_new_folder, check_output, companion
from ..files.document import parse
from ..files.kind import READ_FEATURE_SUFFIXES
from ..task.dataset import Dataset, dataset_files, load_dataset
from .arguments import add_layers, real_number, whole_number
from .bootstrap import add_bootstrap_arguments, chosen_bootstrap
from .command import DRAWN_SCORE, argument_parser, check_needed, run
from .experiment import MOST_WORKERS, add_missing_argument, check_results, note_orientation, results_progress

_PARTS = {
    "part1": "part 1",
    "part2": "part 2",
    "reduction": "reduction",
    "restoration": "restoration",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_eval``; returns the exit code."""
    parser = argument_parser("vcm_eval", "Measure a network's results over a data set.")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DATA", help="COCO JSON, ImageNet folder or list, video, or YAML"
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of the pictures (default: as the data set states)"
    )
    _add_source_arguments(parser.add_mutually_exclusive_group())
    _add_network_arguments(parser)
    parser.add_argument("--backend", choices=("auto", "ffmpeg", "vtm"), help="the VVC decoder (default: auto)")
    parser.add_argument(
        "--labels",
        default="names",
        metavar="HOW",
        help=f"how the network's labels become classes: {', '.join(LABELS)}, or CSV (default: names)",
    )
    add_missing_argument(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("results.json"),
        metavar="FILE",
        help="the results, with all detections or classes in a file beside (default: results.json)",
    )
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="FOLDER",
        help="a new folder for pictures with the detected objects (default: none)",
    )
    parser.add_argument(
        "--threshold",
        type=real_number(0, 1),
        metavar="SCORE",
        help=f"with --draw: least score to draw, from 0 to 1 (default: {DRAWN_SCORE})",
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="keep the results of all pictures there, for later runs (default: OUTPUT.store, removed at the end)",
    )
    parser.add_argument(
        "--workers", type=whole_number(1, MOST_WORKERS), default=1, metavar="N", help="processes (default: 1)"
    )
    parser.add_argument(
        "--threads",
        type=whole_number(1, MOST_WORKERS),
        metavar="N",
        help="threads for each worker (default: cores / workers)",
    )
    parser.add_argument(
        "--compare-devices",
        type=whole_number(1),
        metavar="N",
        help="only measure how far the results of N pictures on network.device differ from the results on the CPU "
        "(default: measure the metrics)",
    )
    add_bootstrap_arguments(parser)
    return run(parser, _work, argv)


def _add_source_arguments(group: argparse._MutuallyExclusiveGroup) -> None:
    group.add_argument(
        "--features",
        type=Path,
        metavar="FOLDER",
        help=f"a folder of feature files ({', '.join(READ_FEATURE_SUFFIXES)}) that are named as the pictures "
        "(default: none)",
    )
    group.add_argument(
        "--bitstreams",
        type=Path,
        metavar="PATH",
        help="a folder of bitstreams that are named as the pictures, or one bitstream of vcm_enc with its record "
        "(default: none)",
    )
    group.add_argument(
        "--encode", action="store_true", help="code and decode the pictures' features with the configuration of -c"
    )
    group.add_argument("--whole", action="store_true", help="run the network unsplit (default: in its two parts)")


def _add_network_arguments(parser: argparse.ArgumentParser) -> None:
    add_layers(parser, required=False, kind="a configuration in YAML, or without --encode one of the network alone")
    parser.add_argument(
        "--qp",
        type=whole_number(),
        metavar="QP",
        help="with --encode: the same as --set codec.qp=QP (default: the configuration's)",
    )
    parser.add_argument(
        "--ignore-exif-orientation",
        action="store_true",
        help="leave pictures as they are stored; the same as --set apply_exif_orientation=false",
    )
    parser.add_argument("--network", metavar="NAME", help="the network (default: the configuration's, or refnet)")
    parser.add_argument("--weights", metavar="FILE", help="the network's weights (default: its own)")
    parser.add_argument(
        "--network-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another option of the network, as in max_detections=50; may be repeated",
    )


def _work(arguments: argparse.Namespace) -> None:
    bootstrap = chosen_bootstrap(arguments)
    configuration = _configuration(arguments)
    if not arguments.encode and arguments.bitstreams is None:
        check_needed(arguments, ("--backend",), "--encode or --bitstreams")
    if arguments.draw is None:
        check_needed(arguments, ("--threshold",), "--draw")
    name, options = _network(arguments, configuration)
    dataset = load_dataset(arguments.data, arguments.images)
    if arguments.compare_devices is not None:
        _compare_devices(arguments, configuration, dataset, name, options)
        return
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
    _check_outputs(arguments, configuration, evaluation)
    with (
        _store(arguments) as store,
        machines(workers, threads) as run_batches,
        results_progress() as begin,
    ):
        document, seconds = evaluate(evaluation, arguments.output, store, run_batches, begin, drawing, bootstrap)
    _print(document, seconds, arguments)


def _compare_devices(
    arguments: argparse.Namespace,
    configuration: Configuration | None,
    dataset: Dataset,
    network: str,
    options: dict[str, Any],
) -> None:
    """Write how far two devices differ, and print it."""
    from tabulate import tabulate

    for option in ("features", "bitstreams", "encode", "whole", "draw", "store"):
        if getattr(arguments, option) not in (None, False):
            raise ConfigError(f"--{option} changes nothing with --compare-devices")
    check_output(arguments.output)
    files = [*dataset_files(arguments.data), *(configuration.files if configuration is not None else ())]
    check_results([arguments.output], files, dataset, arguments.labels, network, options)
    upright = configuration is None or configuration.get("apply_exif_orientation", True)
    upright = upright and not arguments.ignore_exif_orientation
    found = compare_devices(network, options, dataset, arguments.labels, arguments.compare_devices, upright)
    write_devices(arguments.output, found)
    first, second = found["devices"]
    of = found["differences"]
    rows = [(f"layer {name}", one["absolute"], one["relative"]) for name, one in of["layers"].items()]
    rows += [("boxes, in pixels", of["boxes"], ""), ("scores", of["scores"], "")]
    print(tabulate(rows, ("largest difference", f"{second} from {first}", "over the largest sample"), floatfmt=".3g"))
    print(f"pictures with other results: {of['other_results']} of {len(found['pictures'])}")
    before, after = found["metrics"]
    print(
        tabulate([(name, before[name], after.get(name)) for name in before], ("metric", first, second), floatfmt=".4f")
    )
    print(f"wrote {arguments.output}")


def _check_outputs(arguments: argparse.Namespace, configuration: Configuration | None, evaluation: Evaluation) -> None:
    """Check, before any work, that each output has a place, and not that of a file that is read."""
    check_output(arguments.output)
    outputs = [arguments.output, detections_file(arguments.output)]
    if arguments.draw is not None:
        check_new_folder(arguments.draw)
        outputs.append(arguments.draw)
    given: Path | None = arguments.features or arguments.bitstreams
    files = [*dataset_files(arguments.data), *(configuration.files if configuration is not None else ())]
    if given is not None:
        files += [given, companion(given)] if given.is_file() else [path for path in given.rglob("*") if path.is_file()]
    of = evaluation
    check_results(outputs, files, of.dataset, of.labels, of.network, of.network_options)


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


def _print(document: dict[str, Any], seconds: dict[str, float], arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    found = document.get("intervals", {})
    rows = [(name, value, interval_text(found.get(name))) for name, value in document["metrics"].items()]
    columns = ("metric", "value", level_text(document))[: 3 if found else 2]
    print(tabulate([row[: len(columns)] for row in rows], columns, floatfmt=".4f"))
    pictures = document["pictures"]
    print(f"\nfrom {document['source']['kind']}: {pictures['evaluated']} of {pictures['data_set']} pictures", end="")
    problems = pictures["problems"]
    print(f"; {problems} problem{'s' if problems > 1 else ''}, named in the results" if problems else "")
    if "rate" in document:
        rate = f"{document['rate']['bpp']:.4f} bpp {interval_text(found.get('bpp'))}".rstrip()
        over_time = document["rate"].get("kbit_per_s")
        told = "" if over_time is None else f", {over_time:.2f} kbit/s"
        print(f"{rate}{told} ({document['rate']['bytes']} bytes)")
        if "han2022_bpp" in document["rate"]:
            print(f"{document['rate']['han2022_bpp']:.4f} bpp in Han et al.'s accounting")
    number = document["pictures"]["evaluated"]
    print("seconds a picture: " + ", ".join(f"{step} {total / number:.3f}" for step, total in seconds.items()))
    costs = {**document.get("cost", {}), **document.get("stage_cost", {})}
    if parts := [f"{_PARTS[key]} {costs[key]['macs_per_pixel']:,.0f}" for key in _PARTS if key in costs]:
        print(f"multiply–accumulates a pixel: {', '.join(parts)}")
    print(f"wrote {arguments.output} and {document['results']['file']}")
