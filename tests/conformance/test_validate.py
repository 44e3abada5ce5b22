"""Verdicts on one bitstream; the places are those of the golden stream, worked out by hand in its own test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bitstream.golden import GOLDEN
from bitstream.test_golden_stream import patched

from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.conformance.generate.build import Plan, Tensor, build
from vcm_ref.conformance.generate.payload import lossless
from vcm_ref.conformance.validate import HINTS, validate
from vcm_ref.errors import ConfigError

DOCUMENT = Path(__file__).parents[2] / "docs" / "bitstream.md"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.bin"


def test_a_conformant_bitstream(path: Path) -> None:
    path.write_bytes(lossless(8, 8))
    verdict = validate(path)
    assert (verdict.exit_code, verdict.error) == (0, None)
    assert verdict.message == "1 picture of 1 layer, digests verified"
    path.write_bytes(build(Plan([Tensor("a", (1, 2, 2)), Tensor("b", (1, 1, 1))], digest_length=0)))
    assert validate(path).message == "1 picture of 2 layers, no digests to verify"


@pytest.mark.parametrize(
    ("bit", "bits", "exit_code", "error", "clause"),
    [
        (0, "1", 10, "BitstreamError", "6.2"),
        (36, "0101", 10, "BitstreamError", "6.3"),
        (48, "0100", 11, "UnsupportedError", None),
        (59, "111111", 10, "BitstreamError", "6.4"),
        (113, "0000001", 10, "BitstreamError", "6.21"),
        (217, "11000", 10, "BitstreamError", "6.13"),
        (280, "1", 10, "BitstreamError", "6.17"),
    ],
)
def test_a_broken_rule_has_its_place_its_clause_and_a_hint(
    path: Path, bit: int, bits: str, exit_code: int, error: str, clause: str | None
) -> None:
    old = "".join(f"{byte:08b}" for byte in GOLDEN)[bit : bit + len(bits)]
    path.write_bytes(patched(GOLDEN, bit, bits if bits != old else "0"))
    verdict = validate(path)
    assert (verdict.exit_code, verdict.error, verdict.clause) == (exit_code, error, clause)
    assert verdict.hint
    if clause is not None:
        assert verdict.bit_offset is not None
        assert bit <= verdict.bit_offset <= bit + 32


def test_more_than_a_limit(path: Path) -> None:
    path.write_bytes(lossless(8, 8))
    verdict = validate(path, limits=DecoderLimits(frames=0))
    assert (verdict.exit_code, verdict.error) == (12, "LimitError")
    assert verdict.hint


def test_no_file(path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        validate(path)


def test_hints_are_of_clauses_that_there_are() -> None:
    clauses = set(re.findall(r"^#+ (\d+(?:\.\d+)?) ", DOCUMENT.read_text(), re.MULTILINE))
    assert set(HINTS) <= clauses
