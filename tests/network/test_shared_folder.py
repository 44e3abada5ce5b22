"""The temporary folder is shared: names in it that are known may have been taken by another user."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

LOAD = """
import os, sys
from vcm_ref.errors import NetworkError
from vcm_ref.network import load_network
before = dict(os.environ)
options = {"weights": "none.onnx", "cut": ["x"], "head": "boxes"}
try:
    load_network(sys.argv[1], **(options if sys.argv[1] == "onnx" else {}))
except NetworkError as error:
    assert "none.onnx" in str(error), error
assert dict(os.environ) == before
"""


@pytest.mark.parametrize(("name", "package"), [("refnet", "torchvision"), ("onnx", "onnxruntime")])
def test_libraries_leave_it_alone(tmp_path: Path, name: str, package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    victim, shared = tmp_path / "victim", tmp_path / "shared"
    victim.write_text("important")
    shared.mkdir()
    (shared / f"torchinductor_{getpass.getuser()}").write_text("not a folder")
    (shared / ".ses").symlink_to(victim)
    before = sorted(shared.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", LOAD, name],
        env={**os.environ, "TMPDIR": str(shared), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert victim.read_text() == "important"
    assert sorted(shared.iterdir()) == before
