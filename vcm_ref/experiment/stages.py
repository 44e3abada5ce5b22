"""The stages of an experiment as tasks: what a worker does, from values to values.

A worker needs this package and the network's weights, and no other file: pictures, bitstreams and results come and go
as bytes. Where a stage fails, :class:`TaskError` says so in one line, and everything that depends on it fails with
the same line.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..bitstream.digest import tensor_digest
from ..bitstream.join import join_layers
from ..codec.picture import PictureCoder
from ..configuration import Configuration
from ..decoder import Backend, Decoder
from ..encoder import Encoder
from ..errors import VcmError
from ..feature_set import FeatureSet
from ..network import Network, load_network
from ..source import read_picture
from .journal import to_record
from .naming import STAGES, made_of
from .store import Record, Stored

F = TypeVar("F", bound=Callable[..., Any])
#: The encoded form of the uncompressed result: no bitstream.
_NO_BITS: Record = {"bytes": 0, "sha256": "", "bits": {}, "seed_bits": 0, "t1": {}}


class TaskError(Exception):
    """A stage failed; ``exit_code`` is the design's, ``message`` one line."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(exit_code, message)
        self.exit_code = exit_code
        self.message = message


class NetworkSpec(NamedTuple):
    """Which network: what it is called, its options as JSON, and the digest that its name is."""

    name: str
    options: str
    digest: str


class Picture(NamedTuple):
    """A picture's file: its name and its content."""

    file: str
    data: bytes


class Extracted(NamedTuple):
    """What part 1 gave for a picture, and its seconds."""

    features: FeatureSet
    seconds: float


class Coded(NamedTuple):
    """A bitstream, the bits it has in the first seed's own accounting, and the seconds it took."""

    bitstream: bytes
    seed_bits: int
    seconds: float

    def stored(self) -> Stored:
        """As it is kept."""
        return Stored({"seed_bits": self.seed_bits, "seconds": self.seconds}, self.bitstream)

    @classmethod
    def from_store(cls, record: Record, data: bytes) -> Coded:
        """The inverse of :meth:`stored`."""
        return cls(data, record["seed_bits"], record["seconds"])


class Decoded(NamedTuple):
    """A bitstream's features (T2), each layer's T1 digest, and the seconds it took."""

    features: FeatureSet
    t1: dict[str, str]
    seconds: float


def environment() -> dict[str, str]:
    """What every stage is made of on this machine; workers and client must have the same."""
    return {stage: made_of(stage) for stage in STAGES}


def _stage(function: F) -> F:
    @functools.wraps(function)
    def told(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except VcmError as error:
            raise TaskError(error.exit_code, " ".join(str(error).split())) from error
        except MemoryError as error:
            raise TaskError(12, f"not enough memory: {error}") from error
        except Exception as error:
            raise TaskError(70, f"internal error: {type(error).__name__}: {error}") from error

    return told  # type: ignore[return-value]


@_stage
def describe(spec: NetworkSpec) -> Stored:
    """What is known of a network: its description, its layers, the names of its classes."""
    network = _network(spec)
    classes = {str(label): name for label, name in network.class_names.items()}
    return Stored({"description": network.describe(), "layers": list(network.layers), "classes": classes})


@_stage
def extract(spec: NetworkSpec, picture: Picture) -> Extracted:
    """Part 1 of the network."""
    image = read_picture(Path(picture.file), io.BytesIO(picture.data))
    network = _network(spec)
    start = time.perf_counter()
    return Extracted(network.extract(image), time.perf_counter() - start)


@_stage
def code(extracted: Extracted, layers: tuple[str, ...], tree: Record) -> Coded:
    """The bitstream of some layers of a picture, coded as ``tree``, an effective configuration, says."""
    features = extracted.features
    some = FeatureSet(features.height, features.width, {name: features.layers[name] for name in layers})
    file = io.BytesIO()
    start = time.perf_counter()
    encoder = Encoder(Configuration(tree), file)
    report = encoder.encode(some)
    encoder.close()
    assert report.seed_bits is not None
    return Coded(file.getvalue(), report.seed_bits, time.perf_counter() - start)


@_stage
def decode(coded: Coded, backend: Backend) -> Decoded:
    """The features of a bitstream of one picture."""
    start = time.perf_counter()
    picture = next(Decoder(io.BytesIO(coded.bitstream), backend=backend).pictures())
    seconds = time.perf_counter() - start
    t1 = {name: tensor_digest(name, quantised) for name, quantised in picture.quantised.items()}
    return Decoded(picture.features, {name: digest.hex() for name, digest in t1.items()}, seconds)


@_stage
def analyse(spec: NetworkSpec, coded: Sequence[Coded], decoded: Sequence[Decoded]) -> Stored:
    """Part 2 of the network on a picture whose layers were coded one by one, or together."""
    features = FeatureSet(
        decoded[0].features.height,
        decoded[0].features.width,
        {name: layer for part in decoded for name, layer in part.features.layers.items()},
    )
    network = _network(spec)
    start = time.perf_counter()
    result = network.analyse(features)
    seconds = {
        "encode": sum(part.seconds for part in coded),
        "decode": sum(part.seconds for part in decoded),
        "analyse": time.perf_counter() - start,
    }
    bitstream, bits = join(coded)
    record = {
        "bytes": len(bitstream),
        "sha256": hashlib.sha256(bitstream).hexdigest(),
        "bits": bits,
        "seed_bits": sum(part.seed_bits for part in coded),
        "t1": {name: digest for part in decoded for name, digest in part.t1.items()},
    }
    return _stored(features.height, features.width, result, record, seconds)


@_stage
def analyse_uncompressed(spec: NetworkSpec, extracted: Extracted) -> Stored:
    """Part 2 of the network on features as they are."""
    network = _network(spec)
    features = extracted.features
    start = time.perf_counter()
    result = network.analyse(features)
    seconds = {"extract": extracted.seconds, "analyse": time.perf_counter() - start}
    return _stored(features.height, features.width, result, _NO_BITS, seconds)


@_stage
def code_picture(coder: PictureCoder, qp: int, picture: Picture) -> Coded:
    """The picture itself as one inner stream. Its rate is the stream's, as in MPEG's image anchor."""
    image = read_picture(Path(picture.file), io.BytesIO(picture.data))
    start = time.perf_counter()
    stream = coder.encode(image, qp)
    return Coded(stream, 8 * len(stream), time.perf_counter() - start)


@_stage
def analyse_picture(spec: NetworkSpec, coder: PictureCoder, coded: Coded, picture: Picture) -> Stored:
    """The whole network on a picture that was coded itself."""
    height, width = read_picture(Path(picture.file), io.BytesIO(picture.data)).shape[:2]
    network = _network(spec)
    start = time.perf_counter()
    image = coder.decode(coded.bitstream, height, width)
    middle = time.perf_counter()
    result = network(image)
    seconds = {"encode": coded.seconds, "decode": middle - start, "analyse": time.perf_counter() - middle}
    record = {
        "bytes": len(coded.bitstream),
        "sha256": hashlib.sha256(coded.bitstream).hexdigest(),
        "bits": {"coded data": 8 * len(coded.bitstream)},
        "seed_bits": coded.seed_bits,
        "t1": {"picture": hashlib.sha256(image.tobytes()).hexdigest()},
    }
    return _stored(height, width, result, record, seconds)


def join(coded: Sequence[Coded]) -> tuple[bytes, dict[str, int]]:
    """The bitstream of all layers, and its bits by part of the rate."""
    file = io.BytesIO()
    parts = join_layers(file, [part.bitstream for part in coded])
    return file.getvalue(), {part.value: bits for part, bits in parts.items()}


def _stored(height: int, width: int, result: Any, record: Record, seconds: Record) -> Stored:
    data = json.dumps(to_record(result), allow_nan=False, separators=(",", ":")).encode()
    found = {"result_sha256": hashlib.sha256(data).hexdigest(), "seconds": seconds}
    return Stored({"height": height, "width": width, **record, **found}, data)


@functools.lru_cache(1)
def _network(spec: NetworkSpec) -> Network:
    return load_network(spec.name, **json.loads(spec.options))
