"""The rules of each operation of an integer graph: fields, the result's form, sums (docs/bitstream.md, 8.11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ....bitstream.values import GraphOperation as Kind
from ....errors import ModelError
from .graph import MAX_BITS, MAX_SHIFT, MIN_BITS, Form, Operation

MAX_GRAPH_CHANNELS = 65536
MAX_SIDE = 15
MAX_TABLE = 65536
#: Bits of the samples whose sum over a whole map MEAN takes.
MEAN_BITS = 20
MAX_CONVOLUTION_SHIFT = 48
#: Sums stay below it: a float64 has every integer up to there.
EXACT = 1 << 53

_BITS = (MIN_BITS, MAX_BITS)
_WIDE = (0, 31)
_FACTOR = (1, MAX_SHIFT)
_ANY = (0, MAX_GRAPH_CHANNELS)

#: The fields that an operation has besides ``first``, with their ranges; all others are 0. ``second`` is a number.
FIELDS: dict[Kind, dict[str, tuple[int, int]]] = {
    Kind.CONVOLUTION: {"bits": _BITS, "p": (0, 3)},
    Kind.ADD: {"second": (0, 1 << 31), "bits": _BITS, "p": _WIDE, "q": _WIDE, "r": _WIDE},
    Kind.MULTIPLY: {"second": (0, 1 << 31), "bits": _BITS, "r": (0, 48)},
    Kind.SCALE: {"bits": _BITS, "p": _WIDE, "r": _WIDE},
    Kind.CONCATENATE: {"second": (0, 1 << 31)},
    Kind.SLICE: {"p": _ANY, "q": _ANY},
    Kind.SHUFFLE: {"p": _FACTOR},
    Kind.UNSHUFFLE: {"p": _FACTOR},
    Kind.UPSAMPLE: {"p": _FACTOR},
    Kind.POOL: {"p": _FACTOR},
    Kind.MEAN: {},
    Kind.RELU: {},
    Kind.PRELU: {"r": _WIDE},
    Kind.TABLE: {"bits": _BITS, "r": _WIDE},
}


def result_form(operation: Operation, forms: Sequence[Form]) -> Form:
    """The form of the result, from the forms of the tensors before it. Raises :class:`ModelError` for a broken rule."""
    allowed = FIELDS[operation.kind]
    for name in ("second", "bits", "p", "q", "r"):
        low, high = allowed.get(name, (0, 0))
        value = getattr(operation, name)
        _require(low <= value <= high, f"{name} is {value}; allowed: {low}..{high}")
    for name in ("first", "second"):
        _require(0 <= getattr(operation, name) < len(forms), f"there is no tensor {getattr(operation, name)} before it")
    form = _RESULTS[operation.kind](operation, forms[operation.first], forms[operation.second])
    _require(1 <= form.channels <= MAX_GRAPH_CHANNELS, f"the result has {form.channels} channels")
    return form


def sum_bounds(operation: Operation, form: Form) -> list[int]:
    """The bound of the sums of each channel of a convolution's result, in Python integers; ``form`` is its first's."""
    weight = operation.numbers["weight"]
    magnitudes = [int(np.abs(row.astype(np.int32)).sum(dtype=np.int64)) for row in weight]
    biases, shifts = operation.numbers["bias"].tolist(), operation.numbers["shift"].tolist()
    return [
        form.magnitude * magnitude + abs(bias) + _half(shift)
        for magnitude, bias, shift in zip(magnitudes, biases, shifts, strict=True)
    ]


def _convolution(operation: Operation, first: Form, _: Form) -> Form:
    weight = operation.numbers["weight"]
    outputs, members, height, width = weight.shape
    _require(height == width and 1 <= height <= MAX_SIDE, f"its weights are {height}x{width}")
    _require(members > 0 and first.channels % members == 0, f"its weights are for {members} of {first.channels}")
    _require(1 <= outputs <= MAX_GRAPH_CHANNELS, f"the result has {outputs} channels")
    groups = first.channels // members
    _require(outputs % groups == 0, f"{outputs} channels are not divided by {groups} groups")
    for name in ("bias", "shift"):
        _require(operation.numbers[name].shape == (outputs,), f"its {name} is not one for each channel of the result")
    largest = int(operation.numbers["shift"].max())
    _require(largest <= MAX_CONVOLUTION_SHIFT, f"shift is {largest}; allowed: 0..{MAX_CONVOLUTION_SHIFT}")
    if first.shift is None:
        _require(height == 1 and operation.p == 0, "a convolution of single samples is 1x1 and has no stride")
    _exact(max(sum_bounds(operation, first)))
    return Form(outputs, _smaller(first.shift, operation.p), operation.bits)


def _add(operation: Operation, first: Form, second: Form) -> Form:
    _alike(first, second)
    _exact((first.magnitude << operation.p) + (second.magnitude << operation.q) + _half(operation.r))
    return Form(first.channels, first.shift, operation.bits)


def _multiply(operation: Operation, first: Form, second: Form) -> Form:
    _alike(first, second)
    _exact(first.magnitude * second.magnitude + _half(operation.r))
    return Form(first.channels, first.shift, operation.bits)


def _scale(operation: Operation, first: Form, _: Form) -> Form:
    _exact((first.magnitude << operation.p) + _half(operation.r))
    return Form(first.channels, first.shift, operation.bits)


def _concatenate(operation: Operation, first: Form, second: Form) -> Form:
    _require(first.shift == second.shift, "the tensors have different sizes")
    return Form(first.channels + second.channels, first.shift, max(first.bits, second.bits))


def _slice(operation: Operation, first: Form, _: Form) -> Form:
    _require(operation.p + operation.q <= first.channels, f"its first has {first.channels} channels")
    return Form(operation.q, first.shift, first.bits)


def _shuffle(operation: Operation, first: Form, _: Form) -> Form:
    _require(first.channels % 4**operation.p == 0, f"{first.channels} channels are not divided by 4**{operation.p}")
    return Form(first.channels >> 2 * operation.p, _larger(first.shift, operation.p), first.bits)


def _unshuffle(operation: Operation, first: Form, _: Form) -> Form:
    return Form(first.channels << 2 * operation.p, _smaller(_map(first.shift), operation.p), first.bits)


def _upsample(operation: Operation, first: Form, _: Form) -> Form:
    return Form(first.channels, _larger(first.shift, operation.p), first.bits)


def _pool(operation: Operation, first: Form, _: Form) -> Form:
    return Form(first.channels, _smaller(_map(first.shift), operation.p), first.bits)


def _mean(operation: Operation, first: Form, _: Form) -> Form:
    _map(first.shift)
    _require(first.bits <= MEAN_BITS, f"its first has {first.bits} bits; allowed: up to {MEAN_BITS}")
    return Form(first.channels, None, first.bits)


def _relu(operation: Operation, first: Form, _: Form) -> Form:
    return first


def _prelu(operation: Operation, first: Form, _: Form) -> Form:
    _require(operation.numbers["slope"].shape == (first.channels,), "its slope is not one for each channel")
    return first


def _table(operation: Operation, first: Form, _: Form) -> Form:
    table = operation.numbers["table"]
    _require(2 <= len(table) <= MAX_TABLE and len(table) % 2 == 0, f"its table has {len(table)} entries")
    result = Form(first.channels, first.shift, operation.bits)
    inside = -result.magnitude <= int(table.min()) and int(table.max()) < result.magnitude
    _require(inside, f"an entry of its table does not fit {operation.bits} bits")
    return result


_RESULTS: dict[Kind, Callable[[Operation, Form, Form], Form]] = {
    Kind.CONVOLUTION: _convolution,
    Kind.ADD: _add,
    Kind.MULTIPLY: _multiply,
    Kind.SCALE: _scale,
    Kind.CONCATENATE: _concatenate,
    Kind.SLICE: _slice,
    Kind.SHUFFLE: _shuffle,
    Kind.UNSHUFFLE: _unshuffle,
    Kind.UPSAMPLE: _upsample,
    Kind.POOL: _pool,
    Kind.MEAN: _mean,
    Kind.RELU: _relu,
    Kind.PRELU: _prelu,
    Kind.TABLE: _table,
}


def _half(shift: int) -> int:
    """What is added before a right shift, so that it rounds."""
    return 1 << (shift - 1) if shift else 0


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ModelError(problem)


def _exact(bound: int) -> None:
    _require(bound < EXACT, f"its sums may reach {bound}, which is not below 2**53")


def _alike(first: Form, second: Form) -> None:
    _require(first.channels == second.channels, f"{first.channels} and {second.channels} channels differ")
    _require(second.shift in (first.shift, None), "the tensors have different sizes")


def _map(shift: int | None) -> int:
    if shift is None:
        raise ModelError("its first has single samples")
    return shift


def _larger(shift: int | None, p: int) -> int:
    result = _map(shift) + p
    _require(result <= MAX_SHIFT, f"the shift of the result is {result}; allowed: 0..{MAX_SHIFT}")
    return result


def _smaller(shift: int | None, p: int) -> int | None:
    if shift is None:
        return None
    _require(shift >= p, f"the shift of the result is {shift - p}; allowed: 0..{MAX_SHIFT}")
    return shift - p
