"""The stage KLT of the second decoder, written from docs/bitstream.md (clauses 7.23 and 8.9) alone, in integers."""

from types import SimpleNamespace

import numpy as np
from mini_graph import model_tensors, require


def read(data: bytes, channels: list[int], components: int, shifts: list[int]) -> SimpleNamespace:
    """Clause 7.23: the model of a stage that takes tensors of these channels."""
    tensors = model_tensors(data)

    def tensor(name: str, dtype: str, *shape: int | None) -> np.ndarray:
        kind, numbers = tensors.get(name, ("", np.zeros(0)))
        fits = numbers.ndim == len(shape) and all(b in (None, a) for a, b in zip(numbers.shape, shape, strict=True))
        require(kind == dtype and fits, f"{name} is missing, or of another type or shape")
        return numbers.astype(np.int64)

    model = SimpleNamespace(gain=int(tensor("gain", "I8", 1)[0]), scale=tensor("scale", "U16", None), layers=[])
    most = len(model.scale)
    require(abs(model.gain) <= 64, "gain is out of range")
    require(1 <= most <= 1024 and components <= most, "the number of components is out of range")
    require(f"basis.{len(channels)}" not in tensors, "the model is for more layers")
    for i, (c, s) in enumerate(zip(channels, shifts, strict=True)):
        layer, b = SimpleNamespace(first=None, b=0), 0
        if f"first.basis.{i}" in tensors:
            basis = tensor(f"first.basis.{i}", "I8", None, None)
            m, entries = basis.shape
            b = next((b for b in range(s + 1) if c * 4**b == entries), None)
            require(1 <= m <= 1024 and b is not None, f"first.basis.{i} does not fit")
            scale, mean = tensor(f"first.scale.{i}", "U16", m), tensor(f"first.mean.{i}", "I32", entries)
            layer, c = SimpleNamespace(first=(basis, scale, mean), b=b), m
        n = c * 4 ** (s - layer.b)
        layer.joint = tensor(f"basis.{i}", "I8", most, n)[:components], model.scale, tensor(f"mean.{i}", "I32", n)
        model.layers.append(layer)
    return model


def restored(
    model: SimpleNamespace, t: np.ndarray, shifts: list[int], sizes: list[tuple[int, int]]
) -> list[np.ndarray]:
    """Clause 8.9, KLT: each tensor, from fixed-point numbers."""
    found = []
    for layer, s, (height, width) in zip(model.layers, shifts, sizes, strict=True):
        t_own = t[:, : -(-height >> s), : -(-width >> s)]
        if layer.first is None:
            x = step(t_own, *layer.joint, s, 14, 32)
        else:
            x = step(step(t_own, *layer.joint, s - layer.b, 20, 20), *layer.first, layer.b, 14, 32)
        found.append(x[:, :height, :width])
    return found


def step(t: np.ndarray, basis: np.ndarray, scale: np.ndarray, mean: np.ndarray, s: int, d: int, w: int) -> np.ndarray:
    """One step, for blocks of 2**s lines and samples."""
    count, h, width = t.shape
    total = np.tensordot(basis.T, t * scale[:count].reshape(-1, 1, 1), 1)
    x = np.clip(mean.reshape(-1, 1, 1) + (total + (1 << d - 1) >> d), -(2 ** (w - 1)), 2 ** (w - 1) - 1)
    return x.reshape(-1, 1 << s, 1 << s, h, width).transpose(0, 3, 1, 4, 2).reshape(-1, h << s, width << s)
