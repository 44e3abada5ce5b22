"""Train `refnet` on rendered scenes, store its weights in the package and record how they came about.

    python tools/train_refnet.py                 # about an hour on two CPU cores, minutes on a GPU
    python tools/train_refnet.py --resume        # go on from the last checkpoint
    python tools/train_refnet.py --evaluate      # only measure the stored weights and update the record

First scenes of 320x256, where a step is cheap, then of 512x384. The scenes are rendered before the training starts and
come back under random reflections, transposition and exchange of the colour channels, none of which changes an
object's class. Arithmetic is bfloat16 (autocast) over float32 weights; the stored weights are an average over the run's
last part.

With glibc, ``MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_MMAP_THRESHOLD_=17179869184`` in the environment keeps the
memory of one step for the next, which can save a good part of the time in a virtual machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import random
import time
import warnings
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
import torchvision
from numpy.typing import NDArray
from refnet_pooling import SparsePool
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from vcm_ref.network.refnet import CHANNELS, LAYERS, build_model, standardise
from vcm_ref.network.weights_files import REFNET_WEIGHTS
from vcm_ref.task.scene_shapes import CLASS_NAMES
from vcm_ref.task.scenes import render_scene

SEED = 1
EVALUATION_SEED, EVALUATION_SCENES = 1_000_000, 200
PHASES = (  # width, height, first scene seed, scenes, steps, highest learning rate, steps over which that would fall
    (320, 256, 0, 5000, 1000, 1e-3, 2450),
    (512, 384, 100_000, 2000, 750, 4e-4, 1000),
    (512, 384, 200_000, 2000, 640, 2e-4, 640),
)
AVERAGE = 0.995
HELPER_WEIGHT = 0.5
LARGEST_GRADIENT = 10.0


class Scenes:
    """Scenes of one size in memory.

    Pictures (N, 3, H, W) uint8, maps of the class at every fourth sample (N, H/4, W/4) uint8 with 0 for none, and, per
    scene, boxes xyxy (K, 4) and labels (K,).
    """

    def __init__(self, width: int, height: int, first_seed: int, count: int) -> None:
        self.pictures = torch.empty((count, 3, height, width), dtype=torch.uint8)
        self.maps = torch.empty((count, height // 4, width // 4), dtype=torch.uint8)
        self.boxes: list[Tensor] = []
        self.labels: list[Tensor] = []
        jobs = [(first_seed + index, width, height) for index in range(count)]
        with multiprocessing.get_context("spawn").Pool() as pool:
            for index, (image, classes, boxes, labels) in enumerate(pool.imap(_render, jobs, chunksize=16)):
                self.pictures[index] = torch.from_numpy(image).permute(2, 0, 1)
                self.maps[index] = torch.from_numpy(classes)
                self.boxes.append(torch.from_numpy(boxes))
                self.labels.append(torch.from_numpy(labels))

    def batch(self, indices: list[int], draw: random.Random) -> tuple[Tensor, Tensor, list[dict[str, Tensor]]]:
        """Give the scenes at ``indices``, freshly varied: standardised pixels (N, 3, H, W), class maps, targets."""
        transpose = draw.random() < 0.5
        pixels, maps, targets = [], [], []
        for index in indices:
            picture, classes, boxes = self.pictures[index], self.maps[index], self.boxes[index]
            height, width = picture.shape[1:]
            picture = picture[draw.sample(range(3), 3)]
            if draw.random() < 0.5:
                picture, classes, boxes = (
                    picture.flip(2),
                    classes.flip(1),
                    torch.stack((width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]), 1),
                )
            if draw.random() < 0.5:
                picture, classes, boxes = (
                    picture.flip(1),
                    classes.flip(0),
                    torch.stack((boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]), 1),
                )
            if transpose:
                picture, classes, boxes = picture.transpose(1, 2), classes.T, boxes[:, [1, 0, 3, 2]]
            pixels.append(picture)
            maps.append(classes)
            targets.append({"boxes": boxes, "labels": self.labels[index]})
        return standardise(torch.stack(pixels)), torch.stack(maps).long(), targets


def _render(
    job: tuple[int, int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    scene = render_scene(*job)
    height, width = scene.image.shape[:2]
    classes = np.zeros((height, width), np.uint8)
    for item in scene.objects:
        inside = np.arange(len(item.counts), dtype=np.uint8) % 2
        classes += np.repeat(inside * np.uint8(item.category_id), item.counts).reshape(width, height).T
    boxes = np.array([item.bbox for item in scene.objects], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = np.array([item.category_id for item in scene.objects], np.int64)
    return scene.image, classes[2::4, 2::4].copy(), boxes, labels


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and store the weights; give what the record says about the run."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(SEED)
    model = build_model().to(device, memory_format=torch.channels_last).train()
    if device.type == "cpu":
        model.roi_heads.box_roi_pool = SparsePool(LAYERS, 7)
        warnings.filterwarnings("ignore", "Sparse CSR tensor support")
    helper = torch.nn.Conv2d(CHANNELS, len(CLASS_NAMES) + 1, 1).to(device)
    average = {key: value.detach().clone() for key, value in model.state_dict().items()}
    parameters = [*model.parameters(), *helper.parameters()]
    decayed = [p for p in parameters if p.ndim > 1]
    rest = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, fused=True)
    step, spent = 0, 0.0
    resumed: list[int] = []
    if arguments.resume:
        state = torch.load(arguments.checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        helper.load_state_dict(state["helper"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, spent = state["average"], state["step"], state["spent"]
        resumed = [*state["resumed"], step]
    ends = [int(end * arguments.share) for end in accumulate(phase[4] for phase in PHASES)]
    steps = ends[-1]
    scenes: Scenes | None = None
    phase = -1
    started = time.monotonic() - spent
    losses: dict[str, float] = {}
    while step < steps:
        now = next(index for index, end in enumerate(ends) if step < end)
        if now != phase:
            phase, scenes = now, None  # frees the last phase's memory first
            width, height, first, count, _, rate, horizon = PHASES[phase]
            count = min(count, arguments.scenes)
            print(f"rendering {count} scenes of {width}x{height}", flush=True)
            scenes = Scenes(width, height, first, count)
            print(f"step {step}: {time.monotonic() - started:.0f} s", flush=True)
        assert scenes is not None
        behind = step - (ends[phase - 1] if phase else 0)
        for group in optimiser.param_groups:
            group["lr"] = _rate(behind / (horizon * arguments.share), rate)
        parts = _step(model, helper, optimiser, scenes, step, arguments.batch, device)
        step += 1
        _mix(average, model, min(AVERAGE, step / (step + 10.0)))
        for key, value in parts.items():
            losses[key] = losses.get(key, value) * 0.97 + value * 0.03
        if step % 20 == 0 or step == steps:
            text = " ".join(f"{key.removeprefix('loss_')} {value:.3f}" for key, value in losses.items())
            seconds = time.monotonic() - started
            print(f"step {step}/{steps} {seconds:.0f} s rate {optimiser.param_groups[0]['lr']:.2e} {text}", flush=True)
        if step % 250 == 0 or step == steps:
            state = {
                "model": model.state_dict(),
                "helper": helper.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average,
                "step": step,
                "spent": time.monotonic() - started,
                "resumed": resumed,
            }
            beside = arguments.checkpoint.with_name(arguments.checkpoint.name + ".part")
            torch.save(state, beside)
            beside.replace(arguments.checkpoint)
    store(average, arguments.weights)
    return {
        "seed": SEED,
        "steps": steps,
        "batch": arguments.batch,
        "training_scenes": [
            {
                "size": f"{width}x{height}",
                "first_seed": first,
                "count": min(count, arguments.scenes),
                "steps": int(part * arguments.share),
                "highest_learning_rate": rate,
            }
            for width, height, first, count, part, rate, _ in PHASES
        ],
        "seconds": round(time.monotonic() - started),
        "machine": f"{os.cpu_count()} cores, {device.type}",
        "command": arguments.command,
        "resumed_at_steps": resumed,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "numpy": np.__version__,
            "safetensors": safetensors.__version__,
        },
    }


def _step(
    model: Any,
    helper: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    scenes: Scenes,
    step: int,
    size: int,
    device: torch.device,
) -> dict[str, float]:
    """Take one optimisation step on one batch; what it holds depends on ``step`` alone. Give the losses."""
    draw = random.Random(SEED * 1_000_003 + step)
    torch.manual_seed(SEED * 1_000_003 + step)  # torchvision samples anchors and proposals
    pixels, maps, targets = scenes.batch(draw.sample(range(len(scenes.boxes)), size), draw)
    pixels = pixels.to(device, memory_format=torch.channels_last)
    targets = [{key: value.to(device) for key, value in target.items()} for target in targets]
    sizes = [(pixels.shape[2], pixels.shape[3])] * size
    with torch.autocast(device.type, torch.bfloat16):
        pyramid = model.backbone(pixels)
        proposals, parts = model.rpn(ImageList(pixels, sizes), pyramid, targets)
        _, more = model.roi_heads(pyramid, proposals, sizes, targets)
        parts = {**parts, **more, "loss_class_map": HELPER_WEIGHT * _class_map_loss(helper, pyramid, maps.to(device))}
        loss = sum(parts.values())
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if norm > LARGEST_GRADIENT:
        torch._foreach_mul_(gradients, LARGEST_GRADIENT / float(norm))
    optimiser.step()
    return {key: float(value.detach()) for key, value in parts.items()}


def _class_map_loss(helper: torch.nn.Module, pyramid: dict[str, Tensor], maps: Tensor) -> Tensor:
    """Ask every sample of every layer for the class there, ``maps`` (N, H/4, W/4).

    The proposals' few regions alone teach a network with fresh weights its classes too slowly for an hour. ``helper``
    is not stored.
    """
    weights = torch.ones(len(CLASS_NAMES) + 1, device=maps.device)
    weights[0] = 0.3
    total = maps.new_zeros((), dtype=torch.float32)
    for level, name in enumerate(LAYERS):
        step = 2**level
        total = total + torch.nn.functional.cross_entropy(
            helper(pyramid[name]).float(), maps[:, step // 2 :: step, step // 2 :: step], weights
        )
    return total / len(LAYERS)


def _rate(progress: float, peak: float) -> float:
    """Warm up over the first 4 %, then fall smoothly to 1 % of ``peak``."""
    if progress < 0.04:
        return peak * (0.05 + 0.95 * progress / 0.04)
    left = (1.0 - progress) / 0.96
    return peak * max(0.01, left * left * (3.0 - 2.0 * left))


@torch.no_grad()
def _mix(average: dict[str, Tensor], model: torch.nn.Module, keep: float) -> None:
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1.0 - keep)


def store(state: dict[str, Tensor], path: Path) -> None:
    """Write ``state`` as safetensors: matrices and kernels in float16, vectors in float32."""
    tensors = {
        key: value.detach().cpu().contiguous().to(torch.float16 if value.ndim > 1 else torch.float32).contiguous()
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    beside = path.with_name(path.name + ".part")
    save_file(tensors, beside)
    beside.chmod(0o644)  # safetensors lets nobody else read it
    beside.replace(path)


def evaluate(weights: Path, first_seed: int, count: int) -> dict[str, float]:
    """Measure stored ``weights`` as the package runs them: float32, scene by scene."""
    from vcm_ref.network.refnet import RefNet
    from vcm_ref.task.coco import evaluate_boxes
    from vcm_ref.task.scenes import analysed_scenes

    document, found = analysed_scenes(RefNet(weights), first_seed, count)
    return evaluate_boxes(document, found)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train and measure refnet, the reference network.")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps to take, for trying things out")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--scenes", type=int, default=1_000_000, help="at most so many scenes of each size")
    parser.add_argument("--weights", type=Path, default=REFNET_WEIGHTS, help="where to store the weights")
    parser.add_argument("--checkpoint", type=Path, default=Path("refnet_checkpoint.pt"))
    parser.add_argument("--resume", action="store_true", help="go on from --checkpoint")
    parser.add_argument("--evaluate", action="store_true", help="measure the stored weights, train nothing")
    parser.add_argument("--evaluation-scenes", type=int, default=EVALUATION_SCENES)
    parser.add_argument("--threads", type=int, default=0, help="threads of torch (default: all cores)")
    arguments = parser.parse_args()
    arguments.command = "python tools/train_refnet.py" + f" --share {arguments.share}" * (arguments.share != 1.0)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    record_path = arguments.weights.with_suffix(".json")
    record = json.loads(record_path.read_text("utf-8")) if arguments.evaluate and record_path.is_file() else {}
    if not arguments.evaluate:
        record = {"network": "refnet", "training": train(arguments)}
    figures = evaluate(arguments.weights, EVALUATION_SEED, arguments.evaluation_scenes)
    record["weights_sha256"] = hashlib.sha256(arguments.weights.read_bytes()).hexdigest()
    record["evaluation"] = {
        "first_seed": EVALUATION_SEED,
        "scenes": arguments.evaluation_scenes,
        "size": "512x384",
        **{key: round(value, 4) for key, value in figures.items()},
    }
    record_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record["evaluation"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
