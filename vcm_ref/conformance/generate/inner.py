"""Vectors about what an inner stream may hold: NAL units that change no sample, and the rules of clause 8.3."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...bitstream.headers import Substream
from ...bitstream.nal import TYPES, escape, nal_unit_type
from ...bitstream.parameter_sets import BitString, to_bit_string, to_nal_unit
from ...bitstream.sequence_parameters import read_sequence_parameters
from ...bitstream.substreams import to_inner_stream, to_substream
from ...bitstream.values import InnerCodecId, Mode
from ...codec import make_encoder
from ...codec.ffmpeg import find_ffmpeg
from .build import CODECS, Plan, build
from .case import Variant, family
from .edit import code_of
from .negative import BROKEN
from .video import VIDEO, Change, changed, clip

HEVC, VVC = InnerCodecId.HEVC, InnerCodecId.VVC
_PREFIX, _SUFFIX = {HEVC: 39, VVC: 23}, {HEVC: 40, VVC: 24}
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


def nal_unit(codec: InnerCodecId, kind: int, payload: bytes) -> bytes:
    """A NAL unit of type ``kind``, its emulation prevention bytes inserted."""
    header = bytes([kind << 1, 1] if codec == HEVC else [0, kind << 3 | 1])
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

    Its type says that it changes no sample.
    """
    for codec, kinds in ((HEVC, (10, 22, 38, 41, 48, 62)), (VVC, (4, 11, 12, 13, 25, 26, 28))):
        plan = Plan([clip(2)], codec=codec)
        for kind in kinds:
            unit = nal_unit(codec, kind, b"\xff\x00\x00\x01\x80")
            make = partial(changed, plan, partial(_with_second, unit=unit))
            yield Variant(f"{codec.name.lower()}_{kind}", make, (codec.name, kind), clauses=("8.4",))


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
        yield Variant(label, partial(build, plan), (words,), clauses=("8.3",))


def by_x265(frames: NDArray[np.uint16], pixels: str, options: str) -> bytes:
    """The frames, uint16 ``(F, H, W)`` of 10 bits, as first component of pictures that x265 codes."""
    count, height, width = frames.shape
    rest = {"gray10le": 0, "yuv420p10le": 1, "yuv422p10le": 2, "yuv444p10le": 4, "gbrp10le": 4, "gray12le": 0}[pixels]
    chroma = np.full((count, height * width * rest // 2), 300, "<u2")
    planes = np.concatenate([frames.reshape(count, -1).astype("<u2"), chroma], axis=1)
    usual = "hash=0:info=0:aud=0:repeat-headers=1:frame-threads=1:wpp=0:pools=1:log-level=error:ctu=16:qp=30"
    if pixels == "gbrp10le":
        usual += ":colormatrix=gbr"
    command = [find_ffmpeg(), "-v", "error", "-noauto_conversion_filters", "-f", "rawvideo", "-pix_fmt", pixels]
    command += ["-video_size", f"{width}x{height}", "-i", "pipe:0", "-c:v", "libx265", "-x265-params", usual + options]
    command += ["-f", "hevc", "pipe:1"]
    return subprocess.run(command, input=planes.tobytes(), capture_output=True, check=True).stdout


_OPEN = ":keyint=6:min-keyint=6:open-gop=1:bframes=3:b-adapt=0:scenecut=0"


@family("RASL", "inner codec", "mode")
def skipped_leading() -> Iterator[Variant]:
    """Groups of pictures that lean on the next one's first.

    Pictures that precede a CRA picture in output and follow it in the stream are decoded, and put out, like others.
    """
    plan = Plan([clip(14, Mode.RA)], codec=HEVC, encode=partial(by_x265, pixels="gray10le", options=_OPEN))
    yield Variant("hevc", partial(build, plan), clauses=("8.3",))
    yield Variant("vvc", partial(build, Plan([clip(65, Mode.RA)], codec=VVC)), clauses=("8.3",))


@family("CROPPED", "inner codec", "coded size")
def cropped() -> Iterator[Variant]:
    """{}: 32x32 samples, cropped out of pictures of {}.

    The conformance window of the inner stream counts, not what lies outside it.
    """
    for codec in VIDEO:
        for side in (40, 88):
            plan = Plan([clip(2)], codec=codec, encode=partial(_larger, codec, side))
            label = f"{codec.name.lower()}_{side}"
            yield Variant(label, partial(build, plan), (codec.name, f"{side}x{side}"), clauses=("8.3",))


def _larger(codec: InnerCodecId, side: int, frames: NDArray[np.uint16]) -> bytes:
    """The frames in pictures of ``side`` x ``side``, whose window says where they are."""
    height, width = frames.shape[1:]
    padded = np.pad(frames, ((0, 0), (0, side - height), (0, side - width)), "edge")
    encoder = make_encoder(CODECS[codec])
    substream = to_substream(codec, encoder.encode(padded, Mode.AI, 32))
    sets = [
        _windowed(codec, unit, side - width, side - height) if _is_sequence(codec, unit) else unit
        for unit in substream.parameter_sets
    ]
    return to_inner_stream(codec, replace(substream, parameter_sets=sets))


def _is_sequence(codec: InnerCodecId, unit: bytes) -> bool:
    return nal_unit_type(codec, unit) == TYPES[codec].sequence_parameter_set


def _windowed(codec: InnerCodecId, unit: bytes, right: int, bottom: int) -> bytes:
    """A sequence parameter set without a conformance window, given one."""
    found = read_sequence_parameters(codec, unit)
    step = 2 if found.chroma_format else 1
    size = _codes(found.width, found.height)
    return _rewritten(unit, size + "0", size + "1" + _codes(0, right // step, 0, bottom // step))


def _rewritten(unit: bytes, old: str, new: str) -> bytes:
    """A parameter set with other bits in the one place where it has ``old``."""
    string = to_bit_string(unit)
    text = f"{string.value:0{string.length}b}"
    assert text.count(old) == 1, "the set is not as this encoder's usually are"
    text = text.replace(old, new)
    return to_nal_unit(BitString(int(text, 2), len(text)))


def _codes(*values: int) -> str:
    """The values as ue(v), one after the other."""
    return "".join(code_of("ue", value) for value in values)


_TWO = (2, 32, 32)


@family("BADINNER", "inner codec", kind="negative", error=BROKEN)
def rules() -> Iterator[Variant]:
    """{}: {}.

    A decoder that does not look would decode more than is declared, or something else than luma of 10 bits.
    """
    for codec in VIDEO:
        plan = Plan([clip(2)], codec=codec, digest_length=0)
        for label, change, words in [
            ("sets", partial(_other_set, codec), "a second sequence parameter set, of another size"),
            ("hidden", partial(_coded, codec, (3, 32, 32)), "a picture more than frames"),
            ("few", partial(_coded, codec, (1, 32, 32)), "a picture less than frames"),
            ("profile", partial(_other_profile, codec), "a profile that is not allowed"),
            ("eight", partial(_of_eight_bits, codec), "samples of 8 bits"),
            ("window", partial(_cropped, codec, 96), "64 samples more before cropping than after"),
            ("window_wide", partial(_coded, codec, (2, 32, 96)), "a width of 64 samples more"),
            ("window_high", partial(_coded, codec, (2, 96, 32)), "a height of 64 samples more"),
        ]:
            make = partial(changed, plan, change)
            yield Variant(f"{codec.name.lower()}_{label}", make, (codec.name, words), clauses=("8.3",))
    changes: list[tuple[InnerCodecId, str, Change, str]] = [
        (HEVC, "twelve", _of_twelve_bits, "samples of 12 bits"),
        (HEVC, "planes", _of_separate_planes, "colour components in planes of their own"),
        (VVC, "no_profile", _without_profile, "a sequence parameter set without a profile"),
        (VVC, "subpictures", _of_many_subpictures, "a sequence parameter set with 601 subpictures"),
    ]
    for codec, label, other, words in changes:
        make = partial(changed, Plan([clip(2)], codec=codec, digest_length=0), other)
        yield Variant(f"{codec.name.lower()}_{label}", make, (codec.name, words), clauses=("8.3",))


def _coded(codec: InnerCodecId, shape: tuple[int, int, int], substream: Substream) -> Substream:
    return to_substream(codec, make_encoder(CODECS[codec]).encode(_counting(shape), Mode.AI, 40))


def _counting(shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    return (np.arange(np.prod(shape)) % 1024).astype(np.uint16).reshape(shape)


def _cropped(codec: InnerCodecId, side: int, substream: Substream) -> Substream:
    return to_substream(codec, _larger(codec, side, _counting(_TWO)))


def _other_set(codec: InnerCodecId, substream: Substream) -> Substream:
    others = _coded(codec, (1, 40, 40), substream).parameter_sets
    second = next(unit for unit in others if _is_sequence(codec, unit))
    return _with_second(substream, second)


def _with_sequence(codec: InnerCodecId, substream: Substream, change: Callable[[bytes], bytes]) -> Substream:
    sets = [change(unit) if _is_sequence(codec, unit) else unit for unit in substream.parameter_sets]
    return Substream(sets, substream.nal_units)


def _other_profile(codec: InnerCodecId, substream: Substream) -> Substream:
    """General profile 11 (HEVC, screen content) or 17 (VVC, multilayer), whose bits lie at 27 and 32 of the set."""
    place, bits, profile = (27, 5, 11) if codec == HEVC else (32, 7, 17)

    def change(unit: bytes) -> bytes:
        text = to_bit_string(unit)
        shift = text.length - place - bits
        value = text.value & ~(((1 << bits) - 1) << shift) | profile << shift
        return to_nal_unit(text._replace(value=value))

    return _with_sequence(codec, substream, change)


def _of_eight_bits(codec: InnerCodecId, substream: Substream) -> Substream:
    """The set says so; the window and, in VVC, subpictures stand between the size and the depths."""
    size = _codes(32, 32)
    old, new = (size + "0" + _codes(2, 2), size + "0" + _codes(0, 0))
    if codec == VVC:
        old, new = (size + "00" + _codes(2), size + "00" + _codes(0))
    return _with_sequence(codec, substream, lambda unit: _rewritten(unit, old, new))


def _of_twelve_bits(substream: Substream) -> Substream:
    return to_substream(HEVC, by_x265(_counting(_TWO), "gray12le", ":keyint=1"))


def _of_separate_planes(substream: Substream) -> Substream:
    """Chroma format 4:4:4, and ``separate_colour_plane_flag`` after it, where 4:0:0 was."""
    size = _codes(32, 32)
    return _with_sequence(
        HEVC, substream, lambda unit: _rewritten(unit, _codes(0, 0) + size, _codes(0, 3) + "1" + size)
    )


def _without_profile(substream: Substream) -> Substream:
    """``sps_ptl_dpb_hrd_params_present_flag``, at bit 31 of the set, is 0."""

    def change(unit: bytes) -> bytes:
        text = to_bit_string(unit)
        return to_nal_unit(text._replace(value=text.value & ~(1 << text.length - 32)))

    return _with_sequence(VVC, substream, change)


def _of_many_subpictures(substream: Substream) -> Substream:
    """Of one size and independent, so that they take no bits each."""
    size = _codes(32, 32)
    new = size + "01" + _codes(600) + "11" + _codes(2)
    return _with_sequence(VVC, substream, lambda unit: _rewritten(unit, size + "00" + _codes(2), new))
