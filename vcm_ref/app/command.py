"""What the executables share: one line for an error, the exit codes, a progress bar."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from .. import __version__
from ..errors import ConfigError, LimitError, VcmError
from ..reporting.progress import Advance, untold
from .arguments import Parser
from .examples import EXAMPLES
from .signals import Terminated, ending_signals
from .terminal import abandon, raw_stderr, safe_streams

INTERRUPTED = 130
PIPE_CLOSED = 141  # as if SIGPIPE had ended us: what was asked for is not done
INTERNAL = 70
DRAWN_SCORE = 0.5
"""The least score of a detection that is drawn, unless the user says another."""


def argument_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that every executable has, and its examples."""
    examples = "\n".join(f"  {line}" for line in EXAMPLES[name])
    parser = Parser(prog=name, description=description, epilog=f"examples:\n{examples}")
    parser.add_argument("--version", action="version", version=f"{name} {__version__}", help="print the version")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run(parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], None], argv: Sequence[str] | None) -> int:
    """Parse the arguments, do the work, and turn an exception into one line on stderr and an exit code.

    ``--help``, ``--version`` and a wrong command line raise :class:`SystemExit`.
    """
    if "_ARGCOMPLETE" in os.environ:  # a shell asks how the line could go on
        _complete(parser)
    with safe_streams(), ending_signals() as received:
        arguments = argparse.Namespace(debug=False)
        done = False
        try:
            arguments = parser.parse_args(argv)
            work(arguments)
            done = True
            sys.stdout.flush()
            return 0
        except BrokenPipeError:  # the reader of our output has gone: there is no one to tell
            abandon(sys.stdout)
            return 0 if done else PIPE_CLOSED
        except (Exception, KeyboardInterrupt, Terminated) as error:
            return _told(parser.prog, received.error or error, arguments.debug)


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks by ``register-python-argcomplete``, and end; without argcomplete do nothing."""
    with suppress(ImportError):
        import argcomplete

        argcomplete.autocomplete(parser)


def _told(name: str, error: BaseException, debug: bool) -> int:
    message, code = describe(error)
    try:
        sys.stdout.flush()
    except OSError:
        abandon(sys.stdout)
    try:
        if debug:
            traceback.print_exception(error)
        print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    except OSError:
        abandon(sys.stderr)
    return code


def check_needed(arguments: argparse.Namespace, options: Sequence[str], needed: str) -> None:
    """Refuse ``options`` (long ones) that were given where ``needed`` was not, and would change nothing.

    Their defaults are None, False or empty. Raises :class:`ConfigError`.
    """
    _refuse(arguments, options, f"without {needed}")


def check_useless(arguments: argparse.Namespace, options: Sequence[str], given: str) -> None:
    """Refuse ``options`` (long ones) that were given together with ``given``, and would change nothing.

    Their defaults are None, False or empty. Raises :class:`ConfigError`.
    """
    _refuse(arguments, options, f"with {given}")


def _refuse(arguments: argparse.Namespace, options: Sequence[str], why: str) -> None:
    for option in options:
        value = getattr(arguments, option.removeprefix("--").replace("-", "_"))
        if not (value is None or value is False or value == []):
            raise ConfigError(f"{option} changes nothing {why}")


def describe(error: BaseException) -> tuple[str, int]:
    """The message for ``error``, and the exit code."""
    if isinstance(error, VcmError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, Terminated):
        return "terminated", 128 + error.signal_number
    if _is_out_of_memory(error):
        return f"not enough memory: {error}".removesuffix(": "), LimitError.exit_code
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if error.filename is None:  # a file that could be opened, or standard output
            return f"reading or writing failed: {reason}", ConfigError.exit_code
        name = error.filename if isinstance(error.filename, (str, bytes)) else str(error.filename)
        name = name.decode(errors="backslashreplace") if isinstance(name, bytes) else name
        return f"{_shortened(name)}: cannot be used: {reason}", ConfigError.exit_code
    message = f"internal error: {type(error).__name__}: {error}; please report it with the output of --debug"
    return message, INTERNAL


def _shortened(name: str) -> str:
    return name if len(name) <= 1000 else name[:100] + "…"


def _is_out_of_memory(error: BaseException) -> bool:
    """Python says it in several ways: a lock, the stack of a thread, or a child process may not fit either."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):
        return any(text in str(error) for text in ("start new thread", "allocate lock"))
    return isinstance(error, MemoryError)


@contextmanager
def progress_bar(total: int, description: str) -> Iterator[Advance]:
    """A bar for work of more than a second, with an estimate of the time left; silent where stderr is not a terminal.

    Yields its update.
    """
    if not sys.stderr.isatty():  # where tqdm would be silent as well, but only after it has been imported
        yield untold
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # else every bar has a thread, which warns where it cannot be started
    layout = "{desc}: {percentage:3.0f}% |{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]{postfix}"
    with tqdm(total=total, desc=description, delay=1, leave=False, bar_format=layout, file=raw_stderr()) as bar:

        def advance(done: float, told: str = "", *, before: bool = False) -> None:
            if told:
                bar.set_postfix_str(told, refresh=False)
            if before:
                bar.initial += done  # so that the time left follows from what this run does
            bar.update(done)

        yield advance
