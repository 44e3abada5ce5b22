"""What a decoder is willing to spend on one bitstream; checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import LimitError
from .geometry import layer_shapes, substream_geometries
from .syntax import PictureHeader, StreamHeader


@dataclass(frozen=True)
class DecoderLimits:
    """Upper bounds. A bitstream that would exceed one is refused with :class:`LimitError`.

    ``inner_seconds`` and ``inner_bytes`` bound the wall-clock time and the memory of one run of the inner decoder.
    """

    frame_samples: int = 2**28
    frames: int = 8192
    channels: int = 8192
    layers: int = 64
    pictures: int = 1_000_000
    output_bytes: int = 2**40
    inner_seconds: float = 600.0
    inner_bytes: int = 2**34

    def check(self, name: str, value: int) -> None:
        """:class:`LimitError` where ``value`` exceeds the limit ``name``."""
        limit = getattr(self, name)
        if value > limit:
            raise LimitError(f"{name} would be {value}; the limit is {limit} (raise it with --limit {name}={value})")

    def check_stream(self, stream: StreamHeader) -> None:
        """Limits that the stream header alone can exceed."""
        self.check("layers", len(stream.layers))
        self.check("channels", max(layer.channels for layer in stream.layers))

    def check_picture(self, stream: StreamHeader, picture: PictureHeader) -> int:
        """Limits that one picture can exceed; returns the bytes its float32 features take."""
        for geometry in substream_geometries(stream, picture):
            self.check("frames", geometry.frames)
            self.check("frame_samples", geometry.coded_samples)
        return sum(4 * channels * height * width for channels, height, width in layer_shapes(stream, picture))
