"""Detections side by side: the image has at least the bytes of the features, and all panels are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")

from vcm_ref.task.scenes import render_scene

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))


@pytest.mark.parametrize(("least", "qp"), [(1, 63), (37, 63), (38, 62), (99, 1), (100, 0), (1000, 0)])
def test_the_highest_qp_with_enough_bytes(least: int, qp: int) -> None:
    """A stream of 100 - QP bytes."""
    from compare_detections import nearest_above

    assert nearest_above(lambda qp: bytes(100 - qp), least) == (qp, bytes(100 - qp))


def test_titles_and_panels_of_two_pictures() -> None:
    from compare_detections import Panel, sheet

    rows = [[Panel(np.full((height, 40, 3), grey, np.uint8), "title") for grey in (10, 20, 30)] for height in (20, 60)]
    found = sheet(rows, 80)
    assert found.shape == (22 + 40 + 6 + 22 + 120 + 6, 3 * 80 + 2 * 6, 3)
    assert [found[40, left, 0] for left in (40, 126, 212)] == [10, 20, 30]
    assert (found[62:68] == 255).all()


def test_a_scene_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from compare_detections import main

    Image.fromarray(render_scene(7, 96, 64).image).save(tmp_path / "scene.png")
    output = tmp_path / "drawing.png"
    assert (
        main([str(tmp_path / "scene.png"), "--qp", "47", "--scale", "100", "--preset", "faster", "-o", str(output)])
        == 0
    )
    features, image = (int(part.split(" bytes")[0].split()[-1]) for part in capsys.readouterr().out.split("|")[1:])
    assert image >= features > 0
    with Image.open(output) as drawing:
        assert drawing.size == (3 * 480 + 12, 22 + 320 + 6)


def test_a_missing_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from compare_detections import main

    with pytest.raises(SystemExit) as ended:
        main(
            [
                "scene.png",
                "-c",
                "learned",
                "--set",
                f"reduction.model={tmp_path / 'none'}",
                "-o",
                str(tmp_path / "x.png"),
            ]
        )
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "x.png").exists()
