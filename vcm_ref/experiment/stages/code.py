"""Coding: from features, or from a picture, to a bitstream."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import replace

from ...codec.picture import PictureCoder
from ...configuration import Configuration
from ...encoder import Encoder
from ...errors import DatasetError
from ..records import Record
from .values import Coded, Extracted, Picture, stage


@stage
def code(extracted: Extracted, layers: tuple[str, ...], tree: Record) -> Coded:
    """The bitstream of some layers of a picture, coded as ``tree``, an effective configuration, says."""
    features = extracted.features
    some = replace(features, layers={name: features.layers[name] for name in layers})
    file = io.BytesIO()
    start = time.perf_counter()
    encoder = Encoder(Configuration(tree), file)
    report = encoder.encode(some)
    encoder.close()
    seconds = time.perf_counter() - start - report.stage_seconds
    assert report.rhee2022_bits is not None
    return Coded(file.getvalue(), report.rhee2022_bits, seconds, report.stage_seconds, report.han2022_bits)


@stage
def code_group(extracted: Sequence[Extracted], tree: Record) -> Coded:
    """The bitstream of a group of pictures, coded as ``tree``, an effective configuration, says."""
    file = io.BytesIO()
    start = time.perf_counter()
    encoder = Encoder(Configuration(tree), file)
    report = encoder.encode(*(one.features for one in extracted))
    encoder.close()
    seconds = time.perf_counter() - start - report.stage_seconds
    assert report.rhee2022_bits is not None
    return Coded(file.getvalue(), report.rhee2022_bits, seconds, report.stage_seconds)


@stage
def code_pictures(coder: PictureCoder, qp: int, pictures: Sequence[Picture]) -> Coded:
    """The pictures of a group themselves as one inner stream."""
    images = [picture.samples() for picture in pictures]
    if len({image.shape for image in images}) > 1:
        raise DatasetError("pictures coded as one group must have the same size")
    start = time.perf_counter()
    stream = coder.encode_sequence(images, qp)
    return Coded(stream, 8 * len(stream), time.perf_counter() - start)


@stage
def code_picture(coder: PictureCoder, qp: int, picture: Picture) -> Coded:
    """The picture itself as one inner stream. Its rate is the stream's, as in MPEG's image anchor."""
    image = picture.samples()
    start = time.perf_counter()
    stream = coder.encode(image, qp)
    return Coded(stream, 8 * len(stream), time.perf_counter() - start)
