"""From a configuration and the first feature set to everything the encoder's stages need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..bitstream.elements import MAX_CHANNELS, MAX_LAYERS, MAX_NAME, MAX_SIZE
from ..bitstream.headers import Model, Pair, StreamHeader, TensorFormat, TensorHeader, has_choice
from ..bitstream.levels import profile_for
from ..bitstream.syntax import NAME_CHARACTERS
from ..bitstream.values import Allocation, Grid, InnerCodecId, Layer, Mode, Packing, RangeScope, ReorderCoding, Shape
from ..codec import InnerDecoder, InnerEncoder, make_decoder
from ..codec.coefficients import LevelCodec
from ..codec.coefficients.tables import CONTEXT_COUNTS
from ..codec.level_codecs import level_codecs
from ..configuration import Configuration, parse_grid
from ..conversion.chain import Choices, Ends
from ..conversion.grids import check_grid, frame_grid, stacked_grids
from ..conversion.least_error import MAX_BITS
from ..conversion.quantisation import RANGE_PROFILES, Rounding
from ..conversion.reduction import Stage
from ..errors import ConfigError, DatasetError
from ..feature_set import FeatureSet
from ..models.tensors import read_tensors
from .inner_encoders import encoders_for
from .level_settings import HIGHEST_QP, level_choice, level_format
from .level_settings import NAME as LEVELS
from .reduction_settings import reduction_for

#: The configuration's words for code points of the bitstream.
PACKINGS = {packing.name.lower(): packing for packing in Packing}
ALLOCATIONS = {allocation.name.lower(): allocation for allocation in Allocation}
RANGE_SCOPES = {
    "fixed": RangeScope.FIXED,
    "picture": RangeScope.PICTURE,
    "layer": RangeScope.TENSOR,
    "channel": RangeScope.CHANNEL,
}
REORDER_CODINGS = {"exact": ReorderCoding.EXACT, "fixed_length": ReorderCoding.FIXED_LENGTH}
_FLOAT32_MAX = 3.4028234663852886e38


@dataclass(frozen=True)
class CodingSettings:
    """Parameters of the stages: the stream header, models, the encoder's own choices, and the inner codec.

    ``qps`` and ``inner_encoders`` have an entry for each substream; ``verifiers`` decode what was coded, for digests.
    Levels need neither; ``level_codecs`` code them, by the tensor's number.
    """

    header: StreamHeader
    models: list[Model]
    choices: Choices
    qps: list[int]
    inner_encoders: list[InnerEncoder | None]
    verifiers: dict[InnerCodecId, InnerDecoder]
    level_codecs: dict[int, LevelCodec]


def settings_for(configuration: Configuration, features: FeatureSet) -> CodingSettings:
    """The settings for pictures with the layers of ``features``.

    Raises :class:`ConfigError` where the configuration does not fit these layers, and
    :class:`~vcm_ref.errors.ModelError` where a model's tables do not fit.
    """
    if configuration.get("picture") is not None:
        raise configuration.error("picture", "codes the picture itself: that is for vcm_anchor and vcm_sweep")
    layers = [Layer(name, len(layer)) for name, layer in features.layers.items()]
    shapes: list[Shape] = [(len(layer), *layer.shape[1:]) for layer in features.layers.values()]
    stages, models = reduction_for(configuration, layers, features)
    coded = layers
    for stage in stages:
        coded, shapes = stage.layers(coded), stage.shapes(shapes)
    names = [tensor.name for tensor in coded]
    encoders = encoders_for(configuration, names)
    qps = _qps(configuration, names, encoders)
    fixed_range, rounding = _fixed_range(configuration)
    formats = _formats(configuration, names, encoders, qps, fixed_range, _has_tables(stages, models))
    digest_length = configuration.get("digest_length")
    header = StreamHeader(
        profile=profile_for(form.inner_codec for form in formats) or 0,
        digest_length=digest_length,
        t2_digest=bool(stages) and digest_length > 0,
        layers=layers,
        stages=stages,
        tensors=_tensors(configuration, coded, shapes, formats),
    )
    if any(len({qps[member] for member in members}) > 1 for members in header.substreams):
        raise configuration.error("codec.qp_offset", "the stacked packing codes all layers with one QP")
    codecs = level_codecs(header, {model.number: model for model in models})
    return CodingSettings(
        header=header,
        models=models,
        choices=Choices(
            rounding,
            configuration.get("order.method"),
            level_choice(configuration, header, codecs),
            _ends(configuration, formats),
        ),
        qps=[qps[members[0]] for members in header.substreams],
        inner_encoders=[encoders[members[0]] for members in header.substreams],
        verifiers=_verifiers(configuration, encoders) if digest_length else {},
        level_codecs=codecs,
    )


def _formats(
    configuration: Configuration,
    names: list[str],
    encoders: list[InnerEncoder | None],
    qps: list[int],
    fixed_range: Pair | None,
    model_tables: bool,
) -> list[TensorFormat]:
    """The format of each coded tensor."""
    reordered = configuration.get("order.method") != "none"
    depths = configuration.per_layer("quantisation.bit_depth", names, 0)
    forms = [
        level_format(configuration, qp, model_tables)
        if encoder is None
        else TensorFormat(
            bit_depth=bit_depth,
            inner_codec=encoder.codec_id,
            range_scope=RANGE_SCOPES[configuration.get("quantisation.range")],
            reorder_coding=REORDER_CODINGS[configuration.get("order.coding")] if reordered else ReorderCoding.NONE,
            packing=PACKINGS[configuration.get("packing.method")],
            fixed_range=fixed_range or (0.0, 0.0),
        )
        for bit_depth, encoder, qp in zip(depths, encoders, qps, strict=True)
    ]
    for name, form in zip(names, forms, strict=True):
        if form.levels is None and form.bit_depth > form.inner_bit_depth:
            told = f"{form.bit_depth} bits need codec.name lossless, but {name} has another codec"
            raise configuration.error("quantisation.bit_depth", told)
    return [_unstacked(form, forms[0]) for form in forms]


def _has_tables(stages: Sequence[Stage], models: Sequence[Model]) -> bool:
    """Whether the last stage's model has tables for levels."""
    number = stages[-1].model_id if stages else None
    return any(model.number == number and CONTEXT_COUNTS in read_tensors(model.data) for model in models)


def _unstacked(form: TensorFormat, first: TensorFormat) -> TensorFormat:
    """The format; of a tensor that cannot be in one frame with the first one, in frames of its own."""
    alike = (form.bit_depth, form.inner_codec) == (first.bit_depth, first.inner_codec)
    return form if alike or form.packing != Packing.STACKED else replace(form, packing=Packing.FRAMES)


def _tensors(
    configuration: Configuration, coded: list[Layer], shapes: list[Shape], forms: list[TensorFormat]
) -> list[TensorHeader]:
    """The header of each coded tensor."""
    names = [tensor.name for tensor in coded]
    modes = _modes(configuration, names, forms)
    grids = _grids(configuration, names, shapes, forms)
    allocation = ALLOCATIONS[configuration.get("packing.allocation")]
    return [
        TensorHeader(form, grid, allocation if has_choice(grid, tensor.channels) else Allocation.FRAME_MAJOR, mode)
        for tensor, form, grid, mode in zip(coded, forms, grids, modes, strict=True)
    ]


def check_features(features: FeatureSet) -> None:
    """:class:`DatasetError` where the syntax cannot carry these layers: their number, names or sizes."""
    if not 1 <= len(features.layers) <= MAX_LAYERS:
        raise DatasetError(f"there are {len(features.layers)} layers; a bitstream has 1 to {MAX_LAYERS}")
    for name, layer in features.layers.items():
        if not 1 <= len(name) <= MAX_NAME or not name.isascii() or not NAME_CHARACTERS.issuperset(name.encode()):
            raise DatasetError(f"layer {name!r}: a name is 1 to {MAX_NAME} characters of A-Z a-z 0-9 _ . -; rename it")
        if len(layer) > MAX_CHANNELS or max(layer.shape) > MAX_SIZE:
            shape = "x".join(map(str, layer.shape))
            raise DatasetError(f"layer {name} is {shape}; a bitstream has up to {MAX_CHANNELS}x{MAX_SIZE}x{MAX_SIZE}")
    if not (1 <= features.height <= MAX_SIZE and 1 <= features.width <= MAX_SIZE):
        raise DatasetError(f"the picture's size {features.width}x{features.height} is outside 1..{MAX_SIZE}")


def check_group(configuration: Configuration) -> None:
    """:class:`ConfigError` where an option of groups would change nothing."""
    if configuration.get("group_parameters") is None:
        return
    if (configuration.get("group") or 1) == 1:
        raise configuration.error("group_parameters", "has no effect unless group is at least 2")
    if configuration.get("codec.name") == LEVELS:
        raise configuration.error("group_parameters", f"has no effect with codec.name {LEVELS}, which codes no ranges")


def _grids(
    configuration: Configuration, names: list[str], shapes: list[Shape], forms: list[TensorFormat]
) -> list[Grid]:
    stacked = [shape for shape, form in zip(shapes, forms, strict=True) if form.packing == Packing.STACKED]
    own = iter(stacked_grids(stacked) if stacked else [])
    automatic = [
        next(own) if form.packing == Packing.STACKED else frame_grid(shape) if form.levels is None else Grid(1, 1)
        for shape, form in zip(shapes, forms, strict=True)
    ]
    asked = [
        None if form.levels else text
        for text, form in zip(configuration.per_layer("packing.grid", names, None), forms, strict=True)
    ]
    grids = [parse_grid(text) if text else grid for text, grid in zip(asked, automatic, strict=True)]
    for name, (channels, _, _), grid, form in zip(names, shapes, grids, forms, strict=True):
        try:
            check_grid(name, channels, grid, form.packing)
        except ConfigError as error:
            raise configuration.error("packing.grid", str(error)) from error
    return grids


def _modes(configuration: Configuration, names: list[str], forms: list[TensorFormat]) -> list[Mode]:
    modes = [Mode[mode] for mode in configuration.per_layer("codec.mode", names, "AI")]
    alone = (configuration.get("group") or 1) == 1
    stacked_over_time = any(
        form.packing == Packing.STACKED and mode == Mode.RA for form, mode in zip(forms, modes, strict=True)
    )
    if stacked_over_time and alone:
        raise configuration.error(
            "codec.mode",
            "the stacked packing has one frame a picture, which can only be coded AI unless group is set",
        )
    return [
        mode if form.inner_codec in (InnerCodecId.HEVC, InnerCodecId.VVC) else Mode.AI
        for form, mode in zip(forms, modes, strict=True)
    ]


def _qps(configuration: Configuration, names: list[str], encoders: list[InnerEncoder | None]) -> list[int]:
    base = configuration.get("codec.qp")
    offsets = configuration.per_layer("codec.qp_offset", names, 0)
    for name, offset, encoder in zip(names, offsets, encoders, strict=True):
        highest = HIGHEST_QP if encoder is None else encoder.highest_qp
        if not 0 <= base + offset <= highest:
            problem = f"the QP of layer {name} comes to {base + offset}, outside 0..{highest}"
            raise configuration.error("codec.qp_offset" if offset else "codec.qp", problem)
    return [base + offset for offset in offsets]


def _fixed_range(configuration: Configuration) -> tuple[Pair | None, Rounding]:
    rounding: Rounding = configuration.get("quantisation.rounding")
    if configuration.get("quantisation.range") != "fixed":
        for key in ("profile", "min", "max"):
            if configuration.get(f"quantisation.{key}") is not None:
                raise configuration.error(f"quantisation.{key}", "has no effect unless quantisation.range is fixed")
        return None, rounding
    name = configuration.get("quantisation.profile")
    lo, hi = configuration.get("quantisation.min"), configuration.get("quantisation.max")
    if name is not None:
        if name not in RANGE_PROFILES:
            raise configuration.error("quantisation.profile", f"is {name!r}; allowed are {', '.join(RANGE_PROFILES)}")
        if lo is not None or hi is not None:
            raise configuration.error("quantisation.profile", "give either a profile or min and max, not both")
        profile = RANGE_PROFILES[name]
        return _float32(profile.lo, profile.hi), profile.rounding
    if lo is None or hi is None:
        raise configuration.error("quantisation.range", "is fixed; give a profile, or min and max")
    if not (abs(lo) <= _FLOAT32_MAX and abs(hi) <= _FLOAT32_MAX and lo <= hi):
        raise configuration.error("quantisation.min", f"{lo}..{hi} must be finite float32, the minimum first")
    return _float32(lo, hi), rounding


def _ends(configuration: Configuration, formats: Sequence[TensorFormat]) -> Ends:
    """The ends of measured ranges. Raises :class:`ConfigError` where the choice would change nothing."""
    ends: Ends = configuration.get("quantisation.ends")
    if ends == "extremes":
        return ends
    scope = configuration.get("quantisation.range")
    if scope not in ("layer", "channel"):
        raise configuration.error("quantisation.ends", f"{ends} has no effect with quantisation.range {scope}")
    if all(form.bit_depth > MAX_BITS for form in formats):
        raise configuration.error("quantisation.ends", f"{ends} has no effect above {MAX_BITS} bits")
    return ends


def _float32(lo: float, hi: float) -> Pair:
    """Both ends as binary32 has them, a zero always +0."""
    return float(np.float32(lo)) + 0.0, float(np.float32(hi)) + 0.0


def _verifiers(configuration: Configuration, encoders: list[InnerEncoder | None]) -> dict[InnerCodecId, InnerDecoder]:
    limit = configuration.get("codec.time_limit")
    codecs = {encoder.codec_id for encoder in encoders if encoder is not None}
    return {codec: make_decoder(codec, time_limit_s=limit) for codec in codecs}
