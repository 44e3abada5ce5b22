"""The common part of ``vcm_sweep``, ``vcm_anchor`` and others: where tasks run, the store, progress, failures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..conversion.parallel import core_count
from ..errors import ConfigError, VcmError
from ..experiment.machines import machines
from ..experiment.results import LABELS
from ..experiment.store import Store
from ..experiment.sweep import Begin, Outcome, Sweep, run_sweep
from ..experiment.tasks import RunBatches
from ..experiment.usable import first_of
from ..files.atomic import check_outputs
from ..network import weights_files
from ..task.dataset import Dataset, Item, with_unclear_orientation
from ..task.imagenet import ImageNetDataset
from .arguments import whole_number
from .progress import progress

DEFAULT_STORE = "vcm_store"
MOST_WORKERS = 1024
_SHOWN_FAILURES = 5


class IncompleteError(VcmError):
    """Something failed; what did not is there."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where tasks run and where their results are kept."""
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(os.environ.get("VCM_STORE", DEFAULT_STORE)),
        metavar="FOLDER",
        help=f"results of all tasks, found again by later runs (default: $VCM_STORE, or {DEFAULT_STORE})",
    )
    parser.add_argument(
        "--discard-features", action="store_true", help="keep no features in the store (default: keep them)"
    )
    add_worker_arguments(parser)


def add_picture_arguments(parser: argparse.ArgumentParser, first: str) -> None:
    """Add the options that choose the pictures; ``first`` says what is used without them."""
    parser.add_argument(
        "--pictures", type=whole_number(1), metavar="N", help=f"use only the first N pictures (default: {first})"
    )
    add_missing_argument(parser)


def add_missing_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that leaves out what cannot be used."""
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out pictures and annotations that cannot be used, and count them in the result (default: refuse)",
    )


def check_results(
    outputs: Iterable[Path],
    files: Iterable[Path],
    dataset: Dataset,
    labels: str,
    network: str,
    network_options: Mapping[str, Any],
) -> None:
    """Check that no output takes the place of a file that is read.

    Those are ``files``, the pictures, the file of labels if there is one, and the network's files. Raises
    :class:`~vcm_ref.files.atomic.OutputError`, and :class:`~vcm_ref.errors.NetworkError` where weights are missing.
    """
    read = [*files, *(item.path for item in dataset.items), *weights_files(network, network_options)]
    check_outputs(outputs, read if labels in LABELS else [*read, Path(labels)])


def print_problems(problems: Sequence[str]) -> None:
    """Print how many pictures and annotations were left out, and the first of them; nothing where there are none."""
    if problems:
        print(f"left out of the data set: {len(problems)}: {first_of(problems)}")


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where tasks run."""
    parser.add_argument(
        "--workers",
        type=whole_number(1, MOST_WORKERS),
        metavar="N",
        help="processes on this machine (default: one for each core)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="use a Dask cluster, as in tls://host:8786 (default: this machine)"
    )
    for name, what in (("ca", "the authority's certificate"), ("cert", "our certificate"), ("key", "its key")):
        parser.add_argument(
            f"--tls-{name}", type=Path, metavar="FILE", help=f"with --scheduler, for TLS: {what}, PEM (default: Dask's)"
        )


@contextmanager
def opened_store(arguments: argparse.Namespace) -> Iterator[Store]:
    """The store that the arguments name."""
    with Store(arguments.store, keeps_features=not arguments.discard_features) as store:
        yield store


def measured(sweep: Sweep, store: Store, arguments: argparse.Namespace) -> Outcome:
    """Run a sweep where the arguments say, and tell of its progress."""
    note_orientation(sweep.dataset, sweep.items, sweep.upright)
    with chosen_machines(arguments) as run_batches, results_progress(always_told=True) as begin:
        return run_sweep(sweep, store, run_batches, begin)


def note_orientation(dataset: Dataset, items: Iterable[Item], upright: bool) -> None:
    """Say so on standard error where nothing shows if annotations are of pictures as stored or as Exif turns them."""
    found = [] if isinstance(dataset, ImageNetDataset) else with_unclear_orientation(items)
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        are, others = ("turned upright", "as stored") if upright else ("left as stored", "turned upright")
        print(
            f"note: {found[0].path.name}{more}: pictures with an Exif orientation are {are}, and sizes do not show "
            f"whether the annotations follow it; if the annotations are for the pictures {others}, set "
            f"apply_exif_orientation to {str(not upright).lower()}",
            file=sys.stderr,
        )


def chosen_machines(arguments: argparse.Namespace) -> AbstractContextManager[RunBatches]:
    """The machines that the arguments choose. Raises :class:`ConfigError`."""
    if arguments.workers is not None and arguments.scheduler is not None:
        raise ConfigError(
            "--workers are processes on this machine, and --scheduler has workers of its own; give one of the two"
        )
    files = {f"--tls-{name}": getattr(arguments, f"tls_{name}") for name in ("ca", "cert", "key")}
    given = [option for option, path in files.items() if path is not None]
    if given and arguments.scheduler is None:
        raise ConfigError(f"{given[0]} changes nothing without --scheduler")
    if arguments.scheduler is None:
        return machines(arguments.workers or core_count())
    if given and len(given) < len(files):
        missing = next(option for option in files if option not in given)
        raise ConfigError(f"{given[0]} needs {missing} as well")
    from ..experiment.cluster import Certificates

    certificates = Certificates(*files.values()) if given else None
    return machines(1, scheduler=arguments.scheduler, certificates=certificates)


@contextmanager
def results_progress(always_told: bool = False) -> Iterator[Begin]:
    """Tells how many results the store has, and then of the progress with the others; it ends with the block.

    Unless ``always_told``, nothing is said of a store that has none.
    """
    with ExitStack() as stack:

        def begin(found: int, total: int) -> Callable[[float], None]:
            if found or always_told:
                print(f"{found} of {total} results found in the store", flush=True)
            return stack.enter_context(progress(total - found, "results"))

        yield begin


def raise_failures(outcome: Outcome) -> None:
    """Raise :class:`IncompleteError` where something failed, with the first few; the exit code is the first one's."""
    failures = [("uncompressed", 0, failure) for failure in outcome.uncompressed.failures] + outcome.failures
    if not failures:
        return
    told = dict.fromkeys(f"picture {failure.image_id}: {failure.message}" for _, _, failure in failures)
    shown = "; ".join(list(told)[:_SHOWN_FAILURES])
    more = f"; and {len(told) - _SHOWN_FAILURES} more" if len(told) > _SHOWN_FAILURES else ""
    raise IncompleteError(
        f"{len(failures)} result{'s' if len(failures) > 1 else ''} failed; the others are saved. "
        f"Run the command again to retry: {shown}{more}",
        failures[0][2].exit_code,
    )
