"""Positive vectors without an inner video codec: every header element, every tool."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np

from ...bitstream.headers import (
    GroupHeader,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
)
from ...bitstream.stream import CodedGroup
from ...bitstream.values import (
    Allocation,
    Grid,
    Layer,
    Mode,
    Packing,
    RangeScope,
    ReorderCoding,
)
from ...codec.lossless import LosslessCodec
from .build import Plan, Range, Tensor, build, pseudo_random, written
from .case import Variant, family

NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"


def plain(
    name: str = "p2", channels: int = 4, height: int = 5, width: int = 7, grid: tuple[int, int] = (2, 2)
) -> Tensor:
    """A small layer."""
    return Tensor(name, (channels, height, width), Grid(*grid))


def pyramid(count: int = 4, channels: int = 4, height: int = 12, width: int = 18) -> list[Tensor]:
    """Layers of half the size each."""
    sizes = [(height, width)]
    while len(sizes) < count:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return [plain(f"p{place + 2}", channels, *size) for place, size in enumerate(sizes)]


def built(layers: Sequence[Tensor], **options: object) -> partial[bytes]:
    """Makes the bitstream of a plan."""
    return partial(build, Plan(layers, **options))  # type: ignore[arg-type]


@family("BITDEPTH", "bit depth")
def bit_depths() -> Iterator[Variant]:
    """Samples of {} bits.

    Samples above 8 bits are in two parts, symbols are modulo 2**n, and values divide by 2**n - 1.
    """
    for bits in range(1, 17):
        yield Variant(str(bits), built([plain()], bit_depth=bits), (bits,))


@family("DIGEST", "digest")
def digests() -> Iterator[Variant]:
    """Digests of {} bytes in the bitstream.

    The DIGEST unit is there only where digests have a length; each holds the leading bytes, the header's first.
    """
    for length in (0, 1, 8, 31, 32):
        yield Variant(str(length), built([plain(), plain("p3")], digest_length=length), (length,))


@family("LAYERS", "layers")
def layers() -> Iterator[Variant]:
    """{} layers.

    Each layer's channels and size are predicted from the layer before, and each has its own substream.
    """
    for count in (*range(1, 9), 64):
        yield Variant(str(count), built(pyramid(count)), (count,))


@family("NAME", "layer name")
def names() -> Iterator[Variant]:
    """Tensor names: {}.

    Names are not aligned to bytes, and are part of what a digest covers.
    """
    yield Variant("1", built([plain("x")]), ("one character",))
    yield Variant("32", built([plain(NAME_CHARACTERS[:32]), plain(NAME_CHARACTERS[-32:])]), ("32 characters",))
    reserved = [plain("__metadata__"), plain("picture_height"), plain("picture_width"), plain("substream0")]
    yield Variant("reserved", built(reserved), ("such as formats of files have for something else",))
    yield Variant("all", built([plain(NAME_CHARACTERS[k : k + 9]) for k in range(0, 65, 9)]), ("every character",))


@family("CHANNELS", "channels")
def channels() -> Iterator[Variant]:
    """{} channels, and layers of fewer and of more beside them.

    The number of channels is coded as the difference from the layer before, which may be negative.
    """
    for count in (1, 2, 3, 5, 16, 255, 256, 512, 1024, 2048, 8192):
        others = [plain("p2", 1, 2, 3, (1, 1)), plain("p4", 6, 1, 1, (3, 1)), plain("p5", 6, 2, 2, (1, 1))]
        many = Tensor("p3", (count, 1, 2), Grid(*(64, count // 64) if count >= 512 else (1, 1)))
        yield Variant(str(count), built([others[0], many, *others[1:]]), (count,))


@family("GRID", "grid")
def grids() -> Iterator[Variant]:
    """Grids of {} maps, columns by rows.

    Cells are counted in raster scan, columns first; a frame's width is columns times the map's.
    """
    for count, columns, rows in [
        (15, 1, 1),
        (15, 3, 5),
        (15, 5, 3),
        (15, 15, 1),
        (15, 1, 15),
        (15, 1, 5),
        (8192, 8192, 1),
        (8192, 1, 8192),
        (8192, 128, 64),
    ]:
        size = (3, 2) if count < 100 else (1, 1)
        layer = Tensor("p2", (count, *size), Grid(columns, rows))
        yield Variant(f"{columns}x{rows}", built([layer], level=4 if count > 100 else None), (f"{columns}x{rows}",))


@family("MAPSIZE", "layer size")
def map_sizes() -> Iterator[Variant]:
    """Feature maps of {} samples, height by width.

    The first layer's size is coded as it is.
    """
    for height, width in [(1, 1), (1, 7), (7, 1), (13, 17), (65536, 1), (1, 65536)]:
        layer = Tensor("p2", (1, height, width))
        yield Variant(f"{height}x{width}", built([layer]), (f"{height}x{width}",))


@family("PYRAMID", "layer size")
def pyramids() -> Iterator[Variant]:
    """Layers whose sizes are {}.

    A layer's size is the prediction, half of the one before rounded up, plus a difference of either sign.
    """
    odd = [(13, 17), (7, 9), (4, 5), (2, 3), (1, 2), (1, 1)]
    for label, words, sizes in [
        ("halves", "halved, rounded up", odd),
        ("equal", "all the same", [(6, 5)] * 4),
        ("growing", "growing", [(1, 1), (3, 2), (8, 9)]),
        ("falling", "less than half", [(40, 30), (3, 2), (1, 1)]),
        ("mixed", "higher and narrower", [(4, 30), (9, 2), (2, 31)]),
    ]:
        made = [plain(f"c{place}", 4, *size) for place, size in enumerate(sizes)]
        yield Variant(label, built(made), (words,))


@family("PICTURESIZE", "picture size")
def picture_sizes() -> Iterator[Variant]:
    """An original picture of {} pixels, height by width.

    It does not follow from the layers' sizes.
    """
    for size in [(1, 1), (65536, 65536), (1, 65536), (427, 641)]:
        label = f"{size[0]}x{size[1]}"
        yield Variant(label, built([plain()], picture_size=size), (label,))


@family("RANGE", "range")
def ranges() -> Iterator[Variant]:
    """Ranges of scope {}.

    Ranges are one pair for all pictures, for a picture, for a layer, or for each channel of the network's order.
    """
    for scope in RangeScope:
        made = [plain("p2"), plain("p3", 3, 4, 4, (1, 1)), plain("p4", 2, 1, 1, (2, 1))]
        options = {"scope": scope, "reorder": ReorderCoding.EXACT, "sizes": _two_sizes(made)}
        yield Variant(scope.name.lower(), built(made, **options), (scope.name,))


SMALLEST = float(np.float32(1e-45))
LARGEST = float(np.finfo(np.float32).max)


@family("VALUES", "range", "dequantisation")
def values() -> Iterator[Variant]:
    """Range values {}.

    Dequantisation is in binary64, each operation rounded once, and then rounded once to binary32.
    """
    named: list[tuple[str, str, Range]] = [
        ("zero", "both 0", (0.0, 0.0)),
        ("equal", "equal", (math.pi, math.pi)),
        ("subnormal", "that are subnormal", (-SMALLEST, 3 * SMALLEST)),
        ("largest", "the largest of binary32", (-LARGEST, LARGEST)),
        ("uneven", "of very different size", (-1e-30, 1e30)),
        ("thirds", "that are no binary fractions", (-1 / 3, 2 / 3)),
    ]
    for label, words, (lo, hi) in named:
        pair = (float(np.float32(lo)), float(np.float32(hi)))
        yield Variant(label, built([plain(width=19, height=23)], bit_depth=10, ranges=[pair]), (words,))


@family("REORDER", "reorder index")
def reorders() -> Iterator[Variant]:
    """Channel order of {} channels, {}, coded {}.

    An exact rank is one integer of Ceil(log2(C!)) bits; a fixed-length index has Ceil(log2(C)) bits, none for C = 1.
    """
    for coding in (ReorderCoding.EXACT, ReorderCoding.FIXED_LENGTH):
        for count, order in [
            (1, "identity"),
            (2, "reversed"),
            (3, "shuffled"),
            (5, "identity"),
            (5, "reversed"),
            (256, "shuffled"),
            (2048, "shuffled"),
        ]:
            layer = Tensor("p2", (count, 2, 2), Grid(1, 1) if count < 256 else Grid(16, 16))
            made = built([layer, plain("p3")], reorder=coding, order=order)
            words = (count, order, "by its rank" if coding == ReorderCoding.EXACT else "index by index")
            yield Variant(f"{coding.name.replace('_', '').lower()}_{count}_{order}", made, words)


@family("PACKING", "packing", "allocation")
def packings() -> Iterator[Variant]:
    """Maps in frames: {}, allocation {}.

    FRAME_MAJOR fills a frame before the next, INTERLEAVED one cell of every frame; QUILTED interleaves samples; STACKED
    puts the layers one below the other.
    """
    for packing in Packing:
        for allocation in Allocation:
            if packing == Packing.STACKED and allocation != Allocation.FRAME_MAJOR:
                continue
            grid = (3, 4) if packing == Packing.STACKED else (3, 2)
            made = [plain("p2", 12, 5, 4, grid), plain("p3", 12, 2, 3, grid)]
            options = {"packing": packing, "allocation": allocation, "reorder": ReorderCoding.EXACT}
            label = f"{packing.name.lower()}_{allocation.name.lower()}"
            yield Variant(label, built(made, **options), (packing.name, allocation.name))


def _two_sizes(layers: Sequence[Tensor]) -> list[list[tuple[int, int]]]:
    """A picture of the layers' own sizes, and one of others."""
    own = [layer.shape[1:] for layer in layers]
    return [[(40, 60), *own], [(61, 39), *((width + 1, height) for height, width in own)]]


@family("PICTURES", "pictures")
def pictures() -> Iterator[Variant]:
    """{} pictures{}.

    Sizes, ranges and orders are each picture's own; only the stream header is shared.
    """
    made = pyramid(2)
    own = [layer.shape[1:] for layer in made]
    for count in (2, 3, 8):
        yield Variant(str(count), built(made, sizes=[[(24, 36), *own]] * count), (count, ""))
    changing = [*_two_sizes(made), *_two_sizes(made)[::-1]]
    options = {"sizes": changing, "reorder": ReorderCoding.EXACT, "scope": RangeScope.CHANNEL}
    yield Variant("sizes", built(made, **options), (4, " of changing size"))
    stacked = [plain("p2", 4, 6, 4), plain("p3", 4, 3, 2)]
    options = {"sizes": _two_sizes(stacked), "packing": Packing.STACKED}
    yield Variant("stacked", built(stacked, **options), (2, " of different size, stacked"))


@family("PROFILE", "profile")
def profiles() -> Iterator[Variant]:
    """The lossless inner codec in profile {}.

    A profile allows inner codecs; each allows the lossless one.
    """
    for number, name in enumerate(("Core", "HEVC", "VVC")):
        yield Variant(name.lower(), built([plain()], profile=number), (name,))


@family("UNITSIZE", "unit size")
def unit_sizes() -> Iterator[Variant]:
    """A substream unit whose size takes {} bytes.

    A unit's size is written in as few bytes as it takes.
    """
    random = [Tensor("p2", (1, side, side)) for side in (3, 70, 400)]
    for count, layer in enumerate(random, 1):
        yield Variant(str(count), partial(_noise, layer), (count,))


def _noise(layer: Tensor) -> bytes:
    """Samples that do not compress, so that the substream is of about their size."""
    _, height, width = layer.shape
    noise = bytes(number >> 16 & 255 for number in islice(pseudo_random(12345), height * width))
    clip = np.frombuffer(noise, np.uint8).reshape(1, height, width).astype(np.uint16)
    stream = LosslessCodec(8).encode(clip, Mode.AI, 0)
    header = StreamHeader(layers=[Layer(layer.name, 1)], tensors=[TensorHeader(TensorFormat(8))])
    picture = PictureHeader([], [TensorPicture([(0.0, 1.0)])])
    group = GroupHeader(8, 8, [(height, width)], [picture])
    return written(header, [CodedGroup(group, [Substream(lossless_data=stream)])])
