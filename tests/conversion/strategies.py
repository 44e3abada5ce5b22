"""What the properties draw from."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from vcm_ref.bitstream.values import Allocation, Grid, Packing

shapes = st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9))
bit_depths = st.integers(1, 16)
# Hypothesis seldom draws the far ends of float32, where arithmetic overflows or loses its last bits.
ends = st.sampled_from([3.4028234663852886e38, 2.0**100, 2.0**-100, 2.0**-126, 2.0**-149])
finite = st.floats(width=32, allow_nan=False, allow_infinity=False) | ends | ends.map(lambda end: -end)
tensors = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=finite))
allocations = st.sampled_from(Allocation)


@st.composite
def layers(draw: st.DrawFn, packing: Packing) -> tuple[list[NDArray[np.uint16]], list[NDArray[np.intp]], list[Grid]]:
    """One to three layers: quantised maps, a channel order for each, and a grid that fits each."""
    qs, orders, grids = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        frames = 1 if packing == Packing.STACKED else draw(st.integers(1, 4))
        channels = columns * rows * frames
        height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        random = np.random.default_rng(draw(st.integers(0, 1000)))
        qs.append(random.integers(0, 1 << 16, (channels, height, width)).astype(np.uint16))
        orders.append(random.permutation(channels).astype(np.intp))
        grids.append(Grid(columns, rows))
    return qs, orders, grids
