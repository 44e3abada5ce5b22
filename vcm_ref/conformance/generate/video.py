"""Positive vectors with HEVC and VVC: modes, numbers of frames, sizes, depths, presets, parameter sets."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ...bitstream.headers import Substream
from ...bitstream.nal import escape
from ...bitstream.parameter_sets import to_bit_string, to_nal_unit
from ...bitstream.stream import BitstreamReader, CodedGroup
from ...bitstream.values import Grid, InnerCodecId, Mode, Packing, RangeScope, ReorderCoding
from .build import Plan, Tensor, build, written
from .case import UnavailableError, Variant, family
from .core import built, pyramid

VIDEO = (InnerCodecId.HEVC, InnerCodecId.VVC)
_HEVC_FILLER_HEADER = bytes([38 << 1, 1])


def clip(frames: int, mode: Mode = Mode.AI, height: int = 32, width: int = 32, name: str = "p2") -> Tensor:
    """A layer of one map a frame."""
    return Tensor(name, (frames, height, width), Grid(1, 1), mode)


@family("VIDEO", "inner codec", "mode")
def modes() -> Iterator[Variant]:
    """{} in {}: {} frames of 32x32.

    Frames come out in output order, which in Random-Access is not the order in which they are coded.
    """
    for codec in VIDEO:
        for mode in Mode:
            for frames in (1, 2, 3, 8, 9, 16, 17, 33):
                label = f"{codec.name.lower()}_{mode.name.lower()}_{frames}"
                yield Variant(label, built([clip(frames, mode)], codec=codec), (codec.name, mode.name, frames))


@family("VIDEOSIZE", "inner codec", "coded size")
def sizes() -> Iterator[Variant]:
    """{}: frames of {}.

    A frame is coded with even sides of at least 32; the feature frame is its top left part.
    """
    for codec in VIDEO:
        for height, width in [(1, 1), (31, 33), (32, 64), (33, 32), (47, 90), (130, 66)]:
            made = [clip(2, Mode.AI, height, width)]
            label = f"{codec.name.lower()}_{height}x{width}"
            yield Variant(label, built(made, codec=codec), (codec.name, f"{height}x{width}"))


@family("VIDEODEPTH", "inner codec", "bit depth")
def depths() -> Iterator[Variant]:
    """{} with samples of {} bits.

    Inner samples have 10 bits; they are lowered with rounding, and limited to the largest of n bits.
    """
    for codec in VIDEO:
        for bits in (1, 2, 3, 5, 7, 8, 9, 10):
            label = f"{codec.name.lower()}_{bits}"
            yield Variant(label, built([clip(2)], codec=codec, bit_depth=bits), (codec.name, bits))


@family("QP", "inner codec", "quantisation parameter")
def qps() -> Iterator[Variant]:
    """{} at QP {}.

    How coarse an inner stream is makes no difference to a decoder.
    """
    for codec, highest in ((InnerCodecId.HEVC, 51), (InnerCodecId.VVC, 63)):
        for qp in (12, 22, 42, highest):
            made = built([clip(3, Mode.RA)], codec=codec, qp=qp, bit_depth=10)
            yield Variant(f"{codec.name.lower()}_{qp}", made, (codec.name, qp))


@family("PRESET", "inner codec", "parameter sets")
def presets() -> Iterator[Variant]:
    """Parameter sets of VVenC's preset {} in {}.

    They are coded as differences from templates, the number of the template being ps_base_idc.
    """
    for preset in ("faster", "fast", "medium", "slow", "slower"):
        for mode in Mode:
            made = built([clip(3, mode)], codec=InnerCodecId.VVC, preset=preset)
            yield Variant(f"{preset}_{mode.name.lower()}", made, (preset, mode.name))


@family("VTM", "inner codec", "parameter sets")
def vtm() -> Iterator[Variant]:
    """An inner stream of VTM-12.0 in {}.

    Its streams have tools and parameter sets that VVenC's have not.
    """
    for mode in Mode:
        yield Variant(mode.name.lower(), partial(_by_vtm, mode), (mode.name,))


def _by_vtm(mode: Mode) -> bytes:
    if "VCM_VTM_ENCODER" not in os.environ:
        raise UnavailableError("VCM_VTM_ENCODER, VCM_VTM_DECODER, VCM_VTM_CFG do not name VTM")
    return build(Plan([clip(9, mode)], codec=InnerCodecId.VVC, encoder="vtm"))


@family("VIDEOLAYERS", "inner codec", "layers")
def several() -> Iterator[Variant]:
    """{}: four layers {}.

    Parameter sets of one picture are bases for those after them; the next picture begins with the templates alone.
    """
    for codec in VIDEO:
        made = [
            replace(layer, grid=Grid(2, 1), mode=Mode(place % 2)) for place, layer in enumerate(pyramid(4, 8, 40, 60))
        ]
        own = [layer.shape[1:] for layer in made]
        name = codec.name.lower()
        yield Variant(f"{name}_modes", built(made, codec=codec), (codec.name, "of both modes"))
        qps = [replace(layer, qp=30 + 4 * place) for place, layer in enumerate(made)]
        yield Variant(f"{name}_qps", built(qps, codec=codec), (codec.name, "at a QP each"))
        options = {"codec": codec, "sizes": [[(160, 240), *own]] * 3, "scope": RangeScope.CHANNEL}
        yield Variant(f"{name}_pictures", built(made, **options), (codec.name, "in three pictures"))
        stacked = [replace(layer, grid=Grid(4, 2), mode=Mode.AI) for layer in made]
        options = {"codec": codec, "packing": Packing.STACKED, "reorder": ReorderCoding.EXACT}
        yield Variant(f"{name}_stacked", built(stacked, **options), (codec.name, "stacked in one frame"))
        options = {"codec": codec, "packing": Packing.QUILTED}
        yield Variant(f"{name}_quilted", built(made, **options), (codec.name, "quilted"))


Change = Callable[[Substream], Substream]


def changed(plan: Plan, change: Change) -> bytes:
    """The bitstream of a plan, its substreams changed in what does not matter to the inner decoder."""
    reader = BitstreamReader(io.BytesIO(build(plan)))
    groups = [
        CodedGroup(group.header, [change(substream) for substream in group.substreams], group.digests)
        for group in reader.groups()
    ]
    return written(reader.header, groups)


@family("PARAMETERSETS", "parameter sets")
def parameter_sets() -> Iterator[Variant]:
    """{}.

    Leading parameter sets are coded as differences; a NAL unit of another type before them leaves them as they are.
    """
    hevc = Plan([clip(2)], codec=InnerCodecId.HEVC)
    vvc = Plan([clip(2)], codec=InnerCodecId.VVC)
    two = Plan([clip(2), clip(2, Mode.AI, 40, 40, "p3")], codec=InnerCodecId.HEVC)
    for count in range(9):
        words = f"{count} leading parameter sets"
        yield Variant(str(count), partial(changed, hevc, partial(_leading, count=count)), (words,))
    yield Variant("8_vvc", partial(changed, vvc, partial(_leading, count=8)), ("8 leading parameter sets of VVC",))
    yield Variant("longest", partial(changed, two, _longest), ("A parameter set of 16384 bits, and again",))
    yield Variant("later", partial(changed, hevc, _later), ("A parameter set after the first picture",))
    yield Variant("escaped", partial(changed, hevc, _escaped), ("A parameter set with emulation prevention bytes",))


def _leading(substream: Substream, count: int) -> Substream:
    """Fewer, by filler data between the sets, or more, by repeating the last."""
    sets = substream.parameter_sets
    if count < len(sets):
        filler = _HEVC_FILLER_HEADER + b"\xff\x80"
        return Substream(sets[:count], [filler, *sets[count:], *substream.nal_units])
    return Substream([*sets, *[sets[-1]] * (count - len(sets))], substream.nal_units)


def _later(substream: Substream) -> Substream:
    *others, last = substream.nal_units
    longer = _with_extension(substream.parameter_sets[-1], 96, 0b10110101)
    return Substream(substream.parameter_sets, [*others, longer, last])


def _with_extension(pps: bytes, bits: int, pattern: int) -> bytes:
    """A picture parameter set of HEVC made longer by extension data, which decoders ignore (H.265, 7.3.2.3)."""
    text = to_bit_string(pps)
    value, length = text.value, text.length
    assert not value & 1, "the set has an extension already"  # pps_extension_present_flag ends it
    value, length = (value | 1) << 8 | 1, length + 8  # no known extension, and pps_extension_4bits says there is data
    extra = bits - length
    data = sum((pattern >> (place % 8) & 1) << place for place in range(extra))
    return to_nal_unit(text._replace(value=value << extra | data, length=bits))


def _longest(substream: Substream) -> Substream:
    *others, pps = substream.parameter_sets
    return Substream([*others, _with_extension(pps, 16384, 0b10110101)], substream.nal_units)


def _escaped(substream: Substream) -> Substream:
    *others, pps = substream.parameter_sets
    long = _with_extension(pps, 400, 0)
    assert escape(long[:2]) == long[:2] and b"\x00\x00\x03" in long
    return Substream([*others, long], substream.nal_units)


@family("NALUNIT", "NAL units")
def nal_units() -> Iterator[Variant]:
    """A NAL unit of two bytes, which end the sequence.

    The smallest NAL unit is its header.
    """
    plan = Plan([clip(2)], codec=InnerCodecId.HEVC)
    yield Variant("end", partial(changed, plan, _ended))


def _ended(substream: Substream) -> Substream:
    return Substream(substream.parameter_sets, [*substream.nal_units, bytes([36 << 1, 1])])


@family("UNITSIZE", "unit size", "NAL unit size")
def large_units() -> Iterator[Variant]:
    """A substream unit whose size takes {} bytes, and a NAL unit whose size takes {}.

    Sizes are written in as few bytes as they take: up to four for a unit, up to five for a NAL unit.
    """
    for count, size in ((3, 2**16), (4, 2**24)):
        groups = -(-(size + 2).bit_length() // 7)
        plan = Plan([clip(1)], codec=InnerCodecId.HEVC)
        yield Variant(f"hevc_{count}", partial(changed, plan, partial(_filled, size=size)), (count, groups))


def _filled(substream: Substream, size: int) -> Substream:
    """With filler data, which decoders discard (H.265, 7.3.2.8)."""
    filler = _HEVC_FILLER_HEADER + b"\xff" * (size - 1) + b"\x80"
    return Substream(substream.parameter_sets, [*substream.nal_units, filler])
