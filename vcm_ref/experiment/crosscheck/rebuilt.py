"""What an anchor's file says how to do: its method, its network and its labels, as they are run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...configuration import NO_PATHS, Configuration
from ...decoder import Backend
from ...errors import ConfigError
from ...files.document import parse
from ..method import Method
from ..method_choice import method_of
from ..records import AS_STORED, Record
from ..results import LABELS

_WEIGHTS = "network.weights"
#: The keys that tell of the machine; everything else is the anchor's.
MACHINE_KEYS = (_WEIGHTS, "codec.threads", "codec.time_limit")

_TIME_LIMIT = 3600  # seconds for one run of the inner codec, where nothing else is said


class Machine(NamedTuple):
    """What of this machine a method needs to know: the weights' file where one is named, threads and time limits."""

    weights: str | None
    codec: Record


def machine_of(settings: Sequence[str], weights: Path | None = None) -> Machine:
    """What ``key=value`` settings say. Raises :class:`ConfigError` for a key that is the anchor's to say."""
    found: Record = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in MACHINE_KEYS:
            allowed = ", ".join(MACHINE_KEYS)
            raise ConfigError(f"--set {setting}: the anchor states everything else; you can set only {allowed}")
        found[key] = text if key == _WEIGHTS else parse(text, f"--set {setting}", "yaml").value
    named = str(weights) if weights is not None else found.pop(_WEIGHTS, None)
    codec = {key.removeprefix("codec."): value for key, value in found.items() if key != _WEIGHTS}
    return Machine(named, codec)


def rebuilt_method(anchor: Record, qps: Sequence[int], machine: Machine, backend: Backend) -> Method:
    """The anchor's method at ``qps``. Raises :class:`ConfigError` where its configuration cannot be."""
    configuration = anchor["configuration"]
    try:
        codec = Configuration(configuration).tree["codec"]
        tree: Record = {
            **configuration,
            "network": {"name": anchor["network"]["name"]},
            "codec": {"time_limit": _TIME_LIMIT, **codec, **machine.codec},
        }
        return method_of(anchor["name"], Configuration(tree), qps, backend)
    except ConfigError as error:
        raise ConfigError(f"the anchor's configuration: {error}") from error


def rebuilt_network(anchor: Record, machine: Machine) -> tuple[str, dict[str, Any]]:
    """The network's name and options. Raises :class:`ConfigError` where nobody says where its weights are."""
    options = dict(anchor["network"]["options"])
    try:
        Configuration({"network": {**options, "name": anchor["network"]["name"]}})
    except ConfigError as error:
        raise ConfigError(f"the anchor's network: {error}") from error
    own = options.get("weights")
    if machine.weights is not None:
        if machine.weights not in NO_PATHS and not Path(machine.weights).is_file():
            raise ConfigError(f"--weights {machine.weights}: there is no such file")
        options["weights"] = machine.weights
    elif own is not None and own not in NO_PATHS:
        raise ConfigError(f"the anchor's network has the weights {own}: name this file with --weights")
    return anchor["network"]["name"], options


def rebuilt_upright(anchor: Record) -> bool:
    """Whether the anchor's pictures were turned as their Exif orientation says."""
    return bool(anchor["network"].get("exif_orientation") != AS_STORED)


def rebuilt_labels(anchor: Record, labels: str | None) -> str:
    """How the network's labels become the data set's: as the anchor says, by a file that only ``labels`` finds."""
    wanted = anchor["labels"]
    if wanted in LABELS:
        if labels not in (None, wanted):
            raise ConfigError(f"--labels {labels}: the anchor was made with labels {wanted}")
        return str(wanted)
    if labels is None or labels in LABELS:
        raise ConfigError(f"the anchor's labels are in the file {wanted}: name this file with --labels")
    return labels
