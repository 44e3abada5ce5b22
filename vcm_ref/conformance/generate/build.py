"""From what a vector is to hold, to its bytes: headers as they are given, samples that follow from their place."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.digest import tensor_digest, tensors_digest
from ...bitstream.geometry import SubstreamGeometry, layer_shapes, substream_geometries, tensor_shapes
from ...bitstream.headers import (
    GroupHeader,
    LevelFormat,
    Model,
    PictureDigests,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    UserData,
    format_of_levels,
    has_choice,
)
from ...bitstream.levels import Level, level_for, needs_of, profile_for, together
from ...bitstream.stream import BitstreamWriter, CodedGroup
from ...bitstream.substreams import to_inner_stream, to_substream
from ...bitstream.values import (
    Allocation,
    Grid,
    InnerCodecId,
    IntegerTensor,
    Layer,
    Mode,
    ModelSource,
    Packing,
    RangeScope,
    ReorderCoding,
    Shape,
    ValueRange,
)
from ...codec import EncoderName, make_decoder, make_encoder
from ...codec.coefficients import LevelCodec
from ...codec.level_codecs import level_codecs
from ...conversion.chain import Chain, Side, to_picture_header
from ...conversion.reduction import Stage
from ...process.together import run_together

Range = tuple[float, float]
CODECS: dict[InnerCodecId, EncoderName] = {
    InnerCodecId.LOSSLESS: "lossless",
    InnerCodecId.HEVC: "hevc",
    InnerCodecId.VVC: "vvenc",
}


@dataclass(frozen=True)
class Tensor:
    """One layer of a plan and how it is coded; ``own`` replaces members of the plan for it alone."""

    name: str
    shape: Shape
    grid: Grid = field(default_factory=lambda: Grid(1, 1))
    mode: Mode = Mode.AI
    qp: int | None = None
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The content of a bitstream. ``sizes`` are (height, width) of each group and then of its layers, if not one group
    with the layers' own; ``group`` is the number of pictures in each; ``ranges`` are used in turn; ``order`` is
    shuffled, identity or reversed, and the same in each picture if ``same``; ``encode`` codes the frames of a substream
    in place of ``encoder``; ``coded`` says how tensors are coded where stages do not give one
    for each layer: their shapes do not count; ``values`` gives the levels of a tensor, from its shape and a number."""

    layers: Sequence[Tensor]
    coded: Sequence[Tensor] = ()
    bit_depth: int = 8
    codec: InnerCodecId = InnerCodecId.LOSSLESS
    packing: Packing = Packing.FRAMES
    allocation: Allocation = Allocation.FRAME_MAJOR
    scope: RangeScope = RangeScope.TENSOR
    ranges: Sequence[Range] = ((-1.5, 6.0), (0.0, 1.0), (-3.25, -0.5))
    reorder: ReorderCoding = ReorderCoding.NONE
    order: str = "shuffled"
    digest_length: int = 8
    t2_digest: bool = False
    stages: Sequence[Stage] = ()
    group: int = 1
    same: bool = False
    models: Sequence[Model] = ()
    user_data: UserData | None = None
    extension: bytes = b""
    sizes: Sequence[Sequence[tuple[int, int]]] = ()
    picture_size: tuple[int, int] = (64, 96)
    levels: LevelFormat = field(default_factory=LevelFormat)
    values: Callable[[Shape, int], NDArray[np.int32]] | None = None
    encoder: EncoderName | None = None
    encode: Callable[[NDArray[np.uint16]], bytes] | None = None
    preset: str | None = None
    qp: int = 32
    profile: int | None = None
    level: int | None = None
    flat: bool = False


def build(plan: Plan) -> bytes:
    """The bitstream of a plan. Where it does not say a profile or level, they are the lowest that allow it."""
    header = stream_header(plan)
    own = [plan.picture_size, *(layer.shape[1:] for layer in plan.layers)]
    groups = [
        _group(plan, header, GroupHeader(*size, list(sizes), [], plan.extension), number)
        for number, (size, *sizes) in enumerate(plan.sizes or [own])
    ]
    return written(header, groups, plan)


def stream_header(plan: Plan) -> StreamHeader:
    """The stream header of a plan, but for its level."""
    layers = [Layer(layer.name, layer.shape[0]) for layer in plan.layers]
    header = StreamHeader(
        digest_length=plan.digest_length,
        t2_digest=plan.t2_digest and plan.digest_length > 0 and len(plan.stages) > 0,
        layers=layers,
        stages=list(plan.stages),
        extension=plan.extension,
    )
    header.tensors = [
        _tensor(replace(plan, **layer.own), layer, tensor.channels)
        for layer, tensor in zip(plan.coded or plan.layers, header.coded, strict=True)
    ]
    codecs = {tensor.format.inner_codec for tensor in header.tensors}
    header.profile = (profile_for(codecs) or 0) if plan.profile is None else plan.profile
    return header


def _tensor(plan: Plan, layer: Tensor, channels: int) -> TensorHeader:
    if plan.codec == InnerCodecId.COEFFICIENTS:
        return TensorHeader(format_of_levels(plan.levels))
    form = TensorFormat(
        plan.bit_depth,
        plan.codec,
        plan.scope,
        plan.reorder,
        plan.packing,
        plan.ranges[0] if plan.scope == RangeScope.FIXED else (0.0, 0.0),
    )
    allocation = plan.allocation if has_choice(layer.grid, channels) else Allocation.FRAME_MAJOR
    return TensorHeader(form, layer.grid, allocation, Mode.AI if plan.codec == InnerCodecId.LOSSLESS else layer.mode)


def written(header: StreamHeader, groups: Sequence[CodedGroup], plan: Plan | None = None) -> bytes:
    """A bitstream of these groups; the models and user data of ``plan`` stand before the first."""
    needs, models = Level(), _in_force(plan.models if plan else ()).values()
    for group in groups:
        needs = together(needs, needs_of(header, group.header, models))
    header.level = plan.level if plan and plan.level is not None else level_for(needs)
    file = io.BytesIO()
    writer = BitstreamWriter(file, header)
    for model in plan.models if plan else ():
        writer.write_model(model)
    if plan and plan.user_data is not None:
        writer.write_user_data(plan.user_data)
    for group in groups:
        writer.write(group)
    writer.close()
    return file.getvalue()


def _group(plan: Plan, header: StreamHeader, group: GroupHeader, number: int) -> CodedGroup:
    chain = Chain(header, _in_force(plan.models))
    group.pictures = [PictureHeader()] * plan.group
    shapes = tensor_shapes(header, group)
    first = number * plan.group
    tensors = [
        [
            _integers(plan, shape, tensor.format, 3 * picture + place)
            for place, (shape, tensor) in enumerate(zip(shapes, header.tensors, strict=True))
        ]
        for picture in range(first, first + plan.group)
    ]
    sides = [_side(plan, header, 0 if plan.same else picture) for picture in range(first, first + plan.group)]
    group.pictures = [to_picture_header(header, side) for side in sides]
    frames = [chain.to_frames(own, side.orders) for own, side in zip(tensors, sides, strict=True)]
    clips = [np.concatenate(own) for own in zip(*frames, strict=True)]
    geometries = substream_geometries(header, group)
    qps = [(plan.coded or plan.layers)[members[0]].qp for members in header.substreams]
    codecs = level_codecs(header, _in_force(plan.models))
    own_codecs = [codecs.get(members[0]) for members in header.substreams]
    jobs = [partial(_coded, plan, *job) for job in zip(clips, geometries, qps, own_codecs, strict=True)]
    coded = [result for result, _ in run_together(jobs)]
    digests = []
    planes = [np.split(decoded, plan.group) for _, decoded in coded]
    for own, side in zip(zip(*planes, strict=True), sides, strict=True):
        found = chain.to_tensors(own, shapes, side.orders)
        t1 = [tensor_digest(name, q)[: plan.digest_length] for name, q in found.items()]
        t2 = b""
        if header.t2_digest:
            t2 = tensors_digest(chain.to_layers(found, side.ranges, layer_shapes(header, group)))[: plan.digest_length]
        digests.append(PictureDigests(t1, t2))
    return CodedGroup(group, [substream for substream, _ in coded], digests if plan.digest_length else [])


def _in_force(models: Sequence[Model]) -> dict[int, Model]:
    """Models by their numbers, with the bytes that they refer to."""
    found: dict[int, Model] = {}
    data = {hashlib.sha256(model.data).digest(): model.data for model in models if model.source == ModelSource.DATA}
    for model in models:
        found[model.number] = replace(model, data=data.get(model.digest, model.data))
    return found


def _integers(plan: Plan, shape: Shape, form: TensorFormat, seed: int) -> IntegerTensor:
    """Samples or levels of one tensor."""
    if form.levels is not None:
        return (plan.values or some_levels)(shape, seed)
    return np.zeros(shape, np.uint16) if plan.flat else samples(shape, form.bit_depth, seed)


def _side(plan: Plan, header: StreamHeader, number: int) -> Side:
    """Ranges taken in turn, and orders."""
    ranges, orders = [], []
    for place, (layer, tensor) in enumerate(zip(header.coded, header.tensors, strict=True)):
        scope = tensor.format.range_scope
        count, first = layer.channels if scope == RangeScope.CHANNEL else 1, number
        if scope == RangeScope.TENSOR:
            first += place
        if scope == RangeScope.FIXED:
            first = 0
        pairs = np.array([plan.ranges[(first + at) % len(plan.ranges)] for at in range(count)], np.float32)
        ranges.append(ValueRange(pairs[:, 0].copy(), pairs[:, 1].copy()))
        reordered = tensor.format.reorder_coding != ReorderCoding.NONE
        orders.append(_order(plan.order if reordered else "identity", layer.channels, number))
    return Side(ranges, orders)


def _coded(
    plan: Plan, clip: IntegerTensor, geometry: SubstreamGeometry, qp: int | None, codec: LevelCodec | None
) -> tuple[Substream, IntegerTensor]:
    """One substream, and what a decoder makes of it."""
    form = geometry.tensor.format
    if codec is not None:
        levels = clip.astype(np.int32, copy=False)
        return Substream(level_data=codec.encode(levels)), levels
    clip = clip.astype(np.uint16, copy=False)
    name = CODECS[form.inner_codec]
    preset = plan.preset if name == "vvenc" else None
    if plan.encode:
        coded = plan.encode(clip)
    else:
        encoder = make_encoder(plan.encoder or name, bit_depth=form.bit_depth, preset=preset)
        mode = Mode.RA if geometry.tensor.mode == Mode.LD else geometry.tensor.mode
        coded = encoder.encode(clip, mode, plan.qp if qp is None else qp)
    stored = to_substream(form.inner_codec, coded)
    count, height, width = clip.shape
    stream = to_inner_stream(form.inner_codec, stored)
    return stored, make_decoder(form.inner_codec).decode(stream, count, height, width, form.inner_bit_depth)


def _order(order: str, channels: int, number: int) -> NDArray[np.intp]:
    identity = np.arange(channels)
    if order == "identity":
        return identity
    if order == "reversed":
        return identity[::-1].copy()
    return np.argsort((identity * (7919 + 1237 * number) + 5) % 10007, kind="stable")


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


def some_levels(shape: Shape, seed: int) -> NDArray[np.int32]:
    """Levels ``(C, H, W)`` that fall from component to component, with some larger ones; the last is not 0."""
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    texture = (7 * x + 5 * y + 11 * c + 3 * seed + x * y) % 13
    size = 6 // (1 + c // 3) + np.where((x + 2 * y + seed) % 17 == 0, 20, 0) // (1 + c)
    levels = (texture % (2 * size + 1) - size) * (texture != 5)
    found: NDArray[np.int32] = levels.astype(np.int32)
    found[-1, -1, -1] = -1
    return found


def pseudo_random(state: int) -> Iterator[int]:
    """Numbers of 31 bits that are the same anywhere, by C's old generator; their low bits are poor."""
    while True:
        state = (1103515245 * state + 12345) % 2**31
        yield state
