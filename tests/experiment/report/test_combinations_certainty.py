"""How sure the ranking of combinations is, where the rates of one are a multiple of another's."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiment.report.samples import ACCURACIES, BPPS, QPS, combinations
from vcm_ref.errors import DatasetError
from vcm_ref.experiment.bootstrap import Bootstrap
from vcm_ref.experiment.report import write_combinations
from vcm_ref.experiment.report.combinations_certainty import tallies_beside, tally_name
from vcm_ref.experiment.report.combinations_report import best_sentence
from vcm_ref.task.tally import Classified, Tally
from vcm_ref.task.tally_file import packed

PICTURES = 30
BOOTSTRAP = Bootstrap(100)
RANKS = np.random.default_rng(2).random((len(QPS), PICTURES))


def document_and_tallies(harm: float, two: float = 0.5) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Two layers; each 2x2 has ``two`` times the bytes, and 2x2 in both makes ``harm`` more of the pictures wrong."""
    sizes = {"1x1": 1.0, "2x2": two}
    document = combinations(["p4", "p5"], sizes)
    document["main_metric"] = "top1"
    document["coded_pictures"] = [{"id": n, "height": 10, "width": 10} for n in range(PICTURES)]
    tallies = {}
    for point in document["points"]:
        grids = tuple(point["grids"])
        place = QPS.index(point["qp"])
        extra = harm if grids == ("2x2", "2x2") else 0.0
        ranks = (RANKS[place] > ACCURACIES[place] - extra).astype(np.int64)
        factor = sizes[grids[0]] * sizes[grids[1]]
        size = int(800 * factor * BPPS[place])
        point["coded"] = [[size, 8 * size]] * PICTURES
        point |= {"bpp": 8 * size / 100, "metrics": {"top1": float(np.mean(ranks < 1))}, "pictures": PICTURES}
        tallies[tally_name(grids, point["qp"])] = packed(Tally(tuple(range(PICTURES)), (Classified(ranks, (1,)),)))
    return document, tallies


def test_the_best_of_all_resamples_is_sure(tmp_path: Path) -> None:
    """With the same pictures right everywhere, a quarter of the bytes is −75 % in every resample."""
    document, tallies = document_and_tallies(0.0)
    found, sure = write_combinations(tmp_path / "report", document, tallies=tallies, bootstrap=BOOTSTRAP)
    best = sure["2x2", "2x2"]
    # the largest grids are the reference, from which the others are twice and four times the bytes
    assert found.reference.grids == ("2x2", "2x2")
    assert (best.against_reference.ends(), best.share_best) == ([0.0, 0.0], 1.0)
    other = sure["1x1", "1x1"]
    assert other.against_reference.ends() == pytest.approx([300, 300])
    assert not other.as_good
    assert "better than every other one that is ranked" in best_sentence(found, sure)
    with (tmp_path / "report" / "combinations.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["grid_p4"], row["grid_p5"]) == ("1x1", "1x1")]
    assert [float(rows[0][end]) for end in ("low", "high")] == pytest.approx([300, 300])
    assert [float(rows[0][name]) for name in ("level", "resamples", "seed")] == [0.95, 100, 0]
    text = (tmp_path / "report" / "combinations.md").read_text(encoding="utf-8")
    assert "(only 30 pictures)" in text


def test_the_document_has_the_ranking_with_its_intervals(tmp_path: Path) -> None:
    document, tallies = document_and_tallies(0.0)
    write_combinations(tmp_path, document, tallies=tallies, bootstrap=BOOTSTRAP)
    written = json.loads((tmp_path / "combinations.json").read_text())
    assert written["bootstrap"] == {"method": "percentile", "resamples": 100, "seed": 0, "level": 0.95}
    best, *_, last = written["ranking"]
    assert best == {
        "grids": ["2x2", "2x2"],
        "bd_rate_pchip": 0.0,
        "bd_rate_cubic": 0.0,
        "bd_rate_pchip_interval": [0.0, 0.0],
        "against_best_interval": [0.0, 0.0],
        "share_best": 1.0,
    }
    assert last["grids"] == ["1x1", "1x1"]
    assert last["against_best_interval"] == pytest.approx([300, 300])


def test_a_network_that_has_seen_the_pictures_is_named(tmp_path: Path) -> None:
    entry = {"what": "network", "name": "refnet", "data": "photographs", "overlap": [0, 1, 2]}
    document, _ = document_and_tallies(0.0)
    write_combinations(tmp_path, {**document, "training": [entry]})
    text = (tmp_path / "combinations.md").read_text(encoding="utf-8")
    assert f"The network refnet was trained on 3 of the {PICTURES} pictures that are measured" in text
    assert "The network refnet was trained on photographs." in text


def test_combinations_that_the_pictures_do_not_tell_apart_are_counted(tmp_path: Path) -> None:
    document, tallies = document_and_tallies(0.02, 0.97)
    found, sure = write_combinations(tmp_path / "report", document, tallies=tallies, bootstrap=BOOTSTRAP)
    assert any(sure[one.grids].as_good for one in found.ranked if one is not found.best)
    assert "The pictures show no difference between it and " in best_sentence(found, sure)
    # in one resample of 100 the reference's curve is one point, so there no rate is known
    assert {one.against_reference.without for one in sure.values()} == {0.01}
    assert sum(one.share_best for one in sure.values()) == pytest.approx(0.99)


def test_a_report_made_again_from_its_folder_is_the_same(tmp_path: Path) -> None:
    document, tallies = document_and_tallies(0.02, 0.97)
    write_combinations(tmp_path / "one", document, tallies=tallies, bootstrap=BOOTSTRAP)
    again = json.loads((tmp_path / "one" / "combinations.json").read_text())
    beside = tallies_beside(tmp_path / "one" / "combinations.json", again)
    write_combinations(tmp_path / "two", again, tallies=beside, bootstrap=BOOTSTRAP)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_without_tallies_nothing_is_said_of_intervals(tmp_path: Path) -> None:
    document, _ = document_and_tallies(0.0)
    _, sure = write_combinations(tmp_path / "report", document, bootstrap=BOOTSTRAP)
    assert not sure
    written = json.loads((tmp_path / "report" / "combinations.json").read_text())
    assert "bootstrap" not in written
    assert {one["share_best"] for one in written["ranking"]} == {None}
    assert "interval" not in (tmp_path / "report" / "combinations.md").read_text(encoding="utf-8")


def test_tallies_need_the_bytes_of_each_picture(tmp_path: Path) -> None:
    document, tallies = document_and_tallies(0.0)
    del document["points"][0]["coded"]
    with pytest.raises(DatasetError, match="has no bytes of each picture"):
        write_combinations(tmp_path / "report", document, tallies=tallies, bootstrap=BOOTSTRAP)


def test_a_resample_without_rates_has_no_best_combination(tmp_path: Path) -> None:
    """All results are wrong, so each curve is one point, and each resample is without a BD-rate."""
    document, tallies = document_and_tallies(0.0)
    wrong = packed(Tally(tuple(range(PICTURES)), (Classified(np.ones_like(RANKS[0], np.int64), (1,)),)))
    _, sure = write_combinations(
        tmp_path / "report", document, tallies=dict.fromkeys(tallies, wrong), bootstrap=BOOTSTRAP
    )
    assert {one.share_best for one in sure.values()} == {0.0}
