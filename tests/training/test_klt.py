"""Training of the KLT: the basis is the best one, in one step or two, and the bytes depend on nothing else."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vcm_ref.bitstream.values import Layer, Samples
from vcm_ref.conversion.quantisation import dequantise, fixed_point_range
from vcm_ref.conversion.reduction import Klt
from vcm_ref.conversion.reduction.klt_model import KltModel
from vcm_ref.errors import ConfigError
from vcm_ref.experiment.tasks import TaskError
from vcm_ref.files.feature_file import load_feature_file, save_feature_file
from vcm_ref.models.tensors import read_metadata
from vcm_ref.training import klt
from vcm_ref.training.sums import summed

from .jobs import correlated, inline, job, saved


def lost(data: bytes, components: int, seed: int) -> float:
    """The share of the energy, the mean's left out, that is lost of features that the model has not seen."""
    features = correlated(seed)
    layers = [Layer(name, len(layer)) for name, layer in features.layers.items()]
    tensors = list(features.layers.values())
    stage = Klt(components, KltModel.of(data).shifts(layers))
    transform = stage.ready(layers, data)
    (coded,) = transform.forward(tensors)
    q = np.rint(coded.astype(np.float64) * 256).astype(np.int32)
    restored = transform.inverse([Samples(q, fixed_point_range(8), 1)], [one.shape for one in tensors])  # type: ignore[misc]
    errors = sum(
        float(np.square(dequantise(after) - before).sum()) for after, before in zip(restored, tensors, strict=True)
    )
    energy = sum(float(np.square(one - one.mean(axis=(1, 2), keepdims=True)).sum()) for one in tensors)
    return errors / energy


@pytest.mark.parametrize("two_steps", [False, True])
def test_the_basis_holds_the_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_steps: bool) -> None:
    """The layers have two sources: 8 of 16 components, two sources at 4 places, have nearly all."""
    if two_steps:
        monkeypatch.setattr(klt, "MOST_ENTRIES", 15)
        monkeypatch.setattr(klt, "ENTRIES_AFTER_FIRST", 10)
    data = klt.train(job(saved(tmp_path / "features", 12), tmp_path / "part", "reduction.components=8"))
    model = KltModel.of(data)
    assert [layer.first is not None for layer in model.layers] == [two_steps] * 2
    if two_steps:  # blocks of 2x2 of the first layer, single samples of the second
        assert [layer.first.entries for layer in model.layers if layer.first is not None] == [12, 4]
        assert sum(layer.first.components for layer in model.layers if layer.first is not None) == 10
    assert lost(data, 8, 1000) < 0.05
    assert lost(data, 8, 1000) < lost(data, 2, 1000)


def test_the_gain_makes_features_of_any_size_alike(tmp_path: Path) -> None:
    paths = saved(tmp_path / "features", 4)
    trained, shape = klt.learn(job(paths, tmp_path / "part", "reduction.components=8"))
    energy = trained.energy / 16
    assert shape.shifts == (1, 0)
    assert klt.USUAL_RMS / 2**0.51 <= np.sqrt(energy) <= klt.USUAL_RMS * 2**0.51
    assert klt.gain_for(energy * 4.0**-5, 1) == 5
    assert klt.gain_for(0.0, 1) == 0


def test_the_order_of_tasks_has_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vcm_ref.training.sums.CHUNK", 2)
    paths = saved(tmp_path / "features", 9)
    first = job(paths, tmp_path / "a", "reduction.components=5")

    def shuffled(batches):  # type: ignore[no-untyped-def]
        whole = list(batches)
        random.Random(3).shuffle(whole)
        yield from inline(iter(whole))

    second = replace(first, part=tmp_path / "b", run_batches=shuffled)
    (tmp_path / "b").mkdir()
    assert klt.train(first) == klt.train(second)


def test_an_interrupted_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vcm_ref.training.sums.CHUNK", 2)
    paths = saved(tmp_path / "features", 9)
    whole = klt.train(job(paths, tmp_path / "a", "reduction.components=5"))
    done: list[str] = []

    def interrupted(batches):  # type: ignore[no-untyped-def]
        for finished in inline(batches):
            yield finished
            done.append(finished.name)
            if len(done) == 3:
                raise KeyboardInterrupt

    begun = job(paths, tmp_path / "b", "reduction.components=5")
    with pytest.raises(KeyboardInterrupt):
        klt.train(replace(begun, run_batches=interrupted))
    assert klt.train(replace(begun, run_batches=interrupted)) == whole
    assert done == ["0", "1", "2", "3", "4"] * 2  # of the covariance, and of the tables


def test_the_record_and_the_table(tmp_path: Path) -> None:
    lines: list[str] = []
    data = klt.train(job(saved(tmp_path / "f", 3), tmp_path / "part", "reduction.components=16", lines=lines))
    record = read_metadata(data)
    assert (record["method"], record["network"], record["pictures"]) == ("klt", "refnet", "3")
    assert "numpy" in record["versions"]
    assert lines[0].startswith("components  energy")
    assert lines[-1].split()[:2] == ["16", "1.0000"]


def test_more_components_than_entries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reduction.components is 17; these layers have 16"):
        klt.train(job(saved(tmp_path / "f", 3), tmp_path / "part", "reduction.components=17"))


@pytest.mark.parametrize("components", ["0", "{p0: 3}"])
def test_components_by_layer_are_refused(tmp_path: Path, components: str) -> None:
    with pytest.raises(ConfigError, match=r"reduction.components: is by layer, or 0"):
        klt.train(job(saved(tmp_path / "f", 2), tmp_path / "part", f"reduction.components={components}"))


def test_the_figure_stands_beside_the_model(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    klt.train(job(saved(tmp_path / "f", 3), tmp_path / "model.part", "reduction.components=5"))
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")


def test_an_input_of_other_layers_is_named(tmp_path: Path) -> None:
    paths = [*saved(tmp_path / "f", 2), *saved(tmp_path / "g", 2, channels=(3, 5))]
    with pytest.raises(TaskError, match=r"g/000.safetensors: its layers"):
        klt.train(job(paths, tmp_path / "part", "reduction.components=5"))


def test_ideal_bits_against_a_histogram() -> None:
    """Of a Laplacian with a standard deviation of 2, rounded to multiples of 1.5."""
    values = np.random.default_rng(1).laplace(scale=2 / np.sqrt(2), size=200_000)
    _, counts = np.unique(np.rint(values / 1.5), return_counts=True)
    shares = counts / counts.sum()
    entropy = -(shares * np.log2(shares)).sum()
    assert klt.ideal_bits(np.array([4.0]), 1.5)[0] == pytest.approx(entropy, abs=0.02)


def test_eigenvectors_have_their_largest_entry_positive() -> None:
    matrix = np.random.default_rng(2).normal(size=(6, 6))
    values, rows = klt.eigenvectors(matrix @ matrix.T)
    assert (np.diff(values) <= 0).all()
    assert all(row[np.abs(row).argmax()] > 0 for row in rows)
    np.testing.assert_allclose(rows @ rows.T, np.eye(6), atol=1e-12)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    begun = job(saved(tmp_path / "f", 3), tmp_path / "part")
    first = summed(begun, "x", count_layers)
    again = summed(replace(begun, run_batches=fail), "x", count_layers)
    assert first.keys() == again.keys() and first["layers"] == again["layers"] == 6


def count_layers(path: Path) -> dict[str, np.ndarray]:
    return {"layers": np.array(len(load_feature_file(path).layers))}


def fail(batches):  # type: ignore[no-untyped-def]
    raise AssertionError


def test_positions_that_the_picture_does_not_cover_have_no_part(tmp_path: Path) -> None:
    """The moments are those of layers that end where the picture ends."""
    whole = replace(correlated(3, size=(8, 12)), covered=(0.5, 0.75))
    own = {"p0": whole.layers["p0"][:, :4, :10], "p1": whole.layers["p1"][:, :2, :5]}
    cropped = replace(whole, covered=(1.0, 1.0), layers=own)
    shape = klt.shape_of(whole.layers)
    found = []
    for name, features in (("whole", whole), ("cropped", cropped)):
        path = tmp_path / f"{name}.safetensors"
        with path.open("wb") as file:
            save_feature_file(file, ".safetensors", features)
        found.append(klt.joint_moments(path, '{"network": {}, "upright": true}', shape, 0, (None, None)))
    for key in found[0]:
        np.testing.assert_array_equal(found[0][key], found[1][key])


def test_damaged_sums_are_told(tmp_path: Path) -> None:
    paths = saved(tmp_path, 3)
    folder = tmp_path / "part"
    folder.mkdir()
    (folder / "count.npz").write_bytes(b"PK\3\4 damaged")
    with pytest.raises(ConfigError, match=r"count\.npz: is damaged; remove .*part to start again"):
        summed(job(paths, folder), "count", count_layers)
