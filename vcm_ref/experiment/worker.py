"""The program of one worker of :mod:`~vcm_ref.experiment.pool`. It is started as a script and never imported.

Python first imports from a script's own folder; with ``-c`` or ``-m`` it would be the current folder, and a
``pickle.py`` that lies there would be run. The worker takes over the parent's search path with the first message.

The connection ends when the parent is gone, however it went. Then the worker ends, and the inner codec that it has
started with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

if sys.path and Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # this package's modules must not be found by their bare names

import os
import pickle
import queue
import shutil
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

_GRACE_S = 2.0  # for a task to end its inner codec; one that hears nothing has none


class _Worker:
    """Does jobs, one at a time.

    Results that other tasks need stay in memory until the next batch, and with ``shares`` they are files in ``folder``
    for the other workers.
    """

    def __init__(self, folder: Path, shares: bool) -> None:
        self._folder = folder
        self._shares = shares
        self._batch = -1
        self._values: dict[int, Any] = {}

    def do(self, job: bytes) -> Any:
        """Do one job; returns its result if the parent keeps it, or a TaskError."""
        from vcm_ref.experiment.tasks import TaskError, internal_error, resolved

        try:
            batch, place, function, arguments, places, kept, needed = pickle.loads(job)
            if batch != self._batch:
                self._batch, self._values = batch, {}
            given = [resolved(argument, lambda name: self._value(places[name])) for argument in arguments]
            result = function(*given)
        except TaskError as error:
            return error
        except Exception as error:
            return internal_error(error)
        if needed:
            self._values[place] = result
            try:
                self._share(place, result)
            except OSError as error:
                text = f"an intermediate result cannot be kept in {self._folder}: {error.strerror or error}"
                return TaskError(2, f"{text}; name another folder with TMPDIR")
        return result if kept else None

    def _value(self, place: int) -> Any:
        if place not in self._values:
            self._values[place] = pickle.loads(self._file(place).read_bytes())
        return self._values[place]

    def _share(self, place: int, result: Any) -> None:
        if self._shares:
            part = self._file(place).with_suffix(".part")
            part.write_bytes(pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
            part.replace(self._file(place))

    def _file(self, place: int) -> Path:
        return self._folder / f"{self._batch}-{place}"


def _listen(connection: Connection, jobs: queue.SimpleQueue[bytes], folder: Path) -> None:
    """Put what the parent sends into ``jobs``; end this process when the parent says so with an empty job, or is gone.

    A parent that is gone cannot remove ``folder`` any more.
    """
    try:
        while job := connection.recv_bytes():
            jobs.put(job)
    except (EOFError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_GRACE_S)
    os._exit(1)


def _end(signal_number: int, frame: object) -> None:
    raise SystemExit  # passes through the task, which ends its inner codec


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGTERM, _end)
    sys.path[:], folder, shares = connection.recv()
    try:
        from vcm_ref.experiment.tasks import internal_error
        from vcm_ref.process.orphans import own_process
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
        return
    own_process()
    connection.send(None)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, jobs, Path(folder)), daemon=True).start()
    worker = _Worker(Path(folder), shares)
    while True:
        result = worker.do(jobs.get())
        try:
            connection.send(result)
        except OSError:
            return
        except Exception as error:  # a result that cannot be sent
            connection.send(internal_error(error))


if __name__ == "__main__":
    try:
        _serve(Connection(int(sys.argv[1])))
    finally:
        os._exit(0)  # the end of a large library takes its time
