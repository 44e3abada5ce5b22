"""Train the mask head of `refnet_mask` on rendered scenes, store its weights in the package and record how they came.

    python tools/train_refnet_mask.py              # about 20 minutes on one CPU core
    python tools/train_refnet_mask.py --evaluate   # only measure the stored weights and update the record

Everything but the mask head stays as it is in `refnet`, so its layers are computed once: for each scene, the regions of
the objects' true boxes and of the boxes that the network finds for them are pooled and kept in ``--folder``, a file for
each few scenes. The head then learns from these regions alone. The same command goes on from ``--folder`` after an
interruption and gives the same weights. It runs in one thread, in float32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.ops import box_iou, roi_align
from train_refnet import EVALUATION_SCENES, EVALUATION_SEED, SEED, store

from vcm_ref.network.refnet import RefNet
from vcm_ref.network.refnet_mask import REGION, RefNetMask, build_mask_head, region_pool
from vcm_ref.network.weights_files import REFNET_MASK_WEIGHTS, REFNET_WEIGHTS
from vcm_ref.reporting.provenance import file_digest
from vcm_ref.task.coco import evaluate_boxes, evaluate_masks
from vcm_ref.task.scenes import Scene, SceneObject, analysed_scenes, render_scene

FIRST_SEED = 300_000
SCENES = 500
WIDTH, HEIGHT = 512, 384
STEPS, BATCH, HIGHEST_RATE = 1000, 32, 1e-3
CHUNK = 10
SAVED_EVERY = 50
LEAST_OVERLAP, LEAST_SCORE = 0.5, 0.3


class Regions(NamedTuple):
    """Regions with what the head is to say: pooled layers (K, 256, 14, 14) float16, masks (K, 28, 28) and labels."""

    layers: Tensor
    masks: Tensor
    labels: Tensor


def regions_of(network: RefNet, seed: int) -> Regions:
    """The regions of one scene: each object's true box, and the best box that ``network`` finds for it."""
    scene = render_scene(seed, WIDTH, HEIGHT)
    features = network.extract(scene.image)
    found = network.analyse(features)
    truth = torch.tensor([item.bbox for item in scene.objects], dtype=torch.float32)
    truth[:, 2:] += truth[:, :2]
    boxes, owners = [truth], [torch.arange(len(truth))]
    good = torch.from_numpy(found.boxes[found.scores >= LEAST_SCORE])
    if len(good):
        overlap, owner = box_iou(good, truth).max(1)
        for index in range(len(truth)):
            own = torch.nonzero((owner == index) & (overlap >= LEAST_OVERLAP))[:1, 0]  # best first
            boxes.append(good[own])
            owners.append(owner[own])
    box, owner = torch.cat(boxes), torch.cat(owners)
    pyramid = OrderedDict((name, torch.from_numpy(layer)[None]) for name, layer in features.layers.items())
    pooled = region_pool()(pyramid, [box], [(HEIGHT, WIDTH)])
    whole = torch.from_numpy(np.stack([_mask(scene, item) for item in scene.objects]))[:, None]
    masks = roi_align(whole, torch.cat((owner[:, None].float(), box), 1), 2 * REGION, 1.0)[:, 0]
    labels = torch.tensor([item.category_id for item in scene.objects])[owner]
    return Regions(pooled.half(), masks.half(), labels)


def _mask(scene: Scene, item: SceneObject) -> np.ndarray[Any, np.dtype[np.float32]]:
    height, width = scene.image.shape[:2]
    inside = np.arange(len(item.counts)) % 2
    return np.repeat(inside.astype(np.float32), item.counts).reshape(width, height).T.copy()


def collect(folder: Path, scenes: int) -> Regions:
    """The regions of all scenes, from ``folder`` where they are there, and kept there where they were not."""
    network = RefNet()
    parts = []
    for first in range(FIRST_SEED, FIRST_SEED + scenes, CHUNK):
        path = folder / f"regions_{first}.safetensors"
        if not path.is_file():
            seeds = range(first, min(first + CHUNK, FIRST_SEED + scenes))
            merged = [torch.cat(column) for column in zip(*(regions_of(network, seed) for seed in seeds), strict=True)]
            _save(dict(zip(Regions._fields, merged, strict=True)), path)
            print(f"regions of the scenes up to {seeds[-1]}", flush=True)
        parts.append(Regions(**load_file(path)))
    return Regions(*(torch.cat(column) for column in zip(*parts, strict=True)))


def train(regions: Regions, folder: Path, steps: int) -> dict[str, Tensor]:
    """Train the head from ``regions``; give its weights. What a step does depends on its number alone."""
    torch.manual_seed(SEED)
    head = build_mask_head().train()
    parameters = list(head.parameters())
    optimiser = torch.optim.AdamW(parameters, weight_decay=0.01)
    path, first = folder / "checkpoint.pt", 0
    if path.is_file():
        state = torch.load(path, weights_only=True)
        head.load_state_dict(state["head"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    shown = 0.0
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = HIGHEST_RATE * min(1.0, (step + 1) / 40) * (1.0 - step / steps)
        chosen = random.Random(SEED * 1_000_003 + step).sample(range(len(regions.labels)), BATCH)
        logits = head["mask_predictor"](head["mask_head"](regions.layers[chosen].float()))
        own = logits[torch.arange(BATCH), regions.labels[chosen]]
        loss = F.binary_cross_entropy_with_logits(own, regions.masks[chosen].float())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        shown = shown * 0.95 + float(loss.detach()) * 0.05 if shown else float(loss.detach())
        if (step + 1) % SAVED_EVERY == 0:
            print(f"step {step + 1}/{steps} loss {shown:.4f}", flush=True)
            state = {"head": head.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
            torch.save(state, beside := path.with_suffix(".part"))
            beside.replace(path)
    return dict(head.state_dict())


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    save_file(tensors, beside := path.with_suffix(".part"))
    beside.replace(path)


def evaluate(weights: Path, count: int) -> dict[str, float]:
    """Measure stored weights as the package runs them, on scenes that no part of the network has seen."""
    network = RefNetMask(weights)
    document, found = analysed_scenes(network, EVALUATION_SEED, count)
    boxes, masks = evaluate_boxes(document, found), evaluate_masks(document, found)
    return boxes | {f"mask_{name}": value for name, value in masks.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train and measure the mask head of refnet_mask.")
    parser.add_argument("--weights", type=Path, default=REFNET_MASK_WEIGHTS, help="where to store the head's weights")
    parser.add_argument(
        "--folder", type=Path, help="for regions and checkpoint (default: WEIGHTS with the suffix .part)"
    )
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--evaluate", action="store_true", help="measure the stored weights, train nothing")
    parser.add_argument("--evaluation-scenes", type=int, default=EVALUATION_SCENES)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    record_path = arguments.weights.with_suffix(".json")
    record = json.loads(record_path.read_text("utf-8")) if arguments.evaluate and record_path.is_file() else {}
    if not arguments.evaluate:
        folder = arguments.folder or arguments.weights.with_suffix(".part")
        folder.mkdir(parents=True, exist_ok=True)
        regions = collect(folder, arguments.scenes)
        store(train(regions, folder, arguments.steps), arguments.weights)
        record = {"network": "refnet_mask", "training": _told(arguments, len(regions.labels))}
        del regions  # gigabytes
    figures = evaluate(arguments.weights, arguments.evaluation_scenes)
    record["weights_sha256"] = hashlib.sha256(arguments.weights.read_bytes()).hexdigest()
    record["evaluation"] = {
        "first_seed": EVALUATION_SEED,
        "scenes": arguments.evaluation_scenes,
        "size": f"{WIDTH}x{HEIGHT}",
        **{key: round(value, 4) for key, value in figures.items()},
    }
    record_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record["evaluation"]))
    return 0


def _told(arguments: argparse.Namespace, regions: int) -> dict[str, Any]:
    """What the record says about the training."""
    return {
        "refnet_weights_sha256": file_digest(REFNET_WEIGHTS),
        "seed": SEED,
        "steps": arguments.steps,
        "batch": BATCH,
        "highest_learning_rate": HIGHEST_RATE,
        "training_scenes": [
            {
                "size": f"{WIDTH}x{HEIGHT}",
                "first_seed": FIRST_SEED,
                "count": arguments.scenes,
                "regions": regions,
            }
        ],
        "machine": f"1 of {os.cpu_count()} cores, cpu",
        "command": "python tools/train_refnet_mask.py",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "numpy": np.__version__,
            "safetensors": safetensors.__version__,
        },
    }


if __name__ == "__main__":
    raise SystemExit(main())
