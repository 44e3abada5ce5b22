"""The NAL units of an inner stream that decide samples, and the rules that they keep (docs/bitstream.md, 8.3 and 8.4).

Supplemental enhancement information changes no sample by the specifications of HEVC and VVC. Decoders act on some of
it all the same: ffmpeg turns pictures, enlarges them by LCEVC, and adds film grain. So an inner decoder is given only
NAL units that the decoding process of its specification needs. The rules are checked before it is started, which also
bounds the samples that it decodes: the size that a bitstream declares is that of pictures after cropping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import BitstreamError
from .nal import HEADER_BYTES, TYPES, layer_id, nal_unit_type
from .sequence_parameters import CLAUSE, SequenceParameters, read_sequence_parameters
from .values import VIDEO_BIT_DEPTH, InnerCodecId

#: Width and height before cropping are less than so much above those after it: so much makes any size a multiple of
#: the largest MinCbSizeY.
CROPPED = 64
#: ``general_profile_idc``. H.265, A.3: Main, Main 10, Main Still Picture, and the format range extensions; H.266, A.3:
#: Main 10 (4:4:4), and their Still Picture.
PROFILES = {InnerCodecId.HEVC: frozenset({1, 2, 3, 4}), InnerCodecId.VVC: frozenset({1, 33, 65, 97})}


def kept_nal_units(codec: InnerCodecId, nal_units: Iterable[bytes]) -> Iterator[bytes]:
    """The NAL units that an inner decoder is given, one at a time: those that decide samples (8.4)."""
    types = TYPES[codec]
    kept = types.slices | types.parameter_sets | types.others
    for nal_unit in nal_units:
        if len(nal_unit) >= HEADER_BYTES and nal_unit_type(codec, nal_unit) in kept and not layer_id(codec, nal_unit):
            yield nal_unit


def check_inner_stream(
    codec: InnerCodecId, nal_units: Iterable[bytes], count: int, height: int, width: int
) -> SequenceParameters:
    """Check the NAL units of an inner stream that shall give ``count`` pictures of ``height`` x ``width`` samples.

    The size is that after cropping. Returns the parameters that all pictures have. Raises BitstreamError where the
    stream breaks a rule of docs/bitstream.md, 8.3.
    """
    types = TYPES[codec]
    pictures = 0
    sequence = b""
    for nal_unit in kept_nal_units(codec, nal_units):
        kind = nal_unit_type(codec, nal_unit)
        if kind == types.sequence_parameter_set:
            if sequence not in (b"", nal_unit):
                raise _error("has two different sequence parameter sets")
            sequence = nal_unit
        elif kind == types.picture_header or (kind in types.slices and _begins_picture(nal_unit)):
            pictures += 1
    if not sequence:
        raise _error("has no sequence parameter set")
    found = read_sequence_parameters(codec, sequence)
    _check_parameters(found, PROFILES[codec], height, width)
    if pictures != count:
        raise _error(f"has {pictures} pictures, where {count} were expected")
    return found


def _begins_picture(slice_unit: bytes) -> bool:
    """Whether the first bit says that a picture begins with this slice (in VVC, because it has the picture header)."""
    return len(slice_unit) > HEADER_BYTES and slice_unit[HEADER_BYTES] >> 7 == 1


def _check_parameters(found: SequenceParameters, profiles: frozenset[int], height: int, width: int) -> None:
    if found.profile not in profiles:
        allowed = ", ".join(map(str, sorted(profiles)))
        raise _error(f"has the profile {found.profile}; allowed are {allowed}")
    if found.bit_depths != {VIDEO_BIT_DEPTH} or found.separate_planes:
        depths = " and ".join(map(str, sorted(found.bit_depths)))
        planes = " in separate planes" if found.separate_planes else ""
        raise _error(f"has samples of {depths} bits{planes}; {VIDEO_BIT_DEPTH} bits are right")
    if not (height <= found.height < height + CROPPED and width <= found.width < width + CROPPED):
        raise _error(
            f"has pictures of {found.width}x{found.height} before cropping, where {width}x{height} "
            f"and less than {CROPPED} more each way were expected"
        )


def _error(broken: str) -> BitstreamError:
    return BitstreamError(f"the inner stream {broken}", clause=CLAUSE)
