"""Files for maintainers and their tools: they can be read, and they agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import vcm_ref

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_everywhere() -> None:
    """In the package, the citation and the newest section of the changelog."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert citation["version"] == newest[1] == vcm_ref.__version__


def test_yaml_files_of_other_tools_can_be_read() -> None:
    """The public checks call the script that developers call."""
    folder = ROOT / ".github"
    files = [ROOT / ".pre-commit-config.yaml", *sorted(folder.rglob("*.yml"))]
    assert len(files) > 4
    trees = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}
    assert trees["ci.yml"]["jobs"]["everything"]["steps"][-1] == {"run": ".ci/run"}


def test_constraints_name_exact_versions() -> None:
    """One a line, sorted."""
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert all(re.fullmatch(r"[A-Za-z0-9-]+==[0-9.]+", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0].lower())


def test_every_file_that_a_document_names_is_there() -> None:
    """Of those in the pages for newcomers and contributors."""
    for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in re.findall(r"`((?:vcm_ref|docs|tools|cfg|conformance|examples|tests)/[\w./]+)`", text):
            assert (ROOT / name).exists(), f"{page}: {name}"
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / link).exists(), f"{page}: {link}"


def test_decisions_have_dates() -> None:
    """Each in a section of its subject."""
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    entries = [paragraph for paragraph in text.split("\n\n") if paragraph.startswith("**")]
    assert len(entries) > 50
    undated = [entry[:60] for entry in entries if not re.search(r"\(\d{4}-\d\d-\d\d\)$", entry.strip())]
    assert undated == []
