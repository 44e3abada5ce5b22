"""The losses by hand."""

from __future__ import annotations

from math import log

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.training.losses.distillation import binary_divergence, class_distance, yolox_distance  # noqa: E402
from vcm_ref.training.losses.features import feature_error  # noqa: E402


def test_the_mean_of_a_layer_has_error_1() -> None:
    x = torch.tensor([[[[0.0, 2.0]]]])
    assert feature_error([torch.ones_like(x)], [x], [1.0]).item() == 1
    assert feature_error([torch.ones_like(x), x], [x, x], [1.0, 4.0]).item() == 0.5


def test_the_divergence_of_probabilities() -> None:
    found = binary_divergence(torch.tensor(0.25), torch.tensor(0.5)).item()
    assert found == pytest.approx(0.5 * log(0.5 / 0.25) + 0.5 * log(0.5 / 0.75), rel=1e-5)
    assert binary_divergence(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])).tolist() == [0, 0]


def test_the_divergence_of_classes() -> None:
    teacher, ours = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    expected = 0.5 * log(0.5 / 0.25) + 0.5 * log(0.5 / 0.75)
    assert class_distance(ours.log(), teacher.log()).item() == pytest.approx(expected, rel=1e-5)


def test_yolox_counts_boxes_and_classes_where_the_teacher_sees_an_object() -> None:
    teacher = torch.tensor([[0.0, 0.0, 1.0, 1.0, 1.0, 0.5], [0.0, 0.0, 1.0, 1.0, 0.0, 0.5]])
    assert yolox_distance(teacher, teacher).item() == 0
    moved = teacher.clone()
    moved[:, 0] += 0.5  # 0.5 at the one object, over 1 + 1
    assert yolox_distance(moved, teacher).item() == pytest.approx(0.25, rel=1e-4)
    other = teacher.clone()
    other[:, 5] = 0.25
    expected = 0.5 * (0.5 * log(0.5 / 0.25) + 0.5 * log(0.5 / 0.75)) / 2
    assert yolox_distance(other, teacher).item() == pytest.approx(expected, rel=1e-4)


def test_decoded_boxes_count_in_the_teachers_widths_and_heights() -> None:
    teacher = torch.tensor([[50.0, 60.0, 20.0, 40.0, 1.0, 0.5]])
    moved = teacher + torch.tensor([[10.0, 10.0, 0.0, 0.0, 0.0, 0.0]])
    assert yolox_distance(moved, teacher, decoded=True).item() == pytest.approx((10 / 20 + 10 / 40) / 2, rel=1e-5)
