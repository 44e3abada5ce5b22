"""Is one bitstream conformant? The verdict, the place, the clause, and what usually makes it so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..bitstream.limits import DecoderLimits
from ..decoder import Backend, Decoder
from ..errors import BitstreamError, CodecError, ConfigError, LimitError, UnsupportedError

#: What breaks a rule of a clause, as experience has it.
HINTS = {
    "5": "the file was truncated in copying, two files were joined, or the units are not in the order of clause 5",
    "6.2": "the file is not a bitstream of this kind, or its first bytes are damaged",
    "6.3": "the size of the previous unit may be wrong; sizes do not have a leading zero byte",
    "6.4": "a stream header of another version of the syntax, or a reserved code point",
    "6.5": "channels are coded as the difference from the previous layer; names are ASCII",
    "6.6": "the payload of a stage does not have the stated length",
    "6.7": "a stage RESIZE must resize at least one tensor",
    "6.24": "a stage PCA must split a tensor, shifts add up to at most 8, and no two tensors have the same name",
    "6.8": "the grid has to divide the channels; values that equal the previous tensor's are coded by a flag",
    "6.9": "bit depths above 10 are for the lossless inner codec",
    "6.10": "the range was measured on features with NaN or infinity, or its two ends are exchanged",
    "6.11": "sizes are coded as differences from half the previous layer's, rounded up",
    "6.12": "ranges or orders that equal the previous picture's are coded by a flag",
    "6.13": "the rank is C! or above: the digits of the factorial number system may be in the wrong order",
    "6.14": "the number of leading parameter sets does not fit what follows",
    "6.15": "a parameter set has another base or a shorter prefix than 7.15 requires, or other templates",
    "6.16": "a NAL unit has a start code, a delimiter was stored, or a size is too large",
    "6.17": "a header, a model or the digest itself changed after the bitstream was written",
    "6.21": "alignment bits must be zero; an earlier element may have the wrong length",
    "7.18": "a model is sent again although it is in force, or it does not fit its stage",
    "8.3": "the inner stream has another number of pictures than the headers promise",
    "8.4": "the inner stream has a profile, a chroma format or a picture size that is not allowed",
    "8.7": "the inner stream, a grid, an allocation or an order is damaged, or the decoder differs from the encoder's",
    "8.8": "the lossless stream is damaged, or was made for frames of another size, number or bit depth",
    "9": "the level or profile was set by hand; write the lowest that allows every picture",
}
_OTHER_HINTS: dict[type[Exception], str] = {
    UnsupportedError: "written for another version of the specification, or for an inner codec that is not there",
    LimitError: "raise the limit if you trust the source of the bitstream",
    CodecError: "the inner stream is damaged or does not hold the frames that the headers promise",
}


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one bitstream. ``error`` names its class, ``bit_offset`` counts from the first bit.

    ``exit_code`` is 0 where it is conformant, and otherwise a decoder's (docs/conformance.md).
    """

    exit_code: int
    error: str | None
    message: str
    bit_offset: int | None = None
    clause: str | None = None
    hint: str | None = None


def validate(
    path: Path,
    *,
    limits: DecoderLimits | None = None,
    backend: Backend = "auto",
    progress: Callable[[float], None] = lambda share: None,
) -> Verdict:
    """Decode a bitstream whole, and judge it. Raises :class:`ConfigError` where it cannot be read."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    pictures = layers = 0
    digests = True
    with file:
        try:
            for picture in Decoder(file, limits=limits, backend=backend, progress=progress).pictures():
                pictures += 1
                layers = len(picture.features.layers)
                digests = digests and picture.verified
        except BitstreamError as error:
            hint = HINTS.get(error.clause or "")
            return Verdict(error.exit_code, "BitstreamError", error.message, error.bit_offset, error.clause, hint)
        except (UnsupportedError, LimitError, CodecError) as error:
            return Verdict(error.exit_code, type(error).__name__, str(error), hint=_OTHER_HINTS[type(error)])
    told = f"{pictures} picture{'s' * (pictures != 1)} of {layers} layer{'s' * (layers != 1)}"
    return Verdict(0, None, f"{told}, {'digests verified' if digests else 'no digests to verify'}")
