"""The documentation builds as a site: every link leads somewhere, and no role of a docstring is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_site_builds(tmp_path: Path) -> None:
    """With one command, as mkdocs.yml says; a warning is an error."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "site").glob("*.html")}
    assert pages.keys() >= {"index.html", "api.html", "bitstream.html", "contributing.html"}
    assert "vcm_ref.door.encoding.encode" in pages["api.html"]
    assert ":class:" not in pages["api.html"]
    assert 'href="bitstream.html"' in pages["index.html"]
