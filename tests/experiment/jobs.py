"""Tasks for workers, which must be able to import them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from vcm_ref.experiment.tasks import TaskError
from vcm_ref.process.child import ChildLimits, run_child


class Pair(NamedTuple):
    """Something that must not arrive as a plain tuple."""

    one: Any
    other: Any


def pair(one: Any, other: Any) -> Pair:
    return Pair(one, other)


def kinds(*arguments: Any) -> list[str]:
    """What came, inside lists too."""
    return [str([kinds(*argument)]) if type(argument) is list else type(argument).__name__ for argument in arguments]


def note(folder: str, name: str, *needed: Any) -> str:
    """Leaves a file of its own for each time that it runs."""
    Path(folder, f"{name}.{os.getpid()}.{time.monotonic_ns()}").touch()
    return name


def die(*needed: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(flag: str) -> str:
    """Kills its worker, unless it did before."""
    path = Path(flag)
    if path.exists():
        return "survived"
    path.touch()
    die()
    raise AssertionError


def fail(error: BaseException) -> None:
    raise error


def fail_as_stage(exit_code: int, message: str) -> None:
    raise TaskError(exit_code, message)


def process_id(*needed: Any) -> int:
    return os.getpid()


def wait_for(path: str, *needed: Any) -> int:
    """Waits until there is a file; says that it has begun by another."""
    Path(f"{path}.begun").write_text(str(os.getpid()))
    _await(Path(path).exists)
    return os.getpid()


def meet(own: str, other: str, *needed: Any) -> int:
    """Waits until the other one has begun as well."""
    Path(own).touch()
    _await(Path(other).exists)
    return os.getpid()


def meet_all(folder: str, count: int) -> int:
    """Waits until so many processes do it."""
    Path(folder, str(os.getpid())).touch()
    _await(lambda: len(list(Path(folder).iterdir())) >= count)
    return count


def start_and_wait(folder: str) -> None:
    """Starts a child that never ends, as an inner codec that hangs; leaves the number of both."""
    note = f"from pathlib import Path; import os; Path({folder!r}, str(os.getpid())).touch()"
    Path(folder, str(os.getpid())).touch()
    child = [sys.executable, "-c", f"{note}; import time; time.sleep(600)"]
    run_child(child, limits=ChildLimits(time_s=600, output_bytes=1))


def _await(condition: Callable[[], Any]) -> None:
    for _ in range(3_000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it has not come")


def unsendable() -> Any:
    """Gives what cannot be sent."""
    return lambda: None


class Unreadable:
    """Cannot be made again."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def unreadable() -> Any:
    return Unreadable()


def environment() -> dict[str, str]:
    return dict(os.environ)
