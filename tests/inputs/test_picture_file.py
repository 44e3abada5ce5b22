"""Picture files: which samples they have, and which files are refused."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.inputs.picture_file import picture_size, read_picture

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20 + 7
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)
#: The 8-bit samples in the upper byte; whatever is in the lower one does not count.
GREY16 = (GREY.astype(np.uint16) << 8) | np.arange(12, dtype=np.uint16).reshape(3, 4) * 23
COLOUR16 = (COLOUR.astype(np.uint16) << 8) | 255


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk (PNG, third edition, 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path: Path, samples: NDArray[np.uint16], before: bytes = b"", after: bytes = b"") -> Path:
    """A PNG of 16 bits a sample, grey or RGB, with chunks before and after its pixels."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if samples.ndim == 3 else 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples))
    parts = (chunk(b"IHDR", header), before, chunk(b"IDAT", rows), after, chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def tiff(
    path: Path,
    samples: bytes,
    width: int,
    height: int,
    bits: int,
    *,
    order: str = "<",
    kind: int = 1,
    white: bool = False,
) -> Path:
    """A grey TIFF of one strip (TIFF 6.0); ``kind`` is SampleFormat: 1 unsigned, 2 signed, 3 float."""
    tags = [
        (256, width), (257, height), (258, bits), (259, 1), (262, 0 if white else 1), (273, 0), (277, 1),
        (278, height), (279, len(samples)), (339, kind),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    directory = struct.pack(order + "H", len(tags))
    for tag, value in tags:
        directory += struct.pack(order + "HHII", tag, 4, 1, start if tag == 273 else value)
    mark = b"II" if order == "<" else b"MM"
    path.write_bytes(mark + struct.pack(order + "HI", 42, 8) + directory + bytes(4) + samples)
    return path


def exif(orientation: int) -> bytes:
    """Exif data with nothing but an orientation."""
    return b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" + struct.pack("<HHI", orientation, 0, 0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "LA"])
def test_pictures_of_any_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    """Grey, palette, transparency, CMYK."""
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new("RGB", (6, 4), (255, 255, 255)).convert(mode).save(path)
    picture = read_picture(path)
    assert (picture.shape, picture.dtype) == ((4, 6, 3), np.uint8)
    assert (picture == 255).all()


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_16_bit_png(tmp_path: Path, kind: str) -> None:
    """The most significant 8 bits count."""
    stored, right = (GREY16, GREY[:, :, None]) if kind == "grey" else (COLOUR16, COLOUR)
    picture = read_picture(png(tmp_path / "x.png", stored))
    assert (picture.dtype, picture.shape) == (np.uint8, (3, 4, 3))
    assert (picture == right).all()


@pytest.mark.parametrize("kind", ["grey", "colour"])
@pytest.mark.parametrize("highest", [65535, 1023])
def test_ppm_of_more_than_8_bits(tmp_path: Path, kind: str, highest: int) -> None:
    """The file says the highest sample; 8-bit samples shifted to its range come back."""
    stored = GREY if kind == "grey" else COLOUR
    samples = stored.astype(">u2") * 257 if highest == 65535 else (stored.astype(">u2") << 2) | (stored >> 6)
    path = tmp_path / "x.pgm"
    head = f"P{5 if kind == 'grey' else 6}\n4 3\n{highest}\n"
    path.write_bytes(head.encode() + samples.astype(">u2").tobytes())
    picture = read_picture(path).astype(int)
    assert np.abs(picture - stored.reshape(3, 4, -1)).max() <= (highest == 1023)


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_tiff(tmp_path: Path, order: str) -> None:
    """Both orders of bytes."""
    path = tiff(tmp_path / "x.tif", GREY16.astype(f"{order}u2").tobytes(), 4, 3, 16, order=order)
    assert (read_picture(path) == GREY[:, :, None]).all()


def test_16_bit_tiff_with_white_as_zero(tmp_path: Path) -> None:
    """A sample of 0 is white there."""
    path = tiff(tmp_path / "x.tif", GREY16.astype("<u2").tobytes(), 4, 3, 16, white=True)
    assert (read_picture(path) == 255 - GREY[:, :, None]).all()


def test_12_bit_tiff(tmp_path: Path) -> None:
    """Two samples in three bytes, 0xABC and 0x123: 0xAB and 0x12."""
    path = tiff(tmp_path / "x.tif", bytes([0xAB, 0xC1, 0x23]), 2, 1, 12)
    assert read_picture(path)[0, :, 0].tolist() == [0xAB, 0x12]


@pytest.mark.parametrize(
    ("dtype", "kind", "told"),
    [
        ("<f4", 3, "float samples"),
        ("<i4", 2, "32-bit integer samples"),
        ("<u4", 1, "32-bit integer samples"),
        ("<i2", 2, "signed"),
        ("<i1", 2, "signed"),
    ],
)
def test_samples_without_a_known_range_are_refused(tmp_path: Path, dtype: str, kind: int, told: str) -> None:
    """Float 0..1 or 0..255, integers up to nobody knows what."""
    samples = GREY.astype(dtype)
    path = tiff(tmp_path / "x.tif", samples.tobytes(), 4, 3, 8 * samples.itemsize, kind=kind)
    with pytest.raises(DatasetError, match=rf"x\.tif: has .*{told}.*save it with .*unsigned"):
        read_picture(path)


@pytest.mark.parametrize(("bits", "order"), [(8, "<"), (16, "<"), (16, ">")])
def test_a_tiff_of_three_planes(tmp_path: Path, bits: int, order: str) -> None:
    """Pillow 13 takes the first bytes of planes of 16 bits for 8-bit samples; those of 8 bits it reads rightly."""
    planes = [np.full((3, 4), value << (bits - 8), f"{order}u{bits // 8}").tobytes() for value in (10, 20, 30)]
    size, start = len(planes[0]), 8 + 2 + 12 * 10 + 4
    arrays = ((bits,) * 3, tuple(start + 36 + size * place for place in range(3)), (size,) * 3)
    places = dict(zip((258, 273, 279), range(start, start + 36, 12), strict=True))
    tags = {256: 4, 257: 3, 258: 0, 259: 1, 262: 2, 273: 0, 277: 3, 278: 3, 279: 0, 284: 2}
    directory = b"".join(
        struct.pack(order + "HHII", tag, 4, 3 if tag in places else 1, places.get(tag, value))
        for tag, value in tags.items()
    )
    content = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(tags)) + directory + bytes(4)
    content += b"".join(struct.pack(order + "3I", *values) for values in arrays) + b"".join(planes)
    (tmp_path / "x.tif").write_bytes(content)
    if bits == 8:
        assert (read_picture(tmp_path / "x.tif") == [10, 20, 30]).all()
    else:
        with pytest.raises(DatasetError, match=r"x\.tif: has a plane for each colour, of more than 8 bits"):
            read_picture(tmp_path / "x.tif")


def test_a_float_map_is_refused(tmp_path: Path) -> None:
    """PFM under the suffix of PGM."""
    (tmp_path / "x.pgm").write_bytes(b"Pf\n4 3\n-1.0\n" + GREY.astype("<f4").tobytes())
    with pytest.raises(DatasetError, match="float samples"):
        read_picture(tmp_path / "x.pgm")


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    """Pillow's own function turns the same way; without orientation, the bitmap is what was stored."""
    data = Image.Exif()
    data[0x0112] = orientation
    stored = Image.fromarray(np.kron(COLOUR, np.ones((8, 8, 1), np.uint8)))
    stored.save(tmp_path / f"x{suffix}", exif=data, **({"quality": 100, "lossless": True} if suffix == ".webp" else {}))
    marked = stored.copy()
    marked.info["exif"] = data.tobytes()
    right = np.asarray(ImageOps.exif_transpose(marked)).astype(int)
    for apply, expected in ((True, right), (False, np.asarray(stored).astype(int))):
        picture = read_picture(tmp_path / f"x{suffix}", apply_orientation=apply)
        assert picture.shape == expected.shape
        assert picture.flags.c_contiguous
        assert picture_size(tmp_path / f"x{suffix}", apply) == expected.shape[:2]
        assert np.abs(picture - expected).max() <= (60 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("mode", ["L", "I;16", "RGBA"])
def test_orientation_of_a_tiff(tmp_path: Path, mode: str, compression: str | None) -> None:
    """Pillow turns it as it decodes, by another way for each of these."""
    data = Image.Exif()
    data[0x0112] = 6
    stored = {"L": GREY, "I;16": GREY16, "RGBA": np.dstack([COLOUR, GREY])}[mode]
    Image.fromarray(stored).save(tmp_path / "x.tif", exif=data, compression=compression)
    right = COLOUR if mode == "RGBA" else np.repeat(GREY[:, :, None], 3, axis=2)
    assert (read_picture(tmp_path / "x.tif", apply_orientation=False) == right).all()
    assert (read_picture(tmp_path / "x.tif") == right[::-1].swapaxes(0, 1)).all()
    assert picture_size(tmp_path / "x.tif") == (4, 3)


@pytest.mark.parametrize("place", ["before", "after"])
def test_orientation_of_a_png_before_and_behind_its_pixels(tmp_path: Path, place: str) -> None:
    """Both places are allowed (PNG, third edition, 11.3.4.5); size and samples agree about it."""
    path = png(tmp_path / "x.png", COLOUR16, **{place: chunk(b"eXIf", exif(6))})
    assert read_picture(path).shape == (4, 3, 3)
    assert picture_size(path) == (4, 3)
    assert picture_size(path, apply_orientation=False) == (3, 4)


@pytest.mark.parametrize(
    "data",
    [
        b"garbage that is no TIFF header",
        b"",
        b"II*\0",
        b"Exif\0\0" + exif(6)[:20],
        exif(6)[:18],  # cut within the entry
        exif(0),
        exif(99),
        b"II*\0\x08\0\0\0\1\0\x12\1\2\0\2\0\0\0\x36\0\0\0\0\0\0\0",  # "6", as text
        b"II*\0\x08\0\0\0\1\0\x12\1\5\0\1\0\0\0\xff\xff\0\0\0\0\0\0",  # a fraction outside the data
        b"\0\x08\0\2\1\x12\0\3",
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_metadata_that_cannot_be_read_leaves_the_pixels_alone(tmp_path: Path, suffix: str, data: bytes) -> None:
    """The picture is read as stored, and no warning reaches the user."""
    path = tmp_path / f"x{suffix}"
    if suffix == ".png":
        png(path, COLOUR16, before=chunk(b"eXIf", data))
    else:
        Image.fromarray(COLOUR).save(path, exif=b"Exif\0\0" + data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(path).shape == (3, 4, 3)
        assert picture_size(path) == (3, 4)


def test_transparency_is_dropped(tmp_path: Path) -> None:
    """Of a palette, of grey and of colour; no warning reaches the user."""
    colours = Image.fromarray(COLOUR).quantize(16)
    right = np.asarray(colours.convert("RGB"))
    colours.save(tmp_path / "palette.png", transparency=bytes([0] * 4 + [255] * 12))
    Image.fromarray(np.dstack([COLOUR, GREY])).save(tmp_path / "rgba.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read_picture(tmp_path / "palette.png") == right).all()
        assert (read_picture(tmp_path / "rgba.png") == COLOUR).all()


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".png"])
def test_a_file_of_several_pictures_is_refused(tmp_path: Path, suffix: str) -> None:
    """Pages and animations: which picture is meant, the file does not say."""
    frames = [Image.fromarray(np.roll(COLOUR, turn, 1)) for turn in range(3)]
    frames[0].save(tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(DatasetError, match="holds 3 pictures; save each as a file of its own"):
        read_picture(tmp_path / f"x{suffix}")


def test_the_main_picture_of_a_telephone(tmp_path: Path) -> None:
    """An MPO file is a JPEG with further pictures, as a preview, behind the main one."""
    bright, dark = Image.new("L", (16, 16), 200), Image.new("L", (16, 16), 10)
    bright.save(tmp_path / "x.mpo", save_all=True, append_images=[dark])
    (tmp_path / "x.mpo").rename(tmp_path / "x.jpg")
    assert (read_picture(tmp_path / "x.jpg") == 200).all()


def test_the_content_decides_the_format(tmp_path: Path) -> None:
    """A PNG may be called x.jpg; what is not among the supported formats is refused, whatever it is called."""
    Image.fromarray(COLOUR).save(tmp_path / "x.jpg", "PNG")
    assert (read_picture(tmp_path / "x.jpg") == COLOUR).all()
    Image.fromarray(COLOUR).save(tmp_path / "gif.png", "GIF")
    Image.fromarray(COLOUR).save(tmp_path / "eps.png", "EPS")
    for name in ("gif.png", "eps.png"):
        with pytest.raises(DatasetError, match=f"{name}: is not a readable picture of one of the formats PNG, JPEG"):
            read_picture(tmp_path / name)


def test_ghostscript_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EPS named as a PNG starts no program, though one stands ready."""
    trap = tmp_path / "bin" / "gs"
    trap.parent.mkdir()
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{trap.parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(DatasetError, match=r"x\.png: is not a readable picture"):
        read_picture(tmp_path / "x.png")
    assert not (tmp_path / "sprung").exists()


def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """Its rest would be grey."""
    Image.fromarray(np.kron(COLOUR, np.ones((32, 32, 1), np.uint8))).save(tmp_path / "x.jpg")
    data = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(data[: len(data) * 9 // 10])
    with pytest.raises(DatasetError, match=r"x\.jpg: is not a readable picture: .*truncated"):
        read_picture(tmp_path / "x.jpg")


def test_the_limit_on_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to raise it; the header alone is enough to refuse."""
    path = png(tmp_path / "x.png", COLOUR16)
    monkeypatch.setenv("VCM_MAX_PICTURE_PIXELS", "11")
    for read in (read_picture, picture_size):
        with pytest.raises(
            DatasetError, match=r"4x3 = 12 pixels, the limit is 11; .*VCM_MAX_PICTURE_PIXELS to at least 12"
        ):
            read(path)
    monkeypatch.setenv("VCM_MAX_PICTURE_PIXELS", "12")
    assert read_picture(path).shape == (3, 4, 3)


def test_our_limit_stands_in_place_of_that_of_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns from a number of pixels on and refuses twice as many; it must do neither."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    assert read_picture(png(tmp_path / "x.png", COLOUR16)).shape == (3, 4, 3)
    assert Image.MAX_IMAGE_PIXELS == 5


@pytest.mark.parametrize("value", ["", "many", "-1", "0", "1e9", "9" * 400])
def test_a_limit_that_is_not_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The variable is named."""
    monkeypatch.setenv("VCM_MAX_PICTURE_PIXELS", value)
    with pytest.raises(ConfigError, match="environment variable VCM_MAX_PICTURE_PIXELS: is"):
        read_picture(png(tmp_path / "x.png", COLOUR16))


def test_a_picture_that_is_not_there(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(DatasetError, match=r"absent\.png: is not a readable picture: No such file"):
        read_picture(tmp_path / "absent.png")


@settings(max_examples=15)
@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "tif", "webp", "ppm"])
@given(places=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=3), cut=st.integers(1, 5000))
def test_a_damaged_picture_is_read_or_refused(
    tmp_path: Path, kind: str, places: list[tuple[int, int]], cut: int
) -> None:
    """Nothing else comes out, of samples and of size, and where both are read they agree."""
    path = tmp_path / f"x.{kind}"
    Image.fromarray(np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)).save(path, exif=Image.Exif())
    data = bytearray(path.read_bytes())
    for place, byte in places:
        data[place % len(data)] = byte
    path.write_bytes(data[:cut])
    try:
        assert read_picture(path).shape[:2] == picture_size(path)
    except DatasetError as error:
        assert str(path) in str(error)
