"""Detectron2's R-CNN models with a feature pyramid, any of its zoo by configuration name, split at P2–P5 or C2–C5.

::

    picture ─ resize, standardise, pad ─ backbone ─ c2 c3 c4 c5 ─ FPN ─ p2 p3 p4 p5 ─ p6 = pool(p5) ─ RPN ─ heads
              └─────────── part 1 with split c ─────────────┘ └─────────────────── part 2 with split c ─────────┘
              └────────────────── part 1 with split p ────────────────────────────┘ └── part 2 with split p ────┘

The networks of the MPEG-VCM feature anchor (m58786) and of Rhee et al. and Han et al. are among them.
P6 is P5 at every second sample (``max_pool2d(P5, 1, 2)``), so it is not coded. Wu et al.,
"Detectron2", 2019; Lin et al., "Feature Pyramid Networks", 2017; Xie et al., "ResNeXt" (X-101), 2017.

A plain copy of detectron2's source on PYTHONPATH is enough: these models need no compiled part of it.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import copy
import importlib.util
import logging
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import detectron2
import numpy as np
import torch
import torch.nn.functional as F
from detectron2.config import get_cfg
from detectron2.data import MetadataCatalog
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.modeling import GeneralizedRCNN, build_model
from detectron2.modeling.backbone import FPN
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectron2.structures import ImageList
from numpy.typing import NDArray
from torch import Tensor, nn

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.models.cost import PartCost
from vcm_ref.network.checks import CPU, check_layers, check_resized, checked, picture_size
from vcm_ref.network.torch_cost import split_cost
from vcm_ref.network.torch_parts import (
    as_layer,
    as_tensor,
    chosen_device,
    device_record,
    exact_inference,
    model_with_weights,
)
from vcm_ref.network.weights_files import DEFAULT, detectron2_files, files_digest, zoo_configuration, zoo_places
from vcm_ref.task.detections import Detections

_OUTSIDE_MODEL = ("anchor_generator.cell_anchors", "pixel_mean", "pixel_std")
"""Tensors of older weights files that newer models make from their configuration."""


class Detectron2Network:
    """A model of detectron2's zoo behind the project's network interface.

    ``model`` is a configuration's name, as in ``COCO-Detection/faster_rcnn_X_101_32x8d_FPN_3x``. ``split`` is ``p`` or
    ``c``. Sides, thresholds and the number of detections are the configuration's own where not given. Labels are the
    category ids of the data set that the model was trained on. Raises `NetworkError` where the model is not of this
    kind, and where the weights cannot be had.
    """

    def __init__(
        self,
        model: str,
        weights: str | Path = DEFAULT,
        split: Literal["p", "c"] = "p",
        seed: int = 0,
        shortest_side: int | None = None,
        longest_side: int | None = None,
        score_threshold: float | None = None,
        nms_threshold: float | None = None,
        max_detections: int | None = None,
        device: str = CPU,
    ) -> None:
        self._device = chosen_device(device)
        # Detectron2 calls torch as torch was; what torch says of that is of no use to whoever runs it.
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
        model = model.removesuffix(".yaml")
        self.name = f"detectron2 {model}"
        if split not in ("p", "c"):
            raise NetworkError(f"network.split: is {split!r}; allowed are p and c")
        settings = {
            "INPUT.MIN_SIZE_TEST": shortest_side,
            "INPUT.MAX_SIZE_TEST": longest_side,
            "MODEL.ROI_HEADS.SCORE_THRESH_TEST": score_threshold,
            "MODEL.ROI_HEADS.NMS_THRESH_TEST": nms_threshold,
            "TEST.DETECTIONS_PER_IMAGE": max_detections,
        }
        self._settings = {key: value for key, value in settings.items() if value is not None}
        self._split = split
        self.cfg = _configuration(model, self._settings)
        self._configuration_digest = files_digest(detectron2_files({"model": model}))
        self.model, self._weights = model_with_weights(
            lambda: _build(self.cfg, model, split), weights, seed, lambda: _address(model), ignored=_OUTSIDE_MODEL
        )
        self.model.to(self._device)
        fpn = self.model.backbone
        parts = fpn.output_shape() if split == "p" else fpn.bottom_up.output_shape()
        names = fpn.in_features  # res2 … res5, finest first; the pyramid's own levels are p2 … p5
        self._keys = {f"{split}{name[3:]}": f"p{name[3:]}" if split == "p" else name for name in names}
        self.layers = tuple(self._keys)
        self._parts = {layer: (parts[key].channels, parts[key].stride) for layer, key in self._keys.items()}
        self._resize = ResizeShortestEdge([self.cfg.INPUT.MIN_SIZE_TEST] * 2, self.cfg.INPUT.MAX_SIZE_TEST)
        self._category_ids, self.class_names = _classes(self.cfg)
        self._pyramid_from = _without_bottom_up(fpn)

    def describe(self) -> dict[str, str]:
        """The model, the split, its weights with their SHA-256, options, and detectron2's version, for a record."""
        options = {key: str(value) for key, value in self._settings.items()}
        return {
            "network": self.name,
            "split": self._split,
            **self._weights,
            "configuration_sha256": self._configuration_digest,
            **options,
            "detectron2": detectron2.__version__,
            **device_record(self._device),
        }

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Run the whole network, unsplit, on ``image`` (H, W, 3) uint8 RGB."""
        height, width = picture_size(image, self.name)
        with exact_inference():
            found = self.model([{"image": self._pixels(image), "height": height, "width": width}])
        return checked(self._detections(found[0]["instances"]), height, width, self.class_names, self.name)

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        """Part 1: give p2 … p5, each (256, H, W) float32, or c2 … c5, of ``image`` (H, W, 3) uint8 RGB."""
        height, width = picture_size(image, self.name)
        with exact_inference():
            pictures = self.model.preprocess_image([{"image": self._pixels(image)}])
            run = self.model.backbone if self._split == "p" else self.model.backbone.bottom_up
            found = run(pictures.tensor)
        return FeatureSet(height, width, {layer: as_layer(found[key]) for layer, key in self._keys.items()})

    def analyse(self, features: FeatureSet) -> Detections:
        """Part 2: detect from the layers alone.

        Raises `NetworkError` if the layers are not those that a picture of that size gives.
        """
        height, width = features.height, features.width
        size = self.network_size(height, width)
        padded = self.padded_size(size)
        shapes = {
            layer: (channels, padded[0] // stride, padded[1] // stride)
            for layer, (channels, stride) in self._parts.items()
        }
        check_layers(features, shapes, self.name)
        given = {layer: as_tensor(features.layers[layer], self._device) for layer in self.layers}
        # The proposal network asks the pictures only for their sizes, so an empty view of the padded one does.
        pictures = ImageList(torch.zeros(1, device=self._device).expand(1, 3, *padded), [size])
        with exact_inference():
            pyramid = self.pyramid(given)
            proposals, _ = self.model.proposal_generator(pictures, pyramid, None)
            found, _ = self.model.roi_heads(pictures, pyramid, proposals, None)
            original = [{"height": height, "width": width}]
            found = GeneralizedRCNN._postprocess(found, original, [size])[0]["instances"]
            return checked(self._detections(found), height, width, self.class_names, self.name)

    def pyramid(self, layers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All levels of the pyramid by detectron2's names, from the coded layers, each (N, C, H, W)."""
        given = {key: layers[layer] for layer, key in self._keys.items()}
        if self._split == "p":
            return {**given, "p6": F.max_pool2d(given["p5"], kernel_size=1, stride=2)}
        return dict(self._pyramid_from(given))

    def class_indices(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Detectron2's own numbers for this network's labels (K,)."""
        numbers = {int(label): number for number, label in enumerate(self._category_ids)}
        return np.array([numbers[int(label)] for label in labels], np.int64)

    def cost(self, image: NDArray[np.uint8]) -> tuple[PartCost, PartCost]:
        """The cost of part 1 and of part 2 for ``image`` (H, W, 3) uint8 RGB."""
        return split_cost(self, image)

    def _pixels(self, image: NDArray[np.uint8]) -> Tensor:
        """``image`` (H, W, 3) RGB resized as detectron2's own predictor does it: (3, H, W) float32, 0 to 255."""
        self.network_size(*image.shape[:2])  # refuses what is too narrow
        ordered = image[:, :, ::-1] if self.cfg.INPUT.FORMAT == "BGR" else image
        resized = self._resize.get_transform(ordered).apply_image(np.ascontiguousarray(ordered))
        return torch.as_tensor(resized.astype("float32").transpose(2, 0, 1).copy())

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """The size at which the network sees a picture, before padding."""
        sides = ResizeShortestEdge.get_output_shape(
            height, width, self.cfg.INPUT.MIN_SIZE_TEST, self.cfg.INPUT.MAX_SIZE_TEST
        )
        check_resized((height, width), (int(sides[0]), int(sides[1])), self.name)
        return int(sides[0]), int(sides[1])

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size of the network's input, of a picture that it sees at ``size``."""
        multiple = self.model.backbone.size_divisibility
        return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple

    def _detections(self, found: Any) -> Detections:
        found = found.to("cpu")
        masks = found.pred_masks.numpy() if found.has("pred_masks") else None
        labels = self._category_ids[found.pred_classes.numpy()]
        return Detections(found.pred_boxes.tensor.numpy(), found.scores.numpy(), labels, masks)


def _configuration(model: str, settings: dict[str, Any]) -> Any:
    """The model's configuration from detectron2's folder of them: inside an installed copy, beside a source one."""
    path = zoo_configuration(model)
    if path is None:
        places = " or ".join(map(str, zoo_places(model)))
        raise NetworkError(f"network.model: detectron2's zoo has no configuration {model!r}; looked for {places}")
    cfg = get_cfg()
    cfg.merge_from_file(str(path))
    cfg.MODEL.DEVICE = "cpu"
    for key, value in settings.items():
        cfg.merge_from_list([key, value])
    return cfg


def _build(cfg: Any, name: str, split: str) -> Any:
    if cfg.MODEL.META_ARCHITECTURE != "GeneralizedRCNN" or not cfg.MODEL.BACKBONE.NAME.endswith("fpn_backbone"):
        raise NetworkError(f"network.model: {name} is not an R-CNN with a feature pyramid")
    model = build_model(cfg)
    if split == "p" and not isinstance(model.backbone.top_block, LastLevelMaxPool):
        raise NetworkError(f"network.model: {name} does not make its coarsest level from P5; use split: c")
    return model


def _without_bottom_up(fpn: FPN) -> FPN:
    """The same pyramid, weights shared, that takes the backbone's layers instead of a picture."""
    pyramid = copy.copy(fpn)
    pyramid._modules = {**fpn._modules, "bottom_up": nn.Identity()}
    return pyramid


def _classes(cfg: Any) -> tuple[NDArray[np.int64], Mapping[int, str]]:
    """Each class's category id, by detectron2's number for it, and the name of each category id."""
    metadata = MetadataCatalog.get(cfg.DATASETS.TRAIN[0])
    names = metadata.get("thing_classes") or [str(index) for index in range(cfg.MODEL.ROI_HEADS.NUM_CLASSES)]
    numbers = metadata.get("thing_dataset_id_to_contiguous_id") or {index: index for index in range(len(names))}
    ids = np.array(sorted(numbers, key=lambda key: int(numbers[key])), np.int64)
    return ids, {int(key): str(name) for key, name in zip(ids, names, strict=True)}


def _address(model: str) -> str:
    """Where detectron2's zoo keeps the trained weights of ``model``."""
    stub = None
    if importlib.util.find_spec("pkg_resources") is None:
        # Newer setuptools are without it; the zoo imports it, but only its search for configurations uses it.
        stub = sys.modules["pkg_resources"] = ModuleType("pkg_resources")
    try:
        from detectron2.model_zoo import get_checkpoint_url

        return str(get_checkpoint_url(f"{model}.yaml"))
    except RuntimeError as error:
        raise NetworkError(f"detectron2's zoo has no weights for {model}; name a file with network.weights") from error
    finally:
        if stub is not None:
            del sys.modules["pkg_resources"]
