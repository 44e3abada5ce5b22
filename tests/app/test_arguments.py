"""The command lines: descriptions, examples, numbers, and one line for a mistake."""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Iterator

import pytest

from vcm_ref.app.arguments import Parser, real_number, whole_number
from vcm_ref.app.examples import EXAMPLES

OURS = ("anchor", "conformance", "crosscheck", "dec", "enc", "eval", "render", "report", "sizes", "sweep", "train")


def parser_of(name: str, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """The parser of an executable."""
    module = importlib.import_module(f"vcm_ref.app.{name}")
    found: list[argparse.ArgumentParser] = []
    monkeypatch.setattr(module, "run", lambda parser, work, argv: found.append(parser))
    module.main([])
    return found[0]


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All arguments of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from actions(child)
        else:
            yield action


@pytest.mark.parametrize("name", OURS)
def test_every_argument_is_described_with_its_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for action in actions(parser_of(name, monkeypatch)):
        assert action.help, action
        takes_one_value = action.option_strings and action.nargs != 0 and action.default != []
        if (takes_one_value and not action.required) or action.default not in (None, False, [], argparse.SUPPRESS):
            assert "(default: " in action.help, action


@pytest.mark.parametrize("name", [name for name in OURS if name != "conformance"])  # it has rules of its own
def test_every_number_is_checked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a number, or has hundreds of digits, is one line; so are counts below 1."""
    for action in actions(parser_of(name, monkeypatch)):
        assert action.type not in (int, float), action
        if getattr(action.type, "__name__", "") == "number":
            for text in ("nan", "inf", "", "1_0", "9" * 400, "zero"):
                with pytest.raises(argparse.ArgumentTypeError):
                    action.type(text)
        if action.dest in ("workers", "threads", "pictures") and getattr(action.type, "__name__", "") == "number":
            for text in ("0", "-1"):
                with pytest.raises(argparse.ArgumentTypeError, match="must be at least 1"):
                    action.type(text)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_are_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a command line that the executable takes."""
    parser = parser_of(name.removeprefix("vcm_"), monkeypatch)
    assert all(line in parser.format_help() for line in EXAMPLES[name])
    for line in EXAMPLES[name]:
        parser.parse_args(shlex.split(line.split("|")[0])[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--numbre", "3"], "there is no option --numbre; did you mean --number?"),
        (["--num", "3"], "there is no option --num; did you mean --number?"),
        (["--xyzzy"], "there is no option --xyzzy"),
        (["more"], "unexpected argument: more"),
        (["--number"], "argument --number: expected one argument"),
        (["--number", "1.5"], "argument --number: '1.5' is not a whole number"),
        (["--number", "9" * 400], f"argument --number: '{'9' * 40}…' is not a whole number"),
        (["--number", "-1"], "argument --number: '-1' is too small; it must be at least 0"),
        (["--list", "1", "2", "--list", "3"], "argument --list: given twice; give all its values at once"),
        (["--number", "x\x1b[31m\n"], "argument --number: 'x\\x1b[31m\\n' is not a whole number"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2, and the way to the help."""
    parser = Parser(prog="tool")
    parser.add_argument("--number", type=whole_number(0))
    parser.add_argument("--list", nargs="+")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"tool: {message}; see tool --help\n"


def test_an_option_of_another_command(capsys: pytest.CaptureFixture[str]) -> None:
    """No option is proposed in its own place, and none whose word is not alike."""
    parser = Parser(prog="tool")
    commands = parser.add_subparsers()
    commands.add_parser("one").add_argument("--id")
    commands.add_parser("two").add_argument("--set")
    told = {"--id": "option --id does not belong to this command", "--metric": "there is no option --metric"}
    for option, message in told.items():
        with pytest.raises(SystemExit):
            parser.parse_args(["two", option])
        assert capsys.readouterr().err == f"tool: {message}; see tool --help\n"


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "1_0", "", " 1", "0x1", "٣", "1,5"])
def test_text_that_is_not_a_finite_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a finite number"):
        real_number()(text)
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number"):
        whole_number()(text)


def test_numbers_within_their_limits() -> None:
    """The limits belong to the range."""
    assert [real_number(0, 1)(text) for text in ("0", "1.0", ".5", "1e-3")] == [0, 1, 0.5, 0.001]
    assert [whole_number(-1, 2)(text) for text in ("-1", "+2")] == [-1, 2]
    with pytest.raises(argparse.ArgumentTypeError, match="must be at most 1"):
        real_number(0, 1)("1.001")
