"""The part of an inner stream that decides samples, and the rules that it keeps (docs/bitstream.md, 8.3 and 8.4).

Supplemental enhancement information changes no sample by the specifications of HEVC and VVC. Decoders act on some of
it all the same: ffmpeg turns pictures, enlarges them by LCEVC, and adds film grain. So an inner decoder is given only
NAL units that the decoding process of its specification needs. The rules are checked before it is started, which also
bounds the samples that it decodes: declared sizes are of pictures after cropping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..bitstream.values import InnerCodecId
from ..errors import CodecError
from .sequence_parameters import SequenceParameters, read_sequence_parameters

#: Width and height before cropping are less than so much above those after it: so much makes any size a multiple of
#: the largest MinCbSizeY.
CROPPED = 64
_BIT_DEPTH = 10
_START_CODE = b"\x00\x00\x01"
_HEADER_BYTES = 2


class _Kinds(NamedTuple):
    """Values of ``nal_unit_type`` that decide samples, and of ``general_profile_idc`` that are allowed."""

    slices: frozenset[int]
    sequence_parameters: int
    others: frozenset[int]
    profiles: frozenset[int]
    picture_header: int | None = None

    @property
    def kept(self) -> frozenset[int]:
        """All types that are kept."""
        return self.slices | self.others | {self.sequence_parameters, self.picture_header or self.sequence_parameters}


_KINDS = {
    # H.265, Table 7-1: VPS, PPS, end of sequence, end of bitstream. A.3: Main, Main 10, Main Still Picture, and the
    # format range extensions.
    InnerCodecId.HEVC: _Kinds(
        frozenset({*range(10), *range(16, 22)}), 33, frozenset({32, 34, 36, 37}), frozenset({1, 2, 3, 4})
    ),
    # H.266, Table 5: VPS, PPS, APS, end of sequence, end of bitstream. A.3: Main 10 (4:4:4), their Still Picture.
    InnerCodecId.VVC: _Kinds(
        frozenset({*range(4), *range(7, 11)}), 15, frozenset({14, 16, 17, 18, 21, 22}), frozenset({1, 33, 65, 97}), 19
    ),
}


class InnerStream(NamedTuple):
    """A byte stream for an inner decoder; how many pictures it codes, and the parameters that all of them have."""

    data: bytearray
    pictures: int
    parameters: SequenceParameters


def read_inner_stream(codec_id: InnerCodecId, stream: bytes) -> InnerStream:
    """Leave out the NAL units of an Annex B byte stream that change no sample, and read the headers of the others.

    ``data`` is a second copy of what is kept; no object is made for a NAL unit. Raises CodecError where the sequence
    parameter sets differ, or there is none.
    """
    kinds, view = _KINDS[codec_id], memoryview(stream)
    kept = kinds.kept
    data, pictures, sets = bytearray(), 0, set()
    for start, end in _nal_units(stream):
        layer, kind = _layer_and_type(codec_id, stream[start], stream[start + 1])
        if layer or kind not in kept:
            continue
        data += b"\x00\x00\x00\x01"
        data += view[start:end]
        if kind == kinds.sequence_parameters:
            sets.add(stream[start:end])
            if len(sets) > 1:
                raise CodecError("the inner stream has two different sequence parameter sets")
        elif kind in kinds.slices:  # the first bit says that a picture begins here (VVC: with its header inside)
            pictures += end - start > _HEADER_BYTES and stream[start + _HEADER_BYTES] >> 7
        elif kind == kinds.picture_header:
            pictures += 1
    if not sets:
        raise CodecError("the inner stream has no sequence parameter set")
    return InnerStream(data, pictures, read_sequence_parameters(codec_id, sets.pop()))


def checked_inner_stream(codec_id: InnerCodecId, stream: bytes, count: int, height: int, width: int) -> InnerStream:
    """Read an inner stream that shall give ``count`` pictures of ``height`` x ``width`` after cropping.

    Raises CodecError where it breaks a rule of docs/bitstream.md, 8.3.
    """
    inner = read_inner_stream(codec_id, stream)
    found = inner.parameters
    profiles = _KINDS[codec_id].profiles
    if found.profile not in profiles:
        allowed = ", ".join(map(str, sorted(profiles)))
        raise CodecError(f"the inner stream has the profile {found.profile}; allowed are {allowed}")
    if found.bit_depths != {_BIT_DEPTH} or found.separate_planes:
        depths = " and ".join(map(str, sorted(found.bit_depths)))
        raise CodecError(
            f"the inner stream has samples of {depths} bits{' in separate planes' * found.separate_planes}; "
            f"{_BIT_DEPTH} bits are right"
        )
    if not (height <= found.height < height + CROPPED and width <= found.width < width + CROPPED):
        raise CodecError(
            f"the inner stream has pictures of {found.width}x{found.height} before cropping, where {width}x{height} "
            f"and less than {CROPPED} more each way were expected"
        )
    if inner.pictures != count:
        raise CodecError(f"the inner stream has {inner.pictures} pictures, where {count} were expected")
    return inner


def _nal_units(stream: bytes) -> Iterator[tuple[int, int]]:
    """Where each NAL unit begins and ends; zero bytes around it are no part of it."""
    start = stream.find(_START_CODE)
    while start >= 0:
        start += len(_START_CODE)
        following = stream.find(_START_CODE, start)
        end = following if following >= 0 else len(stream)
        while end > start and not stream[end - 1]:
            end -= 1
        if end - start >= _HEADER_BYTES:
            yield start, end
        start = following


def _layer_and_type(codec_id: InnerCodecId, first: int, second: int) -> tuple[int, int]:
    """``nuh_layer_id`` and ``nal_unit_type`` of a NAL unit header's two bytes (H.265 and H.266, 7.3.1.2)."""
    if codec_id == InnerCodecId.VVC:
        return first & 63, second >> 3
    return (first & 1) << 5 | second >> 3, first >> 1 & 63
