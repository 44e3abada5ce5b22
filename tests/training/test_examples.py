"""Examples: what is computed once, what goes to which side, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vcm_ref.errors import DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.training.examples import Example, StoredExamples, split

EXAMPLES = [Example(f"{number}.png", 8, 8, mirrored) for number in range(10) for mirrored in (False, True)]


def features(example: Example) -> FeatureSet:
    value = float(example.name.split(".")[0]) + 0.5 * example.mirrored
    return FeatureSet(8, 8, {"p2": np.full((1, 2, 2), value, np.float32), "p3": np.zeros((1, 1, 1), np.float32)})


def test_two_of_ten_pictures_select_and_their_mirror_images_do_not_train() -> None:
    training, selection = split(EXAMPLES, 0.2, seed=3)
    assert (len(training), len(selection)) == (16, 2)
    assert not any(EXAMPLES[index].mirrored for index in selection)
    assert not {EXAMPLES[index].name for index in training} & {EXAMPLES[index].name for index in selection}


def test_the_split_depends_on_names_and_seed_alone() -> None:
    _, selection = split(EXAMPLES, 0.2, seed=3)
    reverse = EXAMPLES[::-1]
    _, other = split(reverse, 0.2, seed=3)
    assert {EXAMPLES[index].name for index in selection} == {reverse[index].name for index in other}
    assert any(split(EXAMPLES, 0.2, seed=seed)[1] != selection for seed in range(4, 9))


def test_one_picture_cannot_be_split() -> None:
    with pytest.raises(DatasetError, match="1 pictures cannot be split"):
        split(EXAMPLES[:2], 0.2, seed=0)


def test_layers_are_computed_once(tmp_path: Path) -> None:
    asked: list[Example] = []

    def once(example: Example) -> FeatureSet:
        asked.append(example)
        return features(example)

    first = StoredExamples(tmp_path, EXAMPLES[:3], once)
    again = StoredExamples(tmp_path, EXAMPLES[:4], once)
    assert asked == EXAMPLES[:4]
    assert first.digest() != again.digest()
    assert list(again.layers(3)) == ["p2", "p3"]
    assert again.layers(3)["p2"].tolist() == [[[1.5, 1.5], [1.5, 1.5]]]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    digests = [StoredExamples(tmp_path / name, EXAMPLES[:2], features).digest() for name in "ab"]
    assert digests[0] == digests[1]

    def other(example: Example) -> FeatureSet:
        return FeatureSet(8, 8, {"p2": features(example).layers["p2"] + 1})

    assert StoredExamples(tmp_path / "c", EXAMPLES[:2], other).digest() != digests[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_a_layer_that_float16_cannot_hold_is_refused(tmp_path: Path, value: float) -> None:
    def wrong(example: Example) -> FeatureSet:
        return FeatureSet(8, 8, {"p2": np.full((1, 1, 1), value, np.float32)})

    with pytest.raises(DatasetError, match=r"0\.png: layer p2 holds a value beyond 65504"):
        StoredExamples(tmp_path, EXAMPLES[:1], wrong)
    assert not list(tmp_path.iterdir())
