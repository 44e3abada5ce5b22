"""The cost of a split network: multiply–accumulates and parameters of part 1 and of part 2.

Counted are convolutions and matrix products, which is nearly all of a network's work: in torch by its own counter,
``torch.utils.flop_counter``, while the parts run; in ONNX by onnx-tool, from the graphs. A multiply–accumulate is one
multiplication with one addition, half of the "FLOPs" that some papers state.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.models.cost import PartCost
from vcm_ref.network import Network

HEIGHT, WIDTH = 480, 640


class Cost(NamedTuple):
    """The cost of a network for one picture of ``height`` x ``width`` pixels."""

    height: int
    width: int
    part1: PartCost
    part2: PartCost

    def record(self) -> dict[str, object]:
        """As JSON."""
        pixels = self.height * self.width
        parts = {"part1": self.part1, "part2": self.part2}
        each = {
            name: {"macs": part.macs, "macs_per_pixel": part.macs / pixels, "parameters": part.parameters}
            for name, part in parts.items()
        }
        return {"picture": f"{self.width}x{self.height}", **each}


def network_cost(network: Network) -> Cost | None:
    """The cost for :func:`picture`; None for a network that cannot count it, which has no method ``cost``.

    Raises `NetworkError` where the counter fails.
    """
    count = getattr(network, "cost", None)
    if count is None:
        return None
    part1, part2 = count(picture())
    if min(part1.macs, part2.macs) < 0:
        raise NetworkError(f"{network.name}: the counter gives a negative number")
    return Cost(HEIGHT, WIDTH, part1, part2)


def picture() -> NDArray[np.uint8]:
    """The picture that costs are for: noise of 640x480, the same on every machine."""
    raw = np.random.PCG64(np.random.SeedSequence(0)).random_raw(HEIGHT * WIDTH * 3 // 8)
    return raw.astype("<u8").view(np.uint8).reshape(HEIGHT, WIDTH, 3)
