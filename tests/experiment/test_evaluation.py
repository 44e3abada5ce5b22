"""Evaluation: every source gives the same results, in any number of workers, stopped and gone on or not."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vcm_ref.atomic import OutputError
from vcm_ref.configuration import Configuration
from vcm_ref.encoder import Encoder
from vcm_ref.errors import BitstreamError, ConfigError, DatasetError, NetworkError
from vcm_ref.experiment.evaluation import Evaluation, evaluate
from vcm_ref.experiment.journal import Journal, from_record, to_record
from vcm_ref.experiment.results import label_table, relabelled, write_results
from vcm_ref.experiment.sources import Coded, Features, Pictures, bitstreams
from vcm_ref.feature_file import save_feature_file
from vcm_ref.source import read_picture
from vcm_ref.task.classification import Classification
from vcm_ref.task.dataset import load_dataset
from vcm_ref.task.detections import Detections

from .stub import (
    CONFIGURATION,
    PICTURES,
    SIZE,
    AwaitedNetwork,
    BrokenNetwork,
    ClassifyingNetwork,
    CountingNetwork,
    StubNetwork,
    write_pictures,
)

pytest.importorskip("pycocotools", reason="pycocotools is not installed")

PIXELS = len(PICTURES) * SIZE[0] * SIZE[1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write the pictures, and give the path of their annotations."""
    (tmp_path / "data").mkdir()
    return write_pictures(tmp_path / "data")


def request(data: Path, make_network: Callable[[], Any] = StubNetwork, **options: Any) -> Evaluation:
    """Give the evaluation of the pictures themselves, but for ``options``."""
    options.setdefault("source", Pictures())
    return Evaluation(load_dataset(data), "stub", make_network, **options)


def files(output: Path) -> tuple[bytes, bytes]:
    """Give the two files that an evaluation leaves, which are all that it leaves."""
    found = sorted(path.name for path in output.parent.iterdir() if path.name.startswith(output.stem))
    assert found == [f"{output.stem}.detections.json", output.name]
    return output.read_bytes(), output.with_name(found[0]).read_bytes()


def test_pictures_to_metrics(data: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    document = evaluate(request(data), tmp_path / "r.json", seen.append)
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

    evaluate(request(data, partial(StubNetwork, masks=True)), tmp_path / "r.json")
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCO(data).loadRes(str(tmp_path / "r.detections.json"))
    for annotation, (x, y, width, height, _) in zip(found.dataset["annotations"], PICTURES, strict=True):
        mask = found.annToMask(annotation)
        assert mask[y : y + height, x : x + width].all()
        assert mask.sum() == width * height


def test_masks_are_measured(data: Path, tmp_path: Path) -> None:
    metrics = evaluate(request(data, partial(StubNetwork, masks=True)), tmp_path / "r.json")["metrics"]
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
    sources = {
        "pictures": Pictures(),
        "pictures, unsplit network": Pictures(whole=True),
        "features": Features(tmp_path / "by_file"),
        "features again": Features(tmp_path / "by_id"),
        "bitstreams": bitstreams(tmp_path / "bitstreams"),
        "bitstream": bitstreams(tmp_path / "all.bin"),
        "pictures, coded": Coded(CONFIGURATION),
    }
    documents = {}
    for name, source in sources.items():
        documents[name] = evaluate(request(data, source=source), tmp_path / "r.json")
        assert documents[name]["source"]["kind"] == name.removesuffix(" again")
        assert documents[name]["metrics"] == documents["pictures"]["metrics"], name
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
    assert rates["pictures, coded"]["seed_bpp"] > 0


@pytest.mark.parametrize("source", [Pictures(), Coded(CONFIGURATION)])
def test_workers_change_nothing(data: Path, tmp_path: Path, source: Any) -> None:
    evaluate(request(data, source=source), tmp_path / "one.json")
    evaluate(request(data, source=source, workers=2), tmp_path / "two.json")
    one, two = files(tmp_path / "one.json"), files(tmp_path / "two.json")
    assert one[1] == two[1]
    assert one[0] == two[0].replace(b"two.detections", b"one.detections")


def test_workers_share_one_bitstream(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    document = evaluate(request(data, source=bitstreams(tmp_path / "all.bin"), workers=2), tmp_path / "r.json")
    assert document["metrics"]["AP"] == pytest.approx(1.0)


def test_workers_load_the_network_at_the_same_time(data: Path, tmp_path: Path) -> None:
    (tmp_path / "loading").mkdir()
    document = evaluate(request(data, partial(AwaitedNetwork, tmp_path / "loading", 2), workers=2), tmp_path / "r.json")
    assert document["pictures"]["evaluated"] == len(PICTURES)


def test_a_stopped_run_goes_on(data: Path, tmp_path: Path) -> None:
    evaluate(request(data, CountingNetwork), tmp_path / "straight.json")
    with pytest.raises(KeyboardInterrupt):
        evaluate(request(data, partial(CountingNetwork, 2)), tmp_path / "r.json")
    journal = tmp_path / "r.json.journal"
    assert len(journal.read_bytes().splitlines()) == 1 + 2
    assert not (tmp_path / "r.json").exists()
    network = CountingNetwork()
    evaluate(request(data, lambda: network), tmp_path / "r.json")
    assert network.count == 3
    straight, stopped = files(tmp_path / "straight.json"), files(tmp_path / "r.json")
    assert stopped[1] == straight[1]
    assert stopped[0] == straight[0].replace(b"straight.detections", b"r.detections")


def test_what_would_fail_at_the_end_fails_after_the_first_picture(data: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("bright,nothing\ngrey,nothing\n")
    network = CountingNetwork()
    with pytest.raises(DatasetError, match="--labels"):
        evaluate(request(data, lambda: network, labels=str(tmp_path / "labels.csv")), tmp_path / "r.json")
    assert network.count == 1
    evaluate(request(data, lambda: network), tmp_path / "r.json")
    assert network.count == len(PICTURES)


def test_an_interrupt_ends_the_workers_and_leaves_the_journal(data: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from experiment.test_evaluation import *; "
        "from experiment.stub import StuckNetwork; "
        "evaluate(request(Path(sys.argv[1]), StuckNetwork, workers=2), Path(sys.argv[2]))"
    )
    journal, environment = tmp_path / "r.json.journal", {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", code, str(data), str(tmp_path / "r.json")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 2):
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
            _, told = process.communicate(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert told.decode().rstrip().endswith("KeyboardInterrupt")
    assert journal.read_bytes().count(b"\n") == 2
    network = CountingNetwork()
    request_again = replace(request(data), make_network=lambda: network)
    assert evaluate(request_again, tmp_path / "r.json")["metrics"]["AP"] == pytest.approx(1.0)
    assert network.count == len(PICTURES) - 1


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_what_a_crash_left_of_a_line_is_dropped(data: Path, tmp_path: Path, cut: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(request(data, partial(CountingNetwork, 3)), tmp_path / "r.json")
    journal = tmp_path / "r.json.journal"
    journal.write_bytes(journal.read_bytes()[:-cut])
    network = CountingNetwork()
    document = evaluate(request(data, lambda: network), tmp_path / "r.json")
    assert network.count == 3
    assert document["metrics"]["AP"] == pytest.approx(1.0)
    files(tmp_path / "r.json")


def test_a_journal_torn_in_its_first_line_begins_again(data: Path, tmp_path: Path) -> None:
    (tmp_path / "r.json.journal").write_bytes(b'{"key": "12')
    assert evaluate(request(data), tmp_path / "r.json")["pictures"]["evaluated"] == 5


def test_a_journal_of_another_run_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(request(data, partial(CountingNetwork, 2)), tmp_path / "r.json")
    before = (tmp_path / "r.json.journal").read_bytes()
    for other in (
        request(data, partial(StubNetwork, masks=True)),
        request(data, source=Pictures(whole=True)),
        request(data, source=Coded(CONFIGURATION)),
    ):
        with pytest.raises(ConfigError, match="journal of another run"):
            evaluate(other, tmp_path / "r.json")
    assert (tmp_path / "r.json.journal").read_bytes() == before
    # Labels make no difference to what is in the journal, nor does the number of workers.
    evaluate(request(data, labels="from1", workers=2), tmp_path / "r.json")


def test_a_journal_in_use_is_refused(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j", "key")
    with pytest.raises(ConfigError, match="another run is writing"):
        Journal(tmp_path / "j", "key")
    first.close()
    Journal(tmp_path / "j", "key").close()


def test_the_coding_is_part_of_the_key_but_not_the_machine(data: Path) -> None:
    def described(**codec: Any) -> Any:
        tree = {**CONFIGURATION, "codec": {**CONFIGURATION["codec"], **codec}}  # type: ignore[dict-item]
        return Coded(tree).describe(load_dataset(data).items)

    assert described(threads=2, time_limit=9) == described()
    assert described(qp=33) != described()


def test_a_missing_picture(data: Path, tmp_path: Path) -> None:
    (data.parent / "picture2.png").unlink()
    with pytest.raises(DatasetError, match=r"picture 20: .*picture2.png: is missing; --allow-missing"):
        evaluate(request(data), tmp_path / "r.json")
    assert not list(tmp_path.glob("r.json*"))
    document = evaluate(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 5, "evaluated": 4, "problems": 1}
    assert "picture2.png" in document["problems"][0]
    assert document["metrics"]["AP"] == pytest.approx(1.0)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unreadable_picture(data: Path, tmp_path: Path, workers: int) -> None:
    (data.parent / "picture3.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"picture3.png: is no readable picture.*--allow-missing"):
        evaluate(request(data, workers=workers), tmp_path / "r.json")
    document = evaluate(request(data, workers=workers, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 5, "evaluated": 4, "problems": 1}
    assert "picture3.png" in document["problems"][0]


def test_an_annotation_without_its_picture(data: Path, tmp_path: Path) -> None:
    truth = json.loads(data.read_text())
    truth["images"].pop()
    data.write_text(json.dumps(truth))
    with pytest.raises(DatasetError, match="annotation 5: its picture 50"):
        evaluate(request(data), tmp_path / "r.json")
    document = evaluate(request(data, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"] == {"data_set": 4, "evaluated": 4, "problems": 1}


def test_many_problems_are_counted(data: Path, tmp_path: Path) -> None:
    for path in data.parent.glob("*.png"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"picture1.*picture2.*picture3.*and 2 more"):
        evaluate(request(data), tmp_path / "r.json")
    with pytest.raises(DatasetError, match="no pictures"):
        evaluate(request(data, allow_missing=True), tmp_path / "r.json")


def test_missing_features_and_bitstreams(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    (tmp_path / "bitstreams" / "picture4.bin").unlink()
    for path in data.parent.glob("*.png"):
        path.unlink()  # nobody needs them
    with pytest.raises(DatasetError, match=r"picture 10: .* has no features named picture1 or 10"):
        evaluate(request(data, source=Features(tmp_path / "bitstreams")), tmp_path / "r.json")
    source = bitstreams(tmp_path / "bitstreams")
    with pytest.raises(DatasetError, match=r"^picture 40: .* has no bitstream named picture4 or 40"):
        evaluate(request(data, source=source), tmp_path / "r.json")
    document = evaluate(request(data, source=source, allow_missing=True), tmp_path / "r.json")
    assert document["pictures"]["evaluated"] == 4
    assert document["rate"]["pixels"] == PIXELS * 4 // 5


def test_a_name_of_another_picture_is_not_taken_for_an_id(data: Path, tmp_path: Path) -> None:
    """Pictures 10 to 50 are the files 20.png to 60.png; what is coded of picture 10, and so is 20.bin, is not 20's."""
    document = json.loads(data.read_text())
    for image in document["images"]:
        image["file_name"] = f"{image['id'] + 10}.png"
    data.write_text(json.dumps(document))
    items = load_dataset(data).items
    coded = [f"{item.id + 10}" for item in items if item.id != 20]
    (tmp_path / "bitstreams").mkdir()
    for name in coded:
        (tmp_path / "bitstreams" / f"{name}.bin").touch()
    (tmp_path / "all.bin.json").write_text(json.dumps({"pictures": [{"input": f"{name}.png"} for name in coded]}))
    assert list(bitstreams(tmp_path / "bitstreams").missing(items)) == [20]
    assert list(bitstreams(tmp_path / "all.bin").missing(items)) == [20]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_bitstream_is_named(data: Path, tmp_path: Path, workers: int) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    damaged = tmp_path / "bitstreams" / "picture2.bin"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    source = bitstreams(tmp_path / "bitstreams")
    with pytest.raises(BitstreamError, match="picture 20") as caught:
        evaluate(request(data, source=source, workers=workers, allow_missing=True), tmp_path / "r.json")
    assert caught.value.bit_offset is not None


def test_one_bitstream_needs_its_record_and_no_other_pictures(data: Path, tmp_path: Path) -> None:
    write_bitstreams(data, tmp_path / "bitstreams")
    truth = json.loads(data.read_text())
    truth["images"].pop()
    truth["annotations"].pop()
    data.write_text(json.dumps(truth))
    with pytest.raises(DatasetError, match="picture5 is not in the data set"):
        evaluate(request(data, source=bitstreams(tmp_path / "all.bin")), tmp_path / "r.json")
    (tmp_path / "all.bin.json").unlink()
    with pytest.raises(DatasetError, match=r"all\.bin\.json: cannot be read"):
        bitstreams(tmp_path / "all.bin")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_network_that_gives_no_number_is_named(data: Path, tmp_path: Path, workers: int) -> None:
    with pytest.raises(NetworkError, match=r"picture \d+ .*scores are not all finite"):
        evaluate(request(data, BrokenNetwork, workers=workers), tmp_path / "r.json")


def test_drawn_pictures(data: Path, tmp_path: Path) -> None:
    evaluate(request(data, partial(StubNetwork, masks=True)), tmp_path / "r.json", draw=tmp_path / "drawn")
    drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert drawn == [f"picture{number}.png" for number in range(1, 6)]
    with Image.open(tmp_path / "drawn" / "picture3.png") as picture:
        samples = np.asarray(picture)
    assert samples.shape == (*SIZE, 3)
    assert len(np.unique(samples[36:44, 40:60].reshape(-1, 3), axis=0)) == 1
    assert tuple(samples[40, 50]) not in ((0, 0, 0), (255, 255, 255))  # tinted by the mask
    with pytest.raises(OutputError, match="exists already"):
        evaluate(request(data), tmp_path / "r.json", draw=tmp_path / "drawn")


def test_an_output_that_cannot_be_written_is_an_error_at_once(data: Path, tmp_path: Path) -> None:
    network = CountingNetwork()
    with pytest.raises(OutputError, match="cannot be written"):
        evaluate(request(data, lambda: network), tmp_path / "none" / "r.json")
    assert network.count == 0


def test_a_classifier(data: Path, tmp_path: Path) -> None:
    for number, (*_, label) in enumerate(PICTURES, start=1):
        folder = tmp_path / "classes" / ("a bright", "b grey")[label - 1]
        folder.mkdir(parents=True, exist_ok=True)
        (data.parent / f"picture{number}.png").rename(folder / f"{number}.png")
    (tmp_path / "classes" / "c green").mkdir()
    documents = [
        evaluate(request(tmp_path / "classes", ClassifyingNetwork, source=source, workers=workers), tmp_path / "r.json")
        for source, workers in ((Pictures(), 1), (Coded(CONFIGURATION), 2))
    ]
    for document in documents:
        assert document["metrics"]["top1"] == pytest.approx(3 / 5)  # grey is 128/255, nearer to white
        assert document["metrics"]["top5"] == 1.0
        assert document["labels"]["classes"] == {}
    assert documents[0]["data"]["name"] == "classes"
    first = json.loads((tmp_path / "r.detections.json").read_text())[0]
    assert first == {"image_id": "a bright/1.png", "category_id": [0, 1, 2]}
    with pytest.raises(DatasetError, match="nothing to draw"):
        evaluate(request(tmp_path / "classes", ClassifyingNetwork), tmp_path / "r.json", draw=tmp_path / "drawn")
    with pytest.raises(DatasetError, match="the network detects"):
        evaluate(request(tmp_path / "classes", labels="ids"), tmp_path / "s.json")


def test_openimages(data: Path, tmp_path: Path) -> None:
    boxes, labels = ["ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf"], ["ImageID,LabelName,Confidence"]
    for number, (x, y, width, height, label) in enumerate(PICTURES, start=1):
        shares = f"{x / SIZE[1]},{(x + width) / SIZE[1]},{y / SIZE[0]},{(y + height) / SIZE[0]}"
        boxes.append(f"picture{number},{('Bright', 'Grey')[label - 1]},{shares},0")
        labels.append(f"picture{number},{('Bright', 'Grey')[label - 1]},1")
    (data.parent / "boxes.csv").write_text("\n".join(boxes))
    (data.parent / "labels.csv").write_text("\n".join(labels))
    (data.parent / "set.yaml").write_text("kind: openimages\nimages: .\nboxes: boxes.csv\nlabels: labels.csv\n")
    document = evaluate(request(data.parent / "set.yaml"), tmp_path / "r.json")
    assert document["metrics"] == {"mAP50": 1.0, "classes": 2, "AP50/Bright": 1.0, "AP50/Grey": 1.0}
    first = json.loads((tmp_path / "r.detections.json").read_text())[0]
    assert first["image_id"] == "picture1"


# Labels


def test_label_tables() -> None:
    network, classes = {5: "Cell phone", 7: "dog", 8: "axe"}, {1: "person", 44: "cell_phone", 50: "Dog"}
    assert label_table("names", network, classes) == {5: 44, 7: 50}
    assert label_table("ids", network, classes) == {1: 1, 44: 44, 50: 50}
    assert label_table("from0", network, classes) == {0: 1, 1: 44, 2: 50}
    assert label_table("from1", network, classes) == {1: 1, 2: 44, 3: 50}
    with pytest.raises(DatasetError, match="--labels"):
        label_table("names", {1: "tv"}, classes)


def test_label_table_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("axe,person\n")
    network, classes = {7: "dog", 8: "axe"}, {1: "Person", 50: "dog"}
    assert label_table(str(tmp_path / "names.csv"), network, classes) == {7: 50, 8: 1}
    (tmp_path / "names.csv").write_text("axe\n")
    with pytest.raises(ConfigError, match="'axe'"):
        label_table(str(tmp_path / "names.csv"), network, classes)
    with pytest.raises(ConfigError, match="none of names, ids"):
        label_table("name", network, classes)


def test_labels_that_count_from_another_number(data: Path, tmp_path: Path) -> None:
    shifted = partial(StubNetwork, offset=-1)
    document = evaluate(request(data, shifted, labels="from0"), tmp_path / "r.json")
    assert document["metrics"]["AP"] == pytest.approx(1.0)
    document = evaluate(request(data, shifted), tmp_path / "r.json")  # label 0 has no name
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
