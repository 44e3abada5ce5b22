"""PCA: shapes and names, exact restoration, its inverse within the fixed-point numbers' steps, and its syntax."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.bitstream.coder import Reader, Writer
from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.values import Layer, Samples, ValueRange
from vcm_ref.conversion.quantisation import dequantise
from vcm_ref.conversion.reduction import Pca, Resize
from vcm_ref.conversion.reduction.pca import MOST_SHIFT, TensorComponents
from vcm_ref.conversion.reduction.pca_analysis import components_of
from vcm_ref.errors import BitstreamError, DatasetError

PLAIN = TensorComponents()


def exactly(values: NDArray[np.float32], bits: int) -> Samples:
    """Samples that stand for values, which are multiples of ``2**-bits``."""
    samples = values.astype(np.float64) * 2.0**bits
    assert (samples == np.rint(samples)).all()
    unit = ValueRange(np.zeros(1, np.float32), np.full(1, 2.0**-bits, np.float32))
    return Samples(samples.astype(np.int64), unit, 1)


def finely(values: NDArray[np.float32]) -> Samples:
    """Samples that stand for values as closely as a codec without loss would have them."""
    unit = 2.0 ** -(30 - math.frexp(float(np.abs(values).max()))[1])
    pair = ValueRange(np.zeros(1, np.float32), np.full(1, unit, np.float32))
    return Samples(np.rint(values / unit).astype(np.int64), pair, 1)


def made(seed: int, shape: tuple[int, int, int], scale: float = 1.0) -> NDArray[np.float32]:
    """Features with some structure: few components and noise."""
    random = np.random.default_rng(seed)
    channels, height, width = shape
    basis = random.normal(size=(3, height * width))
    mixed = random.normal(size=(channels, 3)) @ (basis * np.array([[9], [3], [1]])) + 2
    noise = random.normal(size=(channels, height * width)) / 10
    return ((mixed + noise).reshape(shape) * scale).astype(np.float32)


def fitted(tensor: NDArray[np.float32], components: int) -> TensorComponents:
    return TensorComponents.fitted(components_of(tensor, components), components)


def test_names_and_shapes() -> None:
    """Maps in each tensor's place, what is left alone between them, and all coefficients after them."""
    stage = Pca([TensorComponents(3, 10, 4, [0, 1]), PLAIN, TensorComponents(1, 9, 3)])
    layers = [Layer("p3", 8), Layer("p4", 16), Layer("p5", 32)]
    names = [("p3.maps", 4), ("p4", 16), ("p5.maps", 2), ("p3.coefficients", 3), ("p5.coefficients", 1)]
    assert stage.layers(layers) == [Layer(*one) for one in names]
    shapes = stage.shapes([(8, 5, 7), (16, 3, 4), (32, 2, 2)])
    assert shapes == [(4, 5, 7), (16, 3, 4), (2, 2, 2), (3, 1, 8), (1, 1, 32)]


def test_one_sample_by_hand() -> None:
    """Mean 3, components 2 and -1 at the only position, coefficients 1.5 and 0.25 of one channel, all in steps of 1/16.

    A coefficient's number stands for 1 where it is 2**6 and, of the second component, 2**5: so 1.5 is coded as 3 and
    0.25 as 0.25, since the 5 fraction bits make 96 and 8 of them. 3 + 2 * 1.5 - 0.25 is 5.75, 92 sixteenths.
    """
    stage = Pca([TensorComponents(2, 4, 6, [1])])
    maps = exactly(np.array([[[3]], [[2]], [[-1]]], np.float32), 4)
    coefficients = exactly(np.array([[[3]], [[0.25]]], np.float32), 5)
    (found,) = stage.inverse([maps, coefficients], [(1, 1, 1)])
    assert found.samples.tolist() == [[[92]]]
    assert dequantise(found).tolist() == [[[5.75]]]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_restoration_is_python_integers(data: st.DataObject) -> None:
    """At the ends of what fixed-point numbers, shifts and counts can be, no bit is lost."""
    components = data.draw(st.sampled_from([1, 2, 5, 255]))
    unit_shift = data.draw(st.integers(0, 15))
    deltas = [0] * (components - 1)
    if deltas:
        deltas[data.draw(st.integers(0, len(deltas) - 1))] = data.draw(st.integers(0, MOST_SHIFT))
    extreme = data.draw(st.booleans())
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    low = 2**19 - 3 if extreme else -(2**19) - 5
    a = random.integers(low, 2**19 + 5, (components + 1, 2, 3))
    t = random.integers(2**17 - 3 if extreme else -(2**17) - 5, 2**17 + 5, (components, 1, 18))
    stage = Pca([TensorComponents(components, 7, unit_shift, deltas)])
    unit = [ValueRange(np.zeros(1, np.float32), np.full(1, 2.0**-bits, np.float32)) for bits in (7, 5)]
    (found,) = stage.inverse([Samples(a, unit[0], 1), Samples(t, unit[1], 1)], [(18, 2, 3)])
    shifts = np.cumsum([0, *deltas])
    a, t = a.clip(-(2**19), 2**19 - 1), t.clip(-(2**17), 2**17 - 1)
    for c in range(0, 18, 5):
        for y in range(2):
            for x in range(3):
                s = int(a[0, y, x]) << unit_shift
                s += sum(int(a[k + 1, y, x]) * (int(t[k, 0, c]) << int(shifts[k])) for k in range(components))
                assert abs(s) < 2**53
                wanted = min(max((s + (1 << unit_shift >> 1)) >> unit_shift, -(2**31)), 2**31 - 1)
                assert found.samples[c, y, x] == wanted


@settings(deadline=None, max_examples=25)
@given(
    st.tuples(st.integers(1, 24), st.integers(1, 6), st.integers(1, 6)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-20, 1e-3, 1.0, 1e6, 1e20]),
)
def test_all_components_give_the_tensor_back(shape: tuple[int, int, int], seed: int, scale: float) -> None:
    """Few channels and many, at any scale: within a few steps of the fixed-point numbers."""
    tensor = made(seed, shape, scale)
    components = min(shape[0], shape[1] * shape[2])
    stage = Pca([fitted(tensor, components)])
    after = stage.forward([tensor])
    (found,) = stage.inverse([finely(one) if one.any() else exactly(one, 0) for one in after], [shape])
    np.testing.assert_allclose(dequantise(found), tensor, rtol=0, atol=2e-3 * np.abs(tensor).max() * components**0.5)


@pytest.mark.parametrize("shape", [(12, 9, 8), (40, 3, 4)])
def test_components_are_the_best_ones(shape: tuple[int, int, int]) -> None:
    """Three components leave the error that the singular values after the third say, by LAPACK."""
    tensor = made(5, shape)
    found = components_of(tensor, 3)
    flat = tensor.reshape(shape[0], -1).astype(np.float64)
    left = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)
    rest = flat - found.maps[0] - found.coefficients @ found.maps[1:]
    np.testing.assert_allclose((rest**2).sum(), (left[3:] ** 2).sum(), rtol=1e-3)
    np.testing.assert_allclose(found.energies, left[:3] ** 2, rtol=1e-3)
    np.testing.assert_allclose(found.total, (left**2).sum(), rtol=1e-3)
    np.testing.assert_allclose((found.coefficients**2).mean(axis=0), 1, rtol=1e-3)
    assert (found.coefficients[np.abs(found.coefficients).argmax(axis=0), range(3)] > 0).all()


def test_more_components_than_there_are_stay_zero() -> None:
    tensor = made(1, (5, 2, 2))
    maps, coefficients = Pca([fitted(tensor, 9)]).forward([tensor])
    assert maps.shape == (10, 2, 2)
    assert coefficients.shape == (9, 1, 5)
    assert not maps[5:].any()
    assert not coefficients[4:].any()


def test_a_flat_tensor_is_its_mean() -> None:
    tensor = np.full((6, 3, 3), 2.5, np.float32)
    stage = Pca([fitted(tensor, 2)])
    maps, coefficients = stage.forward([tensor])
    assert not coefficients.any()
    assert (maps[0] == 2.5).all()
    (found,) = stage.inverse([exactly(maps, 4), exactly(coefficients, 0)], [tensor.shape])
    assert (dequantise(found) == 2.5).all()


def test_a_later_picture_of_other_size_in_value_is_refused() -> None:
    tensor = made(3, (8, 4, 4))
    stage = Pca([fitted(tensor, 2)])
    stage.forward([tensor * np.float32(2)])
    with pytest.raises(DatasetError, match="many times larger"):
        stage.forward([tensor * np.float32(50)])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_must_be_finite(value: float) -> None:
    tensor = made(3, (8, 4, 4))
    tensor[3, 1, 2] = value
    with pytest.raises(DatasetError, match="must be finite"):
        components_of(tensor, 2)


def test_resize_takes_what_pca_gives() -> None:
    """A stage of resizing before PCA interpolates 32-bit values, which need more than 32 bits."""
    peak = np.full((1, 2, 2), 2**31 - 1, np.int32)
    pair = ValueRange(np.zeros(1, np.float32), np.ones(1, np.float32))
    (found,) = Resize([1]).inverse([Samples(peak, pair, 1)], [(1, 4, 4)])
    assert (found.samples == (2**31 - 1) * 16).all()


def written(stage: Pca, layers: list[Layer]) -> bytes:
    writer = Writer()
    stage.syntax(writer, layers)
    writer.align(Part.HEADER)
    return writer.to_bytes()


def read(data: bytes, layers: list[Layer]) -> Pca:
    stage = Pca()
    stage.syntax(Reader(data), layers)
    return stage


parameters = st.builds(
    lambda components, fraction, unit, delta: TensorComponents(
        components,
        fraction * bool(components),
        unit * bool(components),
        [0] * (components - 2) + [delta] * (components > 1),
    ),
    st.integers(0, 40),
    st.integers(-96, 96),
    st.integers(0, 15),
    st.integers(0, 8),
)


@given(st.lists(parameters, min_size=1, max_size=5).filter(lambda many: any(one.components for one in many)))
def test_syntax_round_trip(many: list[TensorComponents]) -> None:
    layers = [Layer(f"p{number}", 9) for number in range(len(many))]
    assert read(written(Pca(many), layers), layers).parameters == many


@pytest.mark.parametrize(
    ("stage", "layers", "message"),
    [
        (Pca([PLAIN]), [Layer("p3", 4)], "does not split a tensor"),
        (Pca([TensorComponents(3, 0, 0, [8, 1])]), [Layer("p3", 4)], "add up to 9"),
        (Pca([TensorComponents(1), PLAIN]), [Layer("p3", 4), Layer("p3.maps", 4)], "the same name"),
    ],
)
def test_what_is_not_conformant(stage: Pca, layers: list[Layer], message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        written(stage, layers)


def test_values_beyond_the_fraction_bits_are_refused() -> None:
    tensor = made(3, (8, 4, 4)) * np.float32(1e36)
    with pytest.raises(DatasetError, match="values too large for pca"):
        Pca([fitted(tensor, 2)]).forward([tensor])
