"""KLT: shapes, restoration as Python's integers have it, projection and back, and models that do not fit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.bitstream.values import Layer, Samples, Shape
from vcm_ref.conversion.quantisation import dequantise, fixed_point_range
from vcm_ref.conversion.reduction import Klt
from vcm_ref.conversion.reduction.klt_model import KltModel, LinearMap
from vcm_ref.errors import DatasetError, ModelError
from vcm_ref.models.tensors import write_tensors

from .klt_models import drawn, orthonormal


def layers_of(channels: Sequence[int]) -> list[Layer]:
    return [Layer(f"l{i}", count) for i, count in enumerate(channels)]


def by_hand(t: NDArray[np.int64], model: KltModel, shifts: Sequence[int], shapes: Sequence[Shape]) -> list[list[int]]:
    """Clause 8.9 in Python's integers; each layer as a flat list."""

    def step(numbers: list[int], linear: LinearMap, j: int, down: int, bits: int) -> int:
        products = (int(linear.basis[k, j]) * int(linear.scale[k]) * n for k, n in enumerate(numbers))
        value = int(linear.mean[j]) + ((sum(products) + (1 << (down - 1))) >> down)
        return min(max(value, -(1 << (bits - 1))), (1 << (bits - 1)) - 1)

    def place(y: int, x: int, shift: int) -> int:
        return (y % 2**shift) * 2**shift + x % 2**shift

    found = []
    for layer, shift, (channels, height, width) in zip(model.layers, shifts, shapes, strict=True):
        flat = []
        for c, y, x in product(range(channels), range(height), range(width)):
            numbers = [int(n) for n in t[:, y >> shift, x >> shift]]
            if layer.first is not None:
                b = next(b for b in range(7) if channels << 2 * b == layer.first.entries)
                own = shift - b
                entries = [k * 4**own + place(y >> b, x >> b, own) for k in range(layer.first.components)]
                between = [step(numbers, layer.joint, j, 20, 20) for j in entries]
                flat.append(step(between, layer.first, c * 4**b + place(y, x, b), 14, 32))
            else:
                flat.append(step(numbers, layer.joint, c * 4**shift + place(y, x, shift), 14, 32))
        found.append(flat)
    return found


def test_shapes_of_layers_that_are_not_dyadic() -> None:
    stage = Klt(5, [2, 1, 0])
    assert stage.shapes([(4, 13, 17), (4, 7, 9), (4, 3, 5)]) == [(5, 4, 5)]
    assert stage.shapes([(4, 13, 17), (4, 7, 9), (4, 6, 1)]) == [(5, 6, 5)]
    assert stage.layers(layers_of([4, 4, 4])) == [Layer("klt", 5)]


@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans(), st.integers(-3, 3), st.data())
def test_restoration_by_pythons_integers(
    seed: int, count: int, two_steps: bool, gain: int, data: st.DataObject
) -> None:
    channels = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    shifts = [data.draw(st.integers(0, 2)) for _ in channels]
    shapes = [(c, data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))) for c in channels]
    first = [data.draw(st.integers(0, 3)) for _ in channels] if two_steps else []
    sides = [data.draw(st.integers(0, shift)) for shift in shifts]
    model = drawn(seed, 4, channels, shifts, first, gain, sides)
    stage = Klt(count, shifts)
    ((_, rows, columns),) = stage.shapes(shapes)
    t = np.random.default_rng(seed).integers(-(1 << 19), 1 << 19, (count, rows, columns))
    given_samples = Samples(t.astype(np.int32), fixed_point_range(8), 1)
    found = stage.ready(layers_of(channels), model.to_bytes({}, {})).inverse([given_samples], shapes)
    expected = by_hand(t, model, shifts, shapes)
    for tensor, flat, shape in zip(found, expected, shapes, strict=True):
        assert tensor.samples.shape == shape
        assert tensor.samples.ravel().tolist() == flat
        assert (tensor.top, tensor.value_range.lo.item()) == (1, 0)
        assert tensor.value_range.hi.item() == 2.0 ** -(14 + gain)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sums_are_exact(sign: int) -> None:
    """1024 components, all numbers at their ends, and one that differs by one unit: 2**52 less what is left out."""
    joint = LinearMap(np.full((1024, 1), -128, np.int8), np.full(1024, 65535, np.uint16), np.zeros(1, np.int32))
    one = drawn(0, 1, [1], [0]).layers[0]
    model = KltModel(0, (replace(one, joint=joint),))
    t = np.full((1024, 1, 1), -(1 << 19) if sign > 0 else (1 << 19) - 1, np.int64)
    t[7] += sign
    stage = Klt(1024, [0])
    transform = stage.ready(layers_of([1]), model.to_bytes({}, {}))
    samples = Samples(t.astype(np.int32), fixed_point_range(8), 1)
    assert (
        transform.inverse([samples], [(1, 1, 1)])[0].samples.ravel().tolist() == by_hand(t, model, [0], [(1, 1, 1)])[0]
    )


@given(st.integers(0, 10**6), st.integers(-4, 4), st.integers(1, 9), st.integers(1, 9))
def test_all_components_give_the_layers_back(seed: int, gain: int, height: int, width: int) -> None:
    """Up to what int8 loses: of 28 entries with values below 4, under a tenth each."""
    channels, shifts = [3, 4], [1, 0]
    random = np.random.default_rng(seed)
    maps = [
        random.uniform(-4, 4, (count, height if shift else -(-height // 2), width if shift else -(-width // 2)))
        for count, shift in zip(channels, shifts, strict=True)
    ]
    layers = [(one * 2.0**-gain).astype(np.float32) for one in maps]
    model = orthonormal(seed, channels, shifts, gain)
    stage = Klt(16, shifts)
    transform = stage.ready(layers_of(channels), model.to_bytes({}, {}))
    (coded,) = transform.forward(layers)
    q = np.rint(coded.astype(np.float64) * 256).astype(np.int32)
    restored = transform.inverse([Samples(q, fixed_point_range(8), 1)], [one.shape for one in layers])  # type: ignore[misc]
    for before, after in zip(layers, restored, strict=True):
        assert np.abs(dequantise(after) - before).max() * 2.0**gain < 0.3


def test_a_layer_is_repeated_beyond_its_edges() -> None:
    """One channel of 1x3 in blocks of 2x2, with a basis that copies entries: what the encoder sees beyond the edges."""
    joint = LinearMap((127 * np.eye(4)).astype(np.int8), np.full(4, 8256, np.uint16), np.zeros(4, np.int32))
    model = KltModel(0, (replace(drawn(0, 4, [1], [1]).layers[0], joint=joint),))
    transform = Klt(4, [1]).ready(layers_of([1]), model.to_bytes({}, {}))
    (coded,) = transform.forward([np.array([[[1, 2, 3]]], np.float32)])
    assert np.rint(coded).tolist() == [[[1, 3]], [[2, 3]], [[1, 3]], [[2, 3]]]


def test_models_are_written_and_read() -> None:
    model = drawn(3, 6, [3, 2], [1, 0], [2, 0], -5)
    again = KltModel.of(model.to_bytes({"network": "x"}, {"more": np.zeros(3, np.uint8)}))
    assert again.gain == -5
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(again.tensors()[name], tensor)
    assert again.shifts(layers_of([3, 2])) == [1, 0]


UNFIT = {
    "no gain": {"gain": None},
    "a gain of 65": {"gain": np.array([65], np.int8)},
    "two gains": {"gain": np.array([1, 1], np.int8)},
    "no scale": {"scale": None},
    "scales of int32": {"scale": np.ones(4, np.int32)},
    "no components": {"scale": np.ones(0, np.uint16), "basis.0": np.ones((0, 8), np.int8)},
    "1025 components": {"scale": np.ones(1025, np.uint16), "basis.0": np.ones((1025, 8), np.int8)},
    "no basis": {"basis.0": None},
    "a basis of other components": {"basis.0": np.ones((3, 8), np.int8)},
    "a basis without a mean": {"mean.0": None},
    "a mean of other entries": {"mean.0": np.zeros(7, np.int32)},
    "one layer too few": {"basis.1": None},
    "one layer too many": {"basis.2": np.ones((4, 3), np.int8), "mean.2": np.zeros(3, np.int32)},
    "entries that no shift has": {"basis.0": np.ones((4, 6), np.int8), "mean.0": np.zeros(6, np.int32)},
    "another shift": {"basis.0": np.ones((4, 2), np.int8), "mean.0": np.zeros(2, np.int32)},
    "a first step without a scale": {"first.basis.1": np.ones((3, 3), np.int8)},
    "a first step of other channels": {
        "first.basis.1": np.ones((3, 4), np.int8),
        "first.scale.1": np.ones(3, np.uint16),
        "first.mean.1": np.zeros(4, np.int32),
    },
}


@pytest.mark.parametrize("name", UNFIT)
def test_models_that_do_not_fit_are_refused(name: str) -> None:
    stage, layers = Klt(4, [1, 0]), layers_of([2, 3])
    tensors = drawn(1, 4, [2, 3], [1, 0]).tensors()
    stage.ready(layers, write_tensors(tensors))
    changed = {key: tensor for key, tensor in {**tensors, **UNFIT[name]}.items() if tensor is not None}
    with pytest.raises(ModelError):
        stage.ready(layers, write_tensors(changed))


def test_more_components_than_the_model_has_are_refused() -> None:
    with pytest.raises(ModelError, match="4 components, and 5"):
        Klt(5, [1, 0]).ready(layers_of([2, 3]), drawn(1, 4, [2, 3], [1, 0]).to_bytes({}, {}))


THREADS = """
import hashlib, sys
import numpy as np
from conversion.reduction.klt_models import drawn
from vcm_ref.bitstream.values import Layer, Samples
from vcm_ref.conversion.quantisation import fixed_point_range
from vcm_ref.conversion.reduction import Klt
random = np.random.default_rng(5)
layers = [random.normal(size=(16, 61, 47)).astype("f4"), random.normal(size=(32, 31, 24)).astype("f4")]
stage = Klt(100, [2, 1])
model = drawn(1, 128, [16, 32], [2, 1], [12, 0], 0, [1, 0], 8).to_bytes({}, {})
transform = stage.ready([Layer("a", 16), Layer("b", 32)], model)
(coded,) = transform.forward(layers)
t = random.integers(-(1 << 19), 1 << 19, coded.shape).astype("i4")
restored = transform.inverse([Samples(t, fixed_point_range(8), 1)], [one.shape for one in layers])
parts = [coded.tobytes(), *(one.samples.tobytes() for one in restored)]
print(hashlib.sha256(b"".join(parts)).hexdigest())
"""


@pytest.mark.integration
def test_any_number_of_threads_gives_the_same_bytes() -> None:
    found = set()
    for threads in ("1", "2", "4"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", THREADS]
        root = Path(__file__).parents[2]  # of the modules that tests have in common
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize(("size", "steps"), [(2.0**13, ()), (2.0**12, (2,))])
def test_layers_that_would_be_clipped_are_refused(size: float, steps: tuple[int, ...]) -> None:
    """A layer, a component, and what is between two steps have a greatest number."""
    drawn_model = drawn(1, 2, [2], [0], steps)
    transform = Klt(2, [0]).ready(layers_of([2]), drawn_model.to_bytes({}, {}))
    with pytest.raises(DatasetError, match="many times larger than those that the model was trained on"):
        transform.forward([np.full((2, 3, 3), size, np.float32)])
