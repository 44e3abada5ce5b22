"""What a network was trained on: a text, and where they are known, the SHA-256 of its training pictures.

A configuration says both (``network.trained_on``, ``network.training_pictures``), for weights do not; refnet's own
record says what it was trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcm_ref.errors import NetworkError, reason
from vcm_ref.files.kind import check_kind

KEYS = ("trained_on", "training_pictures")
"""The options about training, which no network is made with."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_REFNET_RECORD = "refnet.json"


def trained_on(name: str, options: Mapping[str, Any]) -> str:
    """What the network was trained on; empty where that is not known."""
    if text := options.get("trained_on"):
        return str(text)
    if name == "refnet" and options.get("weights") is None:
        record = json.loads(Path(__file__).with_name(_REFNET_RECORD).read_text(encoding="utf-8"))
        scenes = record["training"]["training_scenes"]
        parts = [f"{one['count']} of {one['size']} from seed {one['first_seed']}" for one in scenes]
        return f"drawn scenes: {', '.join(parts)}"
    return ""


def training_pictures(options: Mapping[str, Any]) -> frozenset[str] | None:
    """The SHA-256 of each training picture's file, in hexadecimal; None where they are not known.

    The file has one a line, and may have more behind it, as ``sha256sum`` writes it. Raises `NetworkError` for a file
    that cannot be read, and names the line that is none.
    """
    named = options.get("training_pictures")
    if named is None:
        return None
    path = Path(named)
    check_kind(path, NetworkError)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(f"network.training_pictures: {path} cannot be read: {reason(error)}") from error
    found = set()
    for number, line in enumerate(lines, start=1):
        digest = line.split(maxsplit=1)[0].lower() if line.strip() else ""
        if digest and not _DIGEST.fullmatch(digest):
            raise NetworkError(f"network.training_pictures: {path}:{number}: does not begin with a SHA-256")
        found.add(digest)
    return frozenset(found - {""})
