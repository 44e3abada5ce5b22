"""Positive vectors at each level's edge, and limit vectors beyond what a decoder need decode."""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterator, Sequence
from functools import partial

from ...bitstream.levels import levels
from ...bitstream.stream import BitstreamWriter, CodedPicture
from ...bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader, Substream
from ...bitstream.values import Arrangement, Grid
from .build import Layer, with_level
from .case import Variant, family
from .core import built, plain, pyramid

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
        wide = Layer("p2", (1, 1, level.max_side))
        many = Layer("p2", (level.max_frames, 1, 1))
        deep = Layer("p2", (level.max_channels, 1, 1), Grid(level.max_channels // 64, 64))
        stack = [plain(f"p{place}", 1, 1, 1, (1, 1)) for place in range(level.max_layers)]
        for label, what, made in [
            ("layers", "layers", stack),
            ("channels", "channels", [deep]),
            ("side", "samples of a side", [wide]),
            ("frames", "frames", [many]),
        ]:
            count = getattr(level, f"max_{label}")
            yield Variant(f"{number}_{label}", built(made, level=number), (count, what, number))
        samples = level.max_frame_samples
        if samples <= _MOST_SAMPLES:
            side = level.max_side
            one = Layer("p2", (1, samples // side, side))
            two = [Layer("p2", (1, samples // side // 2, side)), Layer("p3", (2, samples // side // 4, side))]
            for label, what, made in [
                ("framesamples", "samples of a frame", [one]),
                ("picturesamples", "samples of a picture", two),
            ]:
                yield Variant(f"{number}_{label}", built(made, level=number, flat=True), (samples, what, number))


@family("DECLAREDLEVEL", "level")
def declared_levels() -> Iterator[Variant]:
    """Level {}, which is higher than needed.

    Any level that allows all pictures may be declared, and digests do not depend on it.
    """
    for number in range(1, 5):
        yield Variant(str(number), built(pyramid(2), level=number), (number,))


@family("LIMIT", "limits", kind="limit", error="LimitError")
def limits() -> Iterator[Variant]:
    """A frame of more than 2**28 samples: {}.

    A decoder allocates before it looks, or takes a conformant bitstream for a damaged one.
    """
    side, over = 16384, 16385
    layer = LayerHeader("p2", 1)
    yield Variant("frame", partial(_huge, [layer], [[(side, over)]]), ("one layer",))
    last = [LayerHeader("p2", 1), LayerHeader("p3", 1)]
    yield Variant("lastlayer", partial(_huge, last, [[(1, 1), (side, over)]]), ("the last layer only",))
    yield Variant("secondpicture", partial(_huge, [layer], [[(1, 1)], [(side, over)]]), ("the second picture only",))
    grid = [LayerHeader("p2", 16, Grid(4, 4))]
    yield Variant("grid", partial(_huge, grid, [[(4096, 4097)]]), ("by its grid",))
    tiled = [LayerHeader("p2", 1), LayerHeader("p3", 1)]
    sizes = [[(side // 2, side), (side // 2 + 1, side)]]
    yield Variant("tiled", partial(_huge, tiled, sizes, Arrangement.TILED), ("by two layers, tiled",))
    yield Variant("16bits", partial(_huge, [layer], [[(side, over)]], bit_depth=16), ("16-bit samples",))


def _huge(
    layers: Sequence[LayerHeader],
    sizes: Sequence[Sequence[tuple[int, int]]],
    arrangement: Arrangement = Arrangement.FRAMES,
    bit_depth: int = 8,
) -> bytes:
    """Frames whose every symbol is 0, without ever having one in memory."""
    header = StreamHeader(bit_depth=bit_depth, layers=list(layers), arrangement=arrangement)
    file = io.BytesIO()
    writer = BitstreamWriter(file, header)
    for picture in sizes:
        dims = [LayerPicture(height, width, [(0.0, 1.0)]) for height, width in picture]
        counts = [layer.channels * height * width for layer, (height, width) in zip(layers, picture, strict=True)]
        counts = [sum(counts)] if arrangement == Arrangement.TILED else counts
        substreams = [Substream(lossless_data=_zero_samples(count, bit_depth)) for count in counts]
        writer.write(CodedPicture(PictureHeader(64, 64, [], dims), substreams))
    writer.close()
    return with_level(file.getvalue(), 4)


def _zero_samples(count: int, bit_depth: int) -> bytes:
    part = zeros(count)
    return part if bit_depth <= 8 else len(part).to_bytes(4, "big") + part + part
