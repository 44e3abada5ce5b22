"""The second decoder's substreams, and its inner codecs HEVC and VVC, written from docs/bitstream.md alone."""

import functools
import math
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from mini_bits import CODEC_ERROR, UNSUPPORTED_ERROR, Reader, require

# Clause 7.9: code points. Clause 7.14: the name of an inner codec, its types of parameter sets and of access unit
# delimiters.
HEVC, VVC = 1, 2
INNER_CODECS = {HEVC: ("hevc", {32, 33, 34}, 35), VVC: ("vvc", {14, 15, 16}, 20)}
# Clauses 8.3 and 8.4: of an inner stream, the types of slices and of the other NAL units kept, and the profiles.
SLICES = {HEVC: {*range(10), *range(16, 22)}, VVC: {*range(4), *range(7, 11)}}
OTHERS = {HEVC: {32, 33, 34, 36, 37}, VVC: {*range(14, 20), 21, 22}}
INNER_PROFILES = {HEVC: (1, 2, 3, 4), VVC: (1, 33, 65, 97)}
# Seconds for one run of the inner decoder.
MAX_SECONDS = 600

BitString = tuple[int, int]  # the bits as an integer, and their number
InnerStream = tuple[bytes, int]  # with its chroma_format_idc; for LOSSLESS and COEFFICIENTS, with a 0


def substream(r: Reader, codec: int, bases: list[BitString], size: tuple[int, int, int]) -> InnerStream:
    """Clauses 7.14, 7.15, 7.16 and 8.4: the inner stream, and its chroma_format_idc."""
    if codec not in INNER_CODECS:
        return r.data, 0
    num_parameter_sets = r.ue("num_parameter_sets", 8)
    nal_units = [parameter_set(r, bases) for _ in range(num_parameter_sets)]
    r.byte_alignment(more_data=True)
    while r.left:
        nal_units.append(r.b("nal_unit", r.leb("nal_unit_size", 2, 4294967295)))
        require(not re.search(rb"\0\0[\0-\2]|\0\Z", nal_units[-1]), "nal_unit has bytes that are for start codes")
    types = [nal_unit[1] >> 3 if codec == VVC else nal_unit[0] >> 1 & 63 for nal_unit in nal_units]
    layers = [unit[0] & 63 if codec == VVC else (unit[0] << 8 | unit[1]) >> 3 & 63 for unit in nal_units]
    _, parameter_sets, access_unit_delimiter = INNER_CODECS[codec]
    leading = next((i for i, kind in enumerate(types) if kind not in parameter_sets), len(types))
    require(leading == num_parameter_sets, "num_parameter_sets is not the number of leading parameter sets")
    require(access_unit_delimiter not in types, "an access unit delimiter")
    require(not any(layers), "nuh_layer_id is not 0")
    sets = [i for i, kind in enumerate(types) if kind in parameter_sets and i >= leading]
    if sets:
        same = [i for i in range(leading) if types[i] == types[sets[0]]]
        repeats = len(same) == 1 and nal_units[same[0]] == nal_units[sets[0]]
        require(not repeats, "a parameter set that repeats the only leading one of its type")
    return inner_stream(nal_units, types, codec, size)


def inner_stream(nal_units: list[bytes], types: list[int], codec: int, size: tuple[int, int, int]) -> InnerStream:
    """Clauses 8.3 and 8.4: check the rules of an inner stream; give the NAL units kept, and the chroma_format_idc."""
    kept, sets, pictures = [], set(), 0
    for nal_unit, kind in zip(nal_units, types, strict=True):
        if kind in SLICES[codec] | OTHERS[codec]:
            kept += [b"\0\0\0\1", nal_unit]
            sets |= {nal_unit} if kind == (15 if codec == VVC else 33) else set()
            pictures += nal_unit[2:3] >= b"\x80" if kind in SLICES[codec] else codec == VVC and kind == 19
    require(len(sets) == 1, "an inner stream without a sequence parameter set, or with two that differ")
    r = Reader(sets.pop()[2:].replace(b"\0\0\3", b"\0\0"))
    profile, chroma_format_idc, width, height, depths = (sps_of_vvc if codec == VVC else sps_of_hevc)(r)
    require(profile in INNER_PROFILES[codec], "an inner stream of a profile that is not allowed")
    require({*depths} == {10}, "inner samples are not of 10 bits")
    require(size[1] <= height < size[1] + 64, "a height of inner pictures, before cropping, that is not allowed")
    require(size[2] <= width < size[2] + 64, "a width of inner pictures, before cropping, that is not allowed")
    require(pictures == size[0], "the inner stream has another number of coded pictures than it has frames")
    return b"".join(kept), chroma_format_idc


def sps_of_hevc(r: Reader) -> tuple[int, int, int, int, list[int]]:
    """H.265, 7.3.2.2: profile, chroma format, width, height, and bit depths (none where planes are separate)."""
    sub_layers = r.u("sps_max_sub_layers_minus1", 7) & 7
    profile = r.u("general_profile_idc", 9) & 31
    r.u("", 88)
    present = [r.u("", 2) for _ in range(sub_layers)]
    r.u("", 2 * (8 - sub_layers) * (sub_layers > 0))
    r.u("", sum(88 * (flags >> 1) + 8 * (flags & 1) for flags in present))
    r.ue("sps_seq_parameter_set_id")
    chroma_format_idc = r.ue("chroma_format_idc")
    separate = chroma_format_idc == 3 and r.u("separate_colour_plane_flag", 1)
    width, height = r.ue("pic_width_in_luma_samples"), r.ue("pic_height_in_luma_samples")
    for _ in range(4 * r.u("conformance_window_flag", 1)):
        r.ue("conf_win_offset")
    depths = [8 + r.ue("bit_depth_luma_minus8"), 8 + r.ue("bit_depth_chroma_minus8")]
    return profile, chroma_format_idc, width, height, [] if separate else depths if chroma_format_idc else depths[:1]


def sps_of_vvc(r: Reader) -> tuple[int, int, int, int, list[int]]:
    """H.266, 7.3.2.4 and 7.3.3.1: likewise; the profile is 0 where there is none."""
    sublayers = r.u("sps_max_sublayers_minus1", 11) & 7
    chroma_format_idc = r.u("sps_chroma_format_idc", 2)
    ctb = 32 << r.u("sps_log2_ctu_size_minus5", 2)
    profile = 0
    if r.u("sps_ptl_dpb_hrd_params_present_flag", 1):
        profile = r.u("general_profile_idc", 7)
        r.u("", 11)
        if r.u("gci_present_flag", 1):
            r.u("", 71)
            r.u("", r.u("gci_num_additional_bits", 8))
        r.u("", r.left % 8)
        levels = sum(r.u("ptl_sublayer_level_present_flag", 1) for _ in range(sublayers))
        r.u("", r.left % 8)
        r.u("", 8 * levels)
        r.u("", 32 * r.u("ptl_num_sub_profiles", 8))
    r.u("sps_gdr_enabled_flag", 1)
    r.u("", r.u("sps_ref_pic_resampling_enabled_flag", 1))
    width, height = r.ue("sps_pic_width_max_in_luma_samples"), r.ue("sps_pic_height_max_in_luma_samples")
    for _ in range(4 * r.u("sps_conformance_window_flag", 1)):
        r.ue("sps_conf_win_offset")
    last = r.ue("sps_num_subpics_minus1", 599) if r.u("sps_subpic_info_present_flag", 1) else 0
    independent, same = (r.u("", 1), r.u("", 1)) if last else (1, 1)
    place = sum((-(-side // ctb) - 1).bit_length() for side in (width, height))
    for i in range(last + 1 if last else 0):
        r.u("sps_subpic_ctu_top_left_x, y, width, height", place * ((i > 0) + (i < last)) * (i == 0 or not same))
        r.u("", 2 * (not independent))
    return profile, chroma_format_idc, width, height, [8 + r.ue("sps_bitdepth_minus8")]


def parameter_set(r: Reader, bases: list[BitString]) -> bytes:
    """Clauses 7.15 and 8.4: the NAL unit."""
    ps_base_idc = r.ue("ps_base_idc", len(bases) - 1)
    base, length = bases[ps_base_idc]
    prefix = r.ue("ps_prefix_bits", length)
    suffix = r.ue("ps_suffix_bits", length - prefix)
    middle = r.ue("ps_middle_bits", 16384 - prefix - suffix)
    string = base >> length - prefix << middle | r.u("ps_middle", middle)
    string, bits = string << suffix | base & ((1 << suffix) - 1), prefix + middle + suffix
    code = min(parameter_set_code(string, bits, index, *base) for index, base in enumerate(bases))
    require(code[1:] == (ps_base_idc, prefix, suffix), "a parameter set is not in its one valid code")
    require(bits >= 16, "a parameter set is shorter than the header of a NAL unit")
    bases.append((string, bits))
    rbsp = (2 * string + 1 << -(bits + 1) % 8).to_bytes(bits // 8 + 1, "big")
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", rbsp)


def parameter_set_code(string: int, bits: int, index: int, base: int, length: int) -> tuple[int, int, int, int]:
    """Clause 7.15: the number of bits with this base; base, prefix, suffix. The least such tuple is the valid code."""
    shorter = min(bits, length)
    prefix = shorter - (string >> bits - shorter ^ base >> length - shorter).bit_length()
    differing = string ^ base | 1 << shorter - prefix  # the added bit keeps the suffix off the prefix
    suffix = (differing & -differing).bit_length() - 1
    middle = bits - prefix - suffix
    ue_bits = sum(2 * (value + 1).bit_length() - 1 for value in (index, prefix, suffix, middle))
    return ue_bits + middle, index, prefix, suffix


@functools.cache
def annex_a(codec: int) -> list[BitString]:
    """The templates as bit strings (8.4), read out of the document."""
    text = (Path(__file__).resolve().parents[1] / "docs" / "bitstream.md").read_text("utf-8")
    listing = text.split("\n## Annex A")[1].split(f"\n{INNER_CODECS[codec][0].upper()}:\n")[1].split("```")[1]
    digits = re.split(r"\n\d+  nal_unit_type .*", listing)[1:]
    payloads = [bytes.fromhex(nal_unit).replace(b"\0\0\3", b"\0\0") for nal_unit in digits]
    strings = ["".join(f"{byte:08b}" for byte in payload).rstrip("0")[:-1] for payload in payloads]
    return [(int(string, 2), len(string)) for string in strings]


def ffmpeg(coded: InnerStream, size: tuple[int, int, int], tensor: SimpleNamespace) -> np.ndarray:
    """Clause 8.3: the luma of exactly F pictures of 10 bits at the coded size."""
    # extractplanes takes the luma as it is; showinfo lists each picture's own format and size in the log; -fs ends what
    # puts out too much.
    stream, chroma_format_idc = coded
    # of 4:4:4, the first component, whatever it is called
    first = "".join(f"map{i}s=0:map{i}p=0:" for i in range(3))
    luma = f"mergeplanes={first}format=yuv444p10le,extractplanes=y" if chroma_format_idc == 3 else "extractplanes=y"
    options = f"""-hide_banner -nostdin -nostats -xerror -err_detect explode -noautorotate
        -f {INNER_CODECS[tensor.inner_codec_idc][0]} -i pipe:0 -map 0:v:0 -fps_mode passthrough
        -vf showinfo=checksum=0,{luma} -fs {2 * math.prod(size) + 1} -f rawvideo pipe:1""".split()
    program = shutil.which(os.environ.get("VCM_FFMPEG", "ffmpeg"))
    require(program, "ffmpeg, which decodes HEVC and VVC, was not found", UNSUPPORTED_ERROR)
    with tempfile.TemporaryFile() as out:
        ran = subprocess.run([program, *options], input=stream, stdout=out, stderr=subprocess.PIPE, timeout=MAX_SECONDS)
        out.seek(0)
        samples = out.read(2 * math.prod(size) + 1)
    pictures = re.findall(rb"\] n: *\d+ pts:.* fmt:(?:gray|yuv4..p|gbrp)10le .* s:(\d+)x(\d+) ", ran.stderr)
    as_due = len(samples) == 2 * math.prod(size) and [(int(h), int(w)) for w, h in pictures] == [size[1:]] * size[0]
    require(ran.returncode == 0 and as_due, "ffmpeg does not make of an inner stream the pictures due", CODEC_ERROR)
    return np.frombuffer(samples, "<u2").reshape(size)
