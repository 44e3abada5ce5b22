"""The scene generator: the same bytes everywhere, and annotations that say what is visible."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vcm_ref.task.scene_draw import Draw
from vcm_ref.task.scene_shapes import CLASS_NAMES
from vcm_ref.task.scenes import Scene, SceneObject, render_scene, write_dataset

ROOT = Path(__file__).resolve().parents[2]

GOLDEN = {
    (0, 512, 384): "bcf858e55010778f70943f0561399150858949bf7a45f9ae9ae7922ef810d6f9",
    (1_000_000, 512, 384): "4832d440862788ff63c001002f23af3e319466bef014723d03d80c59532accca",
    (7, 320, 256): "f70fcf16a2f0b631db0ba3e78963236926604626262f433f02f3f0bae8452145",
    (123_456_789_012, 97, 64): "36a9d07ca7e5ee0a8981c5bdb8cebef81d2bef3ec684fd1b9d77e11438f11969",
}


def digest(scene: Scene) -> str:
    """Give the SHA-256 of a scene's samples and annotations."""
    total = hashlib.sha256(scene.image.tobytes())
    for item in scene.objects:
        total.update(json.dumps([item.category_id, item.bbox, item.area, item.counts]).encode())
    return total.hexdigest()


def unpack(item: SceneObject, height: int, width: int) -> NDArray[np.bool_]:
    """Give the (height, width) mask of an object from its runs."""
    values = np.arange(len(item.counts)) % 2 == 1
    return np.repeat(values, item.counts).reshape(width, height).T


@pytest.mark.parametrize(("seed", "width", "height"), GOLDEN)
def test_a_seed_gives_the_same_scene_everywhere(seed: int, width: int, height: int) -> None:
    scene = render_scene(seed, width, height)
    assert scene.image.shape == (height, width, 3)
    assert scene.image.dtype == np.uint8
    assert digest(scene) == GOLDEN[seed, width, height]


@pytest.mark.parametrize("seed", range(40, 46))
def test_boxes_are_tight_around_the_masks_and_masks_do_not_overlap(seed: int) -> None:
    height, width = 200, 260
    scene = render_scene(seed, width, height)
    taken = np.zeros((height, width), np.int64)
    for item in scene.objects:
        mask = unpack(item, height, width)
        rows, columns = np.nonzero(mask)
        x, y = columns.min(), rows.min()
        assert item.bbox == (x, y, columns.max() + 1 - x, rows.max() + 1 - y)
        assert item.area == mask.sum()
        assert min(item.bbox[2:]) >= 8
        taken += mask
    assert taken.max(initial=0) <= 1


def test_all_classes_and_every_size_occur() -> None:
    sides: list[int] = []
    classes: set[int] = set()
    for seed in range(500, 560):
        for item in render_scene(seed).objects:
            sides.append(max(item.bbox[2:]))
            classes.add(item.category_id)
    assert classes == set(CLASS_NAMES)
    assert len(CLASS_NAMES) >= 8
    shares = np.histogram(sides, (8, 24, 48, 96, 192, 400))[0] / len(sides)
    assert shares.min() > 0.05  # small enough for p2, large enough for p5, and all between
    assert min(sides) < 14
    assert max(sides) > 250


def test_occlusion_occurs() -> None:
    overlapping = 0
    for seed in range(20):
        boxes = [item.bbox for item in render_scene(seed, 256, 192).objects]
        for index, (x, y, w, h) in enumerate(boxes):
            overlapping += any(
                x < x2 + w2 and x2 < x + w and y < y2 + h2 and y2 < y + h for x2, y2, w2, h2 in boxes[:index]
            )
    assert overlapping >= 10


@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 301), (700, 90)])
def test_any_size_from_64(width: int, height: int) -> None:
    scene = render_scene(3, width, height)
    assert scene.image.shape == (height, width, 3)
    assert scene.image.std() > 1.0


@pytest.mark.parametrize(("seed", "width", "height"), [(-1, 64, 64), (0, 63, 64), (0, 64, 63)])
def test_what_cannot_be_rendered_is_refused(seed: int, width: int, height: int) -> None:
    with pytest.raises(ValueError, match="64 pixels"):
        render_scene(seed, width, height)


def test_dataset_is_valid_coco(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    path = write_dataset(tmp_path, 70, 3, 160, 120)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(path)
    assert {key: item["name"] for key, item in truth.cats.items()} == CLASS_NAMES
    assert sorted(truth.imgs) == [71, 72, 73]
    for image_id, entry in truth.imgs.items():
        scene = render_scene(image_id - 1, 160, 120)
        with Image.open(tmp_path / entry["file_name"]) as picture:
            assert np.array_equal(np.asarray(picture), scene.image)
        annotations = truth.loadAnns(truth.getAnnIds(imgIds=[image_id]))
        assert len(annotations) == len(scene.objects)
        for annotation, item in zip(annotations, scene.objects, strict=True):
            mask = truth.annToMask(annotation)
            assert np.array_equal(mask.astype(bool), unpack(item, 120, 160))
            assert mask.sum() == annotation["area"]
            assert tuple(annotation["bbox"]) == item.bbox


def test_draws_are_what_they_say() -> None:
    draw = Draw(5)
    assert all(2.0 <= draw.uniform(2.0, 3.0) < 3.0 for _ in range(200))
    assert {draw.integer(5) for _ in range(200)} == set(range(5))
    for _ in range(50):
        cosine, sine = draw.rotation()
        assert cosine * cosine + sine * sine == pytest.approx(1.0)
    grain = draw.grain(3, 101, 33)
    assert grain.shape == (3, 101, 33)
    assert grain.mean() == pytest.approx(0.0, abs=0.05)
    assert grain.std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.integration
def test_command_writes_a_dataset(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "make_scenes.py"), "--out", str(tmp_path / "new")]
    options = ["--seed", "9", "--count", "2", "--size", "80x64"]
    done = subprocess.run([*command, *options], check=True, text=True, capture_output=True)
    assert "2 scenes of 80x64" in done.stdout
    assert sorted(item.name for item in (tmp_path / "new").iterdir()) == [
        "instances.json",
        "scene_00000009.png",
        "scene_00000010.png",
    ]
    wrong = subprocess.run([*command, "--size", "80x10"], check=False, text=True, capture_output=True)
    assert wrong.returncode == 2
    assert "80x10" in wrong.stderr
