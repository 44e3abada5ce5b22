"""The model of the stage KLT: eigenvectors of the covariance of all layers together, as integers.

Each layer is cut into blocks at the positions of the coarsest one, as the stage does it, and the entries of all blocks
at a position are one vector. (Pixel-unshuffled pyramids with one basis: MPEG's m65704, PreBM.) The basis is that of the
vectors' covariance. Where vectors would have more than ``MOST_ENTRIES`` entries, blocks of 2x2 of each layer go through
a map of their own first, which keeps the components of most energy for their number of entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bitstream.elements import MAX_COMPONENTS
from ..bitstream.values import Layer
from ..codec.coefficients import count_contexts, scales_of, table_tensors
from ..conversion.covered import Covered, clear_outside, covered_positions
from ..conversion.levels import in_steps, quantise_levels, step_size
from ..conversion.reduction import Klt
from ..conversion.reduction.klt import FRACTION, LAYER_FRACTION, SCALE_FRACTION, first_step, given_numbers
from ..conversion.reduction.klt_model import MAX_GAIN, MAX_SHIFT, KltModel, LayerModel, LinearMap
from ..errors import ConfigError
from .inputs import features_of, network_text
from .job import Job
from .klt_figure import can_draw, draw_components
from .moments import blocks, fraction_bits, integers, mean_and_covariance, moments
from .record import metadata
from .sums import Sums, summed

MOST_ENTRIES = 4096
#: Entries that the first steps leave, where there are first steps.
ENTRIES_AFTER_FIRST = 1536
#: First steps are of blocks of 2x2, where these have no more entries; else of single samples.
MOST_FIRST_ENTRIES = 1024
COMPONENTS = 256
#: The root mean square that entries have after the gain, for which steps of QP 17 to 47 are of use: YOLOX-nano's.
USUAL_RMS = 0.375
#: The QPs at which the tables of the entropy coder are trained, all together.
TABLE_QPS = (26, 32, 38, 44)
#: Rounding that is like the choice of levels by rate and distortion.
ROUNDING_OFFSET = 0.2
#: The end of the name of the figure beside the model.
FIGURE = ".png"
#: Numbers between the steps lose this many bits to have 16.
_BETWEEN = 4

Vector = NDArray[np.float64]


class Shape(NamedTuple):
    """What the first input says of all: names and channels of the layers, shifts, and the numbers' fraction bits."""

    layers: tuple[tuple[str, int], ...]
    shifts: tuple[int, ...]
    fractions: tuple[int, ...]

    def first_shift(self, number: int) -> int:
        """b: the blocks of a first step of layer ``number`` have sides of ``2**b``."""
        return min(self.shifts[number], 1) if self.layers[number][1] * 4 <= MOST_FIRST_ENTRIES else 0

    def entries_after(self, number: int, step: LinearMap | None) -> int:
        """The entries of layer ``number`` in a joint vector."""
        if step is None:
            return self.layers[number][1] << 2 * self.shifts[number]
        return step.components << 2 * (self.shifts[number] - self.first_shift(number))


@dataclass(frozen=True)
class Trained:
    """A model, and the variance of each of its components, which says how much of the energy they have.

    ``energy`` is the variance of all entries together.
    """

    model: KltModel
    variances: Vector
    energy: float


def train(job: Job) -> bytes:
    """Learn a model from the job's inputs: its bytes. Raises :class:`ConfigError`, or what the inputs raise."""
    trained, shape = learn(job)
    for line in energies(trained):
        job.tell(line)
    draw(trained, job)
    stage = Klt(trained.model.components, list(shape.shifts))
    scales = scales_of(np.sqrt(trained.variances / 2))  # the mean magnitude of a Laplacian variable
    bare = trained.model.to_bytes({}, {})
    text = network_text(job.configuration)
    counted = summed(job, "contexts", level_counts, text, shape, stage, bare, scales)
    return trained.model.to_bytes(metadata(job), table_tensors(scales, counted["contexts"]))


def learn(job: Job) -> tuple[Trained, Shape]:
    """The basis alone, without the tables of the entropy coder."""
    text = network_text(job.configuration)
    features = features_of(text, job.inputs[0])
    shape = shape_of(features.layers)
    components = job.configuration.get("reduction.components", COMPONENTS)
    if not isinstance(components, int) or components == 0:
        raise job.configuration.error("reduction.components", "is by layer, or 0; the KLT is of all layers together")
    entries = sum(channels << 2 * shift for (_, channels), shift in zip(shape.layers, shape.shifts, strict=True))
    first: tuple[LinearMap | None, ...] = (None,) * len(shape.layers)
    gain = 0
    if entries > MOST_ENTRIES:
        gain, first = first_maps(summed(job, "first", first_moments, text, shape), shape)
        entries = sum(shape.entries_after(number, step) for number, step in enumerate(first))
    if components > min(entries, MAX_COMPONENTS):
        raise ConfigError(f"reduction.components is {components}; these layers have {min(entries, MAX_COMPONENTS)}")
    found = summed(job, "joint", joint_moments, text, shape, gain, first)
    return joint_model(found, shape, gain, first, components), shape


def shape_of(layers: dict[str, NDArray[np.float32]]) -> Shape:
    """The shifts bring each layer as near as powers of two can to the size of the smallest one."""
    smallest = min(tensor.shape[1] * tensor.shape[2] for tensor in layers.values())
    ratios = [np.log2(tensor.shape[1] * tensor.shape[2] / smallest) / 2 for tensor in layers.values()]
    return Shape(
        tuple((name, len(tensor)) for name, tensor in layers.items()),
        tuple(min(round(float(ratio)), MAX_SHIFT) for ratio in ratios),
        tuple(fraction_bits(tensor) for tensor in layers.values()),
    )


def first_moments(path: Path, text: str, shape: Shape) -> Sums:
    """Of one input: the moments of each layer's blocks of the first step, under the layer's number and a dot."""
    found: Sums = {}
    features = features_of(text, path, shape.layers)
    for number, (tensor, fraction) in enumerate(zip(features.layers.values(), shape.fractions, strict=True)):
        shift = shape.first_shift(number)
        rows, columns = -(-tensor.shape[1] >> shift), -(-tensor.shape[2] >> shift)
        vectors = blocks(integers(tensor, fraction), shift, rows, columns)
        own = moments(_covered(vectors, features.covered, rows, columns))
        found |= {f"{number}.{name}": array for name, array in own.items()}
    return found


def joint_moments(path: Path, text: str, shape: Shape, gain: int, first: Sequence[LinearMap | None]) -> Sums:
    """Of one input: the moments of the entries of all layers' blocks."""
    features = features_of(text, path, shape.layers)
    tensors = list(features.layers.values())
    rows, columns = (
        max(-(-tensor.shape[axis] >> shift) for tensor, shift in zip(tensors, shape.shifts, strict=True))
        for axis in (1, 2)
    )
    parts = []
    for number, (tensor, shift, step) in enumerate(zip(tensors, shape.shifts, first, strict=True)):
        if step is None:
            parts.append(blocks(integers(tensor, shape.fractions[number]), shift, rows, columns))
            continue
        given, own = given_numbers(tensor, gain, (rows << shift, columns << shift)), shape.first_shift(number)
        numbers = integers(first_step(given, step, own).astype(np.float64), -_BETWEEN)
        parts.append(blocks(numbers, shift - own, rows, columns))
    return moments(_covered(np.concatenate(parts), features.covered, rows, columns))


def _covered(vectors: Vector, covered: Covered, rows: int, columns: int) -> Vector:
    """Of vectors ``(n, rows * columns)``, those of positions that the picture covers."""
    own_rows, own_columns = covered_positions(covered, rows, columns)
    return vectors.reshape(-1, rows, columns)[:, :own_rows, :own_columns].reshape(len(vectors), -1)


def level_counts(path: Path, text: str, shape: Shape, stage: Klt, model: bytes, scales: NDArray[np.uint8]) -> Sums:
    """Of one input: the counts of the flags of its levels, at all of ``TABLE_QPS``."""
    layers = [Layer(*layer) for layer in shape.layers]
    features = features_of(text, path, shape.layers)
    (coded,) = stage.ready(layers, model).forward(list(features.layers.values()))
    clear_outside([coded], features.covered)
    found: NDArray[np.int64] = np.zeros((), np.int64)
    for qp in TABLE_QPS:
        levels = quantise_levels(in_steps(coded, qp), ROUNDING_OFFSET)
        found = found + count_contexts(levels, scales, qp)
    return {"contexts": found}


def first_maps(sums: Sums, shape: Shape) -> tuple[int, tuple[LinearMap, ...]]:
    """The gain, and for each layer the map of its blocks.

    A component of a layer is one entry for each of the layer's blocks at a position, so that the components with the
    largest variances have the most energy for their entries.
    """
    blocks_of = [1 << 2 * (shift - shape.first_shift(number)) for number, shift in enumerate(shape.shifts)]
    found = []
    for number, fraction in enumerate(shape.fractions):
        own = _of_layer(sums, number)
        found.append(mean_and_covariance(own, np.full(len(own["sums"]), 2.0**-fraction)))
    energy = sum(float(np.trace(own)) * count for (_, own), count in zip(found, blocks_of, strict=True))
    gain = gain_for(energy, sum(len(mean) * count for (mean, _), count in zip(found, blocks_of, strict=True)))
    bases = [eigenvectors(covariance) for _, covariance in found]
    counts = [1] * len(bases)
    ranked = [
        (float(value), number, place) for number, (values, _) in enumerate(bases) for place, value in enumerate(values)
    ]
    left = ENTRIES_AFTER_FIRST - sum(blocks_of)
    for _, number, place in sorted(ranked, reverse=True):
        if place == counts[number] and blocks_of[number] <= left:
            counts[number] += 1
            left -= blocks_of[number]
    maps = [
        linear_map(vectors[:count], mean, LAYER_FRACTION + gain)
        for (_, vectors), (mean, _), count in zip(bases, found, counts, strict=True)
    ]
    return gain, tuple(maps)


def _of_layer(channel_sums: Sums, number: int) -> Sums:
    head = f"{number}."
    return {name.removeprefix(head): array for name, array in channel_sums.items() if name.startswith(head)}


def joint_model(found: Sums, shape: Shape, gain: int, first: Sequence[LinearMap | None], components: int) -> Trained:
    """The model from the moments of all entries. ``gain`` is known where there are first steps."""
    owns = [shape.entries_after(number, step) for number, step in enumerate(first)]
    direct = first[0] is None
    units = [
        np.full(own, 2.0**-fraction if direct else 2.0 ** (_BETWEEN - FRACTION))
        for own, fraction in zip(owns, shape.fractions, strict=True)
    ]
    mean, covariance = mean_and_covariance(found, np.concatenate(units))
    energy = float(np.trace(covariance))
    if direct:
        gain = gain_for(energy, len(mean))
    values, vectors = eigenvectors(covariance)
    joint = linear_map(vectors[:components], mean, LAYER_FRACTION + gain if direct else FRACTION)
    layers, start = [], 0
    for own, step in zip(owns, first, strict=True):
        part = slice(start, start + own)
        basis = np.ascontiguousarray(joint.basis[:, part])
        layers.append(LayerModel(LinearMap(basis, joint.scale, joint.mean[part]), step))
        start += own
    scale = 4.0**gain if direct else 1.0
    return Trained(KltModel(gain, tuple(layers)), values[:components] * scale, energy * scale)


def gain_for(energy: float, entries: int) -> int:
    """The power of two that brings the entries' root mean square nearest to the usual one."""
    if energy <= 0:
        return 0
    return int(np.clip(np.rint(np.log2(USUAL_RMS / np.sqrt(energy / entries))), -MAX_GAIN, MAX_GAIN))


def eigenvectors(covariance: Vector) -> tuple[Vector, Vector]:
    """Eigenvalues from the largest down, and the eigenvectors as rows, the largest entry of each positive."""
    values, vectors = np.linalg.eigh(covariance)
    rows = np.ascontiguousarray(vectors.T[::-1])
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    rows *= np.where(largest < 0, -1.0, 1.0)
    return np.maximum(values[::-1], 0), rows


def linear_map(vectors: Vector, mean: Vector, mean_fraction: int) -> LinearMap:
    """Rows of a basis as int8 with a scale each, and the mean as integers."""
    scale = np.clip(np.ceil(np.abs(vectors).max(axis=1) / 127 * 2.0**SCALE_FRACTION), 1, 65535)
    basis = np.rint(vectors * 2.0**SCALE_FRACTION / scale[:, None]).astype(np.int8)
    top = 2.0**31 - 1
    integers_of_mean = np.clip(np.rint(mean * 2.0**mean_fraction), -top, top).astype(np.int32)
    return LinearMap(basis, scale.astype(np.uint16), integers_of_mean)


def energies(trained: Trained) -> list[str]:
    """A table: the share of the energy, and the bits of a position that an ideal coder needs, by components."""
    lines = ["components  energy  bits of a position at QP 26, 32, 38, 44"]
    count, total = 0, len(trained.variances)
    for count in [*(1 << n for n in range(4, 11) if 1 << n < total), total]:
        share = float(trained.variances[:count].sum()) / trained.energy if trained.energy else 0.0
        bits = [float(ideal_bits(trained.variances[:count], 2.0 ** ((qp - 32) / 6)).sum()) for qp in (26, 32, 38, 44)]
        lines.append(f"{count:10}  {share:6.4f}  " + "  ".join(f"{one:8.1f}" for one in bits))
    return lines


def draw(trained: Trained, job: Job) -> None:
    """Write the figure of the components beside the model, where one can be drawn."""
    if not can_draw():
        return
    shares = np.cumsum(trained.variances) / (trained.energy or 1.0)
    bits = {qp: ideal_bits(trained.variances, step_size(qp)).tolist() for qp in TABLE_QPS}
    place = job.part.with_name(job.part.name.removesuffix(".part") + FIGURE)
    draw_components(place, shares.tolist(), bits)


def ideal_bits(variances: Vector, step: float) -> Vector:
    """The entropy of Laplacian variables ``(K,)`` that are rounded to multiples of ``step``, in bits.

    With x = exp(−sqrt(2) step / sigma), zero has the probability 1 − sqrt(x), and magnitude n both signs together
    sqrt(x) (1 − x) x^(n−1) (Sullivan, "Efficient scalar quantization of exponential and Laplacian random variables",
    IEEE Trans. Inf. Theory 42(5), 1996).
    """
    sigma = np.sqrt(np.maximum(variances, 1e-12))
    x = np.clip(np.exp(-np.sqrt(2.0) * step / sigma), 1e-300, 1 - 1e-12)
    zero = np.clip(1 - np.sqrt(x), 1e-12, 1 - 1e-12)
    other = 1 - zero
    # sign: one bit; the magnitude is geometric
    geometric = -(np.log2(1 - x) + x / (1 - x) * np.log2(x))
    found: Vector = -(zero * np.log2(zero) + other * np.log2(other)) + other * (1 + geometric)
    return found
