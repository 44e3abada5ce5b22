"""The document that the report over combinations of grids is made of (``report/combinations.schema.json``)."""

from __future__ import annotations

from typing import Any

from .anchor import main_metric, rate
from .records import Record
from .report.combinations_certainty import tally_name
from .sweep import Outcome
from .sweep_file import SweepFile
from .trained import training_record


def combinations_document(file: SweepFile, outcome: Outcome, screened: int = 0) -> tuple[Record, dict[str, bytes]]:
    """The document and the tallies of its points, of a sweep whose file has combinations.

    ``screened`` is the number of combinations from which those of the file were chosen, 0 for all.
    """
    combinations, sweep = file.combinations, outcome.sweep
    assert combinations is not None
    sizes = outcome.uncompressed.records
    subjects = [subject for subject in outcome.subjects if subject.id in sizes]
    coded = next(method for method in sweep.methods if method.name in combinations.of)
    tallies: dict[str, bytes] = {}
    points: list[dict[str, Any]] = []
    for (name, qp), measurement in outcome.points.items():
        if name in combinations.of and measurement.records:
            found = rate(measurement.records.values())
            points.append(
                {
                    "grids": list(combinations.of[name]),
                    "qp": qp,
                    "bpp": found["bpp"],
                    "rhee2022_bpp": found["rhee2022_bpp"],
                    "metrics": measurement.metrics,
                    "pictures": len(measurement.records),
                    "failed": len(measurement.failures),
                    "coded": [_coded(measurement.records.get(subject.id)) for subject in subjects],
                }
            )
            if (tally := measurement.tally()) and sweep.dataset.frame_rate is None:  # else pictures are like each other
                tallies[tally_name(combinations.of[name], qp)] = tally
    document = {
        "schema": 1,
        "kind": "combinations",
        "name": file.title,
        "layers": list(combinations.layers),
        "grids": list(combinations.grids),
        "main_metric": file.metric or main_metric(outcome.uncompressed.metrics),
        "data": {"name": sweep.dataset.name, "sha256": sweep.dataset.digest(), "pictures": len(outcome.subjects)},
        "network": {"name": sweep.network, **outcome.network["description"]},
        "training": training_record(sweep.network, sweep.network_options, coded, outcome.subjects),
        "problems": list(sweep.problems),
        "uncompressed": {"metrics": outcome.uncompressed.metrics},
        "coded_pictures": [
            {
                "id": subject.id,
                "file": subject.file.name,
                "sha256": subject.sha256,
                **{side: sizes[subject.id][side] for side in ("height", "width")},
            }
            for subject in subjects
        ],
        "points": points,
    }
    if screened and combinations.screening is not None:
        document["screening"] = {"combinations": screened, **combinations.screening._asdict()}
    return document, tallies


def _coded(record: Record | None) -> list[int] | None:
    """The bytes of a picture, and its bits in Rhee et al.'s accounting."""
    return None if record is None else [record["bytes"], record["rhee2022_bits"]]
