"""The choice of where tasks run: on processes of this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from .pool import local_workers
from .tasks import Batch, Finished, RunBatches

if TYPE_CHECKING:
    from .cluster import Certificates


@contextmanager
def machines(
    workers: int,
    threads: int = 1,
    scheduler: str | None = None,
    certificates: Certificates | None = None,
) -> Iterator[RunBatches]:
    """Give the function that runs batches, on ``workers`` processes or on the workers of a Dask ``scheduler``.

    Libraries use ``threads`` threads in each process.

    They are started when the first batch needs them, and end with the block.
    """
    with ExitStack() as stack:
        run: RunBatches | None = None

        def run_batches(batches: Iterator[Batch]) -> Iterator[Finished]:
            nonlocal run
            if run is None:
                run = stack.enter_context(_begun(workers, threads, scheduler, certificates))
            return run(batches)

        yield run_batches


def _begun(
    workers: int, threads: int, scheduler: str | None, certificates: Certificates | None
) -> AbstractContextManager[RunBatches]:
    if scheduler is None:
        return local_workers(workers, threads)
    from .cluster import cluster_workers  # imports Dask

    return cluster_workers(scheduler, certificates)
