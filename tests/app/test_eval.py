"""``vcm_eval``: what the command line makes of its options, its exit codes, and refnet over generated scenes."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiment.small_sweep import Here
from experiment.stub import CONFIGURATION, PICTURES, StubNetwork, write_pictures

import vcm_ref.app.eval
from vcm_ref.app.command import INTERRUPTED
from vcm_ref.app.enc import main as vcm_enc
from vcm_ref.app.eval import main as vcm_eval
from vcm_ref.errors import NetworkError
from vcm_ref.experiment.stages import networks

pytest.importorskip("pycocotools", reason="pycocotools is not installed")

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = files("vcm_ref.network").joinpath("refnet.safetensors")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Let every network be the stub, in a folder with its pictures in ``data``; gives what networks were asked for."""
    asked: dict[str, Any] = {}

    def load_network(name: str, **options: Any) -> StubNetwork:
        if name not in ("stub", "refnet"):
            raise NetworkError(f"there is no network {name!r}")
        asked.update(options, name=name)
        return StubNetwork()

    monkeypatch.setattr(networks, "load_network", load_network)
    runs_with(monkeypatch, Here())
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    write_pictures(Path("data"))
    Path("config.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    for name in ("w.pt", "v.pt"):
        Path(name).touch()
    return asked


def runs_with(monkeypatch: pytest.MonkeyPatch, here: Here) -> None:
    """Let tasks run in this process."""
    networks.network_of.cache_clear()
    monkeypatch.setattr(vcm_ref.app.eval, "machines", lambda *_: nullcontext(here))


def results(name: str = "results.json") -> Any:
    """Read a results file."""
    return json.loads(Path(name).read_text())


def test_pictures(stub: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_eval(["--data", "data/instances.json"]) == 0
    assert stub == {"name": "refnet"}
    printed = capsys.readouterr()
    assert "AP50" in printed.out
    assert "from pictures: 5 of 5 pictures" in printed.out
    assert "wrote results.json and results.detections.json" in printed.out
    assert "95 % interval" in printed.out
    assert results()["bootstrap"] == {"method": "percentile", "resamples": 1000, "seed": 0, "level": 0.95}
    assert results()["intervals"]["AP50"] == pytest.approx([1.0, 1.0])  # all are found
    assert printed.err == ""
    assert results()["source"]["kind"] == "pictures"


def test_a_rate_accuracy_point_with_one_command(stub: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--data", "data/instances.json", "-c", "config.yaml", "--encode", "-o", "point.json"]
    assert vcm_eval(command) == 0
    point = results("point.json")
    assert point["configuration"]["codec"]["name"] == "lossless"
    assert point["rate"]["bytes"] > 0
    printed = capsys.readouterr().out
    assert "from pictures, coded: 5 of 5 pictures" in printed
    assert f"{point['rate']['bpp']:.4f} bpp" in printed
    assert stub == {"name": "stub"}


def test_the_networks_options(stub: dict[str, Any]) -> None:
    command = ["--data", "data/instances.json", "--network", "stub", "--weights", "w.pt"]
    assert vcm_eval([*command, "--network-option", "split=[p2, p3]", "--network-option", "size=3"]) == 0
    assert stub == {"name": "stub", "weights": "w.pt", "split": ["p2", "p3"], "size": 3}


def test_a_configurations_network(stub: dict[str, Any]) -> None:
    command = ["--data", "data/instances.json", "-c", "config.yaml", "--set", "network.weights=w.pt"]
    assert vcm_eval(command) == 0
    assert stub == {"name": "stub", "weights": "w.pt"}
    Path("network.yaml").write_text("network: {name: stub, weights: v.pt}\n")
    assert vcm_eval(["--data", "data/instances.json", "-c", "network.yaml"]) == 0  # nothing is coded
    assert stub == {"name": "stub", "weights": "v.pt"}
    stub.clear()
    assert vcm_eval([*command, "--network", "refnet"]) == 0  # another network has no use for these options
    assert stub == {"name": "refnet"}


def test_drawing_and_allowing_what_is_missing(stub: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/picture1.png").unlink()
    assert vcm_eval(["--data", "data/instances.json", "--allow-missing", "--draw", "drawn", "--threshold", "0.9"]) == 0
    assert "4 of 5 pictures; 1 problem, named in the results" in capsys.readouterr().out
    assert len(list(Path("drawn").iterdir())) == len(PICTURES) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "none.json"], "none.json"),
        (["--data", "data/instances.json", "--images", "."], "picture1.png: is missing"),
        (["--data", "data/instances.json", "--network", "nonet"], "no network 'nonet'"),
        (["--data", "data/instances.json", "--encode"], "need a configuration"),
        (["--data", "data/instances.json", "--qp", "22"], "need a configuration"),
        (["--data", "data/instances.json", "-c", "none.yaml"], "none.yaml"),
        (["--data", "data/instances.json", "-c", "config.yaml", "--qp", "22"], "--qp changes nothing without --encode"),
        (["--data", "data/instances.json", "--threshold", "0"], "--threshold changes nothing without --draw"),
        (["--data", "data/instances.json", "--backend", "vtm"], "--backend changes nothing without --encode or --bit"),
        (["--data", "data/instances.json", "--labels", "name"], "--labels name"),
        (["--data", "data/instances.json", "--resamples", "99"], "--resamples 99: an interval needs at least 100"),
        (["--data", "data/instances.json", "--network-option", "x"], "key=value"),
        (["--data", "data/instances.json", "--network-option", "x=["], "is not YAML"),
        (["--data", "data/instances.json", "--bitstreams", "none.bin"], "none.bin: cannot be read"),
        (["--data", "data/instances.json", "--features", "data"], "has no features named picture1 or 10"),
        (["--data", "data/instances.json", "-o", "."], ".: is not a file name"),
        (
            ["--data", "data/instances.json", "--features", ".", "-o", "data/instances.json"],
            "instances.json: is an input, and would be overwritten",
        ),
        (["--data", "data/instances.json", "-o", "none/r.json"], "there is no folder none"),
        (
            ["--data", "data/instances.json", "-o", "data/instances.json"],
            "instances.json: is an input, and would be overwritten",
        ),
        (["--data", "data/instances.json", "-o", "data/../data/picture1.png"], "picture1.png: is an input"),
        (["--data", "data/instances.json", "-c", "config.yaml", "-o", "config.yaml"], "config.yaml: is an input"),
        (["--data", "data/instances.json", "--draw", "data"], "data: exists already"),
    ],
)
def test_what_is_wrong_is_one_line(
    stub: dict[str, Any], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert vcm_eval(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("vcm_eval: ")
    assert told.count("\n") == 1
    assert not Path("results.json").exists()


def test_two_sources_are_a_usage_error(stub: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        vcm_eval(["--data", "data/instances.json", "--whole", "--features", "data"])
    assert "not allowed with" in capsys.readouterr().err


def test_a_damaged_bitstream_has_its_exit_code(stub: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    Path("coded").mkdir()
    for number in range(1, 6):
        Path(f"coded/picture{number}.bin").write_bytes(b"no bitstream")
    assert vcm_eval(["--data", "data/instances.json", "--bitstreams", "coded"]) == 10
    assert "picture1.png" in capsys.readouterr().err


def test_an_interrupt_leaves_what_is_done(
    stub: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next run says what it found; with a store of one's own, every later run does."""
    left = 2

    def spoil(task: Any) -> None:
        nonlocal left
        left -= task.function.__name__ == "analyse_uncompressed"
        if left < 0:
            raise KeyboardInterrupt

    for store in ([], ["--store", "kept"]):
        left = 2
        runs_with(monkeypatch, Here(spoil))
        assert vcm_eval(["--data", "data/instances.json", *store]) == INTERRUPTED
        assert capsys.readouterr().err == "vcm_eval: interrupted\n"
        here = Here()
        runs_with(monkeypatch, here)
        assert vcm_eval(["--data", "data/instances.json", *store]) == 0
        assert "2 of 5 results found in the store" in capsys.readouterr().out
        assert here.count["analyse_uncompressed"] == 3
        assert not Path("results.json.store").exists()
    assert vcm_eval(["--data", "data/instances.json", "--store", "kept"]) == 0
    assert "5 of 5 results found in the store" in capsys.readouterr().out
    assert here.count["analyse_uncompressed"] == 3


def test_help_needs_no_torch() -> None:
    unwanted = {"torch", "pycocotools", "distributed"}
    code = f"import sys; from vcm_ref.app import eval; sys.exit(bool({unwanted} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


# refnet


needs_refnet = pytest.mark.skipif(not WEIGHTS.is_file(), reason="refnet's weights are not there")


@needs_refnet
def test_a_network_with_masks_is_measured_by_boxes_and_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    from vcm_ref.task.scenes import write_dataset

    monkeypatch.chdir(tmp_path)
    write_dataset("scenes", 2_000_000, 2, 160, 128)
    data = ["--data", "scenes/instances.json"]
    coding = ["-c", str(ROOT / "cfg" / "lossless.yaml"), "-c", str(ROOT / "cfg" / "networks" / "refnet_mask.yaml")]
    assert vcm_eval([*data, "-o", "boxes.json"]) == 0
    assert vcm_eval([*data, "--network", "refnet_mask", "-o", "masks.json"]) == 0
    assert vcm_eval([*data, "--network", "refnet_mask", "--whole", "-o", "whole.json"]) == 0
    assert vcm_eval([*data, *coding, "--set", "quantisation.bit_depth=16", "--encode", "-o", "coded.json"]) == 0
    boxes, masks, coded = (results(f"{name}.json")["metrics"] for name in ("boxes", "masks", "coded"))
    assert {name: value for name, value in masks.items() if not name.startswith("mask_")} == boxes
    assert masks["mask_AP50"] > 0.3
    assert results("whole.json")["results"]["sha256"] == results("masks.json")["results"]["sha256"]
    assert coded["mask_AP"] == pytest.approx(masks["mask_AP"], abs=0.05)
    listed = json.loads(Path("masks.detections.json").read_text("utf-8"))
    assert listed
    assert all(entry["segmentation"]["size"] == [128, 160] for entry in listed)


@needs_refnet
def test_refnet_over_generated_scenes_in_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    from vcm_ref.task.scenes import write_dataset

    monkeypatch.chdir(tmp_path)
    write_dataset("scenes", 2_000_000, 2, 160, 128)
    data = ["--data", "scenes/instances.json"]
    lossless = ["-c", str(ROOT / "cfg" / "lossless.yaml")]
    bits = ["--set", "quantisation.bit_depth=16"]
    assert vcm_eval([*data, "--whole", "-o", "whole.json"]) == 0
    assert vcm_eval([*data, "-o", "split.json"]) == 0
    assert vcm_eval([*data, "--workers", "2", "-o", "workers.json"]) == 0
    assert vcm_eval([*data, *lossless, *bits, "--encode", "-o", "coded.json"]) == 0
    assert vcm_enc([*lossless, *bits, "-i", "scenes", "-b", "scenes.bin", "-q"]) == 0
    assert vcm_eval([*data, "--bitstreams", "scenes.bin", "-o", "decoded.json"]) == 0
    whole = results("whole.json")
    for name in ("split", "workers"):
        assert results(f"{name}.json")["metrics"] == whole["metrics"]
        assert results(f"{name}.json")["results"]["sha256"] == whole["results"]["sha256"]
    assert whole["network"]["name"] == "refnet"
    assert results("decoded.json")["metrics"] == results("coded.json")["metrics"]
    assert results("decoded.json")["results"]["sha256"] == results("coded.json")["results"]["sha256"]
    assert results("coded.json")["metrics"]["AP"] == pytest.approx(whole["metrics"]["AP"], abs=0.05)
    assert results("decoded.json")["rate"]["bytes"] == Path("scenes.bin").stat().st_size


def test_repaired_annotations_measure_nothing_again(
    stub: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Annotations that are wrong are refused before any work, and results do not depend on them."""
    command = ["--data", "data/instances.json", "--store", "kept"]
    assert vcm_eval(command) == 0
    annotations = Path("data/instances.json")
    good = json.loads(annotations.read_text())
    area = good["annotations"][1].pop("area")
    annotations.write_text(json.dumps(good))
    capsys.readouterr()
    assert vcm_eval(command) == 2
    assert "it needs the object's area in pixels" in capsys.readouterr().err
    good["annotations"][1]["area"] = area / 2
    annotations.write_text(json.dumps(good))
    here = Here()
    runs_with(monkeypatch, here)
    assert vcm_eval(command) == 0
    assert "5 of 5 results found in the store" in capsys.readouterr().out
    assert here.count["analyse_uncompressed"] == 0
