"""From how a decoder ended, and what it left, to a result (docs/conformance.md, "Results")."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..errors import UnsupportedError
from ..process.watched import Cause, Ending, signal_name
from ..reporting.printable import printable
from .decoded_files import differences
from .manifest import Vector


class Outcome(Enum):
    """What a vector's run came to."""

    PASS = "pass"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    ERROR = "error"
    TIMEOUT = "timeout"
    CRASH = "crash"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Judgement:
    """An outcome, and where it is no pass, the reason in one line."""

    outcome: Outcome
    reason: str = ""


def judge(vector: Vector, ending: Ending, output: Path, refusals: Mapping[int, frozenset[str]]) -> Judgement:
    """Judge one run. ``output`` is the decoder's output folder; ``refusals`` the classes of error by exit code."""
    words = f": {ending.words}" if ending.words else ""
    match ending.cause:
        case Cause.NOT_STARTED:
            raise ValueError("a decoder that was not started cannot be judged")
        case Cause.TIME:
            return Judgement(Outcome.TIMEOUT, f"was ended at the time limit, after {ending.seconds:.1f} s{words}")
        case Cause.MEMORY:
            return Judgement(Outcome.CRASH, f"was ended at the memory limit, with {ending.memory} bytes{words}")
        case Cause.SIGNAL:
            assert ending.code is not None
            return Judgement(Outcome.CRASH, f"was ended by {signal_name(ending.code)}{words}")
        case Cause.DISK:
            return Judgement(Outcome.FAIL, f"was ended because it wrote too much{words}")
        case Cause.ANSWER:
            return Judgement(Outcome.ERROR, f"did not answer as it should{words}")
        case Cause.EXIT:
            assert ending.code is not None
    if ending.code == 0:
        return _judge_success(vector, output)
    if ending.code not in refusals:
        return Judgement(Outcome.ERROR, f"exit code {ending.code}{words}")
    return _judge_refusal(vector, refusals[ending.code], ending.code, output, words)


def _judge_success(vector: Vector, output: Path) -> Judgement:
    if vector.errors:
        return Judgement(Outcome.FAIL, f"accepted it; the right answer is a refusal with {' or '.join(vector.errors)}")
    if output.is_symlink() or not output.is_dir():
        return Judgement(Outcome.FAIL, "left no output folder")
    reasons = differences(vector.pictures, output)
    return Judgement(Outcome.FAIL, "; ".join(reasons)) if reasons else Judgement(Outcome.PASS)


def _judge_refusal(vector: Vector, classes: frozenset[str], code: int, output: Path, words: str) -> Judgement:
    left = _any_file(output)
    if left is not None:
        return Judgement(Outcome.FAIL, f"refused it (exit code {code}) and left {left}{words}")
    if not classes.isdisjoint(vector.errors):
        return Judgement(Outcome.PASS)
    if classes == {UnsupportedError.__name__}:
        return Judgement(Outcome.UNSUPPORTED, f"is not supported{words}")
    named = " or ".join(sorted(classes))
    wanted = f"; {' or '.join(vector.errors)} is right" if vector.errors else ""
    return Judgement(Outcome.FAIL, f"refused it with {named} (exit code {code}){wanted}{words}")


def _any_file(output: Path) -> str | None:
    """The first thing in ``output`` that is not a folder, or cannot be looked into, as a path from there."""
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        return "a file in place of the output folder"
    if not output.exists():
        return None
    closed: list[str] = []
    for folder, folders, names in os.walk(output, onerror=lambda error: closed.append(str(error.filename))):
        left = [os.path.join(folder, name) for name in names]
        left += [path for name in folders if os.path.islink(path := os.path.join(folder, name))]
        if left:
            return printable(os.path.relpath(min(left), output))
    return f"a folder that cannot be read, {printable(os.path.relpath(closed[0], output))}" if closed else None
