"""Features of anybody's network are coded out of the box, and published methods fit other pyramids than P2 to P5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import save_features

from vcm_ref.app import dec, enc
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import load_feature_file

CONFIGURATIONS = Path(__file__).parents[2] / "cfg"
YOLOX = {"n3": (64, 8, 12), "n4": (128, 4, 6), "n5": (256, 2, 3)}


def features(shapes: dict[str, tuple[int, int, int]]) -> FeatureSet:
    """Random layers of a picture of 96x64."""
    random = np.random.default_rng(4)
    return FeatureSet(64, 96, {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


def coded(tmp_path: Path, method: str, shapes: dict[str, tuple[int, int, int]], *options: str) -> FeatureSet:
    """What comes out after lossless coding with a configuration of ``cfg``."""
    source = save_features(tmp_path / "x.npz", features(shapes))
    lossless = ["--set", "codec={name: lossless}"] if method != "lossless" else []
    arguments = ["-c", str(CONFIGURATIONS / f"{method}.yaml"), *lossless, *options, "-i", str(source)]
    assert enc.main([*arguments, "-b", str(tmp_path / "x.bin"), "-q"]) == 0
    assert dec.main([str(tmp_path / "x.bin"), "-o", str(tmp_path / "y.npz")]) == 0
    return load_feature_file(tmp_path / "y.npz")


@pytest.mark.parametrize("channels", [1, 2, 3, 7, 64, 96, 127, 255, 256, 257, 320, 720])
def test_layers_of_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    """Primes too; each sample comes back within half a step of 10 bits."""
    shapes = {"a": (channels, 3, 5), "b": (2 * channels, 1, 2)}
    given, found = features(shapes), coded(tmp_path, "features", shapes)
    for name, layer in given.layers.items():
        step = (layer.max() - layer.min()) / 1023
        assert np.abs(found.layers[name] - layer).max() <= 0.51 * step


@pytest.mark.parametrize(
    "method", ["fframe", "feature_anchor", "tiling", "quilting", "reorder_mean", "frames_4x4", "frames_8x8", "lossless"]
)
def test_methods_fit_a_pyramid_of_three_layers(tmp_path: Path, method: str) -> None:
    """YOLOX has 64, 128 and 256 maps under names of its own."""
    assert list(coded(tmp_path, method, YOLOX).layers) == ["n3", "n4", "n5"]


def test_the_final_method_goes_by_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The two finest layers are in 4x4 maps, further ones in one frame."""
    source = save_features(tmp_path / "x.npz", features(YOLOX))
    options = ["-c", str(CONFIGURATIONS / "lossless.yaml"), "-i", str(source), "-b", str(tmp_path / "x.bin")]
    assert enc.main(options) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows if row and row[0] in YOLOX] == [
        ("n3", "4x4", "4"),
        ("n4", "4x4", "8"),
        ("n5", "16x16", "1"),
    ]


def test_a_method_that_does_not_fit_says_what_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key, the layer, and the grids to choose from."""
    source = save_features(tmp_path / "x.npz", features({"a": (7, 3, 5)}))
    options = ["-c", str(CONFIGURATIONS / "frames_4x4.yaml"), "-i", str(source), "-b", str(tmp_path / "x.bin")]
    assert enc.main(options) == 2
    told = capsys.readouterr().err
    for word in ("packing.grid", "layer a", "4x4", "7x1 (1 frame)", "1x1 (7 frames)", "frames_4x4.yaml"):
        assert word in told


def test_features_that_look_like_channels_last_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are coded, since the guess may be wrong."""
    coded(tmp_path, "features", {"a": (16, 24, 8)})
    assert "transpose(2, 0, 1)" in capsys.readouterr().err
    coded(tmp_path, "features", {"a": (8, 16, 24)})
    assert capsys.readouterr().err == ""
