"""Reading on behind damaged groups: the others are found with their numbers, and nothing else is."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.recovery import DamagedGroup, RecoveringReader, pictures_of_digest
from vcm_ref.bitstream.stream import CodedGroup
from vcm_ref.errors import BitstreamError, LimitError, UnsupportedError

from .samples import RawUnit, join_units, lossless_groups, lossless_header, raw_units, write_stream

# Pictures 0, 1–2, 3, 4–5 in four groups. Units: header, (group, two substreams, digest) × 4, end.
GROUPS = [*lossless_groups(8), *lossless_groups(8)]
WHOLE = write_stream(lossless_header(8), GROUPS)
UNITS = raw_units(WHOLE)
SECOND = 5  # the place of the second group's header among the units
LIMITS = DecoderLimits(pictures=50, channels=1024, frame_samples=2**24)


def found(data: bytes) -> list[str]:
    """What is read: the picture number of each whole group, and in words each that is not."""
    told = []
    first = 0
    for group in RecoveringReader(io.BytesIO(data), limits=LIMITS).groups_and_damage():
        if isinstance(group, CodedGroup):
            assert group.header in [one.header for one in GROUPS]
            told.append(f"whole {first}")
            first += len(group.header.pictures)
        elif group.pictures is None:
            told.append(f"lost from {group.number}")
        else:
            assert group.pictures.start == first
            told.append(f"damaged {group.number}: {group.pictures.start} to {group.pictures.stop - 1}")
            first = group.pictures.stop
    return told


def with_payload(place: int, payload: bytes) -> bytes:
    """The bitstream with another payload of one unit."""
    return join_units([*UNITS[:place], RawUnit(UNITS[place].type, payload), *UNITS[place + 1 :]])


def test_a_whole_bitstream_has_no_damage() -> None:
    assert found(WHOLE) == ["whole 0", "whole 1", "whole 3", "whole 4"]
    assert RecoveringReader(io.BytesIO(WHOLE)).picture_count == 6


OTHERS = ["whole 0", "damaged 1: 1 to 2", "whole 3", "whole 4"]


@pytest.mark.parametrize(
    "data",
    [
        with_payload(SECOND, bytes([UNITS[SECOND].payload[0] ^ 0x80, *UNITS[SECOND].payload[1:]])),
        with_payload(SECOND, b""),
        with_payload(SECOND, UNITS[SECOND].payload + b"x"),
        with_payload(SECOND + 3, bytes(8) + UNITS[SECOND + 3].payload[8:]),
        join_units([*UNITS[: SECOND + 1], *UNITS[SECOND + 2 :]]),
        join_units([*UNITS[: SECOND + 1], UNITS[SECOND + 1], *UNITS[SECOND + 1 :]]),
        join_units([*UNITS[:SECOND], *UNITS[SECOND + 1 :]]),
    ],
    ids=["number of pictures", "empty header", "longer header", "digest", "lost substream", "twice", "lost header"],
)
def test_a_damaged_group_is_named_and_the_others_are_read(data: bytes) -> None:
    assert found(data) == OTHERS
    assert RecoveringReader(io.BytesIO(data)).picture_count == 6


def test_a_group_that_is_lost_without_a_trace_is_not_missed() -> None:
    """Groups have no numbers: the pictures behind it move up."""
    assert found(join_units([*UNITS[:SECOND], *UNITS[SECOND + 4 :]])) == ["whole 0", "whole 1", "whole 2"]


@pytest.mark.parametrize("end", [len(WHOLE) - 1, len(WHOLE) - 20])
def test_of_a_bitstream_that_is_cut_off_the_groups_before_are_read(end: int) -> None:
    told = found(WHOLE[:end])
    assert told[:3] == ["whole 0", "whole 1", "whole 3"]
    assert told[-1].startswith("lost from ")


def test_a_unit_of_an_unknown_type_loses_what_follows() -> None:
    unknown = join_units([*UNITS[: SECOND + 4], RawUnit(7, b"x"), *UNITS[SECOND + 4 :]])
    assert found(unknown) == ["whole 0", "whole 1", "lost from 2"]


def test_without_digests_a_group_of_unknown_size_loses_what_follows() -> None:
    units = raw_units(write_stream(lossless_header(0), [*lossless_groups(0), *lossless_groups(0)]))
    broken = join_units([*units[:4], RawUnit(units[4].type, b""), *units[5:]])
    assert found(broken) == ["whole 0", "lost from 1"]


def test_a_header_that_asks_for_too_much_is_damage() -> None:
    limits = DecoderLimits(pictures=5)
    told = list(RecoveringReader(io.BytesIO(WHOLE), limits=limits).groups_and_damage())
    assert [isinstance(group, DamagedGroup) for group in told] == [False, False, False, True]
    assert isinstance(told[3], DamagedGroup) and isinstance(told[3].error, LimitError)


@pytest.mark.parametrize("data", [b"", WHOLE[:3], WHOLE[:12], join_units([UNITS[0], UNITS[-1]])])
def test_without_a_stream_header_or_a_group_there_is_nothing_to_read(data: bytes) -> None:
    with pytest.raises(BitstreamError):
        found(data)


def test_of_a_stream_header_alone_all_is_lost() -> None:
    assert found(join_units(UNITS[:1])) == ["lost from 0"]


def test_the_size_of_digests_tells_the_pictures() -> None:
    """By hand: 8 bytes of the header, and 2 tensors of 8 bytes a picture."""
    header = lossless_header(8)
    assert [pictures_of_digest(header, size) for size in (8, 24, 40, 41, 0)] == [None, 1, 2, None, None]
    assert pictures_of_digest(lossless_header(0), 0) is None


@given(st.lists(st.tuples(st.integers(12, len(WHOLE) - 1), st.integers(1, 255)), min_size=1, max_size=4), st.data())
def test_any_damage_leaves_groups_that_are_whole(changes: list[tuple[int, int]], data: st.DataObject) -> None:
    damaged = bytearray(WHOLE)
    for place, change in changes:
        damaged[place] ^= change
    cut = data.draw(st.integers(12, len(WHOLE)))
    try:
        found(bytes(damaged[:cut]))
    except (BitstreamError, UnsupportedError):
        return  # the stream header is damaged, or no group is left
