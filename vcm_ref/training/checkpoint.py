"""Checkpoints: all that a training needs to go on as if it had not been stopped."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vcm_ref.errors import ConfigError
from vcm_ref.files.atomic import atomic_file
from vcm_ref.files.kind import check_kind

FILE = "checkpoint.pt"


def save_checkpoint(folder: Path, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a checkpoint of the training ``identity`` into ``folder``, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / FILE) as file:
        torch.save({"identity": json.dumps(identity, sort_keys=True), "state": dict(state)}, file)


def load_checkpoint(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state of the checkpoint in ``folder``; `None` where there is none. No code of the file is run.

    Raises `ConfigError` where it is damaged, or of a training other than ``identity``.
    """
    path = folder / FILE
    if not path.exists():
        return None
    check_kind(path, ConfigError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a format that is not torch's own, which is damage here
            stored = torch.load(path, map_location="cpu", weights_only=True)
        before, state = dict(json.loads(stored["identity"])), dict(stored["state"])
    except Exception as error:  # torch, zipfile and pickle each have their own kinds
        raise ConfigError(f"{path}: is damaged; remove {folder} to start again") from error
    wanted = json.loads(json.dumps(identity))
    differing = sorted(key for key in before.keys() | wanted.keys() if before.get(key) != wanted.get(key))
    if differing:
        raise ConfigError(
            f"{path}: belongs to another training, with other values of {', '.join(differing)}; "
            f"remove {folder} to start again"
        )
    return state
