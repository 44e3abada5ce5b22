"""VTM, the reference software of VVC, as external executables: EncoderApp and DecoderApp.

They are found by options or by environment variables: VCM_VTM_ENCODER and VCM_VTM_DECODER name the executables,
VCM_VTM_CFG the folder with ``encoder_intra_vtm.cfg`` and ``encoder_randomaccess_vtm.cfg``. Command lines are
those of the MPEG feature anchor (VTM-12.0): the configuration file as published, 4:0:0, 10 bits, level 6.2, and
``TemporalSubsampleRatio=1``, without which the All-Intra configuration codes one frame of eight.

VTM reads and writes files, here in a temporary folder that never outlives the call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import InnerCodecId, Mode
from ..errors import CodecError, ConfigError
from ..process.child import ChildLimits, run_child
from ..process.scratch import scratch_folder
from .frames import check_chroma, check_frames, little_endian
from .inner_stream import checked_inner_stream

ChromaFormat = Literal[400, 420]
_CONFIGURATIONS = {
    (Mode.AI, 1): "encoder_intra_vtm.cfg",
    (Mode.RA, 32): "encoder_randomaccess_vtm.cfg",
    (Mode.RA, 16): "encoder_randomaccess_vtm_gop16.cfg",
}
GOPS = tuple(gop for mode, gop in _CONFIGURATIONS if mode == Mode.RA)
_LOG_BYTES = 1 << 24
_CHROMA_SAMPLES = (0, 1, 2, 4)  # by chroma_format_idc: for two samples of luma
_INPUT, _STREAM, _OUTPUT, _PICTURES = "input.yuv", "stream.bin", "output.yuv", "pictures.txt"


def encoder_command(
    executable: str,
    configuration: str,
    shape: tuple[int, int, int],
    mode: Mode,
    qp: int,
    *,
    gop: int = 32,
    chroma_format: ChromaFormat = 400,
    extra: Mapping[str, str] | None = None,
) -> list[str]:
    """The command line that codes ``input.yuv``, ``shape`` (F, H, W), into ``stream.bin``; ``extra`` comes last."""
    count, height, width = shape
    options = {
        "InputFile": _INPUT,
        "BitstreamFile": _STREAM,
        "ReconFile": "",
        "SourceWidth": width,
        "SourceHeight": height,
        "FrameRate": 30,
        "FramesToBeEncoded": count,
        "TemporalSubsampleRatio": 1,
        "QP": qp,
        "IntraPeriod": 1 if mode == Mode.AI else gop,
        "ConformanceWindowMode": 1,
        "InternalBitDepth": 10,
        "InputBitDepth": 10,
        "OutputBitDepth": 10,
        "InputChromaFormat": chroma_format,
        "Level": "6.2",
        **(extra or {}),
    }
    return [executable, "-c", configuration, *(f"--{key}={value}" for key, value in options.items())]


def decoder_command(executable: str) -> list[str]:
    """The command line that decodes ``stream.bin`` into ``output.yuv``, and lists the pictures' sizes."""
    return [
        executable,
        f"--BitstreamFile={_STREAM}",
        f"--ReconFile={_OUTPUT}",
        "--OutputBitDepth=10",
        f"--OplFile={_PICTURES}",
    ]


@dataclass(frozen=True)
class VtmEncoder:
    """VTM's EncoderApp with the anchor's options. ``gop`` is 32 or 16: those that VTM has a configuration for.

    ``executable`` and ``configurations``, a folder, are taken from the environment where they are ``None``.
    ``chroma_format`` is 400 for frames of luma alone, 420 for pictures in colour.
    """

    gop: int = 32
    time_limit_s: float = 7 * 86400.0
    memory_limit: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    executable: str | None = None
    configurations: str | None = None
    chroma_format: ChromaFormat = 400

    codec_id: ClassVar[InnerCodecId] = InnerCodecId.VVC
    bit_depth: ClassVar[int] = 10
    highest_qp: ClassVar[int] = 63

    def __post_init__(self) -> None:
        if (Mode.RA, self.gop) not in _CONFIGURATIONS:
            raise ConfigError(f"vtm has no configuration for a GOP of {self.gop}; it has 32 and 16")

    def describe(self) -> dict[str, str]:
        """Version of the executable and the command lines, for frames of unknown size and QP."""
        executable = _find(self.executable, "VCM_VTM_ENCODER", "VTM's EncoderApp")
        lines = {}
        for mode in (Mode.AI, Mode.RA):
            name = self._configuration(mode).name
            lines[mode.name] = " ".join(self._command("EncoderApp", name, (0, 0, 0), mode, 0))
        return {"encoder": _version(executable), **lines}

    def encode(
        self, frames: NDArray[np.uint16], mode: Mode, qp: int, chroma: NDArray[np.uint16] | None = None
    ) -> bytes:
        """Code ``frames``, uint16 ``(F, H, W)`` of 10 bits, into an Annex B byte stream.

        H and W are even and at least 32. ``chroma``, uint16 ``(F, 2, H/2, W/2)``, belongs to them in 4:2:0.
        Raises CodecError.
        """
        check_frames(frames, self.bit_depth, "vtm", smallest=32, step=2)
        if (chroma is not None) != (self.chroma_format == 420):
            raise ValueError("vtm takes chroma exactly if its chroma format is 420")
        if chroma is not None:
            check_chroma(chroma, frames, self.bit_depth, "vtm")
        if not 0 <= qp <= self.highest_qp:
            raise CodecError(f"vtm has no QP {qp}; it has 0 to {self.highest_qp}")
        executable = _find(self.executable, "VCM_VTM_ENCODER", "VTM's EncoderApp")
        count, height, width = frames.shape
        configuration = str(self._configuration(mode))
        shape = (count, height, width)
        command = self._command(executable, configuration, shape, mode, qp)
        limits = ChildLimits(self.time_limit_s, _LOG_BYTES, self.memory_limit, (1 << 20) + 4 * frames.nbytes)
        with scratch_folder("vtm") as folder:
            with (folder / _INPUT).open("wb") as file:
                for index, frame in enumerate(frames):
                    file.write(little_endian(frame))
                    if chroma is not None:
                        file.write(little_endian(chroma[index]))
            run_child(command, limits=limits, cwd=folder)
            stream = _read(folder / _STREAM)
        if not stream:
            raise CodecError("vtm: the encoder returned nothing")
        return stream

    def _command(
        self, executable: str, configuration: str, shape: tuple[int, int, int], mode: Mode, qp: int
    ) -> list[str]:
        return encoder_command(
            executable,
            configuration,
            shape,
            mode,
            qp,
            gop=self.gop,
            chroma_format=self.chroma_format,
            extra=self.extra,
        )

    def _configuration(self, mode: Mode) -> Path:
        folder = self.configurations or os.environ.get("VCM_VTM_CFG")
        if not folder:
            raise CodecError("vtm: name the folder with VTM's configuration files in VCM_VTM_CFG")
        path = Path(folder, _CONFIGURATIONS[mode, 1 if mode == Mode.AI else self.gop]).absolute()
        if not path.is_file():
            raise CodecError(f"vtm: there is no {path}; VCM_VTM_CFG names the folder of VTM's configurations")
        return path


@dataclass(frozen=True)
class VtmDecoder:
    """VTM's DecoderApp; luma only, whatever the stream's chroma format."""

    time_limit_s: float = 600.0
    memory_limit: int | None = 8 << 30
    executable: str | None = None

    codec_id: ClassVar[InnerCodecId] = InnerCodecId.VVC

    def describe(self) -> dict[str, str]:
        """Version of the executable."""
        return {"decoder": _version(_find(self.executable, "VCM_VTM_DECODER", "VTM's DecoderApp"))}

    def decode(self, stream: bytes, count: int, height: int, width: int, bit_depth: int) -> NDArray[np.uint16]:
        """Decode an Annex B byte stream into ``count`` frames, uint16 ``(count, height, width)``.

        Raises CodecError unless exactly the frames asked for come back, of that size.
        """
        if bit_depth != 10:
            raise CodecError(f"vtm: frames of {bit_depth} bits cannot be decoded, only of 10")
        executable = _find(self.executable, "VCM_VTM_DECODER", "VTM's DecoderApp")
        checked, parameters = checked_inner_stream(self.codec_id, stream, count, height, width)
        chroma = height * width * _CHROMA_SAMPLES[parameters.chroma_format] // 2  # samples of a frame
        largest = (1 << 20) + 2 * count * (height * width + chroma)
        limits = ChildLimits(self.time_limit_s, _LOG_BYTES, self.memory_limit, largest)
        with scratch_folder("vtm") as folder:
            (folder / _STREAM).write_bytes(checked)
            run_child(decoder_command(executable), limits=limits, cwd=folder)
            _check_pictures(_read(folder / _PICTURES), count, height, width)
            return _read_luma(folder / _OUTPUT, count, height, width, chroma)


def _check_pictures(listing: bytes, count: int, height: int, width: int) -> None:
    """Check VTM's list of output pictures (layer, POC, width, height, an MD5 per plane)."""
    lines = listing.decode("ascii", "replace").splitlines()
    pictures = [line.replace(" ", "").split(",") for line in lines]
    if len(pictures) != count:
        raise CodecError(f"the inner decoder returned {len(pictures)} frames, where {count} were expected")
    for picture in pictures:
        if picture[2:4] != [str(width), str(height)]:
            raise CodecError(f"the inner decoder returned frames of {'x'.join(picture[2:4])}, not of {width}x{height}")


def _read_luma(path: Path, count: int, height: int, width: int, chroma: int) -> NDArray[np.uint16]:
    luma = height * width
    if not path.is_file() or path.stat().st_size != 2 * count * (luma + chroma):
        raise CodecError("the inner decoder returned frames of another chroma format than its stream has")
    frames = np.empty((count, height, width), np.uint16)
    with path.open("rb") as file:
        for frame in frames:
            frame[:] = np.fromfile(file, "<u2", luma).reshape(height, width)
            file.seek(2 * chroma, os.SEEK_CUR)
    return frames


def _find(option: str | None, variable: str, what: str) -> str:
    path = option or os.environ.get(variable)
    if not path:
        raise CodecError(f"vtm: name {what} in the environment variable {variable}")
    if not Path(path).is_file():
        raise CodecError(f"vtm: there is no {path}; {variable} names {what}")
    return str(Path(path).absolute())


def _version(executable: str) -> str:
    # VTM prints its name and version above its help, and then exits with 1
    limits = ChildLimits(time_s=30, output_bytes=1 << 20)
    text = run_child([executable, "--help"], limits=limits, accept=(0, 1)).decode("utf-8", "replace")
    found = re.search(r"VVCSoftware: (.+?) \[", text)
    if not found:
        raise CodecError(f"vtm: {executable} does not report a version of VTM")
    return found[1]


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
