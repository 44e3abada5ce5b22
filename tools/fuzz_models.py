"""Damage done to models: to their tensors, of which a file is made again that is one of the format. For ``fuzz.py``."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import ModelError
from vcm_ref.models.tensors import NUMPY_TYPES, read_tensors, write_tensors

#: Types that a model of ours is written with.
TYPES = tuple(NUMPY_TYPES.values())
Tensors = dict[str, NDArray[Any]]


def changed_model(rng: Random, data: bytes, bytewise: Callable[[bytes], bytes]) -> bytes:
    """The bytes of a model after one to three changes of its tensors; other bytes are changed blindly."""
    if rng.random() < 0.1:
        return bytewise(data)
    try:
        tensors = dict(read_tensors(data))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if tensors:
                rng.choice((_number, _number, _number, _rows, _shape, _noise, _names))(rng, tensors)
        return write_tensors(tensors)
    except (ModelError, ValueError, KeyError, OverflowError):
        return bytewise(data)


def _chosen(rng: Random, tensors: Tensors) -> str:
    """Mostly one of the tables that say what the graph is."""
    tables = [name for name in tensors if name in ("inputs", "graph", "outputs")]
    return rng.choice(tables) if tables and rng.random() < 0.7 else rng.choice(list(tensors))


def _number(rng: Random, tensors: Tensors) -> None:
    """Another value, near what is there, small, or at an end of the type."""
    name = _chosen(rng, tensors)
    values = tensors[name].copy()
    if not values.size or values.dtype.kind not in "iu":
        return
    place = rng.randrange(values.size)
    info = np.iinfo(values.dtype)
    value = rng.choice(
        (
            int(values.flat[place]) + rng.choice((-1, 1, 2, -2)),
            rng.randrange(-1, 17),
            int(info.min),
            int(info.max),
            1 << rng.randrange(62),
        )
    )
    values.flat[place] = min(max(value, int(info.min)), int(info.max))
    tensors[name] = values


def _rows(rng: Random, tensors: Tensors) -> None:
    """A row doubled, left out, or exchanged with another."""
    name = _chosen(rng, tensors)
    values = tensors[name]
    if not values.ndim or not len(values):
        return
    one, other = rng.randrange(len(values)), rng.randrange(len(values))
    order = list(range(len(values)))
    kind = rng.randrange(3)
    if kind == 0:
        order.insert(other, one)
    elif kind == 1:
        del order[one]
    else:
        order[one], order[other] = other, one
    tensors[name] = values[order]


def _shape(rng: Random, tensors: Tensors) -> None:
    """Other dimensions, or another type."""
    name = rng.choice(list(tensors))
    values = tensors[name]
    kind = rng.randrange(4)
    if kind == 0 and values.ndim > 1:
        tensors[name] = values.swapaxes(0, 1)
    elif kind == 1:
        tensors[name] = values.astype(rng.choice(TYPES))
    elif kind == 2:
        tensors[name] = values[..., : rng.randrange(values.shape[-1] + 1)] if values.ndim else values[None]
    else:
        tensors[name] = values.reshape(-1)


def _noise(rng: Random, tensors: Tensors) -> None:
    """All numbers anew, over their whole width."""
    name = rng.choice(list(tensors))
    values = tensors[name]
    tensors[name] = np.frombuffer(rng.randbytes(values.nbytes), values.dtype).reshape(values.shape)


def _names(rng: Random, tensors: Tensors) -> None:
    """A tensor left out, or exchanged with another."""
    one, other = rng.choice(list(tensors)), rng.choice(list(tensors))
    if rng.random() < 0.5:
        del tensors[one]
    else:
        tensors[one], tensors[other] = tensors[other], tensors[one]
