"""Two decoders' outputs, compared sample by sample.

Samples are the same where their bits are: so are the digests. For float32 that tells 0.0 from -0.0, and one NaN from
another, though no difference can be given for either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .decoded_files import T0, T1, T2
from .manifest import Vector
from .tensor_files import SUFFIXES, Layout, TensorFile, read_tensors

_BLOCK = 1 << 20  # samples looked at together


@dataclass
class TensorComparison:
    """One tensor of both outputs.

    Of ``samples`` samples ``different`` differ, ``not_numbers`` of these because one is a NaN or the difference is;
    ``largest`` is the largest absolute difference of the others, ``largest_ulp`` the same in float32 steps (``None``
    for integers). ``first`` is the index of the first, ``(c, y, x)`` where the shape is known, ``values`` are both
    its values. ``remark`` says what else differs.
    """

    name: str
    samples: int = 0
    different: int = 0
    not_numbers: int = 0
    largest: float = 0.0
    largest_ulp: int | None = None
    first: tuple[int, ...] | None = None
    values: tuple[Any, Any] | None = None
    remark: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return self.different == 0 and not self.remark


@dataclass
class Comparison:
    """Two outputs: each tensor, and in ``remarks`` what differs beside tensors."""

    tensors: list[TensorComparison] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.remarks and all(tensor.is_equal for tensor in self.tensors)


def compare_outputs(first: Path, second: Path, vector: Vector | None = None) -> Comparison:
    """Compare two files, or two folders file by file.

    Shapes come from either side, or from ``vector``, whose output it is. Raises :class:`ConfigError` where the two
    cannot be compared, and as :func:`read_tensors` does.
    """
    found = Comparison()
    if first.is_dir() != second.is_dir():
        raise ConfigError(f"{first} and {second}: compare two files, or two folders")
    if not first.is_dir():
        _compare_files(found, first, second, "", vector)
        return found
    names = [{path.name for path in folder.iterdir() if path.suffix in SUFFIXES} for folder in (first, second)]
    if not names[0] | names[1]:
        raise ConfigError(f"{first} and {second}: have no files that end in {', '.join(SUFFIXES)}")
    for name in sorted(names[0] | names[1]):
        if name in names[0] and name in names[1]:
            _compare_files(found, first / name, second / name, f"{name}: ", vector)
        else:
            found.remarks.append(f"{name}: only in {first if name in names[0] else second}")
    return found


def compare_tensors(name: str, first: NDArray[Any], second: NDArray[Any]) -> TensorComparison:
    """Compare two tensors of the same type; of other shapes than each other, no samples are compared."""
    if first.dtype != second.dtype:
        return TensorComparison(name, remark=f"{first.dtype.name} against {second.dtype.name}")
    if first.ndim != 1 and first.shape != second.shape:
        return TensorComparison(name, remark=f"shape {first.shape} against {second.shape}")
    found = TensorComparison(name, samples=min(first.size, second.size))
    if first.dtype.kind == "f":
        found.largest_ulp = 0
    if first.size != second.size:
        found.remark = f"{first.size} samples against {second.size}"
    flat = first.reshape(-1), second.reshape(-1)
    for start in range(0, found.samples, _BLOCK):
        stop = min(start + _BLOCK, found.samples)
        _add_block(found, first.shape, start, flat[0][start:stop], flat[1][start:stop])
    return found


def _compare_files(found: Comparison, first: Path, second: Path, prefix: str, vector: Vector | None) -> None:
    sides = read_tensors(first), read_tensors(second)
    layouts = [_vector_layouts(vector).get(first.name) if vector else None, sides[0].layout, sides[1].layout]
    layout = next((layout for layout in layouts if layout is not None), None)
    if layout is not None:
        sides = sides[0].laid_out(layout), sides[1].laid_out(layout)
    found.tensors += _pairs(sides[0], sides[1], prefix)
    sizes = [side.picture_size for side in sides]
    if None not in sizes and sizes[0] != sizes[1]:
        found.remarks.append(f"{prefix}the picture's height and width are {sizes[0]} against {sizes[1]}")


def _pairs(first: TensorFile, second: TensorFile, prefix: str) -> Iterator[TensorComparison]:
    for name in [*first.tensors, *(name for name in second.tensors if name not in first.tensors)]:
        if name in first.tensors and name in second.tensors:
            yield compare_tensors(prefix + name, first.tensors[name], second.tensors[name])
        else:
            side = first if name in first.tensors else second
            yield TensorComparison(prefix + name, side.tensors[name].size, remark=f"only in {side.path}")


def _vector_layouts(vector: Vector) -> Mapping[str, Layout]:
    """Names and shapes in each file that a decoder leaves of this vector."""
    substreams, tensors, layers = [], [], []
    for number, picture in enumerate(vector.pictures):
        for index, substream in enumerate(picture.substreams):
            substreams.append((f"picture {number}, substream{index}", substream.shape))
        for tensor in picture.tensors:
            tensors.append((f"picture {number}, {tensor.name}", tensor.shape))
        for layer in picture.layers:
            layers.append((f"picture {number}, {layer.name}", layer.shape))
    return {T0: substreams, T1: tensors, T2: layers}


def _add_block(
    found: TensorComparison, shape: tuple[int, ...], start: int, first: NDArray[Any], second: NDArray[Any]
) -> None:
    bits = np.dtype(f"u{first.dtype.itemsize}")
    positions = np.flatnonzero(first.view(bits) != second.view(bits))
    if not positions.size:
        return
    one, other = first[positions], second[positions]
    if found.first is None:
        found.first = tuple(int(index) for index in np.unravel_index(start + positions[0], shape))
        found.values = one[0].item(), other[0].item()
    found.different += positions.size
    with np.errstate(invalid="ignore"):  # infinity less infinity
        distance = np.abs(one.astype(np.float64) - other.astype(np.float64))
    numbers = ~np.isnan(distance)
    found.not_numbers += int(positions.size - np.count_nonzero(numbers))
    if not numbers.any():
        return
    found.largest = max(found.largest, float(distance[numbers].max()))
    if found.largest_ulp is not None:
        steps = np.abs(_float_steps(one[numbers]) - _float_steps(other[numbers]))
        found.largest_ulp = max(found.largest_ulp, int(steps.max()))


def _float_steps(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The number of each float32 in the order of them all, both zeros being 0."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
