"""The command line's parser: one line for a mistake, examples after the options, numbers that are checked."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..errors import ConfigError

Number = TypeVar("Number", int, float)
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SHOWN = 40  # characters of a wrong value


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviated options, and no list of values twice."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        defaults = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
        super().__init__(*arguments, **{**defaults, **options})
        for action in (None, "store"):
            self.register("action", action, _StoreListOnce)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse ``args``; an argument too many ends the program with one line and exit code 2."""
        parsed, extra = self.parse_known_args(args, namespace)
        if extra:
            self.error(_unknown(extra[0], sorted(set(_options(self)))))
        return parsed

    def error(self, message: str) -> NoReturn:
        """End the program with one line and exit code 2."""
        print(f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help", file=sys.stderr)
        self.exit(ConfigError.exit_code)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write the help. Raises :class:`OSError`, which argparse would hide."""
        (file or sys.stderr).write(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the program. Raises :class:`OSError` where standard output cannot take the help."""
        if message:
            print(message, end="", file=sys.stderr)
        sys.stdout.flush()
        raise SystemExit(status)


class _StoreListOnce(argparse.Action):
    """Store the value; a second list for the same option would drop the first, and is refused."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        given = namespace.__dict__.setdefault("_given", set())
        if self.nargs == "+" and self.dest in given:
            parser.error(f"argument {option}: given twice; give all its values at once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _options(child)


def _unknown(argument: str, known: Sequence[str]) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument: {argument}"
    name = argument.partition("=")[0]
    if name in known:
        return f"option {name} does not belong to this command"
    words = {option.lstrip("-"): option for option in known}
    import difflib

    similar = difflib.get_close_matches(name.lstrip("-"), words, n=1)
    return f"there is no option {name}" + (f"; did you mean {words[similar[0]]}?" if similar else "")


def add_layers(parser: argparse.ArgumentParser, required: bool = True, kind: str = "a configuration in YAML") -> None:
    """The options whose files and values are laid over each other; ``kind`` names the content of the files."""
    configuration = parser.add_argument(
        "-c",
        "--config",
        type=Path,
        action="append",
        required=required,
        default=None if required else [],
        metavar="FILE",
        help=f"{kind}, or the name of a shipped one, as in fframe; may be repeated; later ones win",
    )
    configuration.completer = _configurations  # type: ignore[attr-defined]  # for argcomplete
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one value of the configuration, as in codec.preset=fast; may be repeated; wins over files",
    )


def _configurations(prefix: str, **_: Any) -> list[str]:
    """The shipped configurations and the YAML files that begin with ``prefix``."""
    import glob

    from ..configuration.shipped import configs

    return [*configs(), *(name for name in glob.glob(f"{glob.escape(prefix)}*") if name.endswith((".yaml", ".yml")))]


def whole_number(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """Give the ``type`` of an option that takes a whole number from ``least`` to ``most``."""

    def number(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise argparse.ArgumentTypeError(f"{_shown(text)} is not a whole number")
        return _within(int(text), least, most, text)

    return number


def real_number(least: float | None = None, most: float | None = None) -> Callable[[str], float]:
    """Give the ``type`` of an option that takes a finite number from ``least`` to ``most``."""

    def number(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
            raise argparse.ArgumentTypeError(f"{_shown(text)} is not a finite number")
        return _within(float(text), least, most, text)

    return number


def _within(value: Number, least: float | None, most: float | None, text: str) -> Number:
    if least is not None and value < least:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is too small; it must be at least {least}")
    if most is not None and value > most:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is too large; it must be at most {most}")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
