"""An inner stream as its decoder is given it, whoever wrote it."""

from __future__ import annotations

import tracemalloc

import pytest
from bitstream.inner_streams import HEVC, SEQUENCE_PARAMETERS, START, VVC, acceptable_stream, nal_unit

from vcm_ref.bitstream.values import InnerCodecId
from vcm_ref.codec.inner_stream import checked_inner_stream
from vcm_ref.errors import CodecError

IGNORED = {HEVC: [(39, 0), (38, 0), (1, 1)], VVC: [(23, 0), (25, 0), (0, 1)]}  # nal_unit_type, nuh_layer_id


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_nal_units_that_change_no_sample_go(codec: InnerCodecId) -> None:
    picture = nal_unit(codec, 0, 0, b"\x80\x80")
    kept = [SEQUENCE_PARAMETERS[codec], picture, picture]
    others = [nal_unit(codec, *header) for header in IGNORED[codec]]
    for start in (START, START[1:], b"\0\0" + START):
        stream = start.join([b"junk", *others, kept[0], *others, kept[1], b"", b"\x02", kept[2], *others]) + b"\0\0"
        found, parameters = checked_inner_stream(codec, stream, 2, 800, 1088)
        assert found == START.join([b"", *kept])
        assert (parameters.height, parameters.width) == (800, 1088)


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_a_broken_rule_is_the_inner_codecs_fault(codec: InnerCodecId) -> None:
    """A stream that comes from no bitstream is an encoder's."""
    stream = acceptable_stream(codec, 3, 32, 40)
    checked_inner_stream(codec, stream, 3, 32, 40)
    with pytest.raises(CodecError, match=r"^the inner stream has 3 pictures, where 2 were expected$"):
        checked_inner_stream(codec, stream, 2, 32, 40)
    with pytest.raises(CodecError, match=r"^the inner stream has no sequence parameter set$"):
        checked_inner_stream(codec, b"", 1, 32, 40)


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_memory_is_that_of_the_stream(codec: InnerCodecId) -> None:
    """However small the NAL units are, and whether they go or stay."""
    kinds = [38, 36] if codec == HEVC else [25, 21]
    stream = START.join([b"", SEQUENCE_PARAMETERS[codec], *[nal_unit(codec, kind, 0, b"") for kind in kinds] * 20000])
    tracemalloc.start()
    try:
        checked_inner_stream(codec, stream, 0, 800, 1088)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(stream)
    finally:
        tracemalloc.stop()
