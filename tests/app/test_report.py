"""``vcm_report``: what the command line makes of its options, and what a careless user is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from experiment.report.samples import anchor, combinations, curve, saved

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("bjontegaard", reason="bjontegaard is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

from vcm_ref.app.report import main as vcm_report


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with results to work in: 0.json … in ``r``, and combinations."""
    monkeypatch.chdir(tmp_path)
    Path("r").mkdir()
    saved(Path("r"), anchor("usual"), anchor("half", 0.5), curve("paper", 0.25))
    Path("combinations.json").write_text(json.dumps(combinations(["p4", "p5"], {"4x4": 0.5, "16x16": 1.0})))
    Path("again.json").write_text(json.dumps(anchor("usual")))
    Path("text.json").write_text("no JSON")
    Path("list.json").write_text("[]")
    Path("other.json").write_text(json.dumps(anchor("other", labels="ids")))


def test_intervals_that_are_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_report(["r", "-o", "out", "--resamples", "0"]) == 0
    assert "interval" not in capsys.readouterr().out
    assert vcm_report(["r", "-o", "out", "--resamples", "10"]) == 2
    assert "--resamples 10: an interval needs at least 100; use 0 for no intervals" in capsys.readouterr().err


def test_files_and_folders_to_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_report(["r", "-o", "out", "--title", "Mine", "--anchor", "half"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "paper needs 50.0 % fewer bits than half" in printed.out
    assert "half (anchor)" in printed.out
    assert "out/report.html" in printed.out
    assert Path("out/report.md").read_text(encoding="utf-8").startswith("# Mine (only 2 pictures)\n")
    assert vcm_report(["r/0.json", "r/1.json", "r/0.json", "-o", "out", "--metric", "AP50"]) == 0
    assert "at the same AP50" in Path("out/report.md").read_text(encoding="utf-8")


def test_different_results_when_asked_for() -> None:
    assert vcm_report(["r/0.json", "other.json", "-o", "out"]) == 2
    assert not Path("out").exists()
    assert vcm_report(["r/0.json", "other.json", "-o", "out", "--allow-different"]) == 0
    assert "The labels differ" in Path("out/report.md").read_text(encoding="utf-8")


def test_combinations(capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_report(["combinations.json", "-o", "out"]) == 0
    assert "The best combination is {4x4, 4x4}: it needs 75.0 % fewer bits" in capsys.readouterr().out
    assert Path("out/combinations.html").is_file()
    assert vcm_report(["out/combinations.json", "-o", "out"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json"], "none.json: cannot be read: No such file"),
        (["text.json"], "text.json, line 1: is not JSON"),
        (["list.json"], "list.json: is neither a curve nor an anchor"),
        (["again.json", "r"], "again.json and r/0.json are both named 'usual'"),
        (["r", "."], "text.json, line 1: is not JSON"),
        (["r", "--anchor", "none"], "no result is named 'none'; there are usual, half, paper"),
        (["r", "--metric", "AP99"], "no metric 'AP99'"),
        (["r", "-o", "text.json"], "text.json: is not a folder"),
        (["r", "-o", "none/out"], "there is no folder none"),
        (["combinations.json", "r"], "combinations of grids have a report of their own"),
        (["combinations.json", "--anchor", "x"], "--anchor: combinations are compared with"),
        (["combinations.json", "--metric", "AP99"], "no metric 'AP99'"),
    ],
)
def test_what_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert vcm_report(["-o", "out", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("vcm_report: ")
    assert told.count("\n") == 1
    assert not Path("out").exists()


def test_an_output_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        vcm_report(["r"])
    assert "-o/--output" in capsys.readouterr().err


def test_help_needs_neither_matplotlib_nor_jinja() -> None:
    unwanted = "{'matplotlib', 'jinja2', 'bjontegaard', 'jsonschema', 'torch'}"
    code = f"import sys; from vcm_ref.app import report; sys.exit(bool({unwanted} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
