"""Feeds of stored examples, and a QP for each picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.configuration.sections import Training  # noqa: E402
from vcm_ref.training.draws import Noise, noise_at  # noqa: E402
from vcm_ref.training.feeds import Batch, StoredFeed  # noqa: E402
from vcm_ref.training.losses.context_rate import ContextRate  # noqa: E402
from vcm_ref.training.losses.distillation import yolox_distance  # noqa: E402
from vcm_ref.training.networks.noise import Levels  # noqa: E402

from .test_network_training import Maps  # noqa: E402

CPU = torch.device("cpu")
SETTINGS = Training(batch=4, noise_qps=(20, 32, 44), qp_by_picture=True, rate_weight=1.0)


def test_every_picture_comes_once_an_epoch() -> None:
    feed = StoredFeed(SETTINGS, Maps(), [1, 3, 5, 7, 9, 0], CPU)
    names = Counter(example.name for number in range(3) for batch in feed.step(number) for example in batch.examples)
    assert names == {f"{index}.png": 2 for index in (0, 1, 3, 5, 7, 9)}


def test_positions_that_a_picture_does_not_cover_are_outside() -> None:
    batch = Batch([], [], [(0.5, 1.0), (1.0, 0.25)])
    inside = batch.inside(torch.zeros(2, 3, 4, 4))
    assert inside[0, 0].tolist() == [[1] * 4, [1] * 4, [0] * 4, [0] * 4]
    assert inside[1, 0].tolist() == [[1, 0, 0, 0]] * 4


def test_each_picture_has_a_qp_of_those_that_are_named() -> None:
    drawn = noise_at(SETTINGS, 5, 400, CPU).qp
    assert isinstance(drawn, torch.Tensor)
    assert Counter(drawn.flatten().tolist()).keys() == {20.0, 32.0, 44.0}
    assert torch.equal(drawn, noise_at(SETTINGS, 5, 400, CPU).qp)
    assert noise_at(replace(SETTINGS, qp_by_picture=False), 5, 400, CPU).qp in (20, 32, 44)


def test_qps_of_pictures_are_those_of_each_picture_alone() -> None:
    """Steps of tensors are not rounded, so values lie a little apart."""
    random = np.random.default_rng(2)
    coded = torch.from_numpy(random.normal(0, 3, (3, 5, 4, 4)).astype(np.float32))
    qps = [20, 32, 44]
    noise = Noise(qp=torch.tensor([[[[float(qp)]]] for qp in qps]))
    levels, rate = Levels(0.5, (0.0, 0.0)), ContextRate([3.0] * 5)
    step = noise.paid_step(SETTINGS)
    assert isinstance(step, torch.Tensor)
    together, bits = noise(coded, levels), rate(coded, step)
    for place, qp in enumerate(qps):
        own, alone = noise.of(place, 1), Noise(qp=qp)
        picture = coded[place : place + 1]
        torch.testing.assert_close(own(picture, levels), together[place : place + 1])
        paid = alone.paid_step(SETTINGS)
        assert isinstance(paid, float)
        torch.testing.assert_close(step[place].item(), paid, rtol=5e-3, atol=0)
        torch.testing.assert_close(bits[place : place + 1].sum(), rate(picture, paid).sum(), rtol=2e-2, atol=0)


def test_yolox_distances_of_pictures_together_are_those_of_each() -> None:
    random = np.random.default_rng(3)
    ours, teacher = (torch.from_numpy(random.uniform(0.1, 0.9, (3, 7, 9)).astype(np.float32)) for _ in range(2))
    for decoded in (False, True):
        together = yolox_distance(ours, teacher, decoded=decoded)
        each = [yolox_distance(one, other, decoded=decoded) for one, other in zip(ours, teacher, strict=True)]
        torch.testing.assert_close(together, torch.stack(each))
