"""The encoding process: feature tensors, conversion, frames, inner codec, substreams, bitstream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bitstream.digest import tensor_digest
from .bitstream.geometry import coded_size
from .bitstream.levels import level_for, needs_of
from .bitstream.stream import BitstreamWriter, CodedPicture
from .bitstream.substreams import to_inner_stream, to_substream
from .bitstream.syntax import Substream
from .bitstream.values import Mode, ReorderCoding, ValueRange
from .configuration import Configuration
from .conversion.arrangement import arrange, restore
from .conversion.depth import lower_depth, raise_depth
from .conversion.order import channel_order
from .conversion.quantisation import measure_ranges, quantise
from .errors import DatasetError
from .feature_set import FeatureSet
from .process.together import run_together
from .report import PictureReport, substream_reports
from .settings import CodingSettings, check_features, settings_for
from .side_information import layer_sizes, to_picture_header

#: The first seed counts 8 bits for each channel index.
SEED_INDEX_BITS = 8


class _Coded(NamedTuple):
    """One substream: as the codec wrote it (its size), as it is stored, and decoded again where a digest is due."""

    inner_bytes: int
    stored: Substream
    decoded: NDArray[np.uint16] | None


class ConvertedPicture(NamedTuple):
    """One picture after conversion: each layer's range and channel order, each substream's frames.

    Frames are uint16 ``(F, H, W)`` of the inner bit depth, at their coded size.
    """

    ranges: list[ValueRange]
    orders: list[NDArray[np.intp]]
    frames: list[NDArray[np.uint16]]


class Encoder:
    """Codes feature sets, one picture after another, into one bitstream (docs/bitstream.md, clause 5).

    ``file`` is binary and seekable. Call :meth:`encode` for each picture, then :meth:`close`.
    """

    def __init__(
        self, configuration: Configuration, file: BinaryIO, progress: Callable[[float], None] = lambda share: None
    ) -> None:
        """``progress`` is told of each part of a picture's samples that has been coded."""
        self._progress = progress
        self.configuration = configuration
        self.file = file
        self._settings: CodingSettings | None = None
        self._writer: BitstreamWriter | None = None

    @property
    def settings(self) -> CodingSettings:
        """What the first picture's layers and the configuration came to."""
        assert self._settings is not None, "no picture has been coded yet"
        return self._settings

    @property
    def writer(self) -> BitstreamWriter:
        """The bitstream so far."""
        assert self._writer is not None, "no picture has been coded yet"
        return self._writer

    def encode(self, features: FeatureSet) -> PictureReport:
        """Code one picture.

        Raises :class:`~vcm_ref.errors.ConfigError` where the configuration does not fit the layers,
        :class:`DatasetError` for NaN, infinity, or layers other than the first picture's,
        :class:`~vcm_ref.errors.CodecError` where the inner codec fails.
        """
        converted = self.convert(features)
        coded = self._code(converted.frames)
        converted.frames.clear()  # half the tensors' size, which the decoded ones now take
        digests = _t1_digests(self.settings, features, converted.orders, [substream.decoded for substream, _ in coded])
        picture = CodedPicture(
            to_picture_header(self.settings.header, features, converted.ranges, converted.orders),
            [substream.stored for substream, _ in coded],
            [digest[: self.settings.header.digest_length] for digest in digests],
        )
        self.writer.write(picture)
        return _report(self.settings, features, picture, coded, digests)

    def convert(self, features: FeatureSet) -> ConvertedPicture:
        """Conversion alone: ranges, quantisation, channel order, arrangement in frames."""
        settings = self._start(features)
        header = settings.header
        ranges = measure_ranges(features.layers, header.range_scope, settings.fixed_range)
        quantised = [
            quantise(layer, value_range, header.bit_depth, settings.rounding)
            for layer, value_range in zip(features.layers.values(), ranges, strict=True)
        ]
        orders = [
            channel_order(q, settings.order_method, bit_depth=header.bit_depth, sums=sums) for q, sums in quantised
        ]
        frames = arrange(
            [q for q, _ in quantised],
            orders,
            settings.grids,
            header.arrangement,
            header.allocation,
            coded_size=partial(coded_size, header.inner_codec),
        )
        inner_frames = [raise_depth(clip, header.bit_depth, settings.inner_bit_depth) for clip in frames]
        return ConvertedPicture(ranges, orders, inner_frames)

    def close(self) -> None:
        """Complete the bitstream."""
        self.writer.close()

    def _code(self, frames: list[NDArray[np.uint16]]) -> list[tuple[_Coded, float]]:
        samples = sum(clip.size for clip in frames)

        def code(clip: NDArray[np.uint16], mode: Mode, qp: int) -> _Coded:
            coded = _code_substream(self.settings, clip, mode, qp)
            self._progress(clip.size / samples)
            return coded

        jobs = zip(frames, self.settings.modes, self.settings.qps, strict=True)
        return run_together([partial(code, *job) for job in jobs])

    def _start(self, features: FeatureSet) -> CodingSettings:
        check_features(features)
        if self._settings is None:
            self._settings = settings_for(self.configuration, features)
            self._writer = BitstreamWriter(self.file, self._settings.header)
        coded = {layer.name: layer.channels for layer in self._settings.header.layers}
        given = {name: len(layer) for name, layer in features.layers.items()}
        if list(coded.items()) != list(given.items()):
            raise DatasetError(
                f"its layers and their channels are {_told(given)}; those of the first picture are {_told(coded)}; "
                "code it on its own"
            )
        level_for(needs_of(self._settings.header, layer_sizes(features)))  # before any work on what no level allows
        return self._settings


def _code_substream(settings: CodingSettings, frames: NDArray[np.uint16], mode: Mode, qp: int) -> _Coded:
    """Code one substream, and decode what will be stored of it where a digest is due."""
    inner_stream = settings.inner_encoder.encode(frames, mode, qp)
    stored = to_substream(settings.header.inner_codec, inner_stream)
    if settings.verifier is None:
        return _Coded(len(inner_stream), stored, None)
    restored = to_inner_stream(settings.header.inner_codec, stored)
    count, height, width = frames.shape
    decoded = settings.verifier.decode(restored, count, height, width, settings.inner_bit_depth)
    return _Coded(len(inner_stream), stored, decoded)


def _t1_digests(
    settings: CodingSettings,
    features: FeatureSet,
    orders: list[NDArray[np.intp]],
    decoded: list[NDArray[np.uint16] | None],
) -> list[bytes]:
    """The T1 digest of each layer as a decoder will find it; none where the bitstream carries none."""
    header = settings.header
    frames = [lower_depth(clip, header.bit_depth, settings.inner_bit_depth) for clip in decoded if clip is not None]
    if not frames:
        return []
    shapes = [layer.shape for layer in features.layers.values()]
    quantised = restore(frames, shapes, orders, settings.grids, header.arrangement, header.allocation)
    return [tensor_digest(name, q) for name, q in zip(features.layers, quantised, strict=True)]


def _report(
    settings: CodingSettings,
    features: FeatureSet,
    picture: CodedPicture,
    coded: list[tuple[_Coded, float]],
    digests: list[bytes],
) -> PictureReport:
    header = settings.header
    inner_bytes = [substream.inner_bytes for substream, _ in coded]
    reordered = header.reorder_coding != ReorderCoding.NONE
    indices = sum(layer.channels for layer in header.layers) if reordered else 0
    return PictureReport(
        features.height,
        features.width,
        substream_reports(header, picture, inner_bytes, [seconds for _, seconds in coded]),
        picture.part_bits,
        {name: digest.hex() for name, digest in zip(features.layers, digests, strict=False)},
        seed_bits=8 * sum(inner_bytes) + SEED_INDEX_BITS * indices,
    )


def _told(channels: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in channels.items())
