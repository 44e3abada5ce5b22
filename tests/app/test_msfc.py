"""MSFC out of the box: the sample picture, coded and decoded with the shipped models of both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcm_ref.app import dec, enc

from .running import encoder_digests


@pytest.mark.parametrize("name", ["msfc_topdown", "msfc"])
def test_the_sample_is_coded_with_the_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One tensor of 64 maps of a 32nd of the picture's sides, with all decoders' digests."""
    monkeypatch.delenv("VCM_MODELS", raising=False)
    bitstream = tmp_path / "sample.bin"
    assert enc.main(["-q", "-c", name, "--set", "codec.name=lossless", "-b", str(bitstream)]) == 0
    assert len(encoder_digests(bitstream)[0]) == 1
    assert bitstream.stat().st_size < 20_000
    assert dec.main(["-q", str(bitstream)]) == 0
