"""What a decoder is willing to spend on one bitstream; checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..errors import LimitError
from .elements import MAX_CHANNELS, MAX_LAYERS
from .geometry import layer_shapes
from .headers import GroupHeader, StreamHeader
from .levels import Level


@dataclass(frozen=True)
class DecoderLimits:
    """Upper bounds. A bitstream that would exceed one is refused with :class:`LimitError`.

    ``inner_seconds`` and ``inner_bytes`` bound the wall-clock time and the memory of one run of the inner decoder.
    """

    frame_samples: int = 2**28
    group_samples: int = 2**29
    total_samples: int = 2**36
    frames: int = 2**16
    channels: int = MAX_CHANNELS
    layers: int = MAX_LAYERS
    pictures: int = 1_000_000
    model_bytes: int = 2**28
    graph_products: int = 2**38
    graph_samples: int = 2**29
    output_bytes: int = 2**40
    inner_seconds: float = 600.0
    inner_bytes: int = 2**34

    def check(self, name: str, value: int) -> None:
        """:class:`LimitError` where ``value`` exceeds the limit ``name``."""
        limit = getattr(self, name)
        if value > limit:
            raise LimitError(f"{name} would be {value}; the limit is {limit} (raise it with --limit {name}={value})")

    def check_needs(self, needs: Level) -> None:
        """Limits on what a bitstream needs so far."""
        for name in ("layers", "channels", "frames", "frame_samples", "group_samples", "pictures", "total_samples"):
            self.check(name, getattr(needs, f"max_{name}"))
        for name in ("model_bytes", "graph_products", "graph_samples"):
            self.check(name, getattr(needs, f"max_{name}"))


def output_bytes(stream: StreamHeader, group: GroupHeader) -> int:
    """The bytes that a group's float32 layers take."""
    return len(group.pictures) * sum(4 * prod(shape) for shape in layer_shapes(stream, group))
