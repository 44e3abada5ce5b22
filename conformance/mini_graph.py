"""The second decoder's models and integer graphs, written from docs/bitstream.md, 7.18, 7.25, 8.9 and 8.11, alone.

What breaks a rule raises ValueError with a message. Sums are of 64-bit integers, and so exact.
"""

import json
import math
from types import SimpleNamespace

import numpy as np

SIZES = {"BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2}
SIZES |= {"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8}
TYPES = {"I8": "<i1", "U8": "<u1", "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8"}
# The operations in the order of their values: the fields of each besides first, and their ranges; all others are 0.
BITS, WIDE, STEP, NUMBER, CHANNELS = (2, 32), (0, 31), (1, 7), (0, math.inf), (0, 65536)
FIELDS = {
    "CONVOLUTION": {"bits": BITS, "p": (0, 3)},
    "ADD": {"second": NUMBER, "bits": BITS, "p": WIDE, "q": WIDE, "r": WIDE},
    "MULTIPLY": {"second": NUMBER, "bits": BITS, "r": (0, 48)},
    "SCALE": {"bits": BITS, "p": WIDE, "r": WIDE},
    "CONCATENATE": {"second": NUMBER},
    "SLICE": {"p": CHANNELS, "q": CHANNELS},
    "SHUFFLE": {"p": STEP},
    "UNSHUFFLE": {"p": STEP},
    "UPSAMPLE": {"p": STEP},
    "POOL": {"p": STEP},
    "MEAN": {},
    "RELU": {},
    "PRELU": {"r": WIDE},
    "TABLE": {"bits": BITS, "r": WIDE},
}
NAMES = list(FIELDS)  # by their values


def require(condition: object, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def model_tensors(data: bytes) -> dict[str, tuple[str, np.ndarray]]:
    """Clause 7.18: the type and the numbers of each tensor; of types without numbers here, bytes."""
    size = int.from_bytes(data[:8], "little")
    require(len(data) >= 8 and 2 <= size <= min(2**20, len(data) - 8), "the header's size does not fit")
    try:
        header = json.loads(data[8 : 8 + size].decode("utf-8"), object_pairs_hook=unique)
    except RecursionError:
        raise ValueError("the header is nested too deeply") from None
    require(isinstance(header, dict), "the header is not an object")
    metadata = header.pop("__metadata__", {})
    require(isinstance(metadata, dict) and all(isinstance(one, str) for one in metadata.values()), "bad metadata")
    body, end, found = data[8 + size :], 0, {}
    for name, entry in header.items():
        require(isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"}, f"{name}: bad members")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        require(isinstance(kind, str) and kind in SIZES, f"{name}: bad dtype")
        for numbers in (shape, offsets):
            whole = isinstance(numbers, list) and all(type(one) is int and 0 <= one < 2**32 for one in numbers)
            require(whole, f"{name}: numbers are not whole")
        require(len(shape) <= 8 and len(offsets) == 2, f"{name}: bad shape or data_offsets")
        require(offsets[1] - offsets[0] == math.prod(shape) * SIZES[kind], f"{name}: its size is not that of its shape")
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, after = entry["data_offsets"]
        require(begin == end and after <= len(body), f"{name}: its bytes do not follow those before")
        end = after
        if entry["dtype"] in TYPES:
            numbers = np.frombuffer(body[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
            found[name] = (entry["dtype"], numbers)
    require(end == len(body), "bytes after the last tensor")
    return found


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    require(len(dict(pairs)) == len(pairs), "a name stands twice in the header")
    return dict(pairs)


def read_graph(data: bytes) -> SimpleNamespace:
    """Clause 8.11: inputs, operations with their numbers, outputs, and each tensor's (C, s, b); s of single is None."""
    model = model_tensors(data)

    def numbers(name: str, types: str, dimensions: int) -> np.ndarray:
        require(name in model, f"no tensor {name}")
        kind, found = model[name]
        require(kind in types.split() and found.ndim == dimensions, f"{name} has another type or rank")
        return found

    def rows(name: str, most: int, columns: int) -> list[list[int]]:
        found = numbers(name, "I32", 2)
        require(1 <= len(found) <= most and found.shape[1] == columns, f"{name} has bad dimensions")
        return found.tolist()

    graph = SimpleNamespace(inputs=rows("inputs", 64, 4), operations=[], outputs=rows("outputs", 64, 2))
    for channels, s, b, fraction in graph.inputs:
        good = 1 <= channels <= 8192 and 0 <= s <= 7 and 2 <= b <= 32 and -64 <= fraction <= 64
        require(good, "an input is out of range")
    graph.forms = [(channels, s, b) for channels, s, b, _ in graph.inputs] + [(1, 0, 9)]
    for n, row in enumerate(rows("graph", 4096, 7)):
        require(0 <= row[0] < len(NAMES), "an operation that does not exist")
        op = SimpleNamespace(
            name=NAMES[row[0]], **dict(zip(("first", "second", "bits", "p", "q", "r"), row[1:], strict=True))
        )
        for field, value in list(vars(op).items())[2:]:
            low, high = FIELDS[op.name].get(field, (0, 0))
            require(low <= value <= high, f"{field} of {op.name} is out of range")
        require(0 <= op.first < len(graph.forms) and op.second < len(graph.forms), "a tensor that is not there yet")
        if op.name == "CONVOLUTION":
            op.weight = numbers(f"{n}.weight", "I8 I16", 4).astype(np.int64)
            op.bias, op.shift = numbers(f"{n}.bias", "I64", 1), numbers(f"{n}.shift", "U8", 1).astype(np.int64)
        elif op.name == "PRELU":
            op.slope = numbers(f"{n}.slope", "I16", 1).astype(np.int64)
        elif op.name == "TABLE":
            op.table = numbers(f"{n}.table", "I32", 1)
        form = result(op, graph.forms[op.first], graph.forms[op.second])
        require(1 <= form[0] <= 65536 and (form[1] is None or 0 <= form[1] <= 7), "a result of bad channels or size")
        graph.forms.append(form)
        graph.operations.append(op)
    for number, fraction in graph.outputs:
        there = 0 <= number < len(graph.forms) and graph.forms[number][1] is not None
        require(there and -64 <= fraction <= 64, "an output is out of range")
    return graph


def result(op: SimpleNamespace, first: tuple, second: tuple) -> tuple:
    """Clause 8.11: C, s and b of the result, the rules of the operation, and the bound of its sums."""
    (channels, s, b), p, bound = first, op.p, 0
    m, other = 2 ** (b - 1), 2 ** (second[2] - 1)
    half = 2**op.r // 2
    if op.name in ("SHUFFLE", "UNSHUFFLE", "UPSAMPLE", "POOL", "MEAN"):
        require(s is not None, "the first is single")
    if op.name in ("ADD", "MULTIPLY"):
        require(channels == second[0] and second[1] in (s, None), "tensors that differ in channels or size")
    if op.name == "CONVOLUTION":
        outputs, members, k, across = op.weight.shape
        require(k == across and 1 <= k <= 15 and members and channels % members == 0 and outputs, "bad weights")
        require(outputs % (channels // members) == 0, "channels that are not divided by the groups")
        require(op.bias.shape == op.shift.shape == (outputs,) and op.shift.max() <= 48, "bad biases or shifts")
        require(s is not None or (k == 1 and p == 0), "single samples are convolved with their neighbours")
        for o in range(outputs):
            total = m * int(np.abs(op.weight[o]).sum()) + abs(int(op.bias[o])) + 2 ** int(op.shift[o]) // 2
            bound = max(bound, total)
        form = outputs, None if s is None else s - p, op.bits
    elif op.name == "ADD":
        bound, form = m * 2**p + other * 2**op.q + half, (channels, s, op.bits)
    elif op.name == "MULTIPLY":
        bound, form = m * other + half, (channels, s, op.bits)
    elif op.name == "SCALE":
        bound, form = m * 2**p + half, (channels, s, op.bits)
    elif op.name == "CONCATENATE":
        require(s == second[1], "tensors of different size")
        form = channels + second[0], s, max(b, second[2])
    elif op.name == "SLICE":
        require(p + op.q <= channels, "channels that are not there")
        form = op.q, s, b
    elif op.name == "SHUFFLE":
        require(channels % 4**p == 0, "channels that are too few")
        form = channels // 4**p, s + p, b
    elif op.name in ("UNSHUFFLE", "POOL"):
        form = channels * (4**p if op.name == "UNSHUFFLE" else 1), s - p, b
    elif op.name == "UPSAMPLE":
        form = channels, s + p, b
    elif op.name == "MEAN":
        require(b <= 20, "more bits than a mean takes")
        form = channels, None, b
    elif op.name == "PRELU":
        require(op.slope.shape == (channels,), "a slope is missing, or there is one too many")
        form = first
    elif op.name == "TABLE":
        require(2 <= len(op.table) <= 65536 and len(op.table) % 2 == 0, "a table of a bad size")
        most = 2 ** (op.bits - 1)
        require(-most <= op.table.min() and op.table.max() < most, "an entry that has too many bits")
        form = channels, s, op.bits
    else:
        form = first
    require(bound < 2**53, "a sum that may reach 2**53")
    return form


def needs(graph: SimpleNamespace, lattice: tuple[int, int]) -> tuple[int, int, int]:
    """Clause 8.11: operations, products and samples of a picture."""
    maps = [1 if s is None else lattice[0] * lattice[1] * 4**s for _, s, _ in graph.forms]
    samples = sum(channels * count for (channels, _, _), count in zip(graph.forms, maps, strict=True))
    results = zip(graph.operations, maps[len(graph.inputs) + 1 :], strict=True)
    products = sum(op.weight.size * count for op, count in results if op.name == "CONVOLUTION")
    return len(graph.operations), products, samples


def rounded(v: np.ndarray, r: int) -> np.ndarray:
    return v + 2**r // 2 >> r


def fit(v: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(v, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def evaluate(graph: SimpleNamespace, inputs: list[np.ndarray], condition: int) -> list[np.ndarray]:
    """Clause 8.11: the outputs, of 64 bits."""
    s = graph.inputs[0][1]
    tensors = [one.astype(np.int64) for one in inputs]
    tensors.append(np.full((1, inputs[0].shape[1] >> s, inputs[0].shape[2] >> s), condition, np.int64))
    for op in graph.operations:
        tensors.append(operate(op, tensors[op.first], tensors[op.second], graph.forms[op.first][2]))
    return [tensors[number] for number, _ in graph.outputs]


def operate(op: SimpleNamespace, x: np.ndarray, y: np.ndarray, bits: int) -> np.ndarray:
    """Clause 8.11: one operation."""
    (channels, h, w), f = x.shape, 1 << op.p
    if op.name == "CONVOLUTION":
        return convolve(op, x)
    if op.name == "ADD":
        return fit(rounded((x << op.p) + (y << op.q), op.r), op.bits)
    if op.name == "MULTIPLY":
        return fit(rounded(x * y, op.r), op.bits)
    if op.name == "SCALE":
        return fit(rounded(x << op.p, op.r), op.bits)
    if op.name == "CONCATENATE":
        return np.concatenate([x, y])
    if op.name == "SLICE":
        return x[op.p : op.p + op.q]
    if op.name == "SHUFFLE":
        found = np.empty((channels // f**2, h * f, w * f), np.int64)
        for place in range(f * f):
            found[:, place // f :: f, place % f :: f] = x[place :: f * f]
        return found
    if op.name == "UNSHUFFLE":
        found = np.empty((channels * f**2, h // f, w // f), np.int64)
        for place in range(f * f):
            found[place :: f * f] = x[:, place // f :: f, place % f :: f]
        return found
    if op.name == "UPSAMPLE":
        return x[:, np.arange(h * f) // f][:, :, np.arange(w * f) // f]
    if op.name == "POOL":
        return rounded(sum(x[:, i::f, j::f] for i in range(f) for j in range(f)), 2 * op.p)
    if op.name == "MEAN":
        return (2 * x.sum((1, 2), keepdims=True) + h * w) // (2 * h * w)
    if op.name == "RELU":
        return np.maximum(x, 0)
    if op.name == "PRELU":
        return np.where(x < 0, fit(rounded(x * op.slope[:, None, None], op.r), bits), x)
    half = len(op.table) // 2
    return op.table[np.clip((x >> op.r) + half, 0, 2 * half - 1)].astype(np.int64)


def convolve(op: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    """Clause 8.11, CONVOLUTION: all samples of the result at once, one weight after another."""
    outputs, members, k, _ = op.weight.shape
    groups, f, before = len(x) // members, 1 << op.p, (k - 1) // 2
    h, w = x.shape[1] // f, x.shape[2] // f
    around = np.pad(x, ((0, 0), (before, k), (before, k))).reshape(groups, members, -1, x.shape[2] + before + k)
    weight = op.weight.reshape(groups, outputs // groups, members, k, k)
    v = np.zeros((groups, outputs // groups, h, w), np.int64)
    for i in range(k):
        for j in range(k):
            for c in range(members):
                part = around[:, None, c, i : i + f * h : f, j : j + f * w : f]
                v += weight[:, :, c, i, j, None, None] * part
    v = v.reshape(outputs, h, w) + op.bias[:, None, None]
    return np.stack([fit(rounded(one, int(r)), op.bits) for one, r in zip(v, op.shift, strict=True)])
