"""Small models of the stage KLT, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vcm_ref.conversion.reduction.klt_model import KltModel, LayerModel, LinearMap


def linear(
    random: np.random.Generator, components: int, entries: int, scale: np.ndarray | None = None, scale_bits: int = 16
) -> LinearMap:
    """Any int8, any scale of ``scale_bits``, any mean."""
    if scale is None:
        scale = random.integers(0, 1 << scale_bits, components).astype(np.uint16)
    basis = random.integers(-128, 128, (components, entries)).astype(np.int8)
    return LinearMap(basis, scale, random.integers(-(1 << 20), 1 << 20, entries).astype(np.int32))


def drawn(
    seed: int,
    components: int,
    channels: Sequence[int],
    shifts: Sequence[int],
    first: Sequence[int] = (),
    gain: int = 0,
    blocks: Sequence[int] = (),
    scale_bits: int = 16,
) -> KltModel:
    """A model for layers of ``channels``.

    ``first`` has the components of each layer's first step, 0 for none, and ``blocks`` its shift, by default 0.
    """
    random = np.random.default_rng(seed)
    scale = random.integers(0, 1 << scale_bits, components).astype(np.uint16)
    layers = []
    for number, (count, shift) in enumerate(zip(channels, shifts, strict=True)):
        own = first[number] if first else 0
        b = blocks[number] if own and blocks else 0
        step = linear(random, own, count << 2 * b, scale_bits=scale_bits) if own else None
        layers.append(LayerModel(linear(random, components, (own or count) << 2 * (shift - b), scale), step))
    return KltModel(gain, tuple(layers))


def orthonormal(seed: int, channels: Sequence[int], shifts: Sequence[int], gain: int = 0) -> KltModel:
    """A model with all components, whose basis is orthonormal but for its rounding, and whose mean is 0."""
    entries = [count << 2 * shift for count, shift in zip(channels, shifts, strict=True)]
    rows = np.linalg.qr(np.random.default_rng(seed).normal(size=(sum(entries), sum(entries))))[0]
    scale = np.ceil(np.abs(rows).max(axis=1) / 127 * 2**20)
    basis = np.rint(rows / scale[:, None] * 2**20).astype(np.int8)
    layers, start = [], 0
    for count in entries:
        own = np.ascontiguousarray(basis[:, start : start + count])
        layers.append(LayerModel(LinearMap(own, scale.astype(np.uint16), np.zeros(count, np.int32))))
        start += count
    return KltModel(gain, tuple(layers))
