"""The decoding process: bitstream, substreams, inner codec, frames, inverse conversion, feature tensors.

docs/bitstream.md, clause 8, in the order of its steps. Imports neither the encoder nor a network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from .bitstream.digest import tensor_digest, tensors_digest
from .bitstream.geometry import SubstreamGeometry, layer_shapes, substream_geometries, tensor_shapes
from .bitstream.headers import Model, PictureDigests, Substream
from .bitstream.limits import DecoderLimits
from .bitstream.recovery import DamagedGroup, RecoveringReader
from .bitstream.stream import BitstreamReader, CodedGroup
from .bitstream.substreams import to_inner_stream
from .bitstream.values import InnerCodecId, IntegerTensor
from .codec import InnerDecoder, make_decoder
from .codec.coefficients import LevelCodec
from .codec.level_codecs import level_codecs
from .conversion.chain import Chain, side_of, split_pictures
from .errors import BitstreamError, CodecError, ModelError
from .feature_set import FeatureSet
from .files.planes_file import GivenPlanes
from .process.together import run_together
from .reporting.report import PictureReport, substream_reports

Backend = Literal["auto", "ffmpeg", "vtm"]
_OWN_CODECS = {InnerCodecId.LOSSLESS: "8.8", InnerCodecId.COEFFICIENTS: "8.10"}


@dataclass(frozen=True)
class DecodedPicture:
    """One decoded picture at the three tiers of agreement.

    ``planes`` (T0): the inner planes uint16 ``(F, H, W)`` of each substream, by its number; levels have none.
    ``quantised`` (T1): each coded tensor ``(C, H, W)``, uint16, or int32 for levels. ``features`` (T2): the restored
    layers, float32. ``report`` is on the whole group for the first of its pictures that was asked for, and empty for
    the others. ``verified`` says whether digests were compared.
    """

    planes: dict[int, IntegerTensor]
    quantised: dict[str, IntegerTensor]
    features: FeatureSet
    report: PictureReport
    verified: bool


class Decoder:
    """Decodes a bitstream, a group of pictures at a time.

    ``file`` is binary. Raises :class:`BitstreamError`, :class:`~vcm_ref.errors.UnsupportedError`,
    :class:`~vcm_ref.errors.LimitError` or :class:`~vcm_ref.errors.CodecError`.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        limits: DecoderLimits | None = None,
        backend: Backend = "auto",
        planes: GivenPlanes | None = None,
        keep_going: bool = False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        """``progress`` is told of each part of a group's samples that has been decoded.

        With ``planes``, tier T0 comes from there and no inner codec is run. With ``keep_going``,
        :meth:`pictures_and_damage` goes on behind damaged groups.
        """
        self.progress = progress
        self.limits = limits or DecoderLimits()
        self.reader = (RecoveringReader if keep_going else BitstreamReader)(file, limits=self.limits)
        self.header = self.reader.header
        self._planes = planes
        self._chain: Chain | None = None
        self._digests: dict[int, bytes] = {}
        self._inner: dict[InnerCodecId, InnerDecoder] = {}
        self._levels: dict[int, LevelCodec] = {}
        if planes is None:
            codecs = {tensor.format.inner_codec for tensor in self.header.tensors}
            for codec in codecs - {InnerCodecId.COEFFICIENTS}:
                self._inner[codec] = make_decoder(
                    codec,
                    backend,
                    time_limit_s=self.limits.inner_seconds,
                    memory_limit=self.limits.inner_bytes,
                )

    def pictures(self, wanted: range | None = None) -> Iterator[DecodedPicture]:
        """The pictures in order, each group decoded when its first is asked for.

        Of ``wanted``, the numbers of pictures, groups that have none of them are parsed and not decoded. Where inner
        planes are given, all pictures must be wanted.
        """
        first = 0
        for coded in self.reader.groups():
            count = len(coded.header.pictures)
            own = range(count) if wanted is None else _overlap(wanted, first, count)
            if own:
                yield from self.decode(coded, own)
            first += count
        if self._planes is not None:
            self._planes.check_end()

    def pictures_and_damage(self, wanted: range) -> Iterator[DecodedPicture | DamagedGroup]:
        """As :meth:`pictures`, but a damaged group is named in its place, and the others are decoded.

        Nothing of a damaged group is given. Needs a decoder that keeps going. The pictures of a group are in memory
        together.
        """
        assert isinstance(self.reader, RecoveringReader), "the decoder was not made to keep going"
        first = 0
        for number, coded in enumerate(self.reader.groups_and_damage()):
            if isinstance(coded, DamagedGroup):
                yield coded
                first += len(coded.pictures or ())
                continue
            count = len(coded.header.pictures)
            own = _overlap(wanted, first, count)
            try:
                yield from list(self.decode(coded, own)) if own else ()
            except (BitstreamError, CodecError) as error:
                yield DamagedGroup(number, range(first, first + count), error)
            first += count

    def decode(self, coded: CodedGroup, wanted: range | None = None) -> Iterator[DecodedPicture]:
        """The pictures of one group that the reader has parsed, or of those the ``wanted`` ones, counted from 0."""
        header, group = self.header, coded.header
        chain = self._chain_for(coded.models)
        decoded = self._decode_substreams(coded)
        reports = substream_reports(header, coded, [None] * len(decoded), [seconds for _, seconds in decoded])
        tensors_shapes, layers_shapes = tensor_shapes(header, group), layer_shapes(header, group)
        pictures = split_pictures([planes for planes, _ in decoded], len(group.pictures))
        numbers = range(len(group.pictures)) if wanted is None else wanted
        for number in numbers:
            picture, planes = group.pictures[number], pictures[number]
            side = side_of(header, picture)
            tensors = chain.to_tensors(planes, tensors_shapes, side.orders)
            digests = _verify_t1(tensors, coded.digests[number] if coded.digests else None)
            restored_s = chain.restoration_s
            layers = chain.to_layers(tensors, side.ranges, layers_shapes)
            restored_s = chain.restoration_s - restored_s
            if header.t2_digest:
                _verify_t2(layers, coded.digests[number])
            leads = number == numbers[0]
            report = PictureReport(
                group.height,
                group.width,
                reports if leads else [],
                coded.part_bits if leads else Counter(),
                digests,
                pictures=len(group.pictures) if leads else 0,
                stage_cost=chain.cost(layers_shapes),
                stage_seconds=restored_s,
            )
            features = FeatureSet(group.height, group.width, layers)
            t0 = {place: own for place, own in enumerate(planes) if own.dtype == np.uint16}
            yield DecodedPicture(t0, tensors, features, report, verified=bool(digests))

    def _chain_for(self, models: Mapping[int, Model]) -> Chain:
        """The chain with these models, which stays for the groups that have the same."""
        digests = {number: model.digest for number, model in models.items()}
        if self._chain is None or self._digests != digests:
            try:
                self._chain, self._levels = Chain(self.header, models), level_codecs(self.header, models)
                self._digests = digests
            except ModelError as error:
                raise BitstreamError(f"a model does not fit: {error}", clause="7.18") from error
        return self._chain

    def _decode_substreams(self, coded: CodedGroup) -> list[tuple[IntegerTensor, float]]:
        geometries = substream_geometries(self.header, coded.header)
        samples = sum(geometry.frames * geometry.coded_samples for geometry in geometries)
        given: dict[int, NDArray[np.uint16]] = {}
        if self._planes is not None:
            with_planes = {number: one for number, one in enumerate(geometries) if one.tensor.format.levels is None}
            read = self._planes.read(list(with_planes.values()), len(coded.header.pictures))
            given = dict(zip(with_planes, read, strict=True))

        def decode(number: int, substream: Substream, geometry: SubstreamGeometry) -> IntegerTensor:
            frames = given[number] if number in given else self._decode_substream(number, substream, geometry)
            self.progress(geometry.frames * geometry.coded_samples / samples)
            return frames

        jobs = zip(range(len(geometries)), coded.substreams, geometries, strict=True)
        return run_together([partial(decode, *job) for job in jobs])

    def _decode_substream(self, number: int, substream: Substream, geometry: SubstreamGeometry) -> IntegerTensor:
        codec = geometry.tensor.format.inner_codec
        stream = to_inner_stream(codec, substream)
        size = geometry.frames, geometry.coded_height, geometry.coded_width
        try:
            if codec == InnerCodecId.COEFFICIENTS:
                return self._levels[self.header.substreams[number][0]].decode(stream, *size)
            return self._inner[codec].decode(stream, *size, geometry.inner_bit_depth)
        except CodecError as error:
            if codec in _OWN_CODECS:  # their formats are the specification's own
                raise BitstreamError(str(error), clause=_OWN_CODECS[codec]) from error
            raise


def _overlap(wanted: range, first: int, count: int) -> range:
    """Which pictures of a group of ``count``, whose first is number ``first``, are wanted; counted within the group."""
    return range(max(wanted.start - first, 0), min(wanted.stop - first, count))


def _verify_t1(tensors: dict[str, IntegerTensor], expected: PictureDigests | None) -> dict[str, str]:
    """Compare T1 digests with those of the bitstream, where it has any; returns them in full, in hexadecimal.

    Raises :class:`BitstreamError` naming the tensors that differ.
    """
    if expected is None:
        return {}
    found = {name: tensor_digest(name, q) for name, q in tensors.items()}
    differing = [
        name
        for (name, digest), leading in zip(found.items(), expected.t1, strict=True)
        if not digest.startswith(leading)
    ]
    if differing:
        raise BitstreamError(f"T1 digest: the decoded samples differ in tensor {', '.join(differing)}", clause="8.7")
    return {name: digest.hex() for name, digest in found.items()}


def _verify_t2(layers: dict[str, NDArray[np.float32]], expected: PictureDigests) -> None:
    """Compare the T2 digest with that of the bitstream. Raises :class:`BitstreamError`."""
    if not tensors_digest(layers).startswith(expected.t2):
        raise BitstreamError("T2 digest: the restored layers differ", clause="8.7")
