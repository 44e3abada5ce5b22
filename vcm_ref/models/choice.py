"""Which model an encoder takes: a file, one that is known by its digest, or the one shipped for a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ModelError, UnsupportedError
from . import SHIPPED, find

INDEX = "index.json"


class ShippedModel(NamedTuple):
    """One entry of the index of shipped models: its SHA-256, its stage's method, and the network that it is for.

    A model for the method `network` has an ``architecture``, as in `training.architecture`, and with `msfc` a
    ``direction``, as in `training.direction`, and may be ``placed``, as in `training.placed`. A model has a ``cut``, as
    in `network.cut`, if models for other cuts of the same network are shipped too.
    """

    sha256: str
    method: str
    network: str
    network_sha256: str
    architecture: str = ""
    direction: str = ""
    cut: Mapping[str, str] | None = None
    placed: bool = False


def shipped_models() -> Iterator[ShippedModel]:
    """The models that come with the package."""
    index = files(__package__).joinpath(SHIPPED, INDEX)
    yield from (ShippedModel(**entry) for entry in json.loads(index.read_text(encoding="utf-8")))


def named_model(path: str | None, sha256: str | None) -> bytes:
    """The bytes of a model that is named by its file, by its SHA-256 in hexadecimal, or by both.

    Raises :class:`ModelError` where it is not there, or the file is another model.
    """
    try:
        if path is None:
            return find(bytes.fromhex(sha256 or ""))
        if Path(path).exists() and not Path(path).is_file():  # a pipe or a device may have no end
            raise ModelError(f"{path}: is not a regular file")
        data = Path(path).read_bytes()
    except UnsupportedError as error:
        raise ModelError(str(error)) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise ModelError(f"{path}: is not the model {sha256}")
    return data


def shipped_model(
    method: str,
    network: str,
    network_sha256: str,
    architecture: str = "",
    direction: str = "",
    cut: Any = None,
    placed: bool = False,
) -> str:
    """The SHA-256 of the model shipped for a method and a network, known by the SHA-256 of its weights.

    ``architecture``, ``direction`` and ``placed`` are those of a model for the method `network`, ``cut`` is the
    network's option of this name. Raises :class:`ModelError` where there is none.
    """
    wanted = method, architecture, direction, placed
    known = [one for one in shipped_models() if (one.method, one.architecture, one.direction, one.placed) == wanted]
    for model in known:
        if model.network_sha256 == network_sha256 and model.cut in (None, cut):
            return model.sha256
    others = f"; there are some for {', '.join(model.network for model in known)}" if known else ""
    kind = f"{architecture or method} model" + (f" of direction {direction}" if direction else "")
    kind += " with weights for each place" if placed else ""
    raise ModelError(
        f"no {kind} is shipped for the network {network} with these weights{others}; train one "
        "with vcm_train, and name it with reduction.model"
    )
