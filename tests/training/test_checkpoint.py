"""Checkpoints that come from elsewhere."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from vcm_ref.errors import ConfigError
from vcm_ref.training.checkpoint import FILE, load_checkpoint


@pytest.mark.parametrize("identity", ["5", "null", "[1]", "{", 5])
def test_an_identity_that_is_not_a_mapping_is_damage(identity: Any, tmp_path: Path) -> None:
    torch.save({"identity": identity, "state": {}}, tmp_path / FILE)
    with pytest.raises(ConfigError, match="is damaged"):
        load_checkpoint(tmp_path, {"step": 1})


def test_a_checkpoint_of_the_same_training_is_read(tmp_path: Path) -> None:
    torch.save({"identity": json.dumps({"step": 1}), "state": {"a": 2}}, tmp_path / FILE)
    assert load_checkpoint(tmp_path, {"step": 1}) == {"a": 2}


def test_a_pipe_is_not_a_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(ConfigError, match="is a pipe"):
        load_checkpoint(tmp_path, {"step": 1})


def test_a_pickle_is_damage_and_torch_says_nothing_of_its_own(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(pickle.dumps({"identity": "{}", "state": {}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigError, match="is damaged"):
            load_checkpoint(tmp_path, {})
