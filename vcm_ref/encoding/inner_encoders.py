"""The inner encoders that a configuration chooses: one for each coded tensor, and their description for records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..codec import InnerEncoder, make_encoder
from ..configuration import Configuration
from ..conversion.parallel import core_count
from ..errors import ConfigError
from .level_settings import NAME as LEVELS


def encoders_for(configuration: Configuration, tensors: Sequence[str]) -> list[InnerEncoder | None]:
    """The inner encoder of each coded tensor, none for levels; tensors with the same codec and bit depth share one.

    Raises :class:`ConfigError` where an option is not one of the codec's.
    """
    names = configuration.per_layer("codec.name", tensors, "")
    depths = configuration.per_layer("quantisation.bit_depth", tensors, 0)
    made: dict[tuple[str, int], InnerEncoder | None] = {}
    for choice in zip(names, depths, strict=True):
        if choice not in made:
            made[choice] = None if choice[0] == LEVELS else _encoder(configuration, *choice)
    return [made[choice] for choice in zip(names, depths, strict=True)]


def describe_encoders(encoders: Iterable[InnerEncoder | None]) -> dict[str, str]:
    """Name, version and options, for records; of several codecs, each key begins with the codec's name."""
    described = [{"encoder": LEVELS} if one is None else one.describe() for one in encoders]
    descriptions = {own["encoder"]: own for own in described}
    if len(descriptions) == 1:
        return next(iter(descriptions.values()))
    return {f"{name} {key}": value for name, own in sorted(descriptions.items()) for key, value in own.items()}


def describe_codec(codec: Mapping[str, Any], bit_depth: int | Mapping[str, int]) -> dict[str, str]:
    """The description of the encoders that the section ``codec`` of a configuration names."""
    names = codec["name"]
    options = {key: codec[key] for key in ("preset", "gop") if codec.get(key) is not None}
    depths = set(bit_depth.values()) if isinstance(bit_depth, Mapping) else {bit_depth}
    chosen = sorted(set(names.values())) if isinstance(names, Mapping) else [names]
    return describe_encoders(
        None if name == LEVELS else make_encoder(name, bit_depth=max(depths), **options) for name in chosen
    )


def _encoder(configuration: Configuration, name: str, bit_depth: int) -> InnerEncoder:
    options = {
        "bit_depth": bit_depth,
        "preset": configuration.get("codec.preset"),
        "gop": configuration.get("codec.gop"),
        "threads": configuration.get("codec.threads", core_count()),
        "time_limit_s": configuration.get("codec.time_limit"),
    }
    try:
        return make_encoder(name, **{key: value for key, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ConfigError as error:
        raise configuration.error("codec", str(error)) from error
