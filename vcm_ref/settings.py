"""From a configuration and the first feature set to everything the encoder's stages need."""

from __future__ import annotations

from dataclasses import dataclass

from .bitstream.elements import MAX_CHANNELS, MAX_SIZE
from .bitstream.geometry import inner_bit_depth
from .bitstream.levels import profile_for
from .bitstream.syntax import NAME_CHARACTERS, LayerHeader, StreamHeader
from .bitstream.values import Allocation, Arrangement, Grid, Mode, RangeScope, ReorderCoding
from .codec import InnerDecoder, InnerEncoder, make_decoder, make_encoder
from .configuration import Configuration, parse_grid
from .conversion.grids import check_grid, frame_grid, tiled_grids
from .conversion.order import OrderMethod
from .conversion.parallel import core_count
from .conversion.quantisation import RANGE_PROFILES, Rounding
from .errors import ConfigError, DatasetError
from .feature_set import FeatureSet

#: What num_layers_minus1 and layer_name_length_minus1 can say.
MAX_LAYERS = 64
MAX_NAME = 32
_REORDER_CODINGS = {"exact": ReorderCoding.EXACT, "fixed_length": ReorderCoding.FIXED_LENGTH}


_FLOAT32_MAX = 3.4028234663852886e38


@dataclass(frozen=True)
class CodingSettings:
    """What the stages need: the stream header, the encoder's own choices, and the inner codec.

    ``modes`` and ``qps`` have an entry for each substream; ``verifier`` decodes what was coded, for the T1 digest.
    """

    header: StreamHeader
    fixed_range: tuple[float, float] | None
    rounding: Rounding
    order_method: OrderMethod
    modes: list[Mode]
    qps: list[int]
    inner_encoder: InnerEncoder
    verifier: InnerDecoder | None

    @property
    def grids(self) -> list[Grid]:
        """The grid of each layer."""
        return [layer.grid for layer in self.header.layers]

    @property
    def inner_bit_depth(self) -> int:
        """Bits of a sample in the inner codec."""
        return inner_bit_depth(self.header.inner_codec, self.header.bit_depth)


def settings_for(configuration: Configuration, features: FeatureSet) -> CodingSettings:
    """The settings for pictures with the layers of ``features``.

    Raises :class:`ConfigError` where the configuration does not fit these layers.
    """
    if configuration.get("picture") is not None:
        raise configuration.error("picture", "codes the picture itself: that is for vcm_anchor and vcm_sweep")
    names = list(features.layers)
    arrangement = Arrangement[configuration.get("arrangement.method").upper()]
    modes = _modes(configuration, names, arrangement)
    inner_encoder = _inner_encoder(configuration)
    bit_depth = configuration.get("quantisation.bit_depth")
    if bit_depth > inner_bit_depth(inner_encoder.codec_id, bit_depth):
        raise configuration.error("quantisation.bit_depth", f"{bit_depth} bits need codec.name lossless")
    fixed_range, rounding = _fixed_range(configuration)
    order_method: OrderMethod = configuration.get("order.method")
    reordered = order_method != "none"
    header = StreamHeader(
        profile=profile_for(inner_encoder.codec_id),
        bit_depth=bit_depth,
        inner_codec=inner_encoder.codec_id,
        arrangement=arrangement,
        allocation=Allocation.SPATIAL
        if arrangement == Arrangement.TILED
        else Allocation[configuration.get("arrangement.allocation").upper()],
        range_scope=RangeScope[configuration.get("quantisation.range").upper()],
        reorder_coding=_REORDER_CODINGS[configuration.get("order.coding")] if reordered else ReorderCoding.NONE,
        digest_length=configuration.get("digest_length"),
        layers=[
            LayerHeader(name, len(layer), grid, mode)
            for (name, layer), grid, mode in zip(
                features.layers.items(), _grids(configuration, features, arrangement), modes, strict=True
            )
        ],
        fixed_range=fixed_range or (0.0, 0.0),
    )
    qps = _qps(configuration, names, arrangement, inner_encoder.highest_qp)
    substreams = 1 if arrangement == Arrangement.TILED else len(names)
    return CodingSettings(
        header=header,
        fixed_range=fixed_range,
        rounding=rounding,
        order_method=order_method,
        modes=modes[:substreams],
        qps=qps[:substreams],
        inner_encoder=inner_encoder,
        verifier=_verifier(configuration, inner_encoder) if header.digest_length else None,
    )


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


def _grids(configuration: Configuration, features: FeatureSet, arrangement: Arrangement) -> list[Grid]:
    names = list(features.layers)
    if arrangement == Arrangement.TILED:
        automatic = tiled_grids([layer.shape for layer in features.layers.values()])
    else:
        automatic = [frame_grid(layer.shape) for layer in features.layers.values()]
    asked = configuration.per_layer("arrangement.grid", names, None)
    grids = [parse_grid(text) if text else grid for text, grid in zip(asked, automatic, strict=True)]
    for (name, layer), grid in zip(features.layers.items(), grids, strict=True):
        try:
            check_grid(name, len(layer), grid, arrangement)
        except ConfigError as error:
            raise configuration.error("arrangement.grid", str(error)) from error
    return grids


def _modes(configuration: Configuration, names: list[str], arrangement: Arrangement) -> list[Mode]:
    modes = [Mode[mode] for mode in configuration.per_layer("codec.mode", names, "AI")]
    if arrangement == Arrangement.TILED and Mode.RA in modes:
        raise configuration.error("codec.mode", "the tiled arrangement has one frame, which can only be coded AI")
    return modes


def _qps(configuration: Configuration, names: list[str], arrangement: Arrangement, highest: int) -> list[int]:
    base = configuration.get("codec.qp")
    offsets = configuration.per_layer("codec.qp_offset", names, 0)
    if arrangement == Arrangement.TILED and len(set(offsets)) > 1:
        raise configuration.error("codec.qp_offset", "the tiled arrangement codes all layers with one QP")
    for name, offset in zip(names, offsets, strict=True):
        if not 0 <= base + offset <= highest:
            problem = f"the QP of layer {name} comes to {base + offset}, outside 0..{highest}"
            raise configuration.error("codec.qp_offset" if offset else "codec.qp", problem)
    return [base + offset for offset in offsets]


def _fixed_range(configuration: Configuration) -> tuple[tuple[float, float] | None, Rounding]:
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
        return (profile.lo, profile.hi), profile.rounding
    if lo is None or hi is None:
        raise configuration.error("quantisation.range", "is fixed; give a profile, or min and max")
    if not (abs(lo) <= _FLOAT32_MAX and abs(hi) <= _FLOAT32_MAX and lo <= hi):
        raise configuration.error("quantisation.min", f"{lo}..{hi} must be finite float32, the minimum first")
    return (float(lo), float(hi)), rounding


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
