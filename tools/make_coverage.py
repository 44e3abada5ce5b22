"""Write docs/conformance_coverage.md from the conformance suite, or check it with ``--check``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vcm_ref.conformance.coverage import clauses_of, measure, missing, section, table
from vcm_ref.conformance.manifest import load_suite

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "conformance"
DOCUMENT = ROOT / "docs" / "conformance_coverage.md"


def main() -> int:
    """Print what has no vector; ends with 1 where that is anything, or where the document is not as it should be."""
    parser = argparse.ArgumentParser(description="Write docs/conformance_coverage.md from the conformance suite.")
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 where the document differs")
    check = parser.parse_args().check
    suite = load_suite(SUITE)
    clauses = clauses_of(ROOT / "docs" / "bitstream.md")
    coverage = measure(SUITE, suite)
    without = list(missing(coverage, clauses))
    print(*without, sep="\n", end="\n" * bool(without))
    text = table(suite, coverage, clauses) + section(DOCUMENT.read_text(encoding="utf-8"))
    if not check:
        DOCUMENT.write_text(text, encoding="utf-8")
    elif DOCUMENT.read_text(encoding="utf-8") != text:
        print(f"{DOCUMENT} is not what the suite has; run tools/make_coverage.py")
        return 1
    return 1 if without else 0


if __name__ == "__main__":
    sys.exit(main())
