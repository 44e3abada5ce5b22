"""Running several inner codecs at the same time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from .child import ChildGroup

T = TypeVar("T")


def run_together(jobs: Sequence[Callable[[], T]]) -> list[tuple[T, float]]:
    """Run the jobs, as many at once as there are cores; returns each one's result and seconds, in their order.

    When one fails, or the caller is interrupted, the others' child processes are ended, no other's, and the error is
    raised.
    """
    group = ChildGroup()

    def timed(job: Callable[[], T]) -> tuple[T, float]:
        start = time.perf_counter()
        return group.run(job), time.perf_counter() - start

    if len(jobs) == 1:
        return [timed(jobs[0])]
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = []
        try:
            for job in jobs:
                futures.append(pool.submit(timed, job))
            wait(futures, return_when=FIRST_EXCEPTION)
            failures = [future.exception() for future in futures if future.done()]
            for failure in failures:
                if failure is not None:
                    raise failure
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            group.stop()
            raise
