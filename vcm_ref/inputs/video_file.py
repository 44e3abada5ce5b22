"""Video files as sequences of pictures: 8-bit RGB samples, frame after frame, by ffmpeg.

- Every frame that the decoder gives is a picture, at its place; none is repeated or dropped to keep a frame rate.
- A file's suffix decides how it is read, so that a file cannot pass for a playlist of others.
- Matrix and range are those that the file states, else BT.601 and limited range, as ffmpeg takes them. Chroma is
  interpolated with a bicubic filter, by the same arithmetic on every machine (``accurate_rnd+bitexact``).
- A rotation that the file states is applied unless the caller says otherwise, as with the orientation of a picture.
- A damaged file is refused; ffmpeg conceals nothing. A Y4M or raw file that ends within a picture is refused as well,
  which ffmpeg would leave out without a word.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..codec.ffmpeg import QUIET, find_ffmpeg
from ..errors import CodecError, DatasetError, LimitError
from ..process.child import OUTPUT_FD, ChildLimits, run_child, stream_child
from .picture_file import PIXELS_VARIABLE, pixel_limit

_TARGET = f"pipe:{OUTPUT_FD}"
_RAW = "rawvideo"
#: What ffmpeg calls the format of a file, by its suffix.
_FORMATS = {
    ".avi": "avi",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mov",
    ".webm": "matroska",
    ".y4m": "yuv4mpegpipe",
    ".yuv": _RAW,
}
VIDEO_SUFFIXES = tuple(_FORMATS)
RAW_SUFFIX = ".yuv"

#: Bytes of a sample and the factors by which chroma is narrower and lower; grey has no chroma.
_LAYOUTS: dict[str, tuple[int, tuple[int, int] | None]] = {
    "gray": (1, None),
    "gray10le": (2, None),
    "yuv420p": (1, (2, 2)),
    "yuv420p10le": (2, (2, 2)),
    "yuv422p": (1, (2, 1)),
    "yuv422p10le": (2, (2, 1)),
    "yuv444p": (1, (1, 1)),
    "yuv444p10le": (2, (1, 1)),
}
PIXEL_FORMATS = tuple(_LAYOUTS)

#: The words of a Y4M header for these formats; without one it is 4:2:0.
_Y4M_LAYOUTS = {
    "420": "yuv420p",
    "420jpeg": "yuv420p",
    "420mpeg2": "yuv420p",
    "420paldv": "yuv420p",
    "420p10": "yuv420p10le",
    "422": "yuv422p",
    "422p10": "yuv422p10le",
    "444": "yuv444p",
    "444p10": "yuv444p10le",
    "mono": "gray",
    "mono10": "gray10le",
}
_TO_RGB = "scale=flags=bicubic+accurate_rnd+bitexact+full_chroma_int,format=rgb24"
_HEADER_BYTES = 256
_MEMORY_LIMIT = 8 << 30  # bytes of address space
_WAIT_S = 600.0


@dataclass(frozen=True)
class Video:
    """A video file: size of its pictures in pixels, and pictures a second.

    ``pixel_format`` is that of a raw file, which does not say its size, its format or its rate; else it is empty.
    ``upright`` says whether a rotation that the file states is applied.
    """

    path: Path
    height: int
    width: int
    frame_rate: Fraction
    pixel_format: str = ""
    upright: bool = True

    def pictures(self, start: int = 0, count: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """The pictures from number ``start`` on, at most ``count`` of them, each uint8 ``(H, W, 3)``.

        One is in memory at a time. Raises :class:`DatasetError` where the file cannot be decoded.
        """
        chosen = [f"select=gte(n\\,{start})"] if start else []
        wanted = ["-frames:v", str(count)] if count is not None else []
        command = [*self._source(), "-vf", ",".join([*chosen, _TO_RGB]), *wanted, "-f", _RAW, _TARGET]
        limits = ChildLimits(_WAIT_S, 1 << 62, _MEMORY_LIMIT)
        try:
            with closing(stream_child(command, limits=limits, block=3 * self.height * self.width)) as frames:
                for frame in frames:
                    yield np.frombuffer(frame, np.uint8).reshape(self.height, self.width, 3)
        except CodecError as error:
            raise DatasetError(f"{self.path}: cannot be decoded: {error}") from error

    def _source(self) -> list[str]:
        """The command line up to what is wanted of the video."""
        kind = _FORMATS[self.path.suffix.lower()]
        given = ["-pixel_format", self.pixel_format, "-video_size", f"{self.width}x{self.height}"]
        given += ["-framerate", str(self.frame_rate)]
        turned = [] if self.upright else ["-noautorotate"]
        command = [find_ffmpeg(), *QUIET, "-xerror", "-err_detect", "explode", "-noauto_conversion_filters", *turned]
        command += ["-protocol_whitelist", "file", "-f", kind, *(given if kind == _RAW else [])]
        return [*command, "-i", f"file:{self.path}", "-map", "0:v:0", "-fps_mode", "passthrough"]


def open_video(path: Path, *, upright: bool = True) -> Video:
    """Read size and frame rate of a video file that states them, from its first picture.

    Raises :class:`DatasetError` where it cannot be decoded, and :class:`LimitError` where its pictures are too large.
    """
    unknown = Video(path, 0, 0, Fraction(0), upright=upright)
    first = ["-vf", "scale,format=gray", "-frames:v", "1", "-strict", "-1", "-f", "yuv4mpegpipe", _TARGET]
    limits = ChildLimits(_WAIT_S, pixel_limit() + 2 * _HEADER_BYTES, _MEMORY_LIMIT)
    try:
        output = run_child([*unknown._source(), *first], limits=limits)
    except CodecError as error:
        raise DatasetError(f"{path}: cannot be decoded: {error}") from error
    line, _, rest = bytes(output[:_HEADER_BYTES]).partition(b"\n")
    stated = _y4m_header(line)
    if not rest.startswith(b"FRAME") or not {"W", "H", "F"} <= stated.keys():
        raise DatasetError(f"{path}: holds no picture")
    if path.suffix.lower() == ".y4m":
        _check_y4m(path)
    above, below = (int(number) for number in stated["F"].split(":"))
    if above < 1 or below < 1:
        raise DatasetError(f"{path}: does not state a frame rate")
    return replace(unknown, height=int(stated["H"]), width=int(stated["W"]), frame_rate=Fraction(above, below))


def _y4m_header(line: bytes) -> dict[str, str]:
    """The parameters of a Y4M file's first line by their letters; the last one where a letter stands twice."""
    return {word[:1]: word[1:] for word in line.decode("ascii", "replace").split(" ")[1:] if not word.startswith("X")}


def _check_y4m(path: Path) -> None:
    """Raise :class:`DatasetError` unless a Y4M file is of a known format and ends with a whole picture."""
    with path.open("rb") as file:
        stated = _y4m_header(file.readline(_HEADER_BYTES).rstrip(b"\n"))
        layout = _Y4M_LAYOUTS.get(stated.get("C", "420"))
        if layout is None:
            known = ", ".join(_Y4M_LAYOUTS)
            raise DatasetError(f"{path}: has pictures of the format {stated['C'][:40]!r}; those read are {known}")
        picture, length = picture_bytes(int(stated["H"]), int(stated["W"]), layout), path.stat().st_size
        while file.readline(_HEADER_BYTES).startswith(b"FRAME"):
            file.seek(picture, os.SEEK_CUR)
        if file.tell() != length:
            raise DatasetError(f"{path}: ends within a picture, or has other data after a picture")


def raw_video(path: Path, size: tuple[int, int], pixel_format: str, frame_rate: Fraction) -> Video:
    """A raw file of pictures of ``size`` (height, width), whole planes one after another.

    Raises :class:`DatasetError` where the file does not hold a whole number of pictures, and :class:`LimitError` where
    they are too large.
    """
    height, width = size
    if height * width > pixel_limit():
        raise LimitError(
            f"{path}: pictures of {width}x{height} exceed {pixel_limit()} pixels (environment variable "
            f"{PIXELS_VARIABLE})"
        )
    picture, held = picture_bytes(height, width, pixel_format), path.stat().st_size
    if held == 0 or held % picture:
        raise DatasetError(
            f"{path}: has {held} bytes; a {pixel_format} picture of {width}x{height} has {picture}, and the file must "
            "hold a whole number of them"
        )
    return Video(path, height, width, frame_rate, pixel_format)


def picture_bytes(height: int, width: int, pixel_format: str) -> int:
    """Bytes of one raw picture; chroma of odd sizes is rounded up."""
    sample_bytes, chroma = _LAYOUTS[pixel_format]
    samples = height * width
    if chroma is not None:
        samples += 2 * math.ceil(height / chroma[1]) * math.ceil(width / chroma[0])
    return sample_bytes * samples
