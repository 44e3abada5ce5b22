"""From a configuration and the first feature set to everything the encoder's stages need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import level_settings
from .bitstream.elements import MAX_CHANNELS, MAX_LAYERS, MAX_NAME, MAX_SIZE
from .bitstream.headers import Model, Pair, StreamHeader, TensorFormat, TensorHeader, has_choice
from .bitstream.levels import profile_for
from .bitstream.syntax import NAME_CHARACTERS
from .bitstream.values import Allocation, Grid, InnerCodecId, Layer, Mode, Packing, RangeScope, ReorderCoding, Shape
from .codec import InnerDecoder, InnerEncoder, make_decoder, make_encoder
from .codec.coefficients.tables import CONTEXT_COUNTS
from .configuration import Configuration, parse_grid
from .conversion.chain import Choices
from .conversion.grids import check_grid, frame_grid, stacked_grids
from .conversion.parallel import core_count
from .conversion.quantisation import RANGE_PROFILES, Rounding
from .conversion.reduction import Stage
from .errors import ConfigError, DatasetError
from .feature_set import FeatureSet
from .models.tensors import read_tensors
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

    ``qps`` has an entry for each substream; ``verifier`` decodes what was coded, for the digests. Levels need
    neither ``inner_encoder`` nor ``verifier``.
    """

    header: StreamHeader
    models: list[Model]
    choices: Choices
    qps: list[int]
    inner_encoder: InnerEncoder | None
    verifier: InnerDecoder | None

    def describe_codec(self) -> dict[str, str]:
        """Name, version and every option that shapes the inner streams, to be saved beside results."""
        return {"encoder": level_settings.NAME} if self.inner_encoder is None else self.inner_encoder.describe()


def settings_for(configuration: Configuration, features: FeatureSet) -> CodingSettings:
    """The settings for pictures with the layers of ``features``.

    Raises :class:`ConfigError` where the configuration does not fit these layers.
    """
    if configuration.get("picture") is not None:
        raise configuration.error("picture", "codes the picture itself: that is for vcm_anchor and vcm_sweep")
    layers = [Layer(name, len(layer)) for name, layer in features.layers.items()]
    shapes: list[Shape] = [(len(layer), *layer.shape[1:]) for layer in features.layers.values()]
    stages, models = reduction_for(configuration, layers)
    coded = layers
    for stage in stages:
        coded, shapes = stage.layers(coded), stage.shapes(shapes)
    names = [tensor.name for tensor in coded]
    digest_length = configuration.get("digest_length")
    header = StreamHeader(
        digest_length=digest_length,
        t2_digest=bool(stages) and digest_length > 0,
        layers=layers,
        stages=stages,
    )
    if configuration.get("codec.name") == level_settings.NAME:
        qps = _qps(configuration, names, Packing.FRAMES, level_settings.HIGHEST_QP)
        header.tensors = level_settings.level_tensors(configuration, qps, model_tables=_has_tables(stages, models))
        header.profile = profile_for([InnerCodecId.COEFFICIENTS]) or 0
        choices = Choices(levels=level_settings.level_choice(configuration, header, models))
        return CodingSettings(header, models, choices, qps, None, None)
    inner_encoder = _inner_encoder(configuration)
    form, rounding = _format(configuration, inner_encoder.codec_id)
    header.profile = profile_for([form.inner_codec]) or 0
    header.tensors = _tensors(configuration, coded, shapes, form)
    qps = _qps(configuration, names, form.packing, inner_encoder.highest_qp)
    return CodingSettings(
        header=header,
        models=models,
        choices=Choices(rounding, configuration.get("order.method")),
        qps=[qps[members[0]] for members in header.substreams],
        inner_encoder=inner_encoder,
        verifier=_verifier(configuration, inner_encoder) if digest_length else None,
    )


def _has_tables(stages: Sequence[Stage], models: Sequence[Model]) -> bool:
    """Whether the last stage's model has tables for levels."""
    number = stages[-1].model_id if stages else None
    return any(model.number == number and CONTEXT_COUNTS in read_tensors(model.data) for model in models)


def _format(configuration: Configuration, codec: InnerCodecId) -> tuple[TensorFormat, Rounding]:
    """The format that all tensors have, and how quantisation rounds."""
    fixed_range, rounding = _fixed_range(configuration)
    reordered = configuration.get("order.method") != "none"
    form = TensorFormat(
        bit_depth=configuration.get("quantisation.bit_depth"),
        inner_codec=codec,
        range_scope=RANGE_SCOPES[configuration.get("quantisation.range")],
        reorder_coding=REORDER_CODINGS[configuration.get("order.coding")] if reordered else ReorderCoding.NONE,
        packing=PACKINGS[configuration.get("packing.method")],
        fixed_range=fixed_range or (0.0, 0.0),
    )
    if form.bit_depth > form.inner_bit_depth:
        raise configuration.error("quantisation.bit_depth", f"{form.bit_depth} bits need codec.name lossless")
    return form, rounding


def _tensors(
    configuration: Configuration, coded: list[Layer], shapes: list[Shape], form: TensorFormat
) -> list[TensorHeader]:
    """The header of each coded tensor."""
    names = [tensor.name for tensor in coded]
    modes = _modes(configuration, names, form)
    grids = _grids(configuration, names, shapes, form.packing)
    allocation = ALLOCATIONS[configuration.get("packing.allocation")]
    return [
        TensorHeader(form, grid, allocation if has_choice(grid, tensor.channels) else Allocation.FRAME_MAJOR, mode)
        for tensor, grid, mode in zip(coded, grids, modes, strict=True)
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


def _grids(configuration: Configuration, names: list[str], shapes: list[Shape], packing: Packing) -> list[Grid]:
    automatic = stacked_grids(shapes) if packing == Packing.STACKED else [frame_grid(shape) for shape in shapes]
    asked = configuration.per_layer("packing.grid", names, None)
    grids = [parse_grid(text) if text else grid for text, grid in zip(asked, automatic, strict=True)]
    for name, (channels, _, _), grid in zip(names, shapes, grids, strict=True):
        try:
            check_grid(name, channels, grid, packing)
        except ConfigError as error:
            raise configuration.error("packing.grid", str(error)) from error
    return grids


def _modes(configuration: Configuration, names: list[str], form: TensorFormat) -> list[Mode]:
    modes = [Mode[mode] for mode in configuration.per_layer("codec.mode", names, "AI")]
    if form.packing == Packing.STACKED and Mode.RA in modes:
        raise configuration.error("codec.mode", "the stacked packing has one frame, which can only be coded AI")
    return [Mode.AI] * len(names) if form.inner_codec == InnerCodecId.LOSSLESS else modes


def _qps(configuration: Configuration, names: list[str], packing: Packing, highest: int) -> list[int]:
    base = configuration.get("codec.qp")
    offsets = configuration.per_layer("codec.qp_offset", names, 0)
    if packing == Packing.STACKED and len(set(offsets)) > 1:
        raise configuration.error("codec.qp_offset", "the stacked packing codes all layers with one QP")
    for name, offset in zip(names, offsets, strict=True):
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


def _float32(lo: float, hi: float) -> Pair:
    """Both ends as binary32 has them, a zero always +0."""
    return float(np.float32(lo)) + 0.0, float(np.float32(hi)) + 0.0


def _verifier(configuration: Configuration, inner_encoder: InnerEncoder) -> InnerDecoder:
    return make_decoder(inner_encoder.codec_id, time_limit_s=configuration.get("codec.time_limit"))


def _inner_encoder(configuration: Configuration) -> InnerEncoder:
    options = {
        "bit_depth": configuration.get("quantisation.bit_depth"),
        "preset": configuration.get("codec.preset"),
        "gop": configuration.get("codec.gop"),
        "threads": configuration.get("codec.threads", core_count()),
        "time_limit_s": configuration.get("codec.time_limit"),
    }
    name = configuration.get("codec.name")
    try:
        return make_encoder(name, **{key: value for key, value in options.items() if value is not None})
    except ConfigError as error:
        raise configuration.error("codec", str(error)) from error
