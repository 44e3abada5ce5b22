"""Vectors about what an inner stream may hold: NAL units that change no sample, and the rules of clause 8.3."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...bitstream.nal import escape, split_byte_stream
from ...bitstream.parameter_sets import BitString, to_bit_string, to_nal_unit
from ...bitstream.substreams import to_inner_stream, to_substream
from ...bitstream.syntax import Substream
from ...bitstream.values import InnerCodecId, Mode
from ...codec import make_encoder
from ...codec.ffmpeg import find_ffmpeg
from ...codec.sequence_parameters import read_sequence_parameters
from .build import Plan
from .case import Variant, family
from .video import VIDEO, changed, clip

HEVC, VVC = InnerCodecId.HEVC, InnerCodecId.VVC
_PREFIX, _SUFFIX = {HEVC: 39, VVC: 23}, {HEVC: 40, VVC: 24}
_SEQUENCE = {HEVC: 33, VVC: 15}
_LCEVC = "7bff20010021" + "7e0a0110400040" + "2280"  # IDR; sequence, global and picture configuration: 2 x 2 as large
#: Messages by name: words for the manifest, payload type, payload of HEVC and of VVC, whether it is a suffix message.
_MESSAGES: dict[str, tuple[str, int, str, str, bool]] = {
    "turned": ("display orientation, a quarter turn", 47, "480018", "58", False),
    "flipped": ("display orientation, a horizontal flip", 47, "400018", "48", False),
    "lcevc": ("LCEVC data in a message of ITU-T T.35", 4, "b4005001" + _LCEVC, "b4005001" + _LCEVC, False),
    "t35": ("a message of ITU-T T.35 of an unknown country", 4, "ff00deadbeef", "ff00deadbeef", False),
    "grain": ("film grain characteristics", 19, "0080" + "00ff" * 3 + "80", "0080" + "00ff" * 3 + "80", False),
    "mastering": ("a mastering display", 137, "33c2" * 12, "33c2" * 12, False),
    "light": ("content light levels", 144, "03e80190", "03e80190", False),
    "packing": ("frame packing, side by side", 45, "818101020000000180", "818101020000000180", False),
    "transfer": ("other transfer characteristics", 147, "10", "10", False),
    "garbage": ("unregistered user data", 5, "ff" * 40, "ff" * 40, False),
    "reserved": ("a reserved payload type", 250, "a5" * 9, "a5" * 9, False),
    "hash": ("a picture hash that is wrong", 132, "00" + "5a" * 16, "00" + "5a" * 16, True),
}


def nal_unit(codec: InnerCodecId, kind: int, payload: bytes, layer: int = 0) -> bytes:
    """A NAL unit of type ``kind``, its emulation prevention bytes inserted."""
    header = bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | 1] if codec == HEVC else [layer, kind << 3 | 1])
    return escape(header + payload)


def _message(codec: InnerCodecId, name: str) -> tuple[bytes, bool]:
    _, kind, hevc, vvc, is_suffix = _MESSAGES[name]
    payload = bytes.fromhex(hevc if codec == HEVC else vvc)
    unit = nal_unit(codec, (_SUFFIX if is_suffix else _PREFIX)[codec], bytes([kind, len(payload)]) + payload + b"\x80")
    return unit, is_suffix


def _with(substream: Substream, unit: bytes, at_end: bool) -> Substream:
    others = [*substream.nal_units]
    return Substream(substream.parameter_sets, [*others, unit] if at_end else [unit, *others])


@family("SEI", "NAL units")
def messages() -> Iterator[Variant]:
    """{}: a supplemental enhancement information message, {}.

    Such information changes no sample: a decoder leaves it out, or keeps its inner decoder from acting on it.
    """
    for codec in VIDEO:
        plan = Plan([clip(2, Mode.AI, 48, 32)], codec=codec)
        for name, (words, *_) in _MESSAGES.items():
            unit, at_end = _message(codec, name)
            make = partial(changed, plan, partial(_with, unit=unit, at_end=at_end))
            yield Variant(f"{codec.name.lower()}_{name}", make, (codec.name, words), clauses=("8.3", "8.4"))


@family("IGNORED", "NAL units")
def ignored() -> Iterator[Variant]:
    """{}: a NAL unit of type {}.

    Its type, or its layer, says that it changes no sample.
    """
    kinds = {HEVC: {38: 0, 41: 0, 48: 0, 62: 0, 1: 1, 33: 2}, VVC: {12: 0, 13: 0, 25: 0, 26: 0, 28: 0, 0: 1, 15: 2}}
    for codec in VIDEO:
        plan = Plan([clip(2)], codec=codec)
        for kind, layer in kinds[codec].items():
            unit = nal_unit(codec, kind, b"\xff\x00\x00\x01\x80", layer)
            words = f"{kind} in layer {layer}" if layer else f"{kind}"
            make = partial(changed, plan, partial(_with_second, unit=unit))
            label = f"{codec.name.lower()}_{kind}" + (f"_layer_{layer}" if layer else "")
            yield Variant(label, make, (codec.name, words), clauses=("8.4",))


def _with_second(substream: Substream, unit: bytes) -> Substream:
    """With ``unit`` after the first of the others: a parameter set may not be the first."""
    first, *others = substream.nal_units
    return Substream(substream.parameter_sets, [first, unit, *others])


@family("CHROMA", "inner codec")
def chroma_formats() -> Iterator[Variant]:
    """HEVC with pictures in {}.

    The frames are the first component of the inner pictures, whatever the others are.
    """
    for label, pixels, words in [
        ("420", "yuv420p10le", "4:2:0"),
        ("422", "yuv422p10le", "4:2:2"),
        ("444", "yuv444p10le", "4:4:4"),
        ("gbr", "gbrp10le", "4:4:4, their components being green, blue and red"),
    ]:
        plan = Plan([clip(3)], codec=HEVC, encode=partial(by_x265, pixels=pixels, options=""))
        yield Variant(label, partial(changed, plan, _same), (words,), clauses=("8.3",))


def by_x265(frames: NDArray[np.uint16], pixels: str, options: str) -> bytes:
    """The frames, uint16 ``(F, H, W)`` of 10 bits, as first component of pictures that x265 codes."""
    count, height, width = frames.shape
    rest = {"gray10le": 0, "yuv420p10le": 1, "yuv422p10le": 2, "yuv444p10le": 4, "gbrp10le": 4}[pixels]
    chroma = np.full((count, height * width * rest // 2), 300, "<u2")
    planes = np.concatenate([frames.reshape(count, -1).astype("<u2"), chroma], axis=1)
    usual = "hash=0:info=0:aud=0:repeat-headers=1:frame-threads=1:wpp=0:pools=1:log-level=error:ctu=16:qp=30"
    if pixels == "gbrp10le":
        usual += ":colormatrix=gbr"
    command = [find_ffmpeg(), "-v", "error", "-noauto_conversion_filters", "-f", "rawvideo", "-pix_fmt", pixels]
    command += ["-video_size", f"{width}x{height}", "-i", "pipe:0", "-c:v", "libx265", "-x265-params", usual + options]
    command += ["-f", "hevc", "pipe:1"]
    return subprocess.run(command, input=planes.tobytes(), capture_output=True, check=True).stdout


def _same(substream: Substream) -> Substream:
    return substream


_OPEN = ":keyint=6:min-keyint=6:open-gop=1:bframes=3:b-adapt=0:scenecut=0"


@family("RASL", "inner codec", "mode")
def skipped_leading() -> Iterator[Variant]:
    """Groups of pictures that lean on the next one's first.

    Pictures that precede a CRA picture in output and follow it in the stream are decoded, and put out, like others.
    """
    plan = Plan([clip(14, Mode.RA)], codec=HEVC, encode=partial(by_x265, pixels="gray10le", options=_OPEN))
    yield Variant("hevc", partial(changed, plan, _same), clauses=("8.3",))
    yield Variant("vvc", partial(changed, Plan([clip(65, Mode.RA)], codec=VVC), _same), clauses=("8.3",))


@family("CROPPED", "inner codec", "coded size")
def cropped() -> Iterator[Variant]:
    """{}: 32x32 samples, cropped out of pictures of {}.

    The conformance window of the inner stream counts, not what lies outside it.
    """
    for codec in VIDEO:
        for side in (40, 88):
            plan = Plan([clip(2)], codec=codec, encode=partial(_larger, codec, side))
            label = f"{codec.name.lower()}_{side}"
            yield Variant(label, partial(changed, plan, _same), (codec.name, f"{side}x{side}"), clauses=("8.3",))


def _larger(codec: InnerCodecId, side: int, frames: NDArray[np.uint16]) -> bytes:
    """The frames in pictures of ``side`` x ``side``, whose window says where they are."""
    height, width = frames.shape[1:]
    padded = np.pad(frames, ((0, 0), (0, side - height), (0, side - width)), "edge")
    encoder = make_encoder("hevc" if codec == HEVC else "vvenc")
    substream = to_substream(codec, encoder.encode(padded, Mode.AI, 32))
    sets = [
        _windowed(codec, unit, side - width, side - height) if _kind(codec, unit) == _SEQUENCE[codec] else unit
        for unit in substream.parameter_sets
    ]
    return to_inner_stream(codec, replace(substream, parameter_sets=sets))


def _kind(codec: InnerCodecId, unit: bytes) -> int:
    return unit[1] >> 3 if codec == VVC else unit[0] >> 1 & 63


def _windowed(codec: InnerCodecId, unit: bytes, right: int, bottom: int) -> bytes:
    """A sequence parameter set without a conformance window, given one."""
    found = read_sequence_parameters(codec, unit)
    step = 2 if found.chroma_format else 1
    size = _codes(found.width, found.height)
    text = f"{to_bit_string(unit).value:0{to_bit_string(unit).length}b}"
    assert text.count(size + "0") == 1, "the set has a window, or its size is not found"
    text = text.replace(size + "0", size + "1" + _codes(0, right // step, 0, bottom // step))
    return to_nal_unit(BitString(int(text, 2), len(text)))


def _codes(*values: int) -> str:
    """The values as ue(v), one after the other."""
    return "".join(f"{value + 1:0{2 * (value + 1).bit_length() - 1}b}" for value in values)


@family("BADINNER", "inner codec", kind="negative", error="CodecError")
def rules() -> Iterator[Variant]:
    """{}: {}.

    A decoder that does not look would decode more than is declared, or something else than luma of 10 bits.
    """
    for codec in VIDEO:
        name = codec.name.lower()
        plan = Plan([clip(2)], codec=codec, digest_length=0)
        for label, change, words in [
            ("sets", partial(_other_set, codec), "a second sequence parameter set, of another size"),
            ("hidden", partial(_longer, codec, 3), "a picture more than frames"),
            ("few", partial(_longer, codec, 1), "a picture less than frames"),
            ("profile", partial(_other_profile, codec), "a profile that is not allowed"),
            ("window", partial(_inner, codec, 96), "64 samples more before cropping than after"),
        ]:
            yield Variant(f"{name}_{label}", partial(changed, plan, change), (codec.name, words), clauses=("8.3",))
    plan = Plan([clip(2)], codec=HEVC, digest_length=0)
    for label, pixels, words in [("eight", "gray", "samples of 8 bits"), ("twelve", "gray12le", "samples of 12 bits")]:
        change = partial(_depth, pixels)
        yield Variant(f"hevc_{label}", partial(changed, plan, change), ("HEVC", words), clauses=("8.3",))


def _coded(codec: InnerCodecId, count: int, side: int = 32) -> Substream:
    encoder = make_encoder("hevc" if codec == HEVC else "vvenc")
    frames = np.arange(count * side * side, dtype=np.uint16).reshape(count, side, side) % 1024
    return to_substream(codec, encoder.encode(frames, Mode.AI, 40))


def _longer(codec: InnerCodecId, count: int, substream: Substream) -> Substream:
    return _coded(codec, count)


def _inner(codec: InnerCodecId, side: int, substream: Substream) -> Substream:
    frames = np.arange(2 * 32 * 32, dtype=np.uint16).reshape(2, 32, 32) % 1024
    return to_substream(codec, _larger(codec, side, frames))


def _other_set(codec: InnerCodecId, substream: Substream) -> Substream:
    others = _coded(codec, 1, 40).parameter_sets
    second = next(unit for unit in others if _kind(codec, unit) == _SEQUENCE[codec])
    first, *rest = substream.nal_units
    return Substream(substream.parameter_sets, [first, second, *rest])


def _other_profile(codec: InnerCodecId, substream: Substream) -> Substream:
    """General profile 11 (HEVC, screen content) or 17 (VVC, multilayer), whose bits lie at 27 and 32 of the set."""
    place, bits, profile = (27, 5, 11) if codec == HEVC else (32, 7, 17)
    sets = []
    for unit in substream.parameter_sets:
        if _kind(codec, unit) == _SEQUENCE[codec]:
            text = to_bit_string(unit)
            shift = text.length - place - bits
            value = text.value & ~(((1 << bits) - 1) << shift) | profile << shift
            unit = to_nal_unit(text._replace(value=value))
        sets.append(unit)
    return Substream(sets, substream.nal_units)


def _depth(pixels: str, substream: Substream) -> Substream:
    command = [find_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "color=size=32x32:rate=30:duration=0.07"]
    command += ["-vf", f"format={pixels}", "-c:v", "libx265"]
    command += [
        "-x265-params",
        "info=0:repeat-headers=1:keyint=1:pools=1:log-level=error:ctu=16",
        "-f",
        "hevc",
        "pipe:1",
    ]
    stream = subprocess.run(command, capture_output=True, check=True).stdout
    assert split_byte_stream(stream), "x265 wrote nothing"
    return to_substream(HEVC, stream)
