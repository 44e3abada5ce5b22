"""``vcm_ref.encode``: arrays to a bitstream in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from ..configuration import Configuration, load_configuration
from ..configuration.sections import Files
from ..encoder import Encoder
from ..encoding.model_choice import with_model
from ..encoding.settings import check_group
from ..errors import ConfigError, DatasetError
from ..feature_set import FeatureSet
from ..reporting.report import totals_table
from .arrays import feature_set

Layers = Mapping[str, Any] | FeatureSet


@dataclass(frozen=True)
class Coded:
    """A bitstream in memory; ``bytes(coded)`` are its bytes, ``len(coded)`` their number.

    ``pixels`` counts the pixels of the original pictures. ``parts`` has the bits of each part of the rate: headers,
    reorder index, parameter sets, coded data, digest and so on; together they are ``8 * len(coded)``.
    ``configuration`` is the effective configuration.
    """

    data: bytes
    pixels: int
    parts: dict[str, int]
    configuration: dict[str, Any]

    def __bytes__(self) -> bytes:
        return self.data

    def __len__(self) -> int:
        return len(self.data)

    @property
    def bpp(self) -> float:
        """Bits per pixel: all bits of the bitstream over the pixels of the original pictures."""
        return 8 * len(self.data) / self.pixels

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bitstream into the file ``path``, which ``vcm_dec`` decodes."""
        Path(path).write_bytes(self.data)

    def __repr__(self) -> str:
        return f"<Coded: {len(self.data)} bytes, {self.bpp:.4f} bpp>"

    def __str__(self) -> str:
        """The table of parts that ``vcm_enc`` prints."""
        from ..bitstream.elements import Part

        return totals_table({Part(name): bits for name, bits in self.parts.items()}, self.pixels)


def encode(
    features: Layers | Sequence[Layers],
    *,
    picture_size: tuple[int, int] | None = None,
    config: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = "features",
    qp: int | None = None,
    set: Mapping[str, Any] | None = None,
) -> Coded:
    """Code the layers of one picture, or of each picture of a list, into one bitstream.

    Pictures are coded in groups of as many as the configuration's ``group`` says, or else one by one.

    Args:
        features: a mapping of layer names to arrays, in coding order, or a list of such mappings. An array is a NumPy
            array or a torch tensor of shape ``(C, H, W)`` or ``(1, C, H, W)``; float16, bfloat16 and float32 are
            converted to float32, other numbers where each is exact. A :class:`~vcm_ref.feature_set.FeatureSet`, which a
            network's ``extract`` gives, is taken too.
        picture_size: ``(height, width)`` of the original picture in pixels, which bpp divides by. A feature set knows
            its own.
        config: the name of a shipped configuration (:func:`vcm_ref.configs` lists them), a path, or several that are
            laid over each other as by ``-c``. The default, ``features``, fits any network.
        qp: the QP, as ``--qp``.
        set: values of the configuration by key, as ``--set``: ``{"codec.preset": "fast"}``.

    Returns:
        The bitstream with its rate.

    Raises:
        ConfigError: the configuration has a mistake or does not fit the layers.
        DatasetError: the layers cannot be coded; the error names the layer and the remedy.
        CodecError: the inner codec fails.
    """
    configuration = with_model(_configuration(config, qp, {} if set is None else set))
    check_group(configuration)
    pictures = [features] if isinstance(features, (Mapping, FeatureSet)) else features
    if not isinstance(pictures, Sequence) or isinstance(pictures, (str, bytes)) or not pictures:
        raise DatasetError("features are a mapping of layer names to arrays, as in {'p2': p2}, or a list of mappings")
    file = BytesIO()
    encoder = Encoder(configuration, file)
    size = configuration.get("group") or 1
    pixels = 0
    for start in range(0, len(pictures), size):
        group = [feature_set(picture, picture_size) for picture in pictures[start : start + size]]
        pixels += encoder.encode(*group).pixels
    encoder.close()
    parts = {part.value: bits for part, bits in encoder.writer.part_bits.items() if bits}
    return Coded(file.getvalue(), pixels, parts, configuration.tree)


def _configuration(
    config: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], qp: int | None, settings: Mapping[str, Any]
) -> Configuration:
    paths = [config] if isinstance(config, (str, os.PathLike)) else config
    if not isinstance(paths, Iterable):
        raise ConfigError(f"config is the name of a configuration, a path, or several, not a {type(config).__name__}")
    if not isinstance(settings, Mapping):
        raise ConfigError(f"set is a mapping, as in {{'codec.qp': 37}}, not a {type(settings).__name__}")
    for key in settings:
        if key in Files.__dataclass_fields__:
            raise ConfigError(f"{key}: is for vcm_enc, and has no effect on arrays")
    flags = {} if qp is None else {"codec": {"qp": qp}}
    return load_configuration([Path(path) for path in paths], settings.items(), flags)
