"""Every key of the configuration: a frozen dataclass a stage, with defaults, meanings and bounds.

The classes of quantisation, order, packing and inner codec are in ``tensor_sections.py``. The JSON Schema and the table
of keys in ``docs/guide.md`` are made of all of them. A value ``X | Mapping[str, X]`` is one for all layers, or a
mapping whose keys are names of layers or coded tensors, places in coding order (``layer 1``), endings of names
(``*.maps``) and ``default``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..bitstream.elements import MAX_COMPONENTS, MAX_GROUP
from ..inputs.video_file import PIXEL_FORMATS
from .options import Tree, option, section
from .tensor_sections import Codec, Order, Packing, Quantisation

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
    weights: str | None = option(None, "a weights file, `default` or `random` (default: the network's own)")
    model: str | None = option(None, "a model of torchvision or of detectron2's zoo")
    layer: int | None = option(None, "the layer at which a classifier is split", minimum=1)
    split: Literal["p", "c"] | None = option(None, "detectron2: split after the pyramid or before it")
    seed: int | None = option(None, "the seed of `weights: random`", minimum=0)
    trained_on: str | None = option(None, "the training data of the network, as reports print it", shapes=False)
    training_pictures: str | None = option(
        None,
        "a file with the SHA-256 of each training picture, one a line; reports warn of test pictures in it",
        shapes=False,
    )
    device: Literal["cpu", "cuda"] | None = option(
        None, "`cpu` (the default, and the reference) or `cuda`, whose results differ slightly"
    )
    shortest_side: int | None = option(None, "the shorter side to which pictures are resized, in pixels", minimum=1)
    longest_side: int | None = option(None, "the limit for the longer side after resizing, in pixels", minimum=1)
    score_threshold: float | None = option(None, "the least score of a detection", minimum=0, maximum=1)
    nms_threshold: float | None = option(
        None, "the overlap (IoU) above which the detection with the lower score is removed", minimum=0, maximum=1
    )
    max_detections: int | None = option(None, "the largest number of detections in a picture", minimum=1)
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
    outputs: Sequence[str] | None = option(
        None, "onnx: the outputs of the graph that the head takes, in the head's order", schema=_NAMES
    )
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
    size: str | None = option(None, "onnx: width x height of the input, if the graph leaves it open", **SIZE)
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
        100, "if given: code the picture itself instead of features, at this percentage of its size"
    )


#: The methods of reduction that need a model.
WITH_MODEL = ("klt", "network")


@dataclass(frozen=True)
class Reduction:
    """Reduction of the layers to the coded tensors (docs/bitstream.md, clause 8.9)."""

    method: Literal["none", "resize", "klt", "pca", "network"] = option(
        "none",
        "`resize` codes layers at a fraction of their size; `klt` codes components of a trained transform of all "
        "layers; `pca` codes principal components of each layer's maps; `network` codes tensors of a trained network "
        "of integers",
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
        "the number of coded components (default: chosen by the QP). `klt`: components of all layers together; `pca`: "
        "components of a layer; 0 codes the layer without PCA",
        by_layer=True,
        minimum=0,
        maximum=MAX_COMPONENTS,
        only_with=("reduction.method", ("klt", "pca")),
        description=f"an integer, 0 to {MAX_COMPONENTS}",
    )
    energy: float | Mapping[str, float] | None = option(
        None,
        "instead of a number: the fewest components with this share of the layer's variance in the first picture",
        by_layer=True,
        only_with=("reduction.method", ("pca",)),
        exclusiveMinimum=0,
        maximum=1,
        description="a number above 0, at most 1",
    )
    most_components: int | None = option(
        None,
        "the largest number of components of a layer without a number (default: 64)",
        only_with=("reduction.method", ("pca",)),
        minimum=1,
        maximum=255,
    )
    model: str | None = option(
        None,
        "the model's file (default: the model shipped for the network)",
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
        "the condition of the network (default: the QP, or 0 without a QP)",
        minimum=0,
        maximum=255,
        only_with=("reduction.method", ("network",)),
    )
    carry_model: bool = option(
        False,
        "whether the bitstream carries the model; otherwise it has the first 8 bytes of the model's SHA-256",
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
    """The network of `reduction.method: network`, and its training by vcm_train.

    Coding reads nothing of it but the architecture, to find the model that is shipped.
    """

    architecture: Literal["msfc", "klt_restored", "learned"] = option(
        "msfc",
        "`msfc`: fusion and reconstruction; `klt_restored`: a fixed KLT and a restoration after it; `learned`: the "
        "same with a trained encoder",
    )
    klt: str | None = option(
        None,
        "the model of the KLT (default: the model shipped for the network)",
        only_with=("training.architecture", ("klt_restored", "learned")),
    )
    direction: Literal["top_down", "bottom_up"] = option(
        "top_down",
        "the layer that is restored first: the coarsest (Han et al. 2022), or the finest",
        only_with=("training.architecture", ("msfc",)),
    )
    coded_channels: int = option(
        64, "the number of coded maps, or of components with `klt_restored` and `learned`", minimum=1, maximum=4096
    )
    width: int = option(256, "the number of maps of the tensors inside the network", minimum=1, maximum=4096)
    blocks: int = option(
        2,
        "the number of residual blocks of the restoration",
        minimum=1,
        maximum=64,
        only_with=("training.architecture", ("klt_restored", "learned")),
    )
    squeezed: int = option(
        16,
        "channels inside squeeze and excitation; 0: without squeeze and excitation",
        minimum=0,
        maximum=4096,
        only_with=("training.architecture", ("msfc",)),
    )
    placed: bool = option(
        False,
        "whether each place inside a sample of the coarsest layer has weights of its own, in analysis and synthesis; "
        "the papers take means of layers, and repeat samples",
        only_with=("training.architecture", ("msfc",)),
    )
    loss: Literal["distillation", "task", "features"] = option(
        "distillation",
        "`distillation` compares outputs of part 2, without labels; `task` is the network's own loss; `features` "
        "compares layers",
    )
    feature_weight: float = option(1.0, "the weight of the layers' error beside another loss", minimum=0, maximum=10**6)
    noise_bits: Sequence[int] | None = option(
        None, "bit depths to train for; each step draws one of them, or none", schema=_BITS
    )
    noise_steps: Sequence[float] | None = option(
        None, "quantisation steps to train for; each step of training draws one of them, or none", schema=_STEPS
    )
    noise_qps: Sequence[int] | None = option(
        None,
        "QPs to train for; each step draws one of them, and makes levels as `codec` says; a QP may be there twice",
        schema=_QPS,
    )
    qp_by_picture: bool = option(False, "with `noise_qps`: whether each picture of a step has a QP of its own")
    rate_weight: float = option(
        0.0,
        "with `noise_steps` or `noise_qps`: the weight of a bit for each place of the coded maps, times the square of "
        "the step",
        minimum=0,
        maximum=10**6,
    )
    weight_bits: Literal[8, 16] = option(16, "bits of a weight of both graphs in the model")
    steps: int = option(2000, "training steps", minimum=1, maximum=10**9)
    batch: int = option(4, "the number of pictures in a step", minimum=1, maximum=1024)
    learning_rate: float = option(1e-3, "the highest learning rate", exclusiveMinimum=0, maximum=1)
    evaluate_every: int = option(250, "the number of steps between two selections", minimum=1)
    patience: int = option(
        8, "training ends after this number of selections without a better result", minimum=1, maximum=10**9
    )
    selection_share: float = option(
        0.2, "the share of the pictures that select the best weights, and do not train", exclusiveMinimum=0, maximum=0.9
    )
    examples: Literal["stored", "drawn"] = option(
        "stored",
        "`stored`: the layers of all pictures and parts are computed once; `drawn`: each step draws new parts of "
        "pictures, and computes their layers on the device (exported networks)",
    )
    mirror: bool = option(True, "whether training also uses mirrored pictures")
    crops: int = option(
        0,
        "the number of parts of each picture that training also uses, with changed brightness",
        minimum=0,
        maximum=1000,
        only_with=("training.examples", ("stored",)),
    )
    clear_outside: bool = option(
        False, "whether coded maps are 0 at positions that a picture does not cover, in training and in coding"
    )
    average: float = option(
        0.0,
        "the model has a mean of the weights, which keeps this share of itself at each step; 0: the last weights",
        minimum=0,
        exclusiveMaximum=1,
    )
    start: str | None = option(
        None,
        "the weights to start from: a file that vcm_train wrote beside a model, of a network of the same sizes; after "
        "a KLT also of fewer components or blocks; for MSFC also of fewer coded maps or less width",
    )
    seed: int = option(0, "the seed of the first weights and of every draw", minimum=0, maximum=2**31)
    kept: float = option(
        8.0,
        "gigabytes of a GPU's memory in which the layers of stored examples stay; others are read in each step",
        minimum=0,
        maximum=10**6,
        shapes=False,
    )
    threads: int = option(1, "threads of torch; another number rounds sums in another way", minimum=1, maximum=1024)
    device: Literal["auto", "cpu", "cuda"] = option("auto", "the device of training")
    mixed_precision: bool = option(True, "bfloat16 where torch considers it safe, on a GPU or a processor that has it")


@dataclass(frozen=True)
class Coding:
    """Everything that shapes a result."""

    apply_exif_orientation: bool = option(True, "whether pictures are turned upright by their Exif orientation")
    network: Network = section(Network, "the network for pictures")
    picture: Picture | None = section(Picture, "the picture itself is coded", optional=True)
    level: int | None = option(
        None,
        "the level to declare (docs/bitstream.md, clause 9) (default: the lowest level that the first group needs)",
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
        "the number of pictures in a group (default: 1)",
        minimum=1,
        maximum=MAX_GROUP,
    )
    group_parameters: Literal["common", "own"] | None = option(
        None,
        "`own` (the default): each picture of a group has its own ranges and orders; `common`: all have the same",
    )
    digest_length: int = option(
        8, "bytes of each digest in the bitstream; with 0 the encoder does not decode its output", minimum=0, maximum=32
    )


@dataclass(frozen=True)
class Files:
    """Inputs and outputs of vcm_enc. No coding tool depends on them."""

    input: str | None = option(None, "picture, feature file, folder or glob", shapes=False)
    bitstream: str = option("bitstream.bin", "the bitstream to write", shapes=False, minLength=1)
    picture_size: str | None = option(
        None,
        "width x height of the original picture, for raw video and for feature files that do not state it",
        shapes=False,
        **SIZE,
    )
    pixel_format: str | None = option(
        None,
        "raw video: " + ", ".join(f"`{name}`" for name in PIXEL_FORMATS) + " (default: `yuv420p`)",
        values=PIXEL_FORMATS,
        shapes=False,
    )
    frame_rate: float | None = option(
        None,
        "pictures a second, for raw video (default: 30), and for pictures or features that form a sequence",
        exclusiveMinimum=0,
        maximum=1000,
        shapes=False,
    )
    start: int | None = option(
        None, "video: the number of the first picture, from 0 (default: 0)", minimum=0, shapes=False
    )
    frames: int | None = option(None, "video: the largest number of pictures (default: all)", minimum=1, shapes=False)


@dataclass(frozen=True)
class Everything(Coding, Files):
    """All keys of a configuration file."""
