"""Tallies as bytes: one tally in the safetensors format, and a file of an anchor's tallies, one for each point.

The file is a ZIP archive with a member for each point, ``uncompressed`` first, then ``qp22`` and so on. Its digest is
over the members' names and contents, so it does not depend on how they were compressed.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError
from vcm_ref.files.kind import check_kind
from vcm_ref.task.tally import Classified, Detected, Part, Tally

_DESCRIPTION = "description"
_MOST_BYTES = 2**31  # of all members of a file
_WIDTHS = (np.uint8, np.uint16, np.uint32)


def packed(tally: Tally) -> bytes:
    """A tally in the safetensors format; the same tally gives the same bytes."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {}
    parts = []
    for number, part in enumerate(tally.parts):
        described, own = _to_arrays(part)
        parts.append(described)
        arrays |= {f"{number}.{name}": np.ascontiguousarray(values) for name, values in own.items()}
    description = json.dumps({"pictures": list(tally.pictures), "parts": parts}, separators=(",", ":"))
    return save({_DESCRIPTION: np.frombuffer(description.encode(), np.uint8), **arrays})


def unpacked(data: bytes) -> Tally:
    """The inverse of :func:`packed`. Raises :class:`DatasetError` for bytes that are no tally."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        description = json.loads(arrays[_DESCRIPTION].tobytes())
        parts = tuple(_part(described, arrays, f"{n}.") for n, described in enumerate(description["parts"]))
        tally = Tally(tuple(description["pictures"]), parts)
        _check(tally)
    except (SafetensorError, KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise DatasetError(f"is not a tally: {type(error).__name__}: {error}") from error
    return tally


def write_tallies(file: BinaryIO, tallies: Mapping[str, bytes]) -> str:
    """Write packed tallies by the names of their points; returns the digest."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in tallies.items():
            member = zipfile.ZipInfo(name)  # with a fixed date
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return tallies_digest(tallies)


def tallies_digest(tallies: Mapping[str, bytes]) -> str:
    """SHA-256, in hexadecimal, over the names and the contents, each with its length."""
    digest = hashlib.sha256()
    for name, data in tallies.items():
        for part in (name.encode(), data):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def read_tallies(path: Path, sha256: str) -> dict[str, bytes]:
    """The packed tallies of a file. Raises :class:`DatasetError` where it is damaged or has another digest."""
    check_kind(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > _MOST_BYTES:
                raise DatasetError(f"{path}: holds more than {_MOST_BYTES} bytes, so it is not a file of tallies")
            tallies = {member.filename: archive.read(member) for member in members}
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DatasetError(f"{path}: cannot be read as a file of tallies: {error}") from error
    if tallies_digest(tallies) != sha256:
        raise DatasetError(f"{path}: is not the file that was written with the anchor: its digest differs")
    return tallies


def _to_arrays(part: Part) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if isinstance(part, Classified):
        return {"kind": "classified", "tops": list(part.tops)}, {"ranks": _narrow(part.ranks)}
    assert isinstance(part, Detected)
    described = {
        "kind": "detected",
        "rule": part.rule,
        "names": {name: list(criteria) for name, criteria in part.names.items()},
        "criteria": len(part.ranges),
    }
    arrays: dict[str, NDArray[Any]] = {
        "starts": part.starts,
        "pictures": _narrow(part.pictures),
        "tied": np.packbits(part.tied),
        "hits": np.packbits(part.hits, axis=1),
        "ignored": np.packbits(part.ignored, axis=1),
        "truth": _narrow(part.truth),
        "ranges": _narrow(part.ranges),
    }
    return described, arrays


def _part(described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Part:
    if described["kind"] == "classified":
        return Classified(arrays[f"{prefix}ranks"].astype(np.int64), tuple(described["tops"]))
    if described["kind"] != "detected" or described["rule"] not in ("coco", "area"):
        raise ValueError("a part of another kind")
    pictures = arrays[f"{prefix}pictures"].astype(np.int64)
    bits = {
        name: np.unpackbits(arrays[f"{prefix}{name}"], axis=1, count=described["criteria"]).astype(np.bool_)
        for name in ("hits", "ignored")
    }
    return Detected(
        rule=described["rule"],
        names={name: tuple(criteria) for name, criteria in described["names"].items()},
        starts=arrays[f"{prefix}starts"].astype(np.int64),
        pictures=pictures,
        tied=np.unpackbits(arrays[f"{prefix}tied"], count=len(pictures)).astype(np.bool_),
        truth=arrays[f"{prefix}truth"].astype(np.int64),
        ranges=arrays[f"{prefix}ranges"].astype(np.int64),
        **bits,
    )


def _check(tally: Tally) -> None:
    """ValueError where a number does not fit the others."""
    count = len(tally.pictures)
    for part in tally.parts:
        if isinstance(part, Classified):
            fits = part.ranks.shape == (count,) and all(type(top) is int for top in part.tops)
        else:
            assert isinstance(part, Detected)
            entries, criteria = len(part.pictures), len(part.ranges)
            fits = (
                part.pictures.ndim == part.starts.ndim == part.ranges.ndim == 1
                and len(part.starts) > 0
                and part.starts[0] == 0
                and part.starts[-1] == entries
                and bool((np.diff(part.starts) >= 0).all())
                and part.hits.shape == part.ignored.shape == (entries, criteria)
                and part.truth.ndim == 2
                and part.truth.shape[1] == 4
                and not part.tied[part.starts[:-1][part.starts[:-1] < entries]].any()
                and bool((part.pictures < count).all())
                and bool((part.truth[:, 2] < count).all())
                and all(0 <= one < criteria for of in part.names.values() for one in of)
            )
        if not fits:
            raise ValueError("its numbers do not fit together")


def _narrow(values: NDArray[np.int64]) -> NDArray[Any]:
    """Non-negative integers in the narrowest type that holds them."""
    most = int(values.max(initial=0))
    return values.astype(next(width for width in _WIDTHS if most <= np.iinfo(width).max))
