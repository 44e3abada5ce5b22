"""Which network continues after the decoder: the command line's, the record's, or refnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..configuration import load_configuration
from ..errors import ConfigError, NetworkError
from ..network import Network, load_network
from .record import Record

DEFAULT = {"name": "refnet"}
_SCENES = "trained on drawn scenes of simple shapes, not on photographs"
_TRAINED_ON = {
    "refnet": _SCENES,
    "refnet_mask": _SCENES,
}


class NetworkChoice(NamedTuple):
    """A network's options, who named it, and the digests of the files that made the features, where known."""

    options: dict[str, Any]
    named_by: str
    digests: Mapping[str, str] = MappingProxyType({})

    def load(self) -> Network:
        """Load the network. Raises :class:`NetworkError` where it cannot be, or has other weights than it should."""
        try:
            network = load_network(**self.options)
        except NetworkError as error:
            raise NetworkError(f"{error} (network named by {self.named_by})") from error
        own = network.describe()
        for key, digest in self.digests.items():
            if own.get(key, digest) != digest:
                raise NetworkError(
                    f"network {network.name}: {key} is {own[key][:16]}… here, but {digest[:16]}… when the features "
                    "were made; name those weights with --set network.weights=FILE"
                )
        return network

    def line(self) -> str:
        """A sentence that says which network it is, who named it, and what it was trained on if that is known."""
        name = self.options["name"]
        details = [str(self.options[key]) for key in ("model", "weights") if key in self.options]
        trained = [_TRAINED_ON[name]] if name in _TRAINED_ON and not details else []
        return f"network: {', '.join([' '.join([name, *details]), *trained])} (named by {self.named_by})"


def choose_network(configurations: Sequence[Path], settings: Sequence[str], record: Record | None) -> NetworkChoice:
    """The network that ``-c`` and ``--set`` name; without ``-c``, ``--set`` changes the record's, or else refnet.

    Raises :class:`ConfigError` for anything that is wrong with them.
    """
    if configurations:
        named_by = " ".join(f"-c {path}" for path in configurations)
        return NetworkChoice(_options(configurations, settings), named_by)
    if record is None:
        options: dict[str, Any] = DEFAULT
        named_by, digests = "default, as there is no record beside the bitstream", {}
    else:
        options, named_by, digests = record.network, str(record.path), record.network_digests
    if not settings:
        return NetworkChoice(_options([], [], options), named_by, digests)
    return NetworkChoice(_options([], settings, options), f"{named_by}, and --set")


def _options(
    configurations: Sequence[Path], settings: Sequence[str], recorded: dict[str, Any] | None = None
) -> dict[str, Any]:
    for setting in settings:
        if not setting.startswith("network"):
            raise ConfigError(f"--set {setting}: changes nothing here; only the network's options are used")
    given = [] if recorded is None else [("network", recorded)]
    configuration = load_configuration(configurations, [*given, *settings])
    options: dict[str, Any] = configuration.get("network")
    return options
