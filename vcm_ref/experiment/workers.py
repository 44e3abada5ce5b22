"""Analysing pictures side by side: each worker process has the network, and pictures go to whichever is free."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from ..conversion.parallel import core_count
from ..errors import BitstreamError, DatasetError, LimitError, VcmError
from ..network import Network
from ..task.dataset import Item
from .journal import Record, to_record
from .sources import Source


class Described(NamedTuple):
    """What the caller must know of a network that it has not loaded itself."""

    description: dict[str, str]
    class_names: Mapping[int, str]


class Analysts(Protocol):
    """Whoever analyses the pictures: this process, or workers."""

    @property
    def network(self) -> Described: ...

    def finish(self, waiting: Sequence[Item]) -> Iterator[tuple[Item, Record | DatasetError]]:
        """Analyse the pictures, in whatever order they are ready; one that cannot be read gives the error."""


@contextmanager
def analysts(
    make_network: Callable[[], Network], source: Source, workers: int, threads: int | None
) -> Iterator[Analysts]:
    """Ready ``workers`` processes, or this one; they are ended when the block is. Raises what the network raises."""
    if workers <= 1:
        _start(make_network, source, threads)
        yield _Here()
        return
    others = set(multiprocessing.active_children())
    threads = threads or max(1, core_count() // workers)
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(make_network, source, threads),
    )
    try:
        yield _Workers(pool, workers)
        pool.shutdown()
        for process in set(multiprocessing.active_children()) - others:  # a second shutdown waits for nobody
            process.join()
    except BaseException as error:  # an interrupt too: nobody waits for pictures that have begun
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise LimitError("a worker was killed, most likely for its memory: take fewer --workers") from error
        raise


class _Here:
    """This process."""

    @property
    def network(self) -> Described:
        return _describe()

    def finish(self, waiting: Sequence[Item]) -> Iterator[tuple[Item, Record | DatasetError]]:
        for item in waiting:
            yield item, _analyse(item)


class _Workers:
    """Processes of a pool. The caller loads no network: it would be one more, while all of them wait for it."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool = pool
        asked = [pool.submit(_describe) for _ in range(count)]  # each starts a worker, so all load at the same time
        self.network = asked[0].result()

    def finish(self, waiting: Sequence[Item]) -> Iterator[tuple[Item, Record | DatasetError]]:
        futures = {self._pool.submit(_analyse, item): item for item in waiting}
        for future in as_completed(futures):
            yield futures[future], future.result()
        self._pool.shutdown(wait=False)  # workers end while the caller goes on


class _Worker(NamedTuple):
    """What this process analyses with; or the error that making the network met."""

    network: Network | VcmError
    source: Source


_this: _Worker | None = None


def _start_worker(make_network: Callable[[], Network], source: Source, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for libraries that are not imported yet
    _start(make_network, source, threads)


def _start(make_network: Callable[[], Network], source: Source, threads: int | None) -> None:
    global _this
    try:  # a pool does not tell of an error here
        _this = _Worker(make_network(), source)
    except VcmError as error:
        _this = _Worker(error, source)
    if threads is not None and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _network() -> Network:
    assert _this is not None, "started"
    if isinstance(_this.network, VcmError):
        raise _this.network
    return _this.network


def _describe() -> Described:
    return Described(_network().describe(), dict(_network().class_names))


def _analyse(item: Item) -> Record | DatasetError:
    """One picture's record for the journal, or the error where it could not be read."""
    assert _this is not None, "started"
    try:
        analysed = _this.source.analyse(_network(), item)
        result = to_record(analysed.result)
    except VcmError as error:
        if item.path.name not in str(error) and str(item.id) not in str(error):
            named = f"picture {item.id} ({item.path.name}): {error.args[0]}"
            error.args = (named,)
            if isinstance(error, BitstreamError):
                error.message = named
        if isinstance(error, DatasetError):
            return error
        raise
    rest = {"bits": analysed.bits, **(analysed.extra or {})}
    return {"height": analysed.height, "width": analysed.width, "sha256": analysed.sha256, **rest, **result}
