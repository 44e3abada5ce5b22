"""The lossless format: its bytes, its inverse, and what it refuses."""

from __future__ import annotations

import bz2
import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.bitstream.values import Mode
from vcm_ref.codec.lossless import LosslessCodec
from vcm_ref.errors import CodecError


@st.composite
def frames_and_depth(draw: st.DrawFn) -> tuple[NDArray[np.uint16], int]:
    depth = draw(st.integers(1, 16))
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 17)), draw(st.integers(1, 17)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.integers(1, 2**depth))
    return rng.integers(2**depth - spread, 2**depth, shape).astype(np.uint16), depth


def encode(frames: NDArray[np.integer[Any]], depth: int) -> bytes:
    return LosslessCodec(depth).encode(frames.astype(np.uint16), Mode.AI, 0)


@given(frames_and_depth())
def test_inverse(case: tuple[NDArray[np.uint16], int]) -> None:
    frames, depth = case
    stream = encode(frames, depth)
    count, height, width = frames.shape
    decoded = LosslessCodec().decode(stream, count, height, width, depth)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, frames)


@given(frames_and_depth())
def test_symbols_are_those_of_the_text(case: tuple[NDArray[np.uint16], int]) -> None:
    """Steps 1 to 4 of the decoding process, sample by sample."""
    frames, depth = case
    count, height, width = frames.shape
    stream = encode(frames, depth)
    if depth <= 8:
        symbols = list(bz2.decompress(stream))
    else:
        low_size = int.from_bytes(stream[:4], "big")
        low, high = bz2.decompress(stream[4 : 4 + low_size]), bz2.decompress(stream[4 + low_size :])
        symbols = [a + 256 * b for a, b in zip(low, high, strict=True)]
    modulus = 2**depth
    samples: dict[tuple[int, int, int], int] = {}
    position = iter(symbols)
    for f in range(count):
        for y in range(height):
            for x in range(width):
                s = next(position)
                d = s // 2 if s % 2 == 0 else modulus - (s + 1) // 2
                before = samples[f, y, x - 1] if x else samples[f, y - 1, x] if y else modulus // 2
                samples[f, y, x] = (before + d) % modulus
                assert samples[f, y, x] == frames[f, y, x]


def test_layout_of_ten_bits() -> None:
    """Worked by hand: samples 510 513 / 0 1023, one frame of two rows.

    Residuals: 510-512 = -2; 513-510 = 3; 0-510 = -510; 1023-0 = -1 modulo 1024. Symbols: 3, 6, 1019, 1.
    1019 = 3*256 + 251.
    """
    stream = encode(np.array([[[510, 513], [0, 1023]]], np.uint16), 10)
    low, high = bz2.compress(bytes([3, 6, 251, 1]), 9), bz2.compress(bytes([0, 0, 3, 0]), 9)
    assert stream == bytes([0, 0, 0, len(low)]) + low + high


def test_layout_of_eight_bits() -> None:
    """Worked by hand: 128 130 / 127 0: residuals 0, 2, -1, and -127 modulo 256; symbols 0, 4, 1, 253."""
    assert encode(np.array([[[128, 130], [127, 0]]], np.uint16), 8) == bz2.compress(bytes([0, 4, 1, 253]), 9)


def test_bytes_are_stable() -> None:
    """libbz2's output for a given input is the same everywhere: these bytes were written once and kept."""
    expected = "425a683931415926535938fb2284000002400040002000211846b0bb9229c28481c7d91420"
    assert encode(np.full((1, 2, 2), 2, np.uint16), 2).hex() == expected


def test_any_memory_layout() -> None:
    frames = np.arange(2 * 6 * 5, dtype=np.uint16).reshape(2, 6, 5)
    assert encode(frames.transpose(0, 2, 1), 10) == encode(frames.transpose(0, 2, 1).copy(), 10)


FRAMES = np.random.default_rng(5).integers(400, 600, (2, 9, 7)).astype(np.uint16)


@given(st.integers(4, 16), st.data())
def test_damage_is_an_error_or_another_picture(depth: int, data: st.DataObject) -> None:
    stream = bytearray(encode(FRAMES >> max(0, 10 - depth), depth))
    for place in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=3)):
        stream[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CodecError):
        assert LosslessCodec().decode(bytes(stream), 2, 9, 7, depth).shape == (2, 9, 7)


@pytest.mark.parametrize("depth", [8, 10])
def test_every_prefix_is_refused(depth: int) -> None:
    stream = encode(FRAMES >> (10 - depth), depth)
    for size in range(len(stream)):
        with pytest.raises(CodecError):
            LosslessCodec().decode(stream[:size], 2, 9, 7, depth)


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("shape", [(1, 9, 7), (3, 9, 7), (2, 9, 8), (2, 8, 7)])
def test_wrong_shape(depth: int, shape: tuple[int, int, int]) -> None:
    with pytest.raises(CodecError, match="does not hold exactly"):
        LosslessCodec().decode(encode(FRAMES >> (10 - depth), depth), *shape, depth)


def test_trailing_data_and_second_streams() -> None:
    stream = encode(FRAMES, 10)
    for surplus in (b"\0", b"BZh9", bz2.compress(b""), bz2.compress(b"a")):
        with pytest.raises(CodecError):
            LosslessCodec().decode(stream + surplus, 2, 9, 7, 10)


def test_symbol_of_too_many_bits() -> None:
    low, high = bz2.compress(bytes([0])), bz2.compress(bytes([4]))
    stream = len(low).to_bytes(4, "big") + low + high
    assert LosslessCodec().decode(stream, 1, 1, 1, 11)[0, 0, 0] == 1024 + 512
    with pytest.raises(CodecError, match="does not fit into 10 bits"):
        LosslessCodec().decode(stream, 1, 1, 1, 10)


def test_a_bomb_stays_small() -> None:
    bomb = bz2.compress(bytes(20_000_000))
    assert len(bomb) < 100
    with pytest.raises(CodecError, match="does not hold exactly 64 samples"):
        LosslessCodec().decode(bomb, 1, 8, 8, 8)


@pytest.mark.parametrize("depth", [0, 17])
def test_depths_there_are_not(depth: int) -> None:
    with pytest.raises(CodecError, match="1 to 16 bits"):
        LosslessCodec(depth)


def test_sample_of_too_many_bits() -> None:
    with pytest.raises(CodecError, match="a sample of 1024 does not fit into 10 bits"):
        encode(np.full((1, 2, 2), 1024, np.uint16), 10)
