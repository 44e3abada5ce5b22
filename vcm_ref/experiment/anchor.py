"""Anchor files: a method's rate–accuracy points, with everything needed to make them again.

``anchor.schema.json`` says what is in one. Bitstreams are no part of it; where they are kept, they are in the folder of
the anchor's name, ``qp37/picture.bin``, and the digests in the anchor are theirs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..bitstream.elements import Part
from ..errors import DatasetError
from ..files.atomic import atomic_file, atomic_folder
from ..files.document import Document, check, load
from ..files.schema import packaged
from ..network.training import KEYS
from ..reporting.provenance import versions
from ..reporting.report import kilobits_a_second
from ..task.dataset import ImageId
from ..task.tally_file import write_tallies
from .bootstrap import Bootstrap
from .method import Method, Subject
from .naming import environment
from .records import Record
from .stage_cost import mean_cost
from .store import Store
from .sweep import Measured, Outcome
from .trained import training_record
from .uncertainty import UNCOMPRESSED, add_intervals, point_name, resampled, tallies_path

SCHEMA = "anchor.schema.json"
KIND = "anchor"
#: What may differ where another machine makes the anchor again: T1 digests not at all; the metrics this much, from 0 to
#: 1, for a network's floats differ between machine types.
TOLERANCE = {"t1": 0, "metrics": 0.001}
#: The metric that a curve shows, by the first of these that there is.
_MAIN_METRICS = ("AP", "mAP", "mAP50", "top1", "agreement")


def anchor_document(outcome: Outcome, method: Method) -> Record:
    """The anchor that an outcome has for one of its methods, checked against the schema."""
    sweep = outcome.sweep
    uncompressed = outcome.uncompressed
    measured = {qp: outcome.points[method.name, qp] for qp in method.qps}
    document = {
        "schema": 1,
        "kind": "anchor",
        "name": method.name,
        "method": method.kind,
        "main_metric": main_metric(uncompressed.metrics),
        "configuration": method.describe(),
        "inner_codec": method.inner_codec(),
        "data": {
            "name": sweep.dataset.name,
            "sha256": sweep.dataset.digest(),
            "pictures": len(outcome.subjects),
            **({} if sweep.dataset.frame_rate is None else {"frame_rate": str(sweep.dataset.frame_rate)}),
        },
        "network": {
            "name": sweep.network,
            "options": _plain_options(sweep.network_options),
            "layers": outcome.network["layers"],
            **{key: value for key, value in outcome.network["description"].items() if key != "network"},
        },
        "labels": Path(sweep.labels).name,
        "versions": versions(),
        "code": environment(),
        "tolerance": TOLERANCE,
        "problems": list(sweep.problems),
        "uncompressed": {"metrics": uncompressed.metrics, "failed": _failed(uncompressed)},
        "pictures": [_picture(subject, uncompressed) for subject in outcome.subjects],
        "points": [
            _point(qp, point, method, uncompressed, sweep.dataset.frame_rate)
            for qp, point in measured.items()
            if point.records
        ],
        "failed_points": [{"qp": qp, "failed": _failed(point)} for qp, point in measured.items() if not point.records],
    }
    document["training"] = training_record(sweep.network, sweep.network_options, method, outcome.subjects)
    if outcome.cost:
        document["cost"] = outcome.cost
    check_anchor(document, method.name)
    return document


def write_measured(path: Path, outcome: Outcome, method: Method, bootstrap: Bootstrap) -> Record:
    """Write the anchor of one method with its intervals, and first, beside it, the file of its tallies.

    Over a sequence, intervals are from blocks of pictures, in whole groups of all methods of the sweep. Returns the
    anchor.
    """
    document = anchor_document(outcome, method)
    groups = [one.group for one in outcome.sweep.methods]
    bootstrap = bootstrap.over_time(outcome.sweep.dataset.frame_rate, groups)
    tallies = {UNCOMPRESSED: outcome.uncompressed.tally()}
    tallies |= {
        point_name(point["qp"]): outcome.points[method.name, point["qp"]].tally() for point in document["points"]
    }
    if all(tallies.values()):
        beside = tallies_path(path)
        with atomic_file(beside) as file:
            document["tallies"] = {"file": beside.name, "sha256": write_tallies(file, tallies)}
        if bootstrap.makes_intervals(len(document["pictures"])):
            add_intervals(document, resampled(document, tallies, bootstrap))
    write_anchor(path, document)
    return document


def write_anchor(path: Path, document: Record) -> None:
    """Write an anchor file, a line for each picture of a point."""
    with atomic_file(path) as file:
        file.write(_text(document).encode())


def read_anchor(path: Path) -> Record:
    """An anchor file. Raises :class:`DatasetError` for a file that is not one."""
    document = load(path, "json", error=DatasetError)
    if not isinstance(document.value, dict) or document.value.get("kind") != KIND:
        raise DatasetError(f'{path}: is not an anchor file: its "kind" is not {KIND!r}')
    check(document, packaged(__package__, SCHEMA), DatasetError)
    return dict(document.value)


def check_anchor(document: Any, what: str) -> None:
    """:class:`DatasetError` where a document, named ``what`` in the message, does not fit the schema."""
    check(Document(what, document), packaged(__package__, SCHEMA), DatasetError)


def write_bitstreams(folder: Path, outcome: Outcome, method: Method, store: Store) -> None:
    """Write all bitstreams of a method into a new folder, ``qp37/picture.bin``; a group's is named as its first one."""
    names = bitstream_names({subject.id: subject.file.name for subject in outcome.subjects})
    with atomic_folder(folder) as made:
        for qp in method.qps:
            (made / f"qp{qp}").mkdir()
            for subject in outcome.subjects:
                leads = subject.place % method.group == 0
                if leads and subject.id in outcome.points[method.name, qp].records:
                    path = made / f"qp{qp}" / names[subject.id]
                    path.write_bytes(method.bitstream(subject, qp, store))


def bitstream_names(files: Mapping[ImageId, str]) -> dict[ImageId, str]:
    """The name of each picture's bitstream: its file's; its id, with %2F for /, where two files have the same name."""
    stems = {image_id: Path(file).stem for image_id, file in files.items()}
    if len(set(stems.values())) < len(stems):
        stems = {key: quote(str(key), safe=" ") for key in stems}
    return {key: f"{stem}.bin" for key, stem in stems.items()}


def main_metric(metrics: Mapping[str, float]) -> str:
    """The metric by which methods are compared, unless another is asked for."""
    return next((name for name in _MAIN_METRICS if name in metrics), next(iter(metrics)))


def rate(records: Iterable[Record], shared_bytes: int = 0, frame_rate: Fraction | None = None) -> Record:
    """BPP as a ratio of sums: every byte of the bitstreams, and the papers' own accountings, over the pixels.

    Han et al.'s is there where every record has it. ``shared_bytes`` is the size of a bitstream of all the pictures,
    whose records then have no bytes of their own. What several pictures share counts as headers. With the
    ``frame_rate`` of a sequence, kbit/s stands beside bpp.
    """
    bits: Counter[str] = Counter()
    total, pixels, rhee2022_bits, pictures = shared_bytes, 0, 0, 0
    plain: list[int | None] = []
    for record in records:
        pictures += 1
        bits.update(record["bits"])
        total += record["bytes"]
        rhee2022_bits += record["rhee2022_bits"]
        plain.append(record.get("han2022_bits"))
        pixels += record["height"] * record["width"]
    if shared_bytes:
        bits[Part.HEADER.value] += 8 * total - sum(bits.values())
    known = [bits for bits in plain if bits is not None]
    return {
        "bpp": 8 * total / pixels,
        **({} if frame_rate is None else {"kbit_per_s": kilobits_a_second(8 * total, pictures / frame_rate)}),
        "rhee2022_bpp": rhee2022_bits / pixels,
        **({"han2022_bpp": sum(known) / pixels} if len(known) == len(plain) else {}),
        "bytes": total,
        "pixels": pixels,
        "bits": dict(bits),
    }


def _point(
    qp: int, point: Measured, method: Method, uncompressed: Measured, frame_rate: Fraction | None = None
) -> Record:
    seconds: Counter[str] = Counter()
    for image_id, record in point.records.items():
        if method.kind == "features":
            seconds["extract"] += uncompressed.records.get(image_id, {}).get("seconds", {}).get("extract", 0.0)
        seconds.update(record["seconds"])
    kept = ("bytes", "sha256", "bits", "rhee2022_bits", "han2022_bits", "t1", "result_sha256")
    pictures = [
        {"id": image_id, **{key: record[key] for key in kept if key in record}}
        for image_id, record in point.records.items()
    ]
    cost = mean_cost(point.records.values())
    return {
        "qp": qp,
        **rate(point.records.values(), frame_rate=frame_rate),
        "metrics": point.metrics,
        "seconds": dict(seconds),
        **({"cost": cost} if cost else {}),
        "pictures": pictures,
        "failed": _failed(point),
    }


def _picture(subject: Subject, uncompressed: Measured) -> Record:
    found = uncompressed.records.get(subject.id, {})
    record = {"id": subject.id, "file": subject.file.name, "sha256": subject.sha256}
    return {**record, **{key: found[key] for key in ("height", "width", "result_sha256") if key in found}}


def _failed(point: Measured) -> list[Record]:
    return [{"id": failure.image_id, "error": failure.message} for failure in point.failures]


def _plain_options(options: Mapping[str, Any]) -> Record:
    """The network's options, as JSON has them, without where on this machine its weights are."""
    kept = {key: value for key, value in options.items() if key not in KEYS}  # "training" says these
    plain = {key: Path(str(value)).name if key == "weights" else value for key, value in kept.items()}
    return dict(json.loads(json.dumps(plain)))  # the ids of classes become text


def _text(document: Record) -> str:
    """JSON with short lists and mappings on a line each: readable, and small differences stay small in a diff."""

    def written(value: Any, indent: str) -> str:
        line = json.dumps(value, allow_nan=False)
        if len(line) + len(indent) <= 120 or not isinstance(value, (dict, list)) or _is_picture(value):
            return line
        inner = indent + " "
        if isinstance(value, list):
            return "[\n" + ",\n".join(inner + written(entry, inner) for entry in value) + f"\n{indent}]"
        pairs = (f"{inner}{json.dumps(key)}: {written(entry, inner)}" for key, entry in value.items())
        return "{\n" + ",\n".join(pairs) + f"\n{indent}}}"

    return written(document, "") + "\n"


def _is_picture(value: Any) -> bool:
    return isinstance(value, dict) and "sha256" in value and "id" in value
