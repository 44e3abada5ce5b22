"""Positive vectors at each level's edge, and limit vectors beyond what a decoder need decode."""

from __future__ import annotations

import bz2
from collections.abc import Iterator, Sequence
from functools import cache, partial

from ...bitstream.headers import (
    GroupHeader,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
)
from ...bitstream.levels import levels
from ...bitstream.stream import CodedGroup
from ...bitstream.values import Grid, Layer, Packing
from .build import Plan, Tensor, written
from .case import Variant, family
from .core import built, plain, pyramid
from .structure import in_unit

#: Frames of more samples make a decoder slow rather than test it.
_MOST_SAMPLES = 2**25


def zeros(count: int) -> bytes:
    """``count`` bytes of 0, compressed, without ever having them in memory."""
    compressor, block = bz2.BZ2Compressor(), bytes(1 << 20)
    part = b"".join(compressor.compress(block[: min(len(block), count - at)]) for at in range(0, count, len(block)))
    return part + compressor.flush()


@family("LEVEL", "level")
def level_edges() -> Iterator[Variant]:
    """Exactly {} of the {} that level {} allows.

    A level's bounds are inclusive; sides and samples are counted at the coded size.
    """
    for level in levels():
        number = level.level_idc
        wide = Tensor("p2", (1, 1, level.max_side))
        deep = Tensor("p2", (level.max_channels, 1, 1), Grid(level.max_channels // 64, 64))
        stack = [plain(f"p{place}", 1, 1, 1, (1, 1)) for place in range(level.max_layers)]
        for label, what, made in [
            ("layers", "layers", stack),
            ("channels", "channels", [deep]),
            ("side", "samples of a side", [wide]),
        ]:
            count = getattr(level, f"max_{label}")
            yield Variant(f"{number}_{label}", built(made, level=number), (count, what, number))
        group = level.max_frames // level.max_channels
        many = [Tensor("p2", (level.max_channels, 1, 1))]
        words = (level.max_frames, "frames", number)
        yield Variant(f"{number}_frames", built(many, level=number, group=group, same=True), words)
        samples, side = level.max_frame_samples, level.max_side
        if samples <= _MOST_SAMPLES:
            made = [Tensor("p2", (1, samples // side, side))]
            yield Variant(
                f"{number}_framesamples",
                built(made, level=number, flat=True),
                (samples, "samples of a frame", number),
            )
        samples = level.max_group_samples
        if samples <= _MOST_SAMPLES:
            made = [Tensor("p2", (1, samples // side // 4, side)), Tensor("p3", (1, samples // side // 4, side))]
            options = {"level": number, "flat": True, "group": 2, "same": True}
            yield Variant(f"{number}_groupsamples", built(made, **options), (samples, "samples of a group", number))
    first = levels()[0]
    data = first.max_model_bytes
    given = [in_unit(0, bytes(data // 2)), in_unit(1, bytes(data // 2), 1)]
    yield Variant("1_modelbytes", built([plain()], models=given, level=1), (data, "bytes of models", 1))


@family("DECLAREDLEVEL", "level")
def declared_levels() -> Iterator[Variant]:
    """Level {}, which is higher than needed.

    Any level that allows all pictures may be declared.
    """
    for number in range(1, 5):
        yield Variant(str(number), built(pyramid(2), level=number), (number,))


@family("LIMIT", "limits", kind="limit", error="LimitError")
def limits() -> Iterator[Variant]:
    """A frame of more than 2**28 samples: {}.

    A decoder allocates before it looks, or takes a conformant bitstream for a damaged one.
    """
    side, over = 16384, 16385
    one, two = [Layer("p2", 1)], [Layer("p2", 1), Layer("p3", 1)]
    yield Variant("frame", partial(huge, one, [[(side, over)]]), ("one layer",))
    yield Variant("lasttensor", partial(huge, two, [[(1, 1), (side, over)]]), ("the last layer only",))
    yield Variant("secondgroup", partial(huge, one, [[(1, 1)], [(side, over)]]), ("the second group only",))
    grid = [Layer("p2", 16)]
    yield Variant("grid", partial(huge, grid, [[(4096, 4097)]], grid=Grid(4, 4)), ("by its grid",))
    sizes = [[(side // 2, side), (side // 2 + 1, side)]]
    yield Variant("stacked", partial(huge, two, sizes, packing=Packing.STACKED), ("by two layers, stacked",))
    yield Variant("16bits", partial(huge, one, [[(side, over)]], bit_depth=16), ("16-bit samples",))


def huge(
    layers: Sequence[Layer],
    sizes: Sequence[Sequence[tuple[int, int]]],
    *,
    packing: Packing = Packing.FRAMES,
    bit_depth: int = 8,
    grid: Grid | None = None,
    level: int = 4,
    group: int = 1,
) -> bytes:
    """Frames whose every symbol is 0, without ever having one in memory."""
    form = TensorFormat(bit_depth, packing=packing)
    header = StreamHeader(layers=list(layers), tensors=[TensorHeader(form, grid or Grid(1, 1))] * len(layers))
    groups = []
    for one in sizes:
        picture = PictureHeader([], [TensorPicture([(0.0, 1.0)]) for _ in layers])
        counts = [layer.channels * height * width for layer, (height, width) in zip(layers, one, strict=True)]
        counts = [sum(counts)] if packing == Packing.STACKED else counts
        substreams = [Substream(lossless_data=_zero_samples(group * count, bit_depth)) for count in counts]
        groups.append(CodedGroup(GroupHeader(64, 64, list(one), [picture] * group), substreams))
    return written(header, groups, Plan([], level=level))


@cache
def _zero_samples(count: int, bit_depth: int) -> bytes:
    part = zeros(count)
    return part if bit_depth <= 8 else len(part).to_bytes(4, "big") + part + part
