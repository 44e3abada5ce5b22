"""What the tests of cross-checks share: an anchor with its bitstreams, changes to them, and a cross-check in here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from vcm_ref.experiment.anchor import anchor_document, write_anchor, write_bitstreams
from vcm_ref.experiment.crosscheck import (
    DEPTHS,
    Findings,
    Plan,
    machine_of,
    rebuilt_labels,
    rebuilt_method,
    rebuilt_network,
)
from vcm_ref.experiment.crosscheck.check import crosscheck
from vcm_ref.experiment.method import Method
from vcm_ref.experiment.records import Record
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import run_sweep
from vcm_ref.task.dataset import load_dataset

from .small_sweep import Here, method, sweep_of, write_all

#: An anchor that takes no time, one of VVC, and one of pictures coded themselves: its methods by name.
METHODS: dict[str, Callable[[Path], Method]] = {
    "lossless": lambda folder: method(folder, "lossless", 22, 32, order__method="mean"),
    "vvc": lambda folder: method(folder, "vvc", 32, codec__name="vvenc", codec__preset="faster"),
    "image": lambda folder: method(
        folder, "image", 40, picture={"scale": 50}, codec={"name": "vvenc", "preset": "faster", "qp": 1, "mode": "AI"}
    ),
}


def made_anchor(folder: Path, name: str) -> Path:
    """Data, network and an anchor with its bitstreams in ``folder``; returns the anchor's path."""
    shutil.copytree(_made(folder.parent, name), folder, dirs_exist_ok=True)
    return folder / f"{name}.json"


@cache
def _made(parent: Path, name: str) -> Path:
    folder = parent / f"made_{name}"
    folder.mkdir()
    write_all(folder)
    chosen = METHODS[name](folder)
    with Store(parent / f"store_{name}") as store:
        outcome = run_sweep(sweep_of(folder, chosen), store, Here())
        write_anchor(folder / f"{name}.json", anchor_document(outcome, chosen))
        write_bitstreams(folder / name, outcome, chosen, store)
    return folder


def edited(path: Path, change: Callable[[Record], None]) -> None:
    """Change an anchor's file."""
    anchor = json.loads(path.read_text())
    change(anchor)
    path.write_text(json.dumps(anchor))


def flip(path: Path, place: int, bit: int = 0x10) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= bit
    path.write_bytes(content)


def change_one_weight(path: Path) -> None:
    """Add a little to one weight of an exported network."""
    model = onnx.load(path)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "c3_sum.w")
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] += 0.5
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, path)


def checked(anchor_file: Path, *depths: str, here: Here | None = None, **plan: Any) -> Findings:
    """Cross-check in this process; ``plan`` may have pictures, qps, folder, and the name of the data set's file."""
    anchor = json.loads(anchor_file.read_text())
    place = anchor_file.parent
    machine = machine_of([], place / "small.onnx")
    qps = plan.pop("qps", [point["qp"] for point in anchor["points"]])
    asked = Plan(
        anchor,
        rebuilt_method(anchor, qps, machine, "auto"),
        load_dataset(place / plan.pop("data", "data.json")),
        rebuilt_network(anchor, machine)[1],
        rebuilt_labels(anchor, None),
        depths or DEPTHS,
        **{"folder": anchor_file.with_suffix(""), **plan},
    )
    store = place / f"store{len(list(place.iterdir()))}"
    with Store(store, keeps_features=False) as opened:
        return crosscheck(asked, here or Here(), opened)


def levels(findings: Findings) -> dict[str, dict[str, str]]:
    """The level of each aspect."""
    sections = findings.sections().items()
    return {name: {key: aspect.level for key, aspect in section.aspects.items()} for name, section in sections}


def told(findings: Findings) -> str:
    """All differences with their details, a line each."""
    return "\n".join(line for difference in findings.differences() for line in (difference.text, *difference.details))
