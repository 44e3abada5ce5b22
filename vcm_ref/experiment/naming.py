"""Names of tasks: the digest of all that determines a task's result.

That is the task's input, itself by name; the settings; the code of the stage, which is all that its module imports; and
the versions of the packages that this code calls. Settings that only change how long it takes, and on which machine it
is done, are not in it (:func:`shaping`).
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..configuration import NO_PATHS
from ..configuration.options import shaping as declared_shaping
from ..configuration.sections import Everything, Network
from ..network import weights_files
from ..network.weights_files import files_digest
from ..reporting.provenance import file_digest
from .imports import code_of
from .records import AS_STORED

_PACKAGE = Path(__file__).parents[1]
STAGES = ("extract", "code", "analyse", "measure")
"""The stages, each a module of :mod:`vcm_ref.experiment.stages`."""
_IN_FEATURES = ("network", "apply_exif_orientation")
"""The parts of a configuration that shape the features, whose name is a part of what is made of them."""
_WITHOUT_EFFECT = ("jsonschema", "psutil", "tabulate", "tqdm", "yaml")
"""The packages that check, watch or show, and shape no result."""
_CALLED = {"PIL": "pillow", "yaml": "PyYAML"}  # those that are looked for by another name; the rest is found, slowly


def task_name(stage: str, *modules: str, **determined_by: Any) -> str:
    """SHA-256, in hexadecimal, over ``determined_by`` as JSON, the stage, and what the stage is made of.

    ``modules`` are those that have a part in it beside the stage's own.
    """
    return json_digest({"stage": stage, "made_of": made_of(stage, *modules), **determined_by})


def json_digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a value as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def shaping(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an effective configuration that shapes a bitstream.

    That is everything but the options that are declared to shape no result (``shapes=False`` in
    :mod:`~vcm_ref.configuration.sections`), and the parts that are in the name of the features.
    """
    return {key: value for key, value in declared_shaping(Everything, dict(tree)).items() if key not in _IN_FEATURES}


@cache
def made_of(stage: str, *modules: str) -> str:
    """A digest of the code and of the packages' versions that a stage is made of, and of the kind of machine."""
    code = code_of((_module(stage), *modules), _PACKAGE)
    digests = [[path.relative_to(_PACKAGE).as_posix(), file_digest(path)] for path in code.files]
    packages = {name: _version(name) for name in code.packages if name not in _WITHOUT_EFFECT}
    return json_digest({"code": digests, "packages": packages, "machine": [platform.machine(), sys.platform]})


def _module(stage: str) -> str:
    return f"{_PACKAGE.name}.experiment.stages.{stage}"


def environment() -> dict[str, str]:
    """The digest of each stage on this machine; workers elsewhere must have the same."""
    return {stage: made_of(stage) for stage in STAGES}


@cache
def _version(package: str) -> str | None:
    """The version of an installed package by the name that it is imported by; None where it is not installed."""
    try:
        return version(_CALLED.get(package, package))
    except PackageNotFoundError:
        if find_spec(package) is None:
            return None
        names = packages_distributions().get(package, [])
        return json.dumps({name: version(name) for name in sorted(names)}) or "not known"


def network_name(name: str, options: Mapping[str, Any], upright: bool = True) -> str:
    """The name of a network: what it is called, its options, and all its files by content. Loads no network.

    ``upright`` says whether its pictures are turned as their Exif orientation says.
    """
    given = {key: _in_order(value) for key, value in declared_shaping(Network, dict(options)).items()}
    files = weights_files(name, options)
    if files and str(options.get("weights")) not in NO_PATHS:
        given["weights"] = Path(str(options.get("weights"))).name
    as_stored = {} if upright else {"exif_orientation": AS_STORED}
    digest = files_digest(files) if files else ""
    return task_name("extract", network=name, options=given, files=digest, **as_stored)


def _in_order(value: Any) -> Any:
    """A mapping as a list of pairs: its order says which layer is coded first, which of the outputs is which class."""
    return [[key, _in_order(entry)] for key, entry in value.items()] if isinstance(value, Mapping) else value
