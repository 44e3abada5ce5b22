"""The tables of the entropy coder for the levels of a trained encoder, fitted to those of its training pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vcm_ref.codec.coefficients import count_contexts, scales_of, table_tensors
from vcm_ref.conversion.covered import clear_outside
from vcm_ref.conversion.levels import in_steps, quantise_levels

from .examples import Examples
from .networks.reduction_network import ReductionNetwork

PICTURES = 64
"""Whole pictures whose levels are counted."""

Values = list[tuple[int, NDArray[np.float32]]]


def fitted_tables(
    model: ReductionNetwork, examples: Examples, chosen: Sequence[int], qps: Sequence[int], rounding: float
) -> Mapping[str, NDArray[Any]]:
    """The tables for levels of whole pictures among the examples ``chosen``, each coded with some of ``qps``.

    ``rounding`` is the offset with which levels are rounded. A component's scale is its mean magnitude, with all QPs
    counting alike.
    """
    values = _values(model, examples, [index for index in chosen if examples.examples[index].whole][:PICTURES], qps)
    scales = scales_of(np.mean([np.abs(own).mean((1, 2), dtype=np.float64) for _, own in values], axis=0))
    counted: NDArray[np.int64] = np.zeros((), np.int64)
    for qp, own in values:
        counted = counted + count_contexts(quantise_levels(in_steps(own, qp), rounding), scales, qp)
    return table_tensors(scales, counted)


@torch.no_grad()
def _values(model: ReductionNetwork, examples: Examples, chosen: Sequence[int], qps: Sequence[int]) -> Values:
    """QPs, and the components (K, h, w) that are coded with them: of each picture for a third of the QPs."""
    every = sorted(set(qps))
    found = []
    for number, index in enumerate(chosen):
        layers = [torch.from_numpy(layer.astype(np.float32))[None] for layer in examples.layers(index).values()]
        for qp in every[number % 3 :: 3]:
            own = model.analysed(layers, qp)[0].numpy().copy()
            clear_outside([own], examples.covered(index))
            found.append((qp, own))
    return found
