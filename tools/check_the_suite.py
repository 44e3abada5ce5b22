"""Test the conformance suite itself: each check of conformance/mini_decoder.py is switched off, one at a time.

With a check switched off, at least one vector must fail, and only vectors that name a clause of the check. A vector is
decided by the first check that it does not pass, so each negative vector is run twice: once to see which check that is,
and once without that check. Prints the checks that no vector catches; ends with 1 where there are some that are not
exempt, or where a vector fails that does not name the check's clauses.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.conformance.coverage import CHECKS
from vcm_ref.conformance.manifest import Suite, Vector, load_suite
from vcm_ref.conformance.stored_file import read_stored

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "conformance"
DECODER = SUITE / "mini_decoder.py"
DOCUMENT = ROOT / "docs" / "conformance_coverage.md"
EXIT_CODES = {"BitstreamError": 10, "UnsupportedError": 11, "LimitError": 12, "CodecError": 13}
#: Above this number of samples a bitstream that is accepted is not decoded.
MOST_SAMPLES = 1 << 22
#: Methods of the decoder's Reader that hold an element to a range, and the number of arguments without one.
RANGED = {"u": 2, "ue": 1, "leb": 1, "extensible": 2}
#: Checks that no negative vector can show, by a part of their line, and why.
EXEMPT = {
    "there is no ffmpeg": "of the machine",
    "ffmpeg does not make": "of the inner decoder, whose errors two checks tell",
    "the planes are": "of mode A",
    "unit_size_bytes": "a unit that takes five bytes for its size has 4 GiB",
    "digest_length": "a digest has no 33 bytes to compare",
    "num_layers_minus1": "levels allow no more, either",
    'grid_columns_minus1", 8191': "a grid divides the channels, of which there are 8192 at most",
    'grid_rows_minus1", 8191': "a grid divides the channels, of which there are 8192 at most",
    'stage_payload_bits", 16384': "another length than the payload's is refused anyway",
    "layer_height_minus1": "levels allow no larger sides, either",
    "ps_prefix_bits": "no valid code has it",
    "ps_suffix_bits": "no valid code has it",
    "ps_middle_bits": "no valid code has it",
    "another number of coded pictures": "the inner decoder's result tells, too, but for pictures that are not put out",
    "inner samples are not of 10 bits": "the inner decoder's result tells, too",
    "low_size exceeds": "nothing is left for the second part",
    "more than this decodes": "a bound of this decoder's own: vectors of kind limit have no clause",
}


@dataclass
class Check:
    """One check: its line, the text of the line, the clauses of its function, and the vectors that it decides."""

    line: int
    text: str
    clauses: frozenset[str]
    decided: list[str] = field(default_factory=list)
    caught: list[str] = field(default_factory=list)

    @property
    def exempt(self) -> str | None:
        """The reason why no vector need catch it."""
        return next((why for part, why in EXEMPT.items() if part in self.text), None)


def checks_of(path: Path) -> dict[int, Check]:
    """The checks of a decoder by their lines: calls of ``require``, and elements that are read within a range."""
    source = path.read_text(encoding="utf-8")
    found: dict[int, Check] = {}
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]  # a Reader's are their callers'
    for function in functions:
        clauses = _clauses(ast.get_docstring(function) or "")
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if _is_check(call):
                text = " ".join((ast.get_source_segment(source, call) or "").split())
                found.setdefault(call.lineno, Check(call.lineno, text, clauses))
    return found


def _clauses(text: str) -> frozenset[str]:
    """The clauses that a docstring names; table 6.x goes with its semantics 7.x."""
    named = re.match(r"Clauses? ((?:[\d.]+(?:, | and )?)+)", text)
    numbers = set(re.findall(r"\d+(?:\.\d+)?", named[1])) if named else set()
    return frozenset(numbers | {f"6.{one[2:]}" for one in numbers if one.startswith("7.")})


def _is_check(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == "require"
    return isinstance(call.func, ast.Attribute) and call.func.attr in RANGED and len(call.args) > RANGED[call.func.attr]


class Instrumented:
    """The decoder, with a ``require`` that knows where it is called, and can be told to let a line's check pass."""

    def __init__(self) -> None:
        if str(DECODER.parent) not in sys.path:  # the other files of the decoder
            sys.path.append(str(DECODER.parent))
        spec = importlib.util.spec_from_file_location("mini_decoder", DECODER)
        assert spec is not None and spec.loader is not None
        self.module: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        os.environ.setdefault("VCM_FFMPEG", find_ffmpeg())
        self.checks = checks_of(DECODER)
        self.off: int | None = None
        self.failed: int | None = None
        self._require = self.module.require
        self.module.require = self.require  # type: ignore[attr-defined]

    def require(self, condition: Any, otherwise: str, exit_code: int = 10) -> None:
        """The decoder's own, but for the line that is switched off."""
        if condition:
            return
        line = self._line(sys._getframe(1))
        if line is not None and line == self.off:
            return
        self.failed = line
        self._require(condition, otherwise, exit_code)

    def _line(self, frame: FrameType | None) -> int | None:
        """The innermost line on the way here that is a check of its own; a range is its caller's."""
        while frame is not None and frame.f_code.co_filename == str(DECODER):
            if frame.f_lineno in self.checks and not _in_reader(frame.f_code):
                return frame.f_lineno
            frame = frame.f_back
        return None

    def run(self, data: bytes) -> int:
        """The exit code; 0 also where a large bitstream passes every check but is not decoded, 70 for a crash."""
        self.failed = None
        module = self.module
        try:
            samples = 0
            for group in module.bitstream(data):
                samples = group.header.samples
            if samples <= MOST_SAMPLES:
                with tempfile.TemporaryDirectory() as folder:
                    module.decode(module.bitstream(data), None, Path(folder))
        except module.Refused as refused:
            return int(refused.args[1])
        except Exception:
            return 70
        return 0


def _in_reader(code: CodeType) -> bool:
    return (
        code.co_qualname.startswith("Reader.") if hasattr(code, "co_qualname") else code.co_name in (*RANGED, "b", "se")
    )


def measure(suite: Suite) -> tuple[dict[int, Check], list[str]]:
    """The checks with what decides and catches them, and sentences about vectors that fail and name another clause."""
    decoder = Instrumented()
    strangers = []
    by_line: defaultdict[int, list[Vector]] = defaultdict(list)
    for vector in suite.vectors:
        if vector.kind == "positive":
            continue
        decoder.off = None
        decoder.run(read_stored(SUITE, vector.bitstream))
        if decoder.failed is not None:
            by_line[decoder.failed].append(vector)
    for line, vectors in by_line.items():
        check = decoder.checks[line]
        check.decided = [vector.id for vector in vectors]
        for vector in vectors:
            decoder.off = line
            with contextlib.redirect_stderr(None):
                code = decoder.run(read_stored(SUITE, vector.bitstream))
            if code not in {EXIT_CODES[error] for error in vector.errors}:
                check.caught.append(vector.id)
                if check.clauses and not check.exempt and not check.clauses & {*vector.clauses}:
                    strangers.append(f"{vector.id} names {', '.join(vector.clauses)}; line {line}: {check.text}")
    return decoder.checks, strangers


def summary(checks: dict[int, Check]) -> str:
    """The figure that docs/conformance_coverage.md publishes."""
    counted = [check for check in checks.values() if not check.exempt]
    caught = sum(bool(check.caught) for check in counted)
    return (
        f"{caught} of {len(counted)} checks of the mini decoder are caught when they are switched off, one at a time."
    )


def section(checks: dict[int, Check]) -> str:
    """The section of docs/conformance_coverage.md."""
    lines = [CHECKS, summary(checks), "", "Not caught:", ""]
    missed = [check for check in checks.values() if not check.caught and not check.exempt]
    lines += [f"- `{check.text}`" for check in missed] or ["nothing."]
    lines += ["", "Not counted:", ""]
    lines += [f"- `{check.text}`: {check.exempt}" for check in checks.values() if check.exempt]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print what is not caught, and the figure; with ``--write``, put it into the document."""
    parser = argparse.ArgumentParser(description="Test the conformance suite itself.")
    parser.add_argument("--write", action="store_true", help="write the figure into docs/conformance_coverage.md")
    write = parser.parse_args().write
    checks, strangers = measure(load_suite(SUITE))
    missed = [check for check in checks.values() if not check.caught and not check.exempt]
    for check in missed:
        print(f"line {check.line}: {check.text}\n    decides {', '.join(check.decided) or 'no vector'}")
    print(*strangers, sep="\n")
    print(summary(checks))
    if write:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(text.partition(CHECKS)[0] + section(checks), encoding="utf-8")
    return 1 if missed or strangers else 0


if __name__ == "__main__":
    sys.exit(main())
