"""What the network and the models of a method were trained on, and which test pictures are among it, by digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files.document import parse
from ..models.choice import named_model
from ..models.pictures import list_digest, listed_pictures
from ..models.tensors import read_metadata
from ..network.training import trained_on, training_pictures
from .method import FeatureMethod, Method, Subject
from .records import Record


def training_record(
    network: str, options: Mapping[str, Any], method: Method, subjects: Sequence[Subject]
) -> list[Record]:
    """An entry for the network, and one for each model: what it is, its name, its data, and the overlap.

    ``data`` is empty where it is not known. ``overlap`` lists the ids of test pictures that it was trained on, and is
    null where the training pictures are not known. Raises :class:`~vcm_ref.errors.NetworkError` for a list of training
    pictures that cannot be read.
    """
    known = training_pictures(options)
    entries = [_entry("network", network, trained_on(network, options), known, subjects)]
    tree = method.tree if isinstance(method, FeatureMethod) else {}
    reduction = tree.get("reduction") or {}
    if digest := reduction.get("model_sha256"):
        entries.append(_of_model(digest, reduction.get("model"), subjects))
    return entries


def _of_model(digest: str, path: str | None, subjects: Sequence[Subject]) -> Record:
    """A model's entry, from the record in it; a record that cannot be read says nothing.

    Its ``picture_sha256`` lists the training pictures. Where it has ``pictures_sha256`` alone, the digest of the list,
    the list is looked for (:mod:`~vcm_ref.models.pictures`); without it, an overlap is only known where the test
    pictures are that list.
    """
    try:
        metadata = read_metadata(named_model(path, digest))
    except ModelError:  # whoever codes with it has told what is wrong with it
        metadata = {}
    known: frozenset[str] | None = None
    if "picture_sha256" in metadata:
        known = _listed(metadata["picture_sha256"])
    elif named := metadata.get("pictures_sha256"):
        known = listed_pictures(named, None if path is None else Path(path))
        if known is None and named == list_digest(subject.sha256 for subject in subjects):
            known = frozenset(subject.sha256 for subject in subjects)
    said = [metadata.get("data", ""), f"{metadata['pictures']} pictures" if "pictures" in metadata else ""]
    return _entry("model", digest, ", ".join(filter(None, said)), known, subjects)


def _listed(text: str) -> frozenset[str] | None:
    """The training pictures in a model's record; None where the record does not hold a JSON list of texts."""
    try:
        listed = parse(text, "picture_sha256", "json", error=ModelError).value
    except ModelError:
        return None
    sound = isinstance(listed, list) and all(isinstance(one, str) for one in listed)
    return frozenset(listed) if sound else None


def _entry(what: str, name: str, data: str, known: frozenset[str] | None, subjects: Sequence[Subject]) -> Record:
    overlap = None if known is None else [subject.id for subject in subjects if subject.sha256 in known]
    return {"what": what, "name": name, "data": data, "overlap": overlap}
