"""Anything at all may stand in a file: the whole decoder decodes it or says what is wrong, and nothing else happens.

What the reader alone makes of it is in ``bitstream/test_damage.py``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from bitstream.samples import group_headers, join_units, raw_units, stream_headers, write_stream
from conftest import CONFIGURATIONS, make_features
from hypothesis import given, settings
from hypothesis import strategies as st

from vcm_ref.app import dec
from vcm_ref.bitstream.digest import tensor_digest, tensors_digest
from vcm_ref.bitstream.geometry import substream_geometries
from vcm_ref.bitstream.headers import PictureDigests, StreamHeader, Substream
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.stream import BitstreamReader, CodedGroup
from vcm_ref.bitstream.values import Mode
from vcm_ref.codec.level_codecs import level_codecs
from vcm_ref.codec.lossless import LosslessCodec
from vcm_ref.configuration import load_configuration
from vcm_ref.decoder import DecodedPicture, Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.errors import BitstreamError, CodecError, LimitError, UnsupportedError

TOOLS = Path(__file__).parents[1] / "tools"
REFUSED = (BitstreamError, UnsupportedError, LimitError, CodecError)
LIMITS = DecoderLimits(frame_samples=2**16, frames=256, channels=256, pictures=20, output_bytes=2**22, inner_seconds=60)


def decode(data: bytes) -> list[DecodedPicture] | None:
    """The pictures of ``data``, or ``None`` where it was refused as docs/architecture.md says."""
    try:
        decoder = Decoder(io.BytesIO(data), limits=LIMITS)
        pictures = list(decoder.pictures())
    except REFUSED as error:
        assert str(error)
        assert "\n" not in str(error)
        return None
    header = decoder.header
    for picture in pictures:
        for layer, tensor, (name, q) in zip(header.coded, header.tensors, picture.quantised.items(), strict=True):
            assert (layer.name, layer.channels) == (name, len(q))
            assert q.max() < 1 << tensor.format.bit_depth
        for layer in header.layers:
            assert len(picture.features.layers[layer.name]) == layer.channels
            assert np.isfinite(picture.features.layers[layer.name]).all()
    return pictures


@st.composite
def lossless_streams(draw: st.DrawFn) -> bytes:
    """A decodable bitstream: any header without video, small layers of random samples or levels, digests that fit."""
    header = draw(stream_headers(lossless=True))
    header.level = 4
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    digest_length, t2_digest = header.digest_length, header.t2_digest
    header.digest_length, header.t2_digest = 0, False
    groups, codecs = [], level_codecs(header, {})
    for _ in range(draw(st.integers(1, 2))):
        group = draw(group_headers(header, largest=5))
        coded = []
        for number, geometry in enumerate(substream_geometries(header, group)):
            if geometry.tensor.format.levels is not None:
                shape = geometry.frames, geometry.height, geometry.width
                levels = random.integers(-2, 3, shape, np.int32)
                coded.append(Substream(level_data=codecs[header.substreams[number][0]].encode(levels)))
                continue
            bits = geometry.tensor.format.bit_depth
            shape = geometry.frames, geometry.height, geometry.width
            clip = random.integers(0, 1 << bits, shape).astype(np.uint16)
            coded.append(Substream(lossless_data=LosslessCodec(bits).encode(clip, Mode.AI, 0)))
        groups.append(CodedGroup(group, coded))
    decoded = decode(write_stream(header, groups))
    assert decoded is not None
    header.digest_length, header.t2_digest = digest_length, t2_digest
    pictures = iter(decoded)
    return write_stream(header, [_with_digests(header, group, pictures) for group in groups])


def _with_digests(header: StreamHeader, coded: CodedGroup, decoded: Iterator[DecodedPicture]) -> CodedGroup:
    length = header.digest_length
    digests = []
    for _ in coded.header.pictures:
        picture = next(decoded)
        t1 = [tensor_digest(name, q)[:length] for name, q in picture.quantised.items()]
        t2 = tensors_digest(picture.features.layers)[:length] if header.t2_digest else b""
        digests.append(PictureDigests(t1, t2))
    return CodedGroup(coded.header, coded.substreams, digests if length else [])


def encoded(*settings: str, layers: int = 2) -> bytes:
    """A small picture coded by the encoder."""
    file = io.BytesIO()
    encoder = Encoder(load_configuration([CONFIGURATIONS / "base.yaml"], ["packing.grid=2x2", *settings]), file)
    encoder.encode(make_features(4, 4, 6, layers=layers))
    encoder.close()
    return file.getvalue()


@pytest.fixture(scope="module")
def videos() -> list[bytes]:
    """HEVC and VVC, with and without digests."""
    return [
        encoded("codec={name: hevc, preset: ultrafast}", "digest_length=0"),
        encoded("codec={name: hevc, preset: ultrafast, mode: RA}", "order.method=mean", layers=1),
        encoded("codec={name: vvenc, preset: faster}", "digest_length=0", layers=1),
    ]


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The fuzzer's damage, which knows the syntax."""
    monkeypatch.syspath_prepend(str(TOOLS))
    from fuzz_mutation import mutate

    return mutate


@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    """As they are, behind a signature, and in a unit after a stream header."""
    assert decode(data) is None
    decode(b"VCMF" + data)
    header = encoded("codec.name=lossless")[:40]
    decode(header + data)


@settings(max_examples=60)
@given(lossless_streams(), st.integers(0, 2**32), st.sampled_from([0.1, 0.9]))
def test_damaged_lossless_streams(mutate, data: bytes, seed: int, coded: float) -> None:  # type: ignore[no-untyped-def]
    """Bytes, elements, units, and what the substreams decompress to."""
    pictures = decode(data)
    assert pictures is not None
    assert all(picture.verified == bool(BitstreamReader(io.BytesIO(data)).header.digest_length) for picture in pictures)
    for place in range(3):
        decode(mutate(Random(seed + place), data, [data], coded=coded))


@given(st.lists(lossless_streams(), min_size=2, max_size=2), st.data())
def test_units_of_several_streams(streams: Sequence[bytes], data: st.DataObject) -> None:
    """In any order, missing, or more than once."""
    first, second = (raw_units(stream) for stream in streams)
    units = data.draw(st.lists(st.sampled_from(first[1:-1] + second[1:-1]), max_size=8))
    decode(join_units([first[0], *units, first[-1]]))


def test_digests_cover_every_bit_that_matters() -> None:
    """Each bit turned over: the bitstream is refused, or what is decoded is what it was.

    The latter are those of a bzip2 stream that its decompression does not depend on.
    """
    data = encoded("codec.name=lossless", "quantisation.bit_depth=4", layers=1)
    pictures = decode(data)
    assert pictures is not None
    (whole,) = pictures
    refused = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        pictures = decode(bytes(damaged))
        refused += pictures is None
        for picture in pictures or ():
            assert (picture.features.height, picture.features.width) == (whole.features.height, whole.features.width)
            np.testing.assert_array_equal(picture.quantised["p2"], whole.quantised["p2"])
            np.testing.assert_array_equal(picture.features.layers["p2"], whole.features.layers["p2"])
    assert refused > 0.9 * 8 * len(data)


@pytest.mark.integration
@settings(max_examples=12)
@given(st.integers(0, 2), st.integers(0, 2**32))
def test_damaged_video(mutate, videos: list[bytes], index: int, seed: int) -> None:  # type: ignore[no-untyped-def]
    """Through ffmpeg: it fails, or returns what was asked for."""
    decode(mutate(Random(seed), videos[index], videos, coded=0.8))


@pytest.mark.integration
def test_video_that_is_not_damaged(videos: list[bytes]) -> None:
    """Else the tests above show nothing."""
    assert all(decode(data) for data in videos)


@settings(max_examples=25)
@given(lossless_streams(), st.integers(0, 2**32))
def test_the_executable(  # type: ignore[no-untyped-def]
    mutate, tmp_path_factory: pytest.TempPathFactory, data: bytes, seed: int
) -> None:
    """An output with exit code 0, none with any other; and that is 10, 11 or 12."""
    folder = tmp_path_factory.mktemp("any")
    path = folder / "x.bin"
    path.write_bytes(mutate(Random(seed), data, [data], coded=0.2))
    code = dec.main([str(path), "-o", str(folder / "x"), "--tier", "all", "-q"])
    assert code in (0, 10, 11, 12)
    assert sorted(os.listdir(folder)) == (["x", "x.bin"] if code == 0 else ["x.bin"])
