"""The keys of what becomes of coded tensors: quantisation, channel order, packing, inner codec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..codec import hevc, vtm, vvenc
from ..conversion.quantisation import RANGE_PROFILES
from .options import Tree, option

GRID: Tree = {"pattern": r"^[1-9][0-9]{0,5}x[1-9][0-9]{0,5}\Z", "description": "columns x rows, as in 4x4"}
#: The codecs of video; those of frames; those with a QP.
VIDEO = ("vvenc", "hevc", "vtm")
FRAMES = (*VIDEO, "lossless")
WITH_QP = (*VIDEO, "coefficients")
_OF_FRAMES = ("codec.name", FRAMES)


@dataclass(frozen=True)
class Quantisation:
    """Quantisation of the layers (docs/bitstream.md, clause 8.6)."""

    bit_depth: int | Mapping[str, int] = option(
        10,
        "bits of a sample, 1 to 10; with `lossless` up to 16",
        by_layer=True,
        minimum=1,
        maximum=16,
        description="an integer, 1 to 16",
        only_with=_OF_FRAMES,
    )
    range: Literal["fixed", "picture", "layer", "channel"] = option(
        "layer", "the values that share one pair of minimum and maximum", only_with=_OF_FRAMES
    )
    ends: Literal["extremes", "least_error"] = option(
        "extremes",
        "the ends of a measured range: the least and the greatest value, or the ends with the least squared error; "
        "`least_error` needs the range `layer` or `channel`, and at most 8 bits",
        only_with=_OF_FRAMES,
    )
    profile: str | None = option(
        None,
        "with `fixed`: a published range with its own rounding",
        values=tuple(RANGE_PROFILES),
        only_with=_OF_FRAMES,
    )
    min: float | None = option(None, "with `fixed`, instead of a profile: the minimum", only_with=_OF_FRAMES)
    max: float | None = option(None, "with `fixed`, instead of a profile: the maximum", only_with=_OF_FRAMES)
    rounding: Literal["nearest", "floor"] = option("nearest", "how a sample is rounded", only_with=_OF_FRAMES)


@dataclass(frozen=True)
class Order:
    """The order of a layer's maps."""

    method: Literal["none", "mean", "mse", "ssim"] = option(
        "none", "`mean`: descending mean brightness; `mse`, `ssim`: chains from the brightest map", only_with=_OF_FRAMES
    )
    coding: Literal["exact", "fixed_length"] = option(
        "exact",
        "`exact`: Ceil(log2(C!)) bits for a layer; `fixed_length`: Ceil(log2(C)) bits for an index",
        only_with=_OF_FRAMES,
    )


@dataclass(frozen=True)
class Packing:
    """The place of each map in the frames (docs/bitstream.md, clause 8.5)."""

    method: Literal["frames", "quilted", "stacked"] = option(
        "frames", "`quilted`: samples of maps interleaved; `stacked`: all layers in one frame", only_with=_OF_FRAMES
    )
    allocation: Literal["frame_major", "interleaved"] = option(
        "frame_major",
        "`frame_major` fills frame after frame; `interleaved` fills one position of all frames, then the next position",
        only_with=_OF_FRAMES,
    )
    grid: str | Mapping[str, str] | None = option(
        None,
        "columns x rows of maps (default: one frame as square as possible; with `stacked`, MPEG's stack)",
        by_layer=True,
        only_with=_OF_FRAMES,
        **GRID,
    )


_PRESETS = {"vvenc": vvenc.PRESETS, "hevc": hevc.PRESETS}
_GOPS = {"vvenc": vvenc.GOPS, "vtm": vtm.GOPS}


def _rules_of(codec: str) -> Tree:
    """JSON Schema of the options of one codec."""
    allowed = {"preset": _PRESETS.get(codec), "gop": _GOPS.get(codec)}
    properties = {key: {"enum": list(values)} for key, values in allowed.items() if values}
    return {"if": {"properties": {"name": {"const": codec}}}, "then": {"properties": properties}}


@dataclass(frozen=True)
class Codec:
    """The inner codec."""

    RULES: ClassVar[Tree] = {"allOf": [_rules_of(codec) for codec in VIDEO]}

    name: Literal["vvenc", "hevc", "vtm", "lossless", "coefficients"] | Mapping[str, Any] = option(
        "vvenc", "the inner codec's encoder; `coefficients` codes levels without frames", by_layer=True
    )
    preset: str | None = option(
        None,
        "; ".join(f"{codec}: {', '.join(f'`{preset}`' for preset in presets)}" for codec, presets in _PRESETS.items()),
        only_with=("codec.name", tuple(_PRESETS)),
    )
    gop: int | None = option(
        None,
        "length of the GOP and intra period of RA (default: 32); vvenc and vtm: 16 or 32",
        minimum=1,
        maximum=1024,
        only_with=("codec.name", VIDEO),
    )
    qp: int = option(
        37,
        "the QP; with `coefficients`, the step size is 1 at QP 32, and doubles every 6 QP",
        minimum=0,
        maximum=63,
        only_with=("codec.name", WITH_QP),
        was_required=True,
    )
    qp_offset: int | Mapping[str, int] | None = option(
        None, "the number added to the QP of a layer", by_layer=True, only_with=("codec.name", WITH_QP)
    )
    mode: Literal["AI", "RA"] | Mapping[str, Any] = option(
        "AI", "All-Intra or Random-Access", by_layer=True, only_with=("codec.name", VIDEO), was_required=True
    )
    rdoq: float | None = option(
        None,
        "the weight of a bit, in squared steps, to choose levels by rate and distortion (default: 0.05); 0: rounding",
        minimum=0,
        maximum=100,
        only_with=("codec.name", ("coefficients",)),
    )
    rounding_offset: float | None = option(
        None,
        "with `rdoq` 0: the offset of rounding; 0.5 rounds to the nearest level, less rounds towards 0 (default: 0.3)",
        minimum=0,
        maximum=0.5,
        only_with=("codec.name", ("coefficients",)),
    )
    picture_before: bool | None = option(
        None,
        "whether pictures may be differences from the previous picture of the group (default: with `group` 2 or more)",
        only_with=("codec.name", ("coefficients",)),
    )
    time_limit: float | None = option(
        None,
        "the time limit of one run of the inner codec, in seconds (default: the codec's own)",
        exclusiveMinimum=0,
        maximum=10**8,
        shapes=False,
    )
    threads: int | None = option(
        None, "threads of one run of the inner codec (default: the cores)", minimum=1, maximum=1024, shapes=False
    )
