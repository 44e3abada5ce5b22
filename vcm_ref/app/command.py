"""What the executables share: one line for an error, the design's exit codes, a progress bar."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .. import __version__
from ..errors import LimitError, VcmError

INTERRUPTED = 130
PIPE_CLOSED = 141  # as if SIGPIPE had ended us: what was asked for is not done
INTERNAL = 70


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
    except VcmError as error:
        message, code, caught = str(error), error.exit_code, error
    except MemoryError as error:
        message, code, caught = f"not enough memory: {error}", LimitError.exit_code, error
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if done else PIPE_CLOSED
    except KeyboardInterrupt as error:
        message, code, caught = "interrupted", INTERRUPTED, error
    except _Terminated as error:
        message, code, caught = "terminated", 128 + error.signal_number, error
    except Exception as error:
        message = f"internal error: {type(error).__name__}: {error}; please report it with the output of --debug"
        code, caught = INTERNAL, error
    if arguments.debug:
        traceback.print_exception(caught)
    print(f"{parser.prog}: {' '.join(message.split())}", file=sys.stderr)
    return code


@contextmanager
def progress_bar(total: int, description: str) -> Iterator[Callable[[float], None]]:
    """A bar for what takes longer than a second, with an estimate of the time left; silent where stderr is no terminal.

    Yields its update.
    """
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f}% |{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]"
    with tqdm(total=total, desc=description, delay=1, disable=None, leave=False, bar_format=layout) as bar:

        def advance(share: float) -> None:
            bar.update(share)

        yield advance
