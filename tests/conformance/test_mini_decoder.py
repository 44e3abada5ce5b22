"""The decoder from the document alone: what it may be made of, and a few vectors; all of them run in CI."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from vcm_ref.conformance.adaptor import load_adaptor
from vcm_ref.conformance.manifest import load_suite
from vcm_ref.conformance.results import Result
from vcm_ref.conformance.runner import Plan, run_vectors

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "conformance"
DECODER = SUITE / "mini_decoder.py"


def test_it_is_short_and_of_the_standard_library_and_numpy() -> None:
    """One file, and others for elements of syntax, video, integer graphs, levels and the KLT."""
    others = ["mini_bits", "mini_graph", "mini_klt", "mini_levels", "mini_video"]
    text = "".join(DECODER.with_stem(name).read_text() for name in (DECODER.stem, *others))
    assert len(text.splitlines()) <= 1350
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or ".").partition(".")[0])
    assert names - {"numpy", *others} <= sys.stdlib_module_names


def test_a_few_vectors() -> None:
    """One of each family without a video codec, positive and negative."""
    suite = load_suite(SUITE)
    families = {v.id.partition("_")[0]: v for v in suite.vectors if v.inner_codec in (None, "LOSSLESS", "COEFFICIENTS")}
    chosen = [v for v in families.values() if v.limits.seconds <= 20 and v.kind != "limit"]
    assert len(chosen) > 20
    adaptor = load_adaptor(SUITE / "decoders" / "mini_decoder.yaml")
    results: list[Result] = run_vectors(Plan(SUITE, adaptor, "b", jobs=2), chosen, lambda share: None)  # type: ignore[arg-type]
    assert not [(result.vector.id, result.judgement.reason) for result in results if result.counts_against]


def test_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, DECODER, "none.bin", "-o", "out"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("mini_decoder: ")
    assert done.stderr.count("\n") == 1
