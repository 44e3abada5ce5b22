"""The suite and the adaptors that come with the package: the folder ``conformance``, in a wheel ``vcm_ref/suite``."""

from __future__ import annotations

from pathlib import Path

#: The suite's folder in a source tree, which goes before the shipped one.
HERE = Path("conformance")
_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "suite", _PACKAGE.parent / "conformance")


def shipped_suite() -> Path:
    """The folder of the suite that comes with the package."""
    return next((folder for folder in _FOLDERS if folder.is_dir()), HERE)


def find_suite() -> Path:
    """The folder ``conformance`` where the command is run, if it has a manifest; else the shipped suite."""
    return HERE if (HERE / "manifest.json").exists() else shipped_suite()


def adaptors() -> list[str]:
    """The names of the shipped adaptors."""
    return sorted(path.stem for path in (shipped_suite() / "decoders").glob("*.yaml"))


def find_adaptor(name: str | Path) -> Path:
    """The file ``name``, or else the shipped adaptor of that name."""
    if Path(name).exists() or str(name) not in adaptors():
        return Path(name)
    return shipped_suite() / "decoders" / f"{name}.yaml"
