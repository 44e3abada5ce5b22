"""Anything at all may stand in a file: the reader accepts it or says what is wrong, and nothing else happens."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcm_ref.bitstream.headers import StreamHeader
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.stream import BitstreamReader, BitstreamWriter, CodedGroup
from vcm_ref.bitstream.values import InnerCodecId
from vcm_ref.errors import BitstreamError, LimitError, UnsupportedError

from .samples import (
    bitstreams,
    join_units,
    lossless_groups,
    lossless_header,
    raw_units,
    video_groups,
    video_header,
    write_stream,
)

REFUSED = (BitstreamError, UnsupportedError, LimitError)
LIMITS = DecoderLimits(pictures=50, channels=1024, frame_samples=2**24)
SEEDS = [
    write_stream(lossless_header(), lossless_groups()),
    write_stream(video_header(), video_groups()),
    write_stream(video_header(InnerCodecId.HEVC), video_groups(InnerCodecId.HEVC)),
]
Edits = list[tuple[str, int, int]]
kinds = st.sampled_from(["change", "flip", "insert", "delete", "repeat", "cut"])
edits = st.lists(
    st.tuples(kinds, st.integers(0, 400), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


def parse(data: bytes) -> bool:
    """Read ``data``; where it is accepted, it must come out of the writer again. Says whether it was accepted."""
    try:
        reader = BitstreamReader(io.BytesIO(data), limits=LIMITS)
        groups = list(reader.groups())
    except REFUSED:
        return False
    assert sum(reader.part_bits.values()) == 8 * len(data)
    file = io.BytesIO()
    writer = BitstreamWriter(file, reader.header)
    for group in groups:
        writer.write(CodedGroup(group.header, group.substreams, group.digests))
    writer.close()
    again = file.getvalue()
    with_more = any(unit.type in (6, *range(8, 16)) for unit in raw_units(data))
    assert again == data or with_more  # models and ancillary units are not kept
    return True


def edited(data: bytes, changes: Edits) -> bytes:
    """``data`` after some changes."""
    out = bytearray(data or b"\x00")
    for kind, where, byte in changes:
        if not out:
            break
        place = where % len(out)
        if kind == "change":
            out[place] = byte
        elif kind == "flip":
            out[place] ^= 1 << byte % 8
        elif kind == "insert":
            out.insert(place, byte)
        elif kind == "repeat":
            out[place:place] = out[place : place + byte]
        elif kind == "delete":
            del out[place]
        else:
            del out[place : place + byte]
    return bytes(out)


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    """As they are, and behind a signature."""
    assert not parse(data)
    parse(b"VCMF" + data)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
@given(changes=edits)
def test_damaged_bitstreams(seed: int, changes: Edits) -> None:
    """A few bytes changed, inserted or deleted."""
    parse(edited(SEEDS[seed], changes))


@pytest.mark.parametrize("seed", range(len(SEEDS)))
@given(st.data())
def test_damaged_payloads(seed: int, data: st.DataObject) -> None:
    """Within one unit, whose size is made to fit: what the unit sizes would otherwise catch first."""
    units = raw_units(SEEDS[seed])
    place = data.draw(st.integers(0, len(units) - 2))
    payload = edited(units[place].payload, data.draw(edits))
    units[place] = units[place]._replace(payload=payload)
    parse(join_units(units))


@settings(max_examples=100)
@given(bitstreams(), edits, st.integers(0, 2**16))
def test_any_bitstream_damaged(stream: tuple[StreamHeader, list[CodedGroup]], changes: Edits, where: int) -> None:
    """Any at all: bytes changed in the whole, and in one unit whose size is made to fit."""
    data = write_stream(*stream)
    assert parse(data)
    parse(edited(data, changes))
    units = raw_units(data)
    place = where % len(units)
    units[place] = units[place]._replace(payload=edited(units[place].payload, changes))
    parse(join_units(units))


@given(st.data())
def test_units_of_several_bitstreams(data: st.DataObject) -> None:
    """In any order, any of them missing or more than once; after a stream header, or not."""
    units = [unit for seed in SEEDS for unit in raw_units(seed)]
    chosen = data.draw(st.lists(st.sampled_from(units), max_size=12))
    parse(join_units(chosen))
    own = raw_units(data.draw(st.sampled_from(SEEDS)))
    parse(join_units([own[0], *data.draw(st.lists(st.sampled_from(own[1:]), max_size=12)), own[-1]]))


@given(st.sampled_from(SEEDS), st.integers(0, 20), st.integers(0, 2**40))
def test_units_that_lie_about_their_size(seed: bytes, where: int, size: int) -> None:
    """A size of up to five bytes, whatever follows."""
    units = [bytes(unit) for unit in raw_units(seed)]
    place = where % len(units)
    length = (size.bit_length() + 7) // 8
    own = 1 + (units[place][0] & 15)
    head = bytes([units[place][0] & 0xF0 | length]) + size.to_bytes(length, "big")
    units[place] = head + units[place][own:]
    parse(b"VCMF" + b"".join(units))


def test_every_single_bit() -> None:
    """Each bit of a bitstream turned over."""
    data = SEEDS[0]
    assert all(map(parse, SEEDS))
    for bit in range(8 * len(data)):
        parse(edited(data, [("flip", bit // 8, bit % 8)]))
