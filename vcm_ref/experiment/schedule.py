"""Tasks on workers, by Dask: on this machine, or on any cluster that has a scheduler's address.

Dask sends each task to where what it depends on already is, and keeps what others still need in the workers' memory.
What is to be kept comes back to the client as soon as it is done. A worker that dies is replaced, and what it had is
done again; a task that kills three workers, and another three when it is alone, fails.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError, LimitError
from .guard import nothing_left
from .stages import TaskError, environment

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

#: Batches in work at the same time, for each of the workers' threads: one that runs, and one that waits for it.
_AHEAD = 2
_DEATHS = 2
_ANSWER_S = 5
_GIVEN_UP_S = 5
_ONCE = "@"
_CONNECT_S = 20
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_LOGGERS = ("distributed", "distributed.client", "distributed.worker", "distributed.nanny", "tornado", "asyncio")
#: Each worker runs one task at a time, so one thread in every library; output must not depend on it anyway.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Ref(NamedTuple):
    """Stands for the result of the task of this name."""

    name: str


class Task(NamedTuple):
    """One task: its name, the function and its arguments, in which :class:`Ref` may stand, also inside a list.

    ``kept_as`` is what kind of result comes back to the client, if any. A task that is done ``everywhere`` is done on
    the other workers too, for what it leaves in their memory: nothing waits for it there, and its result is dropped.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    kept_as: str | None = None
    everywhere: bool = False


class Value(NamedTuple):
    """What the client has already, for tasks that depend on it."""

    name: str
    value: Any


Batch = Sequence[Task | Value]
"""Tasks that belong together, each after those that it depends on."""


class Finished(NamedTuple):
    """A kept result, or why there is none."""

    name: str
    kept_as: str
    result: Any


@contextmanager
def connect(scheduler: str | None, workers: int) -> Iterator[Client]:
    """A client of the scheduler at an address, or of ``workers`` processes on this machine, which end with the block.

    Raises :class:`ConfigError` where nobody answers, or where a worker has another version of anything involved.
    """
    import dask
    from distributed import Client, LocalCluster

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors come with the tasks that they are of
    mark = f"VCM_WORKERS_OF_{uuid.uuid4().hex}"  # a name of its own: Dask prefers a value that is there already
    settings = {
        "distributed.scheduler.allowed-failures": _DEATHS,
        "distributed.deploy.lost-worker-timeout": _GIVEN_UP_S,
        "distributed.admin.large-graph-warning-threshold": "1GB",
        "distributed.comm.timeouts.connect": _CONNECT_S,
        "distributed.worker.profile.enabled": False,  # it takes half of the time in which torch is loaded
        "distributed.nanny.environ": {**_ENVIRONMENT, mark: "1"},
        "distributed.nanny.pre-spawn-environ": _ENVIRONMENT,
    }
    with dask.config.set(settings):
        if scheduler is not None:
            _check_answer(scheduler)
            with Client(scheduler) as client:
                _check_workers(client)
                yield client
            return
        with (
            tempfile.TemporaryDirectory(prefix="vcm_workers_", ignore_cleanup_errors=True) as folder,
            nothing_left(mark),
            _own_environment(),
        ):
            stack = ExitStack()
            try:
                with _signals_later():  # what Dask has half made, it does not close
                    cluster = stack.enter_context(
                        LocalCluster(
                            n_workers=workers,
                            threads_per_worker=1,
                            processes=True,
                            dashboard_address="127.0.0.1:0",  # None: Dask's own port, and complaints where it is taken
                            local_directory=folder,
                            silence_logs=logging.CRITICAL,
                        )
                    )
                    stack.enter_context(_replaced(cluster, workers))
                    client = stack.enter_context(Client(cluster))
                yield client
            finally:
                with _signals_later():
                    stack.close()


@contextmanager
def _signals_later() -> Iterator[None]:
    """Let a signal that ends this process take effect when the block ends; a second one does so at once.

    Processes and threads that are begun in the block never get Ctrl-C, which a terminal sends to all.
    """
    if threading.current_thread() is not threading.main_thread():  # where no signal is handled
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _ENDING}

    def note(number: int, frame: object) -> None:
        came.append(number)
        signal.signal(number, handlers[number])

    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, note)
    resource_tracker.ensure_running()  # starting it would unblock SIGINT
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came[:1]:
            signal.raise_signal(number)


@contextmanager
def _own_environment() -> Iterator[None]:
    """Take back what Dask puts into this process's environment for the workers that it starts."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]


@contextmanager
def _replaced(cluster: LocalCluster, workers: int) -> Iterator[None]:
    """Make new workers for those that Dask has given up: it does not start a worker again that died while starting."""
    stop = threading.Event()

    def replace() -> None:
        while not stop.wait(_GIVEN_UP_S):
            cluster.scale(workers)

    thread = threading.Thread(target=replace, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _check_answer(scheduler: str) -> None:
    # not by making a client: one that finds nobody hangs and complains when it is collected
    from distributed.comm import connect as connect_to
    from distributed.security import Security

    async def ask() -> None:
        comm = await connect_to(scheduler, timeout=_ANSWER_S, **Security().get_connection_args("client"))
        await comm.close()

    try:
        asyncio.run(ask())
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"--scheduler {scheduler}: no scheduler answers there: {error}") from error


def _check_workers(client: Client) -> None:
    try:
        found = client.run(environment)
    except Exception as error:  # of whatever kind importing this package there raises
        raise ConfigError(f"a worker cannot run vcm_ref: {error}; install the same everywhere") from error
    for address, theirs in found.items():
        if (different := _different(theirs, environment())) is not None:
            raise ConfigError(f"worker {address} {different}")


def _different(theirs: dict[str, str], mine: dict[str, str]) -> str | None:
    different = [stage for stage in mine if theirs.get(stage) != mine[stage]]
    if not different:
        return None
    return (
        f"has another version of vcm_ref or of a package than this client (it matters to {', '.join(different)}); "
        "install the same everywhere"
    )


def run(client: Client, batches: Iterable[Batch]) -> Iterator[Finished]:
    """Run batches, some of them at a time, and give each kept result when it is ready, in whatever order.

    A task that fails gives a :class:`TaskError` as its result, and so do those that depend on it. Ending the
    iteration early cancels what is left.
    """
    killed: list[_Killed] = []
    yield from _round(client, batches, killed)
    # The scheduler holds a worker's death against all that the worker had been given. So each suspect is tried alone,
    # and then the innocent ones get their turn.
    trials = {one.suspect: _needed(one.batch, one.suspect) for one in killed}
    deadly = {suspect for suspect, batch in trials.items() if not _survived(client, batch)}
    again = []
    for one in killed:
        needed = _needed(one.batch, one.finished.name)
        if deadly.isdisjoint(task.name for task in needed):
            again.append(needed)
        else:
            yield one.finished
    killed = []
    yield from _round(client, again, killed)
    yield from (one.finished for one in killed)


class _Killed(NamedTuple):
    """A kept result that there is none of because workers died on ``suspect``, a task of ``batch``."""

    finished: Finished
    suspect: str
    batch: Batch


def _round(client: Client, batches: Iterable[Batch], killed: list[_Killed]) -> Iterator[Finished]:
    """Run batches; what workers died on goes to ``killed`` instead."""
    from distributed import as_completed

    waiting = iter(batches)
    wanted: dict[str, tuple[int, Task, Batch, Future]] = {}
    left: Counter[int] = Counter()
    numbers = count()
    completed = as_completed()

    def begin() -> bool:
        batch = next(waiting, None)
        if batch is None:
            return False
        futures = _submit(client, batch)
        number = next(numbers)
        for task in batch:
            if isinstance(task, Task) and task.kept_as is not None:
                future = futures[task.name]
                wanted[future.key] = number, task, batch, future
                left[number] += 1
                completed.add(future)
        return True

    try:
        while len(left) < _ahead(client) and begin():
            pass
        for future in completed:
            number, task, batch, _ = wanted.pop(future.key)
            result, suspect = _result(future)
            finished = Finished(task.name, str(task.kept_as), result)
            if suspect is None:
                yield finished
            else:
                killed.append(_Killed(finished, suspect, batch))
            left[number] -= 1
            if not left[number]:
                del left[number]
            while len(left) < _ahead(client) and begin():
                pass
    finally:
        if wanted:
            client.cancel([future for *_, future in wanted.values()])


def _needed(batch: Batch, name: str) -> Batch:
    """The task called ``name`` as the only one that is kept, after what it depends on."""
    names = {name}
    needed: list[Task | Value] = []
    for task in reversed(batch):
        if task.name in names:
            if isinstance(task, Task):
                names.update(ref.name for ref in _refs(task.arguments))
                task = task._replace(kept_as=(task.kept_as or "") if task.name == name else None)
            needed.append(task)
    return needed[::-1]


def _survived(client: Client, batch: Batch) -> bool:
    """Whether workers survive a batch's last task, with nothing else to do."""
    from distributed import wait
    from distributed.scheduler import KilledWorker

    future = _submit(client, batch)[batch[-1].name]
    wait([future])
    return future.status != "error" or not isinstance(future.exception(), KilledWorker)


def _ahead(client: Client) -> int:
    return max(2, _AHEAD * int(sum(client.nthreads().values())))


def _submit(client: Client, batch: Batch) -> dict[str, Future]:
    """Hand in a batch; gives the futures by the tasks' names.

    Their keys are used once: under a key that has failed, or been cancelled by another client, Dask runs nothing again.
    """
    from distributed import fire_and_forget

    futures: dict[str, Future] = {}
    once = uuid.uuid4().hex
    expected = environment()

    def resolved(argument: Any) -> Any:
        if isinstance(argument, Ref):
            return futures[argument.name]
        return [resolved(entry) for entry in argument] if isinstance(argument, list) else argument

    for task in batch:
        if task.name in futures:
            continue
        key = f"{task.name}{_ONCE}{once}"
        if isinstance(task, Value):  # not scattered: what is scattered dies with the worker that it went to
            futures[task.name] = client.submit(_given, task.value, key=key, pure=False)
        else:
            arguments = [resolved(argument) for argument in task.arguments]
            submit = partial(client.submit, _checked, expected, task.function, *arguments, pure=False)
            here, *others = list(client.scheduler_info()["workers"]) if task.everywhere else [None]
            futures[task.name] = submit(key=key, workers=here, allow_other_workers=here is not None)
            for number, worker in enumerate(others):
                fire_and_forget(submit(key=f"{key}-{number}", workers=worker))
    return futures


def _name(key: str) -> str:
    """The name of the task that has a key."""
    return key.rpartition(_ONCE)[0]


def _refs(argument: Any) -> Iterator[Ref]:
    if isinstance(argument, Ref):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for entry in argument:
            yield from _refs(entry)


def _given(value: Any) -> Any:
    return value


def _checked(expected: dict[str, str], function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task; not on a worker that came after :func:`connect` looked, with another environment."""
    if (different := _different(environment(), expected)) is not None:
        raise TaskError(ConfigError.exit_code, f"worker {socket.gethostname()} {different}")
    return function(*arguments)


def _result(future: Future) -> tuple[Any, str | None]:
    """The result, or the error; and where workers died on it, the name of the task that they died on."""
    from distributed import CancelledError
    from distributed.scheduler import KilledWorker

    try:
        return future.result(), None
    except TaskError as error:  # without its traceback, which would keep the future, and with it the failure
        return TaskError(error.exit_code, error.message), None
    except KilledWorker as error:
        told = f"{error.allowed_failures + 1} workers died on it, most likely for their memory"
        return TaskError(LimitError.exit_code, told), _name(error.task)
    except CancelledError:
        return TaskError(70, "it was cancelled: the scheduler has lost it, or another client has stopped it"), None
    except Exception as error:
        told = " ".join(f"internal error: {type(error).__name__}: {error}".split())
        return TaskError(70, told), None
