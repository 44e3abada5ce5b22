"""A wheel, installed on its own, in an empty folder: what README.md says of it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("vcm_ref", "cfg", "conformance", "pyproject.toml", "setup.cfg", "setup.py", "README.md", "LICENSE")

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel of the source tree was installed into; what it needs is where it always is."""
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "installed"
    for part in PARTS:
        place = ROOT / part
        if place.is_dir():
            shutil.copytree(place, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, source / part)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", target, wheel], check=True)
    return target


def run(installed: Path, folder: Path, *command: str) -> str:
    """What a command of the wheel prints, in ``folder``."""
    path = f"{installed / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_executables(installed: Path, tmp_path: Path) -> None:
    """A shipped configuration and a shipped suite have names; nothing is in the current folder."""
    numbers = np.random.default_rng(0)
    layers = {f"p{level}": numbers.normal(size=(16, 96 >> level, 128 >> level)).astype("f4") for level in range(2, 6)}
    np.savez(tmp_path / "features.npz", **layers)
    command = "vcm_enc -c fframe --set codec.preset=faster -i features.npz --picture-size 128x96 -b features.bin"
    assert "1 picture" in run(installed, tmp_path, *command.split())
    run(installed, tmp_path, "vcm_dec", "features.bin", "-o", "decoded.npz", "-q")
    with np.load(tmp_path / "decoded.npz") as decoded:
        assert {name: decoded[name].shape for name in layers} == {name: one.shape for name, one in layers.items()}
    told = run(installed, tmp_path, "vcm_conformance", "run", "--id", "BASE_*")
    assert "conforms" in told
    told = run(installed, tmp_path, "vcm_conformance", "verify")
    assert "all as in the manifest" in told


def test_the_python_door(installed: Path, tmp_path: Path) -> None:
    """With the wheel's modules, and marked as typed."""
    code = """
        import numpy as np, vcm_ref
        layers = {"p2": np.zeros((16, 8, 8), np.float32), "p3": np.ones((16, 4, 4), np.float32)}
        coded = vcm_ref.encode(layers, picture_size=(32, 32), config="fframe", qp=37)
        features = vcm_ref.decode(coded)
        print(vcm_ref.__file__, features.verified, [*features], "fframe" in vcm_ref.configs())
    """
    (tmp_path / "code.py").write_text("\n".join(line[8:] for line in code.splitlines()))
    told = run(installed, tmp_path, sys.executable, "code.py").split(maxsplit=1)
    assert told[0] == str(installed / "vcm_ref" / "__init__.py")
    assert told[1] == "True ['p2', 'p3'] True\n"
    assert (installed / "vcm_ref" / "py.typed").exists()
    assert (installed / "vcm_ref" / "cfg" / "sample.png").exists()
