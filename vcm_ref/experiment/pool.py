"""Tasks on processes of this machine.

A worker is a process that is connected with this one by a pair of sockets without an address, so no other user can
reach it. It does one task at a time. A worker keeps to a batch, whose intermediate results it has in memory; one that
has nothing else to do helps with another's batch, and finds those results as files in a temporary folder of ours.

A task on which a worker died is tried once more when everything else is done, with nothing beside it. A second death
fails it.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe, wait
from pathlib import Path
from typing import Any

from ..errors import LimitError
from ..files.atomic import OutputError
from ..process import orphans
from ..process.scratch import scratch_folder
from .tasks import Batch, Finished, RunBatches, Task, TaskError, Value, internal_error, once, refs

_PROGRAM = Path(__file__).with_name("worker.py")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_GRACE_S = 10.0  # for a worker to end its inner codec
_DEATHS = 2  # on one task, or before a worker has begun


@contextmanager
def local_workers(workers: int, threads: int) -> Iterator[RunBatches]:
    """Give the function that runs batches on ``workers`` processes, with ``threads`` threads in each library.

    The processes end with the block, and so does everything that they have started.
    Raises :class:`LimitError` where workers cannot be started.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder("workers"))
        except OSError as error:
            raise OutputError(f"{tempfile.gettempdir()}: cannot be written: {error.strerror or error}") from error
        pool = _Pool(workers, threads, folder)
        try:
            yield pool.run
        finally:
            pool.end()


class _Worker:
    """One process and the connection with it. ``job`` is what it does at the moment."""

    def __init__(self, folder: Path, threads: int, shares: bool) -> None:
        self.connection, theirs = Pipe()
        self.ready = False
        self.job: _Job | None = None
        self.batch: _Batch | None = None
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads)), "PYTHONSAFEPATH": "1"}
        try:
            with orphans.starting() as register:
                self.process = subprocess.Popen(
                    [sys.executable, str(_PROGRAM), str(theirs.fileno())],
                    env=environment,
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # a terminal's Ctrl-C is for this process, which ends its workers
                )
                register(self.process.pid)
        except OSError as error:
            raise LimitError(f"a worker cannot be started: {error.strerror or error}") from error
        finally:
            theirs.close()
        with suppress(OSError):  # it is gone already: its end is noticed later
            self.connection.send((_search_path(), str(folder), shares))

    def ending(self) -> str:
        """Wait for the end of a process whose connection has ended; returns how it ended."""
        self.connection.close()
        try:
            code = self.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        orphans.ended(self.process.pid)  # and with it an inner codec that it could not end itself
        with suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


def _search_path() -> list[str]:
    return [place for place in sys.path if place]  # an empty one is the current folder


@dataclass(eq=False)
class _Job:
    """One task of a batch that is being done or waits to be."""

    batch: _Batch
    task: Task
    deaths: int = 0
    message: bytes = b""
    dropped: bool = False
    """True if the result is not wanted."""


@dataclass(eq=False)
class _Batch:
    """A batch in work: its tasks by name, those that are done, and those that failed."""

    number: int
    tasks: dict[str, Task | Value]
    places: dict[str, int]
    needed: set[str]
    done: set[str] = field(default_factory=set)
    waiting: list[Task] = field(default_factory=list)
    """Those that have not begun, in order."""
    open: int = 0
    """How many have not ended."""

    @classmethod
    def of(cls, number: int, batch: Batch) -> _Batch:
        tasks = once(batch)
        waiting = [task for task in tasks.values() if isinstance(task, Task)]
        needed = {name for task in waiting for name in refs(task.arguments)}
        assert needed <= tasks.keys(), "a batch has what its tasks depend on"
        places = {name: place for place, name in enumerate(tasks)}
        done = {name for name, task in tasks.items() if isinstance(task, Value)}
        return cls(number, tasks, places, needed, done, waiting, len(waiting))

    def take(self) -> Task | None:
        """The first task that can be done now."""
        for place, task in enumerate(self.waiting):
            if self.done.issuperset(refs(task.arguments)):
                return self.waiting.pop(place)
        return None

    def fail(self, name: str, error: TaskError) -> Iterator[Finished]:
        """End a task, and all that depend on it, with an error."""
        task = self.tasks[name]
        self.open -= 1
        if isinstance(task, Task) and task.kept_as is not None:
            yield Finished(name, task.kept_as, error)
        for dependent in [task for task in self.waiting if name in refs(task.arguments)]:
            if dependent in self.waiting:  # not failed meanwhile, by another way
                self.waiting.remove(dependent)
                yield from self.fail(dependent.name, error)

    def message(self, task: Task, dropped: bool) -> bytes:
        """A task as a worker is told of it."""
        places = {name: self.places[name] for name in refs(task.arguments)}
        kept, needed = task.kept_as is not None and not dropped, task.name in self.needed and not dropped
        job = (self.number, self.places[task.name], task.function, task.arguments, places, kept, needed)
        return pickle.dumps(job, pickle.HIGHEST_PROTOCOL)


class _Pool:
    """The workers, and the batches in work."""

    def __init__(self, workers: int, threads: int, folder: Path) -> None:
        self._folder = folder
        self._threads = threads
        self._count = workers
        self._workers: list[_Worker] = []
        self._unbegun = 0  # deaths of workers before they had begun
        self._numbers = 0
        self._more = False  # batches that have not begun
        self._batches: list[_Batch] = []
        self._suspects: deque[_Job] = deque()
        self._everywhere: dict[_Worker, deque[_Job]] = {}

    def run(self, batches: Iterator[Batch]) -> Iterator[Finished]:
        """Run batches. When the iteration is ended early, what is left is not done."""
        whole = False
        try:
            yield from self._run(iter(batches))
            whole = True
        finally:
            if not whole:  # the workers' results are not wanted any more
                self.end()

    def end(self) -> None:
        """End all workers."""
        self._batches, self._suspects, self._everywhere = [], deque(), {}
        workers, self._workers = self._workers, []
        for worker in workers:
            with suppress(OSError):
                worker.connection.send_bytes(b"")
        for worker in workers:
            worker.ending()

    def _run(self, batches: Iterator[Batch]) -> Iterator[Finished]:
        self._more = True
        while True:
            self._fill()
            for worker in self._workers:
                if worker.ready and worker.job is None:
                    yield from self._give(worker, batches)
            if not self._batches and not self._more:
                return
            for ended in wait([worker.connection for worker in self._workers]):
                worker = next(worker for worker in self._workers if worker.connection is ended)
                yield from self._hear(worker)

    def _fill(self) -> None:
        while len(self._workers) < self._count:
            self._workers.append(_Worker(self._folder, self._threads, shares=self._count > 1))

    # Giving

    def _give(self, worker: _Worker, batches: Iterator[Batch]) -> Iterator[Finished]:
        """Let a worker that is free do something, if there is anything."""
        while (job := self._next_job(worker, batches)) is not None:
            try:
                job.message = job.message or job.batch.message(job.task, job.dropped)
            except Exception as error:  # an argument that cannot be sent
                yield from self._failed(job, internal_error(error))
                continue
            worker.job, worker.batch = job, job.batch
            with suppress(OSError):  # it is gone: its end is noticed later
                worker.connection.send_bytes(job.message)
            return

    def _next_job(self, worker: _Worker, batches: Iterator[Batch]) -> _Job | None:
        if self._everywhere.get(worker):
            return self._everywhere[worker].popleft()
        if worker.batch in self._batches and (task := worker.batch.take()) is not None:
            return self._begun(worker, worker.batch, task)
        while (batch := self._begin(batches)) is not None:
            if (task := batch.take()) is not None:
                return self._begun(worker, batch, task)
        for batch in self._batches:
            if (task := batch.take()) is not None:
                return self._begun(worker, batch, task)
        if self._suspects and not any(other.job for other in self._workers):
            return self._suspects.popleft()
        return None

    def _begun(self, worker: _Worker, batch: _Batch, task: Task) -> _Job:
        job = _Job(batch, task)
        if task.everywhere:
            for other in self._workers:
                if other is not worker:
                    self._everywhere.setdefault(other, deque()).append(_Job(batch, task, dropped=True))
        return job

    def _begin(self, batches: Iterator[Batch]) -> _Batch | None:
        """Begin the next batch that has a task."""
        for tasks in batches:
            batch = _Batch.of(self._numbers, tasks)
            self._numbers += 1
            if batch.open:
                for name in batch.needed & batch.done:
                    value = batch.tasks[name]
                    assert isinstance(value, Value)
                    self._keep(self._folder / f"{batch.number}-{batch.places[name]}", value.value)
                self._batches.append(batch)
                return batch
        self._more = False
        return None

    def _keep(self, path: Path, value: Any) -> None:
        try:
            path.write_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        except OSError as error:
            text = f"{self._folder}: cannot be written: {error.strerror or error}"
            raise OutputError(f"{text}; name another folder for intermediate results with TMPDIR") from error

    # Hearing

    def _hear(self, worker: _Worker) -> Iterator[Finished]:
        try:
            result = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._died(worker)
            return
        except Exception as error:  # a result that cannot be read
            result = internal_error(error)
        if not worker.ready:
            if result is not None:
                raise LimitError(f"a worker cannot be started: {result}")
            worker.ready = True
            return
        job, worker.job = worker.job, None
        assert job is not None, "it has spoken of something"
        if isinstance(result, TaskError):
            yield from self._failed(job, result)
        elif not job.dropped:
            job.batch.done.add(job.task.name)
            job.batch.open -= 1
            if job.task.kept_as is not None:
                yield Finished(job.task.name, job.task.kept_as, result)
            self._close(job.batch)

    def _died(self, worker: _Worker) -> Iterator[Finished]:
        self._workers.remove(worker)
        self._everywhere.pop(worker, None)
        how = worker.ending()
        job = worker.job
        if not worker.ready:
            self._unbegun += 1
            if self._unbegun >= _DEATHS + self._count:
                raise LimitError(f"workers cannot be started: the last one was {how} before it had begun")
        elif job is not None and not job.dropped:
            job.deaths += 1
            if job.deaths < _DEATHS:
                self._suspects.append(job)
            else:
                text = f"{job.deaths} workers died on it (the last one was {how}), most likely for their memory"
                yield from self._failed(job, TaskError(LimitError.exit_code, text))

    def _failed(self, job: _Job, error: TaskError) -> Iterator[Finished]:
        if not job.dropped:
            yield from job.batch.fail(job.task.name, error)
            self._close(job.batch)

    def _close(self, batch: _Batch) -> None:
        """Forget a batch that is done, and its files."""
        if not batch.open:
            self._batches.remove(batch)
            for place in batch.places.values():
                (self._folder / f"{batch.number}-{place}").unlink(missing_ok=True)
