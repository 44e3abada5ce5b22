"""Completion on a command line, by argcomplete: a shell asks an executable how the line could go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")


def completions(executable: str, line: str, folder: Path) -> list[str]:
    """What the shell is told for ``line`` with the cursor at its end, as argcomplete's own shell code asks."""
    answer = folder / "answer"
    code = f"import sys; sys.argv = ['{executable}']; from vcm_ref.app.entry import {executable[4:]} as run; run()"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **asked}, cwd=folder, check=True)
    return answer.read_text().split("\n")


def test_options_and_values(tmp_path: Path) -> None:
    """Options, choices, and names of shipped configurations beside files."""
    (tmp_path / "fine.yaml").touch()
    assert {"--tier", "--trace"} <= {word.strip() for word in completions("vcm_dec", "vcm_dec --t", tmp_path)}
    assert {word.strip() for word in completions("vcm_dec", "vcm_dec --tier t", tmp_path)} == {"t0", "t1", "t2"}
    found = {word.strip() for word in completions("vcm_enc", "vcm_enc -c f", tmp_path)}
    assert {"fframe", "features", "fine.yaml"} <= found
    assert all(word.startswith("f") for word in found)
