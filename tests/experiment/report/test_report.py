"""The report over results: its figures are those of curves made by hand, and it says what it left out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("bjontegaard", reason="bjontegaard is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.experiment.bd_note import OF_POINTS, Kind
from vcm_ref.experiment.report import write_report
from vcm_ref.experiment.report.blocks import Folded
from vcm_ref.experiment.report.content import report_document
from vcm_ref.experiment.report.long_csv import point_rows
from vcm_ref.experiment.report.markdown import markdown
from vcm_ref.experiment.report.result_report import FILES, compared
from vcm_ref.experiment.report.spending import spendings
from vcm_ref.files.atomic import OutputError

from .samples import PIXELS, anchor, curve, point, saved

OF_SEQUENCES = {"over_time.png", "over_time.svg"}


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report(*documents: dict[str, Any] | Path, **options: Any) -> str:
    """The Markdown over the documents, without its figures being drawn."""
    found = compared(documents, **options)
    return markdown(report_document("Report", found.standings, found.methods, found.anchor))


def line(text: str, start: str) -> str:
    """The one line that begins so."""
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return found


def test_half_the_rate_is_half_the_bits_and_comes_first() -> None:
    """By either interpolation and in either accounting, for both rates are a half at every accuracy."""
    text = report(anchor("usual"), anchor("more", 1.25), anchor("half", 0.5))
    table = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines() if row.startswith("| ")]
    assert [row[0] for row in table[1:4]] == ["half", "usual (anchor)", "more"]
    assert table[1][1:3] == ["−50.00", "−50.00"]
    assert table[1][5:7] == ["−50.00", "−50.00"]
    assert table[2][1:9] == ["0.00"] * 8
    assert table[3][1:3] == ["+25.00", "+25.00"]
    assert "half needs 50.0 % fewer bits than usual at the same AP (PCHIP; cubic −50.0 %)" in text
    assert "more needs 25.0 % more bits than usual" in text
    assert "in Rhee et al.'s accounting −50.0 %" in text
    assert "No picture failed." in text


def test_against_another_anchor() -> None:
    text = report(anchor("usual"), anchor("half", 0.5), anchor="half")
    assert "usual needs 100.0 % more bits than half" in text


def test_accuracy_of_two_points_more_everywhere() -> None:
    points = [point(one["qp"], one["bpp"], one["metrics"]["AP"] + 0.02) for one in anchor("usual")["points"]]
    text = report(anchor("usual"), anchor("better", points=points))
    assert "or has 2.00 points more AP at the same bits" in text


def test_the_other_metric() -> None:
    text = report(anchor("usual"), anchor("half", 0.5), metric="AP50")
    assert "fewer bits than usual at the same AP50 (PCHIP; cubic −50.0 %)" in text
    assert "without coding it is 0.8000" in text


def test_every_figure_of_the_documents_is_in_the_csv(tmp_path: Path) -> None:
    """Read back, unrounded."""
    documents = [anchor("usual", 1 / 3), anchor("half", 1 / 6)]
    write_report(tmp_path / "report", documents)
    found = {
        (row["method"], row["qp"], row["quantity"]): (row["value"], row["unit"])
        for row in rows(tmp_path / "report" / "points.csv")
        if row["point"] != "uncompressed"
    }
    for document in documents:
        for one in document["points"]:
            of = document["name"], str(one["qp"])
            for name in ("bpp", "rhee2022_bpp"):
                assert float(found[(*of, name)][0]) == one[name]
            assert found[(*of, "bytes")] == (str(one["bytes"]), "byte")
            assert found[(*of, "bits: headers")] == (str(one["bits"]["headers"]), "bit")
            assert found[(*of, "seconds: encode")] == ("100.25", "s")
            for name, value in one["metrics"].items():
                assert float(found[(*of, name)][0]) == value
    assert len(found) == 2 * 4 * (4 + 2 + 4 + 2 + 1)
    uncompressed = [row for row in rows(tmp_path / "report" / "points.csv") if row["point"] == "uncompressed"]
    assert {(row["method"], row["quantity"], row["value"]) for row in uncompressed} >= {("half", "AP50", "0.8")}


def test_the_csv_of_pictures_and_of_comparisons(tmp_path: Path) -> None:
    points = [point(22, 2.0, 0.58, failed=[2])]
    write_report(tmp_path / "report", [anchor("usual"), anchor("half", 0.5), anchor("lame", points=points)])
    pictures = rows(tmp_path / "report" / "pictures.csv")
    of = [row for row in pictures if row["method"] == "half" and row["qp"] == "22" and row["picture"] == "2"]
    assert {row["quantity"]: row["value"] for row in of} == {
        "pixels": "6400",
        "bytes": "800",
        "rhee2022_bits": "3200",
        "bits: headers": "640",
        "bits: coded data": "5760",
    }
    assert {row["file"] for row in of} == {"000002.png"}
    failed = [row for row in pictures if row["quantity"] == "failed"]
    assert [(row["method"], row["qp"], row["picture"], row["value"]) for row in failed] == [("lame", "22", "2", "1")]
    figures = rows(tmp_path / "report" / "comparisons.csv")
    rates = [row for row in figures if row["method"] == "half" and row["quantity"] == "BD-rate"]
    assert len(rates) == 4
    assert all(float(row["value"]) == pytest.approx(-50) and row["unit"] == "%" for row in rates)
    assert [row["value"] for row in figures if row["method"] == "lame" and row["quantity"] == "BD-rate"] == [""] * 4


def test_where_the_bits_went_at_95_percent() -> None:
    """0.95 of 0.6 is 0.57, nearest to which is 0.58, at QP 22 and 2 bpp."""
    text = report(anchor("usual"))
    assert "nearest to 95 % of uncompressed" in text
    row = [cell.strip() for cell in text.split("headers: bpp")[1].splitlines()[2].split("|")[1:-1]]
    assert row == ["usual", "22", "0.5800", "2.0000", "0.2000", "10.0 %", "1.8000", "90.0 %"]


def test_failures_are_counted_and_listed() -> None:
    points = [*anchor("x")["points"][:3], point(37, 0.25, 0.3, failed=[2])]
    lost = [{"qp": 42, "failed": [{"id": 1, "error": "a worker died"}, {"id": 2, "error": "disk | full"}]}]
    without = {**anchor("x")["uncompressed"], "failed": [{"id": 9, "error": "no such file"}]}
    text = report(anchor("usual"), anchor("lame", points=points, failed_points=lost, uncompressed=without))
    ranked = line(text.split("## Points")[0].split("## Failures")[0], "| lame")
    assert ranked.split("|")[-3].strip() == "4"
    assert "Pictures failed (lame: 4)" in text
    failures = text.split("## Failures")[1].split("## Rate")[0]
    told = [[cell.strip() for cell in row.split(" | ")] for row in failures.splitlines() if row.startswith("| lame")]
    assert [row[1:3] for row in told] == [["uncompressed", "9"], ["37", "2"], ["42", "1"], ["42", "2"]]
    assert "vvenc did not finish within 600 s" in failures
    assert r"disk \| full" in failures
    assert "QP 37 (0.25 bpp, 30.00 %) does not cover the same pictures: 1 picture failed" in text.split("### Notes")[1]


def test_many_failures_are_folded() -> None:
    lost = [{"qp": 42, "failed": [{"id": number, "error": "a worker died"} for number in range(21)]}]
    found = compared([anchor("usual", failed_points=lost)])
    blocks = report_document("Report", found.standings, found.methods, found.anchor).blocks
    assert next(block.title for block in blocks if isinstance(block, Folded)) == "All 21 failures"


def test_a_method_without_any_point_is_in_the_report() -> None:
    lost = [{"qp": 22, "failed": [{"id": 1, "error": "a worker died"}]}]
    text = report(anchor("usual"), anchor("dead", points=[], failed_points=lost))
    assert "The BD-rate of dead against usual cannot be computed: " in text
    assert "a worker died" in text
    reverse = report(anchor("dead", points=[], failed_points=lost), anchor("usual"))
    assert "The BD-rate of usual against dead cannot be computed: " in reverse


def test_a_report_without_any_point_can_be_drawn(tmp_path: Path) -> None:
    lost = [{"qp": 22, "failed": [{"id": 1, "error": "a worker died"}]}]
    write_report(tmp_path / "report", [anchor("dead", points=[], failed_points=lost)])
    assert (tmp_path / "report" / "rate_accuracy.png").is_file()
    assert [row["quantity"] for row in rows(tmp_path / "report" / "pictures.csv")] == ["failed"]


def test_one_point_gives_no_bd_rate_and_says_so() -> None:
    text = report(anchor("usual"), anchor("single", points=[point(22, 2.0, 0.58)]))
    assert (
        "The BD-rate of single against usual cannot be computed: the cubic needs 4 points, and test single has 1"
        in text
    )
    assert "– |" in line(text.split("## Where")[0], "| single")


def test_three_points_have_no_cubic_figure() -> None:
    points = anchor("x", 0.5)["points"][:3]
    text = report(anchor("usual"), anchor("short", points=points))
    assert "fewer bits than usual at the same AP (PCHIP; the cubic cannot be computed)" in text
    assert "the cubic needs 4 points, and test short has 3" in text


def test_a_dominated_point_is_in_the_notes_by_its_number() -> None:
    points = [*anchor("x", 0.5)["points"], point(42, 3.0, 0.2)]
    text = report(anchor("usual"), anchor("bumpy", points=points))
    assert line(text.split("### Notes")[0], "| bumpy").endswith("\\[1\\]   |")
    assert line(text.split("### Notes")[1], "1. bumpy: QP 42 (3 bpp, 20.00 %) is left out")
    assert "the same holds in Rhee et al.'s accounting" in text
    assert "hollow points" in text


def test_where_the_bits_went_is_of_a_point_that_none_beats() -> None:
    """0.57 is 95 % of the uncompressed 0.6. The point at 3 bpp has it, and costs more than QP 22, which has 0.58."""
    (method,) = compared([anchor("bumpy", points=[*anchor("x")["points"], point(20, 3.0, 0.57)])]).methods
    (spent,) = spendings([method])
    assert (spent.qp, spent.bpp, spent.accuracy) == (22, 2.0, 0.58)


def test_notes_are_data() -> None:
    """The sentences are made of them, and nothing reads the sentences."""
    points = [*anchor("x", 0.5)["points"], point(42, 3.0, 0.2)]
    found = compared([anchor("falls over 7 % of the range"), anchor("anchor falls over", points=points)])
    full = found.standings[0].full
    assert full is not None
    (note,) = (note for note in full.notes if note.kind in OF_POINTS)
    assert (note.kind, note.side, note.curve) == (Kind.BEATEN, "test", "anchor falls over")
    assert note.point is not None
    assert note.other is not None
    assert (note.point.qp, note.point.bpp, note.other.qp) == (42, 3.0, 37)


def test_what_was_done_to_the_anchor_is_said_once() -> None:
    points = [*anchor("x")["points"], point(42, 3.0, 0.2)]
    text = report(anchor("usual", points=points), anchor("half", 0.5), anchor("third", 1 / 3))
    assert text.count("QP 42 (3 bpp, 20.00 %) is left out") == 1
    assert line(text.split("### Notes")[1], "3. usual: QP 42")


def test_interpolations_that_disagree() -> None:
    """A cubic through these swings below, where the points and PCHIP stay above."""
    high = [
        point(qp, bpp, accuracy) for qp, bpp, accuracy in [(1, 4, 0.6), (2, 2, 0.599), (3, 1, 0.598), (4, 0.9, 0.1)]
    ]
    text = report(anchor("usual"), anchor("odd", points=high))
    assert "trust PCHIP" in text.split("### Notes")[1]


def test_published_curves_among_themselves(tmp_path: Path) -> None:
    paths = saved(tmp_path, curve("paper", uncompressed=60), curve("other", 0.5))
    write_report(tmp_path / "report", paths)
    text = report(*paths)
    assert "other needs 50.0 % fewer bits than paper" in text
    assert "Rhee et al.'s accounting:" not in text
    assert "paper and other do not state their data and network by digest" in text
    assert "No result states its bits by part." in text
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(
        set(FILES) - {"pictures.csv", "bits.png", "bits.svg"} - OF_SEQUENCES
    )


def test_a_published_curve_beside_an_anchor(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, curve("paper", 0.5))
    text = report(anchor("usual"), path)
    assert "paper needs 50.0 % fewer bits than usual" in text
    assert "These methods do not state it: paper." in text
    assert "paper: no figures" not in text
    assert "Bits by part are not stated for paper." in text


DIFFERENT: list[tuple[dict[str, Any], str]] = [
    (
        {"data": {"name": "photographs", "sha256": "cd" * 32, "pictures": 2}},
        "The data differ: scenes abababababab (a);",
    ),
    ({"network": {**anchor("x")["network"], "weights_sha256": "cd" * 32}}, "differ in network.weights_sha256: refnet "),
    ({"pictures": anchor("x")["pictures"][:1]}, "The pictures differ: 2 pictures "),
    ({"labels": "from1"}, "The labels differ: names (a); from1 (b)"),
    ({"main_metric": "AP50"}, "The metrics differ: AP (a); AP50 (b)"),
]


@pytest.mark.parametrize(("changes", "told"), DIFFERENT)
def test_what_cannot_be_compared_is_refused_or_said_loudly(changes: dict[str, Any], told: str) -> None:
    documents = anchor("a"), anchor("b", 0.5, **changes)
    with pytest.raises(ConfigError, match="not comparable") as error:
        report(*documents)
    assert told in str(error.value)
    assert "--allow-different" in str(error.value)
    text = report(*documents, allow_different=True)
    assert text.splitlines()[2].startswith("> **Warning.** ")
    assert told in text.splitlines()[2]
    assert "| b" in text


def test_names_that_occur_twice(tmp_path: Path) -> None:
    paths = saved(tmp_path, anchor("same"), anchor("same", 0.5))
    with pytest.raises(ConfigError, match=r"0\.json and .*1\.json are both named 'same'"):
        report(*paths)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "is neither a curve nor an anchor"),
        ('{"kind": "anchor", "name": "x"}', "is missing"),
        (json.dumps(anchor("x")).replace("0.58,", "NaN,", 1), "points.0.metrics.AP: a number must be finite"),
        (
            json.dumps(anchor("x")).replace('"AP": 0.58', '"AP": 58', 1),
            "points.0.metrics.AP must be a number from 0 to 1, not 58",
        ),
        (json.dumps(curve("x", points=[])), "points"),
    ],
)
def test_a_file_that_is_no_result(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(DatasetError) as error:
        write_report(tmp_path / "report", [path])
    assert told in str(error.value)
    assert "bad.json" in str(error.value)
    assert not (tmp_path / "report").exists()


def test_a_folder_of_results(tmp_path: Path) -> None:
    """Other JSON in it, such as a cross-check's record, is passed over; a folder without any result is an error."""
    saved(tmp_path, anchor("a"), curve("b", 0.5), {"kind": "crosscheck"})
    found = compared([tmp_path])
    assert [standing.method.name for standing in found.standings] == ["b", "a"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no anchor file and no curve"):
        compared([tmp_path / "empty"])


@pytest.mark.parametrize(
    ("options", "told"),
    [({"anchor": "c"}, "no result is named 'c'; there are a, b"), ({"metric": "AP99"}, "no metric 'AP99'")],
)
def test_an_anchor_or_metric_that_is_not_there(options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        report(anchor("a"), anchor("b", 0.5), **options)
    with pytest.raises(ConfigError, match="no results given"):
        report()


def test_the_same_results_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user's own settings of matplotlib's, and whenever."""
    import matplotlib

    documents = anchor("a"), anchor("b", 0.5)
    write_report(tmp_path / "one", documents)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    with matplotlib.rc_context({"lines.linewidth": 9, "font.family": "serif", "svg.hashsalt": "other"}):
        write_report(tmp_path / "two", documents)
    written = {path.name for path in (tmp_path / "one").iterdir()}
    assert written == set(FILES) - OF_SEQUENCES
    for name in written:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_made_again_over_an_earlier_report(tmp_path: Path) -> None:
    """Its files are replaced, what this one has not is removed, and what is not a report's stays."""
    write_report(tmp_path / "report", [anchor("a"), anchor("b", 0.5)])
    notes = tmp_path / "report" / "notes.txt"
    notes.write_text("mine")
    (path,) = saved(tmp_path, curve("paper"))
    write_report(tmp_path / "report", [path])
    assert notes.read_text() == "mine"
    assert "1 method, compared with paper" in (tmp_path / "report" / "report.md").read_text()
    assert not (tmp_path / "report" / "pictures.csv").exists()
    assert not (tmp_path / "report" / "bits.svg").exists()


def test_a_place_that_is_none(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, anchor("a"))
    with pytest.raises(OutputError, match="is not a folder"):
        write_report(path, [path])
    with pytest.raises(OutputError, match="there is no folder"):
        write_report(tmp_path / "none" / "report", [path])


def test_metrics_of_single_classes_are_left_to_the_csv() -> None:
    text = report(anchor("a"))
    assert "AP50/cat" not in text
    assert "1 metric of single classes: see points.csv" in text
    found = compared([anchor("a")])
    assert "AP50/cat" in [row[5] for row in point_rows(found.methods)]
    assert " 47 " in text.split("## Points")[1]


def test_bpp_is_of_the_documents_pixels() -> None:
    """The samples themselves are sound, so that what they show is."""
    for one in anchor("a")["points"]:
        assert 8 * one["bytes"] == sum(one["bits"].values()) == one["bpp"] * PIXELS
