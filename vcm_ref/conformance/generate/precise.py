"""Negative vectors that break one rule and are whole otherwise: sizes, data and all that follows fit what is wrong."""

from __future__ import annotations

import bz2
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ...bitstream.headers import (
    GroupHeader,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
)
from ...bitstream.parameter_sets import BitString, to_nal_unit
from ...bitstream.stream import CodedGroup
from ...bitstream.values import Grid, InnerCodecId, Layer, UnitType
from ...conversion.reduction import Resize
from .build import Plan, build
from .case import Variant, family
from .core import plain
from .damage import stored_instead, stored_substream, video
from .edit import LaxBitstreamWriter, RawUnit, elements, flipped, joined, raw_units
from .negative import BROKEN, base, broken
from .payload import lossless


def zeros_of(
    samples: int,
    *,
    layer: Layer | None = None,
    tensor: TensorHeader | None = None,
    size: tuple[int, int] = (2, 2),
    pictures: int = 1,
    stages: Sequence[Resize] = (),
    extension: bytes = b"",
    group_extension: bytes = b"",
) -> bytes:
    """A lossless bitstream of one layer whose substream has so many samples of 0, whatever its headers say."""
    header = StreamHeader(
        level=4,
        layers=[layer or Layer("p2", 4)],
        stages=list(stages),
        tensors=[tensor or TensorHeader(TensorFormat(8), Grid(2, 2))],
        extension=extension,
    )
    picture = PictureHeader([], [TensorPicture([(0.0, 1.0)])])
    group = GroupHeader(8, 8, [size], [picture] * pictures, group_extension)
    file = io.BytesIO()
    writer = LaxBitstreamWriter(file, header)
    writer.write(CodedGroup(group, [Substream(lossless_data=bz2.compress(bytes(samples)))]))
    writer.close()
    return file.getvalue()


@family("PRECISE", "ranges of elements", kind="negative", error=BROKEN)
def precise() -> Iterator[Variant]:
    """{}.

    All that follows fits it, so that nothing but this rule tells.
    """
    eight = TensorFormat(8)
    makes: list[tuple[str, str, Callable[[], bytes]]] = [
        ("name", "A layer's name of 33 characters", partial(zeros_of, 16, layer=Layer("n" * 33, 4))),
        ("channels", "No channels", partial(zeros_of, 0, layer=Layer("p2", 0))),
        ("pictures", "A group of 1025 pictures", partial(zeros_of, 16 * 1025, pictures=1025)),
        ("height", "A layer of no rows", partial(_flat_layer, (0, 1))),
        ("width", "A layer of no columns", partial(_flat_layer, (1, 0))),
        ("remainder", "A grid of 3x1 for 4 channels", partial(zeros_of, 12, tensor=TensorHeader(eight, Grid(3, 1)))),
        ("larger", "A grid of 2x4 for 4 channels", partial(zeros_of, 0, tensor=TensorHeader(eight, Grid(2, 4)))),
        ("shift", "A layer at an eighth of its size", partial(zeros_of, 4, stages=[Resize([3])], size=(8, 8))),
        ("nothing", "A stage RESIZE that resizes nothing", partial(zeros_of, 16, stages=[Resize([0])])),
        ("extension", "An extension of 4096 bytes", partial(zeros_of, 16, extension=bytes(4096))),
        ("groupextension", "The same in a group header", partial(zeros_of, 16, group_extension=bytes(4096))),
    ]
    for label, words, make in makes:
        yield Variant(label, make, (words,))
    yield Variant("version", _no_version, ("A stream header of no bytes, so without a version",))
    for codec in (InnerCodecId.HEVC, InnerCodecId.VVC):
        name = codec.name.lower()
        yield Variant(f"sets_{name}", partial(_nine, codec), (f"Nine parameter sets of {codec.name}",))
    yield Variant("set_of_13_bits", _short_set, ("A parameter set of 13 bits, less than the header of a NAL unit",))
    yield Variant("padding", _padded, ("The last byte of a bzip2 stream is filled with a 1",), clauses=("8.8",))


def _flat_layer(size: tuple[int, int]) -> bytes:
    """Two layers, the second of which has no samples."""
    header = StreamHeader(layers=[Layer("p2", 1), Layer("p3", 1)], tensors=[TensorHeader(TensorFormat(8))] * 2)
    picture = PictureHeader([], [TensorPicture([(0.0, 1.0)])] * 2)
    file = io.BytesIO()
    writer = LaxBitstreamWriter(file, header)
    substreams = [Substream(lossless_data=bz2.compress(bytes(count))) for count in (4, 0)]
    writer.write(CodedGroup(GroupHeader(8, 8, [(2, 2), size], [picture]), substreams))
    writer.close()
    return file.getvalue()


def _no_version() -> bytes:
    return joined([RawUnit(UnitType.STREAM_HEADER, b""), RawUnit(UnitType.DIGEST, b"x"), *raw_units(base())[1:]])


def _nine(codec: InnerCodecId) -> bytes:
    own = stored_substream(codec)
    sets = [*own.parameter_sets, *[own.parameter_sets[-1]] * (9 - len(own.parameter_sets))]
    return stored_instead(video(codec), codec, Substream(sets, own.nal_units))


def _short_set() -> bytes:
    codec = InnerCodecId.HEVC
    own = stored_substream(codec)
    short = to_nal_unit(BitString(34 << 6, 13))
    return stored_instead(video(codec), codec, Substream([*own.parameter_sets, short], own.nal_units))


def _padded() -> bytes:
    """The first of a few bitstreams whose bzip2 stream does not end with a byte."""
    for depth in (8, 7, 6, 5, 4, 3):
        data = lossless(depth)
        element = next(one for one in elements(data) if one.name == "lossless_data")
        assert isinstance(element.value, bytes)
        tail = int.from_bytes(element.value[-11:], "big")
        if tail & (1 << 80) - 1 >> 32 != 0x177245385090:
            return flipped(data, element.bit_offset // 8 + len(element.value) - 1)
    raise AssertionError("every stream ends with a byte")


@family("UNITTYPE", "order of units", kind="negative", error=BROKEN)
def unit_types() -> Iterator[Variant]:
    """Unit {}, {}, says that it is {}.

    A decoder takes units for what is due, whatever their type.
    """
    units = raw_units(base())
    for number, unit in enumerate(units):
        for other in (UnitType.SUBSTREAM, UnitType.GROUP_HEADER, UnitType.DIGEST):
            if unit.unit_type != other and (number < 2 or other != UnitType.GROUP_HEADER):
                changed = [*units[:number], RawUnit(other, unit.payload), *units[number + 1 :]]
                label = f"{number}_{other.name.lower().replace('_', '')}"
                yield broken(partial(joined, changed), number, unit.name, other.name, label=label)


@family("WRONGT2", "digest", kind="negative", error=BROKEN)
def wrong_t2_digests() -> Iterator[Variant]:
    """The {} byte of the T2 digest is wrong.

    The T2 digest is there and is not compared, or only in part.
    """
    for place, words in ((0, "first"), (7, "last")):
        yield Variant(words, partial(_wrong_t2, place), (words,), clauses=("8.7",))


def _wrong_t2(place: int) -> bytes:
    data = build(Plan([plain()], stages=[Resize([1])], t2_digest=True))
    element = next(one for one in elements(data) if one.name == "t2_digest")
    return flipped(data, element.bit_offset // 8 + place)
