"""Joining bitstreams of single layers into one of all layers (docs/bitstream.md, clause 5).

A layer's substream does not depend on other layers, so layers coded one by one and joined give the bitstream that
coding them together gives, byte for byte. Two things are of all layers at once and cannot be joined: the tiled
arrangement, and one range for the whole picture.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from ..errors import BitstreamError
from .elements import Part
from .stream import BitstreamReader, BitstreamWriter, CodedPicture
from .syntax import PictureHeader, StreamHeader
from .values import Arrangement, RangeScope


def can_join(arrangement: Arrangement, range_scope: RangeScope) -> bool:
    """Whether bitstreams coded so have nothing that is of all layers at once."""
    return arrangement != Arrangement.TILED and range_scope != RangeScope.PICTURE


def join_layers(file: BinaryIO, parts: Sequence[bytes]) -> Counter[Part]:
    """Write to ``file`` (binary, seekable) the bitstream with the layers of ``parts``, in their order.

    One part is written again as it is. Returns the bits by part of the rate. Raises :class:`BitstreamError` for parts
    that are not conformant, or do not belong together: of other pictures, coded in another way, with a layer of the
    same name.
    """
    readers = [BitstreamReader(io.BytesIO(part)) for part in parts]
    writer = BitstreamWriter(file, _stream_header([reader.header for reader in readers]))
    try:
        for pictures in zip(*(reader.pictures() for reader in readers), strict=True):
            writer.write(_joined(pictures))
    except ValueError as error:  # what zip says where one is shorter
        raise BitstreamError("the parts do not have the same number of pictures") from error
    writer.close()
    return writer.part_bits


def _stream_header(headers: Sequence[StreamHeader]) -> StreamHeader:
    first = headers[0]
    if len(headers) > 1 and not can_join(first.arrangement, first.range_scope):
        raise BitstreamError("what is coded for all layers at once, tiled or with one range, cannot be joined")
    for header in headers[1:]:
        if replace(header, layers=first.layers, level=first.level) != first:
            raise BitstreamError("the parts are not coded in the same way")
    layers = [layer for header in headers for layer in header.layers]
    if len({layer.name for layer in layers}) < len(layers):
        raise BitstreamError("two of the parts have a layer of the same name")
    return replace(first, layers=layers)


def _joined(pictures: Sequence[CodedPicture]) -> CodedPicture:
    first = pictures[0].header
    if any((picture.header.height, picture.header.width) != (first.height, first.width) for picture in pictures):
        raise BitstreamError("the parts are of pictures of different sizes")
    layers = [layer for picture in pictures for layer in picture.header.layers]
    return CodedPicture(
        PictureHeader(first.height, first.width, first.ranges, layers),
        [substream for picture in pictures for substream in picture.substreams],
        [digest for picture in pictures for digest in picture.digests],
    )
