"""``vcm_ref.decode``: a bitstream to arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, SupportsBytes

import numpy as np
from numpy.typing import NDArray

from ..bitstream.limits import DecoderLimits
from ..decoder import Backend, DecodedPicture, Decoder
from ..errors import ConfigError
from ..feature_set import FeatureSet

Bitstream = SupportsBytes | bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO


class Features(Mapping[str, NDArray[np.float32]]):
    """The restored layers of one picture, by name: float32 arrays ``(C, H, W)``, tier T2.

    ``quantised``: the integer coded tensors ``(C, H, W)`` by name, tier T1: uint16 samples or int32 levels.
    ``planes``: the planes ``(F, H, W)`` of each substream that has some, by its number, tier T0.
    ``verified``: whether the bitstream carried digests, which the decoder has then compared.
    ``picture_size``: (height, width) of the original picture in pixels.
    """

    def __init__(self, picture: DecodedPicture) -> None:
        self.feature_set: FeatureSet = picture.features
        """The same layers as a feature set, which a network's ``analyse`` takes."""
        self.quantised = picture.quantised
        self.planes = picture.planes
        self.verified = picture.verified

    @property
    def picture_size(self) -> tuple[int, int]:
        """(height, width) of the original picture in pixels."""
        return self.feature_set.height, self.feature_set.width

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return self.feature_set.layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.feature_set.layers)

    def __len__(self) -> int:
        return len(self.feature_set.layers)

    def __repr__(self) -> str:
        layers = ", ".join(f"{name} {'x'.join(map(str, layer.shape))}" for name, layer in self.items())
        return f"<Features: {layers}; {'verified' if self.verified else 'not verified'}>"


def decode(
    bitstream: Bitstream, *, backend: Backend = "auto", limits: Mapping[str, float] | DecoderLimits | None = None
) -> Features:
    """Decode a bitstream of one picture.

    Args:
        bitstream: what :func:`vcm_ref.encode` returned, bytes, the path of a file, or an open binary file.
        backend: the VVC decoder, as ``vcm_dec --backend``: ``auto``, ``ffmpeg`` or ``vtm``.
        limits: limits of the decoder, as ``vcm_dec --limit``: ``{"frames": 64}``.

    Returns:
        The restored layers as a mapping, with the integer tensors and the inner planes.

    Raises:
        BitstreamError: the bitstream breaks a rule of docs/bitstream.md, or a digest differs.
        UnsupportedError: the bitstream needs a tool, a codec or a model that is not here.
        LimitError: it needs more than the limits allow.
        CodecError: the inner decoder fails.
        ConfigError: there are several pictures (use :func:`decode_all`), or the file cannot be read.
    """
    with _decoder(bitstream, backend, limits) as decoder:
        count = decoder.reader.picture_count
        if count != 1:
            raise ConfigError(f"the bitstream has {count} pictures; use vcm_ref.decode_all")
        (picture,) = decoder.pictures()  # to the end: what follows the picture is checked too
        return Features(picture)


def decode_all(
    bitstream: Bitstream, *, backend: Backend = "auto", limits: Mapping[str, float] | DecoderLimits | None = None
) -> Iterator[Features]:
    """Decode the pictures of a bitstream, one after another; arguments and errors are those of :func:`decode`."""
    with _decoder(bitstream, backend, limits) as decoder:
        for picture in decoder.pictures():
            yield Features(picture)


@contextmanager
def _decoder(
    bitstream: Bitstream, backend: Backend, limits: Mapping[str, float] | DecoderLimits | None
) -> Iterator[Decoder]:
    with _opened(bitstream) as file:
        yield Decoder(file, limits=_limits(limits), backend=backend)


@contextmanager
def _opened(bitstream: Bitstream) -> Iterator[BinaryIO]:
    if isinstance(bitstream, (str, os.PathLike)):
        try:
            file = Path(bitstream).open("rb")  # noqa: SIM115  the block below closes it
        except OSError as error:
            raise ConfigError(f"{bitstream}: cannot be read: {error.strerror or error}") from error
        with file:
            yield file
    elif isinstance(bitstream, (bytes, bytearray, memoryview, SupportsBytes)):
        yield BytesIO(bytes(bitstream))
    elif hasattr(bitstream, "read"):
        yield bitstream
    else:
        raise ConfigError(f"a bitstream is bytes, a path or an open file, not a {type(bitstream).__name__}")


def _limits(limits: Mapping[str, float] | DecoderLimits | None) -> DecoderLimits | None:
    if limits is None or isinstance(limits, DecoderLimits):
        return limits
    if not isinstance(limits, Mapping):
        raise ConfigError(f"limits are a mapping, as in {{'frames': 64}}, not a {type(limits).__name__}")
    known = DecoderLimits.__dataclass_fields__
    for name, value in limits.items():
        if name not in known:
            raise ConfigError(f"limits: there is no limit {name}; the limits are {', '.join(known)}")
        if not isinstance(value, (int, float)) or not value >= 0:
            raise ConfigError(f"limits: {name} is {value!r}; it must be a number from 0 on")
    values: dict[str, Any] = dict(limits)
    return DecoderLimits(**values)
