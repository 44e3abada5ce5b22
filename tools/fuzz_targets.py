"""What ``fuzz.py`` executes, what it watches meanwhile, and the streams it starts from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from fuzz_mutation import LIMITS

from vcm_ref.bitstream.headers import StreamHeader
from vcm_ref.bitstream.stream import BitstreamReader, BitstreamWriter, CodedGroup
from vcm_ref.bitstream.units import locate_units
from vcm_ref.bitstream.values import FIRST_ANCILLARY, UnitType
from vcm_ref.codec import ffmpeg
from vcm_ref.configuration import load_configuration
from vcm_ref.conformance.generate import graph, klt
from vcm_ref.decoder import Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.errors import BitstreamError, CodecError, LimitError, UnsupportedError
from vcm_ref.feature_set import FeatureSet

REFUSALS = (BitstreamError, UnsupportedError, LimitError, CodecError)
CONFIGURATION = Path(__file__).parent.parent / "cfg" / "base.yaml"
LARGEST_VECTOR = 6144
_SAVE_EVERY_S = 2.0
_KEPT_OF_A_KIND = 3


class LeftoverError(Exception):
    """An execution left something behind, or took more than it may."""


def parse(data: bytes) -> None:
    """Read ``data``, which must be what the writer makes of what was read. Raises what the reader raises."""
    reader = BitstreamReader(io.BytesIO(data), limits=LIMITS)
    groups = list(reader.groups())
    pictures = sum(len(group.header.pictures) for group in groups)
    assert pictures == reader.picture_count, "pictures were counted wrongly"
    assert sum(reader.part_bits.values()) == 8 * len(data), "not every bit was accounted for"
    types = {unit.unit_type for unit in locate_units(io.BytesIO(data))}
    if UnitType.MODEL not in types and max(types) < FIRST_ANCILLARY:  # these are not kept
        assert rewritten(reader.header, groups) == data, "written again, it is another bitstream"


def rewritten(header: StreamHeader, groups: list[CodedGroup]) -> bytes:
    """The bitstream of what was read."""
    file = io.BytesIO()
    writer = BitstreamWriter(file, header)
    for group in groups:
        writer.write(CodedGroup(group.header, group.substreams, group.digests))
    writer.close()
    return file.getvalue()


def decode(data: bytes) -> None:
    """Decode ``data`` whole. Raises what the decoder raises."""
    decoder = Decoder(io.BytesIO(data), limits=LIMITS)
    for picture in decoder.pictures():
        header = decoder.header
        for layer, tensor, (name, q) in zip(header.coded, header.tensors, picture.quantised.items(), strict=True):
            assert (layer.name, layer.channels) == (name, len(q)), "a tensor is not the header's"
            largest = max(int(q.max()), -int(q.min()))
            assert largest < 1 << tensor.format.bit_depth, "a sample has more bits than the header says"
        for values in picture.features.layers.values():
            assert np.isfinite(values).all(), "features are not finite"


TARGETS: dict[str, Callable[[bytes], None]] = {"parse": parse, "decode": decode, "decode-video": decode}


class Watch:
    """Executes one target on one input after another; counts, measures, and keeps what should not have happened."""

    def __init__(self, target: str, folder: Path, session: str, slow_s: float, memory_mib: int) -> None:
        """``folder`` gets ``findings/`` and ``sessions/``; the temporary folder is our own and has to stay empty."""
        self.execute = TARGETS[target]
        self.session = session
        self.folder = folder
        self.slow_s = slow_s
        self.memory_kib = memory_mib << 10
        self.temporary = os.environ["TMPDIR"]
        self.started = time.time()
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.clauses: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._saved = 0.0
        self._descriptors = _descriptors()
        self._children = _children()
        _count_children(self.counts)

    def __call__(self, data: bytes) -> None:
        """One execution."""
        peak, start = _peak_kib(), _cpu_s()
        try:
            self._judged(data)
            took, grown = _cpu_s() - start, _peak_kib() - peak
            self.slowest_s = max(self.slowest_s, took)
            if took > self.slow_s:
                raise LeftoverError(f"took {took:.1f} s")
            if grown > self.memory_kib:
                raise LeftoverError(f"took {grown >> 10} MiB of memory")
            self._check_nothing_left()
        except Exception as error:
            self._keep(data, error)
        # Often, for libFuzzer ends the process without a word.
        if time.time() - self._saved > _SAVE_EVERY_S or self.counts["executions"] % 100 == 0:
            self.save()

    def _judged(self, data: bytes) -> None:
        self.counts["executions"] += 1
        children = self.counts["children"]
        try:
            self.execute(data)
            self.counts["accepted"] += 1
        except REFUSALS as error:
            self.refused[type(error).__name__] += 1
            if isinstance(error, BitstreamError):
                self.clauses[error.clause or "none"] += 1
            assert str(error) and "\n" not in str(error), "the message is not one line"
        self.counts["with a child"] += self.counts["children"] > children

    def _check_nothing_left(self) -> None:
        with suppress(ChildProcessError):  # there is none: the usual case, and quick
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if children := _children() - self._children:
                self._children |= children
                raise LeftoverError(f"a child process is left: {children}")
        if left := os.listdir(self.temporary):
            raise LeftoverError(f"temporary files are left: {left}")
        if threading.active_count() > 1:
            raise LeftoverError("a thread is left")
        if self.counts["children"] and _descriptors() != self._descriptors:
            self._descriptors = _descriptors()
            raise LeftoverError("a descriptor is left open")

    def _keep(self, data: bytes, error: Exception) -> None:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "vcm_ref" in f.filename]
        place = f"{Path(frames[-1].filename).stem}-{frames[-1].lineno}" if frames else str(error).split(":")[0][:20]
        kind = "".join(c if c.isalnum() or c in "-_" else "_" for c in f"{type(error).__name__}-{place}")
        self.found[kind] += 1
        if self.found[kind] <= _KEPT_OF_A_KIND:
            name = f"{kind}-{hashlib.sha256(data).hexdigest()[:8]}"
            (self.folder / "findings" / f"{name}.bin").write_bytes(data)
            (self.folder / "findings" / f"{name}.txt").write_text("".join(traceback.format_exception(error)))
        self.save()

    def save(self) -> None:
        """Write what was counted so far."""
        self._saved = time.time()
        counted = {
            "started": self.started,
            "seconds": self._saved - self.started,
            **self.counts,
            "refused": self.refused,
            "clauses": self.clauses,
            "found": self.found,
            "slowest_s": self.slowest_s,
            "peak_mib": _peak_kib() >> 10,
        }
        path = self.folder / "sessions" / f"{self.session}.json"
        path.with_suffix(".part").write_text(json.dumps(counted, indent=1))
        path.with_suffix(".part").replace(path)


def _count_children(counts: Counter[str]) -> None:
    run_child = ffmpeg.run_child

    def counted(*args: object, **kwargs: object) -> bytearray:
        counts["children"] += 1
        return run_child(*args, **kwargs)  # type: ignore[arg-type]

    ffmpeg.run_child = counted


def _children() -> set[int]:
    return {process.pid for process in psutil.Process().children()}


def _cpu_s() -> float:
    """Ours and that of children that have ended: a busy machine makes nothing slow."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def seeds(target: str, vectors: Path, only: Sequence[str] = ("*",)) -> Iterator[tuple[str, bytes]]:
    """Named streams to start from: the vectors there are that ``target`` is for, and a few made here.

    Their names match one of the patterns ``only``.
    """
    for name, data in _all_seeds(target, vectors):
        if any(fnmatchcase(name, pattern) for pattern in only):
            yield name, data


def _all_seeds(target: str, vectors: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(vectors.rglob("*.bin")):
        data = path.read_bytes()
        if len(data) <= LARGEST_VECTOR and (target == "parse" or _is_video(data) == (target == "decode-video")):
            yield path.stem, data
    yield from _made(target)


def is_read(data: bytes) -> bool:
    """Whether ``data`` is a bitstream."""
    try:
        return bool(list(BitstreamReader(io.BytesIO(data), limits=LIMITS).groups()))
    except REFUSALS:
        return False


def _is_video(data: bytes) -> bool:
    try:
        tensors = BitstreamReader(io.BytesIO(data)).header.tensors
        return any(tensor.format.inner_codec.is_video for tensor in tensors)
    except REFUSALS:
        return False


def _made(target: str) -> Iterator[tuple[str, bytes]]:
    lossless = [
        [f"quantisation.bit_depth={depth}", f"quantisation.range={scope}", f"order.method={order}", *more]
        for depth, scope, order, more in (
            (10, "layer", "mean", []),
            (8, "channel", "none", ["packing.allocation=interleaved", "digest_length=0"]),
            (2, "picture", "mse", ["packing.method=quilted", "order.coding=fixed_length"]),
            (16, "fixed", "mean", ["quantisation.min=-3", "quantisation.max=3", "digest_length=32"]),
            (12, "layer", "none", ["packing.method=stacked", "digest_length=0"]),
        )
    ]
    reduced = [
        ["reduction.method=resize", "reduction.factor={p2: 2}", "quantisation.bit_depth=8"],
        ["reduction.method=pca", "reduction.components=1", "digest_length=0"],
        ["reduction.method=pca", "reduction.components={p2: 3, p3: 0}", "quantisation.bit_depth=12"],
        [
            "reduction.method=pca",
            "reduction.components=2",
            'codec.name={"*.coefficients": coefficients, default: lossless}',
        ],
    ]
    video = [
        ["order.method=mean", "codec.qp=40", *more]
        for more in (
            ["codec.name=vvenc", "codec.mode=AI"],
            ["codec.name=vvenc", "codec.mode=RA", "digest_length=0"],
            ["codec.name=hevc", "codec.preset=medium", "codec.mode=AI", "digest_length=0"],
            ["codec.name=hevc", "codec.preset=medium", "codec.mode=RA"],
            ["codec.name=vvenc", "packing.method=stacked", "digest_length=0"],
        )
    ]
    for index, settings in enumerate(lossless if target != "decode-video" else []):
        stacked = "packing.method=stacked" in settings
        grid = f"packing.grid=2x{2 if stacked else 1}"
        yield f"lossless-{index}", _coded(["codec.name=lossless", grid, *settings], 1 + index % 2, 1 + index % 2)
    for index, settings in enumerate(reduced if target != "decode-video" else []):
        yield f"reduced-{index}", _coded(["codec.name=lossless", "order.method=none", *settings], 2, 1 + index % 2)
    if target != "decode-video":
        for label, data in graphs():
            yield f"graph-{label}", data
        for label, data in klts():
            yield f"klt-{label}", data
    levels = [["codec.qp=20"], ["codec.qp=40", "digest_length=0"], ["codec.qp=0", "codec.rdoq=0", "digest_length=0"]]
    for index, settings in enumerate(levels if target != "decode-video" else []):
        yield f"levels-{index}", _coded(["codec.name=coefficients", *settings], 1 + index % 2, 1 + index % 2)
    if target != "decode-video":
        for index, shapes in enumerate(([(3, 2, 2)], [(2, 1, 3), (1, 2, 1)], [(1, 1, 1)], [(5, 1, 2)])):
            yield f"levels-time-{index}", _over_time(shapes)
    for index, settings in enumerate(video if target != "decode" else []):
        yield f"video-{index}", _coded(["packing.grid=2x2", *settings], 1 + index % 2, 1)


def _over_time(shapes: Sequence[tuple[int, int, int]]) -> bytes:
    """Levels of two groups of three pictures: the second is like the first, the third is not; without digests."""
    random = np.random.default_rng(7)
    file = io.BytesIO()
    settings = ["codec.name=coefficients", "codec.qp=24", "group=3", "digest_length=0"]
    encoder = Encoder(load_configuration([CONFIGURATION], settings), file)
    for _ in range(2):
        still = {f"p{2 + number}": random.normal(0, 4, shape) for number, shape in enumerate(shapes)}
        pictures = []
        for factor in (1.0, 1.02, -1.0):
            maps = {name: (factor * values).astype(np.float32) for name, values in still.items()}
            pictures.append(FeatureSet(8, 16, maps))
        encoder.encode(*pictures)
    encoder.close()
    return file.getvalue()


def graphs() -> Iterator[tuple[str, bytes]]:
    """Bitstreams whose layers an integer graph restores, small ones; without digests, which would hide the rest."""
    for variant in (*graph.operations(), *graph.graphs()):
        make = variant.make
        if isinstance(make, partial) and make.func in (graph.coded, graph.coded_with):
            data = make(digest_length=0)
            if len(data) <= LARGEST_VECTOR + 2048:
                yield variant.label, data


def klts() -> Iterator[tuple[str, bytes]]:
    """Small bitstreams of the stage KLT, without digests."""
    for variant in klt.restored():
        make = variant.make
        if isinstance(make, partial) and make.func is klt.coded:
            data = make(digest_length=0, t2_digest=False)
            if len(data) <= LARGEST_VECTOR:
                yield variant.label, data


def _coded(settings: list[str], layers: int, pictures: int) -> bytes:
    random = np.random.default_rng(7)
    file = io.BytesIO()
    encoder = Encoder(load_configuration([CONFIGURATION], settings), file)
    for _ in range(pictures):
        maps = {f"p{2 + i}": random.normal(0, 1, (4, 2 - i, 4 - i)).astype(np.float32) for i in range(layers)}
        encoder.encode(FeatureSet(8, 16, maps))
    encoder.close()
    return file.getvalue()
