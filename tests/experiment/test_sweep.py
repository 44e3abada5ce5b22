"""Sweeps: what is measured is what coding outright gives, and nothing is done twice."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("pycocotools", reason="pycocotools is not installed")

from vcm_ref.configuration import Configuration
from vcm_ref.encoder import Encoder
from vcm_ref.errors import DatasetError
from vcm_ref.experiment.anchor import rate
from vcm_ref.experiment.evaluation import Evaluation, evaluate
from vcm_ref.experiment.machines import machines
from vcm_ref.experiment.method import FeatureMethod, Method, Uncompressed
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import run_sweep
from vcm_ref.experiment.tasks import RunBatches
from vcm_ref.inputs.source import read_picture
from vcm_ref.network import load_network
from vcm_ref.task.dataset import Item, load_dataset

from .small_sweep import LAYERS, OPTIONS, SIZES, TREE, Here, changed, facts, method, nowhere, sweep_of


@pytest.fixture(scope="module")
def workers() -> Iterator[RunBatches]:
    """Two workers."""
    with machines(2) as made:
        yield made


def methods_of(folder: Path) -> list[Method]:
    """Methods of every kind."""
    return [
        method(folder, "frames", 30, 40, quantisation__bit_depth=4),
        method(folder, "tiled", packing__method="stacked", packing__grid=None, quantisation__bit_depth=3),
        method(folder, "video", 45, codec__name="vvenc", codec__mode={"p3": "RA", "default": "AI"}, codec__gop=16),
    ]


def test_results_are_those_of_vcm_eval(whole: Path, store: Store, tmp_path: Path) -> None:
    """To the byte and to the digit."""
    outcome = run_sweep(sweep_of(whole, *methods_of(whole)), store, Here())
    dataset = load_dataset(whole / "data.json")
    network = "onnx", {"weights": str(whole / "small.onnx"), **OPTIONS}
    other = Store(tmp_path / "other")  # so that everything is made again
    for made in outcome.sweep.methods:
        assert isinstance(made, FeatureMethod)
        for qp in made.qps:
            evaluation = Evaluation(dataset, *network, replace(made, name="pictures, coded", qps=(qp,)))
            document, _ = evaluate(evaluation, tmp_path / "r.json", other, Here())
            point = outcome.points[made.name, qp]
            found = rate(point.records.values())
            assert document["metrics"] == point.metrics
            assert document["configuration"] == {**made.describe(), "codec": {**made.describe()["codec"], "qp": qp}}
            assert document["inner_codec"] == made.inner_codec()
            for key in ("bpp", "bytes", "pixels", "bits"):
                assert document["rate"][key] == found[key], key
            assert document["rate"]["rhee2022_bpp"] == found["rhee2022_bpp"]
            digests = b"".join(bytes.fromhex(record["sha256"]) for record in point.records.values())
            assert document["source"]["sha256"] == hashlib.sha256(digests).hexdigest()
    document, _ = evaluate(Evaluation(dataset, *network, Uncompressed("pictures")), tmp_path / "r.json", other, Here())
    other.close()
    assert document["metrics"] == outcome.uncompressed.metrics
    assert outcome.uncompressed.metrics["AP"] == 1
    assert outcome.points["tiled", 32].metrics["AP"] < 1


def test_results_do_not_depend_on_workers(whole: Path, tmp_path: Path, workers: RunBatches) -> None:
    """None or two; and a sweep asked for again needs none of them."""
    sweep = sweep_of(whole, *methods_of(whole), pictures=2)
    with Store(tmp_path / "here") as store:
        here = facts(run_sweep(sweep, store, Here()))
    with Store(tmp_path / "there") as store:
        assert facts(run_sweep(sweep, store, workers)) == here
        assert facts(run_sweep(sweep, store, nowhere)) == here


def test_a_sweep_asked_for_again_starts_no_worker(whole: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """And evaluates nothing but the first picture, and tells that nothing is missing."""
    sweep = sweep_of(whole, *methods_of(whole)[:2])
    first = run_sweep(sweep, store, Here())
    told = []

    def begin(found: int, total: int) -> Any:
        told.append((found, total))
        return told.append

    again = replace(sweep, dataset=load_dataset(whole / "data.json"))
    measured: list[int] = []
    monkeypatch.setattr(type(again.dataset), "tallied", lambda _, results, sizes: measured.append(len(results)))
    assert facts(run_sweep(again, store, nowhere, begin)) == facts(first)
    assert told == [(12, 12)]
    assert measured == [1]


def test_progress_counts_results(whole: Path, store: Store) -> None:
    done: list[float] = []
    totals = []

    def begin(found: int, total: int) -> Any:
        totals.append((found, total))
        return done.append

    run_sweep(sweep_of(whole, method(whole, "a", 30, 31)), store, Here(), begin)
    assert totals == [(0, 9)]
    assert sum(done) == 9


def test_what_two_sweeps_have_in_common_is_done_once(whole: Path, store: Store) -> None:
    """Features once a picture; a layer once a grid, mode and QP; a point that another sweep has, not at all."""
    first, second = Here(), Here()
    run_sweep(sweep_of(whole, method(whole, "a", 30), pictures=2), store, first)
    assert first.count == {
        "describe": 1,
        "extract": 2,
        "code": 6,
        "decode": 6,
        "analyse": 2,
        "analyse_uncompressed": 2,
        "cost": 1,
    }
    grids = {"p4": "1x1", "default": "2x2"}
    methods = [method(whole, "same", 30), method(whole, "other", 30, packing__grid=grids)]
    run_sweep(sweep_of(whole, *methods), store, second)
    assert second.count == {
        "extract": 1,  # of the third picture
        "code": 2 + 3 + 1,  # p4 of the first two; all of the third, and p4 once more
        "decode": 6 + 4,
        "analyse": 2 + 2,
        "analyse_uncompressed": 1,
    }
    assert not set(first.names) & {name for name in second.names if not name.endswith("-auto")}


def test_combinations_code_each_layer_once_a_grid(whole: Path, store: Store) -> None:
    """Rhee et al.'s Equation 1: the rate of each is that of coding it outright."""
    grids = ("1x1", "2x2")
    chosen = [(one, other) for one in grids for other in grids]
    methods = [
        method(whole, f"{one}_{other}", 30, 40, packing__grid={"p3": one, "p4": other, "default": "4x2"})
        for one, other in chosen
    ]
    here = Here()
    outcome = run_sweep(sweep_of(whole, *methods, pictures=2), store, here)
    assert here.count["code"] == 2 * 2 * (2 + 2 + 1)  # pictures, QPs, grids of p3, of p4, of p5
    assert here.count["analyse"] == 2 * 2 * 4
    assert here.count["decode"] == here.count["code"]
    assert here.count["extract"] == 2
    network = load_network("onnx", weights=whole / "small.onnx", **OPTIONS)
    for made in methods:
        assert isinstance(made, FeatureMethod)
        for qp in made.qps:
            for subject in outcome.subjects:
                file = io.BytesIO()
                encoder = Encoder(Configuration(changed(made.tree, {"codec.qp": qp})), file)
                encoder.encode(network.extract(read_picture(subject.file)))
                encoder.close()
                record = outcome.points[made.name, qp].records[subject.id]
                assert record["sha256"] == hashlib.sha256(file.getvalue()).hexdigest()
                assert made.bitstream(subject, qp, store) == file.getvalue()


def test_pictures_that_are_the_same(folder: Path, store: Store, workers: RunBatches) -> None:
    """A data set may have one twice, under other names: it is one picture's work, and two results."""
    shutil.copy(folder / "picture1.png", folder / "picture2.png")
    document = json.loads((folder / "data.json").read_text())
    document["images"][1].update(height=SIZES[0][0], width=SIZES[0][1])
    (folder / "data.json").write_text(json.dumps(document))
    sweep = sweep_of(folder, method(folder, "a", 30))
    here = Here()
    outcome = run_sweep(sweep, store, here)
    assert here.count["extract"] == 2
    assert max(here.names.values()) == 1
    records = outcome.points["a", 30].records
    assert len(records) == 3
    assert records[1] == records[2]
    with Store(folder / "other") as other:
        assert facts(run_sweep(sweep, other, workers)) == facts(outcome)


def test_the_order_of_pictures_is_the_data_sets(whole: Path, store: Store) -> None:
    sweep = sweep_of(whole, method(whole, "a", 30))
    turned = replace(sweep, items=list(sweep.items)[::-1])
    one = run_sweep(sweep, store, Here())
    other = run_sweep(turned, store, nowhere)
    assert one.points["a", 30].metrics == other.points["a", 30].metrics


# What metrics depend on


def test_labels(whole: Path, store: Store, tmp_path: Path) -> None:
    """Other labels are other metrics of the same results."""
    sweep = sweep_of(whole, method(whole, "a"))
    names = run_sweep(sweep, store, Here())
    table = tmp_path / "labels.csv"
    table.write_text("cat,dog\ndog,cat\n")
    swapped = run_sweep(replace(sweep, labels=str(table)), store, nowhere)
    assert swapped.uncompressed.metrics["AP"] < names.uncompressed.metrics["AP"]
    table.write_text("cat,cat\n")
    assert run_sweep(replace(sweep, labels=str(table)), store, nowhere).uncompressed == names.uncompressed


def test_other_annotations_are_measured_anew(folder: Path, store: Store) -> None:
    sweep = sweep_of(folder, method(folder, "a"))
    before = run_sweep(sweep, store, Here())
    document = json.loads((folder / "data.json").read_text())
    for annotation in document["annotations"]:
        annotation["bbox"][0] += 8
    (folder / "data.json").write_text(json.dumps(document))
    after = run_sweep(sweep_of(folder, method(folder, "a")), store, nowhere)
    assert after.uncompressed.metrics != before.uncompressed.metrics


def test_subjects_are_the_data_sets_pictures(whole: Path, store: Store) -> None:
    outcome = run_sweep(sweep_of(whole, pictures=2), store, Here())
    assert [(subject.id, subject.layers) for subject in outcome.subjects] == [(1, LAYERS), (2, LAYERS)]
    assert [(r["height"], r["width"]) for r in outcome.uncompressed.records.values()] == list(SIZES[:2])
    assert outcome.points == {}
    missing = replace(outcome.sweep, items=[Item(9, whole / "absent.png")])
    with pytest.raises(DatasetError, match=r"picture 9: .*absent.png: cannot be read"):
        run_sweep(missing, store, nowhere)


def test_one_file_under_two_ids(whole: Path, store: Store) -> None:
    """Its pixels would count twice."""
    sweep = sweep_of(whole)
    twice = replace(sweep, items=[*sweep.items, Item(9, whole / ".." / whole.name / "picture1.png")])
    with pytest.raises(DatasetError, match=r"pictures 1 and 9 are one file, .*picture1.png"):
        run_sweep(twice, store, nowhere)


def test_a_picture_of_another_size_than_its_annotations(whole: Path, store: Store) -> None:
    """Its result is right, and is not one of the data set's: with the annotations repaired, it is not made again."""
    sweep = sweep_of(whole, method(whole, "a"))
    items = [item._replace(size=item.size[::-1]) if item.id == 2 and item.size else item for item in sweep.items]
    outcome = run_sweep(replace(sweep, items=items), store, Here())
    (failure,) = outcome.uncompressed.failures
    assert (failure.image_id, failure.exit_code) == (2, 2)
    assert re.search(r"is 80x48\b.* its annotations are of .*48x80", failure.message)
    assert list(outcome.points["a", 32].records) == [1, 3]
    assert not run_sweep(sweep, store, nowhere).failures


def test_the_tree_is_what_it_was(whole: Path, store: Store) -> None:
    """A method's configuration is not changed by what is done with it."""
    made = method(whole, "a", codec__qp_offset=1)
    assert isinstance(made, FeatureMethod)
    before = json.dumps(made.tree)
    run_sweep(sweep_of(whole, made, pictures=1), store, Here())
    assert json.dumps(made.tree) == before
    assert TREE["codec"]["qp"] == 32
