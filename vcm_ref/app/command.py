"""What the executables share: one line for an error, the design's exit codes, a progress bar."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from .. import __version__
from ..errors import ConfigError, LimitError, VcmError

INTERRUPTED = 130
PIPE_CLOSED = 141  # as if SIGPIPE had ended us: what was asked for is not done
INTERNAL = 70
DRAWN_SCORE = 0.5
"""The least score of a detection that is drawn, unless the user says another."""


class _Terminated(BaseException):
    """SIGTERM or SIGHUP: as an exception, so that files are removed and child processes ended on the way out."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


def _terminate(signal_number: int, frame: object) -> None:
    raise _Terminated(signal_number)


def argument_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that every executable has."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--version", action="version", version=f"{name} {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run(parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], None], argv: Sequence[str] | None) -> int:
    """Parse the arguments, do the work, and turn an exception into one line on stderr and an exit code."""
    _open_closed_streams()
    arguments = parser.parse_args(argv)
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # not every platform has the second
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
                signal.signal(getattr(signal, name), _terminate)
    done = False
    caught: BaseException
    try:
        work(arguments)
        done = True
        sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        _abandon(sys.stdout)
        return 0 if done else PIPE_CLOSED
    except (Exception, KeyboardInterrupt, _Terminated) as error:
        caught = error
    message, code = describe(caught)
    try:
        sys.stdout.flush()
    except OSError:
        _abandon(sys.stdout)
    try:
        if arguments.debug:
            traceback.print_exception(caught)
        print(f"{parser.prog}: {' '.join(message.split())}", file=sys.stderr)
    except OSError:
        _abandon(sys.stderr)
    return code


def check_needed(arguments: argparse.Namespace, options: Sequence[str], needed: str) -> None:
    """Refuse ``options`` (long ones) that were given where ``needed`` was not, and would change nothing.

    Their defaults are None or empty. Raises :class:`ConfigError`.
    """
    for option in options:
        if getattr(arguments, option.removeprefix("--").replace("-", "_")) not in (None, []):
            raise ConfigError(f"{option} changes nothing without {needed}")


def _open_closed_streams() -> None:
    """Open what of the standard streams is closed, lest files and pipes that we open take their places."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _abandon(stream: TextIO) -> None:
    """Let what ``stream`` still holds go nowhere: Python would complain of it on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def describe(error: BaseException) -> tuple[str, int]:
    """What to tell of ``error``, and the exit code."""
    if isinstance(error, VcmError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, _Terminated):
        return "terminated", 128 + error.signal_number
    if _is_out_of_memory(error):
        return f"not enough memory: {error}".removesuffix(": "), LimitError.exit_code
    if isinstance(error, OSError) and error.filename is None:  # a file that could be opened, or standard output
        return f"reading or writing failed: {error.strerror or error}", ConfigError.exit_code
    told = f"internal error: {type(error).__name__}: {error}; please report it with the output of --debug"
    return told, INTERNAL


def _is_out_of_memory(error: BaseException) -> bool:
    """What no longer fits need not be data: it may be the stack of a thread, or a child process."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error))


@contextmanager
def progress_bar(total: int, description: str) -> Iterator[Callable[[float], None]]:
    """A bar for what takes longer than a second, with an estimate of the time left; silent where stderr is no terminal.

    Yields its update.
    """
    if not sys.stderr.isatty():  # where tqdm would be silent as well, but only after it has been imported
        yield lambda share: None
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # else every bar has a thread, which warns where it cannot be started
    layout = "{desc}: {percentage:3.0f}% |{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]"
    with tqdm(total=total, desc=description, delay=1, leave=False, bar_format=layout) as bar:

        def advance(share: float) -> None:
            bar.update(share)

        yield advance
