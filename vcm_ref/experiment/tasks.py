"""Tasks: the units of work of an experiment, which workers do.

:mod:`~vcm_ref.experiment.pool` does them on processes of this machine, :mod:`~vcm_ref.experiment.cluster` on a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import VcmError


class TaskError(VcmError):
    """A task failed: ``message`` is one line, ``kind`` the name of the class of the error that it comes from."""

    def __init__(self, exit_code: int, message: str, kind: str = "") -> None:
        super().__init__(exit_code, message, kind)  # all that pickle needs to make it again
        self.exit_code = exit_code
        self.message = message
        self.kind = kind

    def _told(self) -> str:
        return self.message


def internal_error(error: Exception) -> TaskError:
    """The failure of a task by an error that is a bug."""
    return TaskError(70, " ".join(f"internal error: {type(error).__name__}: {error}".split()))


class Ref(NamedTuple):
    """Stands for the result of the task of this name."""

    name: str


class Task(NamedTuple):
    """One task: its name, the function and its arguments, in which :class:`Ref` may stand, also inside a list.

    ``kept_as`` says as which kind of result it comes back; without it, the result is only there for other tasks of the
    batch. A task that is done ``everywhere`` is also done on the other workers, for the sake of the state that it
    leaves in them: these results are dropped, and nothing waits for them.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    kept_as: str | None = None
    everywhere: bool = False


class Value(NamedTuple):
    """A value that is there already, for the tasks that depend on it."""

    name: str
    value: Any


Batch = Sequence[Task | Value]
"""Tasks that belong together, each after those that it depends on."""


class Finished(NamedTuple):
    """A kept result; or, in its place, the :class:`TaskError` that says why there is none."""

    name: str
    kept_as: str
    result: Any


RunBatches = Callable[[Iterator[Batch]], Iterator[Finished]]
"""Runs batches, some of them at a time, and gives each kept result when it is ready, in whatever order."""


def refs(argument: Any) -> Iterator[str]:
    """The names that an argument refers to."""
    if isinstance(argument, Ref):
        yield argument.name
    elif isinstance(argument, (list, tuple)):
        for entry in argument:
            yield from refs(entry)


def resolved(argument: Any, value_of: Callable[[str], Any]) -> Any:
    """An argument with values in the place of references, which stand alone or inside lists."""
    if isinstance(argument, Ref):
        return value_of(argument.name)
    return [resolved(entry, value_of) for entry in argument] if isinstance(argument, list) else argument


def once(batch: Batch) -> dict[str, Task | Value]:
    """The tasks and values of a batch by name, each once, in the batch's order."""
    found: dict[str, Task | Value] = {}
    for task in batch:
        found.setdefault(task.name, task)
    return found
