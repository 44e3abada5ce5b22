"""Intervals in reports: from anchors and their files of tallies, of many and of few pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiment.report.samples import DIGEST, QPS, anchor, picture, point
from vcm_ref.errors import DatasetError
from vcm_ref.experiment.bjontegaard_delta import compare
from vcm_ref.experiment.bootstrap import Bootstrap
from vcm_ref.experiment.curve import Curve, Point
from vcm_ref.experiment.report import write_report
from vcm_ref.experiment.report.method import read_methods
from vcm_ref.experiment.uncertainty import UNCOMPRESSED, point_name, tallies_path
from vcm_ref.task.tally import Classified, Tally
from vcm_ref.task.tally_file import packed, write_tallies

PICTURES = 40
BOOTSTRAP = Bootstrap(200)
RANKS = np.random.default_rng(5).random((len(QPS) + 1, PICTURES))
SHARES = (0.45, 0.6, 0.75, 0.85)  # of pictures that are wrong at QP 22, 27, 32, 37
PIXELS = np.random.default_rng(6).integers(50, 150, PICTURES)
BYTES = 16 * np.random.default_rng(7).integers(50, 150, PICTURES)


def measured(folder: Path, name: str, factor: float, harm: float = 0.0, pictures: int = PICTURES) -> Path:
    """An anchor with tallies: its bytes are ``factor`` times the usual, ``harm`` more of its pictures are wrong."""
    document = anchor(name, main_metric="top1", pictures=[])
    document["pictures"] = [
        {**picture(n), "file": f"{n}.png", "height": 1, "width": int(PIXELS[n])} for n in range(pictures)
    ]
    tallies, points = {}, []
    for place, (qp, wrong) in enumerate(zip(QPS, SHARES, strict=True)):
        ranks = (RANKS[place, :pictures] < wrong + harm).astype(np.int64)
        tallies[point_name(qp)] = packed(Tally(tuple(range(pictures)), (Classified(ranks, (1,)),)))
        sizes = [int(factor * value) >> place for value in BYTES[:pictures]]
        coded = [{**point(qp, 1.0, 0.5)["pictures"][0], "id": n, "bytes": sizes[n]} for n in range(pictures)]
        total, pixels = sum(sizes), int(PIXELS[:pictures].sum())
        rates = {"bytes": total, "pixels": pixels, "bpp": 8 * total / pixels, "rhee2022_bpp": 1.0}
        metrics = {"top1": float(np.mean(ranks < 1))}
        points.append({**point(qp, 1.0, 0.5), **rates, "pictures": coded, "metrics": metrics})
    ranks = (RANKS[-1, :pictures] < 0.4).astype(np.int64)
    tallies[UNCOMPRESSED] = packed(Tally(tuple(range(pictures)), (Classified(ranks, (1,)),)))
    document |= {"points": points, "uncompressed": {"metrics": {"top1": float(np.mean(ranks < 1))}, "failed": []}}
    path = folder / f"{name}.json"
    with tallies_path(path).open("wb") as file:
        document["tallies"] = {"file": tallies_path(path).name, "sha256": write_tallies(file, tallies)}
    path.write_text(json.dumps(document))
    return path


def reported(folder: Path, *paths: Path, **options: Any) -> tuple[str, dict[str, Any], list[dict[str, str]]]:
    """The report as text, its JSON, and the rows of its comparisons."""
    write_report(folder / "report", paths, bootstrap=BOOTSTRAP, **options)
    text = (folder / "report" / "report.md").read_text(encoding="utf-8").replace("\\", "")
    document = json.loads((folder / "report" / "report.json").read_text())
    with (folder / "report" / "comparisons.csv").open(encoding="utf-8", newline="") as file:
        return text, document, list(csv.DictReader(file))


def test_the_interval_is_that_of_the_curves_of_each_resample(tmp_path: Path) -> None:
    """Against BD-rates of the package, resample by resample, with sums in plain Python."""
    _, document, rows = reported(tmp_path, measured(tmp_path, "one", 1.0), measured(tmp_path, "two", 0.8, 0.02))
    weights = BOOTSTRAP.weights(PICTURES)
    values = []
    for resample in range(BOOTSTRAP.resamples):
        drawn = [picture for picture, times in enumerate(weights[:, resample]) for _ in range(times)]
        curves = []
        for factor, harm in ((1.0, 0.0), (0.8, 0.02)):
            points = []
            for place, wrong in enumerate(SHARES):
                size = sum(int(factor * BYTES[n]) >> place for n in drawn)
                right = sum(RANKS[place, n] >= wrong + harm for n in drawn)
                points.append(Point(None, 8 * size / sum(int(PIXELS[n]) for n in drawn), right / len(drawn)))
            curves.append(Curve("", "top1", tuple(points), None, ""))
        values.append(compare(*curves).rate_pchip)
    assert None not in values
    low, high = sorted(values)[5], sorted(values)[-6]  # 2.5 % of 200 at either end
    (compared,) = document["comparisons"]
    assert compared["every_byte"]["bd_rate_pchip_interval"] == pytest.approx([low, high], rel=1e-9)
    assert document["bootstrap"] == {"method": "percentile", "resamples": 200, "seed": 0, "level": 0.95}
    row = next(row for row in rows if (row["quantity"], row["interpolation"]) == ("BD-rate", "PCHIP"))
    assert [float(row[end]) for end in ("low", "high")] == pytest.approx([low, high], rel=1e-9)
    assert (row["level"], row["resamples"], row["seed"]) == ("0.95", "200", "0")


def test_a_report_says_what_is_sure_and_what_is_not(tmp_path: Path) -> None:
    """Half the bytes and the same pictures right are fewer bits, by 50 % in every resample; 1 % fewer bytes are not."""
    paths = [measured(tmp_path, "usual", 1.0), measured(tmp_path, "half", 0.5), measured(tmp_path, "alike", 0.99, 0.01)]
    text, document, _ = reported(tmp_path, *paths)
    assert "half needs 50.0 % fewer bits than usual at the same top1: BD-rate −50.0 % [−50.0, −50.0] (PCHIP" in text
    assert "alike and usual show no difference in bits at the same top1: BD-rate " in text
    assert text.startswith("# Rate–accuracy report (only 40 pictures)\n")
    assert "These figures cover only 40 pictures" in text
    assert "95 % confidence intervals" in text
    assert {one["method"]: one["verdict"] for one in document["comparisons"]} == {
        "half": "fewer bits",
        "alike": "no difference",
    }
    assert f"{np.mean(RANKS[0] >= SHARES[0]):.4f} [0." in text  # top1 of the first point


def test_curves_are_shaded_from_low_to_high(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval of the accuracy at each point, in both figures; nothing where there are no tallies."""
    from matplotlib.axes import Axes

    shades: list[tuple[list[float], list[float], list[float]]] = []
    monkeypatch.setattr(Axes, "fill_between", lambda axes, x, low, high, **look: shades.append((x, low, high)))
    path = measured(tmp_path, "usual", 1.0)
    (method,) = read_methods([path], bootstrap=BOOTSTRAP)
    reported(tmp_path, path)
    points = sorted(method.points, key=lambda point: point["bpp"])
    intervals = [method.interval(point["qp"], "top1") for point in points]
    expected = [point["bpp"] for point in points], *zip(*(one.ends() or () for one in intervals if one), strict=True)
    assert shades
    for shade in shades:
        assert [tuple(values) for values in shade] == [tuple(values) for values in expected]
    tallies_path(path).unlink()
    shades.clear()
    reported(tmp_path, path)
    assert shades == []


def test_a_report_over_many_pictures_warns_of_nothing(tmp_path: Path) -> None:
    document = anchor("many", pictures=[picture(number) for number in range(500)])
    (tmp_path / "many.json").write_text(json.dumps(document))
    text, _, _ = reported(tmp_path, tmp_path / "many.json")
    assert text.startswith("# Rate–accuracy report\n")
    assert "Warning" not in text


def test_without_tallies_there_are_no_intervals(tmp_path: Path) -> None:
    paths = [measured(tmp_path, "usual", 1.0), measured(tmp_path, "moved", 0.5)]
    tallies_path(paths[1]).unlink()
    text, document, rows = reported(tmp_path, *paths)
    assert "There are no intervals for moved: the file of tallies is missing." in text
    assert document["comparisons"][0]["every_byte"]["bd_rate_pchip_interval"] is None
    assert not any(row["low"] for row in rows)
    text, _, _ = reported(tmp_path, tmp_path / "moved.json")
    assert "confidence" not in text


def over_time(path: Path, frame_rate: str, group: int) -> Path:
    """The anchor as of a sequence, coded in groups."""
    document = json.loads(path.read_text())
    document["data"]["frame_rate"] = frame_rate
    document["configuration"]["group"] = group
    path.write_text(json.dumps(document))
    return path


def test_methods_over_a_sequence_are_compared_in_the_same_blocks(tmp_path: Path) -> None:
    """Groups of two and of four, three pictures a second: ten blocks of four."""
    paths = [measured(tmp_path, "usual", 1.0), measured(tmp_path, "moved", 0.5)]
    text, document, _ = reported(tmp_path, over_time(paths[0], "3", 2), over_time(paths[1], "3", 4))
    assert "resamples of blocks of 4 pictures that follow each other" in text
    assert document["bootstrap"]["block"] == 4
    assert document["comparisons"][0]["every_byte"]["bd_rate_pchip_interval"] == pytest.approx([-50, -50], abs=0.5)


def test_a_short_sequence_has_no_intervals_and_the_report_says_so(tmp_path: Path) -> None:
    text, document, _ = reported(tmp_path, over_time(measured(tmp_path, "usual", 1.0), "3", 8))
    assert "An interval over a sequence needs 10 blocks of whole groups that last a second or more." in text
    assert document["bootstrap"] is None


def test_other_pictures_are_not_paired(tmp_path: Path) -> None:
    paths = [measured(tmp_path, "usual", 1.0), measured(tmp_path, "fewer", 0.5, pictures=30)]
    _, document, _ = reported(tmp_path, *paths, allow_different=True)
    assert document["comparisons"][0]["every_byte"]["bd_rate_pchip_interval"] is None


def test_a_file_of_tallies_that_is_not_the_anchors_is_refused(tmp_path: Path) -> None:
    paths = [measured(tmp_path, "usual", 1.0), measured(tmp_path, "half", 0.5)]
    tallies_path(paths[0]).write_bytes(tallies_path(paths[1]).read_bytes())
    reported(tmp_path, *paths)  # of the same pictures, with the same ranks: the content is the same
    document = json.loads(paths[0].read_text())
    document["tallies"]["sha256"] = DIGEST
    paths[0].write_text(json.dumps(document))
    with pytest.raises(DatasetError, match=r"usual.tallies.zip: is not the file .* its digest differs"):
        reported(tmp_path, *paths)
    tallies_path(paths[0]).write_bytes(b"no archive")
    with pytest.raises(DatasetError, match="cannot be read as a file of tallies"):
        reported(tmp_path, *paths)
