"""The comparisons of a report as JSON, for programs: figures, their intervals, and how these were made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..bjontegaard_delta import Comparison
from ..bootstrap import Interval
from .certainty import bootstrap_of, described, fewest_pictures
from .method import Method
from .standing import Standing


def json_report(title: str, standings: Sequence[Standing], methods: Sequence[Method], anchor: Method) -> bytes:
    """The document, methods from the one that needs fewest bits; null is a figure or an interval that there is not."""
    document = {
        "schema": 1,
        "kind": "report",
        "title": title,
        "anchor": anchor.name,
        "metric": anchor.curve.metric,
        "pictures": fewest_pictures(methods),
        "bootstrap": described(bootstrap_of(methods)),
        "comparisons": [_comparison(standing) for standing in standings if standing.full],
    }
    return json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"


def _comparison(standing: Standing) -> dict[str, Any]:
    sure = standing.certainty
    found: dict[str, Any] = {"method": standing.method.name, "verdict": sure.verdict if sure else ""}
    if standing.full:
        intervals = (sure.rate, sure.accuracy) if sure else (None, None)
        found["every_byte"] = _figures(standing.full, *intervals)
    if standing.rhee2022:
        found["rhee2022"] = _figures(standing.rhee2022, sure.rhee2022 if sure else None, None)
    return found


def _figures(comparison: Comparison, rate: Interval | None, accuracy: Interval | None) -> dict[str, Any]:
    return {
        "bd_rate_pchip": comparison.rate_pchip,
        "bd_rate_pchip_interval": rate.ends() if rate else None,
        "bd_rate_cubic": comparison.rate_cubic,
        "bd_accuracy_pchip": comparison.accuracy_pchip,
        "bd_accuracy_pchip_interval": accuracy.ends() if accuracy else None,
        "bd_accuracy_cubic": comparison.accuracy_cubic,
        "overlap": comparison.overlap,
        "resamples_without_bd_rate": rate.without if rate else None,
    }
