"""The stage KLT of the second decoder, written from docs/bitstream.md (clauses 7.23 and 8.9) alone, in integers."""

import functools
from types import SimpleNamespace

import numpy as np
from mini_bits import require
from mini_graph import fit, model_tensors, numbers, rounded, shuffled


def read(data: bytes, channels: list[int], components: int, shifts: list[int]) -> SimpleNamespace:
    """Clause 7.23: the model of a stage that takes tensors of these channels."""
    tensors = model_tensors(data)
    own = functools.partial(numbers, tensors)
    model = SimpleNamespace(gain=int(own("gain", "I8", 1)[0]), layers=[])
    scale = own("scale", "U16", None)
    require(abs(model.gain) <= 64, "gain is out of range")
    require(components <= len(scale) <= 1024, "the number of components is out of range")
    require(f"basis.{len(channels)}" not in tensors, "the model is for more layers")
    for i, (c, s) in enumerate(zip(channels, shifts, strict=True)):
        first = []
        if f"first.basis.{i}" in tensors:
            basis = own(f"first.basis.{i}", "I8", None, None)
            m, entries = basis.shape
            b = next((b for b in range(s + 1) if c * 4**b == entries), None)
            require(1 <= m <= 1024 and b is not None, f"first.basis.{i} does not fit")
            first = [(basis, own(f"first.scale.{i}", "U16", m), own(f"first.mean.{i}", "I32", entries), b, 14, 32)]
            c, s = m, s - b
        n = c * 4**s
        basis, mean = own(f"basis.{i}", "I8", len(scale), n), own(f"mean.{i}", "I32", n)
        model.layers.append([(basis, scale, mean, s, *((20, 20) if first else (14, 32))), *first])
    return model


def restored(
    model: SimpleNamespace, t: np.ndarray, shifts: list[int], sizes: list[tuple[int, int]]
) -> list[np.ndarray]:
    """Clause 8.9, KLT: each tensor, from fixed-point numbers."""
    found = []
    for steps, s, (height, width) in zip(model.layers, shifts, sizes, strict=True):
        x = t[:, : -(-height >> s), : -(-width >> s)]
        for one in steps:
            x = step(x, *one)
        found.append(x[:, :height, :width])
    return found


def step(t: np.ndarray, basis: np.ndarray, scale: np.ndarray, mean: np.ndarray, s: int, d: int, w: int) -> np.ndarray:
    """One step, for blocks of 2**s lines and samples."""
    total = np.tensordot(basis[: len(t)].T, t * scale[: len(t), None, None], 1)
    return shuffled(fit(mean[:, None, None] + rounded(total, d), w), s)
