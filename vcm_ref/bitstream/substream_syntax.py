"""The syntax tables of substreams (docs/bitstream.md, 6.14 to 6.16)."""

from __future__ import annotations

from .coder import Coder
from .elements import MAX_PARAMETER_SET_BITS, Part
from .headers import Substream
from .nal import START_CODE_LIKE, NalUnits, is_access_unit_delimiter, is_parameter_set, layer_id, without_repetitions
from .parameter_sets import BitString, ParameterSetCode, apply_code, best_code, to_bit_string, to_nal_unit
from .table import fill, table
from .values import InnerCodecId


@table("6.14")
def substream(s: Coder, inner_codec: InnerCodecId, u: Substream, bases: list[BitString]) -> None:
    """One inner elementary stream. ``bases`` grows by each parameter set coded."""
    if inner_codec == InnerCodecId.LOSSLESS:
        u.lossless_data = s("lossless_data", u.lossless_data, bits=s.bits_to_end(u.lossless_data))
        return
    if inner_codec == InnerCodecId.COEFFICIENTS:
        u.level_data = s("level_data", u.level_data, bits=s.bits_to_end(u.level_data))
        return
    num_parameter_sets = s("num_parameter_sets", len(u.parameter_sets))
    fill(s, u.parameter_sets, num_parameter_sets, bytes)
    for i in range(num_parameter_sets):
        parameter_set(s, inner_codec, u, i, bases)
    s.align(Part.PARAMETER_SETS)
    i = 0
    while s.more_data(i < len(u.nal_units)):
        nal_unit_record(s, inner_codec, u, i)
        i += 1
    kept = sum(1 for _ in without_repetitions(inner_codec, u.parameter_sets, u.nal_units))
    s.require(kept == len(u.nal_units), "a parameter set is stored that repeats the only one of its type")


@table("6.15")
def parameter_set(s: Coder, inner_codec: InnerCodecId, u: Substream, i: int, bases: list[BitString]) -> None:
    """One parameter set, as the difference from a base."""
    code = ParameterSetCode() if s.reading else best_code(bases, to_bit_string(u.parameter_sets[i]))
    base = s("ps_base_idc", code.base, high=len(bases) - 1)
    prefix_bits = s("ps_prefix_bits", code.prefix_bits, high=bases[base].length)
    suffix_bits = s("ps_suffix_bits", code.suffix_bits, high=bases[base].length - prefix_bits)
    middle_bits = s("ps_middle_bits", code.middle_bits)
    middle = s("ps_middle", code.middle, bits=middle_bits)
    code = ParameterSetCode(base, prefix_bits, suffix_bits, middle_bits, middle)
    restored = apply_code(bases[base], code)
    s.require(restored.length <= MAX_PARAMETER_SET_BITS, f"a parameter set has {restored.length} bits")
    s.require(restored.length >= 16, f"a parameter set has {restored.length} bits, less than a NAL unit header")
    s.require(best_code(bases, restored) == code, "a parameter set is not coded in the one valid way")
    nal_unit = to_nal_unit(restored)
    s.require(is_parameter_set(inner_codec, nal_unit), "a NAL unit that is coded as a parameter set has another type")
    s.require(layer_id(inner_codec, nal_unit) == 0, "a parameter set is of a layer other than 0")
    u.parameter_sets[i] = nal_unit
    bases.append(restored)


@table("6.16")
def nal_unit_record(s: Coder, inner_codec: InnerCodecId, u: Substream, i: int) -> None:
    """One NAL unit after the leading parameter sets, without its start code."""
    nal_unit = b"" if s.reading else u.nal_units[i]
    size = s("nal_unit_size", len(nal_unit))
    nal_unit = s("nal_unit", nal_unit, bits=8 * size)
    s.require(START_CODE_LIKE.search(nal_unit) is None, "a NAL unit contains a start code or ends in a zero byte")
    s.require(not is_access_unit_delimiter(inner_codec, nal_unit), "an access unit delimiter is stored")
    s.require(i > 0 or not is_parameter_set(inner_codec, nal_unit), "a leading parameter set is stored as it is")
    s.require(layer_id(inner_codec, nal_unit) == 0, "a NAL unit is of a layer other than 0")
    if s.reading:
        assert isinstance(u.nal_units, NalUnits), "a substream that is read into begins empty"
        u.nal_units.append(nal_unit)
