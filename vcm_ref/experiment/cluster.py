"""Tasks on the workers of a Dask cluster, which is there already and whose scheduler has an address.

Dask sends a task to the worker that has the results it depends on, and does the tasks of a worker that dies again.
After some deaths it gives up all tasks that the workers had been given, so the next run may succeed with some of them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError, LimitError
from .naming import environment
from .tasks import Batch, Finished, RunBatches, Task, TaskError, Value, internal_error, once, resolved

if TYPE_CHECKING:
    from distributed import Client, Future, Security

#: Batches in work at the same time, for each of the workers' threads: one that runs, and one that waits for it.
_AHEAD = 2
_ANSWER_S = 5
_CONNECT_S = 20
_LOGGERS = ("distributed", "distributed.client", "tornado", "asyncio")


class Certificates(NamedTuple):
    """Files in PEM format for TLS: of the authority that signed all certificates, our own certificate, and its key."""

    authority: Path
    certificate: Path
    key: Path


@contextmanager
def cluster_workers(scheduler: str, certificates: Certificates | None = None) -> Iterator[RunBatches]:
    """Give the function that runs batches on the workers of the ``scheduler`` at an address.

    Without ``certificates``, the connection is as Dask's own configuration says. Raises :class:`ConfigError` where no
    scheduler answers, or where a worker has another version of anything that matters.
    """
    import dask
    from distributed import Client

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors come with the tasks that they are of
    security = _security(certificates)
    settings = {
        "distributed.admin.large-graph-warning-threshold": "1GB",
        "distributed.comm.timeouts.connect": _CONNECT_S,
    }
    with dask.config.set(settings):
        _check_answer(scheduler, security)
        with Client(scheduler, security=security) as client:
            _check_workers(client)
            yield partial(run, client)


def _security(certificates: Certificates | None) -> Security:
    from distributed import Security

    if certificates is None:
        return Security()
    for path in certificates:
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file; TLS needs the authority, the certificate and the key")
    authority, certificate, key = map(str, certificates)
    return Security(require_encryption=True, tls_ca_file=authority, tls_client_cert=certificate, tls_client_key=key)


def _check_answer(scheduler: str, security: Security) -> None:
    # not by making a client: one that gets no answer hangs, and complains when it is collected
    from distributed.comm import connect

    async def ask() -> None:
        comm = await connect(scheduler, timeout=_ANSWER_S, **security.get_connection_args("client"))
        await comm.close()

    try:
        asyncio.run(ask())
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        told = " ".join(str(error).split())
        raise ConfigError(f"--scheduler {scheduler}: no scheduler answers there: {told}") from error


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


def run(client: Client, batches: Iterator[Batch]) -> Iterator[Finished]:
    """Run batches, some of them at a time, and give each kept result when it is ready, in whatever order.

    A task that fails gives a :class:`TaskError` as its result, and so do those that depend on it. Ending the
    iteration early cancels what is left.
    """
    from distributed import as_completed

    waiting = iter(batches)
    wanted: dict[str, tuple[int, Task, Future]] = {}
    left: Counter[int] = Counter()
    numbers = count()
    completed = as_completed()

    def begin() -> bool:
        batch = next(waiting, None)
        if batch is None:
            return False
        futures = _submit(client, batch)
        number = next(numbers)
        for task in once(batch).values():
            if isinstance(task, Task) and task.kept_as is not None:
                future = futures[task.name]
                wanted[future.key] = number, task, future
                left[number] += 1
                completed.add(future)
        return True

    try:
        while len(left) < _ahead(client) and begin():
            pass
        for future in completed:
            number, task, _ = wanted.pop(future.key)
            yield Finished(task.name, str(task.kept_as), _result(future))
            left[number] -= 1
            if not left[number]:
                del left[number]
            while len(left) < _ahead(client) and begin():
                pass
    finally:
        if wanted:
            client.cancel([future for *_, future in wanted.values()])


def _ahead(client: Client) -> int:
    return max(2, _AHEAD * int(sum(client.nthreads().values())))


def _submit(client: Client, batch: Batch) -> dict[str, Future]:
    """Hand in a batch; gives the futures by the tasks' names.

    Their keys are used once: under a key that has failed, or been cancelled by another client, Dask runs nothing again.
    """
    from distributed import fire_and_forget

    futures: dict[str, Future] = {}
    unique = uuid.uuid4().hex
    expected = environment()
    for name, task in once(batch).items():
        key = f"{name}@{unique}"
        if isinstance(task, Value):  # not scattered: what is scattered dies with the worker that it went to
            futures[name] = client.submit(_given, task.value, key=key, pure=False)
        else:
            arguments = [resolved(argument, futures.__getitem__) for argument in task.arguments]
            submit = partial(client.submit, _checked, expected, task.function, *arguments, pure=False)
            here, *others = list(client.scheduler_info()["workers"]) if task.everywhere else [None]
            futures[name] = submit(key=key, workers=here, allow_other_workers=here is not None)
            for number, worker in enumerate(others):
                fire_and_forget(submit(key=f"{key}-{number}", workers=worker))
    return futures


def _given(value: Any) -> Any:
    return value


def _checked(expected: dict[str, str], function: Any, *arguments: Any) -> Any:
    """Run a task; not on a worker that came after :func:`cluster_workers` looked, with another environment."""
    if (different := _different(environment(), expected)) is not None:
        raise TaskError(ConfigError.exit_code, f"worker {socket.gethostname()} {different}")
    return function(*arguments)


def _result(future: Future) -> Any:
    """The result, or the error."""
    from distributed import CancelledError
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except TaskError as error:  # without its traceback, which would keep the future, and with it the failure
        return TaskError(error.exit_code, error.message, error.kind)
    except KilledWorker as error:
        text = f"{error.allowed_failures + 1} workers died on it, or on a task beside it, most likely for their memory"
        return TaskError(LimitError.exit_code, text)
    except CancelledError:
        return TaskError(70, "it was cancelled: the scheduler has lost it, or another client has stopped it")
    except Exception as error:
        return internal_error(error)
