"""The beginning of a sequence parameter set: the size, format and depth of what an inner decoder decodes.

H.265 (v10), 7.3.2.2.1 and 7.3.3; H.266 (v3), 7.3.2.4 and 7.3.3. Only what docs/bitstream.md, 8.3, bounds is kept.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import BitstreamError
from .nal import HEADER_BYTES, unescape
from .values import InnerCodecId

#: The clause of docs/bitstream.md with the rules that a set keeps.
CLAUSE = "8.3"
_LARGEST = 1 << 13  # bytes that are looked at; what is read lies within, also with the most subpictures
#: As many as any level of H.266 but 15.5 has slices in a picture (A.4.2).
_MOST_SUBPICTURES = 600
_LARGEST_CODE = 32  # leading zero bits of an Exp-Golomb code


class SequenceParameters(NamedTuple):
    """The elements of a sequence parameter set that hold for all its pictures.

    ``height`` and ``width`` are before cropping, in luma samples; where pictures may differ (VVC), the largest.
    ``bit_depths`` are those of the sample arrays that there are: luma, or luma and chroma. ``chroma_format`` is
    ``chroma_format_idc``: 0 for 4:0:0, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
    """

    profile: int
    height: int
    width: int
    chroma_format: int
    bit_depths: frozenset[int]
    separate_planes: bool


def read_sequence_parameters(codec_id: InnerCodecId, nal_unit: bytes) -> SequenceParameters:
    """Read the set ``nal_unit``, a whole NAL unit without its start code.

    Raises BitstreamError where it ends too early, or has no profile.
    """
    bits = _Bits(unescape(nal_unit[:_LARGEST])[HEADER_BYTES:])
    return _read_vvc(bits) if codec_id == InnerCodecId.VVC else _read_hevc(bits)


def _error(which: str) -> BitstreamError:
    return BitstreamError(f"the inner stream has a sequence parameter set {which}", clause=CLAUSE)


class _Bits:
    """Reads the descriptors u(n) and ue(v) (H.265, 9.2)."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def u(self, count: int) -> int:
        if count > self._left:
            raise _error("that ends too early")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _LARGEST_CODE:
                raise _error("with too long a code")
        return (1 << zeros) - 1 + self.u(zeros)

    def align(self) -> None:
        self.u(self._left % 8)


def _read_hevc(bits: _Bits) -> SequenceParameters:
    bits.u(4)  # sps_video_parameter_set_id
    sublayers = bits.u(3)  # sps_max_sub_layers_minus1
    bits.u(1)  # sps_temporal_id_nesting_flag
    bits.u(3)  # general_profile_space, general_tier_flag
    profile = bits.u(5)
    bits.u(32 + 4 + 43 + 1 + 8)  # compatibility flags … general_level_idc
    present = [(bits.u(1), bits.u(1)) for _ in range(sublayers)]
    if sublayers:
        bits.u(2 * (8 - sublayers))  # reserved_zero_2bits
    for its_profile, its_level in present:
        bits.u(88 * its_profile + 8 * its_level)
    bits.ue()  # sps_seq_parameter_set_id
    chroma_format = bits.ue()
    separate_planes = chroma_format == 3 and bool(bits.u(1))
    width, height = bits.ue(), bits.ue()
    if bits.u(1):  # conformance_window_flag
        for _ in range(4):
            bits.ue()
    depths = [8 + bits.ue(), 8 + bits.ue()]
    used = frozenset(depths if chroma_format else depths[:1])
    return SequenceParameters(profile, height, width, chroma_format, used, separate_planes)


def _read_vvc(bits: _Bits) -> SequenceParameters:
    bits.u(4 + 4)  # sps_seq_parameter_set_id, sps_video_parameter_set_id
    sublayers = bits.u(3)  # sps_max_sublayers_minus1
    chroma_format = bits.u(2)
    ctu = 32 << bits.u(2)
    if not bits.u(1):  # sps_ptl_dpb_hrd_params_present_flag
        raise _error("without a profile")
    profile = _read_vvc_profile(bits, sublayers)
    bits.u(1)  # sps_gdr_enabled_flag
    if bits.u(1):  # sps_ref_pic_resampling_enabled_flag
        bits.u(1)  # sps_res_change_in_clvs_allowed_flag
    width, height = bits.ue(), bits.ue()
    if bits.u(1):  # sps_conformance_window_flag
        for _ in range(4):
            bits.ue()
    if bits.u(1):  # sps_subpic_info_present_flag
        _skip_subpictures(bits, -(-width // ctu), -(-height // ctu))
    depth = 8 + bits.ue()  # of luma and chroma alike
    return SequenceParameters(profile, height, width, chroma_format, frozenset({depth}), False)


def _read_vvc_profile(bits: _Bits, sublayers: int) -> int:
    """``profile_tier_level(1, sublayers)``; returns ``general_profile_idc``."""
    profile = bits.u(7)
    bits.u(1 + 8 + 1 + 1)  # general_tier_flag … ptl_multilayer_enabled_flag
    if bits.u(1):  # gci_present_flag
        bits.u(71)
        bits.u(bits.u(8))  # gci_num_additional_bits
    bits.align()
    present = [bits.u(1) for _ in range(sublayers)]
    bits.align()
    bits.u(8 * sum(present))
    bits.u(32 * bits.u(8))  # ptl_num_sub_profiles
    return profile


def _skip_subpictures(bits: _Bits, columns: int, rows: int) -> None:
    """Skip the elements after ``sps_subpic_info_present_flag``, of pictures of ``columns`` x ``rows`` CTUs."""
    last = bits.ue()  # sps_num_subpics_minus1
    if not last:
        return
    if last >= _MOST_SUBPICTURES:
        raise _error(f"with {last + 1} subpictures, where {_MOST_SUBPICTURES} are allowed")
    independent, same_size = bits.u(1), bits.u(1)
    place_bits = (columns - 1).bit_length() + (rows - 1).bit_length()
    for number in range(last + 1):
        if number == 0 or not same_size:
            bits.u(place_bits * (number > 0))  # sps_subpic_ctu_top_left_x, _y
            bits.u(place_bits * (number < last))  # sps_subpic_width_minus1, _height_minus1
        if not independent:
            bits.u(2)  # sps_subpic_treated_as_pic_flag, sps_loop_filter_across_subpic_enabled_flag
