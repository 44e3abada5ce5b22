"""Picture files: PNG, JPEG, BMP, TIFF, WebP, PPM and PGM, as 8-bit RGB samples.

A file gives one picture. These rules say which samples it has (docs/guide.md, "Pictures", has them for users):

- The file's content decides its format, among those that ``FORMATS`` lists and no others.
- Samples of 16 bits (12 in some TIFF files) keep their 8 most significant bits. Samples of 32 bits, signed samples and
  floats have no range that a rule could scale, so such a file is refused.
- Grey and palette pictures become RGB; CMYK is converted without its colour profile; transparency is dropped.
- A file of several pictures (animation, TIFF pages) is refused, except for a JPEG with further pictures behind the
  main one, as telephones write it (MPO).
- Exif orientation is applied unless the caller says otherwise. Metadata that cannot be read counts as absent.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DatasetError
from ..files.kind import check_kind

if TYPE_CHECKING:
    from PIL.Image import Image

#: Pillow's names of the formats that are opened.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
#: The environment variable that raises the limit on the pixels of one picture.
PIXELS_VARIABLE = "VCM_MAX_PICTURE_PIXELS"
_MAX_PIXELS = 200_000_000
#: What Pillow's readers raise for damaged files, depending on the format.
_UNREADABLE = (
    OSError, ValueError, TypeError, LookupError, AttributeError, SyntaxError, ArithmeticError, EOFError,
    NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
#: Tags of TIFF and Exif.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _ORIENTATION, _PLANAR_CONFIGURATION, _SAMPLE_FORMAT = 258, 262, 274, 284, 339
_WHITE_IS_ZERO, _PLANES, _UNSIGNED = 0, 2, 1
#: What a PNG file contains if it may have Exif data behind its pixels, where only a full decoding finds it.
_PNG_METADATA = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")

Samples = NDArray[Any]
#: How stored rows and columns are brought upright, by Exif orientation (Exif 2.32, tag 274).
_TURNS: dict[int, Callable[[Samples], Samples]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
_INVERSE = {orientation: {6: 8, 8: 6}.get(orientation, orientation) for orientation in _TURNS}
_SWAP_SIDES = (5, 6, 7, 8)


def read_picture(path: Path, file: BinaryIO | None = None, *, apply_orientation: bool = True) -> NDArray[np.uint8]:
    """Read a picture as RGB samples, uint8 ``(H, W, 3)``.

    ``file`` has the content if it shall not be read from ``path``. With ``apply_orientation`` the picture is turned
    upright as its Exif orientation says; without, rows and columns are those of the stored bitmap.

    Raises :class:`DatasetError` for a file that is not a picture, is damaged, holds several pictures, has samples
    whose range is not known, or exceeds the limit on pixels.
    """
    with _opened(path, file) as picture:
        orientation = _orientation(picture)
        samples = _rgb(path, picture)
        if picture.format == "TIFF":  # Pillow turns it as it decodes
            turn = None if apply_orientation else _INVERSE.get(orientation)
        else:
            turn = orientation if apply_orientation else None
    return np.ascontiguousarray(_TURNS[turn](samples) if turn in _TURNS else samples)


def picture_size(path: Path, apply_orientation: bool = True) -> tuple[int, int]:
    """Read height and width of what :func:`read_picture` gives, from the file's header, without decoding it.

    Raises :class:`DatasetError` for a file whose header cannot be read.
    """
    with _opened(path, None) as picture:
        width, height = picture.size
        turned_already = picture.format == "TIFF"
        if apply_orientation != turned_already:
            orientation = _orientation(picture, path.read_bytes() if picture.format == "PNG" else b"")
            if orientation in _SWAP_SIDES:
                height, width = width, height
    return height, width


def picture_orientation(path: Path) -> int:
    """Read a picture's Exif orientation, 1 to 8, from what stands before its pixels; 1 if there is none.

    Raises :class:`DatasetError` for a file whose header cannot be read.
    """
    with _opened(path, None) as picture:
        return _orientation(picture, b"")


@contextmanager
def _opened(path: Path, file: BinaryIO | None) -> Iterator[Image]:
    """The opened picture, its size checked; what Pillow raises until it is closed becomes DatasetError."""
    from PIL import Image, UnidentifiedImageError

    limit = pixel_limit()
    if file is None:
        check_kind(path)
    try:
        with warnings.catch_warnings(), _no_limit_of_pillow():
            warnings.simplefilter("ignore")  # of damaged metadata, and of transparency, which is dropped
            # Not by its path: Pillow would map the file, and then scramble uncompressed TIFF with an orientation.
            with (
                nullcontext(file) if file else path.open("rb") as stream,
                Image.open(stream, formats=FORMATS) as picture,
            ):
                _check_size(path, picture.size, limit)
                yield picture
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise DatasetError(
            f"{path}: is not a readable picture of one of the formats {kinds}, with samples of 1 to 16 unsigned bits"
        ) from error
    except _UNREADABLE as error:
        told = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{path}: is not a readable picture: {told}") from error


@contextmanager
def _no_limit_of_pillow() -> Iterator[None]:
    """Switch off Pillow's own limit, in favour of ours."""
    from PIL import Image

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def pixel_limit() -> int:
    """Give the most pixels that a picture may have. Raises ConfigError where the variable does not hold a number."""
    text = os.environ.get(PIXELS_VARIABLE, str(_MAX_PIXELS))
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 19 and int(text)):
        raise ConfigError(f"environment variable {PIXELS_VARIABLE}: is {text[:40]!r}; it must be a number of pixels")
    return int(text)


def _check_size(path: Path, size: tuple[int, int], limit: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise DatasetError(f"{path}: the picture is {width}x{height}; it has no pixels")
    if width * height > limit:
        raise DatasetError(
            f"{path}: the picture has {width}x{height} = {width * height} pixels, the limit is {limit}; "
            f"to read it, set the environment variable {PIXELS_VARIABLE} to at least {width * height}"
        )


def _orientation(picture: Image, content: bytes | None = None) -> int:
    """The Exif orientation, 1 if there is none or it cannot be read.

    ``content`` is what the file holds, given where the picture shall not be decoded to find metadata behind its
    pixels; such metadata is looked for only if the content may have it.
    """
    from PIL import Image

    try:
        if picture.format == "TIFF":
            found = picture.tag_v2.get(_ORIENTATION)  # type: ignore[attr-defined]
        elif content is not None and not any(mark in content for mark in _PNG_METADATA):
            found = Image.Image.getexif(picture).get(_ORIENTATION)
        else:
            found = picture.getexif().get(_ORIENTATION)
    except _UNREADABLE:
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1


def _rgb(path: Path, picture: Image) -> NDArray[np.uint8]:
    """The first picture's samples as Pillow gives them, reduced to 8 bits, uint8 ``(H, W, 3)``."""
    count = getattr(picture, "n_frames", 1)
    if count > 1 and picture.format != "MPO":
        raise DatasetError(f"{path}: holds {count} pictures; save each as a file of its own")
    if picture.format == "TIFF":
        _check_tiff(path, picture.tag_v2)  # type: ignore[attr-defined]
    bits = _grey_bits(path, picture)
    if bits is None:
        return np.asarray(picture.convert("RGB"))
    inverted = picture.format == "TIFF" and picture.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO  # type: ignore[attr-defined]
    grey = (np.asarray(picture) >> (bits - 8)).astype(np.uint8)
    return np.repeat((255 - grey if inverted else grey)[:, :, None], 3, axis=2)


def _check_tiff(path: Path, tags: Any) -> None:
    """Refuse what Pillow opens and reads wrongly: samples of more than 8 bits in planes, and signed ones of 8 bits."""
    if tags.get(_PLANAR_CONFIGURATION) == _PLANES and max(tags.get(_BITS_PER_SAMPLE, (1,))) > 8:
        raise DatasetError(
            f"{path}: has a plane for each colour, of more than 8 bits a sample, which cannot be read here; save it "
            "with the colours of each pixel together, or with 8 bits a sample"
        )
    if max(tags.get(_BITS_PER_SAMPLE, (1,))) <= 8 and {*tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))} != {_UNSIGNED}:
        raise DatasetError(f"{path}: has signed samples, of which the range is not known; save it with unsigned ones")


def _grey_bits(path: Path, picture: Image) -> int | None:
    """Bits of a grey sample where Pillow leaves more than 8 of them; ``None`` where it gives 8.

    Colour samples of 16 bits Pillow reduces itself, to the 8 most significant bits as well.
    """
    if picture.mode.startswith("I;16"):
        stored = picture.tag_v2.get(_BITS_PER_SAMPLE) if picture.format == "TIFF" else None  # type: ignore[attr-defined]
        return int(stored[0]) if stored else 16
    if picture.mode == "I" and picture.format in (
        "PNG",
        "PPM",
    ):  # 16 bits in 32, which PPM's other ranges are scaled to
        return 16
    if picture.mode in ("I", "F"):
        kind = "float" if picture.mode == "F" else "signed or 32-bit integer"
        raise DatasetError(
            f"{path}: has {kind} samples, of which the range is not known; save it with 8 or 16 unsigned bits a sample"
        )
    return None
