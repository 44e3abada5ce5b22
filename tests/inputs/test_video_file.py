"""Video files: which pictures they hold, with which samples, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.errors import DatasetError, LimitError
from vcm_ref.inputs.video_file import PIXEL_FORMATS, Video, open_video, picture_bytes, raw_video
from vcm_ref.process.child import ChildLimits, run_child

LEVELS = (16, 235, 126, 81)  # luma: black, white, and two greys


def y4m(path: Path, levels: tuple[int, ...], size: tuple[int, int] = (8, 6), header: str = "F25:1") -> Path:
    """A file of grey 4:2:0 pictures, each of one level of luma."""
    width, height = size
    chroma = 2 * ((width + 1) // 2) * ((height + 1) // 2)
    content = f"YUV4MPEG2 W{width} H{height} {header} C420jpeg\n".encode()
    for level in levels:
        content += b"FRAME\n" + bytes([level]) * (width * height) + bytes([128]) * chroma
    path.write_bytes(content)
    return path


# Sizes of raw pictures, which start no process


@pytest.mark.parametrize(
    ("pixel_format", "size", "expected"),
    [
        ("gray", (2, 3), 6),
        ("yuv420p", (2, 4), 12),
        ("yuv420p", (3, 5), 15 + 2 * 2 * 3),  # chroma of odd sides is rounded up
        ("yuv420p10le", (2, 4), 24),
        ("yuv422p", (3, 4), 24),
        ("yuv444p", (3, 5), 45),
        ("yuv444p10le", (3, 5), 90),
    ],
)
def test_the_bytes_of_a_raw_picture(pixel_format: str, size: tuple[int, int], expected: int) -> None:
    assert picture_bytes(*size, pixel_format) == expected


def test_a_raw_file_holds_a_whole_number_of_pictures(tmp_path: Path) -> None:
    path = tmp_path / "x.yuv"
    path.write_bytes(bytes(25))
    with pytest.raises(DatasetError, match=r"x\.yuv: has 25 bytes; a yuv420p picture of 4x2 has 12"):
        raw_video(path, (2, 4), "yuv420p", Fraction(30))
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match="has 0 bytes"):
        raw_video(path, (2, 4), "yuv420p", Fraction(30))


def test_pictures_beyond_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCM_MAX_PICTURE_PIXELS", "7")
    with pytest.raises(LimitError, match="4x2 exceed 7 pixels"):
        raw_video(tmp_path / "x.yuv", (2, 4), "yuv420p", Fraction(30))


# Decoding


@pytest.mark.integration
def test_size_rate_and_samples_of_a_y4m_file(tmp_path: Path) -> None:
    """Limited range: (Y - 16) * 255 / 219, rounded."""
    video = open_video(y4m(tmp_path / "x.y4m", LEVELS, (8, 6), "F30000:1001"))
    assert (video.height, video.width, video.frame_rate) == (6, 8, Fraction(30000, 1001))
    found = list(video.pictures())
    assert [picture.shape for picture in found] == [(6, 8, 3)] * 4
    for picture, level in zip(found, LEVELS, strict=True):
        assert np.abs(picture.astype(int) - round((level - 16) * 255 / 219)).max() <= 1


@pytest.mark.integration
def test_a_stated_full_range_is_kept(tmp_path: Path) -> None:
    video = open_video(y4m(tmp_path / "x.y4m", (0, 100, 255), header="F25:1 XCOLORRANGE=FULL"))
    assert [int(picture[3, 3, 1]) for picture in video.pictures()] == [0, 100, 255]


@pytest.mark.integration
@pytest.mark.parametrize(("start", "count"), [(0, 2), (1, None), (2, 1), (3, 9), (4, None)])
def test_pictures_are_chosen_by_number(start: int, count: int | None, tmp_path: Path) -> None:
    video = open_video(y4m(tmp_path / "x.y4m", LEVELS))
    everything = list(video.pictures())
    chosen = list(video.pictures(start, count))
    assert len(chosen) == len(everything[start:][:count])
    for one, other in zip(chosen, everything[start:], strict=False):
        np.testing.assert_array_equal(one, other)


@pytest.mark.integration
@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
def test_raw_video_of_every_format_has_its_levels(pixel_format: str, tmp_path: Path) -> None:
    """Grey pictures of odd sides: 8 bits as in a Y4M file, 10 bits four times as high."""
    path, (height, width) = tmp_path / "x.yuv", (5, 7)
    deep = pixel_format.endswith("10le")
    kind, scale = ("<u2", 4) if deep else ("<u1", 1)
    chroma = (picture_bytes(height, width, pixel_format) // (2 if deep else 1)) - height * width
    planes = [(level, height * width) for level in LEVELS]
    content = b""
    for level, samples in planes:
        content += np.full(samples, level * scale, kind).tobytes() + np.full(chroma, 128 * scale, kind).tobytes()
    path.write_bytes(content)
    found = list(raw_video(path, (height, width), pixel_format, Fraction(30)).pictures())
    assert len(found) == len(LEVELS)
    full = pixel_format.startswith("gray")  # ffmpeg takes grey for full range
    for picture, level in zip(found, LEVELS, strict=True):
        expected = level if full else round((level - 16) * 255 / 219)
        assert np.abs(picture.astype(int) - expected).max() <= 1


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    """Eight pictures of 64x48 in an MP4 file, coded by x265."""
    path = tmp_path / "x.mp4"
    source = y4m(tmp_path / "source.y4m", tuple(range(40, 200, 20)), (64, 48))
    command = [find_ffmpeg(), "-nostdin", "-loglevel", "error", "-i", str(source), "-c:v", "libx265"]
    command += ["-x265-params", "log-level=error", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)]
    run_child(command, limits=ChildLimits(60, 1 << 20))
    return path


@pytest.mark.integration
def test_a_container_states_size_and_rate(mp4: Path) -> None:
    video = open_video(mp4)
    assert (video.height, video.width, video.frame_rate) == (48, 64, Fraction(25))
    levels = [int(picture[20, 20, 0]) for picture in video.pictures()]
    assert levels == sorted(levels)
    assert len(levels) == 8


@pytest.mark.integration
def test_a_damaged_file_is_refused(mp4: Path, tmp_path: Path) -> None:
    content = bytearray(mp4.read_bytes())
    start = content.index(b"mdat") + 4
    content[start + 40 : start + 400] = bytes(range(180)) * 2
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken\.mp4: cannot be decoded: ffmpeg"):
        list(open_video(broken).pictures())
    cut = y4m(tmp_path / "cut.y4m", LEVELS)
    cut.write_bytes(cut.read_bytes()[:-5])
    with pytest.raises(DatasetError, match=r"cut\.y4m: ends within a picture"):
        open_video(cut)


@pytest.mark.integration
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".y4m", ".avi"])
def test_a_playlist_is_not_taken_for_a_video(suffix: str, tmp_path: Path) -> None:
    other = y4m(tmp_path / "other.y4m", LEVELS)
    for number, text in enumerate((f"#EXTM3U\n#EXTINF:1,\n{other}\n", f"ffconcat version 1.0\nfile {other}\n")):
        path = tmp_path / f"list{number}{suffix}"
        path.write_text(text)
        with pytest.raises(DatasetError, match="cannot be decoded"):
            open_video(path)


@pytest.mark.integration
def test_a_video_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"x\.y4m: holds no picture"):
        open_video(y4m(tmp_path / "x.y4m", ()))


@pytest.mark.integration
def test_a_reader_may_stop_early(tmp_path: Path) -> None:
    pictures = Video(y4m(tmp_path / "x.y4m", LEVELS * 50, (64, 64)), 64, 64, Fraction(25)).pictures()
    assert next(pictures).shape == (64, 64, 3)
    pictures.close()  # type: ignore[attr-defined]
