"""The configuration: a dataclass with defaults for each stage, and YAML files laid over them in layers.

``sections`` has every key, ``layers`` reads files and ``--set``, ``checked`` is the result, ``shipped`` finds the
configurations that come with the package. The JSON Schema is made of the dataclasses; none is stored.
"""

from .checked import ALL_OTHERS, Configuration, parse_grid, parse_size
from .layers import NO_PATHS, load_configuration
from .sections import Coding, Everything, Files
from .shipped import configs, find_configuration

__all__ = [
    "ALL_OTHERS",
    "NO_PATHS",
    "Coding",
    "Configuration",
    "Everything",
    "Files",
    "configs",
    "find_configuration",
    "load_configuration",
    "parse_grid",
    "parse_size",
]
