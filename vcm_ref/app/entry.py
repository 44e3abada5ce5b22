"""Where the executables start. Importing what they need takes a moment, in which Ctrl-C shall be one line as well."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module


def start(name: str) -> int:
    """Import and run the executable ``vcm_<name>``; returns its exit code."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        if handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, partial(_quit, name))
        main = import_module(f".{name}", __package__).main
        import_module("..process.orphans", __package__).own_process()
        signal.signal(signal.SIGINT, handler)
        code: int = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work has ended: Ctrl-C shall not change the exit code now
        return code
    except (KeyboardInterrupt, MemoryError) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from .command import describe

        message, code = describe(error)
        print(f"vcm_{name}: {message}", file=sys.stderr)
        return code


def _quit(name: str, signal_number: int, frame: object) -> None:
    """There is nothing to clean up yet. An exception would not do: imports turn it into one of their own."""
    with suppress(OSError):  # standard error may be closed
        os.write(2, f"vcm_{name}: interrupted\n".encode())
    os._exit(128 + signal_number)


enc = partial(start, "enc")
dec = partial(start, "dec")
render = partial(start, "render")
eval = partial(start, "eval")
anchor = partial(start, "anchor")
sweep = partial(start, "sweep")
report = partial(start, "report")
crosscheck = partial(start, "crosscheck")
sizes = partial(start, "sizes")
conformance = partial(start, "conformance")
train = partial(start, "train")
