"""What ``vcm_sweep`` and ``vcm_anchor`` share: where they run, where results are kept, and what is told at the end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..conversion.parallel import core_count
from ..errors import ConfigError, VcmError
from ..experiment.store import Store
from ..experiment.sweep import Begin, Outcome, Sweep, run_sweep
from .command import progress_bar

DEFAULT_STORE = "vcm_store"
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
    parser.add_argument("--discard-features", action="store_true", help="keep no features in the store")
    add_worker_arguments(parser)


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where tasks run."""
    parser.add_argument("--workers", type=int, help="processes on this machine (default: one for each core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, as in tcp://host:8786")


@contextmanager
def opened_store(arguments: argparse.Namespace) -> Iterator[Store]:
    """The store that the arguments name."""
    with Store(arguments.store, keeps_features=not arguments.discard_features) as store:
        yield store


def measured(sweep: Sweep, store: Store, arguments: argparse.Namespace) -> Outcome:
    """Run a sweep where the arguments say, with a progress bar."""
    workers = checked_workers(arguments)
    with results_bar() as begin:
        return run_sweep(sweep, store, scheduler=arguments.scheduler, workers=workers, begin=begin)


def checked_workers(arguments: argparse.Namespace) -> int:
    """How many processes the arguments ask for. Raises :class:`ConfigError`."""
    if arguments.workers is not None and arguments.workers < 1:
        raise ConfigError(f"--workers {arguments.workers}: must be at least 1")
    if arguments.workers is not None and arguments.scheduler is not None:
        raise ConfigError("--workers are of this machine, --scheduler has its own: give one of them")
    return arguments.workers or core_count()


@contextmanager
def results_bar() -> Iterator[Begin]:
    """What begins a progress bar over results; it ends with the block."""
    with ExitStack() as stack:

        def begin(total: int) -> Callable[[float], None]:
            return stack.enter_context(progress_bar(total, "results"))

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
        f"{len(failures)} results failed, the rest is written; run it again to try again: {shown}{more}",
        failures[0][2].exit_code,
    )
