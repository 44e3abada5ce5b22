"""Any network exported to ONNX, split at tensors that the configuration names.

::

    picture ─ preprocessing ─ graph up to the cut ┊ graph from the cut ─ head ─ detections or classification
              └──────── extract (part 1) ───────┘ ┊ └──────────── analyse (part 2) ────────────┘

The whole graph and both parts run in onnxruntime with its graph optimisations off. They would fuse nodes, across the
cut too where there is none, and a fused node rounds differently; without them each node computes the same in the
whole and in a part, and the split is exact. They run in one thread each, so that results do not depend on the number
of cores; workers, each with a network of its own, use more.
"""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.models.cost import PartCost
from vcm_ref.network.checks import CPU, CUDA, check_device, check_layer_names, checked, number, picture_size
from vcm_ref.network.coco_classes import COCO_CLASSES, COCO_LABELS
from vcm_ref.network.onnx_cost import graph_cost
from vcm_ref.network.onnx_cut import cut_model
from vcm_ref.network.onnx_heads import Selection, box_detections, logits_classification, yolox_detections
from vcm_ref.network.onnx_pictures import Fit, Preprocessing, three_numbers
from vcm_ref.network.weights_files import external_data, files_digest
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections

Array = NDArray[Any]
_PROVIDERS = {CPU: "CPUExecutionProvider", CUDA: "CUDAExecutionProvider"}
_LONGEST_ERROR = 300  # characters of a library's own message that are passed on


class OnnxNetwork:
    """An exported network behind the project's network interface. ``docs/networks.md`` explains the options.

    ``cut`` is a list of tensors, or a mapping of layer names to tensors; in a list, a layer is named as its tensor,
    with ``_`` for characters that a bitstream's layer names cannot have. Raises `NetworkError` where the file is no
    usable ONNX model, where the cut does not separate it, and where options do not fit it.
    """

    name = "onnx"

    def __init__(
        self,
        weights: str | Path,
        cut: Sequence[str] | Mapping[str, str],
        head: Literal["yolox", "yolox_decoded", "boxes", "logits"],
        outputs: Sequence[str] | None = None,
        classes: Mapping[int, str] | Literal["coco"] | None = None,
        size: str | None = None,
        fit: Fit = "stretch",
        shortest_side: int | None = None,
        fill: int = 114,
        channels: Literal["rgb", "bgr"] = "rgb",
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        antialias: bool = True,
        score_threshold: float = 0.01,
        nms_threshold: float = 0.65,
        max_detections: int = 100,
        device: str = CPU,
    ) -> None:
        self._device = _checked_device(device)
        path = Path(weights)
        self._model, self._weights = _read_model(path)
        self._tensors = _layer_names(cut)
        self.layers = tuple(self._tensors)
        given = [item.name for item in self._model.graph.output]
        self._outputs = _head_outputs(head, outputs, given)
        self._models = cut_model(self._model, list(self._tensors.values()), self._outputs)
        self._part1, self._part2 = (
            _session(part, f"{path}, {side} of the cut", self._device)
            for part, side in zip(self._models, ("before", "after"), strict=True)
        )
        self._input = _only_input(self._part1)
        self._preprocessing = Preprocessing(
            size=_input_size(self._input, _asked_size(size), fit),
            fit=fit,
            shortest_side=None if shortest_side is None else int(number("shortest_side", shortest_side, 1, 65536)),
            fill=int(number("fill", fill, 0, 255)),
            channels=channels,
            mean=three_numbers("mean", mean),
            std=three_numbers("std", std),
            antialias=antialias,
        )
        self._head = head
        self._selection = Selection(
            number("score_threshold", score_threshold, 0, 1),
            number("nms_threshold", nms_threshold, 0, 1),
            int(number("max_detections", max_detections, 1, 10**9)),
        )
        self.class_names = _class_names(classes, head, self._part2.get_outputs()[0].shape)

    def describe(self) -> dict[str, str]:
        """The model's file and SHA-256, the cut, the head, all options, and onnxruntime's version, for a record."""
        cut = ", ".join(f"{layer}={tensor}" for layer, tensor in self._tensors.items())
        options = {"cut": cut, "head": self._head, "preprocessing": str(self._preprocessing)}
        options["selection"] = str(self._selection)
        device = {} if self._device == CPU else {"device": self._device}
        return {"network": self.name, **self._weights, **options, "onnxruntime": onnxruntime.__version__, **device}

    def __call__(self, image: NDArray[np.uint8]) -> Detections | Classification:
        """Run the whole network, unsplit, on ``image`` (H, W, 3) uint8 RGB."""
        height, width = picture_size(image, self.name)
        found = _run(self._whole, self._outputs, {self._input.name: self._preprocessing(image)})
        return self._result(found, height, width)

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        """Part 1: give the tensors of the cut, each (C, H, W) float32, of ``image`` (H, W, 3) uint8 RGB."""
        height, width = picture_size(image, self.name)
        found = _run(self._part1, list(self._tensors.values()), {self._input.name: self._preprocessing(image)})
        for (layer, tensor), values in zip(self._tensors.items(), found, strict=True):
            if values.ndim != 4 or len(values) != 1 or values.dtype != np.float32 or 0 in values.shape:
                raise NetworkError(
                    f"network.cut: layer {layer} must be (1, C, H, W) float32; tensor {tensor} is {values.shape} "
                    f"{values.dtype} for a picture of {width}x{height}"
                )
        layers = {layer: values[0] for layer, values in zip(self.layers, found, strict=True)}
        return FeatureSet(height, width, layers, self._preprocessing.covered(height, width))

    def analyse(self, features: FeatureSet) -> Detections | Classification:
        """Part 2: detect or classify from the layers alone.

        Raises `NetworkError` if they are not the layers of the cut, or of shapes that part 2 cannot take.
        """
        check_layer_names(features, self.layers, self.name)
        given = {
            tensor: np.require(features.layers[layer], np.float32, ["C"])[None]
            for layer, tensor in self._tensors.items()
        }
        return self._result(_run(self._part2, self._outputs, given), features.height, features.width)

    @property
    def head(self) -> str:
        """The kind of the network's outputs."""
        return self._head

    @property
    def preprocessing(self) -> Preprocessing:
        """How a picture becomes the network's input."""
        return self._preprocessing

    def part1_model(self) -> onnx.ModelProto:
        """The graph from the network's input to the cut, whose outputs are the layers' tensors in order."""
        return self._models[0]

    def part2_model(self) -> onnx.ModelProto:
        """The graph from the cut to the head's outputs, whose inputs are the layers' tensors in order."""
        return self._models[1]

    def cost(self, image: NDArray[np.uint8]) -> tuple[PartCost, PartCost]:
        """The cost of part 1 and of part 2 for ``image`` (H, W, 3) uint8 RGB. Raises `NetworkError`."""
        features = self.extract(image)
        before = {self._input.name: self._preprocessing(image)}
        after = {tensor: features.layers[layer][None] for layer, tensor in self._tensors.items()}
        part1, part2 = (graph_cost(part, given) for part, given in zip(self._models, (before, after), strict=True))
        return part1, part2

    @cached_property
    def _whole(self) -> onnxruntime.InferenceSession:
        return _session(self._model, "the whole network", self._device)

    def _result(self, found: list[Array], height: int, width: int) -> Detections | Classification:
        if self._head == "logits":
            return logits_classification(found[0], len(self.class_names))
        place = self._preprocessing.place(height, width)
        size = self._preprocessing.input_size(height, width)
        if self._head == "boxes":
            detections = box_detections(found[0], found[1], found[2], size, place, self._selection)
        else:
            decoded = self._head == "yolox_decoded"
            detections = yolox_detections(found[0], size, place, list(self.class_names), self._selection, decoded)
        return checked(detections, height, width, self.class_names, self.name)


def _read_model(path: Path) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model with its external data, and for a record the name and the SHA-256 of all its files."""
    if not path.is_file():
        raise NetworkError(f"weights {path}: there is no such file")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's and onnx's own kinds
        raise NetworkError(f"weights {path}: not an ONNX model: {_one_line(error)}") from error
    others = external_data(model, path)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
    except Exception as error:
        raise NetworkError(f"weights {path}: not a usable ONNX model: {_one_line(error)}") from error
    names = {"external_data": ", ".join(file.relative_to(path.parent).as_posix() for file in others)} if others else {}
    return model, {"weights": path.name, **names, "weights_sha256": files_digest([path, *others])}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_ERROR] or type(error).__name__


def _layer_names(cut: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Layer name to tensor, in coding order."""
    for names in (cut, cut.values()) if isinstance(cut, Mapping) else (cut,):
        _check_names("cut", names)
    pairs = list(cut.items()) if isinstance(cut, Mapping) else [(re.sub(r"[^A-Za-z0-9_.-]", "_", x), x) for x in cut]
    named = dict(pairs)
    wrong = [name for name in named if not re.fullmatch(r"[A-Za-z0-9_.-]+", name)]
    if wrong or len(named) < len(pairs):
        got = ", ".join(name for name, _ in pairs)
        raise NetworkError(f"network.cut: layer names must differ and have only A-Z a-z 0-9 _ . - ; got {got}")
    return named


def _check_names(option: str, names: Any) -> None:
    """Raise `NetworkError` unless ``names`` is a list of text."""
    if isinstance(names, str) or not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise NetworkError(f"network.{option}: is {names!r}; write a list of names of tensors")


def _head_outputs(head: str, outputs: Sequence[str] | None, given: Sequence[str]) -> list[str]:
    """The graph's outputs that ``head`` takes, in its order; those asked for, else the graph's first ones."""
    count = {"yolox": 1, "yolox_decoded": 1, "boxes": 3, "logits": 1}.get(head)
    if count is None:
        raise NetworkError(f"network.head: is {head!r}; allowed are yolox, yolox_decoded, boxes, logits")
    _check_names("outputs", outputs or [])
    wanted = list(outputs) if outputs is not None else list(given[:count])
    unknown = [name for name in wanted if name not in given]
    if unknown or len(wanted) != count:
        raise NetworkError(
            f"network.outputs: head {head} takes {count} of the graph's outputs {', '.join(given)}; "
            f"got {', '.join(wanted)}"
        )
    return wanted


def _checked_device(device: str) -> str:
    """The device, where onnxruntime can use it."""
    check_device(device)
    if _PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise NetworkError(
            f"network.device: onnxruntime {onnxruntime.__version__} has no {_PROVIDERS[device]} here, which {device} "
            f"needs; use {CPU}, or install onnxruntime-gpu instead of onnxruntime"
        )
    return device


def _providers(device: str) -> list[Any]:
    """Products in float32 and not in shorter formats, by algorithms that are the same every time."""
    options = {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"} if device == CUDA else {}
    return [(_PROVIDERS[device], options)]


def _session(model: onnx.ModelProto, what: str, device: str = CPU) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # with more, sums are split by their number, and round accordingly
    options.log_severity_level = 3  # errors; the rest is about what optimisations could do
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=_providers(device))
    except Exception as error:  # onnxruntime's own kinds have no common class
        raise NetworkError(f"onnxruntime cannot run {what}: {_one_line(error)}") from error
    if _PROVIDERS[device] not in session.get_providers():  # it falls back to the CPU in silence
        raise NetworkError(f"network.device: onnxruntime cannot run {what} on {device}; use {CPU}")
    return session


def _run(session: onnxruntime.InferenceSession, outputs: list[str], given: dict[str, Array]) -> list[Array]:
    try:
        found: list[Array] = session.run(outputs, given)
    except Exception as error:  # likewise
        raise NetworkError(f"onnxruntime: {_one_line(error)}") from error
    return found


def _only_input(session: onnxruntime.InferenceSession) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(item.name for item in inputs)
        raise NetworkError(f"an exported network takes one input here, the picture; this one takes {names or 'none'}")
    return inputs[0]


def _asked_size(text: str | None) -> tuple[int, int] | None:
    """``WIDTHxHEIGHT`` as height and width."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", str(text))
    if match is None:
        raise NetworkError(f"network.size: is {text!r}; write width x height, as in 640x480")
    return int(match[2]), int(match[1])


def _input_size(given: Any, asked: tuple[int, int] | None, fit: str) -> tuple[int, int] | None:
    """The height and width of the network's input: the graph's own, else those asked for; `None` for the picture's."""
    shape = list(given.shape)
    if len(shape) != 4 or any(
        isinstance(have, int) and have != want for have, want in zip(shape, (1, 3), strict=False)
    ):
        raise NetworkError(f"input {given.name} must be (1, 3, H, W); the graph has {tuple(shape)}")
    height, width = (side if isinstance(side, int) else None for side in shape[2:])
    if asked is not None and (height or asked[0], width or asked[1]) != asked:
        raise NetworkError(f"network.size: is {asked[1]}x{asked[0]}; the graph's input is {width}x{height}")
    if fit == "none" and height is None and width is None:
        return None
    if fit not in ("stretch", "letterbox", "crop"):
        raise NetworkError(f"network.fit: is {fit!r}; allowed are stretch, letterbox and crop, or none for a free size")
    if asked is not None:
        return asked
    if height is None or width is None:
        raise NetworkError("network.size: the graph leaves the size of its input open; give it, as in 640x480")
    return height, width


def _class_names(classes: Mapping[int, str] | str | None, head: str, shape: Sequence[Any]) -> Mapping[int, str]:
    """Category id to name. For yolox and logits the n-th entry is the network's n-th class."""
    if isinstance(classes, Mapping):
        try:
            return {int(key): str(name) for key, name in classes.items()}
        except (TypeError, ValueError) as error:
            raise NetworkError(f"network.classes: {error}; write a mapping of whole numbers to names") from error
    if classes not in ("coco", None):
        raise NetworkError(f"network.classes: is {classes!r}; write coco, or a mapping of ids to names")
    if head == "logits" and classes is None:
        sides = shape[1:] if len(shape) > 1 else shape
        if not sides or not all(isinstance(side, int) for side in sides):
            raise NetworkError("network.classes: the graph does not say how many there are; give ids and names")
        return {index: str(index) for index in range(prod(sides))}
    return COCO_LABELS if head == "boxes" else COCO_CLASSES
