"""Sweeps: what is measured is what coding outright gives; nothing is done twice; what fails is tried again."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("pycocotools", reason="pycocotools is not installed")

from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.configuration import Configuration
from vcm_ref.encoder import Encoder
from vcm_ref.errors import CodecError, DatasetError
from vcm_ref.experiment.anchor import rate
from vcm_ref.experiment.evaluation import Evaluation, evaluate
from vcm_ref.experiment.machines import machines
from vcm_ref.experiment.method import FeatureMethod, Method, Uncompressed
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import Outcome, run_sweep
from vcm_ref.experiment.tasks import RunBatches, Task, TaskError
from vcm_ref.files.atomic import OutputError
from vcm_ref.inputs.source import read_picture
from vcm_ref.network import load_network
from vcm_ref.task.dataset import Item, load_dataset

from .small_sweep import LAYERS, OPTIONS, SIZES, TREE, Here, changed, method, nowhere, sweep_of, write_all


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data, which no test changes."""
    return write_all(tmp_path_factory.mktemp("sweep") / "data").parent


@pytest.fixture(scope="module")
def workers() -> Iterator[RunBatches]:
    """Two workers."""
    with machines(2) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data, for a test to change."""
    return write_all(tmp_path / "data").parent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as made:
        yield made


def facts(outcome: Outcome) -> dict[str, Any]:
    """All but seconds."""

    def plain(measured: Any) -> Any:
        records = {key: {k: v for k, v in record.items() if k != "seconds"} for key, record in measured.records.items()}
        return measured.metrics, records, measured.failures

    return {
        "uncompressed": plain(outcome.uncompressed),
        **{f"{name} {qp}": plain(found) for (name, qp), found in outcome.points.items()},
    }


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


# What fails


def spoiled(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])


def test_a_damaged_picture(folder: Path, store: Store) -> None:
    """Its results fail, each with why; the rest goes on, and with the picture mended, only it is done."""
    whole_picture = (folder / "picture2.png").read_bytes()
    spoiled(folder, "picture2.png")
    sweep = sweep_of(folder, method(folder, "a", 30, 31))
    outcome = run_sweep(sweep, store, Here())
    for measured in (outcome.uncompressed, *outcome.points.values()):
        assert list(measured.records) == [1, 3]
        (failure,) = measured.failures
        assert (failure.image_id, failure.exit_code) == (2, 2)
        assert failure.message.startswith("picture2.png: ")
    assert len(outcome.failures) == 2
    assert outcome.points["a", 30].metrics["AP"] > 0.9
    (folder / "picture2.png").write_bytes(whole_picture)
    here = Here()
    outcome = run_sweep(sweep_of(folder, method(folder, "a", 30, 31)), store, here)
    assert here.count["extract"] == 1
    assert here.count["analyse"] == 2
    assert not outcome.failures
    assert not outcome.uncompressed.failures


def test_only_damaged_pictures(folder: Path, store: Store) -> None:
    for number in (1, 2, 3):
        spoiled(folder, f"picture{number}.png")
    with pytest.raises(DatasetError, match=r"^no picture could be analysed: picture1.png: "):
        run_sweep(sweep_of(folder, method(folder, "a")), store, Here())


def test_a_picture_that_vanishes(folder: Path, store: Store) -> None:
    sweep = sweep_of(folder, method(folder, "a"))
    (folder / "picture3.png").unlink()
    with pytest.raises(DatasetError, match=r"^picture 3: .*picture3.png: cannot be read: No such file"):
        run_sweep(sweep, store, Here())


def test_the_network_cannot_be_loaded(folder: Path, store: Store) -> None:
    (folder / "small.onnx").write_bytes(b"no model")
    with pytest.raises(TaskError, match=r"small.onnx: not an ONNX model"):
        run_sweep(sweep_of(folder, method(folder, "a")), store, Here())


def test_one_layer_of_one_method_fails(whole: Path, store: Store) -> None:
    """Only the points that need it fail; the next run does what is missing and nothing else."""
    methods = [method(whole, "a", 30), method(whole, "b", 30, packing__grid={"p4": "1x1", "default": "2x2"})]
    sweep = sweep_of(whole, *methods)

    def spoil(task: Task) -> None:
        if task.function.__name__ == "code" and task.arguments[2]["packing"]["grid"] == "1x1":
            raise TaskError(13, "the codec failed")

    outcome = run_sweep(sweep, store, Here(spoil))
    assert not outcome.points["a", 30].failures
    assert [failure.message for failure in outcome.points["b", 30].failures] == ["the codec failed"] * 3
    assert outcome.points["b", 30].metrics == {}
    here = Here()
    assert not run_sweep(sweep, store, here).failures
    assert here.count == {"code": 3, "decode": 9, "analyse": 3}


def script(folder: Path, body: str) -> Path:
    """An ffmpeg that does ``body`` first when it is to code or decode."""
    path = folder / "ffmpeg"
    real = shlex.quote(find_ffmpeg())
    path.write_text(f'#!/bin/sh\ncase "$*" in *pipe:0*) {body};; esac\nexec {real} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("body", "limit", "message"),
    [
        ("echo I crash >&2; exit 3", 600, "failed with exit code 3: I crash"),
        ("exec sleep 600", 1, "did not finish within 1 s"),
    ],
)
def test_a_codec_that_crashes_or_hangs_on_one_picture(
    whole: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, limit: int, message: str
) -> None:
    """The fifth layer of nine. The mended one fills in what is missing."""
    here = Here()
    made = method(whole, "a", 45, codec__name="vvenc", codec__time_limit=limit, packing__grid="4x2")
    sweep = sweep_of(whole, made)
    with monkeypatch.context() as patch:
        count = tmp_path / "count"
        number = f"n=$(cat {count} 2>/dev/null || echo 0); echo $((n+1)) >{count}"
        fifth = f'case "$*" in *libvvenc*) {number}; if [ $n = 4 ]; then {body}; fi;; esac'
        patch.setenv("VCM_FFMPEG", str(script(tmp_path, fifth)))
        outcome = run_sweep(sweep, store, here)
    (failure,) = outcome.points["a", 45].failures
    assert (failure.image_id, failure.exit_code) == (2, 13)
    assert message in failure.message
    assert list(outcome.points["a", 45].records) == [1, 3]
    mended = Here()
    again = run_sweep(sweep, store, mended)
    assert mended.count == {"code": 1, "decode": 3, "analyse": 1}
    assert not again.failures
    assert list(again.points["a", 45].records) == [1, 2, 3]


def test_no_codec_at_all(whole: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before anything is done."""
    monkeypatch.setenv("VCM_FFMPEG", "absent")
    made = method(whole, "a", codec__name="vvenc", codec__preset="slow")
    with pytest.raises(CodecError, match="VCM_FFMPEG names absent"):
        run_sweep(
            sweep_of(whole, made), store, Here(lambda task: pytest.fail() if task.function.__name__ == "code" else None)
        )


def test_a_store_that_cannot_be_written(whole: Path, tmp_path: Path) -> None:
    """The error ends the sweep, and what was stored before it is there."""

    class Full(Store):
        left = 5

        def add(self, name: str, result: Any) -> None:
            self.left -= 1
            if not self.left:
                raise OutputError("the store is full")
            super().add(name, result)

    sweep = sweep_of(whole, method(whole, "a"))
    with Full(tmp_path / "store") as full, pytest.raises(OutputError, match="the store is full"):
        run_sweep(sweep, full, Here())
    here = Here()
    with Store(tmp_path / "store") as store:
        assert not run_sweep(sweep, store, here).failures
    assert 0 < here.count["code"] < 9


def test_interrupted_anywhere_the_next_run_goes_on(whole: Path, tmp_path: Path) -> None:
    """Nothing that was stored is done again, wherever it stops."""
    sweep = sweep_of(whole, method(whole, "a", 30), pictures=1)
    everything = Here()
    with Store(tmp_path / "whole") as store:
        expected = facts(run_sweep(sweep, store, everything))
    total = sum(everything.count.values())
    for stop in range(total):
        left = stop

        def spoil(task: Task) -> None:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1

        with Store(tmp_path / f"store{stop}") as store:
            first, second = Here(spoil), Here()
            with pytest.raises(KeyboardInterrupt):
                run_sweep(sweep, store, first)
            stored = {name for (name,) in store._database.execute("SELECT name FROM results")}
            assert facts(run_sweep(sweep, store, second)) == expected
            assert not stored & set(second.names)


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
