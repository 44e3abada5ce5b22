#!/usr/bin/env python3
"""A second decoder, written from docs/bitstream.md (version 2) alone; it shares no code with vcm_ref.

That the two decode alike shows that it stands alone. Names and clause numbers are the document's.

    mini_decoder.py BITSTREAM -o FOLDER [--planes FILE]

FOLDER, which shall not exist, gets t0.raw, t1.raw and t2.raw as docs/conformance.md says, or is not made. With --planes
(mode A) FILE has the T0 samples, and inner streams are not decoded. The exit code is 0, one of docs/conformance.md, or
2 for usage and files. HEVC and VVC take ffmpeg (environment variable VCM_FFMPEG, else on the PATH), and the templates
of Annex A, which are read out of ../docs/bitstream.md.
"""

import argparse
import bz2
import contextlib
import hashlib
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np

# Clause 7: code points; the name of an inner codec, its NAL unit types of parameter sets and of access unit delimiters.
STREAM_HEADER, PICTURE_HEADER, SUBSTREAM, DIGEST, END = range(1, 6)
LOSSLESS, HEVC, VVC = range(3)
FRAMES, QUILTED, TILED = range(3)
NONE, EXACT, FIXED_LENGTH = range(3)
FIXED, PICTURE, LAYER, CHANNEL = range(4)
SPATIAL, TEMPORAL = range(2)
INNER_CODECS = {HEVC: ("hevc", {32, 33, 34}, 35), VVC: ("vvc", {14, 15, 16}, 20)}
# Clauses 8.3 and 8.4: of an inner stream, the types of slices and of the other NAL units kept, and the profiles.
SLICES = {HEVC: {*range(10), *range(16, 22)}, VVC: {*range(4), *range(7, 11)}}
OTHERS = {HEVC: {32, 33, 34, 36, 37}, VVC: {*range(14, 20), 21, 22}}
INNER_PROFILES = {HEVC: (1, 2, 3, 4), VVC: (1, 33, 65, 97)}
# Clause 9: the inner codecs of a profile; layers, channels, side, frames, frame samples, picture samples of a level.
PROFILES = {0: (LOSSLESS,), 1: (LOSSLESS, HEVC), 2: (LOSSLESS, VVC)}
LEVELS = {
    1: (4, 256, 8192, 256, 8388608, 8388608),
    2: (8, 1024, 16384, 1024, 33554432, 33554432),
    3: (16, 2048, 32768, 2048, 134217728, 134217728),
    4: (64, 8192, 65536, 8192, 536870912, 536870912),
}
# docs/conformance.md: exit codes, and what a decoder may refuse; then seconds for one run of the inner decoder.
BITSTREAM_ERROR, UNSUPPORTED_ERROR, LIMIT_ERROR, CODEC_ERROR = range(10, 14)
MAX_FRAME_SAMPLES, MAX_OUTPUT_BYTES, MAX_SECONDS = 2**28, 2**40, 600

Header = Picture = Layer = SimpleNamespace  # each has what is read of it
BitString = tuple[int, int]  # the bits as an integer, and their number


class Refused(Exception):  # noqa: N818
    """Its arguments are the message and the exit code."""


def require(condition: object, otherwise: str, exit_code: int = BITSTREAM_ERROR) -> None:
    if not condition:
        raise Refused(otherwise, exit_code)


class Reader:
    """Clause 4: elements by their descriptors, and within their ranges; out of a bitstream, or a unit's payload."""

    def __init__(self, data: bytes, unit_type: int = 0) -> None:
        self.data, self.left, self.unit_type = data, 8 * len(data), unit_type

    def u(self, name: str, bits: int, low: int = 0, high: float = math.inf) -> int:
        require(bits <= self.left, f"{name}: the data end too early")
        before, self.left = self.left, self.left - bits
        taken = self.data[len(self.data) - (before + 7) // 8 : len(self.data) - self.left // 8]
        value = int.from_bytes(taken, "big") >> self.left % 8 & (1 << bits) - 1
        require(low <= value <= high, f"{name} is out of range")
        return value

    def ue(self, name: str, high: float = math.inf) -> int:
        zeros = 0
        while self.u(name, 1) == 0:
            zeros += 1
            require(zeros <= 32, f"{name} has more than 32 leading zero bits")
        value = (1 << zeros) - 1 + self.u(name, zeros)
        require(value <= high, f"{name} is out of range")
        return value

    def se(self, name: str) -> int:
        code = self.ue(name)
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def leb(self, name: str, low: int, high: int) -> int:
        value, groups, more = 0, 0, 1
        while more:
            more, bits = self.u(name, 1), self.u(name, 7)
            value, groups = value + (bits << 7 * groups), groups + 1
            require(groups <= 5 and (more or bits or groups == 1), f"{name} has too many groups")
        require(low <= value <= high, f"{name} is out of range")
        return value

    def b(self, name: str, size: int) -> bytes:
        return self.u(name, 8 * size).to_bytes(size, "big")

    def byte_alignment(self, more_data: bool = False) -> None:
        self.u("alignment_zero_bit", self.left % 8, 0, 0)
        require(more_data or not self.left, "bytes are left over where a unit should end")


def bitstream(data: bytes) -> Iterator[Picture]:
    """Clause 5: the pictures, one after the other, with all of the bitstream checked but their inner streams."""
    r = Reader(data)
    r.u("signature", 32, 0x56434D46, 0x56434D46)
    header = stream_header(unit(r, STREAM_HEADER))
    templates = [] if header.inner_codec_idc == LOSSLESS else annex_a(header.inner_codec_idc)
    payload = unit(r, PICTURE_HEADER)
    while payload.unit_type == PICTURE_HEADER:
        picture = picture_header(payload, header)
        bases = [(0, 0), *templates]
        picture.substreams = [substream(unit(r, SUBSTREAM), header.inner_codec_idc, bases) for _ in picture.sizes]
        if header.digest_length:
            digest(unit(r, DIGEST), header, picture)
        yield picture
        payload = unit(r, PICTURE_HEADER, END)
    require(not payload.data and not r.left, "the bitstream does not end with an empty unit END")


def unit(r: Reader, *expected: int) -> Reader:
    """Clause 7.3."""
    unit_type, unit_size_bytes = r.u("unit_type", 4), r.u("unit_size_bytes", 4, 0, 4)
    require(unit_type in expected, f"unit_type is {unit_type} where {expected[0]} is due")
    unit_size = r.u("unit_size", 8 * unit_size_bytes)
    require(unit_size_bytes == (unit_size.bit_length() + 7) // 8, "unit_size is in more bytes than it takes")
    return Reader(r.b("payload", unit_size), unit_type)


def stream_header(r: Reader) -> Header:
    """Clauses 7.4 and 7.5."""
    header = Header(level_zeroed=bytearray(r.data), layers=[])
    require(r.u("version", 4, 1) == 2, "a version other than 2", UNSUPPORTED_ERROR)
    profile_idc, header.level_idc = r.u("profile_idc", 3, 0, 2), r.u("level_idc", 4, 1, 4)
    header.bit_depth, header.inner_codec_idc = r.u("bit_depth_minus1", 4, 1) + 1, r.u("inner_codec_idc", 3, 0, 2)
    header.arrangement_idc, header.range_scope_idc = r.u("arrangement_idc", 2, 0, 2), r.u("range_scope_idc", 2)
    header.reorder_coding_idc, header.digest_length = r.u("reorder_coding_idc", 2, 0, 2), r.u("digest_length", 6, 0, 32)
    header.inner_bit_depth = header.bit_depth if header.inner_codec_idc == LOSSLESS else 10
    header.level_zeroed[:2] = (int.from_bytes(r.data[:2], "big") & 0b1111_1110_0001_1111).to_bytes(2, "big")  # for 8.7
    require(header.bit_depth <= header.inner_bit_depth, "a bit depth that is for LOSSLESS only")
    require(header.inner_codec_idc in PROFILES[profile_idc], "an inner codec that the profile does not have")
    tiled = header.arrangement_idc == TILED
    header.allocation_idc = r.u("allocation_idc", 0 if tiled else 1)  # absent, it is SPATIAL
    channels, (max_layers, max_channels, *_) = 0, LEVELS[header.level_idc]
    for _ in range(r.ue("num_layers_minus1", max_layers - 1) + 1):
        name = r.b("layer_name", r.ue("layer_name_length_minus1", 31) + 1)
        unique = name not in [layer.name for layer in header.layers]
        require(unique and re.fullmatch(rb"[A-Za-z0-9_.-]+", name), "layer_name has a bad character, or is there twice")
        channels += r.se("channels_delta")
        require(1 <= channels <= max_channels, "channels_delta: C is out of range")
        columns, rows = r.ue("grid_columns_minus1", 8191) + 1, r.ue("grid_rows_minus1", 8191) + 1
        fits = channels == columns * rows if tiled else channels % (columns * rows) == 0
        require(fits, "grid_columns_minus1, grid_rows_minus1: not a grid for C maps")
        r.u("mode_idc", 0 if tiled else 1)
        header.layers.append(Layer(name=name, channels=channels, columns=columns, rows=rows))
    header.ranges = value_ranges(r, 1 if header.range_scope_idc == FIXED else 0)
    r.byte_alignment()
    return header


def value_ranges(r: Reader, count: int) -> np.ndarray:
    """Clause 7.6: `count` pairs of lo and hi."""
    pairs = np.frombuffer(r.b("value_range", 8 * count), ">f4").reshape(count, 2)
    require(np.isfinite(pairs).all() and (pairs[:, 0] <= pairs[:, 1]).all(), "not finite, or range_min > range_max")
    return pairs


def picture_header(r: Reader, header: Header) -> Picture:
    """Clause 7.7."""
    r.ue("picture_height_minus1", 65535)
    r.ue("picture_width_minus1", 65535)
    layers, height, width = [], -1, -1  # so that the first prediction is 0
    for layer in header.layers:
        height = (height + 1) // 2 + r.se("layer_height_delta")
        width = (width + 1) // 2 + r.se("layer_width_delta")
        require(min(height, width) >= 1 and max(height, width) <= 65536, "the size of a layer is out of range")
        layers.append(Layer(**vars(layer), height=height, width=width, t1_digest=b""))
    ranges = value_ranges(r, 1 if header.range_scope_idc == PICTURE else 0)
    for layer in layers:
        num_ranges = {LAYER: 1, CHANNEL: layer.channels}.get(header.range_scope_idc, 0)
        layer.ranges = np.concatenate((header.ranges, ranges, value_ranges(r, num_ranges)))  # one of these is not empty
    for layer in layers:
        layer.order = np.array(reorder_index(r, header.reorder_coding_idc, layer.channels))
    r.byte_alignment()
    return Picture(header=header, payload=r.data, layers=layers, sizes=coded_sizes(header, layers))


def coded_sizes(header: Header, layers: list[Layer]) -> list[tuple[int, int, int]]:
    """Clauses 8.3 and 9: number, height and width of the frames of each substream."""
    sizes = [(i.channels // (i.columns * i.rows), i.rows * i.height, i.columns * i.width) for i in layers]
    if header.arrangement_idc == TILED:
        sizes = [(1, sum(h for _, h, _ in sizes), max(w for _, _, w in sizes))]
    if header.inner_codec_idc != LOSSLESS:
        sizes = [(f, max(32, h + h % 2), max(32, w + w % 2)) for f, h, w in sizes]
    largest = [max(needs) for needs in zip(*[(max(h, w), f, h * w) for f, h, w in sizes], strict=True)]
    needs = zip([*largest, sum(map(math.prod, sizes))], LEVELS[header.level_idc][2:], strict=True)
    require(all(need <= bound for need, bound in needs), "a picture needs more than the level allows")
    return sizes


def reorder_index(r: Reader, coding: int, channels: int) -> list[int]:
    """Clauses 7.8 and 8.2: the channel order."""
    unused = list(range(channels))
    if coding == NONE:
        return unused
    if coding == FIXED_LENGTH:
        order = [r.u("channel_index", (channels - 1).bit_length()) for _ in unused]
        require(sorted(order) == unused, "the indices of a layer are not a permutation")
        return order
    last, digit = math.factorial(channels) - 1, [0] * channels
    index = r.u("reorder_index", last.bit_length(), 0, last)
    for base in range(1, channels + 1):
        index, digit[channels - base] = divmod(index, base)
    return [unused.pop(entry) for entry in digit]


def substream(r: Reader, codec: int, bases: list[BitString]) -> bytes:
    """Clauses 7.9, 7.11 and 8.4: the inner stream."""
    if codec == LOSSLESS:
        return r.data
    num_parameter_sets = r.ue("num_parameter_sets", 8)
    nal_units = [parameter_set(r, bases) for _ in range(num_parameter_sets)]
    r.byte_alignment(more_data=True)
    while r.left:
        nal_units.append(r.b("nal_unit", r.leb("nal_unit_size", 2, 4294967295)))
        require(not re.search(rb"\0\0[\0-\2]|\0\Z", nal_units[-1]), "nal_unit has bytes that are for start codes")
    types = [nal_unit[1] >> 3 if codec == VVC else nal_unit[0] >> 1 & 63 for nal_unit in nal_units]
    _, parameter_sets, access_unit_delimiter = INNER_CODECS[codec]
    leading = next((i for i, kind in enumerate(types) if kind not in parameter_sets), len(types))
    allowed = leading == num_parameter_sets and access_unit_delimiter not in types
    require(allowed, "a nal_unit_type that is not allowed, or not in its place")
    return b"".join(b"\0\0\0\1" + nal_unit for nal_unit in nal_units)


def parameter_set(r: Reader, bases: list[BitString]) -> bytes:
    """Clauses 7.10 and 8.4: the NAL unit."""
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
    """Clause 7.10: the number of bits with this base; base, prefix, suffix. The least such tuple is the valid code."""
    shorter = min(bits, length)
    prefix = shorter - (string >> bits - shorter ^ base >> length - shorter).bit_length()
    differing = string ^ base | 1 << shorter - prefix  # the added bit keeps the suffix off the prefix
    suffix = (differing & -differing).bit_length() - 1
    middle = bits - prefix - suffix
    ue_bits = sum(2 * (value + 1).bit_length() - 1 for value in (index, prefix, suffix, middle))
    return ue_bits + middle, index, prefix, suffix


def annex_a(codec: int) -> list[BitString]:
    """The templates as bit strings (8.4), read out of the document."""
    text = (Path(__file__).resolve().parents[1] / "docs" / "bitstream.md").read_text("utf-8")
    listing = text.split("\n## Annex A")[1].split(f"\n{INNER_CODECS[codec][0].upper()}:\n")[1].split("```")[1]
    digits = re.split(r"\n\d+  nal_unit_type .*", listing)[1:]
    payloads = [bytes.fromhex(nal_unit).replace(b"\0\0\3", b"\0\0") for nal_unit in digits]
    strings = ["".join(f"{byte:08b}" for byte in payload).rstrip("0")[:-1] for payload in payloads]
    return [(int(string, 2), len(string)) for string in strings]


def digest(r: Reader, header: Header, picture: Picture) -> None:
    """Clauses 7.12 and 8.7; the T1 digests are compared when there are tensors."""
    expected = hashlib.sha256(header.level_zeroed + picture.payload).digest()
    require(expected.startswith(r.b("header_digest", header.digest_length)), "header_digest differs")
    for layer in picture.layers:
        layer.t1_digest = r.b("t1_digest", header.digest_length)
    r.byte_alignment()


def decode(pictures: Iterable[Picture], planes: BinaryIO | None, folder: Path) -> None:
    """Clauses 8.1; 8.3, inner samples; 8.6; 8.7, T1 digests."""
    with open(folder / "t0.raw", "wb") as t0, open(folder / "t1.raw", "wb") as t1, open(folder / "t2.raw", "wb") as t2:
        for picture in pictures:
            header, n = picture.header, picture.header.bit_depth
            inner_codec = given_planes if planes else lossless if header.inner_codec_idc == LOSSLESS else ffmpeg
            for i, layer in enumerate(picture.layers):
                if i < len(picture.sizes):  # TILED has one substream for all layers
                    frames, top = inner_codec(planes or picture.substreams[i], picture.sizes[i], header), 0
                    frames.tofile(t0)
                    shift = header.inner_bit_depth - n
                    frames = np.minimum(frames + (1 << shift >> 1) >> shift, (1 << n) - 1)
                height, width = layer.rows * layer.height, layer.columns * layer.width
                tensor = feature_maps(frames[:, top : top + height, :width], header, layer)
                top += height
                start = bytes([len(layer.name)]) + layer.name + b"\6uint16\3" + np.array(tensor.shape, "<u4").tobytes()
                t1_digest = hashlib.sha256(b"".join((start, tensor))).digest()
                require(t1_digest.startswith(layer.t1_digest), "t1_digest differs")
                tensor.tofile(t1)
                for q, (lo, hi) in zip(tensor, np.broadcast_to(layer.ranges, (len(tensor), 2)).tolist(), strict=True):
                    (lo + q.astype(np.float64) * ((hi - lo) / (2**n - 1))).astype("<f4").tofile(t2)


def given_planes(planes: BinaryIO, size: tuple[int, int, int], header: Header) -> np.ndarray:
    """Mode A."""
    frames = np.fromfile(planes, "<u2", math.prod(size))
    require(len(frames) == math.prod(size), "the planes are too few", CODEC_ERROR)
    return frames.reshape(size)


def lossless(stream: bytes, size: tuple[int, int, int], header: Header) -> np.ndarray:
    """Clause 8.8, modulo 2**16 and at last modulo 2**n."""
    n, symbols, end = header.bit_depth, 0, 4 + int.from_bytes(stream[:4], "big")
    require(n <= 8 or end <= len(stream), "low_size exceeds the bytes that follow it")
    for shift, part in enumerate([stream] if n <= 8 else [stream[4:end], stream[end:]]):
        bzip2, data = bz2.BZ2Decompressor(), b""
        with contextlib.suppress(OSError):
            data = bzip2.decompress(part, math.prod(size) + 1)  # that one shows that there are too many
        require(len(data) == math.prod(size) and bzip2.eof and not bzip2.unused_data, "bzip2 data not of the samples")
        symbols = symbols | np.frombuffer(data, np.uint8).astype("<u2") << 8 * shift
    require(int(symbols.max()) >> n == 0, "a symbol is not below 2**n")
    for p in symbols.reshape(size):
        p[...] = np.where(p & 1, ~(p >> 1), p >> 1)
        p[0, :1] += 1 << n - 1
        p[:, 0] = np.cumsum(p[:, 0], dtype="<u2")
        p[...] = np.cumsum(p, axis=1, dtype="<u2")
    return symbols.reshape(size) & (1 << n) - 1


def ffmpeg(stream: bytes, size: tuple[int, int, int], header: Header) -> np.ndarray:
    """Clause 8.3: the luma of exactly F pictures of 10 bits at the coded size."""
    # extractplanes takes the luma as it is; showinfo lists each picture's own format and size in the log; -fs ends what
    # puts out too much.
    stream, chroma_format_idc = kept_nal_units(stream, size, header.inner_codec_idc)
    # of 4:4:4, the first component, whatever it is called
    first = "".join(f"map{i}s=0:map{i}p=0:" for i in range(3))
    luma = f"mergeplanes={first}format=yuv444p10le,extractplanes=y" if chroma_format_idc == 3 else "extractplanes=y"
    options = f"""-hide_banner -nostdin -nostats -xerror -err_detect explode -noautorotate
        -f {INNER_CODECS[header.inner_codec_idc][0]} -i pipe:0 -map 0:v:0 -fps_mode passthrough
        -vf showinfo=checksum=0,{luma} -fs {2 * math.prod(size) + 1} -f rawvideo pipe:1""".split()
    program = shutil.which(os.environ.get("VCM_FFMPEG", "ffmpeg"))
    require(program, "there is no ffmpeg for HEVC and VVC", UNSUPPORTED_ERROR)
    with tempfile.TemporaryFile() as out:
        ran = subprocess.run([program, *options], input=stream, stdout=out, stderr=subprocess.PIPE, timeout=MAX_SECONDS)
        out.seek(0)
        samples = out.read(2 * math.prod(size) + 1)
    pictures = re.findall(rb"\] n: *\d+ pts:.* fmt:(?:gray|yuv4..p|gbrp)10le .* s:(\d+)x(\d+) ", ran.stderr)
    as_due = len(samples) == 2 * math.prod(size) and [(int(h), int(w)) for w, h in pictures] == [size[1:]] * size[0]
    require(ran.returncode == 0 and as_due, "ffmpeg does not make of an inner stream the pictures due", CODEC_ERROR)
    return np.frombuffer(samples, "<u2").reshape(size)


def kept_nal_units(stream: bytes, size: tuple[int, int, int], codec: int) -> tuple[bytes, int]:
    """Clauses 8.3 and 8.4: the inner stream as the inner decoder gets it, its rules checked; its chroma_format_idc."""
    slices, others = SLICES[codec], OTHERS[codec]
    kept, sets, pictures = [], set(), 0
    for nal_unit in stream.split(b"\0\0\0\1")[1:]:
        kind = nal_unit[1] >> 3 if codec == VVC else nal_unit[0] >> 1 & 63
        layer = nal_unit[0] & 63 if codec == VVC else (nal_unit[0] & 1) << 5 | nal_unit[1] >> 3
        if layer == 0 and kind in slices | others:
            kept.append(nal_unit)
            sets |= {nal_unit} if kind == (15 if codec == VVC else 33) else set()
            pictures += nal_unit[2:3] >= b"\x80" if kind in slices else codec == VVC and kind == 19
    require(len(sets) == 1, "an inner stream without a sequence parameter set, or with two that differ", CODEC_ERROR)
    r = Reader(sets.pop()[2:].replace(b"\0\0\3", b"\0\0"))
    try:
        profile, chroma_format_idc, width, height, depths = (sps_of_vvc if codec == VVC else sps_of_hevc)(r)
    except Refused as refused:
        raise Refused(f"sequence parameter set: {refused.args[0]}", CODEC_ERROR) from refused
    near = all(due <= side < due + 64 for due, side in zip(size[1:], (height, width), strict=True))
    as_due = profile in INNER_PROFILES[codec] and set(depths) == {10} and near and pictures == size[0]
    require(as_due, "an inner stream of another profile, bit depth, size or number of pictures", CODEC_ERROR)
    return b"".join(b"\0\0\0\1" + nal_unit for nal_unit in kept), chroma_format_idc


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
    """H.266, 7.3.2.4 and 7.3.3.1: likewise."""
    sublayers = r.u("sps_max_sublayers_minus1", 11) & 7
    chroma_format_idc = r.u("sps_chroma_format_idc", 2)
    ctb = 32 << r.u("sps_log2_ctu_size_minus5", 2)
    r.u("sps_ptl_dpb_hrd_params_present_flag", 1, 1)
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


def feature_maps(frames: np.ndarray, header: Header, layer: Layer) -> np.ndarray:
    """Clause 8.5: the tensor of a layer, tier T1, from its part of the frames."""
    order, rows, columns, h, w = layer.order, layer.rows, layer.columns, layer.height, layer.width
    if header.allocation_idc == TEMPORAL:  # position k is c · F + f
        order = order.reshape(rows, columns, -1).transpose(2, 0, 1)
    order = order.reshape(-1, rows, columns)
    if header.arrangement_idc == QUILTED:
        maps = frames.reshape(-1, h, rows, w, columns).transpose(0, 2, 4, 1, 3)
    else:
        maps = frames.reshape(-1, rows, h, columns, w).transpose(0, 1, 3, 2, 4)
    tensor = np.empty((layer.channels, h, w), "<u2")
    tensor[order] = maps
    return tensor


def main() -> int:
    parser = argparse.ArgumentParser(description="Decode a bitstream as docs/bitstream.md says.")
    parser.add_argument("bitstream", type=Path)
    parser.add_argument("-o", dest="output", type=Path, required=True, help="the folder to make")
    parser.add_argument("--planes", type=argparse.FileType("rb"), help="mode A: the T0 samples")
    given = parser.parse_args()
    try:
        data, frame, output = given.bitstream.read_bytes(), 0, 0
        for picture in bitstream(data):
            frame = max(frame, *(height * width for _, height, width in picture.sizes))
            output += sum(4 * layer.channels * layer.height * layer.width for layer in picture.layers)
        require(frame <= MAX_FRAME_SAMPLES and output <= MAX_OUTPUT_BYTES, "more than this decodes", LIMIT_ERROR)
        with tempfile.TemporaryDirectory(dir=given.output.absolute().parent) as temporary:
            folder = Path(temporary, "output")
            folder.mkdir()
            decode(bitstream(data), given.planes, folder)
            require(not given.planes or not given.planes.read(1), "the planes are too many", CODEC_ERROR)
            folder.rename(given.output)
        return 0
    except Refused as refused:
        message, status = refused.args
    except (MemoryError, subprocess.TimeoutExpired, OSError) as error:
        message, status = f"{type(error).__name__}: {error}", 2 if isinstance(error, OSError) else LIMIT_ERROR
    print("mini_decoder:", message, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
