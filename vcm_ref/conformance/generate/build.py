"""From what a vector is to hold, to its bytes: headers as they are given, samples that follow from their place."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...bitstream.digest import LEVEL_POSITION, tensor_digest
from ...bitstream.geometry import coded_size, inner_bit_depth
from ...bitstream.levels import profile_for
from ...bitstream.stream import BitstreamWriter, CodedPicture, locate_units
from ...bitstream.substreams import to_inner_stream, to_substream
from ...bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader, Substream
from ...bitstream.values import (
    Allocation,
    Arrangement,
    Grid,
    InnerCodecId,
    Mode,
    RangeScope,
    ReorderCoding,
    Shape,
)
from ...codec import EncoderName, make_decoder, make_encoder
from ...conversion.arrangement import arrange, restore
from ...conversion.depth import lower_depth, raise_depth
from ...process.together import run_together

Range = tuple[float, float]
CODECS: dict[InnerCodecId, EncoderName] = {
    InnerCodecId.LOSSLESS: "lossless",
    InnerCodecId.HEVC: "hevc",
    InnerCodecId.VVC: "vvenc",
}
_LEVEL_SHIFT = 16 - LEVEL_POSITION - 4


@dataclass(frozen=True)
class Layer:
    """One layer; ``qp`` is its own where it is given."""

    name: str
    shape: Shape
    grid: Grid = field(default_factory=lambda: Grid(1, 1))
    mode: Mode = Mode.AI
    qp: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a bitstream is to hold. ``sizes`` are (height, width) of each picture and then of its layers, if not one
    picture with the layers' own; ``ranges`` are used in turn; ``order`` is shuffled, identity or reversed.

    ``encode`` codes the frames of a substream in place of ``encoder``.
    """

    layers: Sequence[Layer]
    bit_depth: int = 8
    codec: InnerCodecId = InnerCodecId.LOSSLESS
    arrangement: Arrangement = Arrangement.FRAMES
    allocation: Allocation = Allocation.SPATIAL
    scope: RangeScope = RangeScope.LAYER
    ranges: Sequence[Range] = ((-1.5, 6.0), (0.0, 1.0), (-3.25, -0.5))
    reorder: ReorderCoding = ReorderCoding.NONE
    order: str = "shuffled"
    digest_length: int = 8
    sizes: Sequence[Sequence[tuple[int, int]]] = ()
    picture_size: tuple[int, int] = (64, 96)
    encoder: EncoderName | None = None
    encode: Callable[[NDArray[np.uint16]], bytes] | None = None
    preset: str | None = None
    qp: int = 32
    profile: int | None = None
    level: int | None = None
    flat: bool = False


def build(plan: Plan) -> bytes:
    """The bitstream of a plan. Where it does not say a profile or level, they are the lowest that allow it."""
    header = StreamHeader(
        profile=profile_for(plan.codec) if plan.profile is None else plan.profile,
        bit_depth=plan.bit_depth,
        inner_codec=plan.codec,
        arrangement=plan.arrangement,
        allocation=plan.allocation,
        range_scope=plan.scope,
        reorder_coding=plan.reorder,
        digest_length=plan.digest_length,
        layers=[LayerHeader(layer.name, layer.shape[0], layer.grid, layer.mode) for layer in plan.layers],
        fixed_range=plan.ranges[0] if plan.scope == RangeScope.FIXED else (0.0, 0.0),
    )
    file = io.BytesIO()
    writer = BitstreamWriter(file, header)
    own = [plan.picture_size, *(layer.shape[1:] for layer in plan.layers)]
    for number, (size, *layer_sizes) in enumerate(plan.sizes or [own]):
        shapes = [(layer.shape[0], *size) for layer, size in zip(plan.layers, layer_sizes, strict=True)]
        writer.write(_picture(plan, header, size, shapes, number))
    writer.close()
    return file.getvalue() if plan.level is None else with_level(file.getvalue(), plan.level)


def with_level(data: bytes, level: int) -> bytes:
    """A bitstream that declares another level."""
    place = next(unit.payload_offset for unit in locate_units(io.BytesIO(data)))
    bits = int.from_bytes(data[place : place + 2], "big") & ~(15 << _LEVEL_SHIFT) | level << _LEVEL_SHIFT
    return data[:place] + bits.to_bytes(2, "big") + data[place + 2 :]


def _picture(
    plan: Plan, header: StreamHeader, size: tuple[int, int], shapes: Sequence[Shape], number: int
) -> CodedPicture:
    tensors = [
        np.zeros(shape, np.uint16) if plan.flat else samples(shape, plan.bit_depth, 3 * number + place)
        for place, shape in enumerate(shapes)
    ]
    orders = [_order(plan, len(tensor), number) for tensor in tensors]
    pairs = [plan.ranges[(number + place) % len(plan.ranges)] for place in range(sum(map(len, tensors)))]
    layers = []
    for place, ((channels, height, width), order) in enumerate(zip(shapes, orders, strict=True)):
        own = {RangeScope.LAYER: pairs[place : place + 1], RangeScope.CHANNEL: pairs[:channels]}.get(plan.scope, [])
        reordered = plan.reorder != ReorderCoding.NONE
        layers.append(LayerPicture(height, width, list(own), order.tolist() if reordered else []))
    shared = pairs[:1] if plan.scope == RangeScope.PICTURE else []
    grids = [layer.grid for layer in plan.layers]
    padded = partial(coded_size, plan.codec)
    clips = arrange(tensors, orders, grids, plan.arrangement, plan.allocation, coded_size=padded)
    depth = inner_bit_depth(plan.codec, plan.bit_depth)
    jobs = [partial(_coded, plan, raise_depth(clip, plan.bit_depth, depth), place) for place, clip in enumerate(clips)]
    coded = [result for result, _ in run_together(jobs)]
    frames = [lower_depth(planes, plan.bit_depth, depth) for _, planes in coded]
    decoded = restore(frames, shapes, orders, grids, plan.arrangement, plan.allocation)
    digests = [tensor_digest(layer.name, q) for layer, q in zip(plan.layers, decoded, strict=True)]
    return CodedPicture(
        PictureHeader(*size, list(shared), layers),
        [substream for substream, _ in coded],
        [digest[: plan.digest_length] for digest in digests] if plan.digest_length else [],
    )


def _coded(plan: Plan, clip: NDArray[np.uint16], place: int) -> tuple[Substream, NDArray[np.uint16]]:
    """One substream, and what a decoder makes of it."""
    tiled = plan.arrangement == Arrangement.TILED
    layer = plan.layers[place]
    encoder = make_encoder(plan.encoder or CODECS[plan.codec], bit_depth=plan.bit_depth, preset=plan.preset)
    qp = plan.qp if layer.qp is None else layer.qp
    mode = Mode.AI if tiled else layer.mode
    stored = to_substream(plan.codec, plan.encode(clip) if plan.encode else encoder.encode(clip, mode, qp))
    count, height, width = clip.shape
    stream, depth = to_inner_stream(plan.codec, stored), inner_bit_depth(plan.codec, plan.bit_depth)
    return stored, make_decoder(plan.codec).decode(stream, count, height, width, depth)


def _order(plan: Plan, channels: int, number: int) -> NDArray[np.intp]:
    order = np.arange(channels)
    if plan.reorder == ReorderCoding.NONE or plan.order == "identity":
        return order
    if plan.order == "reversed":
        return order[::-1].copy()
    return np.argsort((order * 7919 + 13 * number + 5) % 10007, kind="stable")


def samples(shape: Shape, bit_depth: int, seed: int) -> NDArray[np.uint16]:
    """Integer samples ``(C, H, W)``: waves with a little texture, and both ends of the range where two samples are."""
    top = 2**bit_depth - 1
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    wave = (x * (1 + c % 3) + y * (2 + c % 2) + 5 * c + 9 * seed) % 62
    texture = (7 * x + 3 * y + 11 * c + seed) % 5
    levels = np.minimum(wave, 62 - wave) * top // 31 + texture * top // 64
    found: NDArray[np.uint16] = np.minimum(levels, top).astype(np.uint16)
    if prod(shape) > 1:
        found[0, 0, 0], found[-1, -1, -1] = 0, top
    return found


def pseudo_random(state: int) -> Iterator[int]:
    """Numbers of 31 bits that are the same anywhere, by C's old generator; their low bits are poor."""
    while True:
        state = (1103515245 * state + 12345) % 2**31
        yield state
