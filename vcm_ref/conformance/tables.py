"""Vectors and comparisons as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .manifest import Vector

if TYPE_CHECKING:  # lists need no numpy
    from .compare import Comparison, TensorComparison


def vectors_table(vectors: Sequence[Vector]) -> str:
    """A row for each vector."""
    from tabulate import tabulate

    headers = ("id", "kind", "profile", "level", "inner codec", "bytes", "features")
    rows = [
        (
            vector.id,
            vector.kind,
            vector.profile or "–",
            "–" if vector.level is None else str(vector.level),
            vector.inner_codec or "–",
            str(vector.bitstream.size),
            " ".join(vector.features),
        )
        for vector in vectors
    ]
    align = ("left", "left", "left", "right", "left", "right", "left")
    return tabulate(rows, headers, disable_numparse=True, colalign=align)


def comparison_table(found: Comparison) -> str:
    """A row for each tensor; under it what else differs."""
    from tabulate import tabulate

    headers = ("tensor", "samples", "differ", "largest", "in ULP", "first", "values", "")
    align = ("left", "right", "right", "right", "right", "left", "left", "left")
    table = tabulate([_row(tensor) for tensor in found.tensors], headers, disable_numparse=True, colalign=align)
    return "\n".join([table, *found.remarks]) if found.tensors else "\n".join(found.remarks)


def _row(tensor: TensorComparison) -> list[str]:
    remarks = [f"{tensor.not_numbers} without a difference (NaN)"] if tensor.not_numbers else []
    if tensor.remark:
        remarks.append(tensor.remark)
    start = [tensor.name, str(tensor.samples), str(tensor.different)]
    if tensor.first is None or tensor.values is None:
        return [*start, "", "", "", "", "; ".join(remarks)]
    ulp = "" if tensor.largest_ulp is None else str(tensor.largest_ulp)
    first = ", ".join(map(str, tensor.first))
    values = " ".join(f"{value:.9g}" for value in tensor.values)  # nine digits tell any two float32 apart
    return [*start, f"{tensor.largest:g}", ulp, first, values, "; ".join(remarks)]
