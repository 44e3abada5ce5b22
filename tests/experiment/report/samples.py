"""Anchors and combinations made by hand, whose BD-rates are known: the rate of one is a multiple of another's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

QPS = (22, 27, 32, 37)
BPPS = (2.0, 1.0, 0.5, 0.25)
ACCURACIES = (0.58, 0.55, 0.48, 0.30)
PIXELS = 2 * 64 * 100
DIGEST = "ab" * 32


def anchor(name: str, factor: float = 1.0, **changes: Any) -> dict[str, Any]:
    """An anchor whose every rate is ``factor`` times the usual, and in Rhee et al.'s accounting half of that.

    ``changes`` replace members of the document.
    """
    points = [point(qp, factor * bpp, accuracy) for qp, bpp, accuracy in zip(QPS, BPPS, ACCURACIES, strict=True)]
    document = {
        "schema": 1,
        "kind": "anchor",
        "name": name,
        "method": "features",
        "main_metric": "AP",
        "configuration": {"packing": {"method": "frames"}, "codec": {"name": "vvenc", "mode": "RA"}},
        "inner_codec": {"name": "vvenc", "options": "preset=faster"},
        "data": {"name": "scenes", "sha256": DIGEST, "pictures": 2},
        "network": {"name": "refnet", "options": {}, "layers": ["p2", "p3"], "weights_sha256": DIGEST},
        "labels": "names",
        "versions": {"vcm_ref": "0.1"},
        "code": {"extract": DIGEST},
        "tolerance": {"t1": 0, "metrics": 0.001},
        "uncompressed": {"metrics": {"AP": 0.6, "AP50": 0.8, "classes": 47, "AP50/cat": 0.7}, "failed": []},
        "pictures": [picture(1), picture(2)],
        "points": points,
        "failed_points": [],
    }
    return {**document, **changes}


def point(qp: int, bpp: float, accuracy: float, failed: Sequence[int] = ()) -> dict[str, Any]:
    """One point; a tenth of its bits are headers."""
    bits = round(bpp * PIXELS)
    coded = {
        "bytes": bits // 16,
        "sha256": DIGEST,
        "bits": {"headers": bits // 20, "coded data": bits // 2 - bits // 20},
        "rhee2022_bits": bits // 4,
        "t1": {"p2": DIGEST},
        "result_sha256": DIGEST,
    }
    return {
        "qp": qp,
        "bpp": bpp,
        "rhee2022_bpp": bpp / 2,
        "bytes": bits // 8,
        "pixels": PIXELS,
        "bits": {"headers": bits // 10, "coded data": bits - bits // 10},
        "metrics": {"AP": accuracy, "AP50": accuracy + 0.1, "classes": 47, "AP50/cat": accuracy},
        "seconds": {"extract": 1.5, "encode": 100.25},
        "pictures": [{"id": number, **coded} for number in (1, 2) if number not in failed],
        "failed": [{"id": number, "error": "vvenc did not finish within 600 s"} for number in failed],
    }


def picture(number: int) -> dict[str, Any]:
    """A picture of 64x100."""
    return {"id": number, "file": f"{number:06}.png", "sha256": DIGEST, "height": 100, "width": 64}


def curve(name: str, factor: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A published curve, of which less is known."""
    points = [
        {"qp": qp, "bpp": factor * bpp, "accuracy": 100 * accuracy}
        for qp, bpp, accuracy in zip(QPS, BPPS, ACCURACIES, strict=True)
    ]
    document = {"schema": 1, "kind": "curve", "name": name, "metric": "AP", "source": "a paper", "unit": "percent"}
    return {**document, "points": points, **changes}


def combinations(
    layers: Sequence[str], grids: Mapping[str, float], better: Mapping[tuple[str, ...], float] | None = None
) -> dict[str, Any]:
    """All combinations; a rate is the product of what ``grids`` says for each layer, and of ``better`` where named."""
    points = []
    for of in itertools.product(grids, repeat=len(layers)):
        factor = (better or {}).get(of, 1.0)
        for grid in of:
            factor *= grids[grid]
        for qp, bpp, accuracy in zip(QPS, BPPS, ACCURACIES, strict=True):
            found = {"bpp": factor * bpp, "rhee2022_bpp": factor * bpp / 2, "metrics": {"AP": accuracy, "AP50": 0.5}}
            points.append({"grids": list(of), "qp": qp, **found, "pictures": 2, "failed": 0})
    return {
        "schema": 1,
        "kind": "combinations",
        "name": "made by hand",
        "layers": list(layers),
        "grids": list(grids),
        "main_metric": "AP",
        "data": {"name": "scenes", "sha256": DIGEST},
        "network": {"name": "refnet"},
        "uncompressed": {"metrics": {"AP": 0.6}},
        "points": points,
    }


def saved(folder: Path, *documents: Mapping[str, Any]) -> list[Path]:
    """Each document as a file of its name."""
    paths = []
    for number, document in enumerate(documents):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(document))
    return paths
