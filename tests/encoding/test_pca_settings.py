"""PCA from configuration to bitstream and back: how many components are kept, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import make_features
from test_encoder import coded, decoded

from vcm_ref.configuration import Configuration
from vcm_ref.conversion.reduction import Pca
from vcm_ref.encoding.pca_settings import pca_stage
from vcm_ref.errors import ConfigError
from vcm_ref.feature_set import FeatureSet

FEATURES = make_features(16, 20, 24)
LAYERS = list(FEATURES.layers)


def configured(qp: int = 37, codec: str = "lossless", **reduction: object) -> Configuration:
    """PCA with some options."""
    name = {"*.coefficients": "lossless", "default": codec} if codec != "lossless" else codec
    return Configuration(
        {
            "reduction": {"method": "pca", **reduction},
            "codec": {"name": name, "qp": qp},
            "quantisation": {"bit_depth": 10 if codec != "lossless" else 14},
        }
    )


def kept(stage: Pca) -> list[int]:
    return [own.components for own in stage.parameters]


def of_energies(*energies: float) -> FeatureSet:
    """A layer of 8 channels and 16 positions whose components have these energies, by a Hadamard matrix."""
    signs = np.array([[1]])
    for _ in range(4):
        signs = np.block([[signs, signs], [signs, -signs]])
    weights = np.sqrt(np.array(energies) / (8 * 16))
    left, right = signs[:8, 1 : 1 + len(energies)] * weights, signs[1 : 1 + len(energies)]
    return FeatureSet(64, 64, {"p3": (left @ right).reshape(8, 4, 4).astype(np.float32)})


def test_a_number_is_taken_as_it_is() -> None:
    numbers = {LAYERS[0]: 5, LAYERS[1]: 0, "default": 2}
    stage = pca_stage(configured(components=numbers), FEATURES)
    assert kept(stage) == [5, 0, *(2 for _ in LAYERS[2:])]


@pytest.mark.parametrize(("share", "components"), [(0.5, 1), (0.6, 1), (0.61, 2), (0.9, 2), (0.95, 3), (1, 4)])
def test_an_energy_is_reached_by_the_fewest(share: float, components: int) -> None:
    """Of energies 60, 30, 7 and 3."""
    features = of_energies(60, 30, 7, 3)
    found = pca_stage(configured(energy=share - 1e-6), features)
    assert kept(found) == [components]


def test_components_above_the_step_are_kept() -> None:
    """With the rising QP there are fewer of them, and there is always one."""
    counts = [kept(pca_stage(configured(qp=qp), FEATURES)) for qp in (22, 27, 32, 37, 42, 63)]
    for place in range(len(LAYERS)):
        by_qp = [count[place] for count in counts]
        assert by_qp == sorted(by_qp, reverse=True)
    assert any(one > other for one, other in zip(counts[0], counts[-1], strict=True))


def test_a_layer_of_few_positions_stays_as_it_is() -> None:
    """Where it has more channels than positions, and no number asks for components."""
    features = FeatureSet(64, 64, {"p4": FEATURES.layers[LAYERS[0]], "p5": np.ones((20, 2, 3), np.float32)})
    (some, none) = kept(pca_stage(configured(), features))
    assert some > 0
    assert none == 0
    assert kept(pca_stage(configured(components={"p5": 3}), features))[1] == 3


def test_a_bitstream_without_a_model_comes_back() -> None:
    """Two groups, all components, lossless: what is left is the rounding of 14 bits."""
    pictures = [make_features(16, 20, 24, seed=seed) for seed in range(3)]
    configuration = configured(components=15)
    found = decoded(coded(configuration, tuple(pictures[:2]), tuple(pictures[2:])))
    for picture, features in zip(found, pictures, strict=True):
        assert picture.verified
        for name, layer in features.layers.items():
            restored = picture.features.layers[name]
            error = np.abs(restored - layer).max() / np.abs(layer).max()
            assert error < 0.1, name


@pytest.mark.integration
def test_the_maps_are_tiled_in_one_picture() -> None:
    tree = configured(codec="vvenc", components=3).tree
    tree = {**tree, "packing": {"method": "stacked"}, "codec": {**tree["codec"], "preset": "faster"}}
    (picture,) = decoded(coded(Configuration(tree), (FEATURES,)))
    assert picture.verified
    assert len(picture.planes) == 1 + len(LAYERS)
    assert [name for name in picture.quantised if name.endswith(".maps")] == [f"{name}.maps" for name in LAYERS]


@pytest.mark.parametrize(
    ("reduction", "message"),
    [
        ({"components": 0}, "no layer keeps a component"),
        ({"components": {"nowhere": 2}}, "there is no layer nowhere"),
        ({"components": 3, "energy": 0.5}, "both"),
        ({"components": 3, "most_components": 2}, "has no effect where every layer has a number"),
    ],
)
def test_what_does_not_fit_is_refused(reduction: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pca_stage(configured(**reduction), FEATURES)


@pytest.mark.integration
def test_the_bytes_do_not_depend_on_the_number_of_threads() -> None:
    """Sums of products are exact, in whatever order a library's threads add them."""
    script = (
        "import hashlib, numpy as np\n"
        "from vcm_ref.conversion.reduction.pca_analysis import components_of\n"
        "sha256 = hashlib.sha256()\n"
        "for shape in ((24, 90, 70), (90, 5, 6)):\n"
        "    tensor = np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)\n"
        "    found = components_of(tensor, 20)\n"
        "    sha256.update(found.maps.tobytes() + found.coefficients.tobytes())\n"
        "print(sha256.hexdigest())\n"
    )
    digests = set()
    for threads in ("1", "2", "4"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(run.stdout)
    assert len(digests) == 1
