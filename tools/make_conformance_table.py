"""Put reports of ``vcm_conformance run -o REPORT.json`` into README.md's table, or check them with ``--check``.

A row is a decoder in a mode; rows of others stay as they are.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parent.parent / "README.md"
PART = re.compile(r"(<!-- generated: conformance -->\n).*?(<!-- end of generated -->)", re.DOTALL)
HEAD = ["| decoder | mode | vectors | positive | negative | limit | passed |", "|---|---|---|---|---|---|---|"]
KINDS = ("positive", "negative", "limit")


def row(report: dict[str, Any]) -> str:
    """A report's row: what was selected, and of each kind how many passed."""
    run = [result for result in report["results"] if result["result"] != "not run"]
    counts = Counter((result["kind"], result["result"] == "pass") for result in run)
    passed = [f"{counts[kind, True]} of {counts[kind, True] + counts[kind, False]}" for kind in KINDS]
    selected = "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in report["selection"].items()) or "all"
    total = sum(count for (_, good), count in counts.items() if good)
    cells = [report["decoder"]["name"], report["mode"], selected, *passed, f"{total} of {len(run)}"]
    return f"| {' | '.join(cells)} |"


def with_rows(text: str, rows: list[str]) -> str:
    """The document with rows in place of those of the same decoder, mode and selection."""
    match = PART.search(text)
    assert match is not None, "README.md has no table of conformance"
    old = [line for line in match[0].splitlines() if line.startswith("|") and line not in HEAD]
    kept = {tuple(line.split(" | ")[:3]): line for line in [*old, *rows]}
    return PART.sub(lambda found: found[1] + "\n" + "\n".join([*HEAD, *kept.values()]) + "\n\n" + found[2], text)


def main() -> int:
    """Ends with 1 where ``--check`` finds another row, or a report has a vector that did not pass."""
    parser = argparse.ArgumentParser(description="Put conformance reports into README.md's table.")
    parser.add_argument("reports", type=Path, nargs="+", metavar="REPORT.json")
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 where a row differs")
    arguments = parser.parse_args()
    rows = [row(json.loads(path.read_text(encoding="utf-8"))) for path in arguments.reports]
    print(*HEAD, *rows, sep="\n")
    old = DOCUMENT.read_text(encoding="utf-8")
    if not arguments.check:
        DOCUMENT.write_text(with_rows(old, rows), encoding="utf-8")
    elif any(line not in old.splitlines() for line in rows):
        print("README.md has another table; run tools/make_conformance_table.py on these reports")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
