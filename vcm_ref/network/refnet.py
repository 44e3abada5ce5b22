"""`refnet`, the project's reference network: a small Faster R-CNN with a feature pyramid of the usual layout.

Torchvision's own parts throughout (Ren et al., "Faster R-CNN", 2015; Lin et al., "Feature Pyramid Networks", 2017)::

    picture ─ backbone ─ c2 c3 c4 c5 ─ FPN ─ p2 p3 p4 p5 ┊ p6 = pool(p5) ─ RPN ─ proposals ─ box head ─ detections
              └─────────────── extract (part 1) ───────┘ ┊ └─────────────── analyse (part 2) ──────────────┘

p2 … p5 have 256 feature maps each at strides 4, 8, 16 and 32; p6 is made again from p5, so it is not coded.
A picture runs at its own size, unless its longer side exceeds `LONGEST_SIDE`, zero-padded on the right and below to a
multiple of 32, so that every layer is exactly half the one before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import __version__ as torchvision_version
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.resnet import BasicBlock
from torchvision.ops import Conv2dNormActivation, FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.models.cost import PartCost
from vcm_ref.network.checks import CPU, checked
from vcm_ref.network.torch_cost import split_cost
from vcm_ref.network.torch_parts import as_layer, as_tensor, chosen_device, device_record, exact_inference
from vcm_ref.network.weights_files import REFNET_WEIGHTS
from vcm_ref.reporting.provenance import file_digest
from vcm_ref.task.detections import Detections
from vcm_ref.task.scene_shapes import CLASS_NAMES

LAYERS = ("p2", "p3", "p4", "p5")
"""The coded layers, finest first."""

CHANNELS = 256
"""Feature maps in each layer."""

STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}
"""Picture samples from one feature sample to the next."""

LONGEST_SIDE = 1333
"""A picture with a longer side than this is reduced to it before the network, in pixels."""

_WIDTHS = (64, 128, 192, 256)
_DEPTHS = (1, 2, 2, 2)
_MEAN, _SPREAD = 127.5, 64.0


class _Backbone(nn.Module):
    """Residual stages c2 … c5 (He et al., 2016) under a feature pyramid p2 … p5, plus ``pool``, that is p6."""

    out_channels = CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv2dNormActivation(3, 32, kernel_size=3, stride=2)
        stages, width = [], 32
        for planes, depth in zip(_WIDTHS, _DEPTHS, strict=True):
            stages.append(_stage(width, planes, depth))
            width = planes
        self.stages = nn.ModuleList(stages)
        self.fpn = FeaturePyramidNetwork(list(_WIDTHS), CHANNELS, extra_blocks=LastLevelMaxPool())

    def forward(self, pixels: Tensor) -> OrderedDict[str, Tensor]:
        """Give p2 … p5 and pool, each (N, 256, H, W), of standardised ``pixels`` (N, 3, H, W)."""
        x = self.stem(pixels)
        stages: OrderedDict[str, Tensor] = OrderedDict()
        for name, stage in zip(LAYERS, self.stages, strict=True):
            x = stage(x)
            stages[name] = x
        return cast("OrderedDict[str, Tensor]", self.fpn(stages))


def _stage(width: int, planes: int, depth: int) -> nn.Sequential:
    shortcut = nn.Sequential(nn.Conv2d(width, planes, 1, stride=2, bias=False), nn.BatchNorm2d(planes))
    blocks = [BasicBlock(width, planes, stride=2, downsample=shortcut)]
    blocks += [BasicBlock(planes, planes) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


class _ProposalHead(RPNHead):  # type: ignore[misc]
    """Torchvision's proposal head with 64 hidden maps instead of 256, and float32 results whatever goes on inside."""

    def __init__(self, anchors: int) -> None:
        super().__init__(64, anchors)
        self.conv = Conv2dNormActivation(CHANNELS, 64, kernel_size=3, norm_layer=None)

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x)
        return [item.float() for item in logits], [item.float() for item in deltas]


def build_model() -> FasterRCNN:
    """Build the network with fresh weights, in evaluation mode. Its parts: ``backbone``, ``rpn``, ``roi_heads``."""
    anchors = AnchorGenerator(((16,), (32,), (64,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 5)
    model = FasterRCNN(
        _Backbone(),
        rpn_anchor_generator=anchors,
        rpn_head=_ProposalHead(anchors.num_anchors_per_location()[0]),
        rpn_pre_nms_top_n_train=400,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=500,
        rpn_post_nms_top_n_test=300,
        rpn_fg_iou_thresh=0.6,
        rpn_bg_iou_thresh=0.35,
        box_roi_pool=MultiScaleRoIAlign(list(LAYERS), output_size=7, sampling_ratio=1),
        box_head=FastRCNNConvFCHead((CHANNELS, 7, 7), [128], [256], norm_layer=nn.BatchNorm2d),
        box_predictor=FastRCNNPredictor(256, len(CLASS_NAMES) + 1),
        box_batch_size_per_image=64,
        box_positive_fraction=0.5,
    )
    return model.eval()


def standardise(pixels: Tensor) -> Tensor:
    """Bring samples 0 to 255 to about -2 to 2, as the backbone expects them; float32."""
    return (pixels.to(torch.float32) - _MEAN) / _SPREAD


def fill(model: nn.Module, path: Path, network: str) -> None:
    """Give ``model`` the weights in the safetensors file ``path``, as float32.

    Raises `NetworkError` where the file cannot be read, does not fit the model, or lacks a tensor of it.
    """
    try:
        stored = load_file(path)
        model.load_state_dict({key: value.float() for key, value in stored.items()}, strict=False)
    except Exception as error:  # safetensors has its own kinds, torch raises RuntimeError
        raise NetworkError(f"{network}'s weights {path} cannot be used: {str(error).splitlines()[0]}") from error
    missing = {key for key in model.state_dict() if not key.endswith("num_batches_tracked")} - stored.keys()
    if missing:
        raise NetworkError(f"{network}'s weights {path} lack {len(missing)} tensors, {min(missing)} among them")


class RefNet:
    """The reference network behind the project's network interface.

    ``weights`` names another safetensors file than the package's own. Raises `NetworkError` if it cannot be used.
    """

    name = "refnet"
    layers = LAYERS
    class_names = CLASS_NAMES

    def __init__(self, weights: str | Path | None = None, device: str = CPU) -> None:
        self._device = chosen_device(device)
        path = Path(weights) if weights is not None else REFNET_WEIGHTS
        self.model = build_model()
        fill(self.model, path, self.name)
        self.model.requires_grad_(False).to(self._device)
        self._weights = {"weights": path.name, "weights_sha256": file_digest(path)}

    def describe(self) -> dict[str, str]:
        """The weights' file name and SHA-256, and torchvision's version, for a record."""
        return {
            "network": self.name,
            **self._weights,
            "torchvision": torchvision_version,
            **device_record(self._device),
        }

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width at which the network sees a picture of ``height`` × ``width``, before padding."""
        return _network_size(height, width)

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Run the whole network, unsplit, on ``image`` (H, W, 3) uint8 RGB."""
        with exact_inference():
            height, width = _size(image)
            return self._detect(self._pyramid(image), height, width)

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        """Part 1: give the layers p2 … p5, each (256, H, W) float32, of ``image`` (H, W, 3) uint8 RGB."""
        with exact_inference():
            height, width = _size(image)
            pyramid = self._pyramid(image)
        return FeatureSet(height, width, {name: as_layer(pyramid[name]) for name in LAYERS})

    def analyse(self, features: FeatureSet) -> Detections:
        """Part 2: detect from the layers alone.

        Raises `NetworkError` if the layers are not those that a picture of that size gives.
        """
        padded_height, padded_width = (_padded(side) for side in _network_size(features.height, features.width))
        if tuple(features.layers) != LAYERS:
            got = ", ".join(features.layers)
            raise NetworkError(f"refnet's layers are {', '.join(LAYERS)}, in this order; got {got}")
        pyramid: OrderedDict[str, Tensor] = OrderedDict()
        for name, layer in features.layers.items():
            expected = (CHANNELS, padded_height // STRIDES[name], padded_width // STRIDES[name])
            if layer.shape != expected:
                raise NetworkError(
                    f"layer {name} of a {features.width}x{features.height} picture is {expected} in refnet; "
                    f"got {layer.shape}"
                )
            pyramid[name] = as_tensor(layer, self._device)
        with exact_inference():
            pool = cast(Callable[..., tuple[list[Tensor], list[str]]], LastLevelMaxPool())
            pyramid["pool"] = pool([pyramid["p5"]], [], ["p5"])[0][-1]
            return self._detect(pyramid, features.height, features.width)

    def cost(self, image: NDArray[np.uint8]) -> tuple[PartCost, PartCost]:
        """The cost of part 1 and of part 2 for ``image`` (H, W, 3) uint8 RGB."""
        return split_cost(self, image)

    def _pyramid(self, image: NDArray[np.uint8]) -> OrderedDict[str, Tensor]:
        height, width = image.shape[:2]
        pixels = torch.from_numpy(np.array(image.transpose(2, 0, 1), np.float32, order="C"))[None].to(self._device)
        size = _network_size(height, width)
        if size != (height, width):
            pixels = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False, antialias=True)
        pixels = F.pad(standardise(pixels), (0, _padded(size[1]) - size[1], 0, _padded(size[0]) - size[0]))
        pyramid: OrderedDict[str, Tensor] = self.model.backbone(pixels)
        return OrderedDict((name, layer.contiguous()) for name, layer in pyramid.items())

    def _detect(self, pyramid: OrderedDict[str, Tensor], height: int, width: int) -> Detections:
        size = _network_size(height, width)
        # The proposal network asks the pictures only for their padded size, so an empty view of it does.
        blank = torch.zeros(1, device=self._device).expand(1, 3, _padded(size[0]), _padded(size[1]))
        pictures = ImageList(blank, [size])
        proposals, _ = cast(RegionProposalNetwork, self.model.rpn)(pictures, pyramid)
        found, _ = cast(RoIHeads, self.model.roi_heads)(pyramid, proposals, [size])
        scale = torch.tensor([width / size[1], height / size[0]] * 2, dtype=torch.float32)
        boxes, scores, labels = (found[0][name].cpu() for name in ("boxes", "scores", "labels"))
        boxes = boxes * scale
        masks = self._masks(found[0], boxes, height, width)
        detections = Detections(boxes.numpy(), scores.numpy(), labels.numpy(), masks)
        return checked(detections, height, width, CLASS_NAMES, self.name)

    def _masks(self, found: dict[str, Tensor], boxes: Tensor, height: int, width: int) -> NDArray[np.bool_] | None:
        """The masks (N, H, W) of what was ``found`` at ``boxes`` of the original picture; this network has none."""
        return None


def _size(image: NDArray[np.uint8]) -> tuple[int, int]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise NetworkError(f"refnet takes (H, W, 3) uint8 RGB pictures; got {image.shape} {image.dtype}")
    return int(image.shape[0]), int(image.shape[1])


def _network_size(height: int, width: int) -> tuple[int, int]:
    """Give the size at which the network sees a picture of ``height`` × ``width``, before padding."""
    longest = max(height, width)
    if longest <= LONGEST_SIDE:
        return height, width
    # Integers, rounded half up, so that part 2 finds what part 1 used on any machine.
    return tuple(max(1, (2 * side * LONGEST_SIDE + longest) // (2 * longest)) for side in (height, width))  # type: ignore[return-value]


def _padded(side: int) -> int:
    return -(-side // 32) * 32
