"""From feature files to bitstreams and back, by the executables."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import make_features, save_features

import vcm_ref
from vcm_ref.files.feature_file import load_feature_file

from .running import CONFIGURATIONS, LOSSLESS, VIDEO, decode, described, encode, encoder_digests, run

PICTURE_CONFIGURATION = "image_anchor"  # it codes pictures, for vcm_anchor and vcm_sweep
#: No model of them is shipped: tests/training trains one, and codes with it.
UNTRAINED = {"msfc", "msfc_topdown", "klt_restored"}
VIDEO_CONFIGURATIONS = sorted(
    {path.stem for path in CONFIGURATIONS.glob("*.yaml")} - {PICTURE_CONFIGURATION} - UNTRAINED
)


@pytest.fixture
def lossless(small: Path, tmp_path: Path) -> Path:
    """The small features, lossless."""
    assert encode(LOSSLESS, small, tmp_path / "x.bin") == 0
    return tmp_path / "x.bin"


#: The coded tensors of configurations whose reduction does not keep the layers.
TENSORS = {
    "klt": ["klt"],
    "learned": ["network0"],
    "msfc_levels": ["network0"],
    "pca": ["p2.maps", "p3", "p4", "p5", "p2.coefficients"],
}


@pytest.mark.parametrize("name", VIDEO_CONFIGURATIONS)
def test_every_configuration_runs(name: str, pyramid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Encode, decode, the digest is verified, and T1 is the encoder's."""
    bitstream = tmp_path / "x.bin"
    assert encode(["-c", str(CONFIGURATIONS / f"{name}.yaml")], pyramid, bitstream) == 0
    capsys.readouterr()
    assert decode(bitstream, "--tier", "t1", "-o", tmp_path / "x.raw") == 0
    assert "T1 digest: integer tensors verified" in capsys.readouterr().out
    decoded = {entry["name"]: entry["sha256"] for entry in described(tmp_path / "x.raw")["tensors"]}
    assert encoder_digests(bitstream) == [decoded]
    assert list(decoded) == TENSORS.get(name, ["p2", "p3", "p4", "p5"])
    bits = json.loads(Path(f"{bitstream}.json").read_text())["bits"]
    assert bits["headers"] <= 8 * 96
    assert bits.get("parameter sets", 0) <= 8 * 160


def test_a_configuration_for_pictures_is_refused(
    pyramid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert encode(["-c", str(CONFIGURATIONS / f"{PICTURE_CONFIGURATION}.yaml")], pyramid, tmp_path / "x.bin") == 2
    assert "picture: codes the picture itself: that is for vcm_anchor and vcm_sweep" in capsys.readouterr().err
    assert not (tmp_path / "x.bin").exists()


@pytest.mark.parametrize("preset", ["fast", "medium", "slow", "slower"])
def test_parameter_sets_of_every_preset_are_small(preset: str, small: Path, tmp_path: Path) -> None:
    """At most 160 bytes for four layers in two modes, where VVenC writes 600 to 1,000."""
    options = [*VIDEO, "--set", f"codec.preset={preset}", "--set", "codec.mode={p2: RA, p3: RA, default: AI}"]
    assert encode([*options, "--set", "packing.grid={p2: 2x2, p3: 2x2, default: 4x4}"], small, tmp_path / "x.bin") == 0
    assert json.loads((tmp_path / "x.bin.json").read_text())["bits"]["parameter sets"] <= 8 * 160


def test_hevc_runs(small: Path, tmp_path: Path) -> None:
    """The other video codec, with one layer of another mode and another QP."""
    options = [
        *VIDEO,
        "--set",
        "codec.name=hevc",
        "--set",
        "codec.preset=medium",
        "--set",
        "codec.mode={p2: RA, default: AI}",
    ]
    options += ["--set", "packing.grid={p2: 2x2, default: 4x4}", "--set", "codec.qp_offset={p2: -5}"]
    assert encode(options, small, tmp_path / "x.bin") == 0
    assert decode(tmp_path / "x.bin", "--tier", "t1", "-o", tmp_path / "x.raw") == 0
    decoded = {entry["name"]: entry["sha256"] for entry in described(tmp_path / "x.raw")["tensors"]}
    assert encoder_digests(tmp_path / "x.bin") == [decoded]


@pytest.mark.parametrize("bits", [2, 8, 10, 16])
@pytest.mark.parametrize("scope", ["picture", "layer", "channel", "fixed"])
def test_lossless_features_are_within_half_a_step(small: Path, tmp_path: Path, bits: int, scope: str) -> None:
    """QP to zero distortion: what remains is quantisation."""
    options = [*LOSSLESS, "--set", f"quantisation.bit_depth={bits}", "--set", f"quantisation.range={scope}"]
    if scope == "fixed":
        options += ["--set", "quantisation.min=-16", "--set", "quantisation.max=16"]
    assert encode(options, small, tmp_path / "x.bin") == 0
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "x.npz") == 0
    before, after = load_feature_file(small), load_feature_file(tmp_path / "x.npz")
    assert (after.height, after.width) == (before.height, before.width)
    everything = np.concatenate([layer.ravel() for layer in before.layers.values()])
    for name, given in before.layers.items():
        axes = (1, 2) if scope == "channel" else None
        span = np.ptp(given, axis=axes, keepdims=True).astype(np.float64)
        span = {"picture": np.ptp(everything), "fixed": 32.0}.get(scope, span)
        error = np.abs(after.layers[name].astype(np.float64) - given)
        # float32 adds a rounding of its own in the encoder's arithmetic
        assert (error <= span / (2**bits - 1) * 0.5 + 2e-6 * np.abs(everything).max() * 8).all()


@pytest.mark.parametrize("options", [LOSSLESS, VIDEO, [*VIDEO, "--set", "codec.mode=RA", "--set", "packing.grid=2x2"]])
def test_the_bytes_do_not_depend_on_threads(small: Path, tmp_path: Path, options: list[str]) -> None:
    """One thread or two in the inner codec; and again."""
    written = []
    for run_number, threads in enumerate((1, 2, 1)):
        path = tmp_path / f"{run_number}.bin"
        assert encode([*options, "--set", f"codec.threads={threads}"], small, path) == 0
        written.append(path.read_bytes())
    assert written[0] == written[1] == written[2]


def test_several_pictures_of_different_sizes(tmp_path: Path) -> None:
    """A folder in, a folder out; each picture as if it were alone."""
    (tmp_path / "in").mkdir()
    given = [make_features(16, 12 + 5 * n, 30 - 7 * n, seed=n) for n in range(3)]
    for index, features in enumerate(given):
        save_features(tmp_path / "in" / f"{index}.npz", features)
    assert encode(LOSSLESS, tmp_path / "in", tmp_path / "x.bin") == 0
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "out", "--format", "npz") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{n}.npz" for n in range(3)]
    for index, features in enumerate(given):
        found = load_feature_file(tmp_path / "out" / f"{index}.npz")
        assert (found.height, found.width) == (features.height, features.width)
        assert {k: v.shape for k, v in found.layers.items()} == {k: v.shape for k, v in features.layers.items()}
        alone = tmp_path / f"{index}.bin"
        assert encode(LOSSLESS, tmp_path / "in" / f"{index}.npz", alone) == 0
        assert encoder_digests(alone)[0] == encoder_digests(tmp_path / "x.bin")[index]


def test_pictures_of_other_layers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One bitstream has one set of layers; the picture is named and nothing is left."""
    (tmp_path / "in").mkdir()
    for index, channels in enumerate((16, 32)):
        save_features(tmp_path / "in" / f"{index}.npz", make_features(channels, 8, 8))
    assert encode(LOSSLESS, tmp_path / "in", tmp_path / "x.bin") == 2
    assert "1.npz" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("tier", ["t0", "t1"])
def test_integer_planes_are_raw_samples_with_a_description(small: Path, tmp_path: Path, tier: str) -> None:
    """NumPy reads them by what the JSON says, and the digest is that of the canonical byte string."""
    options = [*LOSSLESS, "--set", "packing.grid=2x2", "--set", "order.method=none"]
    assert encode(options, small, tmp_path / "x.bin") == 0
    raw = tmp_path / "planes.raw"
    assert decode(tmp_path / "x.bin", "--tier", tier, "-o", raw) == 0
    description = described(raw)
    assert (description["tier"], description["byte_order"]) == (tier, "little")
    assert {entry["dtype"] for entry in description["tensors"]} == {"uint16"}
    assert (description["picture_height"], description["picture_width"]) == (96, 144)
    end, arrays = 0, []
    for entry in description["tensors"]:
        assert entry["offset"] == end
        count = int(np.prod(entry["shape"]))
        samples = np.fromfile(raw, "<u2", count, offset=entry["offset"]).reshape(entry["shape"])
        end += 2 * count
        arrays.append(samples)
        name = entry["name"].encode()
        canonical = bytes([len(name)]) + name + b"\x06uint16\x03"
        canonical += b"".join(size.to_bytes(4, "little") for size in entry["shape"]) + samples.tobytes()
        assert entry["sha256"] == hashlib.sha256(canonical).hexdigest()
    assert end == raw.stat().st_size
    p2 = load_feature_file(small).layers["p2"]
    quantised = np.rint((p2 - p2.min()).astype(np.float64) * (1023 / float(np.ptp(p2))))
    if tier == "t1":
        assert np.abs(arrays[0] - quantised).max() <= 1
    else:  # interleaved allocation: map 5 is at position 5, that is cell 1 (right of the first) of frame 1 of four
        assert arrays[0].shape == (4, 48, 72)
        assert np.abs(arrays[0][1, :24, 36:] - quantised[5]).max() <= 1


def test_planes_in_place_of_an_inner_decoder(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two pictures, all tiers in one folder; the planes give the rest again where there is no ffmpeg at all."""
    bitstream, first, again = tmp_path / "x.bin", tmp_path / "first", tmp_path / "again"
    (tmp_path / "both").mkdir()
    for name in ("a", "b"):
        shutil.copy(small, tmp_path / "both" / f"{name}{small.suffix}")
    assert encode(VIDEO, tmp_path / "both", bitstream) == 0
    assert decode(bitstream, "--tier", "all", "-o", first) == 0
    assert sorted(path.name for path in first.iterdir()) == ["t0.raw", "t1.raw", "t2.raw"]
    assert decode(bitstream, "--tier", "t1", "-o", tmp_path / "t1") == 0
    pictures = sorted((tmp_path / "t1").glob("*.raw"))
    assert len(pictures) == 2
    assert (first / "t1.raw").read_bytes() == b"".join(picture.read_bytes() for picture in pictures)
    monkeypatch.setenv("VCM_FFMPEG", str(tmp_path / "none"))
    assert decode(bitstream, "--tier", "all", "-o", again, "--planes", first / "t0.raw") == 0
    for tier in ("t0.raw", "t1.raw", "t2.raw"):
        assert (again / tier).read_bytes() == (first / tier).read_bytes()
    planes = tmp_path / "planes"
    planes.write_bytes((first / "t0.raw").read_bytes()[:-2])
    capsys.readouterr()
    assert decode(bitstream, "--tier", "all", "-o", tmp_path / "no", "--planes", planes) == 13
    assert "the given planes end before" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_the_decoded_features_are_the_same_in_both_formats(lossless: Path, tmp_path: Path) -> None:
    """And the same bytes each time."""
    for name in ("a.npz", "b.npz", "a.safetensors", "b.safetensors"):
        assert decode(lossless, "-o", tmp_path / name) == 0
    one, other = load_feature_file(tmp_path / "a.npz"), load_feature_file(tmp_path / "a.safetensors")
    for name, layer in one.layers.items():
        np.testing.assert_array_equal(layer, other.layers[name])
    for suffix in ("npz", "safetensors"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_the_output_is_named_after_the_bitstream(lossless: Path) -> None:
    """Where -o does not name it."""
    assert decode(lossless) == 0
    assert lossless.with_suffix(".decoded.safetensors").is_file()


def test_the_trace_lists_every_element(lossless: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bit offset, clause, name, descriptor, value; offsets rise to the end of the file."""
    capsys.readouterr()
    assert decode(lossless, "--trace") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["bit", "clause", "name", "descriptor", "value"]
    assert lines[1].split() == ["0", "6.2", "signature", "u(32)", str(0x56434D46)]
    offsets = [int(line.split()[0]) for line in lines[1:]]
    assert offsets == sorted(offsets)
    assert lines[-3].split()[2:] == ["unit_type", "u(4)", "5"]
    assert offsets[-3] == 8 * (lossless.stat().st_size - 1)
    assert sum("layer_name " in line for line in lines) == 4


def test_the_record_beside_the_bitstream(lossless: Path, small: Path) -> None:
    """Digests of input and output, the effective configuration, versions, bits by part."""
    record = json.loads(lossless.with_name("x.bin.json").read_text())
    assert record["bitstream"]["sha256"] == hashlib.sha256(lossless.read_bytes()).hexdigest()
    assert record["bitstream"]["bytes"] == lossless.stat().st_size
    assert sum(record["bits"].values()) == 8 * lossless.stat().st_size
    assert record["pictures"][0]["sha256"] == hashlib.sha256(small.read_bytes()).hexdigest()
    assert record["configuration"]["codec"]["name"] == "lossless"
    assert record["versions"]["vcm_ref"] == vcm_ref.__version__


def test_tables_and_quiet(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row a layer and the totals; with -q neither executable prints anything."""
    encode(LOSSLESS, small, tmp_path / "x.bin")
    assert {"p2", "p3", "p4", "p5", "headers", "total"} <= {
        line.split()[0] for line in capsys.readouterr().out.splitlines() if line
    }
    encode([*LOSSLESS, "-q"], small, tmp_path / "x.bin")
    assert decode(tmp_path / "x.bin", "-q", "-o", tmp_path / "x.npz") == 0
    assert capsys.readouterr() == ("", "")


def weights_missing() -> str | None:
    """Why a network cannot run here."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("torchvision") is None:
        return "torch and torchvision are not installed"
    weights = Path(vcm_ref.__file__).parent / "network" / "refnet.safetensors"
    return None if weights.is_file() else "the weights of refnet are not there"


def test_detections_are_drawn(tmp_path: Path) -> None:
    """The default input through network, codec and the rest of the network, into a PNG."""
    if reason := weights_missing():
        pytest.skip(reason)
    sample = CONFIGURATIONS / "sample.png"
    options = ["-c", str(CONFIGURATIONS / "lossless.yaml")]
    assert encode(options, sample, tmp_path / "x.bin") == 0
    assert decode(tmp_path / "x.bin", "--detect", tmp_path / "x.png", "--picture", sample) == 0
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_a_photograph_goes_the_whole_way(tmp_path: Path) -> None:
    """The first of the folder that VCM_PHOTOS names."""
    folder = os.environ.get("VCM_PHOTOS")
    if not folder:
        pytest.skip("VCM_PHOTOS names no folder of photographs")
    if reason := weights_missing():
        pytest.skip(reason)
    photograph = min(path for path in Path(folder).iterdir() if path.suffix == ".jpg")
    assert encode(["-c", str(CONFIGURATIONS / "fframe.yaml")], photograph, tmp_path / "x.bin") == 0
    assert decode(tmp_path / "x.bin", "-o", tmp_path / "x.npz", "--detect", tmp_path / "x.png") == 0
    assert list(load_feature_file(tmp_path / "x.npz").layers) == ["p2", "p3", "p4", "p5"]


@pytest.mark.parametrize("executable", ["enc", "dec", "render"])
def test_help_and_version(executable: str) -> None:
    """Both end with 0."""
    assert "usage" in run(executable, "--help").stdout
    assert vcm_ref.__version__ in run(executable, "--version").stdout
