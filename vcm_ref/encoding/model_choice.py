"""A configuration whose model is named by its SHA-256, so that nothing depends on where it was found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ..configuration import Configuration
from ..configuration.sections import WITH_MODEL, Training
from ..errors import ModelError, NetworkError
from ..models.choice import named_model, shipped_model
from ..models.tensors import read_metadata
from ..network import layer_files, weights_files
from ..network.weights_files import files_digest


def with_model(configuration: Configuration, network: Mapping[str, Any] | None = None) -> Configuration:
    """``configuration`` with ``reduction.model_sha256``, where its reduction needs a model.

    It is that of ``reduction.model``, or of the model shipped for the network: the configuration's, unless ``network``
    has another's name and options. Raises :class:`~vcm_ref.errors.ConfigError`.
    """
    method = configuration.get("reduction.method", "none")
    if method not in WITH_MODEL:
        return configuration
    path, digest = (configuration.get(f"reduction.{key}") for key in ("model", "model_sha256"))
    try:
        if path is not None or digest is not None:
            digest = hashlib.sha256(named_model(path, digest)).hexdigest()
        else:
            digest = shipped_digest(configuration, method, network)
    except (ModelError, NetworkError) as error:
        raise configuration.error("reduction.model", str(error)) from error
    return configuration.replaced("reduction.model_sha256", digest)


def shipped_digest(configuration: Configuration, method: str, network: Mapping[str, Any] | None = None) -> str:
    """The SHA-256 of the model shipped for a method and the network, as in :func:`with_model`.

    Raises :class:`~vcm_ref.errors.ModelError` where there is none, :class:`~vcm_ref.errors.NetworkError` where the
    network's weights are not there.
    """
    options = dict(network or configuration.get("network"))
    name = options.pop("name")
    found = layer_files(name, options)
    sha256, cut = files_digest(found) if found else "", options.get("cut")
    if method != "network":
        return shipped_model(method, name, sha256, cut=cut)
    training = configuration.coding.training or Training()
    direction = training.direction if training.architecture == "msfc" else ""
    return shipped_model(method, name, sha256, training.architecture, direction, cut, training.placed)


def cut_tensors(options: Mapping[str, Any]) -> list[str]:
    """The tensors at which a network's options cut its graph, in order; none where it has no such option."""
    cut = options.get("cut") or ()
    return list(cut.values() if isinstance(cut, Mapping) else cut)


def check_trained_for(configuration: Configuration) -> None:
    """Refuse a trained network for the layers of another task network than the configuration's.

    The model's record names the network that it was trained for, and where that was cut. What it restores makes sense
    to that one alone. Raises :class:`~vcm_ref.errors.ConfigError`; :class:`~vcm_ref.errors.NetworkError` where the
    network's files are not there.
    """
    path, digest = (configuration.get(f"reduction.{key}") for key in ("model", "model_sha256"))
    if configuration.get("reduction.method", "none") != "network" or (path, digest) == (None, None):
        return
    try:
        record = read_metadata(named_model(path, digest))
    except ModelError as error:
        raise configuration.error("reduction.model", str(error)) from error
    trained = record.get("network_sha256")
    options = dict(configuration.get("network"))
    name = options.pop("name")
    own = {files_digest(files) for files in (layer_files(name, options), weights_files(name, options)) if files}
    if trained and own and trained not in own:
        raise configuration.error(
            "reduction.model",
            f"was trained for the network {record.get('network', '')[:100]} whose weights are {trained[:16]}…, and "
            f"these layers are those of {name} with other weights; train one with vcm_train",
        )
    cut, wanted = ", ".join(cut_tensors(options)), record.get("network_cut")
    if wanted and cut and cut != wanted:
        raise configuration.error(
            "reduction.model",
            f"was trained for the network {record.get('network', '')[:100]} cut at {wanted[:200]}, and these layers "
            f"are of the cut at {cut[:200]}; train one with vcm_train",
        )
