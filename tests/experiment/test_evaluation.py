"""Evaluation: every source gives the same results, in any number of workers, stopped and gone on or not."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vcm_ref.network
from vcm_ref.configuration import Configuration
from vcm_ref.encoder import Encoder
from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.experiment import naming
from vcm_ref.experiment.evaluation import Drawing, Evaluation, evaluate, own_store
from vcm_ref.experiment.given_files import GivenBitstream, GivenBitstreams, GivenFeatures
from vcm_ref.experiment.method import FeatureMethod, Method, Uncompressed, Whole
from vcm_ref.experiment.records import Record
from vcm_ref.experiment.result_record import from_record, to_record
from vcm_ref.experiment.results import label_table, relabelled, write_results
from vcm_ref.experiment.stages.networks import network_of
from vcm_ref.experiment.sweep import no_progress
from vcm_ref.experiment.tasks import Task, TaskError
from vcm_ref.files.atomic import OutputError
from vcm_ref.files.feature_file import save_feature_file
from vcm_ref.inputs.source import read_picture
from vcm_ref.reporting.provenance import file_digest
from vcm_ref.task.classification import Classification
from vcm_ref.task.dataset import load_dataset
from vcm_ref.task.detections import Detections

from .small_sweep import Here
from .stub import CONFIGURATION, NETWORKS, PICTURES, SIZE, StubNetwork, write_pictures

pytest.importorskip("pycocotools", reason="pycocotools is not installed")

PIXELS = len(PICTURES) * SIZE[0] * SIZE[1]
CODED = FeatureMethod("pictures, coded", CONFIGURATION, (32,))


@pytest.fixture(autouse=True)
def _stub_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in NETWORKS.items():
        monkeypatch.setitem(vcm_ref.network.NETWORKS, name, entry)
    network_of.cache_clear()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write the pictures, and give the path of their annotations."""
    (tmp_path / "data").mkdir()
    return write_pictures(tmp_path / "data")


def request(data: Path, method: Method | None = None, network: str = "stub", **options: Any) -> Evaluation:
    """The evaluation of the pictures themselves, or of a method; ``options`` are its own and the network's."""
    own = {name: options.pop(name) for name in ("labels", "allow_missing") if name in options}
    return Evaluation(load_dataset(data), network, options, method or Uncompressed("pictures"), **own)


def evaluated(evaluation: Evaluation, output: Path, here: Here | None = None, **options: Any) -> Record:
    """Evaluate in this process."""
    with own_store(output) as store:
        begin = options.pop("begin", no_progress)
        document, seconds = evaluate(evaluation, output, store, here or Here(), begin, **options)
        assert all(value >= 0 for value in seconds.values())
        return document


def features(data: Path, folder: Path) -> GivenFeatures:
    return GivenFeatures("features", folder=folder, items=load_dataset(data).items)


def bitstreams(data: Path, path: Path) -> GivenBitstreams | GivenBitstream:
    items = load_dataset(data).items
    if path.is_dir():
        return GivenBitstreams("bitstreams", folder=path, items=items)
    return GivenBitstream("bitstream", path=path, items=items)


def files(output: Path) -> tuple[bytes, bytes]:
    """Give the two files that an evaluation leaves, which are all that it leaves."""
    found = sorted(path.name for path in output.parent.iterdir() if path.name.startswith(output.stem))
    assert found == [f"{output.stem}.detections.json", output.name]
    return output.read_bytes(), output.with_name(found[0]).read_bytes()


def test_pictures_to_metrics(data: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    document = evaluated(request(data), tmp_path / "r.json", begin=lambda found, total: seen.append)
    assert json.loads((tmp_path / "r.json").read_text()) == document
    assert document["metrics"]["AP"] == pytest.approx(1.0)
    assert document["pictures"] == {"data_set": 5, "evaluated": 5, "problems": 0}
    assert document["labels"] == {"by": "names", "classes": {"1": 1, "2": 2}}
    assert document["network"] == {"name": "stub", "masks": "False"}
    assert document["data"] == {"name": "instances", "sha256": load_dataset(data).digest()}
    assert document["versions"]["pycocotools"]
    assert "rate" not in document
    assert sum(seen) == 5
    _, detections = files(tmp_path / "r.json")
    assert hashlib.sha256(detections).hexdigest() == document["results"]["sha256"]
    found = json.loads(detections)
    x, y, width, height, label = PICTURES[0]
    assert found[0] == {"image_id": 10, "category_id": label, "bbox": [x, y, width, height], "score": 255 / 256}
    assert len(found) == document["results"]["count"] == 5


def test_the_results_file_is_cocos(data: Path, tmp_path: Path) -> None:
    import contextlib
    import io

    from pycocotools.coco import COCO

    evaluated(request(data, masks=True), tmp_path / "r.json")
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCO(data).loadRes(str(tmp_path / "r.detections.json"))
    for annotation, (x, y, width, height, _) in zip(found.dataset["annotations"], PICTURES, strict=True):
        mask = found.annToMask(annotation)
        assert mask[y : y + height, x : x + width].all()
        assert mask.sum() == width * height


def test_masks_are_measured(data: Path, tmp_path: Path) -> None:
    metrics = evaluated(request(data, masks=True), tmp_path / "r.json")["metrics"]
    assert metrics["mask_AP"] == pytest.approx(1.0)


def write_features(data: Path, folder: Path, name: Callable[[Any], str]) -> None:
    """Write a feature file for each picture, named by ``name`` of its item."""
    folder.mkdir()
    for item in load_dataset(data).items:
        with (folder / f"{name(item)}.npz").open("wb") as file:
            save_feature_file(file, ".npz", StubNetwork().extract(read_picture(item.path)))


def write_bitstreams(data: Path, folder: Path) -> None:
    """Write a bitstream for each picture, one of all, and the record that vcm_enc writes beside that."""
    folder.mkdir()
    features = {item: StubNetwork().extract(read_picture(item.path)) for item in load_dataset(data).items}
    for item, one in features.items():
        with (folder / f"{item.path.stem}.bin").open("w+b") as file:
            encoder = Encoder(Configuration(CONFIGURATION), file)
            encoder.encode(one)
            encoder.close()
    with (folder.parent / "all.bin").open("w+b") as file:
        encoder = Encoder(Configuration(CONFIGURATION), file)
        for one in reversed(features.values()):  # in another order than the data set's
            encoder.encode(one)
        encoder.close()
    record = {"pictures": [{"input": item.path.name} for item in reversed(features)]}
    (folder.parent / "all.bin.json").write_text(json.dumps(record))


def test_every_source_gives_the_same_metrics(data: Path, tmp_path: Path) -> None:
    write_features(data, tmp_path / "by_file", lambda item: item.path.stem)
    write_features(data, tmp_path / "by_id", lambda item: str(item.id))
    write_bitstreams(data, tmp_path / "bitstreams")
    methods = {
        "pictures": Uncompressed("pictures"),
        "pictures, unsplit network": Whole("pictures, unsplit network"),
        "features": features(data, tmp_path / "by_file"),
        "features again": features(data, tmp_path / "by_id"),
        "bitstreams": bitstreams(data, tmp_path / "bitstreams"),
        "bitstream": bitstreams(data, tmp_path / "all.bin"),
        "pictures, coded": CODED,
    }
    documents = {}
    for name, method in methods.items():
        documents[name] = evaluated(request(data, method), tmp_path / "r.json")
        assert documents[name]["source"]["kind"] == name.removesuffix(" again")
        assert documents[name]["metrics"] == documents["pictures"]["metrics"], name
        files(tmp_path / "r.json")
    rates = {name: document["rate"] for name, document in documents.items() if "rate" in document}
    assert set(rates) == {"bitstreams", "bitstream", "pictures, coded"}
    for rate in rates.values():
        assert rate["pixels"] == PIXELS
        assert rate["bpp"] == 8 * rate["bytes"] / PIXELS
        assert sum(rate["bits"].values()) == 8 * rate["bytes"]
    total = sum(path.stat().st_size for path in (tmp_path / "bitstreams").iterdir())
    assert rates["bitstreams"]["bytes"] == rates["pictures, coded"]["bytes"] == total
    assert rates["bitstreams"]["bits"] == rates["pictures, coded"]["bits"]
    assert rates["bitstream"]["bytes"] == (tmp_path / "all.bin").stat().st_size < total
    assert documents["bitstreams"]["source"]["sha256"] == documents["pictures, coded"]["source"]["sha256"]
    assert documents["pictures, coded"]["source"]["pictures_sha256"] == documents["pictures"]["source"]["sha256"]
    assert documents["pictures, coded"]["configuration"]["codec"] == CONFIGURATION["codec"]
    assert rates["pictures, coded"]["rhee2022_bpp"] > 0


class Interrupted(Here):
    """Is interrupted when it has analysed some pictures."""

    def __init__(self, after: int) -> None:
        super().__init__(self._interrupt)
        self._after = after

    def _interrupt(self, task: Task) -> None:
        if task.function.__name__.startswith("analyse"):
            if not self._after:
                raise KeyboardInterrupt
            self._after -= 1


def test_a_stopped_run_goes_on(data: Path, tmp_path: Path) -> None:
    """Nothing that was done is done again, and the files are those of a run that was not stopped."""
    evaluated(request(data), tmp_path / "straight.json")
    with pytest.raises(KeyboardInterrupt):
        evaluated(request(data), tmp_path / "r.json", Interrupted(2))
    assert not (tmp_path / "r.json").exists()
    assert (tmp_path / "r.json.store").is_dir()
    here, told = Here(), []
    evaluated(request(data), tmp_path / "r.json", here, begin=lambda *known: told.append(known) or (lambda done: None))
    assert here.count["analyse_uncompressed"] == 3
    assert told == [(2, 5)]
    straight, stopped = files(tmp_path / "straight.json"), files(tmp_path / "r.json")
    assert stopped[1] == straight[1]
    assert stopped[0] == straight[0].replace(b"straight.detections", b"r.detections")


def test_annotations_have_no_part_in_what_was_done(data: Path, tmp_path: Path) -> None:
    """A run that fails for its annotations goes on with the repaired ones."""
    whole = data.read_text()
    truth = json.loads(whole)
    del truth["annotations"][4]["area"]
    data.write_text(json.dumps(truth))
    with pytest.raises((DatasetError, KeyError)):
        evaluated(request(data), tmp_path / "r.json")
    data.write_text(whole)
    here = Here()
    assert evaluated(request(data), tmp_path / "r.json", here)["metrics"]["AP"] == pytest.approx(1.0)
    assert here.count["analyse_uncompressed"] in (0, 5)  # 5: the annotations were refused before anything was done


def test_code_has_a_part_in_what_was_done(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped run that is gone on with after an edit mixes nothing; nor does one of another network or method."""
    with pytest.raises(KeyboardInterrupt):
        evaluated(request(data), tmp_path / "r.json", Interrupted(2))
    real = naming.made_of
    for count, change in ((5, True), (3, False)):
        with monkeypatch.context() as patch:
            if change:
                patch.setattr(naming, "made_of", lambda *stage: f"edited {real(*stage)}")
            here = Here()
            shutil.copytree(tmp_path / "r.json.store", tmp_path / f"{count}.json.store")
            evaluated(request(data), tmp_path / f"{count}.json", here)
            assert here.count["analyse_uncompressed"] == count
    here = Here()
    evaluated(request(data, masks=True), tmp_path / "r.json", here)
    assert here.count["analyse_uncompressed"] == 5


def test_what_would_fail_at_the_end_fails_after_the_first_picture(data: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("bright,nothing\ngrey,nothing\n")
    here = Here()
    with pytest.raises(DatasetError, match="--labels"):
        evaluated(request(data, labels=str(tmp_path / "labels.csv")), tmp_path / "r.json", here)
    assert here.count["analyse_uncompressed"] == 1
    evaluated(request(data), tmp_path / "r.json", here)
    assert here.count["analyse_uncompressed"] == len(PICTURES)


def test_two_runs_with_one_output(tmp_path: Path) -> None:
    with own_store(tmp_path / "r.json") as store:
        with pytest.raises(OutputError, match=r"r.json.store: another run is using it"), own_store(tmp_path / "r.json"):
            pass
        assert store.is_empty()
    assert not list(tmp_path.iterdir())
    with own_store(tmp_path / "r.json"):
        pass


def test_another_size_than_the_annotations(data: Path, tmp_path: Path) -> None:
    """Refused at the first picture. Of the pictures themselves the data set finds it out when it is loaded."""
    write_features(data, tmp_path / "features", lambda item: item.path.stem)
    write_bitstreams(data, tmp_path / "bitstreams")
    evaluation = request(data)
    items = [item._replace(size=SIZE[::-1]) for item in evaluation.dataset.items]
    evaluation.dataset.items = items
    for method in (
        Uncompressed("pictures"),
        Whole("pictures, unsplit network"),
        CODED,
        features(data, tmp_path / "features"),
        bitstreams(data, tmp_path / "bitstreams"),
        bitstreams(data, tmp_path / "all.bin"),
    ):
        here = Here()
        with pytest.raises((DatasetError, TaskError), match=r"is 64x48\b.* its annotations are of .*48x64"):
            evaluated(replace(evaluation, method=method), tmp_path / "r.json", here)
        assert sum(here.count[name] for name in here.count if name.startswith("analyse")) == 1


def test_a_missing_picture(data: Path, tmp_path: Path) -> None:
    (data.parent / "picture2.png").unlink()
    with pytest.raises(DatasetError, match=r"picture 20: .*picture2.png: is missing; --allow-missing"):
        evaluated(request(data), tmp_path / "r.json")
    assert not list(tmp_path.glob("r.json*"))
    document = evaluated(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 5, "evaluated": 4, "problems": 1}
    assert "picture2.png" in document["problems"][0]
    assert document["metrics"]["AP"] == pytest.approx(1.0)


def test_an_unreadable_picture(data: Path, tmp_path: Path) -> None:
    (data.parent / "picture3.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"picture3.png: .*--allow-missing"):
        evaluated(request(data), tmp_path / "r.json")
    document = evaluated(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 5, "evaluated": 4, "problems": 1}
    assert "picture3.png" in document["problems"][0]


def test_an_annotation_without_its_picture(data: Path, tmp_path: Path) -> None:
    truth = json.loads(data.read_text())
    truth["images"].pop()
    data.write_text(json.dumps(truth))
    with pytest.raises(DatasetError, match="annotation 5: its picture 50"):
        evaluated(request(data), tmp_path / "r.json")
    document = evaluated(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 4, "evaluated": 4, "problems": 1}


def test_many_problems_are_counted(data: Path, tmp_path: Path) -> None:
    for path in data.parent.glob("*.png"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"picture1.*picture2.*picture3.*and 2 more"):
        evaluated(request(data), tmp_path / "r.json")
    with pytest.raises(DatasetError, match="no pictures"):
        evaluated(request(data, allow_missing=True), tmp_path / "r.json")


def test_features_in_all_formats_that_vcm_enc_reads(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of one array has its picture's name and its layer's; one without a size has the data set's."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    (tmp_path / "features").mkdir()
    for number, item in enumerate(load_dataset(data).items):
        layer = StubNetwork().extract(read_picture(item.path)).layers["p2"]
        if number % 2:
            np.save(tmp_path / f"features/{item.path.stem}.p2.npy", layer)
        else:
            torch.save({"p2": torch.from_numpy(layer)}, tmp_path / f"features/{item.path.stem}.pt")
    document = evaluated(request(data, features(data, tmp_path / "features")), tmp_path / "r.json")
    assert document["metrics"]["AP"] == pytest.approx(1.0)
    items = [item._replace(size=None) for item in load_dataset(data).items]
    unsized = replace(request(data, GivenFeatures("features", folder=tmp_path / "features", items=items)))
    unsized.dataset.items[:] = items
    with pytest.raises(DatasetError, match=r"picture1.pt: does not say the picture's size; save its layers as"):
        evaluated(unsized, tmp_path / "s.json")


def test_missing_features_and_bitstreams(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    (tmp_path / "bitstreams" / "picture4.bin").unlink()
    for path in data.parent.glob("*.png"):
        path.unlink()  # nobody needs them
    with pytest.raises(DatasetError, match=r"picture 10: .* has no features named picture1 or 10"):
        evaluated(request(data, features(data, tmp_path / "bitstreams")), tmp_path / "r.json")
    method = bitstreams(data, tmp_path / "bitstreams")
    with pytest.raises(DatasetError, match=r"^picture 40: .* has no bitstream named picture4 or 40"):
        evaluated(request(data, method), tmp_path / "r.json")
    document = evaluated(request(data, method, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"]["evaluated"] == 4
    assert document["rate"]["pixels"] == PIXELS * 4 // 5


def test_features_in_files_of_torch(data: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    (tmp_path / "features").mkdir()
    for item in load_dataset(data).items:
        found = StubNetwork().extract(read_picture(item.path))
        layers = {name: torch.from_numpy(layer) for name, layer in found.layers.items()}
        size = {"picture_height": found.height, "picture_width": found.width}
        torch.save({**layers, **size}, tmp_path / "features" / f"{item.path.stem}.pt")
    method = features(data, tmp_path / "features")
    assert evaluated(request(data, method), tmp_path / "r.json")["metrics"]["AP"] == pytest.approx(1.0)


def test_a_damaged_bitstream_is_named(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    damaged = tmp_path / "bitstreams" / "picture2.bin"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    method = bitstreams(data, tmp_path / "bitstreams")
    with pytest.raises(TaskError, match=r"^picture 20 \(picture2.png\): .*\(bit \d+, clause") as caught:
        evaluated(request(data, method, allow_missing=True), tmp_path / "r.json")
    assert caught.value.exit_code == 10


def test_one_bitstream_needs_its_record_and_no_other_pictures(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    truth = json.loads(data.read_text())
    truth["images"].pop()
    truth["annotations"].pop()
    data.write_text(json.dumps(truth))
    method = bitstreams(data, tmp_path / "all.bin")
    with pytest.raises(DatasetError, match=r"picture5.png: is not in the data set"):
        evaluated(request(data, method), tmp_path / "r.json")
    (tmp_path / "all.bin.json").unlink()
    with pytest.raises(DatasetError, match=r"all\.bin\.json: cannot be read"):
        evaluated(request(data, bitstreams(data, tmp_path / "all.bin")), tmp_path / "r.json")


def test_a_record_of_another_bitstream(data: Path, tmp_path: Path) -> None:
    """It is no record of which picture is which."""
    write_bitstreams(data, tmp_path / "bitstreams")
    record = json.loads((tmp_path / "all.bin.json").read_text())
    for sha256, fits in ((file_digest(tmp_path / "all.bin"), True), ("0" * 64, False)):
        (tmp_path / "all.bin.json").write_text(json.dumps({**record, "bitstream": {"sha256": sha256}}))
        method = bitstreams(data, tmp_path / "all.bin")
        if fits:
            assert method.missing(load_dataset(data).items) == {}
        else:
            with pytest.raises(DatasetError, match="belongs to another bitstream"):
                method.missing(load_dataset(data).items)
    record["pictures"].pop()
    (tmp_path / "all.bin.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="has 5 pictures, its record 4"):
        bitstreams(data, tmp_path / "all.bin").missing(load_dataset(data).items)


def test_a_network_that_gives_no_number_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"picture \d+ .*scores are not all finite"):
        evaluated(request(data, network="broken", allow_missing=True), tmp_path / "r.json")


def test_drawn_pictures(data: Path, tmp_path: Path) -> None:
    evaluated(request(data, masks=True), tmp_path / "r.json", drawing=Drawing(tmp_path / "drawn", 0.5))
    drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert drawn == [f"picture{number}.png" for number in range(1, 6)]
    with Image.open(tmp_path / "drawn" / "picture3.png") as picture:
        samples = np.asarray(picture)
    assert samples.shape == (*SIZE, 3)
    assert len(np.unique(samples[36:44, 40:60].reshape(-1, 3), axis=0)) == 1
    assert tuple(samples[40, 50]) not in ((0, 0, 0), (255, 255, 255))  # tinted by the mask
    with pytest.raises(OutputError, match="exists already"):
        evaluated(request(data), tmp_path / "r.json", drawing=Drawing(tmp_path / "drawn", 0.5))


def test_an_output_that_cannot_be_written_is_an_error_at_once(data: Path, tmp_path: Path) -> None:
    here = Here()
    with pytest.raises(OutputError, match="cannot be"):
        evaluated(request(data), data / "r.json", here)
    assert not here.count


def test_a_classifier(data: Path, tmp_path: Path) -> None:
    for number, (*_, label) in enumerate(PICTURES, start=1):
        folder = tmp_path / "classes" / ("a bright", "b grey")[label - 1]
        folder.mkdir(parents=True, exist_ok=True)
        (data.parent / f"picture{number}.png").rename(folder / f"{number}.png")
    (tmp_path / "classes" / "c green").mkdir()
    documents = [
        evaluated(request(tmp_path / "classes", method, "classifying"), tmp_path / "r.json")
        for method in (Uncompressed("pictures"), CODED)
    ]
    for document in documents:
        assert document["metrics"]["top1"] == pytest.approx(3 / 5)  # grey is 128/255, nearer to white
        assert document["metrics"]["top5"] == 1.0
        assert document["labels"]["classes"] == {}
    assert documents[0]["data"]["name"] == "classes"
    first = json.loads((tmp_path / "r.detections.json").read_text())[0]
    assert first == {"image_id": "a bright/1.png", "category_id": [0, 1, 2]}
    with pytest.raises(DatasetError, match="nothing to draw"):
        evaluated(
            request(tmp_path / "classes", network="classifying"),
            tmp_path / "r.json",
            drawing=Drawing(tmp_path / "drawn", 0.5),
        )
    with pytest.raises(DatasetError, match="the network detects"):
        evaluated(request(tmp_path / "classes", labels="ids"), tmp_path / "s.json")


def test_openimages(data: Path, tmp_path: Path) -> None:
    boxes, labels = ["ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf"], ["ImageID,LabelName,Confidence"]
    for number, (x, y, width, height, label) in enumerate(PICTURES, start=1):
        shares = f"{x / SIZE[1]},{(x + width) / SIZE[1]},{y / SIZE[0]},{(y + height) / SIZE[0]}"
        boxes.append(f"picture{number},{('Bright', 'Grey')[label - 1]},{shares},0")
        labels.append(f"picture{number},{('Bright', 'Grey')[label - 1]},1")
    (data.parent / "boxes.csv").write_text("\n".join(boxes))
    (data.parent / "labels.csv").write_text("\n".join(labels))
    (data.parent / "set.yaml").write_text("kind: openimages\nimages: .\nboxes: boxes.csv\nlabels: labels.csv\n")
    document = evaluated(request(data.parent / "set.yaml"), tmp_path / "r.json")
    assert document["metrics"] == {"mAP50": 1.0, "classes": 2, "AP50/Bright": 1.0, "AP50/Grey": 1.0}
    first = json.loads((tmp_path / "r.detections.json").read_text())[0]
    assert first["image_id"] == "picture1"


# Labels


def test_label_tables() -> None:
    network, classes = {5: "Cell phone", 7: "dog", 8: "axe"}, {1: "person", 44: "cell_phone", 50: "Dog"}
    assert label_table("names", network, classes) == {5: 44, 7: 50}
    numbered = {1: "n1", 2: "n2"}
    assert label_table("ids", numbered, classes) == {1: 1, 44: 44, 50: 50}
    assert label_table("from0", numbered, classes) == {0: 1, 1: 44, 2: 50}
    assert label_table("from1", numbered, classes) == {1: 1, 2: 44, 3: 50}
    with pytest.raises(DatasetError, match="--labels"):
        label_table("names", {1: "tv"}, classes)


@pytest.mark.parametrize("labels", ["ids", "from0", "from1"])
def test_numbers_that_no_label_has_are_refused(labels: str) -> None:
    with pytest.raises(DatasetError, match=rf"--labels {labels}: none of the network's labels, 5 to 8, is a class"):
        label_table(labels, {5: "cat", 8: "dog"}, {1: "cat", 2: "dog"})


@pytest.mark.parametrize(
    ("labels", "first", "told"),
    [
        ("ids", 0, 'label 1 is "dog" and would become class 1, "cat"; class 2'),
        ("from0", 1, 'label 1 is "cat" and would become class 2, "dog"; class 1'),
        ("from1", 0, 'label 1 is "dog" and would become class 1, "cat"; class 2'),
    ],
)
def test_numbers_that_contradict_names_are_refused(labels: str, first: int, told: str) -> None:
    network = dict(enumerate(["cat", "dog", "cow"], start=first))
    with pytest.raises(DatasetError, match=rf"--labels {labels}: the network's {told} of the data set has its name"):
        label_table(labels, network, {1: "cat", 2: "dog"})


def test_label_table_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("axe,person\n")
    network, classes = {7: "dog", 8: "axe"}, {1: "Person", 50: "dog"}
    assert label_table(str(tmp_path / "names.csv"), network, classes) == {7: 50, 8: 1}
    (tmp_path / "names.csv").write_text("axe\n")
    with pytest.raises(ConfigError, match="'axe'"):
        label_table(str(tmp_path / "names.csv"), network, classes)
    with pytest.raises(ConfigError, match="must be one of names, ids"):
        label_table("name", network, classes)


def test_labels_that_count_from_another_number(data: Path, tmp_path: Path) -> None:
    document = evaluated(request(data, network="counting", offset=-1, labels="from0"), tmp_path / "r.json")
    assert document["metrics"]["AP"] == pytest.approx(1.0)
    document = evaluated(request(data, offset=-1), tmp_path / "r.json")  # label 0 has no name
    assert document["results"]["count"] == 2


def test_relabelled_leaves_out_what_has_no_label() -> None:
    masks = np.array([True, False, True]).reshape(3, 1, 1)
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.array([3, 1, 2]), masks)
    kept = relabelled(found, {3: 30, 2: 20})
    assert kept.labels.tolist() == [30, 20]
    assert kept.boxes.tolist() == boxes[[0, 2]].tolist()
    assert kept.masks is not None
    assert kept.masks.tolist() == masks[[0, 2]].tolist()
    assert len(relabelled(replace(found, masks=None), {})) == 0


# Records


def test_records_come_back_to_the_bit() -> None:
    draw = np.random.default_rng(1)
    logits = draw.standard_normal(50).astype(np.float32)
    record = json.loads(json.dumps(to_record(Classification(logits))))
    again = from_record(record)
    assert isinstance(again, Classification)
    assert again.logits.tobytes() == logits.tobytes()
    for masks in (None, draw.random((4, 9, 7)) > 0.5):
        boxes, scores = draw.random((4, 4)).astype(np.float32), draw.random(4).astype(np.float32)
        found = Detections(boxes, scores, np.array([1, 2, 3, 90]), masks)
        back = from_record(json.loads(json.dumps(to_record(found))))
        assert isinstance(back, Detections)
        assert back.boxes.tobytes() == boxes.tobytes()
        assert back.scores.tobytes() == scores.tobytes()
        assert back.labels.tolist() == [1, 2, 3, 90]
        assert (back.masks is None) if masks is None else np.array_equal(back.masks, masks)  # type: ignore[arg-type]
    nothing = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros((0, 9, 7), np.bool_)
    )
    back = from_record(json.loads(json.dumps(to_record(nothing))))
    assert isinstance(back, Detections)
    assert back.boxes.shape == (0, 4)
    assert back.masks is not None
    assert back.masks.shape == (0, 9, 7)


def test_classes_are_written_best_first(tmp_path: Path) -> None:
    results = {"b/x.png": Classification(np.array([0, 3, 3, 1, 2, 9, 0], np.float32))}
    with (tmp_path / "c.json").open("w+b") as file:
        assert write_results(file, results) == 1  # type: ignore[arg-type]
    assert json.loads((tmp_path / "c.json").read_text()) == [{"image_id": "b/x.png", "category_id": [5, 1, 2, 4, 3]}]
    with (tmp_path / "c.json").open("w+b") as file:
        assert write_results(file, {}) == 0
    assert json.loads((tmp_path / "c.json").read_text()) == []
