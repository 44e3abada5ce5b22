"""Drawn examples: an unchanged picture is what the network sees; a step depends on its number; a training resumes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")

from network.small_networks import SIDE, yolox_like  # noqa: E402

from vcm_ref.configuration import load_configuration  # noqa: E402
from vcm_ref.configuration.sections import Training  # noqa: E402
from vcm_ref.conversion.covered import WHOLE  # noqa: E402
from vcm_ref.errors import ConfigError  # noqa: E402
from vcm_ref.network import load_network  # noqa: E402
from vcm_ref.training.drawn.feed import drawn_examples, drawn_feed  # noqa: E402
from vcm_ref.training.drawn.parts import DRAWN, Change, Piece, Rectangle, View, drawn_view, whole_view  # noqa: E402
from vcm_ref.training.drawn.sampling import Pictures  # noqa: E402
from vcm_ref.training.network_method import train_network  # noqa: E402
from vcm_ref.training.network_training import train  # noqa: E402
from vcm_ref.training.part2 import part2_of  # noqa: E402

CPU = torch.device("cpu")
SIZES = [(40, 90), (100, 70), (64, 64), (33, 47), (90, 91)]
SETTINGS = Training(
    coded_channels=4,
    width=8,
    squeezed=2,
    steps=4,
    batch=3,
    evaluate_every=2,
    noise_bits=(4,),
    examples="drawn",
    clear_outside=True,
    device="cpu",
)

SMALL = {
    "coded_channels": 4,
    "width": 8,
    "squeezed": 2,
    "steps": 4,
    "batch": 2,
    "evaluate_every": 2,
    "examples": "drawn",
    "device": "cpu",
}


def pictures() -> list[Any]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(yolox_like(), path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{number}.png" for number in range(len(SIZES))]
    for path, picture in zip(paths, pictures(), strict=True):
        Image.fromarray(picture).save(path)
    return paths


def network(model: Path, **options: Any) -> Any:
    cut = ["p3", "p4", "p5"]
    given = {"fit": "letterbox", "channels": "bgr", "antialias": False, "classes": {1: "a", 2: "b", 3: "c"}}
    return load_network("onnx", weights=str(model), cut=cut, head="yolox", **{**given, **options})


@pytest.mark.parametrize("fit", ["letterbox", "stretch", "crop"])
@pytest.mark.parametrize("antialias", [False, True])
def test_an_unchanged_picture_is_the_networks_input(model: Path, fit: str, antialias: bool) -> None:
    preprocessing = network(model, fit=fit, antialias=antialias, mean=[1, 2, 3], std=[4, 5, 6]).preprocessing
    shown = [preprocessing.smoothed(picture) for picture in pictures()]
    stored = Pictures(shown, CPU)
    views = [whole_view(preprocessing, number, size) for number, size in enumerate(stored.sizes)]
    found = stored.inputs(views, preprocessing).numpy()
    for ours, view, picture in zip(found, views, pictures(), strict=True):
        expected = preprocessing(picture)[0]
        assert view.covered == preprocessing.covered(*picture.shape[:2])
        steps = np.abs(ours - expected) * np.array([4, 5, 6])[:, None, None]
        assert steps.max() < 1.01  # a sample, where float32 rounds to the other side of a whole number
        assert (steps > 0.01).mean() < 0.01


def test_the_layers_of_an_unchanged_picture_are_those_that_the_network_extracts(
    model: Path, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = network(model)
    _, read = drawn_examples(tmp_path, files, own)
    monkeypatch.setattr(
        "vcm_ref.training.drawn.feed.drawn_view",
        lambda draw, preprocessing, picture, sizes, others, mirror: whole_view(preprocessing, picture, sizes[picture]),
    )
    feed = drawn_feed(SETTINGS, own, read)(range(5), CPU)
    (batch,) = feed.step(0)
    for number, example in enumerate(batch.examples):
        features = own.extract(read[example.name])
        assert batch.covered[number] == features.covered
        for ours, theirs in zip(batch.layers, features.layers.values(), strict=True):
            np.testing.assert_allclose(ours[number].numpy(), theirs, atol=0.02)


def test_a_mirrored_part_is_the_mirror_image_of_the_part(model: Path) -> None:
    preprocessing = network(model).preprocessing
    stored = Pictures(pictures(), CPU)
    part, target = Rectangle(5, 7, 30, 31), Rectangle(0, 0, 60, 62)
    found = [
        stored.inputs(
            [View([Piece(1, part, target, mirrored)] * 4, (SIDE, SIDE), Change(), WHOLE)], preprocessing
        ).numpy()[0, :, :60, :62]
        for mirrored in (False, True)
    ]
    # of numbers in the middle between two whole ones, one may be rounded down and one up
    assert (np.abs(found[0] - found[1][:, :, ::-1]) > 0.5).mean() < 0.01
    # samples two of which lie in each of the part: the first is a quarter before the part's first sample
    assert found[0][::-1, 0, 0].tolist() == pictures()[1][5, 7].tolist()


def test_a_mosaic_has_a_part_in_each_quarter(model: Path) -> None:
    preprocessing = network(model).preprocessing
    flat = [np.full((80, 80, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    stored = Pictures(flat, CPU)
    targets = [Rectangle(0, 0, 20, 30), Rectangle(0, 30, 20, 34), Rectangle(20, 0, 44, 30), Rectangle(20, 30, 44, 34)]
    pieces = [Piece(number, Rectangle(3, 4, 40, 41), target, False) for number, target in enumerate(targets)]
    (found,) = stored.inputs([View(pieces, (20, 30), Change(), WHOLE)], preprocessing).numpy()
    for value, (top, left, rows, columns) in zip((10, 20, 30, 40), targets, strict=True):
        assert (found[:, top : top + rows, left : left + columns] == value).all()


def test_brightness_multiplies_the_mean(model: Path) -> None:
    preprocessing = network(model).preprocessing
    stored = Pictures([np.full((64, 64, 3), 100, np.uint8)], CPU)
    view = whole_view(preprocessing, 0, (64, 64))
    (found,) = stored.inputs([view._replace(change=Change(brightness=1.2, contrast=0.7))], preprocessing).numpy()
    assert (found == 120).all()
    (found,) = stored.inputs([view._replace(change=Change(gains=(1.1, 1.0, 0.9)))], preprocessing).numpy()
    assert found[:, 0, 0].tolist() == [90, 100, 110]  # blue first


def test_a_quarter_turn_about_the_centre(model: Path) -> None:
    preprocessing = network(model).preprocessing
    stored = Pictures(pictures(), CPU)
    square = Rectangle(5, 7, 20, 20)
    turned = Piece(1, square, Rectangle(0, 0, 20, 20), False, 90.0)
    (found,) = stored.inputs([View([turned] * 4, (SIDE, SIDE), Change(), WHOLE)], preprocessing).numpy()
    expected = np.rot90(pictures()[1][5:25, 7:27], -1)[:, :, ::-1].transpose(2, 0, 1)
    assert np.abs(found[:, :20, :20] - expected).max() <= 1


def test_the_input_before_shines_through(model: Path) -> None:
    preprocessing = network(model).preprocessing
    stored = Pictures([np.full((64, 64, 3), value, np.uint8) for value in (100, 200)], CPU)
    views = [whole_view(preprocessing, number, (64, 64)) for number in range(2)]
    views[1] = views[1]._replace(change=Change(mixed=0.25))
    first, second = stored.inputs(views, preprocessing).numpy()
    assert (first == 100).all()
    assert (second == 175).all()


def test_every_draw_lies_inside_of_its_picture(model: Path) -> None:
    preprocessing = network(model).preprocessing
    draw = np.random.default_rng(1)
    kinds = set()
    for number in range(300):
        view = drawn_view(draw, preprocessing, number % 5, SIZES, range(5), mirror=True)
        for piece in view.pieces:
            height, width = SIZES[piece.picture]
            top, left, rows, columns = piece.source
            assert min(top, left) >= 0 and min(rows, columns) >= 1
            assert top + rows <= height and left + columns <= width
        pieces = set(view.pieces)
        kinds.add((len(pieces) > 1, view.change == Change(), any(piece.mirrored for piece in pieces)))
        covered = (max(piece.target.top + piece.target.rows for piece in pieces) / SIDE, 1.0)
        assert view.covered == covered or view.covered[1] < 1
    assert len(kinds) == 8


def test_a_step_depends_on_its_number_alone(model: Path, files: list[Path], tmp_path: Path) -> None:
    own = network(model)
    _, read = drawn_examples(tmp_path, files, own)
    feeds = [drawn_feed(SETTINGS, own, read)(range(4), CPU) for _ in range(2)]
    list(feeds[0].step(0))
    (one,), (other,), (next_one,) = feeds[0].step(1), feeds[1].step(1), feeds[1].step(2)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(one.layers, other.layers, strict=True))
    assert not torch.equal(one.layers[0], next_one.layers[0])
    names = {example.name for number in range(9) for batch in feeds[0].step(number) for example in batch.examples}
    assert names == {f"{number}.png" for number in range(4)}


def test_a_training_resumes_to_the_same_weights(model: Path, files: list[Path], tmp_path: Path) -> None:
    own = network(model)
    stored, read = drawn_examples(tmp_path / "features", files, own)
    results = []
    for name, lengths in (("whole", [4]), ("stopped", [2, 4])):
        for length in lengths:
            stopped = length < SETTINGS.steps

            def progress(done: float, told: str = "", stopped: bool = stopped, **_: object) -> None:
                if stopped:
                    raise KeyboardInterrupt

            try:
                result = train(
                    SETTINGS,
                    stored,
                    part2_of(own),
                    tmp_path / name,
                    fed=drawn_feed(SETTINGS, own, read),
                    progress=progress,
                    checkpoint_every=1,
                )
            except KeyboardInterrupt:
                continue
            results.append(result.model.state_dict())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_only_exported_networks_draw(files: list[Path], model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.examples: only exported networks"):
        drawn_examples(tmp_path, files, load_network("refnet"))


def test_layers_are_computed_when_they_are_wanted(model: Path, files: list[Path], tmp_path: Path) -> None:
    stored, _ = drawn_examples(tmp_path, files, network(model))
    digest = stored.digest()
    assert not list(tmp_path.iterdir())
    assert stored.layers(1)["p3"].shape[1:] == (8, 8)
    assert len(list(tmp_path.iterdir())) == 1
    assert stored.digest() == digest
    fewer, _ = drawn_examples(tmp_path / "fewer", files[:4], network(model))
    assert fewer.digest() != digest


def test_a_qp_of_its_own_for_each_picture(model: Path, files: list[Path], tmp_path: Path) -> None:
    own = network(model)
    stored, read = drawn_examples(tmp_path / "features", files, own)
    settings = replace(SETTINGS, noise_bits=None, noise_qps=(20, 30, 40), qp_by_picture=True, rate_weight=0.01)
    result = train(settings, stored, part2_of(own), tmp_path / "part", fed=drawn_feed(settings, own, read))
    assert all(np.isfinite(entry["selection"]) for entry in result.history)


def test_the_record_says_what_was_drawn(model: Path, files: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    given = {"name": "onnx", "cut": ["p3", "p4", "p5"], "head": "yolox", "fit": "letterbox", "weights": str(model)}
    settings = [f"network={json.dumps({**given, 'classes': {1: 'a', 2: 'b', 3: 'c'}})}"]
    settings += [f"training.{name}={value}" for name, value in SMALL.items()]
    trained = train_network(load_configuration(["msfc_topdown"], settings), files, tmp_path / "part")
    assert trained.record["examples"]["drawn"] == DRAWN
    assert trained.exported.data
    wrong = load_configuration(["msfc_topdown"], [*settings, "training.loss=task"])
    with pytest.raises(ConfigError, match=r"training\.examples: parts of pictures have no labels"):
        train_network(wrong, files, tmp_path / "wrong")
