"""The model of the stage KLT: integer bases, scales and means (docs/bitstream.md, 7.23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.elements import MAX_COMPONENTS
from ...bitstream.values import Layer
from ...errors import ModelError
from ...models.tensors import Tensors, read_tensors, write_tensors

MAX_SHIFT = 6
MAX_GAIN = 64

_Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class LinearMap:
    """Components and what they stand for: entry j is ``mean[j]`` plus the sum over k of ``basis[k, j] * scale[k]``.

    ``basis`` is int8 ``(K, n)``, ``mean`` int32 ``(n,)``, ``scale`` uint16 ``(K,)``.
    """

    basis: NDArray[np.int8]
    scale: NDArray[np.uint16]
    mean: NDArray[np.int32]

    @property
    def components(self) -> int:
        """K."""
        return len(self.basis)

    @property
    def entries(self) -> int:
        """n."""
        return int(self.basis.shape[1])


@dataclass(frozen=True)
class LayerModel:
    """One layer: its part of the joint map, and the map of its own blocks that comes first, where there is one."""

    joint: LinearMap
    first: LinearMap | None = None

    def shifts(self, channels: int) -> tuple[int, int] | None:
        """b and s: blocks of the first step (0 without one) and of the stage have sides ``2**b`` and ``2**s``.

        ``None`` where the maps have not as many entries as a layer of ``channels`` has in blocks.
        """
        if self.first is None:
            own = _shift(self.joint.entries, channels)
            return None if own is None else (0, own)
        b, more = _shift(self.first.entries, channels), _shift(self.joint.entries, self.first.components)
        return None if b is None or more is None or b + more > MAX_SHIFT else (b, b + more)


def _shift(entries: int, channels: int) -> int | None:
    return next((s for s in range(MAX_SHIFT + 1) if channels << 2 * s == entries), None)


@dataclass(frozen=True)
class KltModel:
    """The layers' maps, which have one scale, and the power of two that features are multiplied by before them."""

    gain: int
    layers: tuple[LayerModel, ...]

    @property
    def components(self) -> int:
        """K, the number of joint components."""
        return self.layers[0].joint.components

    def shifts(self, layers: Sequence[Layer]) -> list[int]:
        """s of each layer. Raises :class:`ModelError` where the model is not for layers like these."""
        found = [own.shifts(layer.channels) for own, layer in zip(self.layers, layers, strict=False)]
        known = [pair[1] for pair in found if pair is not None]
        if len(self.layers) != len(layers) or len(known) != len(layers):
            channels = ", ".join(f"{layer.name} {layer.channels}" for layer in layers)
            raise ModelError(f"the layers and their channels are {channels}, which it is not for")
        return known

    @classmethod
    def of(cls, data: bytes) -> KltModel:
        """The model in ``data``. Raises :class:`ModelError` where that is none."""
        tensors = read_tensors(data)
        gain = int(_tensor(tensors, "gain", np.int8, (1,))[0])
        if abs(gain) > MAX_GAIN:
            raise ModelError(f"its gain is {gain}; allowed: -{MAX_GAIN}..{MAX_GAIN}")
        scale = _tensor(tensors, "scale", np.uint16, (None,))
        layers: list[LayerModel] = []
        while f"basis.{len(layers)}" in tensors or not layers:
            layers.append(_layer(tensors, len(layers), scale))
        return cls(gain, tuple(layers))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The tensors by their names in a model."""
        found: dict[str, NDArray[Any]] = {
            "gain": np.array([self.gain], np.int8),
            "scale": self.layers[0].joint.scale,
        }
        for number, layer in enumerate(self.layers):
            found |= {f"basis.{number}": layer.joint.basis, f"mean.{number}": layer.joint.mean}
            if layer.first is not None:
                found |= {
                    f"first.basis.{number}": layer.first.basis,
                    f"first.scale.{number}": layer.first.scale,
                    f"first.mean.{number}": layer.first.mean,
                }
        return found

    def to_bytes(self, metadata: Mapping[str, str], more: Mapping[str, NDArray[Any]]) -> bytes:
        """The bytes of the model, with a record and further tensors, those of the entropy coder."""
        return write_tensors({**self.tensors(), **more}, metadata)


def _layer(tensors: Tensors, number: int, scale: NDArray[Any]) -> LayerModel:
    components = len(scale)
    if not 1 <= components <= MAX_COMPONENTS:
        raise ModelError(f"it has {components} components; allowed: 1..{MAX_COMPONENTS}")
    basis = _tensor(tensors, f"basis.{number}", np.int8, (components, None))
    joint = LinearMap(basis, scale, _tensor(tensors, f"mean.{number}", np.int32, (basis.shape[1],)))
    if f"first.basis.{number}" not in tensors:
        return LayerModel(joint)
    basis = _tensor(tensors, f"first.basis.{number}", np.int8, (None, None))
    own, entries = basis.shape
    if not 1 <= own <= MAX_COMPONENTS:
        raise ModelError(f"the first step of its layer {number} has {own} components; allowed: 1..{MAX_COMPONENTS}")
    own_scale = _tensor(tensors, f"first.scale.{number}", np.uint16, (own,))
    mean = _tensor(tensors, f"first.mean.{number}", np.int32, (entries,))
    return LayerModel(joint, LinearMap(basis, own_scale, mean))


def _tensor(tensors: Tensors, name: str, kind: type[np.generic], shape: _Shape) -> NDArray[Any]:
    """One tensor, of this type and shape; a ``None`` in the shape is any size."""
    tensor = tensors.get(name)
    if tensor is None:
        raise ModelError(f"it has no tensor {name} of a type that is used")
    fits = len(tensor.shape) == len(shape) and all(w in (None, g) for w, g in zip(shape, tensor.shape, strict=True))
    if tensor.dtype != kind or not fits:
        wanted = "x".join("any" if size is None else str(size) for size in shape)
        found = "x".join(map(str, tensor.shape))
        raise ModelError(f"its tensor {name} is {tensor.dtype} {found}, not {np.dtype(kind).name} {wanted}")
    return tensor
