"""``vcm_train``: pictures or features to the model of a reduction stage."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..configuration import Configuration, load_configuration
from ..errors import ConfigError
from ..experiment.machines import machines
from ..experiment.records import Record
from ..experiment.usable import usable_pictures
from ..files.atomic import OutputError, atomic_file, check_outputs
from ..models.pictures import SUFFIX, list_text
from ..network import weights_files
from ..task.dataset import Dataset, dataset_files, load_dataset
from ..training.job import Job
from ..training.methods import METHODS
from ..training.record import record_of
from .arguments import add_layers, whole_number
from .command import argument_parser, check_needed, run
from .experiment import MOST_WORKERS, add_picture_arguments
from .inputs import find_inputs
from .progress import progress

_DATA_SET_SUFFIXES = (".json", ".yaml", ".yml", ".txt")
_PLAN = "plan.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_train``; returns the exit code."""
    parser = argument_parser("vcm_train", "Train the model of a reduction stage on pictures or features.")
    add_layers(parser)
    parser.add_argument(
        "--data",
        required=True,
        nargs="+",
        metavar="DATA",
        help="a data set (COCO JSON, ImageNet list, YAML), or folders or quoted patterns of pictures or feature files",
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of the pictures (default: as the data set states)"
    )
    add_picture_arguments(parser, "all")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("model.safetensors"),
        metavar="FILE",
        help="the model; the digests of its pictures are in FILE.pictures.txt, and FILE.part remains if training is "
        "interrupted (default: model.safetensors)",
    )
    parser.add_argument(
        "--workers", type=whole_number(1, MOST_WORKERS), default=1, metavar="N", help="processes (default: 1)"
    )
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    configuration = load_configuration(arguments.config, arguments.set)
    method = configuration.get("reduction.method", "none")
    if method not in METHODS:
        raise configuration.error(
            "reduction.method", f"{method} has no model; methods with a model: {', '.join(METHODS)}"
        )
    if method != "network" and "training" in configuration.tree:
        raise configuration.error("training", f"has no effect with reduction.method {method}, only with network")
    inputs, files, dataset = _inputs(arguments)
    options = dict(configuration.get("network"))
    given = [Path(path) for key in ("start", "klt") if (path := configuration.get(f"training.{key}"))]
    read = [*inputs, *files, *configuration.files, *weights_files(options.pop("name"), options)]
    pictures = arguments.output.with_name(arguments.output.name + SUFFIX)
    outputs = [arguments.output, pictures, *METHODS[method].files_beside(arguments.output)]
    check_outputs(outputs, [*read, *given])
    for path in outputs:
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: not a regular file; refusing to overwrite it; name another output")
    record = record_of(configuration, inputs, {"name": dataset.name, "sha256": dataset.digest()} if dataset else {})
    with _part(arguments.output, configuration, record) as part:
        with machines(arguments.workers) as run_batches:
            job = Job(configuration, inputs, record, part, run_batches, progress, print, dataset)
            model = METHODS[method].train(job)
        with atomic_file(pictures) as file:
            file.write(list_text(record["pictures"]["sha256"]))
        with atomic_file(arguments.output) as file:
            file.write(model)
    print(f"\nwrote {arguments.output}: {len(model)} bytes, SHA-256 {hashlib.sha256(model).hexdigest()}")


def _inputs(arguments: argparse.Namespace) -> tuple[list[Path], list[Path], Dataset | None]:
    """The pictures or feature files, other files that are read, and the data set where they are of one."""
    path = Path(arguments.data[0])
    if len(arguments.data) == 1 and path.suffix.lower() in _DATA_SET_SUFFIXES:
        dataset = load_dataset(path, arguments.images)
        usable = usable_pictures(dataset, arguments.pictures, arguments.allow_missing)
        found = [item.path for item in usable.items]
        return found, dataset_files(path), dataset
    check_needed(arguments, ("--images", "--allow-missing"), "a data set")
    given = find_inputs(arguments.data)
    if given.skipped:
        print(f"{given.skipped_line()}\n")
    return given.paths[: arguments.pictures], [], None


@contextmanager
def _part(output: Path, configuration: Configuration, record: Record) -> Iterator[Path]:
    """The folder beside ``output`` that keeps an interrupted training; it goes when the block ends well.

    Raises :class:`OutputError` where it is another training's, or another run is using it.
    """
    folder = output.with_name(output.name + ".part")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    plan = {"configuration": configuration.shaping, "record": record}
    text = json.dumps(plan, sort_keys=True).encode()
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(f"{folder}: another run is using it; name another -o") from error
        kept = folder / _PLAN
        if kept.exists() and kept.read_bytes() != text:
            raise ConfigError(f"{folder}: belongs to another training; remove it, or name another -o")
        with atomic_file(kept) as file:
            file.write(text)
        yield folder
        shutil.rmtree(folder)
    finally:
        os.close(lock)
        if folder.is_dir() and {path.name for path in folder.iterdir()} <= {_PLAN}:
            with suppress(OSError):
                shutil.rmtree(folder)
