"""Video in, groups of pictures over time, and parts of them out again."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CONFIGURATIONS

from vcm_ref.app import enc, render
from vcm_ref.app.dec import main as vcm_dec
from vcm_ref.bitstream.units import locate_units
from vcm_ref.bitstream.values import UnitType
from vcm_ref.feature_set import FeatureSet
from vcm_ref.task.scenes import render_scene

LOSSLESS = ["-c", str(CONFIGURATIONS / "lossless.yaml"), "--set", "codec.name=lossless"]


class SmallNetwork:
    """Takes every eighth sample of a picture for its one layer."""

    name, layers = "small", ("p2",)

    def extract(self, picture: Any) -> FeatureSet:
        height, width = picture.shape[:2]
        maps = np.ascontiguousarray(picture[::8, ::8].transpose(2, 0, 1)).astype(np.float32)
        return FeatureSet(height, width, {"p2": np.concatenate([maps, maps[:1]])})

    def describe(self) -> dict[str, str]:
        return {"network": self.name}


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every network be the small one, in a folder of its own."""
    monkeypatch.setattr(enc, "load_network", lambda **_: SmallNetwork())
    monkeypatch.chdir(tmp_path)


def video(path: str, count: int, rate: str = "25:1") -> Path:
    """A Y4M file of 64x64 in which a scene moves by two pixels a picture."""
    scene = render_scene(3, 128, 64).image[:, :, 1]
    chroma = bytes([128]) * (32 * 32 * 2)
    content = f"YUV4MPEG2 W64 H64 F{rate} C420jpeg\n".encode()
    for number in range(count):
        shown = scene[:, 2 * number : 2 * number + 64]
        content += b"FRAME\n" + np.ascontiguousarray(shown).tobytes() + chroma
    Path(path).write_bytes(content)
    return Path(path)


def vcm_enc(*options: object) -> int:
    return enc.main([*LOSSLESS, "--set", "packing.grid=2x2", *map(str, options)])


def record(path: str) -> Any:
    return json.loads(Path(f"{path}.json").read_text("utf-8"))


def test_a_video_is_coded_in_groups_and_decoded_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_enc("-i", video("street.y4m", 9), "--start", 1, "--frames", 7, "--set", "group=3", "-b", "s.bin") == 0
    told = capsys.readouterr().out
    size = Path("s.bin").stat().st_size
    assert f"s.bin: 7 pictures, {size} bytes, {8 * size * 25 / 7 / 1000:.2f} kbit/s" in told
    assert "street.y4m  picture 1 to 3  64x64" in told
    assert "street.y4m  picture 7  64x64" in told
    document = record("s.bin")
    assert document["frame_rate"] == "25"
    assert [entry["frame"] for entry in document["pictures"]] == list(range(1, 8))
    assert [entry.get("pictures") for entry in document["pictures"]] == [3, None, None, 3, None, None, 1]
    assert len({entry["sha256"] for entry in document["pictures"]}) == 1
    assert len({json.dumps(entry["t1_digests"]) for entry in document["pictures"]}) == 7

    assert vcm_dec(["s.bin", "-o", "all", "-q"]) == 0
    assert sorted(path.name for path in Path("all").iterdir()) == [
        f"street_{number:06d}.safetensors" for number in range(1, 8)
    ]
    assert vcm_dec(["s.bin", "--pictures", "2:5", "-o", "part"]) == 0
    assert "picture 2  street_000003  64x64" in capsys.readouterr().out
    assert sorted(path.name for path in Path("part").iterdir()) == [
        f"street_{number:06d}.safetensors" for number in (3, 4, 5)
    ]
    for path in Path("part").iterdir():
        assert path.read_bytes() == (Path("all") / path.name).read_bytes()
    assert vcm_dec(["s.bin", "--pictures", "6:7", "-o", "one.npz", "-q"]) == 0
    assert Path("one.npz").is_file()


def test_groups_of_pictures_with_their_own_ranges_have_the_tensors_of_pictures_alone() -> None:
    video("street.y4m", 4)
    for group in (1, 2, 4):
        settings = ["--set", f"group={group}", *(["--set", "group_parameters=own"] if group > 1 else [])]
        assert vcm_enc("-i", "street.y4m", *settings, "-b", f"{group}.bin", "-q") == 0
    digests = [[entry["t1_digests"] for entry in record(f"{group}.bin")["pictures"]] for group in (1, 2, 4)]
    assert digests[0] == digests[1] == digests[2]


def test_random_access_over_time_costs_less_than_pictures_alone() -> None:
    video("street.y4m", 8)
    tiled = ["-c", CONFIGURATIONS / "feature_anchor.yaml", "--set", "quantisation.range=fixed"]
    tiled += ["--set", "quantisation.min=0", "--set", "quantisation.max=255", "--qp", "22", "-i", "street.y4m", "-q"]
    assert enc.main([*map(str, tiled), "-b", "alone.bin"]) == 0
    assert enc.main([*map(str, tiled), "--set", "group=8", "--set", "codec.mode=RA", "-b", "together.bin"]) == 0
    assert Path("together.bin").stat().st_size < Path("alone.bin").stat().st_size
    assert vcm_dec(["together.bin", "--pictures", "3:5", "-o", "part", "-q"]) == 0


def test_memory_is_that_of_a_group_however_many_there_are() -> None:
    """Peaks of what Python and NumPy allocate, for two groups and for eight, of eight pictures each."""
    peaks = []
    for count in (16, 64):
        large_video("long.y4m", count)
        for work in (lambda: vcm_enc("-i", "long.y4m", "--set", "group=8", "-b", "x.bin", "-q"), decode_all):
            gc.collect()
            tracemalloc.start()
            assert work() == 0
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[0]
    assert peaks[3] < 1.2 * peaks[1]


def large_video(path: str, count: int) -> None:
    """A grey Y4M file of 256x256, whose pictures are much larger than all else that is in memory."""
    random = np.random.default_rng(1)
    with Path(path).open("wb") as file:
        file.write(b"YUV4MPEG2 W256 H256 F25:1 Cmono\n")
        for _ in range(count):
            file.write(b"FRAME\n" + random.integers(0, 256, 256 * 256, np.uint8).tobytes())


def decode_all() -> int:
    """Decode into a new folder."""
    return vcm_dec(["x.bin", "-o", f"decoded{len(list(Path().iterdir()))}", "-q"])


def test_raw_video_is_given_its_size_format_and_rate(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.yuv").write_bytes(bytes(range(256)) * (3 * 64 * 64 // 256))
    raw = ["-i", "x.yuv", "--picture-size", "64x64", "--set", "pixel_format=yuv444p", "--set", "frame_rate=12.5"]
    assert vcm_enc(*raw, "-b", "x.bin") == 0
    assert "1 picture," in capsys.readouterr().out
    assert record("x.bin")["frame_rate"] == "25/2"
    assert vcm_enc(*raw[:3], "64x66", "-b", "y.bin") == 2
    assert "x.yuv: has 12288 bytes; a yuv420p picture of 64x66 has 6336" in capsys.readouterr().err
    assert vcm_enc("-i", "x.yuv", "-b", "z.bin") == 2
    assert "raw video does not say its size" in capsys.readouterr().err


def test_numbered_pictures_are_a_sequence_where_their_rate_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    Path("shots").mkdir()
    for number in range(3):
        Image.fromarray(render_scene(number, 64, 64).image).save(f"shots/{number:04d}.png")
    assert vcm_enc("-i", "shots", "--set", "group=2", "--set", "frame_rate=10", "-b", "x.bin") == 0
    told = capsys.readouterr().out
    assert f"shots/0000.png to {Path('shots/0001.png')}" in told
    assert "kbit/s" in told
    assert [entry["input"] for entry in record("x.bin")["pictures"]] == ["0000.png", "0001.png", "0002.png"]
    assert vcm_enc("-i", "shots", "-b", "y.bin") == 0
    assert "kbit/s" not in capsys.readouterr().out


def test_feature_files_are_a_sequence_as_their_pictures_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Three files in groups of two: byte for byte the bitstream of the pictures that they are the features of."""
    from PIL import Image

    for folder in (Path("shots"), Path("features")):
        folder.mkdir()
    for number in range(3):
        image = render_scene(number, 64, 64).image
        Image.fromarray(image).save(f"shots/{number:04d}.png")
        layers = SmallNetwork().extract(image).layers
        np.savez(f"features/{number:04d}.npz", picture_height=64, picture_width=64, **layers)
    sequence = ["--set", "group=2", "--set", "frame_rate=10"]
    assert vcm_enc("-i", "shots", *sequence, "-b", "pictures.bin") == 0
    assert vcm_enc("-i", "features", *sequence, "-b", "features.bin") == 0
    assert "kbit/s" in capsys.readouterr().out
    assert Path("features.bin").read_bytes() == Path("pictures.bin").read_bytes()
    assert record("features.bin")["frame_rate"] == "10"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-i", "street.y4m", "--start", "4"], "street.y4m: has no picture 4"),
        (["-i", "x.png", "--start", "1"], "--start changes nothing without a video as input"),
        (["-i", "x.png", "--frames", "1"], "--frames changes nothing without a video as input"),
        (["-i", "x.png", "--set", "frames=1"], "frames: has no effect without a video as input"),
        (["-i", "x.png", "--set", "pixel_format=gray"], "pixel_format: has no effect without a video as input"),
        (["-i", "street.y4m", "--picture-size", "64x64"], "--picture-size changes nothing without"),
        (["-i", "damaged.y4m"], "damaged.y4m: ends within a picture"),
        (["-i", "street.y4m", "--set", "frame_rate=5"], "street.y4m: states its frame rate and format"),
        (["-i", "street.y4m", "--set", "group=0"], "group: is 0"),
        (["-i", "street.y4m", "--set", "group_parameters=own"], "has no effect unless group is at least 2"),
        (["-i", "street.y4m", "--set", "pixel_format=rgb"], "pixel_format: is 'rgb'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    video("street.y4m", 4)
    Image.fromarray(render_scene(1, 64, 64).image).save("x.png")
    Path("damaged.y4m").write_bytes(Path("street.y4m").read_bytes()[:-9])
    assert vcm_enc(*options, "-b", "x.bin") == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not Path("x.bin").exists()


def test_who_codes_pictures_alone_refuses_groups(capsys: pytest.CaptureFixture[str]) -> None:
    video("street.y4m", 2)
    assert render.main([*LOSSLESS, "--set", "group=2", "-i", "street.y4m"]) == 2
    assert "group: codes pictures together: that is for vcm_enc" in capsys.readouterr().err
    assert render.main([*LOSSLESS, "-i", "street.y4m"]) == 2
    assert "street.y4m: unsupported kind of input" in capsys.readouterr().err


def test_pictures_to_decode_are_a_range_of_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    video("street.y4m", 2)
    assert vcm_enc("-i", "street.y4m", "-b", "s.bin", "-q") == 0
    assert vcm_dec(["s.bin", "--pictures", "1:3"]) == 2
    assert "--pictures 1:3: the bitstream has 2 pictures" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        vcm_dec(["s.bin", "--pictures", "2:1"])
    assert "'2:1' is not a range of pictures, such as 40:60" in capsys.readouterr().err


def damage(path: str, group: int) -> None:
    """Change a byte in the last substream of a group."""
    data = bytearray(Path(path).read_bytes())
    with Path(path).open("rb") as file:
        last = [unit for unit in locate_units(file) if unit.unit_type == UnitType.SUBSTREAM][group]
    data[last.payload_offset + last.size // 2] ^= 0x55
    Path(path).write_bytes(bytes(data))


def test_a_damaged_group_ends_decoding_unless_it_is_to_keep_going(capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_enc("-i", video("street.y4m", 7), "--set", "group=2", "-b", "s.bin", "-q") == 0
    assert vcm_dec(["s.bin", "-o", "whole", "-q"]) == 0
    damage("s.bin", 1)
    assert vcm_dec(["s.bin", "-o", "nothing", "-q"]) == 10
    assert not Path("nothing").exists()
    capsys.readouterr()
    assert vcm_dec(["s.bin", "--keep-going", "-o", "part", "-q"]) == 10
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("vcm_dec: s.bin: group 1, picture 2 to 3: ")
    assert told[1] == "vcm_dec: s.bin: 5 pictures were decoded without the damaged groups"
    assert [path.stem for path in sorted(Path("part").iterdir())] == [f"{number:06d}" for number in (0, 1, 4, 5, 6)]
    names = sorted(path.name for path in Path("whole").iterdir())
    for number in (0, 1, 4, 5, 6):
        assert Path(f"part/{number:06d}.safetensors").read_bytes() == (Path("whole") / names[number]).read_bytes()


def test_pictures_of_whole_groups_are_decoded_whatever_the_others_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_enc("-i", video("street.y4m", 6), "--set", "group=2", "-b", "s.bin", "-q") == 0
    damage("s.bin", 1)
    assert vcm_dec(["s.bin", "--keep-going", "--pictures", "3:5", "-o", "part", "-q"]) == 10
    assert [path.stem for path in Path("part").iterdir()] == ["000004"]
    assert vcm_dec(["s.bin", "--keep-going", "--pictures", "4:6", "-o", "behind", "-q"]) == 0
    capsys.readouterr()
    assert vcm_dec(["s.bin", "--keep-going", "--pictures", "2:4", "-o", "none", "-q"]) == 10
    assert "no picture could be decoded" in capsys.readouterr().err
    assert not Path("none").exists()


def test_of_a_bitstream_that_is_cut_off_the_groups_before_are_decoded(capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_enc("-i", video("street.y4m", 6), "--set", "group=2", "-b", "s.bin", "-q") == 0
    data = Path("s.bin").read_bytes()
    Path("s.bin").write_bytes(data[: len(data) - 30])
    assert vcm_dec(["s.bin", "-o", "nothing", "-q"]) == 10
    capsys.readouterr()
    assert vcm_dec(["s.bin", "--keep-going", "-o", "part", "-q"]) == 10
    assert capsys.readouterr().err.startswith("vcm_dec: s.bin: group 2 and all behind it: ")
    assert sorted(path.stem for path in Path("part").iterdir()) == [f"{number:06d}" for number in range(4)]


@pytest.mark.parametrize("other", [["--tier", "all"], ["--planes", "t0.raw"]])
def test_keeping_going_is_refused_where_files_have_all_pictures(
    other: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("s.bin").touch()
    assert vcm_dec(["s.bin", "--keep-going", "-o", "x", *other]) == 2
    assert "--keep-going: not with" in capsys.readouterr().err
