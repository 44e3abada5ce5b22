"""The encoding process: feature tensors, conversion, frames, inner codec, substreams, bitstream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bitstream.digest import tensor_digest, tensors_digest
from .bitstream.geometry import SubstreamGeometry, substream_geometries, tensor_shapes
from .bitstream.headers import GroupHeader, PictureDigests, StreamHeader, Substream, names
from .bitstream.levels import Level, level_for, levels, needs_of, together
from .bitstream.stream import BitstreamWriter, CodedGroup
from .bitstream.substreams import to_inner_stream, to_substream
from .bitstream.values import InnerCodecId, IntegerTensor, ReorderCoding
from .codec import InnerDecoder, InnerEncoder
from .codec.coefficients import LevelCodec
from .configuration import Configuration
from .conversion.chain import Chain, ConvertedPicture, split_pictures, to_picture_header
from .encoding.settings import CodingSettings, check_features, settings_for
from .errors import DatasetError
from .feature_set import FeatureSet
from .process.together import run_together
from .reporting.report import PictureReport, plain_bits, substream_reports

#: Rhee, Lee, Kim 2022 count 8 bits for each channel index.
RHEE2022_INDEX_BITS = 8


class _Coded(NamedTuple):
    """One substream: as the codec wrote it (its size), as it is stored, and decoded again where a digest is due.

    Levels are what they were, and are not decoded again.
    """

    inner_bytes: int
    stored: Substream
    decoded: IntegerTensor | None


class Encoder:
    """Codes feature sets, one group of pictures after another, into one bitstream (docs/bitstream.md, clause 5).

    ``file`` is binary; a pipe will do. Call :meth:`encode` for each group, then :meth:`close`.
    """

    def __init__(
        self, configuration: Configuration, file: BinaryIO, progress: Callable[[float], None] = lambda share: None
    ) -> None:
        """``progress`` is told of each part of a group's samples that has been coded."""
        self._progress = progress
        self.configuration = configuration
        self.file = file
        self._settings: CodingSettings | None = None
        self._writer: BitstreamWriter | None = None
        self._needs = Level()

    @property
    def settings(self) -> CodingSettings:
        """The settings that the first picture's layers and the configuration came to."""
        assert self._settings is not None, "no picture has been converted yet"
        return self._settings

    @property
    def writer(self) -> BitstreamWriter:
        """The bitstream so far."""
        assert self._writer is not None, "no picture has been coded yet"
        return self._writer

    def encode(self, *pictures: FeatureSet) -> PictureReport:
        """Code one group of pictures, together where the inner codec predicts frames from each other.

        Raises :class:`~vcm_ref.errors.ConfigError` where the configuration does not fit the layers, or the group needs
        more than the level allows; :class:`DatasetError` for NaN, infinity, layers other than the first picture's, or
        pictures of one group of different sizes; :class:`~vcm_ref.errors.CodecError` where the inner codec fails.
        """
        group = self._group_of(pictures)
        reduced_s = self._chain.reduction_s
        converted = self._convert_group(pictures)
        reduced_s = self._chain.reduction_s - reduced_s
        header = self.settings.header
        group.pictures = [to_picture_header(header, picture.side) for picture in converted]
        writer = self._writer_for(group)
        geometries = substream_geometries(header, group)
        as_differences = {
            number: [picture.as_differences[number] for picture in converted] for number in self.settings.level_codecs
        }
        coded = self._code(_joined(converted), geometries, as_differences)
        digests = self._digests(group, converted, [substream.decoded for substream, _ in coded])
        leading = [_leading(header, digest) for digest in digests]
        coded_group = CodedGroup(group, [substream.stored for substream, _ in coded], leading)
        writer.write(coded_group)
        return _report(header, coded_group, coded, digests, reduced_s)

    def convert(self, features: FeatureSet) -> ConvertedPicture:
        """Conversion alone, which writes nothing: reduction, ranges, quantisation, channel order, packing."""
        return self._convert(features, None)

    def _convert(self, features: FeatureSet, before: ConvertedPicture | None) -> ConvertedPicture:
        """The same behind the picture before in the group."""
        settings = self._settings_for(features)
        levels = {} if before is None else self._chain.levels_of(before)
        return self._chain.forward(features.layers, settings.choices, covered=features.covered, before=levels)

    def _convert_group(self, pictures: Sequence[FeatureSet]) -> list[ConvertedPicture]:
        if len(pictures) > 1 and self.configuration.get("group_parameters") == "common":
            layers = [features.layers for features in pictures]
            return self._chain.forward_group(layers, self.settings.choices, pictures[0].covered)
        made: list[ConvertedPicture] = []
        for features in pictures:
            made.append(self._convert(features, made[-1] if made else None))
        return made

    def close(self) -> None:
        """Complete the bitstream."""
        self.writer.close()

    def _group_of(self, pictures: Sequence[FeatureSet]) -> GroupHeader:
        """The sizes of a group. Raises :class:`DatasetError` where its pictures differ in them."""
        for features in pictures:
            self._settings_for(features)
        first = pictures[0]
        sizes = [layer.shape[1:] for layer in first.layers.values()]
        for other in pictures[1:]:
            same = (other.height, other.width) == (first.height, first.width)
            if not same or [layer.shape[1:] for layer in other.layers.values()] != sizes:
                raise DatasetError("pictures coded as one group must have the same size, and so must their layers")
        return GroupHeader(first.height, first.width, [(height, width) for height, width in sizes])

    def _writer_for(self, group: GroupHeader) -> BitstreamWriter:
        """The writer, with the level declared: the configuration's, or the lowest that the first group needs."""
        header = self.settings.header
        needs = together(self._needs, needs_of(header, group, self.settings.models))
        if self._writer is None:
            lowest = level_for(needs)
            header.level = self.configuration.get("level") or lowest
        for name, needed, allowed in levels()[header.level - 1].exceeded_by(needs):
            raise self.configuration.error(
                "level",
                f"level {header.level} allows {name} {allowed}, and {needed} are needed; declare a higher level",
            )
        self._needs = needs
        if self._writer is None:
            self._writer = BitstreamWriter(self.file, header)
            for model in self.settings.models:
                self._writer.write_model(model)
        return self._writer

    def _code(
        self,
        frames: list[IntegerTensor],
        geometries: list[SubstreamGeometry],
        as_differences: Mapping[int, Sequence[bool]],
    ) -> list[tuple[_Coded, float]]:
        samples = sum(clip.size for clip in frames)
        header = self.settings.header

        def code(
            clip: IntegerTensor, geometry: SubstreamGeometry, encoder: InnerEncoder | None, qp: int, members: list[int]
        ) -> _Coded:
            if encoder is None:
                coded = _code_levels(
                    self.settings.level_codecs[members[0]],
                    clip.astype(np.int32, copy=False),
                    as_differences[members[0]],
                    bool(header.digest_length),
                )
            else:
                verifier = self.settings.verifiers.get(encoder.codec_id)
                coded = _code_substream(encoder, verifier, clip.astype(np.uint16, copy=False), geometry, qp)
            self._progress(clip.size / samples)
            return coded

        jobs = zip(frames, geometries, self.settings.inner_encoders, self.settings.qps, header.substreams, strict=True)
        return run_together([partial(code, *job) for job in jobs])

    def _settings_for(self, features: FeatureSet) -> CodingSettings:
        check_features(features)
        if self._settings is None:
            self._settings = settings_for(self.configuration, features)
            models = {model.number: model for model in self._settings.models}
            self._chain = Chain(self._settings.header, models)
        coded = {layer.name: layer.channels for layer in self._settings.header.layers}
        given = {name: len(layer) for name, layer in features.layers.items()}
        if list(coded.items()) != list(given.items()):
            raise DatasetError(
                f"its layers and their channels are {_told(given)}, but the first picture's are {_told(coded)}; "
                "code it on its own"
            )
        return self._settings

    def _digests(
        self, group: GroupHeader, converted: list[ConvertedPicture], decoded: list[IntegerTensor | None]
    ) -> list[PictureDigests]:
        """The digests of each picture as a decoder will find them; none where the bitstream carries none."""
        header = self.settings.header
        planes = [clip for clip in decoded if clip is not None]
        if not planes:
            return []
        shapes = tensor_shapes(header, group)
        layers = [(layer.channels, *size) for layer, size in zip(header.layers, group.sizes, strict=True)]
        found = []
        for picture, own in zip(converted, split_pictures(planes, len(converted)), strict=True):
            tensors = self._chain.to_tensors(own, shapes, picture.side.orders)
            t1 = [tensor_digest(name, q) for name, q in tensors.items()]
            restored = self._chain.to_layers(tensors, picture.side.ranges, layers) if header.t2_digest else {}
            found.append(PictureDigests(t1, tensors_digest(restored) if header.t2_digest else b""))
        return found


def _joined(converted: list[ConvertedPicture]) -> list[IntegerTensor]:
    """The frames of each substream, picture after picture; the pictures' own are let go, to save memory."""
    clips = [picture.frames for picture in converted]
    joined = clips[0] if len(clips) == 1 else [np.concatenate(own) for own in zip(*clips, strict=True)]
    for picture in converted:
        picture.frames = []
    return joined


def _code_levels(codec: LevelCodec, levels: NDArray[np.int32], as_differences: Sequence[bool], digests: bool) -> _Coded:
    stream = codec.encode(levels, as_differences)
    return _Coded(len(stream), to_substream(InnerCodecId.COEFFICIENTS, stream), levels if digests else None)


def _code_substream(
    encoder: InnerEncoder,
    verifier: InnerDecoder | None,
    frames: NDArray[np.uint16],
    geometry: SubstreamGeometry,
    qp: int,
) -> _Coded:
    """Code one substream, and decode what will be stored of it where a digest is due."""
    codec = geometry.tensor.format.inner_codec
    inner_stream = encoder.encode(frames, geometry.tensor.mode, qp)
    stored = to_substream(codec, inner_stream)
    if verifier is None:
        return _Coded(len(inner_stream), stored, None)
    count, height, width = frames.shape
    decoded = verifier.decode(to_inner_stream(codec, stored), count, height, width, geometry.inner_bit_depth)
    return _Coded(len(inner_stream), stored, decoded)


def _leading(header: StreamHeader, digests: PictureDigests) -> PictureDigests:
    length = header.digest_length
    return PictureDigests([digest[:length] for digest in digests.t1], digests.t2[:length])


def _report(
    header: StreamHeader,
    group: CodedGroup,
    coded: list[tuple[_Coded, float]],
    digests: list[PictureDigests],
    reduced_s: float,
) -> PictureReport:
    inner_bytes = [substream.inner_bytes for substream, _ in coded]
    indices = sum(
        layer.channels
        for layer, tensor in zip(header.coded, header.tensors, strict=True)
        if tensor.format.reorder_coding != ReorderCoding.NONE
    )
    pictures = len(group.header.pictures)
    t1 = [dict(zip(names(header.coded), [digest.hex() for digest in own.t1], strict=True)) for own in digests]
    return PictureReport(
        group.header.height,
        group.header.width,
        substream_reports(header, group, inner_bytes, [seconds for _, seconds in coded]),
        group.part_bits,
        t1[0] if t1 else {},
        rhee2022_bits=8 * sum(inner_bytes) + RHEE2022_INDEX_BITS * indices * pictures,
        pictures=pictures,
        later_t1_digests=t1[1:],
        han2022_bits=plain_bits(header, group),
        stage_seconds=reduced_s,
    )


def _told(channels: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in channels.items())
