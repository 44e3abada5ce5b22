"""NAL units kept in one buffer: a sequence of bytes like any other, at a few bytes for each."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.nal import NalUnits, join_byte_stream


def collected(units: list[bytes]) -> NalUnits:
    found = NalUnits()
    for unit in units:
        found.append(unit)
    return found


@given(st.lists(st.binary(max_size=9), max_size=9), st.slices(9))
def test_they_are_a_sequence(units: list[bytes], part: slice) -> None:
    found = collected(units)
    assert list(found) == units
    assert len(found) == len(units)
    assert found == units
    assert found != [*units, b""]
    assert found[part] == units[part]
    assert units[-1:] == ([found[-1]] if units else [])


def test_memory_for_the_smallest() -> None:
    """Of which a bitstream of a megabyte holds 350,000."""
    tracemalloc.start()
    try:
        found = NalUnits()
        for _ in range(100_000):
            found.append(b"\x4a\x01")
        stream = join_byte_stream(found)
        assert tracemalloc.get_traced_memory()[1] < 100_000 * 40
    finally:
        tracemalloc.stop()
    assert len(stream) == 600_000
