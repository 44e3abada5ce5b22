"""Evaluation: every source gives the same results, in any number of workers, stopped and gone on or not."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vcm_ref.errors import DatasetError
from vcm_ref.experiment import naming
from vcm_ref.experiment.evaluation import Drawing, own_store
from vcm_ref.experiment.given_files import GivenFeatures
from vcm_ref.experiment.method import Uncompressed, Whole
from vcm_ref.experiment.tasks import Task
from vcm_ref.files.atomic import OutputError
from vcm_ref.inputs.source import read_picture
from vcm_ref.task.dataset import load_dataset

from .evaluations import (
    CODED,
    PIXELS,
    bitstreams,
    evaluated,
    features,
    files,
    request,
    write_bitstreams,
    write_features,
)
from .small_sweep import Here
from .stub import CONFIGURATION, PICTURES, SIZE, StubNetwork

pytest.importorskip("pycocotools", reason="pycocotools is not installed")


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


def test_labels_that_count_from_another_number(data: Path, tmp_path: Path) -> None:
    document = evaluated(request(data, network="counting", offset=-1, labels="from0"), tmp_path / "r.json")
    assert document["metrics"]["AP"] == pytest.approx(1.0)
    document = evaluated(request(data, offset=-1), tmp_path / "r.json")  # label 0 has no name
    assert document["results"]["count"] == 2
