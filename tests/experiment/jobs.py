"""Tasks for workers, which must be able to import them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from vcm_ref.experiment.stages import TaskError


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
    Path(f"{path}.begun").touch()
    for _ in range(3_000):
        if Path(path).exists():
            break
        time.sleep(0.02)
    return os.getpid()


def environment() -> dict[str, str]:
    return dict(os.environ)
