"""``vcm_crosscheck``: an anchor made again, and compared."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from ..decoder import Backend
from ..errors import ConfigError, VcmError
from ..experiment.anchor import read_anchor
from ..experiment.crosscheck import (
    DEPTHS,
    Plan,
    aspect_rows,
    crosscheck,
    crosscheck_document,
    machine_of,
    rebuilt_labels,
    rebuilt_method,
    rebuilt_network,
    summary,
    write_record,
)
from ..experiment.records import Record
from ..experiment.store import Store
from ..files.atomic import OutputError, check_output
from ..process.scratch import scratch_folder
from ..task.dataset import dataset_files, load_dataset
from .arguments import whole_number
from .command import argument_parser, run
from .experiment import add_worker_arguments, check_results, chosen_machines, results_progress

_SHOWN = 10


class DifferenceError(VcmError):
    """Compared and found different."""

    exit_code = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_crosscheck``; returns the exit code."""
    parser = argument_parser("vcm_crosscheck", "Make an anchor again, and compare every part with the anchor.")
    parser.add_argument("anchor", type=Path, metavar="ANCHOR", help="the anchor's file, as vcm_anchor writes it")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DATA", help="COCO JSON, ImageNet folder or list, or YAML"
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of the pictures (default: as the data set states)"
    )
    parser.add_argument(
        "--depth",
        choices=(*DEPTHS, "both"),
        help="decode the given bitstreams, code again, or both (default: both, or encode without bitstreams)",
    )
    parser.add_argument(
        "--bitstreams",
        type=Path,
        metavar="FOLDER",
        help="folder of bitstreams to check (default: the folder named like ANCHOR, if it exists)",
    )
    parser.add_argument(
        "--pictures", type=whole_number(1), metavar="N", help="use only the anchor's first N pictures (default: all)"
    )
    parser.add_argument(
        "--qp",
        type=whole_number(),
        nargs="+",
        default=[],
        metavar="QP",
        help="use only these of its QPs (default: all)",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the network's weights (default: its own)")
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="the file of labels, if the anchor was made with one (default: the anchor's way of matching)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="codec.threads=N or codec.time_limit=SECONDS; may be repeated",
    )
    parser.add_argument("--backend", choices=get_args(Backend), default="auto", help="the VVC decoder (default: auto)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the record (default: ANCHOR.crosscheck.json, in the current folder)",
    )
    add_worker_arguments(parser)
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    chosen = chosen_machines(arguments)
    output = _output(arguments)
    plan = _plan(arguments)
    _check_record(output, plan, arguments)
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    start = time.monotonic()
    with (
        scratch_folder("crosscheck") as folder,
        Store(folder, keeps_features=False) as store,
        chosen as run_batches,
        results_progress() as begin,
    ):
        findings = crosscheck(plan, run_batches, store, begin)
    document = crosscheck_document(plan, arguments.anchor, findings, started, time.monotonic() - start)
    write_record(output, document)
    _print(document)
    print(f"wrote {output} and {output.with_suffix('.md').name}")
    if not findings.agrees:
        raise DifferenceError(f"{summary(document)}: {findings.differences()[0].text}")


def _output(arguments: argparse.Namespace) -> Path:
    output: Path = arguments.output or Path(f"{arguments.anchor.stem}.crosscheck.json")
    check_output(output)
    if output.suffix == ".md":
        raise OutputError(f"{output}: the Markdown file would have this name; give -o the name of the JSON file")
    return output


def _check_record(output: Path, plan: Plan, arguments: argparse.Namespace) -> None:
    """Check, before any work, that neither file of the record takes the place of a file that is read."""
    given = [] if plan.folder is None else [path for path in plan.folder.rglob("*") if path.is_file()]
    files = [arguments.anchor, *dataset_files(arguments.data), *given]
    name = plan.anchor["network"]["name"]
    check_results([output, output.with_suffix(".md")], files, plan.dataset, plan.labels, name, plan.network_options)


def _plan(arguments: argparse.Namespace) -> Plan:
    anchor = read_anchor(arguments.anchor)
    machine = machine_of(arguments.set, arguments.weights)
    qps = _qps(anchor, arguments.qp)
    method = rebuilt_method(anchor, qps, machine, arguments.backend)
    _, options = rebuilt_network(anchor, machine)
    labels = rebuilt_labels(anchor, arguments.labels)
    depths, folder = _depths(arguments, qps)
    dataset = load_dataset(arguments.data, arguments.images)
    return Plan(anchor, method, dataset, options, labels, depths, folder, arguments.pictures, arguments.backend)


def _qps(anchor: Record, wanted: Sequence[int]) -> list[int]:
    known = [point["qp"] for point in anchor["points"]]
    if not known:
        raise ConfigError("the anchor has no points to compare with: all of them failed")
    unknown = [qp for qp in wanted if qp not in known]
    if unknown:
        raise ConfigError(f"--qp {unknown[0]}: the anchor does not have this point; it has {' '.join(map(str, known))}")
    return [qp for qp in known if not wanted or qp in wanted]


def _depths(arguments: argparse.Namespace, qps: Sequence[int]) -> tuple[tuple[str, ...], Path | None]:
    """How deep, and where the bitstreams are."""
    folder: Path = arguments.bitstreams or arguments.anchor.with_suffix("")
    if any((folder / f"qp{qp}").is_dir() for qp in qps):
        return (arguments.depth,) if arguments.depth in DEPTHS else DEPTHS, folder
    if arguments.bitstreams is not None or arguments.depth in ("decode", "both"):
        what = f"has no folder qp{qps[0]} of bitstreams" if folder.is_dir() else "there is no such folder of bitstreams"
        raise ConfigError(f"{folder}: {what}; name the folder of bitstreams with --bitstreams")
    if arguments.depth is None:
        print(f"there are no bitstreams in {folder}: coding again only (--depth encode)")
    return ("encode",), None


def _print(document: Record) -> None:
    from tabulate import tabulate

    print(tabulate(aspect_rows(document), ("what", "level", "not identical", "remark"), disable_numparse=True))
    if document["differences"]:
        print("\nDifferences:")
    for difference in document["differences"][:_SHOWN]:
        print(f"  {difference['text']}")
        for detail in difference.get("details", []):
            print(f"    {detail}")
    if document["counts"]["differences"] > _SHOWN:
        print(f"  … {document['counts']['differences']} in all; the record lists more")
    print(f"\n{summary(document)}")
