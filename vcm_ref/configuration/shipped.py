"""The configurations that come with the package: the folder ``cfg``, which a wheel has as ``vcm_ref/cfg``."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from ..errors import ConfigError

_PACKAGE = Path(__file__).parents[1]
#: In a wheel, and in the source tree, from which an editable installation runs.
_FOLDERS = (_PACKAGE / "cfg", _PACKAGE.parent / "cfg")


def configs() -> list[str]:
    """The names of the shipped configurations, as ``-c`` takes them: ``fframe``, ``networks/yolox_nano`` …"""
    folder = _folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def find_configuration(name: str | Path, folder: Path | None = None) -> Path:
    """The file of a configuration: the path ``name``, in ``folder``, or else the shipped one of that name.

    Raises :class:`~vcm_ref.errors.ConfigError` if neither exists.
    """
    path = Path(name) if folder is None else folder / name
    if os.path.isfile(path) or (os.path.exists(path) and str(name) not in configs()):
        return path
    known = configs()
    if str(name) in known:
        return _folder() / f"{name}.yaml"
    near = get_close_matches(Path(name).stem, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"{path}: cannot be read: No such file, and no shipped configuration has that name{meant}")


def _folder() -> Path:
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
