"""Test the conformance suite itself: each check of the second decoder is switched off, one at a time.

A check is one condition of a ``require``: an operand of its ``and``, or one end of its range. With a check switched
off, at least one vector must fail, and only vectors that name a clause of the check. A vector is decided by the first
check that it does not pass, so each negative vector is run twice: once to see which check that is, and once without it.
Where another check still refuses the vector, it is *masked*, and shows nothing. Prints the checks that no vector
catches, and with ``--masked`` the masked vectors; ends with 1 where there are checks that are neither caught nor
exempt, or where a vector fails that does not name the check's clauses.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.conformance.coverage import CHECKS
from vcm_ref.conformance.manifest import Vector, load_suite
from vcm_ref.conformance.stored_file import read_stored

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "conformance"
#: The files of the second decoder, each after those that it imports.
FILES = [SUITE / f"mini_{name}.py" for name in ("bits", "graph", "klt", "levels", "video", "decoder")]
DOCUMENT = ROOT / "docs" / "conformance_coverage.md"
EXIT_CODES = {"BitstreamError": 10, "UnsupportedError": 11, "LimitError": 12, "CodecError": 13}
#: Above this number of samples a bitstream that is accepted is not decoded.
MOST_SAMPLES = 1 << 22
#: Methods of the decoder's Reader that hold an element to a range, and the number of arguments without one.
RANGED = {"u": 2, "ue": 1, "leb": 1, "extensible": 2}
READER = "Reader"
#: Checks that no negative vector can show, by a part of their text, and why.
EXEMPT = {
    "ffmpeg, which decodes": "the machine decides this, not the bitstream",
    "ffmpeg does not make": "two checks tell of an error of the inner decoder",
    "unit_size_bytes": "a unit that takes five bytes for its size has 4 GiB",
    '"nal_unit_size", 2, 4294967295), most': "such a NAL unit has 4 GiB",
    "STREAM_HEADER), least": "a unit of type 0 is not supported, either",
    "LOSSLESS, COEFFICIENTS), least": "no value is less",
    "DATA, REFERENCE), least": "no value is less",
    "zeros <= 32": "its value is out of the element's range",
    "groups <= 5": "its value is out of the element's range, or its last group is 0",
    "digest_length": "a digest has no 33 bytes to compare",
    "num_layers_minus1": "levels allow no more, either",
    'channels <= 8192: "channels_delta': "levels allow no more, either",
    'network_num_tensors_minus1", 63': "levels allow no more, either",
    'network_channels_minus1", 8191': "levels allow no more, either",
    'klt_components_minus1", 1023': "no model has more, either",
    'pca_shift_delta", 8': "the sum is at most 8, too",
    'grid_columns_minus1", 8191': "a grid divides the channels, of which there are 8192 at most",
    'grid_rows_minus1", 8191': "a grid divides the channels, of which there are 8192 at most",
    'stage_payload_bits", 16384': "another length than the payload's is refused anyway",
    "layer_height_minus1": "levels allow no larger sides, either",
    "layer_width_minus1": "levels allow no larger sides, either",
    "max(height, width) <= 65536": "levels allow no larger sides, either",
    "ps_prefix_bits": "no valid code has it",
    "ps_suffix_bits": "no valid code has it",
    "ps_middle_bits": "no valid code has it",
    "another number of coded pictures": "the inner decoder's result tells, too, but for pictures that are not put out",
    "inner samples are not of 10 bits": "the inner decoder's result tells, too",
    "size[1] <= height": "the inner decoder's result tells, too",
    "size[2] <= width": "the inner decoder's result tells, too",
    "low_size exceeds": "nothing is left for the second part",
    "more bands than there are": "the last coded band then has no level, which another check refuses",
    "len(inputs)": "a stage gives 1 to 64 tensors",
    "len(outputs)": "a stage takes 1 to 64 tensors",
    "len(rows) <= 4096": "levels allow no more, either",
    "an input of bad channels or size": "a stage gives no such tensor",
    "an output is single": "a stage takes no such tensor",
    "more than this decodes": "a bound of this decoder's own: vectors of kind limit have no clause",
    "more than this computes": "a bound of this decoder's own: vectors of kind limit have no clause",
}


class Place(NamedTuple):
    """Where a check is: its file, the line and column of its call, and which condition of the call it is."""

    file: str
    line: int
    column: int
    part: int


@dataclass
class Check:
    """One check: its place, its text, the clauses of its function, and the vectors that it decides, or that mask it."""

    place: Place
    text: str
    clauses: frozenset[str]
    decided: list[str] = field(default_factory=list)
    caught: list[str] = field(default_factory=list)

    @property
    def exempt(self) -> str | None:
        """The reason why no vector need catch it."""
        return next((why for part, why in EXEMPT.items() if part in self.text), None)


class Checks(ast.NodeTransformer):
    """Finds the checks of a file, and lets each of them ask ``_holds`` whether it holds."""

    def __init__(self, path: Path) -> None:
        self.found: dict[Place, Check] = {}
        self._file = path.name
        self._source = path.read_text(encoding="utf-8")
        self._clauses: frozenset[str] = frozenset()
        self._class = ""
        self.tree = ast.fix_missing_locations(self.visit(ast.parse(self._source)))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """The methods of a class without clauses of their own have those of the class."""
        # a Reader's are of no clause: every element is read by it
        own = "" if node.name == READER else ast.get_docstring(node) or ""
        self._class, self._clauses = node.name, clauses_of(own)
        self.generic_visit(node)
        self._class = ""
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        before = self._clauses
        self._clauses = clauses_of(ast.get_docstring(node) or "") or (before if self._class else frozenset())
        self.generic_visit(node)
        self._clauses = before
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "require":
            told = ast.get_source_segment(self._source, node.args[1]) or ""
            ranged = self._class == READER and {"low", "high"} & {
                one.id for one in ast.walk(node.args[0]) if isinstance(one, ast.Name)
            }
            conditions = list(conditions_of(node.args[0]))
            for part, condition in enumerate(conditions):
                if not ranged:  # a range is its caller's
                    self._add(node, part, f"{ast.unparse(condition)}: {told}")
            node.args[0] = joined([self._asked(node, *one) for one in enumerate(conditions)])
        elif isinstance(node.func, ast.Attribute) and len(node.args) > RANGED.get(node.func.attr, 99):
            text = " ".join((ast.get_source_segment(self._source, node) or "").split())
            ends = node.args[RANGED[node.func.attr] :]
            if len(ends) == 1 and node.func.attr == "ue":
                self._add(node, 0, text)
            else:
                for part, end in zip((0, 1), ends, strict=False):
                    if not (part == 0 and isinstance(end, ast.Constant) and end.value == 0):
                        self._add(node, part, f"{text}, {('least', 'most')[part]}")
        return node

    def _add(self, node: ast.Call, part: int, text: str) -> None:
        place = Place(self._file, node.lineno, node.col_offset, part)
        self.found[place] = Check(place, text, self._clauses)

    def _asked(self, node: ast.Call, part: int, condition: ast.expr) -> ast.expr:
        place = [ast.Constant(value) for value in (self._file, node.lineno, node.col_offset, part)]
        call = ast.Call(ast.Name("_holds", ast.Load()), [*place, condition], [])
        return ast.copy_location(call, condition)


def conditions_of(condition: ast.expr) -> Iterator[ast.expr]:
    """The operands of ``and``, and the ends of a range."""
    if isinstance(condition, ast.BoolOp) and isinstance(condition.op, ast.And):
        for one in condition.values:
            yield from conditions_of(one)
    elif isinstance(condition, ast.Compare) and len(condition.ops) > 1:
        sides = [condition.left, *condition.comparators]
        for left, op, right in zip(sides, condition.ops, sides[1:], strict=False):
            yield ast.copy_location(ast.Compare(left, [op], [right]), condition)
    else:
        yield condition


def joined(conditions: Sequence[ast.expr]) -> ast.expr:
    """Conditions under one ``and``."""
    return conditions[0] if len(conditions) == 1 else ast.BoolOp(ast.And(), list(conditions))


def clauses_of(text: str) -> frozenset[str]:
    """The clauses that a docstring names; table 6.x goes with its semantics 7.x."""
    named = re.match(r"Clauses? ((?:[\d.]+(?:, | and | to )?)+)", text)
    numbers = set(re.findall(r"\d+(?:\.\d+)*", named[1])) if named else set()
    for first, last in re.findall(r"7\.(\d+) to 7\.(\d+)", named[1] if named else ""):
        numbers |= {f"7.{number}" for number in range(int(first), int(last) + 1)}
    numbers |= {one.rpartition(".")[0] for one in numbers if one.count(".") == 2}
    return frozenset(numbers | {f"6.{one[2:]}" for one in numbers if one.startswith("7.")})


class Instrumented:
    """The decoder, whose checks know where they are, and one of which can be told to let everything pass."""

    def __init__(self) -> None:
        os.environ.setdefault("VCM_FFMPEG", find_ffmpeg())
        self.checks: dict[Place, Check] = {}
        self.off: Place | None = None
        self.failed: Place | None = None
        hidden = {path.stem: sys.modules.pop(path.stem, None) for path in FILES}
        for path in FILES:
            checks = Checks(path)
            self.checks |= checks.found
            self.module = ModuleType(path.stem)
            vars(self.module).update(__file__=str(path), _holds=self.holds)
            sys.modules[path.stem] = self.module
            exec(compile(checks.tree, str(path), "exec"), vars(self.module))
        for name, module in hidden.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module

    def holds(self, file: str, line: int, column: int, part: int, value: Any) -> Any:
        """What the condition at a place is, but for the one that is switched off."""
        if value:
            return value
        place = Place(file, line, column, part)
        if place not in self.checks:  # a range: its caller's
            place = self._caller(sys._getframe(1), part)
        if place == self.off:
            return True
        self.failed = place
        return value

    def _caller(self, frame: FrameType | None, part: int) -> Place:
        while frame is not None:
            line, _, column, _ = list(frame.f_code.co_positions())[frame.f_lasti // 2]
            place = Place(Path(frame.f_code.co_filename).name, line or 0, column or 0, part)
            if place in self.checks:
                return place
            frame = frame.f_back
        raise AssertionError("an element is out of a range that none was given")

    def run(self, data: bytes) -> int:
        """The exit code; 0 also where a large bitstream passes every check but is not decoded, 70 for a crash."""
        self.failed = None
        module: Any = self.module
        try:
            samples = 0
            for group in module.bitstream(data):
                samples = group.header.samples
            if samples <= MOST_SAMPLES:
                with tempfile.TemporaryDirectory() as folder:
                    module.decode(module.bitstream(data), Path(folder))
        except module.Refused as refused:
            return int(refused.args[1])
        except Exception:
            return 70
        return 0


class Measured(NamedTuple):
    """The checks with what decides and catches them; of vectors by their ids, the checks that mask them."""

    checks: dict[Place, Check]
    masked: dict[str, tuple[Check, Check]]
    strangers: list[str]

    @property
    def missed(self) -> list[Check]:
        """Checks that no vector catches, though one could."""
        return [check for check in self.checks.values() if not check.caught and not check.exempt]


def measure(vectors: Sequence[Vector]) -> Measured:
    """What the vectors show of the checks; ``strangers`` are sentences about vectors that name no clause of theirs."""
    decoder = Instrumented()
    measured = Measured(decoder.checks, {}, [])
    for vector in vectors:
        if vector.kind != "negative":  # what a decoder need not compute is not computed here
            continue
        data = read_stored(SUITE, vector.bitstream)
        decoder.off = None
        with contextlib.redirect_stderr(None):
            decoder.run(data)
            if decoder.failed is None:
                continue
            check = decoder.checks[decoder.failed]
            check.decided.append(vector.id)
            decoder.off = check.place
            code = decoder.run(data)
        if code in {EXIT_CODES[error] for error in vector.errors}:
            if decoder.failed is not None:
                measured.masked[vector.id] = check, decoder.checks[decoder.failed]
            continue
        check.caught.append(vector.id)
        if check.clauses and not check.exempt and not check.clauses & {*vector.clauses}:
            clauses = ", ".join(vector.clauses)
            measured.strangers.append(f"{vector.id} names {clauses}; {shown(check)}")
    return measured


def shown(check: Check) -> str:
    """A check in a line."""
    return f"{check.place.file}:{check.place.line}: {check.text}"


def summary(measured: Measured) -> str:
    """The figure that docs/conformance_coverage.md publishes."""
    counted = sum(not check.exempt for check in measured.checks.values())
    caught = counted - len(measured.missed)
    return f"{caught} of {counted} checks of the mini decoder are caught when they are switched off, one at a time."


def section(measured: Measured) -> str:
    """The section of docs/conformance_coverage.md."""
    lines = [CHECKS, summary(measured), "", "Not caught:", ""]
    lines += [f"- `{check.text}`" for check in measured.missed] or ["nothing."]
    lines += ["", "Not counted:", ""]
    lines += [f"- `{check.text}`: {check.exempt}" for check in measured.checks.values() if check.exempt]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print what is not caught, and the figure; with ``--write``, put it into the document."""
    parser = argparse.ArgumentParser(description="Test the conformance suite itself.")
    parser.add_argument("--write", action="store_true", help="write the figure into docs/conformance_coverage.md")
    parser.add_argument("--only", metavar="ID", help="only vectors with such ids, as 'BADGRAPH_*'; nothing is written")
    parser.add_argument("--masked", action="store_true", help="list the vectors that another check still refuses")
    given = parser.parse_args()
    vectors = [one for one in load_suite(SUITE).vectors if not given.only or fnmatchcase(one.id, given.only)]
    measured = measure(vectors)
    for check in measured.missed:
        print(f"{shown(check)}\n    decides {', '.join(check.decided) or 'no vector'}")
    print(*measured.strangers, sep="\n")
    if given.masked:
        for vector, (check, other) in measured.masked.items():
            print(f"{vector}: decided by {shown(check)}\n    but refused by {shown(other)}")
    print(f"{len(measured.masked)} vectors are refused by another check, too.")
    print(summary(measured))
    if given.write and not given.only:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(text.partition(CHECKS)[0] + section(measured), encoding="utf-8")
    return 1 if measured.missed or measured.strangers else 0


if __name__ == "__main__":
    sys.exit(main())
