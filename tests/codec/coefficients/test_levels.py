"""Levels to a stream and back; its size; what is refused."""

from __future__ import annotations

import contextlib
from math import log2

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.codec.coefficients import LevelCodec, default_tables
from vcm_ref.codec.coefficients.contexts import bands, classes
from vcm_ref.codec.coefficients.levels import MAX_LEVEL, LevelCoder
from vcm_ref.errors import CodecError

Levels = NDArray[np.int32]


@st.composite
def pictures(draw: st.DrawFn) -> Levels:
    """Levels ``(P, C, H, W)``: sparse or dense, small or as large as can be; pictures alike or not."""
    shape = [draw(st.integers(1, size)) for size in (3, 60, 5, 6)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.05, 0.5, 2.0, 30.0, 40_000.0]))
    falling = np.exp(-draw(st.sampled_from([0.0, 0.1, 1.0])) * np.arange(shape[1]))[:, None, None]
    levels = rng.laplace(0, scale, shape) * falling
    if draw(st.booleans()):  # pictures that are like the one before
        levels[1:] *= 0.2
        levels = levels.cumsum(0)
    return np.clip(np.rint(levels), -MAX_LEVEL, MAX_LEVEL).astype(np.int32)


#: The second picture is like the first, but for a difference that has no code.
FLIPPED = np.full((2, 4, 3, 3), 3, np.int32)
FLIPPED[:, 0, 0, 0] = 60_000, -60_000
EXTREMES = np.array([0, MAX_LEVEL, -MAX_LEVEL, 1, -1, 2, 3, -4, 18, -65534], np.int32).reshape(1, 2, 1, 5)


@given(pictures(), st.booleans())
@example(np.zeros((1, 1, 1, 1), np.int32), False)
@example(np.full((1, 1, 1, 1), -MAX_LEVEL, np.int32), True)
@example(np.zeros((2, 300, 2, 1), np.int32), True)
@example(EXTREMES, False)
@example(FLIPPED, True)
def test_inverse(levels: Levels, picture_before: bool) -> None:
    codec = LevelCodec(levels.shape[1], picture_before=picture_before)
    frames = levels.reshape(-1, *levels.shape[2:])
    stream = codec.encode(frames)
    decoded = codec.decode(stream, *frames.shape)
    assert decoded.dtype == np.int32
    np.testing.assert_array_equal(decoded, frames)


@given(pictures(), st.data())
def test_an_encoder_may_code_any_picture_as_differences(levels: Levels, data: st.DataObject) -> None:
    levels = levels // 2  # so that every difference is a level
    count = len(levels)
    chosen = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    codec = LevelCodec(levels.shape[1], picture_before=True)
    frames = levels.reshape(-1, *levels.shape[2:])
    np.testing.assert_array_equal(codec.decode(codec.encode(frames, chosen), *frames.shape), frames)


class Ideal:
    """A coder that adds up what its probabilities say that decisions cost, in bits."""

    def __init__(self) -> None:
        self.total = 0.0

    def bit(self, zero: int, value: int = 0) -> int:
        self.total -= log2((65536 - zero if value else zero) / 65536)
        return value

    def bits(self, count: int, value: int = 0) -> int:
        self.total += count
        return value


@pytest.mark.parametrize("scale", [0.02, 0.1, 0.4, 1.5, 20.0])
def test_the_rate_is_what_the_probabilities_say(scale: float) -> None:
    """Within two percent and two bytes of the ideal code length."""
    levels = np.rint(np.random.default_rng(7).laplace(0, scale, (64, 13, 13))).astype(np.int32)
    ideal = Ideal()
    LevelCoder(ideal, default_tables(), 64).picture(levels.copy())
    assert 8 * len(LevelCodec(64).encode(levels)) <= 1.02 * ideal.total + 16


def test_a_picture_of_zeros_takes_a_byte() -> None:
    assert len(LevelCodec(256).encode(np.zeros((256, 13, 13), np.int32))) == 1


def costs(one: Levels, other: Levels) -> tuple[int, int]:
    """The bytes of two pictures, without and with differences."""
    both = np.concatenate([one, other])
    plain, over_time = (len(LevelCodec(len(one), picture_before=flag).encode(both)) for flag in (False, True))
    return plain, over_time


def test_what_is_like_the_picture_before_costs_less() -> None:
    rng = np.random.default_rng(3)
    one, noise = (rng.laplace(0, scale, (40, 13, 13)) for scale in (1, 0.3))
    plain, over_time = costs(np.rint(one).astype(np.int32), np.rint(one + noise).astype(np.int32))
    assert over_time < 0.8 * plain


def test_the_same_picture_again_costs_a_byte_at_most() -> None:
    one = np.rint(np.random.default_rng(3).laplace(0, 1, (40, 13, 13))).astype(np.int32)
    assert (
        len(LevelCodec(40, picture_before=True).encode(np.concatenate([one, one])))
        <= len(LevelCodec(40).encode(one)) + 1
    )


def test_behind_a_cut_nothing_is_lost() -> None:
    """A picture that is not like the one before is coded by itself, for one bit more."""
    one, other = (np.rint(np.random.default_rng(s).laplace(0, 1, (40, 13, 13))).astype(np.int32) for s in (3, 4))
    plain, over_time = costs(one, other)
    assert over_time <= plain + 1


def test_bands_grow_and_cover_all_components() -> None:
    """By hand, from 8.10.2."""
    assert bands(1) == [(0, 1)]
    assert bands(60) == [(0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, 56), (56, 60)]


def test_classes_are_four_to_an_octave() -> None:
    """1/64 of a level is 16; the 63 numbers are 16, 20, 24, 28, 32, 40 …"""
    means = np.array([0, 15, 16, 19, 20, 31, 32, 39, 40, 1024, 2**40])
    assert classes(means).tolist() == [0, 0, 1, 1, 2, 4, 5, 5, 6, 25, 63]


STREAM = LevelCodec(20).encode(np.arange(-180, 180, dtype=np.int32).reshape(20, 3, 6) // 30)


@given(
    st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(1, 255)), min_size=1, max_size=4), st.integers(0, 9)
)
def test_damaged_streams_are_refused_or_are_other_levels(changes: list[tuple[int, int]], cut: int) -> None:
    """Nothing but CodecError; what is accepted is what those levels are coded as: one code for one content."""
    damaged = bytearray(STREAM)
    for place, change in changes:
        damaged[place] ^= change
    stream = bytes(damaged[: len(damaged) - cut])
    with contextlib.suppress(CodecError):
        decoded = LevelCodec(20).decode(stream, 20, 3, 6)
        assert LevelCodec(20).encode(decoded) == stream


@given(st.binary(max_size=60))
def test_any_bytes(stream: bytes) -> None:
    with contextlib.suppress(CodecError):
        decoded = LevelCodec(3).decode(stream, 3, 2, 2)
        assert LevelCodec(3).encode(decoded) == stream
    with contextlib.suppress(CodecError):
        decoded = LevelCodec(3, picture_before=True).decode(stream, 9, 2, 2)
        assert np.abs(decoded).max() <= MAX_LEVEL


@pytest.mark.parametrize("stream", [b"", b"\0\0", STREAM[:-1], STREAM + b"\0", STREAM[1:]])
def test_streams_of_another_length_are_refused(stream: bytes) -> None:
    with pytest.raises(CodecError, match="coefficients: "):
        LevelCodec(20).decode(stream, 20, 3, 6)
