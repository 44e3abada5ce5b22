"""The decoding process: bitstream, substreams, inner codec, frames, inverse conversion, feature tensors.

docs/bitstream.md, clause 8, in the order of its steps. Imports neither the encoder nor a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from .bitstream.digest import tensor_digest
from .bitstream.geometry import SubstreamGeometry, inner_bit_depth, layer_shapes, substream_geometries
from .bitstream.limits import DecoderLimits
from .bitstream.stream import BitstreamReader, CodedPicture
from .bitstream.substreams import to_inner_stream
from .bitstream.syntax import Substream
from .bitstream.values import InnerCodecId
from .codec import make_decoder
from .conversion.arrangement import restore
from .conversion.depth import lower_depth
from .conversion.quantisation import dequantise
from .errors import BitstreamError, CodecError
from .feature_set import FeatureSet
from .planes_file import GivenPlanes
from .process.together import run_together
from .report import PictureReport, substream_reports
from .side_information import from_picture_header

Backend = Literal["auto", "ffmpeg", "vtm"]


@dataclass(frozen=True)
class DecodedPicture:
    """One decoded picture at the three tiers of agreement.

    ``planes`` (T0): the inner planes of each substream, uint16 ``(F, H, W)``. ``quantised`` (T1): the integer tensor
    of each layer, uint16 ``(C, H, W)``. ``features`` (T2): float32. ``verified`` says whether digests were compared.
    """

    planes: list[NDArray[np.uint16]]
    quantised: dict[str, NDArray[np.uint16]]
    features: FeatureSet
    report: PictureReport
    verified: bool


class Decoder:
    """Decodes a bitstream, a picture at a time.

    ``file`` is binary and seekable. Raises :class:`BitstreamError`, :class:`~vcm_ref.errors.UnsupportedError`,
    :class:`~vcm_ref.errors.LimitError` or :class:`~vcm_ref.errors.CodecError`.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        limits: DecoderLimits | None = None,
        backend: Backend = "auto",
        planes: GivenPlanes | None = None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        """``progress`` is told of each part of a picture's samples that has been decoded.

        With ``planes``, tier T0 comes from there and no inner codec is run.
        """
        self.progress = progress
        self.limits = limits or DecoderLimits()
        self.reader = BitstreamReader(file, limits=self.limits)
        self.header = self.reader.header
        self._planes = planes
        if planes is None:
            self._inner = make_decoder(
                self.header.inner_codec,
                backend,
                time_limit_s=self.limits.inner_seconds,
                memory_limit=self.limits.inner_bytes,
            )

    def pictures(self) -> Iterator[DecodedPicture]:
        """The pictures in order, each decoded when it is asked for."""
        for coded in self.reader.pictures():
            yield self._decode(coded)
        if self._planes is not None:
            self._planes.check_end()

    def _decode(self, coded: CodedPicture) -> DecodedPicture:
        header = self.header
        inner_depth = inner_bit_depth(header.inner_codec, header.bit_depth)
        decoded = self._decode_substreams(coded, inner_depth)
        planes = [plane for plane, _ in decoded]
        frames = [_lowered(plane, header.bit_depth, inner_depth) for plane in planes]
        ranges, orders = from_picture_header(header, coded.header)
        shapes = layer_shapes(header, coded.header)
        grids = [layer.grid for layer in header.layers]
        names = [layer.name for layer in header.layers]
        tensors = restore(frames, shapes, orders, grids, header.arrangement, header.allocation)
        quantised = dict(zip(names, tensors, strict=True))
        digests = _verify(quantised, coded.digests)
        features = FeatureSet(
            coded.header.height,
            coded.header.width,
            {
                name: dequantise(q, value_range, header.bit_depth)
                for (name, q), value_range in zip(quantised.items(), ranges, strict=True)
            },
        )
        report = PictureReport(
            coded.header.height,
            coded.header.width,
            substream_reports(header, coded, [None] * len(decoded), [seconds for _, seconds in decoded]),
            coded.part_bits,
            digests,
        )
        return DecodedPicture(planes, quantised, features, report, verified=bool(digests))

    def _decode_substreams(self, coded: CodedPicture, inner_depth: int) -> list[tuple[NDArray[np.uint16], float]]:
        geometries = substream_geometries(self.header, coded.header)
        if self._planes is not None:
            return [(self._planes.read(geometry, inner_depth), 0.0) for geometry in geometries]
        samples = sum(geometry.frames * geometry.coded_samples for geometry in geometries)

        def decode(substream: Substream, geometry: SubstreamGeometry) -> NDArray[np.uint16]:
            stream = to_inner_stream(self.header.inner_codec, substream)
            size = geometry.frames, geometry.coded_height, geometry.coded_width
            try:
                planes = self._inner.decode(stream, *size, inner_depth)
            except CodecError as error:
                if self.header.inner_codec == InnerCodecId.LOSSLESS:  # its format is the specification's own
                    raise BitstreamError(str(error), clause="8.8") from error
                raise
            self.progress(geometry.frames * geometry.coded_samples / samples)
            return planes

        return run_together([partial(decode, *job) for job in zip(coded.substreams, geometries, strict=True)])


def _lowered(plane: NDArray[np.uint16], bit_depth: int, inner_depth: int) -> NDArray[np.uint16]:
    return plane if bit_depth == inner_depth else lower_depth(plane.copy(), bit_depth, inner_depth)


def _verify(quantised: dict[str, NDArray[np.uint16]], expected: list[bytes]) -> dict[str, str]:
    """Compare T1 digests with those of the bitstream, where it has any; returns them in full, in hexadecimal.

    Raises :class:`BitstreamError` naming the layers that differ.
    """
    if not expected:
        return {}
    found = {name: tensor_digest(name, q) for name, q in quantised.items()}
    differing = [
        name for (name, digest), leading in zip(found.items(), expected, strict=True) if not digest.startswith(leading)
    ]
    if differing:
        raise BitstreamError(f"T1 digest: what was decoded differs in layer {', '.join(differing)}", clause="8.7")
    return {name: digest.hex() for name, digest in found.items()}
