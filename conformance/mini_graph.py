"""The second decoder's models and integer graphs, written from docs/bitstream.md, 7.18 and 8.11, alone.

Sums are of 64-bit integers, and so exact.
"""

import contextlib
import json
import math
from types import SimpleNamespace

import numpy as np
from mini_bits import require

Model = dict[str, tuple[str, list[int], bytes]]  # of each tensor: type, shape, bytes
# The types and how NumPy calls them; numbers of those that no stage takes are never looked at.
TYPES = {"BOOL": "u1", "I8": "i1", "U8": "u1", "I16": "<i2", "U16": "<u2", "F16": "<u2", "BF16": "<u2", "I32": "<i4"}
TYPES |= {"U32": "<u4", "F32": "<u4", "I64": "<i8", "U64": "<u8", "F64": "<u8"}
# The operations in the order of their values: the fields of each besides first, and their ranges; all others are 0.
BITS, WIDE, STEP, ANY = (2, 32), (0, 31), (1, 7), (-math.inf, math.inf)
FIELDS = {
    "CONVOLUTION": {"bits": BITS, "p": (0, 3)},
    "ADD": {"second": ANY, "bits": BITS, "p": WIDE, "q": WIDE, "r": WIDE},
    "MULTIPLY": {"second": ANY, "bits": BITS, "r": (0, 48)},
    "SCALE": {"bits": BITS, "p": WIDE, "r": WIDE},
    "CONCATENATE": {"second": ANY},
    "SLICE": {"p": (0, math.inf), "q": (1, math.inf)},
    "SHUFFLE": {"p": STEP},
    "UNSHUFFLE": {"p": STEP},
    "UPSAMPLE": {"p": STEP},
    "POOL": {"p": STEP},
    "MEAN": {},
    "RELU": {},
    "PRELU": {"r": WIDE},
    "TABLE": {"bits": BITS, "r": WIDE},
}
COLUMNS = ("first", "second", "bits", "p", "q", "r")
OF_MAPS = ("SHUFFLE", "UNSHUFFLE", "UPSAMPLE", "POOL", "MEAN")


def model_tensors(data: bytes) -> Model:
    """Clause 7.18: the tensors of a model."""
    size = int.from_bytes(data[:8], "little")
    require(size <= min(2**20, len(data) - 8), "the header's size does not fit")
    header = None
    with contextlib.suppress(ValueError, RecursionError):
        header = json.loads(data[8 : 8 + size].decode("utf-8"), object_pairs_hook=unique)
    require(isinstance(header, dict) and data[8:9] == b"{", "the header is not a JSON object that begins at once")
    metadata = header.pop("__metadata__", {})
    require(isinstance(metadata, dict), "the metadata are not an object")
    require(all(isinstance(text, str) for text in metadata.values()), "the metadata are not texts")
    body, end, found = data[8 + size :], 0, {}
    for name, entry in header.items():
        require(isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"}, f"{name}: bad members")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        require(kind in list(TYPES), f"{name}: bad dtype")
        for numbers in (shape, offsets):
            whole = isinstance(numbers, list) and all(type(one) is int and 0 <= one < 2**32 for one in numbers)
            require(whole, f"{name}: numbers are not whole")
        require(len(shape) <= 8 and len(offsets) == 2, f"{name}: bad shape or data_offsets")
        size = math.prod(shape) * np.dtype(TYPES[kind]).itemsize
        require(offsets[1] - offsets[0] == size, f"{name}: its bytes are not those of its shape")
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, after = entry["data_offsets"]
        require(begin == end, f"{name}: its bytes do not follow those before")
        found[name] = entry["dtype"], entry["shape"], body[begin:after]
        end = after
    require(end == len(body), "the last tensor does not end with the model")
    return found


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Clause 7.18."""
    require(len(dict(pairs)) == len(pairs), "a name stands twice in the header")
    return dict(pairs)


def numbers(model: Model, name: str, types: str, *shape: int | None) -> np.ndarray:
    """Clauses 7.18, 7.23, 8.10.5 and 8.11: those of a tensor of one of these types; any side where it is None."""
    require(name in model, f"no tensor {name}")
    kind, own, data = model[name]
    require(kind in types.split(), f"{name} has another type")
    fits = len(own) == len(shape) and all(wanted in (None, side) for side, wanted in zip(own, shape, strict=True))
    require(fits, f"{name} has another shape")
    return np.frombuffer(data, TYPES[kind]).reshape(own).astype(np.int64)


def read_graph(data: bytes) -> SimpleNamespace:
    """Clause 8.11: inputs, operations with their numbers, outputs, and each tensor's (C, s, b); s of single is None."""
    model = model_tensors(data)
    graph = SimpleNamespace(operations=[])
    tables = {"inputs": 4, "graph": 7, "outputs": 2}
    inputs, rows, outputs = (numbers(model, name, "I32", None, columns) for name, columns in tables.items())
    require(1 <= len(inputs) <= 64 and 1 <= len(rows) <= 4096 and 1 <= len(outputs) <= 64, "bad numbers of rows")
    graph.inputs, graph.outputs = inputs.tolist(), outputs.tolist()
    for channels, s, b, fraction in graph.inputs:
        require(1 <= channels <= 8192 and 0 <= s <= 7, "an input of bad channels or size")
        require(2 <= b <= 32 and -64 <= fraction <= 64, "an input of bad bits")
    graph.forms = [(channels, s, b) for channels, s, b, _ in graph.inputs] + [(1, 0, 9)]
    for n, (kind, *fields) in enumerate(rows.tolist()):
        require(0 <= kind < len(FIELDS), "an operation that does not exist")
        op = SimpleNamespace(**dict(zip(COLUMNS, fields, strict=True)), name=[*FIELDS][kind])
        for field in COLUMNS[1:]:
            low, high = FIELDS[op.name].get(field, (0, 0))
            require(low <= vars(op)[field] <= high, f"{field} of {op.name} is out of range")
        there = range(len(graph.forms))
        require(op.first in there and op.second in there, "a tensor that is not there yet")
        form = result(op, graph.forms[op.first], graph.forms[op.second], model, n)
        require(form[0] <= 65536 and (form[1] is None or 0 <= form[1] <= 7), "a result of bad channels or size")
        op.bits = form[2]
        graph.forms.append(form)
        graph.operations.append(op)
    for number, fraction in graph.outputs:
        require(0 <= number < len(graph.forms) and -64 <= fraction <= 64, "an output is out of range")
        require(graph.forms[number][1] is not None, "an output is single")
    return graph


def result(op: SimpleNamespace, first: tuple, second: tuple, model: Model, n: int) -> tuple:
    """Clause 8.11: C, s and b of the result of operation n, its numbers and rules, and the bound of its sums."""
    (channels, s, b), p, bound = first, op.p, 0
    m, other, half = 2 ** (b - 1), 2 ** (second[2] - 1), 2**op.r // 2
    form = channels, s, op.bits or b
    require(s is not None or op.name not in OF_MAPS, "the first is single")
    if op.name in ("ADD", "MULTIPLY"):
        require(channels == second[0] and second[1] in (s, None), "tensors that differ in channels or size")
    if op.name == "CONVOLUTION":
        op.weight = numbers(model, f"{n}.weight", "I8 I16", None, None, None, None)
        outputs, members, k, across = op.weight.shape
        require(k == across and 1 <= k <= 15, "weights of a bad size")
        require(members and channels % members == 0, "channels that are not divided into groups")
        require(outputs and outputs % (channels // members) == 0, "channels that are not divided by the groups")
        op.bias, op.shift = numbers(model, f"{n}.bias", "I64", outputs), numbers(model, f"{n}.shift", "U8", outputs)
        require(op.shift.max() <= 48, "a shift is above 48")
        require(s is not None or (k == 1 and p == 0), "single samples are convolved with their neighbours")
        sums = zip(np.abs(op.weight).sum((1, 2, 3)).tolist(), op.bias.tolist(), op.shift.tolist(), strict=True)
        bound = max(m * total + abs(bias) + 2**shift // 2 for total, bias, shift in sums)
        form = outputs, None if s is None else s - p, op.bits
    elif op.name == "ADD":
        bound = m * 2**p + other * 2**op.q + half
    elif op.name == "MULTIPLY":
        bound = m * other + half
    elif op.name == "SCALE":
        bound = m * 2**p + half
    elif op.name == "CONCATENATE":
        require(s == second[1], "tensors of different size")
        form = channels + second[0], s, max(b, second[2])
    elif op.name == "SLICE":
        require(p + op.q <= channels, "channels that are not there")
        form = op.q, s, b
    elif op.name == "SHUFFLE":
        require(channels % 4**p == 0, "channels that are too few")
        form = channels // 4**p, s + p, b
    elif op.name == "UNSHUFFLE":
        form = channels * 4**p, s - p, b
    elif op.name == "UPSAMPLE":
        form = channels, s + p, b
    elif op.name == "POOL":
        form = channels, s - p, b
    elif op.name == "MEAN":
        require(b <= 20, "more bits than a mean takes")
        form = channels, None, b
    elif op.name == "PRELU":
        op.slope = numbers(model, f"{n}.slope", "I16", channels)
    elif op.name == "TABLE":
        op.table, most = numbers(model, f"{n}.table", "I32", None), 2 ** (op.bits - 1)
        require(2 <= len(op.table) <= 65536 and len(op.table) % 2 == 0, "a table of a bad size")
        require(-most <= op.table.min() and op.table.max() < most, "an entry that has too many bits")
    require(bound < 2**53, "a sum that may reach 2**53")
    return form


def needs(graph: SimpleNamespace, lattice: tuple[int, int]) -> tuple[int, int, int]:
    """Clause 8.11: operations, products and samples of a picture."""
    maps = [1 if s is None else lattice[0] * lattice[1] * 4**s for _, s, _ in graph.forms]
    samples = sum(channels * count for (channels, _, _), count in zip(graph.forms, maps, strict=True))
    results = zip(graph.operations, maps[len(graph.inputs) + 1 :], strict=True)
    products = sum(op.weight.size * count for op, count in results if op.name == "CONVOLUTION")
    return len(graph.operations), products, samples


def rounded(v: np.ndarray, r: int | np.ndarray) -> np.ndarray:
    return v + (1 << r >> 1) >> r


def fit(v: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(v, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def shuffled(x: np.ndarray, p: int) -> np.ndarray:
    (_, h, w), f = x.shape, 1 << p
    return x.reshape(-1, f, f, h, w).transpose(0, 3, 1, 4, 2).reshape(-1, h * f, w * f)


def unshuffled(x: np.ndarray, p: int) -> np.ndarray:
    (_, h, w), f = x.shape, 1 << p
    return x.reshape(-1, h // f, f, w // f, f).transpose(0, 2, 4, 1, 3).reshape(-1, h // f, w // f)


def pooled(op: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    parts = unshuffled(x, op.p).reshape(len(x), 4**op.p, x.shape[1] >> op.p, x.shape[2] >> op.p)
    return rounded(parts.sum(1), 2 * op.p)


def convolved(op: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    members, k, _ = op.weight.shape[1:]
    around = np.pad(x, ((0, 0), *[((k - 1) // 2, k // 2)] * 2))
    windows = np.lib.stride_tricks.sliding_window_view(around, (k, k), (1, 2))[:, :: 1 << op.p, :: 1 << op.p]
    groups = len(x) // members
    pairs = zip(np.split(op.weight, groups), np.split(windows, groups), strict=True)
    v = np.concatenate([np.tensordot(weight, window, ((1, 2, 3), (0, 3, 4))) for weight, window in pairs])
    return fit(rounded(v + op.bias[:, None, None], op.shift[:, None, None]), op.bits)


RESULTS = {
    "CONVOLUTION": lambda op, x, y: convolved(op, x),
    "ADD": lambda op, x, y: fit(rounded((x << op.p) + (y << op.q), op.r), op.bits),
    "MULTIPLY": lambda op, x, y: fit(rounded(x * y, op.r), op.bits),
    "SCALE": lambda op, x, y: fit(rounded(x << op.p, op.r), op.bits),
    "CONCATENATE": lambda op, x, y: np.concatenate([x, y]),
    "SLICE": lambda op, x, y: x[op.p : op.p + op.q],
    "SHUFFLE": lambda op, x, y: shuffled(x, op.p),
    "UNSHUFFLE": lambda op, x, y: unshuffled(x, op.p),
    "UPSAMPLE": lambda op, x, y: x.repeat(1 << op.p, 1).repeat(1 << op.p, 2),
    "POOL": lambda op, x, y: pooled(op, x),
    "MEAN": lambda op, x, y: (2 * x.sum((1, 2), keepdims=True) + x[0].size) // (2 * x[0].size),
    "RELU": lambda op, x, y: np.maximum(x, 0),
    "PRELU": lambda op, x, y: np.where(x < 0, fit(rounded(x * op.slope[:, None, None], op.r), op.bits), x),
    "TABLE": lambda op, x, y: op.table[np.clip((x >> op.r) + len(op.table) // 2, 0, len(op.table) - 1)],
}


def evaluate(graph: SimpleNamespace, inputs: list[np.ndarray], condition: int) -> list[np.ndarray]:
    """Clause 8.11: the outputs, of 64 bits."""
    s, (_, h, w) = graph.inputs[0][1], inputs[0].shape
    tensors = [one.astype(np.int64) for one in (*inputs, np.full((1, h >> s, w >> s), condition))]
    for op in graph.operations:
        tensors.append(RESULTS[op.name](op, tensors[op.first], tensors[op.second]))
    return [tensors[number] for number, _ in graph.outputs]
