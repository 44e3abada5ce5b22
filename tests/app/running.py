"""Running the executables, in this process or as the user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from vcm_ref.app import dec, enc

CONFIGURATIONS = Path(__file__).parent.parent.parent / "cfg"
LOSSLESS = ["-c", str(CONFIGURATIONS / "lossless.yaml"), "--set", "packing.grid=4x4"]
VIDEO = ["-c", str(CONFIGURATIONS / "tiling.yaml"), "--set", "packing.grid=4x4"]


def encode(options: list[str], source: Path | str, bitstream: Path) -> int:
    """Exit code of ``vcm_enc`` in this process."""
    return enc.main([*options, "-i", str(source), "-b", str(bitstream)])


def decode(bitstream: Path, *options: object) -> int:
    """Exit code of ``vcm_dec`` in this process."""
    return dec.main([str(bitstream), *map(str, options)])


def command(executable: str, *options: object) -> list[str]:
    """The command line of an executable."""
    # A shell starts background jobs with SIGINT ignored; whoever runs the tests so shall have Ctrl-C tested too.
    handler = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{handler}; import sys; from vcm_ref.app.{executable} import main; sys.exit(main())"
    return [sys.executable, "-c", code, *map(str, options)]


def run(executable: str, *options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an executable to its end."""
    return subprocess.run(
        command(executable, *options), capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def encoder_digests(bitstream: Path) -> list[dict[str, str]]:
    """The T1 digests that the encoder noted beside the bitstream, by picture and layer."""
    record = json.loads(bitstream.with_name(bitstream.name + ".json").read_text())
    return [picture["t1_digests"] for picture in record["pictures"]]


def described(raw: Path) -> dict[str, Any]:
    """The description beside raw planes."""
    found: dict[str, Any] = json.loads(raw.with_name(raw.name + ".json").read_text())
    return found
