"""The record in a model: what it was trained on, and with what. No decoder needs it."""

from __future__ import annotations

import json
from pathlib import Path

from ..configuration import Configuration
from ..encoding.model_choice import cut_tensors
from ..experiment.records import Record
from ..models.pictures import list_digest
from ..network import layer_files
from ..network.weights_files import files_digest
from ..reporting.provenance import file_digest, versions
from .job import Job

#: Versions that have a part in a model's numbers.
_VERSIONS = ("vcm_ref", "numpy", "torch", "torchvision", "onnxruntime")


def record_of(configuration: Configuration, inputs: list[Path], data: Record) -> Record:
    """The network and the data, by name and digest; ``data`` has the data set's name and digest, where it is one.

    The network's digest is over the files that its layers come from, which are all that a model fits or does not fit.
    """
    options = dict(configuration.get("network"))
    name = options.pop("name")
    files = layer_files(name, options)
    return {
        "network": {"name": name, "sha256": files_digest(files) if files else "", "cut": cut_tensors(options)},
        "data": data,
        "pictures": {"count": len(inputs), "sha256": [file_digest(path) for path in inputs]},
    }


def metadata(job: Job) -> dict[str, str]:
    """The job's record as the metadata of a model, whose values are texts."""
    pictures = job.record["pictures"]
    found = versions()
    return {
        "method": str(job.configuration.get("reduction.method")),
        "network": job.record["network"]["name"],
        "network_sha256": job.record["network"]["sha256"],
        **({"network_cut": ", ".join(cut)} if (cut := job.record["network"].get("cut")) else {}),
        "data": job.record["data"].get("name", ""),
        "data_sha256": job.record["data"].get("sha256", ""),
        "pictures": str(pictures["count"]),
        "pictures_sha256": list_digest(pictures["sha256"]),
        "versions": json.dumps({name: found[name] for name in _VERSIONS if name in found}, sort_keys=True),
    }
