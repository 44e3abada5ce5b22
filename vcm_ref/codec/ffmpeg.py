"""The ffmpeg executable: where it is, what it offers, and decoding VVC and HEVC with its own decoders.

ffmpeg converts pixel formats in silence and rescales the samples when it does. So every command here carries
``-noauto_conversion_filters``: a conversion that would be needed is an error instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import InnerCodecId
from ..errors import CodecError, UnsupportedError
from ..process.child import OUTPUT_FD, Buffer, ChildLimits, run_child
from .inner_stream import checked_inner_stream

_TARGET = f"pipe:{OUTPUT_FD}"  # not standard output: VVenC prints warnings there, in the middle of its stream
_FORMATS = {InnerCodecId.HEVC: "hevc", InnerCodecId.VVC: "vvc"}
_CODED_SLICE = {  # nal_unit_type below 32 (H.265, Table 7-1) and up to 12 (H.266, Table 5)
    InnerCodecId.HEVC: re.compile(rb"\x00\x00\x01[\x00-\x3f]"),
    InnerCodecId.VVC: re.compile(rb"\x00\x00\x01.[\x00-\x67]", re.DOTALL),
}
_444 = 3  # chroma_format_idc
_Y4M_HEADER_BYTES = 256  # the header line is about 60 bytes long
_FRAME = b"FRAME\n"
_MEMORY_LIMIT = 8 << 30  # bytes of address space
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-nostats")


def find_ffmpeg() -> str:
    """The path in the environment variable VCM_FFMPEG or else the executable that ``imageio-ffmpeg`` carries.

    Raises CodecError where there is neither.
    """
    chosen = os.environ.get("VCM_FFMPEG")
    if chosen:
        if not Path(chosen).is_file():
            raise CodecError(f"VCM_FFMPEG names {chosen}, which is not a file")
        return chosen
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise CodecError(
            "no ffmpeg executable: install imageio-ffmpeg, or name one with libvvenc and a VVC decoder in "
            f"the environment variable VCM_FFMPEG ({error})"
        ) from error


def ffmpeg_version(executable: str) -> str:
    """The version that ``executable`` reports of itself, for the record kept beside results."""
    first_line = _ask(executable, "-version").partition("\n")[0]
    found = re.match(r"ffmpeg version (\S+)", first_line)
    if not found:
        raise CodecError(f"{executable} is no ffmpeg: it does not report a version")
    return found[1]


def require_encoder(executable: str, encoder: str, alternatives: str) -> None:
    """Raise CodecError, naming ``alternatives``, where ``executable`` was built without ``encoder``."""
    if not _offers(executable, "-encoders", encoder):
        raise CodecError(
            f"the ffmpeg executable {executable} lacks {encoder}: name another one in the environment "
            f"variable VCM_FFMPEG, or choose another inner codec ({alternatives})"
        )


def encode_with_ffmpeg(
    executable: str,
    codec_id: InnerCodecId,
    frames: NDArray[np.uint16],
    feed: Iterable[Buffer],
    coder: list[str],
    limits: ChildLimits,
) -> bytes:
    """Code ``frames``, uint16 ``(F, H, W)``, with the encoder that ``coder``, a list of ffmpeg options, sets up.

    ``feed`` are the planes of the frames as that encoder takes them; ``coder`` begins with their pixel format.
    Returns an Annex B byte stream. Raises CodecError, also where the stream holds fewer pictures than ``frames``:
    an encoder that is drained too early ends its stream there, and ffmpeg exits with 0.
    """
    pixels, *options = coder
    count, height, width = frames.shape
    command = [executable, *QUIET, "-noauto_conversion_filters", *_raw_source(pixels, height, width)]
    command += ["-fps_mode", "passthrough", *options, "-f", _FORMATS[codec_id], _TARGET]
    stream = bytes(run_child(command, feed=feed, limits=limits))
    coded = len(_CODED_SLICE[codec_id].findall(stream))
    if coded < count:
        raise CodecError(f"ffmpeg: the encoder returned {coded} pictures of {count}")
    return stream


def convert_with_ffmpeg(
    feed: Iterable[Buffer], source: tuple[str, int, int], filters: str, pixels: str, returned: int, time_limit_s: float
) -> bytearray:
    """Send one picture through ``filters`` of ffmpeg, which end in the pixel format ``pixels``.

    ``feed`` holds its bytes; ``source`` says what they are: pixel format, height, width. Raises CodecError unless
    exactly ``returned`` bytes come back.
    """
    command = [find_ffmpeg(), *QUIET, "-noauto_conversion_filters", "-filter_threads", "1", *_raw_source(*source)]
    command += ["-vf", filters, "-pix_fmt", pixels, "-noautoscale", "-f", "rawvideo", _TARGET]
    output = run_child(command, feed=feed, limits=ChildLimits(time_limit_s, returned, _MEMORY_LIMIT))
    if len(output) != returned:
        raise CodecError(f"ffmpeg: the conversion of a picture returned {len(output)} bytes of {returned}")
    return output


def _raw_source(pixels: str, height: int, width: int) -> list[str]:
    layout = ["-f", "rawvideo", "-pix_fmt", pixels, "-video_size", f"{width}x{height}", "-framerate", "30"]
    return [*layout, "-i", "pipe:0"]


class _Planes(NamedTuple):
    """Which planes are wanted of a decoded picture: by what filter, as what pixels, called what by YUV4MPEG2."""

    filter: str
    pixels: str
    colour_space: bytes


_LUMA = _Planes("extractplanes=y", "gray10le", b"mono10")
#: The same for 4:4:4, where ffmpeg may call the first colour component green: it is taken by its place.
_FIRST = _Planes(
    "mergeplanes=map0s=0:map0p=0:map1s=0:map1p=0:map2s=0:map2p=0:format=yuv444p10le,extractplanes=y",
    "gray10le",
    b"mono10",
)
_COLOUR = _Planes("null", "yuv420p10le", b"420p10")


@dataclass(frozen=True)
class FfmpegDecoder:
    """ffmpeg's own VVC and HEVC decoders; ``decode`` gives luma only, whatever the stream's chroma format."""

    codec_id: InnerCodecId
    threads: int = 1
    time_limit_s: float = 600.0
    memory_limit: int | None = _MEMORY_LIMIT

    @property
    def _format(self) -> str:
        return _FORMATS[self.codec_id]

    def describe(self) -> dict[str, str]:
        """Name and version of the executable."""
        return {"decoder": f"ffmpeg {self._format}", "ffmpeg": ffmpeg_version(find_ffmpeg())}

    def decode(self, stream: bytes, count: int, height: int, width: int, bit_depth: int) -> NDArray[np.uint16]:
        """Decode an Annex B byte stream into ``count`` frames, uint16 ``(count, height, width)``.

        Frames come back in YUV4MPEG2, whose header says how large they are: frames of another size could
        otherwise pass for those asked for. Raises CodecError unless exactly the frames asked for come back, and
        UnsupportedError where the executable has no such decoder.
        """
        samples = self._decode(stream, count, (height, width), bit_depth, height * width)
        return samples.reshape(count, height, width)

    def decode_colour(
        self, stream: bytes, count: int, height: int, width: int, bit_depth: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Decode 4:2:0 pictures of even sides into luma ``(count, H, W)`` and chroma ``(count, 2, H/2, W/2)``, uint16.

        Raises as ``decode`` does, and CodecError for another chroma format.
        """
        luma = height * width
        samples = self._decode(stream, count, (height, width), bit_depth, luma + luma // 2, colour=True)
        chroma = samples[:, luma:].reshape(count, 2, height // 2, width // 2)
        return samples[:, :luma].reshape(count, height, width), chroma

    def _decode(
        self, stream: bytes, count: int, size: tuple[int, int], bit_depth: int, samples: int, *, colour: bool = False
    ) -> NDArray[np.uint16]:
        """The pictures as uint16 ``(count, samples)``, ``samples`` being those of all planes wanted of one picture."""
        if bit_depth != 10:
            raise CodecError(f"{self._format}: frames of {bit_depth} bits cannot be decoded, only of 10")
        executable = find_ffmpeg()
        checked, parameters = checked_inner_stream(self.codec_id, stream, count, *size)
        planes = _COLOUR if colour else _FIRST if parameters.chroma_format == _444 else _LUMA
        output_bytes = _Y4M_HEADER_BYTES + count * (len(_FRAME) + 2 * samples)
        limits = ChildLimits(self.time_limit_s, output_bytes, self.memory_limit)
        try:
            output = run_child(self._command(executable, planes), feed=[checked], limits=limits)
        except CodecError as error:
            if _offers(executable, "-decoders", self._format):
                raise
            raise UnsupportedError(
                f"the ffmpeg executable {executable} lacks a decoder for {self._format}: name another one in "
                "the environment variable VCM_FFMPEG" + (", or decode with vtm" if self._format == "vvc" else "")
            ) from error
        return _frames_of_y4m(output, count, size, planes.colour_space, samples)

    def _command(self, executable: str, planes: _Planes) -> list[str]:
        # A damaged stream shall fail rather than be concealed. No metadata may change a sample: there is none left, and
        # nothing would be done about it. Film grain and LCEVC are exported, that is, not applied.
        strict = ["-xerror", "-err_detect", "explode", "-export_side_data", "film_grain+enhancements", "-noautorotate"]
        source = ["-threads", str(self.threads), "-f", self._format, "-i", "pipe:0"]
        wanted = ["-vf", planes.filter, "-pix_fmt", planes.pixels, "-noautoscale", "-fps_mode", "passthrough"]
        target = ["-strict", "-1", "-f", "yuv4mpegpipe", _TARGET]
        return [executable, *QUIET, "-noauto_conversion_filters", *strict, *source, *wanted, *target]


def _frames_of_y4m(
    output: bytearray, count: int, size: tuple[int, int], colour_space: bytes, samples: int
) -> NDArray[np.uint16]:
    """The frames of a YUV4MPEG2 stream, ``(count, samples)``, moved together in the buffer they arrived in."""
    height, width = size
    end = output.find(b"\n", 0, _Y4M_HEADER_BYTES) + 1
    header = re.match(rb"YUV4MPEG2 W(\d+) H(\d+) .*\bC%b\b" % colour_space, output[:end])
    if not header:
        raise CodecError(f"the inner decoder returned no frames, where {count} were expected")
    if (int(header[1]), int(header[2])) != (width, height):
        raise CodecError(
            f"the inner decoder returned frames of {int(header[1])}x{int(header[2])}, not of {width}x{height}"
        )
    frame_bytes = 2 * samples
    step = len(_FRAME) + frame_bytes
    returned, rest = divmod(len(output) - end, step)
    if returned != count or rest:
        part = " and a part of one" if rest else ""
        raise CodecError(f"the inner decoder returned {returned} frames{part}, where {count} were expected")
    view = memoryview(output)
    for index in range(count):
        start = end + index * step
        if view[start : start + len(_FRAME)] != _FRAME:
            raise CodecError(f"the inner decoder changed its frame size at frame {index}")
        view[index * frame_bytes : (index + 1) * frame_bytes] = view[start + len(_FRAME) : start + step]
    frames = np.frombuffer(output, dtype="<u2", count=count * samples)
    return frames.astype(np.uint16, copy=False).reshape(count, samples)


@cache
def _ask(executable: str, question: str) -> str:
    limits = ChildLimits(time_s=30, output_bytes=1 << 20)
    return run_child([executable, "-hide_banner", question], limits=limits).decode("utf-8", "replace")


def _offers(executable: str, question: str, name: str) -> bool:
    return re.search(rf"^ [A-Z.]+ {re.escape(name)} ", _ask(executable, question), re.MULTILINE) is not None
