"""Every key of the configuration: a frozen dataclass a stage, with defaults, meanings and bounds.

The JSON Schema and the table of keys in ``docs/guide.md`` are made of these classes. A value ``X | Mapping[str, X]`` is
one for all layers, or a mapping whose keys are names of layers or coded tensors, places in coding order (``layer 1``),
endings of names (``*.maps``) and ``default``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..bitstream.elements import MAX_COMPONENTS, MAX_GROUP
from ..codec import hevc, vtm, vvenc
from ..conversion.quantisation import RANGE_PROFILES
from ..video_file import PIXEL_FORMATS
from .options import Tree, option, section

GRID: Tree = {"pattern": r"^[1-9][0-9]{0,5}x[1-9][0-9]{0,5}\Z", "description": "columns x rows, as in 4x4"}
SIZE: Tree = {"pattern": r"^[1-9][0-9]{0,5}x[1-9][0-9]{0,5}\Z", "description": "width x height, as in 416x416"}
_NUMBERS = {
    "type": "array",
    "minItems": 3,
    "maxItems": 3,
    "items": {"type": "number"},
    "description": "a list of three numbers, one for each colour channel, 0 to 255",
}
_NAMES = {"type": "array", "minItems": 1, "items": {"type": "string"}, "description": "a list of names"}


@dataclass(frozen=True)
class Network:
    """The network for pictures (docs/networks.md). A network refuses the options that it does not have."""

    name: str = option("refnet", "`refnet`, `refnet_mask`, `torchvision`, `detectron2` or `onnx`")
    weights: str | None = option(None, "a weights file, `default` or `random`; without it the network's own")
    model: str | None = option(None, "a model of torchvision or of detectron2's zoo")
    layer: int | None = option(None, "the layer at which a classifier is split", minimum=1)
    split: Literal["p", "c"] | None = option(None, "detectron2: split after the pyramid or before it")
    seed: int | None = option(None, "the seed of `weights: random`", minimum=0)
    trained_on: str | None = option(None, "what the network was trained on, as reports say it", shapes=False)
    training_pictures: str | None = option(
        None, "a file of the SHA-256 of its training pictures, one a line, to find test pictures in", shapes=False
    )
    device: Literal["cpu", "cuda"] | None = option(
        None, "`cpu`, the default and the reference, or `cuda`, whose numbers differ a little"
    )
    shortest_side: int | None = option(None, "the size at which the network sees a picture, in pixels", minimum=1)
    longest_side: int | None = option(None, "the largest such size, in pixels", minimum=1)
    score_threshold: float | None = option(None, "the least score of a detection", minimum=0, maximum=1)
    nms_threshold: float | None = option(None, "the overlap at which the weaker detection goes", minimum=0, maximum=1)
    max_detections: int | None = option(None, "detections of one picture", minimum=1)
    cut: Sequence[str] | Mapping[str, str] | None = option(
        None,
        "onnx: the tensors to split at, a list or a mapping of layer names to tensors",
        as_a_whole=True,
        schema={
            "anyOf": [_NAMES, {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}],
            "description": "a list of tensors, or a mapping of layer names to tensors",
        },
    )
    head: Literal["yolox", "yolox_decoded", "boxes", "logits"] | None = option(
        None, "onnx: the kind of the network's outputs"
    )
    outputs: Sequence[str] | None = option(None, "onnx: the outputs that the head takes, in its order", schema=_NAMES)
    classes: str | Mapping[str, str] | None = option(
        None,
        "onnx: `coco`, or a mapping of category ids to names",
        as_a_whole=True,
        schema={
            "anyOf": [
                {"const": "coco"},
                {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "propertyNames": {"pattern": r"^(0|[1-9][0-9]{0,8})\Z", "description": "a category id, a number"},
                },
            ],
            "description": "coco, or a mapping of category ids to names",
        },
    )
    size: str | None = option(None, "onnx: width x height of the input where the graph leaves it open", **SIZE)
    fit: Literal["stretch", "letterbox", "crop", "none"] | None = option(None, "onnx: how a picture fits the input")
    fill: int | None = option(None, "onnx: the sample value around a letterboxed picture", minimum=0, maximum=255)
    channels: Literal["rgb", "bgr"] | None = option(None, "onnx: the order of the colour channels")
    mean: Sequence[float] | None = option(None, "onnx: the number subtracted from each channel", schema=_NUMBERS)
    std: Sequence[float] | None = option(None, "onnx: the number that each channel is divided by", schema=_NUMBERS)
    antialias: bool | None = option(None, "onnx: whether pictures are resized with a filter")


@dataclass(frozen=True)
class Picture:
    """The picture itself is coded, not features: MPEG's image anchor, for vcm_anchor and vcm_sweep."""

    scale: Literal[100, 75, 50, 25] = option(
        100, "where it is said: the picture itself is coded, not features, at this percentage of its size"
    )


#: The codecs of video; those of frames; those with a QP.
VIDEO = ("vvenc", "hevc", "vtm")
FRAMES = (*VIDEO, "lossless")
WITH_QP = (*VIDEO, "coefficients")
_OF_FRAMES = ("codec.name", FRAMES)
#: The methods of reduction that need a model.
WITH_MODEL = ("klt", "network")


@dataclass(frozen=True)
class Reduction:
    """Reduction of the layers to the coded tensors (docs/bitstream.md, clause 8.9)."""

    method: Literal["none", "resize", "klt", "pca", "network"] = option(
        "none",
        "`resize`: layers are coded at a fraction of their size; `klt`: by a trained transform of all layers; "
        "`pca`: each by the principal components of its own maps; `network`: by a trained network of integers",
    )
    factor: int | Mapping[str, int] | None = option(
        None,
        "the number that height and width of a layer are divided by: 1, 2 or 4",
        by_layer=True,
        values=(1, 2, 4),
        only_with=("reduction.method", ("resize",)),
    )
    components: int | Mapping[str, int] | None = option(
        None,
        "components that are coded; by default those worth their bits at the QP. `klt`: of all layers together; "
        "`pca`: of a layer, which stays as it is with 0",
        by_layer=True,
        minimum=0,
        maximum=MAX_COMPONENTS,
        only_with=("reduction.method", ("klt", "pca")),
        description=f"an integer, 0 to {MAX_COMPONENTS}",
    )
    energy: float | Mapping[str, float] | None = option(
        None,
        "instead of a number: a layer keeps the fewest components with this part of its variance in the first picture",
        by_layer=True,
        only_with=("reduction.method", ("pca",)),
        exclusiveMinimum=0,
        maximum=1,
        description="a number above 0, at most 1",
    )
    most_components: int | None = option(
        None,
        "the most components that a layer keeps where no number is given; 64 by default",
        only_with=("reduction.method", ("pca",)),
        minimum=1,
        maximum=255,
    )
    model: str | None = option(
        None,
        "the model's file; without it the one that is shipped for the network",
        shapes=False,
        only_with=("reduction.method", WITH_MODEL),
    )
    model_sha256: str | None = option(
        None,
        "the model by the SHA-256 of its bytes: a shipped one, or one in the folder that `VCM_MODELS` names",
        only_with=("reduction.method", WITH_MODEL),
        pattern=r"^[0-9a-f]{64}\Z",
        description="64 hexadecimal digits",
    )
    condition: int | None = option(
        None,
        "the number that the network is given besides the tensors; by default the QP, and 0 where there is none",
        minimum=0,
        maximum=255,
        only_with=("reduction.method", ("network",)),
    )
    carry_model: bool = option(
        False,
        "whether the bitstream carries the model; without it the bitstream names the model's SHA-256",
        only_with=("reduction.method", WITH_MODEL),
    )


_BITS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 16},
    "description": "a list of bit depths, 1 to 16",
}
_QPS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": 63},
    "description": "a list of QPs, 0 to 63",
}
_STEPS = {
    "type": "array",
    "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 10**6},
    "description": "a list of positive numbers",
}


@dataclass(frozen=True)
class Training:
    """The network of `reduction.method: network`, and its training by vcm_train. Coding does not read it."""

    architecture: Literal["msfc", "klt_restored"] = option(
        "msfc", "`msfc`: fusion and reconstruction; `klt_restored`: a KLT, which stays, and a restoration after it"
    )
    klt: str | None = option(
        None,
        "the model of the KLT; without it the one that is shipped for the network",
        only_with=("training.architecture", ("klt_restored",)),
    )
    direction: Literal["top_down", "bottom_up"] = option(
        "top_down",
        "the layer that is restored first: the coarsest (Han et al. 2022), or the finest",
        only_with=("training.architecture", ("msfc",)),
    )
    coded_channels: int = option(64, "maps that are coded", minimum=1, maximum=4096)
    width: int = option(256, "maps of the tensors inside the network", minimum=1, maximum=4096)
    squeezed: int = option(
        16,
        "channels inside squeeze and excitation; 0 leaves it out",
        minimum=0,
        maximum=4096,
        only_with=("training.architecture", ("msfc",)),
    )
    loss: Literal["distillation", "task", "features"] = option(
        "distillation",
        "`distillation`: part 2's outputs, without labels; `task`: the network's own; `features`: the layers alone",
    )
    feature_weight: float = option(1.0, "the weight of the layers' error beside another loss", minimum=0, maximum=10**6)
    noise_bits: Sequence[int] | None = option(
        None, "bit depths to train for; each step draws one of them, or none", schema=_BITS
    )
    noise_steps: Sequence[float] | None = option(None, "quantisation steps to train for, drawn likewise", schema=_STEPS)
    noise_qps: Sequence[int] | None = option(
        None, "QPs to train for, drawn likewise; values become levels as `codec` says", schema=_QPS
    )
    rate_weight: float = option(
        0.0,
        "with `noise_steps`: the weight of a bit for each place of the coded maps, times the square of the step",
        minimum=0,
        maximum=10**6,
    )
    weight_bits: Literal[8, 16] = option(16, "bits of the weights that the decoder's graph has in the model")
    steps: int = option(2000, "training steps", minimum=1, maximum=10**9)
    batch: int = option(4, "pictures of a step", minimum=1, maximum=1024)
    learning_rate: float = option(1e-3, "the highest learning rate", exclusiveMinimum=0, maximum=1)
    evaluate_every: int = option(250, "steps from one selection to the next", minimum=1)
    patience: int = option(8, "selections without a better result after which training ends", minimum=1, maximum=10**9)
    selection_share: float = option(
        0.2, "the share of the pictures that select, and do not train", exclusiveMinimum=0, maximum=0.9
    )
    mirror: bool = option(True, "whether pictures are trained with from right to left as well")
    start: str | None = option(
        None, "a file of weights of a network of these sizes to start from, which vcm_train wrote beside a model"
    )
    seed: int = option(0, "the seed of the first weights and of every draw", minimum=0, maximum=2**31)
    threads: int = option(1, "torch's threads; another number rounds sums otherwise", minimum=1, maximum=1024)
    device: Literal["auto", "cpu", "cuda"] = option("auto", "where training runs")
    mixed_precision: bool = option(True, "on a GPU: bfloat16 where torch deems it safe")


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
        "layer", "the values that one pair of minimum and maximum spans", only_with=_OF_FRAMES
    )
    ends: Literal["extremes", "least_error"] = option(
        "extremes",
        "the ends of a measured range: the extremes, or those with the least squared error; the latter with `layer` or "
        "`channel`, and for at most 8 bits",
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
        "exact", "`exact`: log2(C!) bits a layer; `fixed_length`: Ceil(log2(C)) bits an index", only_with=_OF_FRAMES
    )


@dataclass(frozen=True)
class Packing:
    """The place of each map in the frames (docs/bitstream.md, clause 8.5)."""

    method: Literal["frames", "quilted", "stacked"] = option(
        "frames", "`quilted`: samples of maps interleaved; `stacked`: all layers in one frame", only_with=_OF_FRAMES
    )
    allocation: Literal["frame_major", "interleaved"] = option(
        "frame_major",
        "`frame_major` fills a frame before the next, `interleaved` one position of every frame before the next",
        only_with=_OF_FRAMES,
    )
    grid: str | Mapping[str, str] | None = option(
        None,
        "columns x rows of maps; without it the squarest grid of all maps, for `stacked` MPEG's stack",
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
        "GOP length, and intra period, of RA; 32 by default; vvenc and vtm: 16 or 32",
        minimum=1,
        maximum=1024,
        only_with=("codec.name", VIDEO),
    )
    qp: int = option(
        37,
        "the QP; of `coefficients`, six double the step size, which is 1 for 32",
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
        "levels are chosen by squared error, in step sizes, plus this for each bit, 0.05 by default; 0: by rounding",
        minimum=0,
        maximum=100,
        only_with=("codec.name", ("coefficients",)),
    )
    rounding_offset: float | None = option(
        None,
        "with `rdoq` 0: how a value is rounded to a level, 0.5 to the nearest, less towards 0; 0.3 by default",
        minimum=0,
        maximum=0.5,
        only_with=("codec.name", ("coefficients",)),
    )
    time_limit: float | None = option(
        None, "seconds that one run of the inner codec may take", exclusiveMinimum=0, maximum=10**8, shapes=False
    )
    threads: int | None = option(
        None, "threads of one run; by default the cores", minimum=1, maximum=1024, shapes=False
    )


@dataclass(frozen=True)
class Coding:
    """Everything that shapes a result."""

    apply_exif_orientation: bool = option(True, "whether pictures are turned upright as their Exif orientation says")
    network: Network = section(Network, "the network for pictures")
    picture: Picture | None = section(Picture, "the picture itself is coded", optional=True)
    level: int | None = option(
        None,
        "the level to declare (docs/bitstream.md, clause 9); by default the lowest that the first pictures need",
        minimum=1,
        maximum=4,
    )
    reduction: Reduction = section(Reduction, "reduction")
    training: Training | None = section(
        Training, "training of a network for reduction, by vcm_train", optional=True, shapes=False
    )
    quantisation: Quantisation = section(Quantisation, "quantisation")
    order: Order = section(Order, "order")
    packing: Packing = section(Packing, "packing")
    codec: Codec = section(Codec, "inner codec")
    group: int | None = option(
        None,
        "pictures that are coded together as one group, for vcm_enc; 1 by default",
        minimum=1,
        maximum=MAX_GROUP,
    )
    group_parameters: Literal["common", "own"] | None = option(
        None,
        "`own`, the default: each picture of a group has its ranges and channel order; `common`: all have the same",
    )
    digest_length: int = option(
        8, "bytes of each layer's T1 digest in the bitstream; with 0 nothing is decoded again", minimum=0, maximum=32
    )


@dataclass(frozen=True)
class Files:
    """Inputs and outputs of vcm_enc. No coding tool depends on them."""

    input: str | None = option(None, "picture, feature file, folder or glob", shapes=False)
    bitstream: str = option("bitstream.bin", "the bitstream to write", shapes=False, minLength=1)
    picture_size: str | None = option(
        None,
        "width x height of the original picture, for feature files and raw video, which do not say it",
        shapes=False,
        **SIZE,
    )
    pixel_format: str | None = option(
        None,
        "raw video: " + ", ".join(f"`{name}`" for name in PIXEL_FORMATS) + "; `yuv420p` by default",
        values=PIXEL_FORMATS,
        shapes=False,
    )
    frame_rate: float | None = option(
        None,
        "pictures a second, for raw video (30 by default), and for pictures and features that are a sequence",
        exclusiveMinimum=0,
        maximum=1000,
        shapes=False,
    )
    start: int | None = option(None, "video: the number of the first picture, from 0", minimum=0, shapes=False)
    frames: int | None = option(None, "video: pictures at most; by default all", minimum=1, shapes=False)


@dataclass(frozen=True)
class Everything(Coding, Files):
    """All keys of a configuration file."""
