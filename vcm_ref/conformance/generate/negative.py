"""Negative vectors in the headers and in the order of units: one rule broken, all else as it should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

from ...bitstream.levels import levels
from ...bitstream.values import Grid, InnerCodecId, Layer, Mode, Packing, RangeScope, ReorderCoding
from ...conversion.reduction import Resize
from .build import Plan, Tensor, build
from .case import Variant, family
from .core import plain
from .edges import huge
from .edit import (
    bits_of,
    elements,
    flipped,
    with_element,
    with_elements,
    with_value,
)
from .structure import in_unit

BROKEN = "BitstreamError"
#: What most are made from: without digests, so that nothing but the broken rule tells.
PLAIN = Plan([plain("p2"), plain("p3", 6, 3, 4, (3, 1))], digest_length=0, reorder=ReorderCoding.EXACT)
DIGESTED = Plan(
    [plain("p2"), plain("p3", 6, 3, 4, (3, 1))], reorder=ReorderCoding.EXACT, sizes=[[(9, 9), (5, 7), (3, 4)]] * 2
)


@cache
def base(plan_name: str = "plain") -> bytes:
    """The bitstream that a vector is made from."""
    return build({"plain": PLAIN, "digested": DIGESTED}[plan_name])


@family("BASE", "base of negative vectors")
def bases() -> Iterator[Variant]:
    """What the negative vectors named after it are made from, {}.

    If this one fails, those made from it say nothing.
    """
    yield Variant("plain", base, ("without digests",))
    yield Variant("digested", partial(base, "digested"), ("two pictures with digests",))


def broken(make: Callable[[], bytes], *words: object, label: str, base: str | None = "BASE_PLAIN") -> Variant:
    """A variant whose inner planes are those of its base, if it can be told without its inner streams."""
    return Variant(label, make, words, base=base)


@family("SIGNATURE", "signature", kind="negative", error=BROKEN)
def signatures() -> Iterator[Variant]:
    """{}.

    A decoder does not compare the whole signature.
    """
    for place in range(4):
        yield broken(partial(_flipped, place), f"Byte {place} of the signature is wrong", label=f"{place}")
    for count in range(5):
        yield broken(partial(beginning, "plain", count), f"{count} bytes and nothing more", label=f"short_{count}")


def _flipped(place: int) -> bytes:
    return flipped(base(), place, 32)


def beginning(plan: str, count: int) -> bytes:
    """So many bytes of a base."""
    return base(plan)[:count]


@family("VERSION", "version", kind="negative")
def versions() -> Iterator[Variant]:
    """Version {}.

    Another version is not supported, whatever follows; version 0 is none.
    """
    for number in (0, 1, 2, 4, 15):
        error = BROKEN if number == 0 else "UnsupportedError"
        make = partial(_with_value, "version", number)
        yield Variant(str(number), make, (number,), errors=(error,), clauses=("7.4",), base="BASE_PLAIN")
    for cut in (7, 8):
        make = partial(_next_version, cut)
        words = (f"4, of which there are the first {cut} bytes",)
        yield Variant(f"4_cut_{cut}", make, words, errors=("UnsupportedError",), clauses=("4.1",), base="BASE_PLAIN")


def _next_version(cut: int) -> bytes:
    """Cut after the version, or a byte later, so that the first unit is not complete."""
    return with_value(base(), "version", 4)[:cut]


def _with_value(name: str, value: float | bytes, occurrence: int = 0, plan: str = "plain") -> bytes:
    return with_value(base(plan), name, value, occurrence)


def _with_bits(name: str, bits: str, occurrence: int = 0) -> bytes:
    return with_element(base(), name, bits, occurrence)


@family("RESERVED", "reserved values", kind="negative", error=BROKEN)
def reserved() -> Iterator[Variant]:
    """{} is {}, which is reserved.

    A reserved code point is taken for another, or ignored.
    """
    for name, values in {
        "packing_idc": (3,),
        "reorder_coding_idc": (3,),
        "digest_length": (33, 63),
    }.items():
        for value in values:
            make = partial(_with_value, name, value)
            yield broken(make, name, value, label=f"{name.replace('_', '')}_{value}")
    yield broken(_reserved_mode, "mode_idc", 3, label="modeidc_3", base=None)
    yield broken(_reserved_shift, "resize_shift", 3, label="resizeshift_3", base=None)


def _reserved_mode() -> bytes:
    return with_value(build(Plan([Tensor("p2", (2, 32, 32))], codec=InnerCodecId.VVC, digest_length=0)), "mode_idc", 3)


def _reserved_shift() -> bytes:
    return with_value(resized(), "resize_shift", 3)


@cache
def resized() -> bytes:
    """A bitstream with a reduction stage."""
    return build(Plan([plain()], stages=[Resize([1])], digest_length=0))


@family("OUTOFRANGE", "ranges of elements", kind="negative", error=BROKEN)
def out_of_range() -> Iterator[Variant]:
    """{} is {}, beyond its range.

    An Exp-Golomb code can say more than its element may be.
    """
    for name, value in [
        ("num_layers_minus1", 64),
        ("num_stages", 5),
        ("layer_name_length_minus1", 32),
        ("channels_delta", 0),
        ("channels_delta", -1),
        ("channels_delta", 8193),
        ("grid_columns_minus1", 8192),
        ("grid_rows_minus1", 8192),
        ("num_pictures_minus1", 1024),
        ("picture_height_minus1", 65536),
        ("picture_width_minus1", 65536),
        ("layer_height_minus1", 65536),
        ("layer_width_minus1", 65536),
        ("layer_height_delta", -3),
        ("layer_height_delta", -5),
        ("layer_height_delta", 65536),
        ("layer_width_delta", -4),
        ("layer_width_delta", -5),
        ("layer_width_delta", 65536),
        ("extension_size", 4096),
    ]:
        label = f"{name.replace('_', '')}_{'minus' if value < 0 else ''}{abs(value)}"
        yield broken(partial(_with_value, name, value), name, value, label=label)
    for name in ("layer_height_delta", "channels_delta"):
        value = -(2**31)
        label = f"{name.replace('_', '')}_huge"
        yield broken(partial(_with_value, name, value), name, "-2**31", label=label)


@family("EXPGOLOMB", "Exp-Golomb codes", kind="negative", error=BROKEN)
def exp_golomb() -> Iterator[Variant]:
    """{} begins with {} zero bits.

    A code of more than 32 leading zeros is none; a decoder overflows, or looks for the end in vain.
    """
    for name in ("num_layers_minus1", "picture_height_minus1", "layer_height_delta"):
        for zeros in (33, 64, 4096):
            bits = "0" * zeros + "1" + "0" * zeros
            label = f"{name.replace('_', '')}_{zeros}"
            yield broken(partial(_with_bits, name, bits), name, zeros, label=label)


@family("LAYERNAME", "layer name", kind="negative", error=BROKEN)
def layer_names() -> Iterator[Variant]:
    """A layer's name {}.

    Names are used unseen, in paths for instance.
    """
    for label, words, name in [
        ("space", "with a space", b"p "),
        ("slash", "with a slash", b"p/"),
        ("zero", "with a zero byte", b"p\0"),
        ("newline", "with a line feed", b"p\n"),
        ("latin", "with a byte above 127", b"p\xe4"),
        ("twice", "that another layer has", b"p3"),
    ]:
        yield broken(partial(_with_value, "layer_name", name), words, label=label)


@family("GRIDMISFIT", "grid", kind="negative", error=BROKEN)
def grid_misfits() -> Iterator[Variant]:
    """A grid {}.

    Frames are counted by a division that leaves a remainder.
    """
    yield broken(partial(_with_value, "grid_columns_minus1", 2), "of 3x2 maps for 4 channels", label="remainder")
    yield broken(partial(_with_value, "grid_rows_minus1", 3), "of 2x4 maps for 4 channels", label="larger")
    yield broken(_largest_grid, "of 8192x8192 maps", label="product")
    yield broken(_stacked_misfit, "whose columns do not divide the channels of a stacked tensor", label="stacked")
    yield broken(_stacked_wide, "of more columns than a stacked tensor has channels", label="stackedwide")


def _largest_grid() -> bytes:
    changes = [(name, 0, bits_of(name, 8191, 0)) for name in ("grid_columns_minus1", "grid_rows_minus1")]
    return with_elements(base(), changes)


def _stacked_misfit() -> bytes:
    data = build(Plan([plain("p2")], digest_length=0, packing=Packing.STACKED))
    return with_value(data, "grid_columns_minus1", 2)


def _stacked_wide() -> bytes:
    data = build(Plan([plain("p2")], digest_length=0, packing=Packing.STACKED))
    return with_value(data, "grid_columns_minus1", 7)


@family("VALUERANGE", "range", kind="negative", error=BROKEN)
def value_ranges() -> Iterator[Variant]:
    """{} is {}.

    Ranges are used unseen, and features come out that are not finite or upside down.
    """
    for name in ("range_min", "range_max"):
        for label, value in (("nan", math.nan), ("inf", math.inf), ("minusinf", -math.inf)):
            yield broken(partial(_with_value, name, value), name, label, label=f"{name.replace('_', '')}_{label}")
        bits = "0" + "1" * 8 + "0" * 22 + "1"
        yield broken(partial(_with_bits, name, bits), name, "a signalling NaN", label=f"{name.replace('_', '')}_snan")
        yield broken(partial(_with_bits, name, "1" + "0" * 31), name, "-0", label=f"{name.replace('_', '')}_minuszero")
    yield broken(partial(_with_value, "range_min", 6.5), "range_min", "above range_max", label="inverted")
    for scope in (RangeScope.FIXED, RangeScope.PICTURE, RangeScope.CHANNEL):
        make = partial(_scoped, scope)
        yield broken(
            make, f"the last range_max of scope {scope.name}", "below range_min", label=f"inverted_{scope.name.lower()}"
        )


def _scoped(scope: RangeScope) -> bytes:
    data = build(Plan([plain("p2")], digest_length=0, scope=scope))
    return with_value(data, "range_max", -1e9, -1)


@family("PERMUTATION", "reorder index", kind="negative", error=BROKEN)
def permutations() -> Iterator[Variant]:
    """A channel order that is none: {}.

    A map is decoded twice and another never, or memory beyond the tensor is touched.
    """
    yield broken(partial(_with_value, "reorder_index", 24), "rank 4!", label="rank_next")
    yield broken(partial(_with_value, "reorder_index", 31), "the largest rank that fits", label="rank_largest")
    yield broken(partial(_fixed, 0, 1), "index 1 twice", label="twice")
    yield broken(partial(_fixed, 5, 7), "index 7 of 6 channels", label="beyond")
    yield broken(_large_rank, "rank 256!", label="rank_256")


def _fixed(place: int, value: int) -> bytes:
    plan = Plan([plain("p2", 6, 2, 2, (3, 1))], digest_length=0, reorder=ReorderCoding.FIXED_LENGTH, order="identity")
    return with_value(build(plan), "channel_index", value, place)


def _large_rank() -> bytes:
    layer = Tensor("p2", (256, 1, 1), Grid(16, 16))
    data = build(Plan([layer], digest_length=0, reorder=ReorderCoding.EXACT))
    return with_value(data, "reorder_index", math.factorial(256))


@family("ALIGNMENT", "byte alignment", kind="negative", error=BROKEN)
def alignments() -> Iterator[Variant]:
    """Bits that align {} are not zero.

    Two bitstreams would have the same content.
    """
    layer = Tensor("p2", (2, 32, 32))
    for label, words, plan in [
        ("stream", "the stream header", PLAIN),
        ("picture", "the picture header", replace(PLAIN, picture_size=(64, 128))),
        ("substream", "parameter sets", Plan([layer], codec=InnerCodecId.VVC, digest_length=0)),
    ]:
        yield Variant(label, partial(_unaligned, plan), (words,))


def _unaligned(plan: Plan) -> bytes:
    """The last such bits that there are."""
    data = build(plan)
    element = [one for one in elements(data) if one.name == "alignment_zero_bit"][-1]
    return flipped(data, element.bit_offset // 8, 1)


@family("LEVELEXCEEDED", "level", kind="negative", error=BROKEN)
def levels_exceeded() -> Iterator[Variant]:
    """Level {} is declared, and what {} bounds is {}: more than it allows.

    A level is a promise to the decoder; bounds are inclusive. The samples themselves are as they should be.
    """
    for level in levels()[:-1]:
        number = level.level_idc
        wide = [Tensor("p2", (1, 1, level.max_side + 1))]
        stack = [plain(f"p{place}", 1, 1, 1, (1, 1)) for place in range(level.max_layers + 1)]
        deep = [Tensor("p2", (level.max_channels + 2, 1, 1), Grid(level.max_channels // 2 + 1, 2))]
        for label, layers in [("layers", stack), ("channels", deep), ("side", wide)]:
            count = getattr(level, f"max_{label}") + (2 if label == "channels" else 1)
            yield Variant(
                f"{number}_{label}", partial(build, Plan(layers, level=number)), (number, f"max_{label}", count)
            )
        group = level.max_frames // level.max_channels + 1
        many = Plan([Tensor("p2", (level.max_channels, 1, 1))], level=number, group=group, same=True)
        words = (number, "max_frames", group * level.max_channels)
        yield Variant(f"{number}_frames", partial(build, many), words)
        samples, side = level.max_frame_samples, level.max_side
        one = [Layer("p2", 1)]
        make = partial(huge, one, [[(samples // side + 1, side)]], level=number)
        words = (number, "max_frame_samples", samples + side)
        yield Variant(f"{number}_framesamples", make, words, errors=(BROKEN, "LimitError"))
        make = partial(huge, one, [[(samples // side, side)]], level=number, group=3)
        words = (number, "max_group_samples", 3 * samples)
        yield Variant(f"{number}_groupsamples", make, words, errors=(BROKEN, "LimitError"))
    first = levels()[0]
    tiny, most = [Layer("p2", 1)], first.max_pictures // 1024
    make = partial(huge, tiny, [[(1, 1)]] * (most + 1), level=1, group=1024)
    yield Variant("1_pictures", make, (1, "max_pictures", (most + 1) * 1024))
    groups = first.max_total_samples // first.max_group_samples + 1
    size = (first.max_frame_samples // first.max_side, first.max_side)
    make = partial(huge, tiny, [[size]] * groups, level=1, group=2)
    words = (1, "max_total_samples", groups * first.max_group_samples)
    yield Variant("1_totalsamples", make, words, errors=(BROKEN, "LimitError"))
    given = [in_unit(0, bytes(first.max_model_bytes)), in_unit(1, b"x")]
    make = partial(build, replace(PLAIN, models=given, level=1))
    yield Variant("1_modelbytes", make, (1, "max_model_bytes", first.max_model_bytes + 1), base="BASE_PLAIN")


@family("WRONGPROFILE", "profile", kind="negative", error=BROKEN)
def wrong_profiles() -> Iterator[Variant]:
    """{} in profile {}.

    A profile is a promise to the decoder.
    """
    for codec, number, name in [
        (InnerCodecId.HEVC, 0, "Core"),
        (InnerCodecId.VVC, 0, "Core"),
        (InnerCodecId.VVC, 1, "HEVC"),
        (InnerCodecId.HEVC, 2, "VVC"),
    ]:
        layer = Tensor("p2", (2, 32, 32), Grid(1, 1), Mode.AI)
        make = partial(build, Plan([layer], codec=codec, profile=number))
        yield Variant(f"{codec.name.lower()}_{name.lower()}", make, (codec.name, name))


@family("WRONGDEPTH", "bit depth", kind="negative", error=BROKEN)
def wrong_depths() -> Iterator[Variant]:
    """{} with samples of {} bits.

    Inner samples have 10 bits.
    """
    for codec in (InnerCodecId.HEVC, InnerCodecId.VVC):
        for bits in (11, 16):
            make = partial(_deeper, codec, bits)
            yield Variant(f"{codec.name.lower()}_{bits}", make, (codec.name, bits))


def _deeper(codec: InnerCodecId, bits: int) -> bytes:
    layer = Tensor("p2", (2, 32, 32), Grid(1, 1), Mode.AI)
    return with_value(build(Plan([layer], codec=codec, digest_length=0)), "bit_depth_minus1", bits - 1)
