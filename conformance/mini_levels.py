"""The second decoder's levels, written from docs/bitstream.md, 8.10, alone: decision by decision."""

import bisect
import itertools

import numpy as np
from mini_bits import require
from mini_graph import Model, numbers

THRESHOLDS = [(4 + i % 4) << (i // 4 + 2) for i in range(63)]
SETS = (64, 600, 128)  # the contexts of a flag in each set
Tables = tuple[dict[tuple, list[int]], list[int]]  # of contexts by their names; mean magnitudes expected


def level_class(mean: int) -> int:
    return bisect.bisect_right(THRESHOLDS, mean)


def samples(v: np.ndarray, qp: int, offsets: list[int]) -> np.ndarray:
    """Clause 8.10.1."""
    moved = 32 * np.abs(v) + np.where(np.abs(v) > 1, offsets[1], offsets[0])
    return np.sign(v) * moved * (102, 114, 128, 144, 161, 181)[qp % 6]


def tables(model: Model, first: int, components: int, qp: int) -> Tables:
    """Clause 8.10.5: of a tensor whose components come after `first` others."""
    counts = numbers(model, "coefficients.contexts", "U8", 3 * sum(SETS), 2)
    require((counts[:, 0] <= counts[:, 1]).all(), "counts of zeros are above those of all")
    names = [("above", k, i, c) for k in range(3) for i, most in enumerate(SETS) for c in range(most)]
    scales = numbers(model, "coefficients.scales", "U8", None)[first : first + components]
    require(len(scales) == components, "scales are too few")
    expected = []
    for s in scales.tolist():
        e = min(s - qp - 36, 155)
        expected.append((64, 72, 81, 91, 102, 114)[e % 6] << max(e // 6, 0) >> (6 - e // 6 if e < 0 else 6))
    return dict(zip(names, counts.tolist(), strict=True)), expected


def default_tables() -> Tables:
    starts = [8, *THRESHOLDS]
    return {("above", k, 0, i): [16384 // (1024 + starts[i]), 16] for k in range(3) for i in range(64)}, []


def decode(
    data: bytes, size: tuple[int, int, int], components: int, picture_before: int, own: Tables | None
) -> np.ndarray:
    """Clause 8.10: the levels of all pictures of a substream."""
    decoder, v, before = LevelDecoder(data, *(own or default_tables())), np.zeros(size, "<i4"), None
    for picture in v.reshape(-1, components, *size[1:]):
        dependent = before is not None and decoder.bits(1)
        decoder.picture(picture, before if dependent else None)
        if dependent:
            picture += before
            require(np.abs(picture).max() < 65536, "a level of 65536 or more")
        before = picture if picture_before else None
    ends = decoder.offset < 1 << 24 and len(decoder.data) == 1 + decoder.shifted
    require(ends, "the stream does not end where they do")
    return v


class LevelDecoder:
    """Clause 8.10: the arithmetic decoder, and the counts of contexts, whose names begin with what they decide."""

    def __init__(self, data: bytes, counts: dict[tuple, list[int]], expected: list[int]) -> None:
        self.data, self.shifted, self.expected = data, 0, expected
        self.range, self.offset = 1 << 32, int.from_bytes((data + bytes(3))[:4], "big")
        self.counts = {context: list(own) for context, own in counts.items()}
        self.row: list[tuple[tuple, int]] = []

    def shift(self) -> None:
        while self.range < 1 << 24:
            self.shifted += 1
            behind = self.shifted + 3 >= len(self.data)
            self.offset = self.offset << 8 | (0 if behind else self.data[self.shifted + 3])
            self.range <<= 8

    def bit(self, *contexts: tuple) -> int:
        z, a = (sum(self.counts.get(context, (0, 0))[part] for context in contexts) for part in (0, 1))
        bound = (self.range >> 16) * min(max((65536 * z + 32768) // (a + 1), 16), 65520)
        b = int(self.offset >= bound)
        self.offset, self.range = (self.offset - bound, self.range - bound) if b else (self.offset, bound)
        self.row += [(context, b) for context in contexts]
        self.shift()
        return b

    def bits(self, n: int) -> int:
        self.range >>= n
        number, self.offset = divmod(self.offset, self.range)
        require(number < 1 << n, "a number lies outside its range")
        self.shift()
        return number

    def learn(self) -> None:
        for context, b in self.row:
            counts = self.counts.setdefault(context, [0, 0])
            counts[:] = counts[0] + 1 - b, counts[1] + 1
        for context in {context for context, _ in self.row}:
            if self.counts[context][1] > 255:
                self.counts[context] = [count >> 1 for count in self.counts[context]]
        self.row = []

    def picture(self, v: np.ndarray, before: np.ndarray | None) -> None:
        """Clauses 8.10.2 and 8.10.3."""
        components, h, w = v.shape
        starts = [0]
        while starts[-1] < components:
            starts.append(min(starts[-1] + min(max(starts[-1], 1), 24), components))
        used = self.bits((len(starts) - 1).bit_length())
        require(used < len(starts), "more bands than there are")
        for first, end in itertools.pairwise(starts[: used + 1]):
            k = min(first, 24)
            e = np.pad(np.abs(v[first - k : first]).sum(0, dtype=np.int64), 1)
            around = 4 * e[1:-1, 1:-1] + e[:-2, 1:-1] + e[2:, 1:-1] + e[1:-1, :-2] + e[1:-1, 2:]
            density, average = around * 128 // max(k, 1), 1024 * int(e.sum()) // (max(k, 1) * h * w)
            for y in range(h):
                for c in range(first, end):
                    expected = self.expected[c] if self.expected else average if first else 1024
                    if before is not None:
                        expected = 1024 * int(np.abs(before[c]).sum(dtype=np.int64)) // (h * w)
                    rows = 1024 * int(np.abs(v[c, :y]).sum(dtype=np.int64))
                    rate = (40 * expected + rows) // (40 + y * w)
                    for x in range(w):
                        place = rate, int(density[y, x]), average, None if before is None else int(before[c, y, x])
                        v[c, y, x] = self.level(v[c], y, x, c, *place)
                self.learn()
        require(not used or v[starts[used - 1] :].any(), "the last band that is coded has no level")

    def level(self, m: np.ndarray, y: int, x: int, c: int, rate: int, density: int, average: int, b: int | None) -> int:
        def at(dy: int, dx: int) -> int:
            return int(m[y + dy, x + dx]) if y + dy >= 0 and 0 <= x + dx < m.shape[1] else 0

        n, left = abs(at(-1, 0)), min(abs(at(0, -1)), 2)
        likely = (rate + 16) * density // (average + 16)
        mean = 20 * rate + 1024 * (36 * n + 9 * (abs(at(-1, -1)) + abs(at(-1, 1)) + abs(at(-2, 0)))) + 100 * likely
        middle = min(level_class(density) // 4, 9)
        if b is not None:
            mean, middle = mean // 2 + 96 * 1024 * abs(b), min(abs(b), 9)
        sets = [level_class((mean >> 8) + 160 * left), 30 * min(level_class(rate) // 2, 19) + 10 * left + middle]
        sets.append(4 * (level_class(likely) // 2) + min(n + left, 3))
        magnitude = 0
        while magnitude < 3 and self.bit(*(("above", magnitude, *one) for one in enumerate(sets))):
            magnitude += 1
        if magnitude == 3:
            length = 0
            while length < 15 and self.bit(("length", sets[0] // 4, length)):
                length += 1
            magnitude = 2 + (1 << length) + self.bits(length)
            require(magnitude < 65536, "a level of 65536 or more")
        signs = 3 * np.sign(at(0, -1)) + np.sign(at(-1, 0) if b is None else b)
        return -magnitude if magnitude and self.bit(("sign", signs), ("sign", c, signs)) else magnitude
