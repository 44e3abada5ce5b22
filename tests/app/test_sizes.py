"""``vcm_sizes``: the tables come from the network's own shapes and the configuration's reduction."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from vcm_ref.app.sizes import main

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")


def test_layers_and_coded_tensors_are_counted_for_each_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "sizes.csv"
    assert main(["96x64", "100x70", "-c", "cfg/resize.yaml", "--bits", "3", "-o", str(output)]) == 0
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["picture"] for row in rows} == {"96x64", "100x70"}
    small = {(row["step"], row["bits_per_value"]): row for row in rows if row["picture"] == "96x64"}
    assert small["picture", "8"]["bits"] == str(8 * 3 * 96 * 64)
    assert small["p2", "32"]["shape"] == "256x16x24"
    assert small["coded p2", "32"]["shape"] == "256x4x6"  # a quarter of the height and width
    layers = 256 * (16 * 24 + 8 * 12 + 4 * 6 + 2 * 3)
    assert small["all layers", "32"]["bits"] == str(32 * layers)
    assert small["all coded tensors", "3"]["bits"] == str(3 * (layers - 256 * (16 * 24 - 4 * 6)))
    assert float(small["all layers", "32"]["times_picture"]) == pytest.approx(32 * layers / (24 * 96 * 64), rel=1e-5)
    padded = {row["step"]: row["shape"] for row in rows if row["picture"] == "100x70"}
    assert padded["p2"] == "256x24x32"  # 128x96 in the network
    told = capsys.readouterr().out
    assert "refnet, picture 3x64x96 of 8 bits: 147456 bits, 18.0 KiB" in told
    assert "3 bits: KiB" in told


def test_a_mask_r_cnn_of_torchvision_has_the_sizes_of_its_own_layers(capsys: pytest.CaptureFixture[str]) -> None:
    network = ["network.name=torchvision", "network.model=maskrcnn_resnet50_fpn", "network.weights=random"]
    network += ["network.shortest_side=64", "network.longest_side=96"]
    assert main(["64x48", "--bits", "8", *(part for text in network for part in ("--set", text))]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["p2", "256x16x24", "98304"] in [row[:3] for row in rows]
    assert ["p5", "256x2x3", "1536"] in [row[:3] for row in rows]


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["512"], "'512' is not a size; give width x height, as in 640x480", 2),
        (["0x5"], "'0x5' is not a size", 2),
        (["99999x99999"], "a picture of 99999x99999 has more than", 12),
        (["64x64", "--bits", "17"], "'17' is too large; it must be at most 16", 2),
        (["64x64", "-c", "cfg/image_anchor.yaml"], "codes the picture itself", 2),
        (["64x64", "-c", "pca"], "pca chooses the number of components from the picture; give a number", 2),
        (["64x64", "-c", "cfg/resize.yaml", "-o", "cfg/resize.yaml"], "would be overwritten", 2),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        got = main(arguments)
    except SystemExit as error:
        got = int(str(error.code))
    told = capsys.readouterr().err
    assert got == code
    assert message in told
    assert told.count("\n") == 1


def test_a_tensor_of_any_maps_is_counted_without_a_model(tmp_path: Path) -> None:
    output = tmp_path / "sizes.csv"
    assert main(["96x64", "--maps", "64", "--bits", "8", "-o", str(output)]) == 0
    with output.open(encoding="utf-8", newline="") as file:
        rows = {(row["step"], row["bits_per_value"]): row for row in csv.DictReader(file)}
    assert rows["coded 64 maps", "8"]["shape"] == "64x2x3"
    assert rows["all coded tensors", "8"]["bits"] == str(8 * 64 * 2 * 3)


def test_the_shipped_model_of_the_network_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """Without any option that names it, as vcm_enc does; its components are at the positions of p5's samples."""
    assert main(["96x64", "-c", "klt", "--set", "reduction.components=7", "--bits", "8"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["coded", "klt", "7x2x3", "42"] in [row[:4] for row in rows]
