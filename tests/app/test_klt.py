"""The joint KLT out of the box: the sample picture, coded and decoded with the shipped model."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcm_ref.app import dec, enc, render

from .running import encoder_digests


def test_the_sample_is_coded_with_the_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller than the feature frames at a QP that does as well, and the same T1 digests at both ends."""
    monkeypatch.delenv("VCM_MODELS", raising=False)
    bitstream = tmp_path / "sample.bin"
    assert enc.main(["-q", "-c", "klt", "-b", str(bitstream)]) == 0
    assert list(encoder_digests(bitstream)[0]) == ["klt"]
    assert bitstream.stat().st_size < 40_000
    assert dec.main(["-q", str(bitstream)]) == 0


def test_the_first_components_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render.main(["-c", "klt", "-o", str(tmp_path / "maps"), "--qp", "44"]) == 0
    assert capsys.readouterr().out.count("_klt_") == 2
