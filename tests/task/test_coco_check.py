"""COCO documents: what is refused, and in which words; what is accepted, and measured as pycocotools measures it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcm_ref.errors import DatasetError
from vcm_ref.task.coco import CocoDataset
from vcm_ref.task.dataset import load_dataset
from vcm_ref.task.detections import Detections

pytest.importorskip("pycocotools", reason="pycocotools is not installed")

HEIGHT, WIDTH = 60, 80
Document = dict[str, Any]


def document() -> Document:
    """Give two rectangles in one picture of 80x60, with polygons."""
    return {
        "images": [{"id": 1, "file_name": "p1.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            annotation(1, [10, 10, 30, 20], [[10, 10, 40, 10, 40, 30, 10, 30]]),
            annotation(2, [50, 5, 20, 40], [[50, 5, 70, 5, 70, 45, 50, 45]]),
        ],
    }


def annotation(number: int, box: list[Any], segmentation: Any) -> Document:
    """Give one annotation of a cat in picture 1."""
    area = box[2] * box[3]
    place = {"id": number, "image_id": 1, "category_id": 1, "bbox": box}
    return {**place, "area": area, "iscrowd": 0, "segmentation": segmentation}


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray[Any, Any]:
    """Give a mask of a rectangle."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def both_found(image_id: Any = 1, label: int = 1) -> dict[Any, Detections]:
    """Give detections that fit both objects exactly, by box and by mask."""
    return {
        image_id: Detections(
            np.array([[10, 10, 40, 30], [50, 5, 70, 45]], np.float32),
            np.array([0.9, 0.8], np.float32),
            np.array([label, label], np.int64),
            np.stack([rectangle(10, 10, 40, 30), rectangle(50, 5, 70, 45)]),
        )
    }


def load(folder: Path, content: Document | str) -> CocoDataset:
    """Write a document to a file and read it as a data set."""
    path = folder / "gt.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    data = load_dataset(path)
    assert isinstance(data, CocoDataset)
    return data


def refused(folder: Path, content: Document | str) -> str:
    """Give the message that refuses a document, without the file that it begins with."""
    with pytest.raises(DatasetError) as caught:
        load(folder, content)
    message = str(caught.value)
    assert message.startswith(str(folder / "gt.json"))
    assert "\n" not in message
    return message.removeprefix(str(folder / "gt.json"))


Change = Callable[[Document], Any]


def in_first(**fields: Any) -> Change:
    """Set fields of the first annotation."""
    return lambda content: content["annotations"][0].update(fields)


def without(key: str) -> Change:
    """Remove a field of the first annotation."""
    return lambda content: content["annotations"][0].pop(key)


def in_image(**fields: Any) -> Change:
    """Set fields of the image."""
    return lambda content: content["images"][0].update(fields)


def in_category(**fields: Any) -> Change:
    """Set fields of the first category."""
    return lambda content: content["categories"][0].update(fields)


def mask(counts: Any, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Change:
    """Give the first annotation a mask in run lengths."""
    return in_first(segmentation={"size": list(size), "counts": counts})


BOX = "four numbers: x, y, width, height"
REFUSED: list[tuple[Change, str]] = [
    # boxes
    (in_first(bbox=None), f"annotation 1: bbox is null, not {BOX}"),
    (without("bbox"), f"annotation 1: it has no bbox; it needs {BOX}"),
    (in_first(bbox=[10, 10, 30]), f"annotation 1: bbox is [10, 10, 30], not {BOX}"),
    (in_first(bbox=[10, 10, 30, 20, 5]), f"not {BOX}"),
    (in_first(bbox=["10", 10, 30, 20]), f'bbox is ["10", 10, 30, 20], not {BOX}'),
    (in_first(bbox=[10, 10, 30, None]), f"not {BOX}"),
    (in_first(bbox=[10, 10, 30, True]), f"not {BOX}"),
    (in_first(bbox=[10, 10, 30, float("nan")]), "annotations.0.bbox.3: a number must be finite (annotation 1)"),
    (in_first(bbox=[10, 10, float("inf"), 20]), "annotations.0.bbox.2: a number must be finite (annotation 1)"),
    (in_first(bbox=[10, 10, 10**400, 20]), "annotations.0.bbox.2: an integer must be from"),
    (in_first(bbox={"x": 1}), f'bbox is {{"x": 1}}, not {BOX}'),
    (in_first(bbox="10 10 30 20"), f"not {BOX}"),
    (in_first(bbox=[10, 10, -30, 20]), "annotation 1: bbox [10, 10, -30, 20] has a negative width or height"),
    (in_first(bbox=[80, 10, 30, 20]), "annotation 1: bbox [80, 10, 30, 20] is outside the picture, 80x60"),
    (in_first(bbox=[10, -20, 30, 20]), "outside the picture, 80x60"),
    # areas, crowds
    (without("area"), "annotation 1: it has no area; it needs the object's area in pixels"),
    (in_first(area=None), "annotation 1: area is null, not the object's area in pixels"),
    (in_first(area="600"), 'area is "600", not'),
    (in_first(area=-1), "annotation 1: area is -1; the object's bbox is [10, 10, 30, 20]"),
    (in_first(area=0), "annotation 1: area is 0, less than a pixel; its bbox is 30x20"),
    (in_first(area=0.125), "annotation 1: area is 0.125, less than a pixel; its bbox is 30x20"),  # a share: 600/4800
    (in_first(area=2400), "area is 2400, more than its bbox [10, 10, 30, 20] can hold"),  # of a picture twice as large
    (in_first(bbox=[0.125, 0.2, 0.375, 0.33]), "area is 600, more than its bbox [0.125, 0.2, 0.375, 0.33] can hold"),
    (in_first(area=float("nan")), "annotations.0.area: a number must be finite (annotation 1)"),
    (in_first(area=True), "area is true, not"),
    (in_first(iscrowd=2), "annotation 1: iscrowd is 2, not 0 or 1"),
    (in_first(iscrowd="0"), 'iscrowd is "0", not 0 or 1'),
    (in_first(iscrowd=None), "iscrowd is null, not 0 or 1"),
    (in_first(iscrowd=float("nan")), "a number must be finite (annotation 1)"),
    # ids
    (in_first(id=2), "annotation 2: another annotation has the same id"),
    (in_first(id="1"), 'annotation "1": id is "1", not an integer'),
    (in_first(id=True), "annotations[0]: id is true, not an integer"),
    (in_first(id=1.5), "annotation 1.5: id is 1.5, not an integer"),
    (in_first(id=10**400), "annotations.0.id: an integer must be from"),
    (without("id"), "annotations[0]: it has no id; it needs an integer"),
    (in_first(image_id=True), "annotation 1: image_id is true, not the id of an image"),
    (in_first(image_id=[1]), "image_id is [1], not the id of an image"),
    (without("image_id"), "annotation 1: it has no image_id"),
    (in_first(category_id="1"), 'annotation 1: category_id is "1", not the id of a category'),
    (without("category_id"), "annotation 1: it has no category_id"),
    (lambda content: content["annotations"].insert(0, 5), "annotations[0]: it is 5, not an object"),
    # masks
    (in_first(segmentation=[10, 10, 40, 10, 40, 30, 10, 30]), "annotation 1: segmentation is a flat list of numbers"),
    (in_first(segmentation=[[10, 10, 40, 30]]), "annotation 1: segmentation has a polygon of 4 numbers"),
    (in_first(segmentation=[[10, 10, 40, 10, 40, 30, 10, 30], [1, 1]]), "a polygon of 2 numbers"),
    (in_first(segmentation=[[10, 10, 40, 10, 40, 30, 10]]), "a polygon of 7 numbers"),
    (in_first(segmentation=[[]]), "a polygon of 0 numbers"),
    (in_first(segmentation=[[[10, 10], [40, 10], [40, 30]]]), "which is not a list of numbers"),
    (in_first(segmentation=[["10", 10, 40, 10, 40, 30]]), "which is not a list of numbers"),
    (in_first(segmentation=[None]), "segmentation has null, which is not a list of numbers"),
    (
        in_first(segmentation=[[10, 10, 40, 10, 40, float("nan")]]),
        "segmentation.0.5: a number must be finite",
    ),
    (in_first(segmentation=[[10, 10, 40, 10, 1e9, 30]]), "a polygon that is far outside the picture, 80x60"),
    (in_first(segmentation="none"), 'segmentation is "none", not polygons or run lengths'),
    (mask([0, 4800], (WIDTH, HEIGHT)), "annotation 1: its mask has the size [80, 60], its picture [60, 80]"),
    (in_first(segmentation={"counts": [0, 4800]}), "its mask has the size null, its picture [60, 80]"),
    (in_first(segmentation={"size": [60, 80]}), "its mask cannot be read: counts are neither"),
    (mask([610, 20]), "its mask cannot be read: the run lengths add up to 630, not 80 x 60"),
    (mask([-10, 4810]), "a run length is negative"),
    (mask([1.5, 4798.5]), "a run length is not an integer"),
    (mask(""), "the run lengths add up to 0, not 80 x 60"),
    (mask("é"), "the compressed run lengths are damaged"),
    (mask("oT"), "the compressed run lengths are damaged"),  # the last character says that another follows
    (mask("0000"), "the run lengths add up to 0, not 80 x 60"),
    # images
    (in_image(id=None), "images[0]: id is null, not an integer or a text"),
    (in_image(id=1.5), "image 1.5: id is 1.5, not an integer or a text"),
    (in_image(id=True), "images[0]: id is true, not"),
    (in_image(width=0), "image 1: width is 0, not a number of pixels"),
    (in_image(width="80"), 'image 1: width is "80", not a number of pixels'),
    (in_image(height=None), "image 1: height is null, not a number of pixels"),
    (in_image(height=59.5), "image 1: height is 59.5, not a number of pixels"),
    (lambda content: content["images"][0].pop("width"), "image 1: it has no width; it needs a number of pixels"),
    (lambda content: content["images"][0].pop("file_name"), "image 1: it has no file_name"),
    (in_image(file_name=7), "image 1: file_name is 7, not the name of a file"),
    (in_image(file_name=""), 'file_name is "", not'),
    (in_image(file_name="a" * 256), "image 1: file_name is"),
    (in_image(file_name="a/" * 2048), "image 1: file_name is"),
    (in_image(file_name="a\0b"), "images.0.file_name: the text holds a NUL"),
    (in_image(file_name="\ud800.png"), "images.0.file_name: the text holds half of"),
    (lambda content: content["images"].append({**content["images"][0], "file_name": "x.png"}), "has the same id"),
    (
        lambda content: content["images"].append({**content["images"][0], "id": 2}),
        'file_name "p1.png" is also the file_name of',
    ),
    (
        lambda content: content["images"].append({**content["images"][0], "id": 2, "file_name": "./p1.png"}),
        'image 2: its file_name "./p1.png" is also the file_name of image 1',
    ),
    (
        lambda content: content["images"].append({**content["images"][0], "id": "b", "file_name": "x.png"}),
        "some ids of images are numbers and some are texts",
    ),
    (in_image(not_exhaustive_category_ids=[]), "its images have 'not_exhaustive_category_ids': it is a file of LVIS"),
    # categories
    (in_category(id="1"), 'category "1": id is "1", not an integer'),
    (in_category(id=2), "category 2: another category has the same id"),
    (in_category(name=None), "category 1: name is null, not a text"),
    (in_category(name=" "), "name is"),
    (lambda content: content["categories"].append(None), "categories[2]: it is null, not an object"),
    # the whole document
    (lambda content: content.update(images=None), "'images' is null, not a list"),
    (lambda content: content.update(images=[]), "'images' is empty"),
    (lambda content: content.update(annotations={"1": {}}), "'annotations' is {\"1\": {}}, not a list"),
    (lambda content: content.update(categories=5), "'categories' is 5, not a list"),
    (lambda content: content.pop("annotations"), "it has no 'annotations'; COCO's instances format is needed"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message[:50] for _, message in REFUSED])
def test_what_pycocotools_would_take_wrongly_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    content = document()
    change(content)
    assert message in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", ": it is not a JSON object"),
        ("null", ": it is not a JSON object"),
        ("", ": is empty"),
        ('{"images": []', ", line 1: is not JSON"),
        ('{"images": [], "images": [], "annotations": [], "categories": []}', "has the key images twice"),
        ("[" * 100_000, "may be nested"),
        ('{"images": ' + "9" * 5000 + "}", "a number has too many digits"),
    ],
)
def test_a_text_that_is_not_a_document_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text)


def test_text_of_another_encoding_is_refused_and_a_byte_order_mark_accepted(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(document()), encoding="utf-16")
    with pytest.raises(DatasetError, match="is not a text in UTF-8"):
        load_dataset(path)
    path.write_text(json.dumps(document()), encoding="utf-8-sig")
    assert load_dataset(path).evaluate(both_found(), {})["AP"] == pytest.approx(1)


def test_the_first_faults_and_their_number_are_told(tmp_path: Path) -> None:
    content = document()
    content["annotations"] = [annotation(n, [1, 1, 5, 5], None) for n in range(9)]
    for entry in content["annotations"]:
        entry["bbox"] = None
    message = refused(tmp_path, content)
    assert [f"annotation {number}:" in message for number in range(4)] == [True, True, True, False]
    assert message.endswith("; and 6 more faults")


@pytest.mark.parametrize("box", [[0.1, 0.2, 0.3, 0.4], [0.7, 0.5, 0.9, 0.8], [0.8, 0.8, 0.4, 0.4]])
def test_shares_in_place_of_pixels_are_refused(tmp_path: Path, box: list[float]) -> None:
    """They may be x, y, width, height as well as corners, or a centre with a size."""
    content = document()
    content["annotations"] = [annotation(1, box, None)]
    assert "they seem to be shares of the picture" in refused(tmp_path, content)


def test_centres_in_place_of_corners_are_refused(tmp_path: Path) -> None:
    """Both objects by centre and size, as YOLO's formats have them: the second would reach to y = 65, of 60."""
    content = document()
    content["annotations"] = [annotation(1, [25, 20, 30, 20], None), annotation(2, [60, 25, 20, 40], None)]
    assert "all boxes seem to begin with their centres" in refused(tmp_path, content)
    # a centre at y = 5 of a box 20 high would be of a box that begins above the picture
    content["annotations"].append(annotation(3, [20, 5, 30, 20], None))
    load(tmp_path, content)


def test_corners_in_place_of_boxes_are_refused(tmp_path: Path) -> None:
    content = document()
    # both objects by their corners: the second would reach to x = 120 in a picture of 80
    content["annotations"] = [annotation(1, [10, 10, 40, 30], None), annotation(2, [50, 5, 70, 45], None)]
    assert "all boxes seem to be x0, y0, x1, y1" in refused(tmp_path, content)
    content["annotations"][1] = annotation(2, [50, 5, 80.5, 60.5], None)  # to the edge, with rounding
    assert "all boxes seem to be x0, y0, x1, y1" in refused(tmp_path, content)
    # one box that is not possible by corners, as its width 8 is less than x: boxes may reach beyond the picture
    content["annotations"].append(annotation(3, [75, 50, 8, 30], None))
    load(tmp_path, content)


def test_what_cannot_be_found_is_a_problem_and_left_out(tmp_path: Path) -> None:
    content = document()
    content["annotations"] += [
        annotation(3, [10, 10, 0, 20], None),
        {**annotation(4, [10, 10, 5, 20], None), "image_id": 9},
        {**annotation(5, [10, 10, 5, 20], None), "image_id": "1"},
        {**annotation(6, [10, 10, 5, 20], None), "category_id": 9},
    ]
    data = load(tmp_path, content)
    assert data.problems == [
        "annotation 3: its bbox [10, 10, 0, 20] has no width or no height, so nothing can find it",
        "annotation 4: its picture 9 is not in the data set",
        'annotation 5: its picture "1" is not in the data set, which has the id 1',
        "annotation 6: its category 9 is not in the data set",
    ]
    assert data.evaluate(both_found(), {})["AP"] == pytest.approx(1)


ACCEPTED: list[Change] = [
    in_first(id=0),  # pycocotools alone: AP 0.5
    in_first(id=-5),
    in_first(id=1.0, image_id=1.0, category_id=1.0, iscrowd=0.0, area=600.0),
    in_first(iscrowd=False),
    without("iscrowd"),
    in_first(area=1250),  # of a turned object in a box of 30x20 pixels, rounded generously
    in_first(area=2),  # of a thin one
    in_first(bbox=[10.0, 10, 30.0, 20]),
    in_first(extra="α", attributes={"x": None}),
    in_image(id=1.0, width=80.0),
    in_category(supercategory="animal"),
    mask([610, 20, *[40, 20] * 29, HEIGHT * WIDTH - 610 - 20 - 60 * 29]),
    in_first(segmentation=[[10, 10, 40, 10, 40, 20, 10, 20], [10, 20, 40, 20, 40, 30, 10, 30]]),
]


@pytest.mark.parametrize("change", ACCEPTED)
def test_sound_forms_are_measured_rightly(tmp_path: Path, change: Change) -> None:
    content = document()
    change(content)
    figures = load(tmp_path, content).evaluate(both_found(), {1: (HEIGHT, WIDTH)})
    assert figures["AP"] == figures["mask_AP"] == pytest.approx(1)


def test_a_polygon_of_a_few_pixels_may_have_no_area(tmp_path: Path) -> None:
    content = document()
    in_first(area=0, bbox=[10, 10, 3, 2])(content)
    assert load(tmp_path, content).problems == []


def test_compressed_masks_are_read(tmp_path: Path) -> None:
    from pycocotools import mask as coco_mask

    content = document()
    encoded = coco_mask.encode(np.asfortranarray(rectangle(10, 10, 40, 30), np.uint8))
    mask(encoded["counts"].decode())(content)
    assert load(tmp_path, content).evaluate(both_found(), {})["mask_AP"] == pytest.approx(1)


def test_ids_of_images_may_be_texts(tmp_path: Path) -> None:
    content = document()
    content["images"][0]["id"] = "a"
    for entry in content["annotations"]:
        entry["image_id"] = "a"
    assert load(tmp_path, content).evaluate(both_found("a"), {})["AP"] == pytest.approx(1)


def test_a_category_without_objects_does_not_take_a_name(tmp_path: Path) -> None:
    content = document()
    content["categories"] = [{"id": 1, "name": "cat"}, {"id": 4, "name": "Cat"}]
    assert load(tmp_path, content).classes == {1: "cat", 4: "Cat (category 4, without objects)"}
    content["annotations"][1]["category_id"] = 4
    assert load(tmp_path, content).classes == {1: "cat", 4: "Cat"}


def test_masks_of_some_annotations_are_refused_when_the_network_has_masks(tmp_path: Path) -> None:
    content = document()
    content["annotations"][1]["segmentation"] = []
    data = load(tmp_path, content)
    with pytest.raises(DatasetError, match=r"annotation 2 has no segmentation \(1 of 2 annotations have none\)"):
        data.evaluate(both_found(), {})
    boxes_only = {1: Detections(*(getattr(both_found()[1], name) for name in ("boxes", "scores", "labels")))}
    assert set(data.evaluate(boxes_only, {})) == {"AP", "AP50", "AP75", "AP_small"}
    content["annotations"][0]["segmentation"] = None
    assert "mask_AP" not in load(tmp_path, content).evaluate(both_found(), {})


def test_a_network_has_masks_in_all_pictures_or_in_none(tmp_path: Path) -> None:
    content = document()
    content["images"].append({"id": 2, "file_name": "p2.png", "width": WIDTH, "height": HEIGHT})
    data = load(tmp_path, content)
    found, empty = both_found()[1], Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, int))
    assert data.evaluate({1: found, 2: empty}, {})["mask_AP"] == pytest.approx(1)
    with pytest.raises(DatasetError, match="of picture 1 have masks and those of picture 2 have none"):
        data.evaluate({1: found, 2: Detections(found.boxes, found.scores, found.labels)}, {})


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (2 * HEIGHT, 2 * WIDTH)])
def test_masks_and_pictures_of_another_size_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    data = load(tmp_path, document())
    with pytest.raises(DatasetError, match=f"it is {size[1]}x{size[0]} here, its annotations are of 80x60"):
        data.evaluate(both_found(), {1: size})
    content = document()
    content["images"][0].update(height=size[0], width=size[1])
    with pytest.raises(DatasetError, match=f"it is 80x60 here, its annotations are of {size[1]}x{size[0]}"):
        load(tmp_path, content).evaluate(both_found(), {})


# Against pycocotools itself


def by_pycocotools(content: Document, found: dict[int, Detections]) -> list[float]:
    """Give AP, AP50, AP75 by pycocotools alone, with annotations numbered from 1."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO()
    truth.dataset = copy.deepcopy(content)
    for number, entry in enumerate(truth.dataset["annotations"], start=1):
        entry["id"] = number
    rows = [
        [image_id, x0, y0, x1 - x0, y1 - y0, score, label]
        for image_id, one in found.items()
        for (x0, y0, x1, y1), score, label in zip(one.boxes, one.scores, one.labels, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(np.array(rows, np.float64)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats[:3]]


boxes_of = st.lists(
    st.tuples(st.integers(0, 70), st.integers(0, 50), st.integers(1, 30), st.integers(1, 30), st.integers(1, 2)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(
    truth=st.tuples(boxes_of, boxes_of), found=st.tuples(boxes_of, boxes_of), crowd=st.booleans(), first=st.booleans()
)
def test_ids_in_any_order_give_pycocotools_figures(
    tmp_path_factory: pytest.TempPathFactory, truth: Any, found: Any, crowd: bool, first: bool
) -> None:
    content = document()
    content["images"] = [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in (7, 3)]
    flat = [(n, *box) for n, boxes in zip((7, 3), truth, strict=True) for box in boxes]
    content["annotations"] = [
        {**annotation(len(flat) - 1 - place, [x, y, w, h], None), "image_id": n, "category_id": c}
        for place, (n, x, y, w, h, c) in enumerate(flat)
    ]
    content["annotations"][0]["iscrowd"] = int(crowd and first)
    detections = {
        n: Detections(
            np.array([[x, y, x + w, y + h] for x, y, w, h, _ in boxes], np.float32),
            np.linspace(0.9, 0.1, len(boxes)).astype(np.float32),
            np.array([box[4] for box in boxes], np.int64),
        )
        for n, boxes in zip((7, 3), found, strict=True)
    }
    try:
        data = load(tmp_path_factory.mktemp("any"), content)
    except DatasetError as error:
        assert "all boxes seem to" in str(error)
        return
    figures = data.evaluate(detections, {})
    expected = by_pycocotools(content, detections)
    assert [figures.get(name, -1.0) for name in ("AP", "AP50", "AP75")] == pytest.approx(expected)


ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 0.5, 1.0, 1e999, float("nan"), 2**63, 10**30, "", "1", "x", "\ud800", [], [0], [[]],
    [[0]], [1, 2, 3, 4], ["a", "b", "c", "d"], [[1, 2, 3, 4, 5, 6]], [None], {}, {"id": 1}, {"size": [60, 80]},
    {"size": [60, 80], "counts": [4800]}, {"size": [60, 80], "counts": "1"},
    {"size": [60, 80], "counts": [10**30]}, {"size": None, "counts": None},
]  # fmt: skip


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the path of every value in a document."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [*([path] if path else []), *(place for key, value in inner for place in places(value, (*path, key)))]


def test_any_value_in_any_place_is_refused_or_measured(tmp_path: Path) -> None:
    """No value in the place of any other ends in another error, and no figure leaves 0 … 1."""
    refusals = 0
    for path in places(document()):
        for odd in ODD:
            content = document()
            inner: Any = content
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = odd
            try:
                data = load(tmp_path, content)
                image_id = data.items[0].id
                figures = data.evaluate(both_found(image_id), {image_id: (HEIGHT, WIDTH)})
            except DatasetError as error:
                refusals += 1
                assert str(error).isprintable(), (path, odd)
            else:
                assert all(0 <= value <= 1 for value in figures.values()), (path, odd, figures)
    assert refusals > 500
