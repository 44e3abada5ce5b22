"""Decoding, and part 2 of the network: from bitstreams, features or pictures to results."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.digest import tensor_digest
from ...bitstream.join import join_layers
from ...codec.picture import PictureCoder
from ...decoder import Backend, DecodedPicture, Decoder
from ...errors import DatasetError
from ...feature_set import FeatureSet
from ...files.feature_file import load_feature_file
from ...reporting.provenance import file_digest
from ..records import Record, Stored
from ..result_record import to_record
from ..stage_cost import stage_record
from .networks import network_of
from .values import Coded, Decoded, Extracted, NetworkSpec, Picture, Place, stage

Image = NDArray[np.uint8]
_SIZE_REMEDY = "save its layers as .safetensors or .npz with picture_height and picture_width"
#: The coded form of a result without a bitstream.
_NO_BITS: Record = {"bytes": 0, "sha256": "", "bits": {}, "rhee2022_bits": 0, "t1": {}}


@stage
def decode(coded: Coded, backend: Backend) -> Decoded:
    """The features of a bitstream of one picture."""
    start = time.perf_counter()
    decoder = Decoder(io.BytesIO(coded.bitstream), backend=backend)
    if decoder.reader.picture_count != 1:
        raise DatasetError(f"the bitstream has {decoder.reader.picture_count} pictures; one of one picture is wanted")
    return _decoded(next(decoder.pictures()), start)


@stage
def decode_group(coded: Coded, backend: Backend, count: int) -> list[Decoded]:
    """The features of each picture of a bitstream of a group of ``count``; its seconds are those of the first."""
    start = time.perf_counter()
    decoder = Decoder(io.BytesIO(coded.bitstream), backend=backend)
    if decoder.reader.picture_count != count:
        raise DatasetError(f"the bitstream has {decoder.reader.picture_count} pictures; its group has {count}")
    found = [_decoded(picture, start) for picture in decoder.pictures()]
    seconds = time.perf_counter() - start - sum(one.restoration_s for one in found)
    return [one._replace(seconds=0.0 if place else seconds) for place, one in enumerate(found)]


@stage
def decode_pictures(coder: PictureCoder, coded: Coded, count: int, picture: Picture) -> tuple[list[Image], float]:
    """The pictures of a group that were coded themselves, each of the size of ``picture``; and the seconds."""
    height, width = picture.samples().shape[:2]
    start = time.perf_counter()
    return coder.decode_sequence(coded.bitstream, count, height, width), time.perf_counter() - start


@stage
def decode_place(place: Place, backend: Backend) -> Decoded:
    """The features of one picture of a bitstream of several."""
    start = time.perf_counter()
    return _decoded(_picture_at(place, backend), start)


class _Reading:
    """A bitstream that is read group by group. Groups that are passed over are parsed, not decoded.

    ``first`` is the number of the first picture of the group that was read last.
    """

    def __init__(self, file: Path, backend: Backend) -> None:
        self.source = file, backend
        self.first = 0
        self._decoder = Decoder(file.open("rb"), backend=backend)
        self._groups = self._decoder.reader.groups()
        self._behind = 0
        self._pictures: list[DecodedPicture] = []

    def picture(self, number: int) -> DecodedPicture:
        """The picture of a number from 0, which must not lie before ``first``."""
        while number >= self._behind:
            coded = next(self._groups, None)
            if coded is None:
                raise DatasetError(f"{self.source[0]}: has fewer pictures than its record says")
            self.first, self._behind = self._behind, self._behind + len(coded.header.pictures)
            self._pictures = list(self._decoder.decode(coded)) if number < self._behind else []
        return self._pictures[number - self.first]


_reading: _Reading | None = None


def _picture_at(place: Place, backend: Backend) -> DecodedPicture:
    """One picture of a bitstream, read on from the last one where that is possible."""
    global _reading
    if _reading is None or _reading.source != (place.file, backend) or place.number < _reading.first:
        _reading = _Reading(place.file, backend)
    return _reading.picture(place.number)


def _decoded(picture: DecodedPicture, start: float) -> Decoded:
    t1 = {name: tensor_digest(name, quantised).hex() for name, quantised in picture.quantised.items()}
    bits = {part.value: count for part, count in picture.report.part_bits.items()}
    report = picture.report
    seconds = time.perf_counter() - start - report.stage_seconds
    return Decoded(picture.features, t1, bits, seconds, report.stage_seconds, report.stage_cost)


@stage
def analyse(spec: NetworkSpec, coded: Sequence[Coded], decoded: Sequence[Decoded]) -> Stored:
    """Part 2 of the network on a picture whose layers were coded one by one, or together."""
    bitstream, bits = join(coded)
    record = {
        "bytes": len(bitstream),
        "sha256": hashlib.sha256(bitstream).hexdigest(),
        "bits": bits,
        "rhee2022_bits": sum(part.rhee2022_bits for part in coded),
        "t1": {name: digest for part in decoded for name, digest in part.t1.items()},
    }
    plain = [part.han2022_bits for part in coded if part.han2022_bits is not None]
    if len(plain) == len(coded):
        record["han2022_bits"] = sum(plain)
    seconds = {"encode": sum(part.seconds for part in coded), "decode": sum(part.seconds for part in decoded)}
    reduction_s = sum(part.reduction_s for part in coded)
    seconds |= {"reduce": reduction_s} if reduction_s else {}
    features = FeatureSet(
        decoded[0].features.height,
        decoded[0].features.width,
        {name: layer for part in decoded for name, layer in part.features.layers.items()},
    )
    return _analysed(spec, features, record | _stages(decoded), seconds | _restored(decoded))


@stage
def analyse_place(spec: NetworkSpec, place: Place, decoded: Decoded) -> Stored:
    """Part 2 of the network on one picture of a bitstream of several, whose bytes cannot be told apart by picture."""
    record = {**_NO_BITS, "sha256": place.sha256, "bits": decoded.bits, "t1": decoded.t1, **_stages([decoded])}
    return _analysed(spec, decoded.features, record, {"decode": decoded.seconds, **_restored([decoded])})


@stage
def analyse_in_group(spec: NetworkSpec, coded: Coded, decoded: Sequence[Decoded], place: int) -> Stored:
    """Part 2 of the network on one picture of a group, the first of which has the bytes of all."""
    own = decoded[place]
    record = {**_of_group(coded, place), "bits": own.bits, "t1": own.t1, **_stages([own])}
    if not place:
        record["bits"] = join([coded])[1]
    seconds = {"encode": 0.0 if place else coded.seconds, "decode": own.seconds, **_restored([own])}
    seconds |= {"reduce": coded.reduction_s} if coded.reduction_s and not place else {}
    return _analysed(spec, own.features, record, seconds)


@stage
def analyse_decoded_picture(
    spec: NetworkSpec, coded: Coded, decoded: tuple[Sequence[Image], float], place: int
) -> Stored:
    """The whole network on one picture of a group whose pictures were coded themselves."""
    images, seconds = decoded
    image = images[place]
    network = network_of(spec)
    start = time.perf_counter()
    result = network(image)
    took = {"encode": 0.0 if place else coded.seconds, "decode": 0.0 if place else seconds}
    took["analyse"] = time.perf_counter() - start
    record = {
        **_of_group(coded, place),
        "bits": {} if place else {"coded data": 8 * len(coded.bitstream)},
        "t1": {"picture": hashlib.sha256(image.tobytes()).hexdigest()},
    }
    height, width = image.shape[:2]
    return _stored(height, width, result, record, took)


def _of_group(coded: Coded, place: int) -> Record:
    """What the record of a picture in a group says of the bitstream."""
    return {
        "bytes": 0 if place else len(coded.bitstream),
        "sha256": hashlib.sha256(coded.bitstream).hexdigest(),
        "rhee2022_bits": 0 if place else coded.rhee2022_bits,
    }


@stage
def analyse_uncompressed(spec: NetworkSpec, extracted: Extracted) -> Stored:
    """Part 2 of the network on features as they are."""
    return _analysed(spec, extracted.features, _NO_BITS, {"extract": extracted.seconds})


@stage
def analyse_feature_file(spec: NetworkSpec, file: Path, size: tuple[int, int] | None) -> Stored:
    """Part 2 of the network on the features in a file; ``size`` (height, width) is used where the file says none."""
    features = load_feature_file(file, size, remedy=_SIZE_REMEDY)
    return _analysed(spec, features, {**_NO_BITS, "sha256": file_digest(file)}, {})


@stage
def analyse_whole(spec: NetworkSpec, picture: Picture) -> Stored:
    """The whole network, unsplit, on a picture."""
    image = picture.samples()
    network = network_of(spec)
    start = time.perf_counter()
    result = network(image)
    height, width = image.shape[:2]
    return _stored(height, width, result, _NO_BITS, {"analyse": time.perf_counter() - start})


@stage
def analyse_picture(spec: NetworkSpec, coder: PictureCoder, coded: Coded, picture: Picture) -> Stored:
    """The whole network on a picture that was coded itself."""
    height, width = picture.samples().shape[:2]
    network = network_of(spec)
    start = time.perf_counter()
    image = coder.decode(coded.bitstream, height, width)
    middle = time.perf_counter()
    result = network(image)
    seconds = {"encode": coded.seconds, "decode": middle - start, "analyse": time.perf_counter() - middle}
    record = {
        "bytes": len(coded.bitstream),
        "sha256": hashlib.sha256(coded.bitstream).hexdigest(),
        "bits": {"coded data": 8 * len(coded.bitstream)},
        "rhee2022_bits": coded.rhee2022_bits,
        "t1": {"picture": hashlib.sha256(image.tobytes()).hexdigest()},
    }
    return _stored(height, width, result, record, seconds)


def join(coded: Sequence[Coded]) -> tuple[bytes, dict[str, int]]:
    """The bitstream of all layers, and its bits by part of the rate."""
    file = io.BytesIO()
    parts = join_layers(file, [part.bitstream for part in coded])
    return file.getvalue(), {part.value: bits for part, bits in parts.items()}


def _stages(decoded: Sequence[Decoded]) -> Record:
    """The cost of reduction and restoration, where there are such stages: they are of all layers together."""
    return {"cost": stage_record(decoded[0].cost)} if decoded[0].cost is not None else {}


def _restored(decoded: Sequence[Decoded]) -> Record:
    return {"restore": decoded[0].restoration_s} if decoded[0].cost is not None else {}


def _analysed(spec: NetworkSpec, features: FeatureSet, record: Record, seconds: Record) -> Stored:
    network = network_of(spec)
    start = time.perf_counter()
    result = network.analyse(features)
    seconds = {**seconds, "analyse": time.perf_counter() - start}
    return _stored(features.height, features.width, result, record, seconds)


def _stored(height: int, width: int, result: Any, record: Record, seconds: Record) -> Stored:
    data = json.dumps(to_record(result), allow_nan=False, separators=(",", ":")).encode()
    found = {"result_sha256": hashlib.sha256(data).hexdigest(), "seconds": seconds}
    return Stored({"height": height, "width": width, **record, **found}, data)
