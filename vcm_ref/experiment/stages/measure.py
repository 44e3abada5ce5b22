"""Metrics over the results of a network."""

from __future__ import annotations

from collections.abc import Mapping

from ...task.dataset import Dataset, ImageId
from ...task.tally import Tally
from ..records import Record
from ..results import Results


def measure(
    dataset: Dataset,
    labels: str,
    classes: Mapping[int, str],
    records: Mapping[ImageId, Record],
    results: Mapping[ImageId, Record],
) -> tuple[dict[str, float], Tally]:
    """The data set's metrics, by name, and what each picture adds to them.

    ``classes`` names the network's labels, ``labels`` says how they become the data set's
    (:func:`~vcm_ref.experiment.results.label_table`). ``records`` has each picture's height and width, in pixels,
    ``results`` what the network found (:func:`~vcm_ref.experiment.records.to_record`). Raises
    :class:`~vcm_ref.errors.DatasetError` where these results cannot be measured.
    """
    sizes = {image_id: (record["height"], record["width"]) for image_id, record in records.items()}
    return dataset.tallied(Results(results, dataset, classes, labels), sizes)
