"""Joining bitstreams of single layers into one of all layers (docs/bitstream.md, clause 5).

A tensor's substream does not depend on other tensors, so layers coded one by one and joined give the bitstream that
coding them together gives, byte for byte. Some things are of all layers at once and cannot be joined: stacked packing,
one range for the whole picture, reduction stages.
"""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from ..errors import BitstreamError
from .elements import Part
from .headers import GroupHeader, PictureDigests, PictureHeader, StreamHeader
from .levels import Level, level_for, needs_of, profile_for, together
from .stream import BitstreamReader, BitstreamWriter, CodedGroup
from .values import Packing, RangeScope


def can_join(packing: Packing, range_scope: RangeScope) -> bool:
    """Whether bitstreams coded so have nothing that is of all layers at once."""
    return packing != Packing.STACKED and range_scope != RangeScope.PICTURE


def join_layers(file: BinaryIO, parts: Sequence[bytes]) -> Counter[Part]:
    """Write to ``file`` (binary) the bitstream with the layers of ``parts``, in their order.

    One part is written as it is, with its models and all its digests. Returns the bits by part of the rate. The level
    is the highest of the parts, or what they need together. Raises :class:`BitstreamError` for parts that are not
    conformant, or do not belong together: of other pictures, with other digests, with a layer of the same name.
    """
    readers = [BitstreamReader(io.BytesIO(part)) for part in parts]
    if len(parts) == 1:
        (reader,) = readers
        deque(reader.groups(), 0)
        file.write(parts[0])
        return reader.part_bits
    header = _stream_header([reader.header for reader in readers])
    try:
        groups = [_joined(parts) for parts in zip(*(reader.groups() for reader in readers), strict=True)]
    except ValueError as error:  # what zip says where one is shorter
        raise BitstreamError("the parts do not have the same number of pictures") from error
    needs = Level()
    for group in groups:
        needs = together(needs, needs_of(header, group.header))
    header.level = max(level_for(needs), *(reader.header.level for reader in readers))
    writer = BitstreamWriter(file, header)
    for group in groups:
        writer.write(group)
    writer.close()
    return writer.part_bits


def _stream_header(headers: Sequence[StreamHeader]) -> StreamHeader:
    first = headers[0]
    if not all(_joinable(header) for header in headers):
        raise BitstreamError(
            "the layers are coded together (stacked, reduced, or with one range), so they cannot be joined"
        )
    for header in headers[1:]:
        other = replace(header, layers=first.layers, tensors=first.tensors, level=first.level, profile=first.profile)
        if other != first:
            raise BitstreamError("the parts are not coded in the same way")
    layers = [layer for header in headers for layer in header.layers]
    if len({layer.name for layer in layers}) < len(layers):
        raise BitstreamError("two of the parts have a layer of the same name")
    tensors = [tensor for header in headers for tensor in header.tensors]
    profile = profile_for(tensor.format.inner_codec for tensor in tensors)
    return replace(first, layers=layers, tensors=tensors, profile=first.profile if profile is None else profile)


def _joinable(header: StreamHeader) -> bool:
    formats = [tensor.format for tensor in header.tensors]
    return not header.stages and all(can_join(form.packing, form.range_scope) for form in formats)


def _joined(groups: Sequence[CodedGroup]) -> CodedGroup:
    first = groups[0].header
    for group in groups:
        if (group.header.height, group.header.width) != (first.height, first.width):
            raise BitstreamError("the parts are of pictures of different sizes")
        if len(group.header.pictures) != len(first.pictures):
            raise BitstreamError("the parts do not have the same number of pictures")
    pictures = [
        PictureHeader(own[0].ranges, [tensor for picture in own for tensor in picture.tensors])
        for own in zip(*(group.header.pictures for group in groups), strict=True)
    ]
    digests = [
        PictureDigests([digest for picture in own for digest in picture.t1])
        for own in zip(*(group.digests for group in groups), strict=True)
    ]
    sizes = [size for group in groups for size in group.header.sizes]
    return CodedGroup(
        GroupHeader(first.height, first.width, sizes, pictures, first.extension),
        [substream for group in groups for substream in group.substreams],
        digests,
    )
