from __future__ import annotations

import math
import struct
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from vcm_ref.bitstream.values import RangeScope, Samples, ValueRange
from vcm_ref.conversion.quantisation import (
    RANGE_PROFILES,
    Rounding,
    check_finite,
    fixed_point_range,
    highest_value,
    measure_ranges,
    quantise,
    to_fixed_point,
)
from vcm_ref.conversion.quantisation import dequantise as dequantise_samples
from vcm_ref.errors import ConfigError, DatasetError

from .strategies import bit_depths, finite, tensors

roundings: st.SearchStrategy[Rounding] = st.sampled_from(["nearest", "floor"])


def dequantise(
    q: NDArray[np.uint16], value_range: ValueRange, bit_depth: int, threads: int | None = None
) -> NDArray[np.float32]:
    """Samples of a bit depth."""
    return dequantise_samples(Samples(q, value_range, 2**bit_depth - 1), threads=threads)


measured_scopes = st.sampled_from([RangeScope.PICTURE, RangeScope.TENSOR, RangeScope.CHANNEL])


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def maps(*values: float) -> NDArray[np.float32]:
    """One 2x2 map."""
    return f32(*values).reshape(1, 2, 2)


def pair(lo: float, hi: float) -> ValueRange:
    return ValueRange(f32(lo), f32(hi))


def rounded(value: Fraction) -> float:
    """``value`` rounded once to float64."""
    return value.numerator / value.denominator


def normative(sample: int, lo: float, hi: float, bit_depth: int) -> float:
    """The inverse as the specification has it, each operation exact and then rounded once."""
    span = rounded(Fraction(hi) - Fraction(lo))
    step = rounded(Fraction(span) / (2**bit_depth - 1))
    value = rounded(Fraction(lo) + Fraction(rounded(sample * Fraction(step))))
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def test_quantise_by_hand() -> None:
    """Range -1..2 in 2 bits: steps of 1, so -1, 0, 1, 2 become 0..3."""
    q, sums = quantise(maps(-1, 0.4, 0.6, 2), pair(-1, 2), 2)
    assert q.tolist() == [[[0, 1], [2, 3]]]
    assert sums.tolist() == [6]
    assert q.dtype == np.uint16
    assert sums.dtype == np.int64


def test_floor_by_hand() -> None:
    q, _ = quantise(maps(-1, 0.4, 0.6, 2), pair(-1, 2), 2, "floor")
    assert q.tolist() == [[[0, 1], [1, 3]]]


def test_values_outside_are_clamped() -> None:
    q, _ = quantise(maps(-9, -1, 2, 3e38), pair(-1, 2), 2)
    assert q.tolist() == [[[0, 0], [3, 3]]]


def test_dequantise_by_hand() -> None:
    samples = np.array([[[0, 1], [2, 3]]], np.uint16)
    assert dequantise(samples, pair(-1, 2), 2).tolist() == [[[-1, 0], [1, 2]]]


def test_each_channel_has_its_range() -> None:
    tensor = np.concatenate([maps(0, 1, 2, 3), maps(-30, -20, -10, 0)])
    (value_range,) = measure_ranges({"p2": tensor}, RangeScope.CHANNEL)
    q, _ = quantise(tensor, value_range, 2)
    assert q.tolist() == [[[0, 1], [2, 3]]] * 2
    assert dequantise(q, value_range, 2).tolist() == tensor.tolist()


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (RangeScope.PICTURE, [([-4], [9]), ([-4], [9])]),
        (RangeScope.TENSOR, [([-4], [3]), ([5], [9])]),
        (RangeScope.CHANNEL, [([0, -4], [3, -1]), ([5], [9])]),
        (RangeScope.FIXED, [([-1.5], [2.5]), ([-1.5], [2.5])]),
    ],
)
def test_scopes_by_hand(scope: RangeScope, expected: list[tuple[list[float], list[float]]]) -> None:
    layers = {"p2": np.concatenate([maps(0, 1, 2, 3), maps(-4, -3, -2, -1)]), "p3": maps(5, 6, 9, 7)}
    ranges = measure_ranges(layers, scope, (-1.5, 2.5))
    assert [(one.lo.tolist(), one.hi.tolist()) for one in ranges] == expected
    assert all(end.dtype == np.float32 for one in ranges for end in (one.lo, one.hi))


def test_sums_pass_32_bits() -> None:
    tensor = np.ones((2, 258, 256), np.float32)
    tensor[:, 0, 0] = 0
    _, sums = quantise(tensor, pair(0, 1), 16)
    assert sums.tolist() == [(258 * 256 - 1) * 65535] * 2


def test_zero_at_an_end_is_positive() -> None:
    for scope in (RangeScope.PICTURE, RangeScope.TENSOR, RangeScope.CHANNEL):
        (value_range,) = measure_ranges({"p2": maps(-0.0, 0.0, -0.0, -0.0)}, scope)
        assert not np.signbit(value_range.lo).any()
        assert not np.signbit(value_range.hi).any()


@given(tensors, bit_depths, measured_scopes, roundings)
def test_error_is_at_most_half_a_step(
    tensor: NDArray[np.float32], bit_depth: int, scope: RangeScope, rounding: Rounding
) -> None:
    (value_range,) = measure_ranges({"p2": tensor}, scope)
    q, sums = quantise(tensor, value_range, bit_depth, rounding)
    lo = value_range.lo.astype(np.float64).reshape(-1, 1, 1)
    hi = value_range.hi.astype(np.float64).reshape(-1, 1, 1)
    error = np.abs(dequantise(q, value_range, bit_depth).astype(np.float64) - tensor)
    # Forward arithmetic: three roundings of values up to the span. Inverse: one of values up to the larger
    # end, which may be subnormal.
    float_rounding = 4 * 2.0**-24 * (hi - lo) + 2.0**-24 * np.maximum(abs(lo), abs(hi)) + 2.0**-150
    steps = 0.5 if rounding == "nearest" else 1
    assert (error <= steps * (hi - lo) / highest_value(bit_depth) + float_rounding).all()
    assert q.max() <= highest_value(bit_depth)
    assert sums.tolist() == [int(one.sum()) for one in q.astype(object).reshape(len(q), -1)]


@given(st.lists(finite, min_size=2, max_size=40), finite, finite, bit_depths, roundings)
def test_bounded_and_monotone_for_any_range(
    values: list[float], one_end: float, other_end: float, bit_depth: int, rounding: Rounding
) -> None:
    lo, hi = sorted((one_end, other_end))
    ordered = f32(*sorted([*values, lo, hi])).reshape(1, 1, -1)
    q, _ = quantise(ordered, pair(lo, hi), bit_depth, rounding)
    samples = q.ravel().astype(int)
    assert (np.diff(samples) >= 0).all()
    assert samples[0] == 0
    assert samples[-1] == (highest_value(bit_depth) if lo < hi else 0)


@pytest.mark.parametrize(
    ("lo", "hi"),
    [(-3.4028234663852886e38, 3.4028234663852886e38), (0, 1e-45), (1, 1.0000001192092896), (-1e-40, 3e-39)],
)
def test_extreme_ranges(lo: float, hi: float) -> None:
    for bit_depth in range(1, 17):
        for rounding in ("nearest", "floor"):
            q, _ = quantise(maps(lo, hi, lo, hi), pair(lo, hi), bit_depth, rounding)
            assert q.tolist() == [[[0, highest_value(bit_depth)]] * 2]
            assert dequantise(q, pair(lo, hi), bit_depth).tolist() == maps(lo, hi, lo, hi).tolist()


@given(finite, bit_depths, measured_scopes, roundings)
def test_a_constant_survives(value: float, bit_depth: int, scope: RangeScope, rounding: Rounding) -> None:
    tensor = np.full((3, 2, 2), value, np.float32)
    (value_range,) = measure_ranges({"p2": tensor}, scope)
    q, _ = quantise(tensor, value_range, bit_depth, rounding)
    assert not q.any()
    assert np.array_equal(dequantise(q, value_range, bit_depth), tensor)


@given(finite, st.integers(0, 65535))
def test_a_constant_range_gives_its_value_for_every_sample(value: float, sample: int) -> None:
    samples = np.full((1, 1, 1), sample, np.uint16)
    assert dequantise(samples, pair(value, value), 16).item() == np.float32(value)


def test_constant_channel_beside_others() -> None:
    tensor = np.concatenate([maps(7.25, 7.25, 7.25, 7.25), maps(0, 1, 2, 3)])
    (value_range,) = measure_ranges({"p2": tensor}, RangeScope.CHANNEL)
    q, _ = quantise(tensor, value_range, 8)
    assert np.array_equal(dequantise(q, value_range, 8)[0], tensor[0])
    assert q[1].ravel().tolist() == [0, 85, 170, 255]


@given(finite, finite, bit_depths, st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_dequantise_is_the_normative_formula(
    one_end: float, other_end: float, bit_depth: int, samples: list[int]
) -> None:
    lo, hi = sorted((one_end, other_end))
    q = (np.array(samples) & highest_value(bit_depth)).astype(np.uint16).reshape(1, 1, -1)
    expected = [normative(int(sample), lo, hi, bit_depth) for sample in q.ravel()]
    assert dequantise(q, pair(lo, hi), bit_depth).ravel().tolist() == expected


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_dequantise_every_sample_of_a_published_range(bit_depth: int) -> None:
    profile = RANGE_PROFILES["mpeg-m58786"]
    value_range = pair(profile.lo, profile.hi)
    lo, hi = value_range.lo.item(), value_range.hi.item()
    q = np.arange(1 << bit_depth, dtype=np.uint16).reshape(1, 1, -1)
    expected = [normative(sample, lo, hi, bit_depth) for sample in range(1 << bit_depth)]
    assert dequantise(q, value_range, bit_depth).ravel().tolist() == expected


@given(st.integers(1, 100), bit_depths)
def test_channel_ranges_of_many_maps(channels: int, bit_depth: int) -> None:
    """A channel's range is its own whatever block of maps the channel falls into."""
    random = np.random.default_rng(channels)
    tensor = random.standard_normal((channels, 40, 50)).astype(np.float32)
    (value_range,) = measure_ranges({"p2": tensor}, RangeScope.CHANNEL)
    q, _ = quantise(tensor, value_range, bit_depth)
    restored = dequantise(q, value_range, bit_depth)
    for channel in {0, channels // 2, channels - 1}:
        one = ValueRange(value_range.lo[channel : channel + 1], value_range.hi[channel : channel + 1])
        alone, _ = quantise(tensor[channel : channel + 1], one, bit_depth)
        assert np.array_equal(alone[0], q[channel])
        assert np.array_equal(dequantise(alone, one, bit_depth)[0], restored[channel])


@settings(max_examples=20)
@given(st.integers(0, 1000), measured_scopes, st.sampled_from([(3, 300, 280), (70, 40, 41)]))
def test_threads_do_not_matter(seed: int, scope: RangeScope, shape: tuple[int, int, int]) -> None:
    tensor = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    results = []
    for threads in (1, 2, 5):
        (value_range,) = measure_ranges({"p2": tensor}, scope, threads=threads)
        q, sums = quantise(tensor, value_range, 10, threads=threads)
        restored = dequantise(q, value_range, 10, threads=threads)
        parts = (value_range.lo, value_range.hi, q, sums, restored)
        results.append(b"".join(part.tobytes() for part in parts))
    assert len(set(results)) == 1


def test_a_view_need_not_be_contiguous() -> None:
    tensor = np.random.default_rng(1).standard_normal((6, 5, 4)).astype(np.float32)
    turned = tensor.transpose(2, 0, 1)
    (value_range,) = measure_ranges({"p2": turned}, RangeScope.CHANNEL)
    q, _ = quantise(turned, value_range, 10)
    expected, _ = quantise(np.ascontiguousarray(turned), value_range, 10)
    assert np.array_equal(q, expected)
    assert np.array_equal(
        dequantise(q.transpose(1, 0, 2), pair(0, 1), 10),
        dequantise(np.ascontiguousarray(q.transpose(1, 0, 2)), pair(0, 1), 10),
    )


@pytest.mark.parametrize("scope", list(RangeScope))
@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_non_finite_names_layer_and_channel(scope: RangeScope, value: float, what: str) -> None:
    clean = np.zeros((40, 50, 60), np.float32)
    dirty = clean.copy()
    dirty[17, 3, 4] = value
    dirty[39, 0, 0] = np.nan
    with pytest.raises(DatasetError, match=f"layer p3, channel 17 holds {what}"):
        measure_ranges({"p2": clean, "p3": dirty}, scope, (0, 1))
    with pytest.raises(DatasetError, match=f"layer p3, channel 17 holds {what}"):
        check_finite({"p2": clean, "p3": dirty})


@given(tensors)
@pytest.mark.filterwarnings("error")
def test_what_is_finite_is_not_refused(tensor: NDArray[np.float32]) -> None:
    check_finite({"p2": tensor, "p3": np.full((1, 2, 2), np.finfo(np.float32).max)})


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.filterwarnings("error")
def test_quantise_refuses_non_finite(value: float) -> None:
    tensor = np.zeros((3, 2, 2), np.float32)
    tensor[1, 1, 0] = value
    with pytest.raises(DatasetError, match="channel 1 holds"):
        quantise(tensor, pair(-1, 1), 10)


@pytest.mark.parametrize(
    "tensor",
    [np.zeros((2, 2), np.float32), np.zeros((0, 2, 2), np.float32), np.zeros((1, 2, 2), np.float64)],
)
def test_measure_refuses_what_is_no_feature_tensor(tensor: NDArray[np.float32]) -> None:
    for refuse in (partial(measure_ranges, scope=RangeScope.TENSOR), check_finite):
        with pytest.raises(DatasetError, match="layer p4 is float"):
            refuse({"p4": tensor})


def test_measure_refuses_an_empty_feature_set() -> None:
    with pytest.raises(DatasetError, match="no layers"):
        measure_ranges({}, RangeScope.PICTURE)


@pytest.mark.parametrize("fixed", [None, (1.0, -1.0), (0.0, np.inf), (np.nan, 0.0), (0.0, 1e39)])
def test_fixed_range_must_be_a_range(fixed: tuple[float, float] | None) -> None:
    with pytest.raises(ConfigError, match="fixed"):
        measure_ranges({"p2": maps(0, 1, 2, 3)}, RangeScope.FIXED, fixed)


@pytest.mark.parametrize("bit_depth", [0, 17])
def test_bit_depth_is_limited(bit_depth: int) -> None:
    with pytest.raises(ConfigError, match=r"1\.\.16"):
        quantise(maps(0, 1, 2, 3), pair(0, 1), bit_depth)


@pytest.mark.parametrize("name", sorted(RANGE_PROFILES))
def test_profiles_are_usable(name: str) -> None:
    profile = RANGE_PROFILES[name]
    layers = {"p2": maps(-99, profile.lo, profile.hi, 99)}
    (value_range,) = measure_ranges(layers, RangeScope.FIXED, (profile.lo, profile.hi))
    q, _ = quantise(layers["p2"], value_range, 10, profile.rounding)
    assert q.tolist() == [[[0, 0], [1023, 1023]]]


def test_the_anchor_s_scale() -> None:
    profile = RANGE_PROFILES["mpeg-m58786"]
    assert round(1023 / (profile.hi - profile.lo), 4) == 23.4838


@given(finite, finite, bit_depths)
def test_quantising_what_was_dequantised_changes_nothing(lo: float, hi: float, bit_depth: int) -> None:
    """Where float32 resolves the steps, every sample comes back: recoding loses nothing."""
    lo, hi = sorted((lo, hi))
    assume(hi - lo > 2.0**-120)
    assume(max(abs(lo), abs(hi)) * 2.0**-22 < (hi - lo) / highest_value(bit_depth))
    q = np.arange(1 << bit_depth, dtype=np.uint16).reshape(1, 1, -1)
    again, _ = quantise(dequantise(q, pair(lo, hi), bit_depth), pair(lo, hi), bit_depth)
    assert np.array_equal(again, q)


@given(
    arrays.arrays(np.int32, (2, 3, 2), elements=st.integers(0, 1023)),
    st.tuples(st.floats(-50, 50, width=32), st.floats(-50, 50, width=32)),
    st.integers(0, 16),
    st.integers(2, 32),
)
def test_fixed_point_numbers_by_python(q: NDArray[Any], ends: tuple[float, float], fraction: int, bits: int) -> None:
    """Clause 8.9 with Python's floats, which are binary64, and its integers."""
    lo, hi = sorted(ends)
    value_range = ValueRange(np.array([lo], np.float32), np.array([hi], np.float32))
    found = to_fixed_point(Samples(q, value_range, 1023), fraction, bits, threads=1)
    for sample, number in zip(q.ravel().tolist(), found.ravel().tolist(), strict=True):
        value = lo + sample * ((hi - lo) / 1023)
        expected = math.floor(value * 2.0**fraction + 0.5)
        assert number == min(max(expected, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def test_fixed_point_values_and_their_restoration() -> None:
    numbers = np.array([[[-5, 0, 3]]], np.int32)
    samples = Samples(numbers, fixed_point_range(2), 1)
    assert dequantise_samples(samples).tolist() == [[[-1.25, 0, 0.75]]]
    assert to_fixed_point(samples, 2, 20).tolist() == numbers.tolist()
    assert to_fixed_point(samples, 0, 20).tolist() == [[[-1, 0, 1]]]
