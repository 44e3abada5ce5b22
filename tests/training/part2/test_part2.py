"""Part 2 in torch: it computes what the network computes, and gradients reach the layers."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.configuration import find_configuration  # noqa: E402
from vcm_ref.errors import ConfigError  # noqa: E402
from vcm_ref.network import load_network  # noqa: E402
from vcm_ref.task.scenes import render_scene  # noqa: E402
from vcm_ref.training.examples import Example  # noqa: E402
from vcm_ref.training.part2 import part2_of  # noqa: E402


def layers_of(network: Any, image: Any) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(x))[None] for x in network.extract(image).layers.values()]


@pytest.fixture(scope="module")
def refnet() -> Any:
    return load_network("refnet")


@pytest.fixture(scope="module")
def yolox() -> Any:
    pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")
    weights = os.environ.get("VCM_YOLOX")
    if not weights:
        pytest.skip("VCM_YOLOX names no model")
    import yaml

    options = yaml.safe_load(find_configuration("networks/yolox_nano").read_text())["network"]
    return load_network(options.pop("name"), weights=weights, **options)


def scene_example() -> tuple[Any, Example]:
    scene = render_scene(7, 128, 96)
    boxes = np.array([item.bbox for item in scene.objects], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = np.array([item.category_id for item in scene.objects], np.int64)
    return scene.image, Example("scene", 96, 128, boxes=boxes, labels=labels)


def check_gradients(loss: Any, layers: list[torch.Tensor]) -> None:
    loss.backward()
    for layer in layers:
        assert torch.isfinite(layer.grad).all()
        assert layer.grad.abs().max() > 0
        layer.grad = None


@pytest.mark.parametrize("name", ["refnet", "refnet_mask", "torchvision"])
def test_a_detector_is_distilled_and_trained(name: str, refnet: Any) -> None:
    image, example = scene_example()
    network = refnet if name == "refnet" else None
    if name == "refnet_mask":
        network = load_network("refnet_mask")
    if name == "torchvision":
        options = {"weights": "random", "shortest_side": 64, "longest_side": 96}
        network = load_network("torchvision", model="maskrcnn_resnet50_fpn", **options)
    before = network.analyse(network.extract(image))
    original = layers_of(network, image)
    part2 = part2_of(network)
    assert part2.distillation(original, original, [example]).item() == pytest.approx(0, abs=1e-4)
    noisy = [(layer + 0.3 * torch.randn_like(layer)).requires_grad_() for layer in original]
    assert part2.distillation(noisy, original, [example]).item() > 0.01
    check_gradients(part2.distillation(noisy, original, [example]), noisy)
    torch.manual_seed(1)
    check_gradients(part2.task(noisy, [example]), noisy)
    after = network.analyse(network.extract(image))
    np.testing.assert_array_equal(before.boxes, after.boxes)
    assert not any(module.training for module in (network.model.rpn, network.model.roi_heads))


@pytest.mark.parametrize("room", [1 << 30, 0])
def test_the_teacher_is_the_same_whether_it_is_kept(refnet: Any, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr("vcm_ref.training.part2.two_stage._KEPT_BYTES", room)
    image, example = scene_example()
    original = layers_of(refnet, image)
    restored = [layer + 0.3 for layer in original]
    part2: Any = part2_of(refnet)
    first = part2.distillation(restored, original, [example])
    assert len(part2._teachers) == (room > 0)
    mirrored = dataclasses.replace(example, mirrored=True)
    other = part2.distillation(restored, [layer.flip(3) for layer in original], [mirrored])
    assert other.item() != first.item()
    nothing = [torch.full_like(layer, torch.nan) for layer in original] if room else original
    assert part2.distillation(restored, nothing, [example]).item() == first.item()
    part2.to("cpu")
    assert not part2._teachers


@pytest.mark.parametrize("name", ["refnet", "refnet_mask"])
def test_examples_together_give_the_mean_of_what_each_gives(name: str) -> None:
    network = load_network(name)
    scenes = [layers_of(network, render_scene(seed, 128, 96).image) for seed in (7, 8, 9)]
    scenes[1] = [torch.zeros_like(layer) for layer in scenes[1]]  # nothing is found there
    original = [torch.cat(layers) for layers in zip(*scenes, strict=True)]
    restored = [layer + 0.3 for layer in original]
    examples = [Example(str(number), 96, 128) for number in range(3)]
    together = part2_of(network).distillation(restored, original, examples)
    singly: Any = part2_of(network)
    alone = [
        singly.distillation([layer[i : i + 1] for layer in restored], [layer[i : i + 1] for layer in original], [own])
        for i, own in enumerate(examples)
    ]
    assert together.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-4)
    again = singly.distillation(restored, [torch.full_like(layer, torch.nan) for layer in original], examples)
    assert again.item() == pytest.approx(together.item(), rel=1e-4)


def test_masks_are_compared_where_the_teacher_sees_objects() -> None:
    network: Any = load_network("refnet_mask")
    image, example = scene_example()
    original = layers_of(network, image)
    restored = [layer + 0.3 for layer in original]
    with_masks: Any = part2_of(network)
    found = with_masks.distillation(restored, original, [example])
    (teacher,) = with_masks._teachers.values()
    assert len(teacher.masks) == len(teacher.objects.boxes) > 0
    assert teacher.masks.shape[1:] == (28, 28)
    assert (teacher.objects.scores.diff() <= 0).all()
    own = network.analyse(network.extract(image))
    assert 0.05 < teacher.objects.scores[0].item() < own.scores.max() + 1e-4  # at the best proposals alone
    without = part2_of(load_network("refnet")).distillation(restored, original, [example])
    assert found.item() > without.item()


def test_the_task_takes_examples_together(refnet: Any) -> None:
    image, example = scene_example()
    noisy = [torch.cat([layer, layer + 0.3]).requires_grad_() for layer in layers_of(refnet, image)]
    part2 = part2_of(refnet)
    check_gradients(part2.task(noisy, [example, example]), noisy)
    with pytest.raises(ConfigError, match="unlabelled has no labelled object"):
        part2.task(noisy, [example, Example("unlabelled", 96, 128)])


def test_the_task_needs_labels(refnet: Any) -> None:
    image, _ = scene_example()
    with pytest.raises(ConfigError, match=r"training\.loss: unlabelled has no labelled object"):
        part2_of(refnet).task(layers_of(refnet, image), [Example("unlabelled", 96, 128)])


@pytest.mark.skipif(importlib.util.find_spec("detectron2") is None, reason="detectron2 cannot be imported")
@pytest.mark.parametrize("split", ["p", "c"])
@pytest.mark.parametrize(
    "model", ["COCO-Detection/faster_rcnn_R_50_FPN_3x", "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x"]
)
def test_a_network_of_detectron2_is_distilled_and_trained(model: str, split: str) -> None:
    options = {"weights": "random", "shortest_side": 64, "longest_side": 96, "split": split}
    network: Any = load_network("detectron2", model=model, **options)
    for key, parameter in network.model.backbone.named_parameters():
        if "lateral" in key:
            parameter.mul_(1e-3)  # an untrained pyramid is so loud that every score is 0 or 1
    image, example = scene_example()
    example = dataclasses.replace(example, labels=np.full_like(example.labels, 90))  # COCO's last
    before = network.analyse(network.extract(image))
    original = layers_of(network, image)
    part2: Any = part2_of(network)
    classes, deltas = part2._teachers_of(original, [example])[0].boxes
    pyramid = part2._pyramid(original)
    assert (classes.shape[1], deltas.shape[1]) == (81, 320)
    pictures = part2._pictures(original[0].device, [example])
    proposals, _ = network.model.proposal_generator(pictures, pyramid, None)
    logits, _ = network.model.roi_heads.box_predictor(
        network.model.roi_heads.box_head(
            network.model.roi_heads.box_pooler(
                [pyramid[f"p{i}"] for i in range(2, 6)], [proposals[0].proposal_boxes[:24]]
            )
        )
    )
    assert torch.equal(classes[:, 0], logits[:, 80])
    assert torch.equal(classes[:, 1:], logits[:, :80])
    assert part2.distillation(original, original, [example]).item() == pytest.approx(0, abs=1e-4)
    noisy = [(layer + 0.3 * layer.std() * torch.randn_like(layer)).requires_grad_() for layer in original]
    assert part2.distillation(noisy, original, [example]).item() > 1e-3
    check_gradients(part2.distillation(noisy, original, [example]), noisy)
    torch.manual_seed(1)
    check_gradients(part2.task(noisy, [example]), noisy)
    after = network.analyse(network.extract(image))
    np.testing.assert_array_equal(before.boxes, after.boxes)
    assert (before.masks is None) == (after.masks is None) == ("Segmentation" not in model)
    with pytest.raises(ConfigError, match="has no labelled object"):
        part2.task(noisy, [Example("unlabelled", 96, 128)])


@pytest.mark.skipif(importlib.util.find_spec("detectron2") is None, reason="detectron2 cannot be imported")
def test_a_cascade_of_detectron2_is_refused() -> None:
    network = load_network("detectron2", model="Misc/cascade_mask_rcnn_R_50_FPN_3x", weights="random")
    with pytest.raises(ConfigError, match="has CascadeROIHeads; only StandardROIHeads"):
        part2_of(network)


def test_an_exported_network_is_distilled(yolox: Any) -> None:
    image, example = scene_example()
    original = layers_of(yolox, image)
    part2: Any = part2_of(yolox)
    ours = part2._output(original).detach().numpy()
    session_inputs = dict(zip(["input.471", "input.531", "input.591"], [x.numpy() for x in original], strict=True))
    (expected,) = yolox._part2.run(None, session_inputs)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert part2.distillation(original, original, [example]).item() == pytest.approx(0, abs=1e-4)
    noisy = [(layer + 0.1 * torch.randn_like(layer)).requires_grad_() for layer in original]
    check_gradients(part2.distillation(noisy, original, [example]), noisy)
    with pytest.raises(ConfigError, match="an ONNX network has no training loss"):
        part2.task(original, [example])


def test_an_exported_network_takes_several_pictures_at_once(yolox: Any) -> None:
    """The mean of what each gives by itself."""
    scenes = [layers_of(yolox, render_scene(seed, 128, 96).image) for seed in (7, 8, 9)]
    original = [torch.cat(layers) for layers in zip(*scenes, strict=True)]
    noisy = [layer + 0.1 * torch.randn_like(layer) for layer in original]
    examples = [Example(f"{number}", 96, 128) for number in range(3)]
    together: Any = part2_of(yolox)
    found = together.distillation(noisy, original, examples)
    assert together._together
    singly: Any = part2_of(yolox)
    singly._together = False
    assert found.item() == pytest.approx(singly.distillation(noisy, original, examples).item(), rel=1e-4)


def test_a_network_without_gradients_says_so(tmp_path: Path) -> None:
    class Other:
        name = "other"

    with pytest.raises(ConfigError, match="network other has no part 2 to train through; set it to features"):
        part2_of(Other())  # type: ignore[arg-type]
