"""Measure what the project promises about speed and memory.

    python tools/bench.py [--only NAME ...] [--repeats N]

A figure is one function: decorated with `figure`, it returns the measured number, which is compared with its
limit. Times are ratios of minima within one run, the two sides measured in alternation, so that a slow or
busy machine slows both. Ends with 1 where a figure is above its limit.
"""

from __future__ import annotations

import argparse
import io
import math
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcm_ref import encoder as encoder_module
from vcm_ref.bitstream.values import Shape
from vcm_ref.configuration import Configuration, load_configuration
from vcm_ref.conversion.chain import Chain, ConvertedPicture
from vcm_ref.decoder import DecodedPicture, Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.encoding.model_choice import with_model
from vcm_ref.encoding.settings import settings_for
from vcm_ref.feature_set import FeatureSet
from vcm_ref.network import Network, load_network
from vcm_ref.process import together
from vcm_ref.task.scenes import render_scene, write_dataset


@dataclass(frozen=True)
class Figure:
    """A number the project promises: ``measure`` takes the number of repeats."""

    name: str
    what: str
    limit: float
    measure: Callable[[int], float]


FIGURES: list[Figure] = []


def figure(name: str, what: str, limit: float) -> Callable[[Callable[[int], float]], Callable[[int], float]]:
    """Enter the decorated function in `FIGURES`."""

    def enter(measure: Callable[[int], float]) -> Callable[[int], float]:
        FIGURES.append(Figure(name, what, limit, measure))
        return measure

    return enter


def ratio_of_minima(measured: Callable[[], object], unit: Callable[[], object], repeats: int) -> float:
    """Return the least time of ``measured`` over the least time of ``unit``, called in turn."""
    best_measured = best_unit = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        unit()
        middle = time.perf_counter()
        measured()
        end = time.perf_counter()
        best_unit = min(best_unit, middle - start)
        best_measured = min(best_measured, end - middle)
    return best_measured / best_unit


# ---- The pyramid of an 800x1088 input, converted and coded as cfg/fframe.yaml does

ROOT = Path(__file__).parent.parent
FFRAME = ROOT / "cfg" / "fframe.yaml"
SHAPES: list[Shape] = [(256, 200, 272), (256, 100, 136), (256, 50, 68), (256, 25, 34)]


@cache
def pyramid() -> FeatureSet:
    """Return float32 layers ``(C, H, W)`` of values like those of a feature pyramid."""
    random = np.random.default_rng(0)
    layers = {f"p{level}": random.standard_normal(shape, np.float32) * 3 for level, shape in enumerate(SHAPES, 2)}
    return FeatureSet(800, 1088, layers)


def encoder() -> Encoder:
    """Return an encoder of the default configuration that writes to memory."""
    return Encoder(load_configuration([FFRAME]), io.BytesIO())


@cache
def chain() -> Chain:
    """Return the stages of the pyramid's conversion."""
    return Chain(settings_for(load_configuration([FFRAME]), pyramid()).header)


def convert() -> ConvertedPicture:
    """Run the forward conversion of the whole pyramid."""
    return encoder().convert(pyramid())


def convert_back(converted: ConvertedPicture) -> list[NDArray[np.float32]]:
    """Run the inverse conversion of the whole pyramid."""
    stages, side = chain(), converted.side
    tensors = stages.to_tensors(converted.frames, SHAPES, side.orders)
    return list(stages.to_layers(tensors, side.ranges, SHAPES).values())


def copy_pyramid() -> list[NDArray[np.float32]]:
    """Copy the float tensors once: the unit of the conversion's times."""
    return [tensor.copy() for tensor in pyramid().layers.values()]


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the most memory that ``work`` holds at any time beyond what was held before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@figure("conversion-forward", "range, quantisation, mean order, packing; copies of the tensors", 5)
def conversion_forward(repeats: int) -> float:
    """Time the forward conversion."""
    return ratio_of_minima(convert, copy_pyramid, repeats)


@figure("conversion-inverse", "restoring maps and dequantisation; copies of the tensors", 5)
def conversion_inverse(repeats: int) -> float:
    """Time the inverse conversion."""
    converted = convert()
    return ratio_of_minima(lambda: convert_back(converted), copy_pyramid, repeats)


@figure("conversion-memory", "peak of the forward conversion with its results; sizes of the tensors", 1.5)
def conversion_memory(repeats: int) -> float:
    """Measure the forward conversion's memory, which no repeat changes."""
    size = sum(layer.nbytes for layer in pyramid().layers.values())
    return peak_bytes(convert) / size


@figure("encoder-memory", "peak of the whole encoder; sizes of the tensors", 1.5)
def encoder_memory(repeats: int) -> float:
    """Measure the encoder's own memory; its inner codec is another process."""
    size = sum(layer.nbytes for layer in pyramid().layers.values())
    return peak_bytes(lambda: encoder().encode(pyramid())) / size


@figure("encoder", "the whole encoder, features to bitstream; the time of its inner codec runs", 1.15)
def whole_encoder(repeats: int) -> float:
    """Time encoding against the part of it in which inner codecs run; the least ratio of a few runs."""
    spent = 0.0

    def timed(jobs: Sequence[Callable[[], Any]]) -> list[tuple[Any, float]]:
        nonlocal spent
        start = time.perf_counter()
        results = together.run_together(jobs)
        spent = time.perf_counter() - start
        return results

    ratios = []
    encoder_module.run_together = timed  # type: ignore[assignment]
    for _ in range(min(repeats, 3)):
        start = time.perf_counter()
        encoder().encode(pyramid())
        ratios.append((time.perf_counter() - start) / spent)
    encoder_module.run_together = together.run_together
    return min(ratios)


# ---- Whole commands, in seconds


def seconds(command: list[str | Path], repeats: int) -> float:
    """Return the least wall-clock time of a command."""
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - start)
    return best


def executable(name: str) -> Path:
    """Return the installed executable beside this Python."""
    return Path(sys.executable).with_name(name)


@figure("help", "vcm_dec --help, seconds", 0.5)
def help_start(repeats: int) -> float:
    """Time the decoder's help."""
    return seconds([executable("vcm_dec"), "--help"], repeats)


@figure("small-decode", "vcm_dec of four small layers, seconds", 0.5)
def small_decode(repeats: int) -> float:
    """Time the decoding of a small bitstream, start-up included."""
    random = np.random.default_rng(0)
    layers = {f"p{k}": random.standard_normal((16, 64 >> k, 64 >> k), np.float32) for k in range(2, 6)}
    with tempfile.TemporaryDirectory() as folder:
        bitstream = Path(folder) / "small.bin"
        with bitstream.open("w+b") as file:
            configuration = load_configuration([FFRAME], ["packing.grid={p2: 2x2, p3: 2x2, p4: 4x4, p5: 4x4}"])
            small = Encoder(configuration, file)
            small.encode(FeatureSet(64, 64, layers))
            small.close()
        return seconds([executable("vcm_dec"), bitstream], repeats)


@figure("default-run", "vcm_enc -c cfg/fframe.yaml, network included, seconds", 20)
def default_run(repeats: int) -> float:
    """Time the README's main job, once."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds([executable("vcm_enc"), "-c", FFRAME, "-b", Path(folder) / "bitstream.bin"], 1)


# ---- One 512x384 scene through refnet and the default configuration, in seconds a picture: no limit, for information

SCENE_SEED = 2_000_000
WORKER_SCENES = 240
WORKER_ROUNDS = 2


@cache
def network() -> Network:
    """Return refnet."""
    return load_network("refnet")


@cache
def scene_features() -> FeatureSet:
    """Return the features of one scene."""
    return network().extract(render_scene(SCENE_SEED).image)


@cache
def scene_bitstream() -> bytes:
    """Return the bitstream of one scene."""
    file = io.BytesIO()
    scene_encoder = Encoder(load_configuration([FFRAME]), file)
    scene_encoder.encode(scene_features())
    scene_encoder.close()
    return file.getvalue()


def least_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the least time of a few calls, after one that is not counted."""
    work()
    best = math.inf
    for _ in range(min(repeats, 5)):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


@figure("picture-extract", "extract of one picture, seconds", math.inf)
def picture_extract(repeats: int) -> float:
    """Time part 1 of the network."""
    image = render_scene(SCENE_SEED).image
    return least_seconds(lambda: network().extract(image), repeats)


@figure("picture-encode", "encode of one picture, seconds", math.inf)
def picture_encode(repeats: int) -> float:
    """Time the encoder."""
    scene_features()
    return least_seconds(lambda: encoder().encode(scene_features()), repeats)


@figure("picture-decode", "decode of one picture, seconds", math.inf)
def picture_decode(repeats: int) -> float:
    """Time the decoder."""
    data = scene_bitstream()
    return least_seconds(lambda: list(Decoder(io.BytesIO(data)).pictures()), repeats)


@figure("picture-analyse", "analyse of one picture, seconds", math.inf)
def picture_analyse(repeats: int) -> float:
    """Time part 2 of the network."""
    scene_features()
    return least_seconds(lambda: network().analyse(scene_features()), repeats)


# ---- The KLT of refnet, as cfg/klt.yaml has it, in times of the feature anchor; and on layers of an 800x1088 input


@cache
def large_features() -> FeatureSet:
    """Return the features of a scene of 1088x800, of 256 maps a layer."""
    return network().extract(render_scene(SCENE_SEED, width=1088, height=800).image)


@cache
def shipped(name: str) -> Configuration:
    """Return the shipped configuration ``name`` with one thread; a run loads it, and finds its model, once."""
    settings = ["codec.threads=1"] if name == "feature_anchor" else []
    return with_model(load_configuration([ROOT / "cfg" / f"{name}.yaml"], settings))


def coded_as(name: str, features: FeatureSet) -> bytes:
    """Code one picture's features with the shipped configuration ``name``, in this process, with one thread."""
    file = io.BytesIO()
    own = Encoder(shipped(name), file)
    own.encode(features)
    own.close()
    return file.getvalue()


def decoded(data: bytes) -> list[DecodedPicture]:
    """Decode all pictures of a bitstream."""
    return list(Decoder(io.BytesIO(data)).pictures())


@figure("klt-encode", "encode with the KLT; times of the feature anchor", 1 / 5)
def klt_encode(repeats: int) -> float:
    """Compare the two encoders on one scene."""
    features = scene_features()
    return ratio_of_minima(
        lambda: coded_as("klt", features), lambda: coded_as("feature_anchor", features), min(repeats, 3)
    )


@figure("klt-decode", "decode with the KLT; times of the feature anchor", 1 / 2)
def klt_decode(repeats: int) -> float:
    """Compare the two decoders on one scene."""
    klt, anchor = (coded_as(name, scene_features()) for name in ("klt", "feature_anchor"))
    return ratio_of_minima(lambda: decoded(klt), lambda: decoded(anchor), repeats)


@figure("klt-large-encode", "encode 256-channel layers of 800x1088 with the KLT, seconds", 1.5)
def klt_large_encode(repeats: int) -> float:
    """Time the encoder."""
    features = large_features()
    return least_seconds(lambda: coded_as("klt", features), repeats)


@figure("klt-large-decode", "decode 256-channel layers of 800x1088 with the KLT, seconds", 0.5)
def klt_large_decode(repeats: int) -> float:
    """Time the decoder."""
    data = coded_as("klt", large_features())
    return least_seconds(lambda: decoded(data), repeats)


@figure("klt-memory", "memory of encoding and decoding with the KLT; sizes of the tensors", 2.5)
def klt_memory(repeats: int) -> float:
    """Take the larger peak of the two, beside the features that are coded."""
    features = large_features()
    size = sum(layer.nbytes for layer in features.layers.values())
    data = coded_as("klt", features)
    return max(peak_bytes(lambda: coded_as("klt", features)), peak_bytes(lambda: decoded(data))) / size


@figure("two-workers", "vcm_eval with two workers; its time with one (throughput 1.8 times)", 1 / 1.8)
def two_workers(repeats: int) -> float:
    """Time an evaluation with one and with two workers, in turn: a shared machine's speed drifts over minutes."""
    with tempfile.TemporaryDirectory() as folder:
        scenes = Path(folder) / "scenes"
        write_dataset(scenes, SCENE_SEED, WORKER_SCENES, 512, 384)
        command = [executable("vcm_eval"), "--data", scenes / "instances.json", "--threads", "1"]
        one, two = (
            partial(seconds, [*command, "--workers", count, "-o", Path(folder) / f"{count}.json"], 1) for count in "12"
        )
        return ratio_of_minima(two, one, min(repeats, WORKER_ROUNDS))


SWEEP_SCENES = 60


def sweep_seconds(folder: Path, scenes: Path, workers: int, store: str) -> float:
    """Time a sweep of the feature anchor at one QP."""
    sweep = folder / "sweep.yaml"
    sweep.write_text(
        f"data: {scenes / 'instances.json'}\nqps: [37]\nmethods: {{anchor: {ROOT / 'cfg' / 'feature_anchor.yaml'}}}\n"
    )
    command = [executable("vcm_sweep"), sweep, "-o", folder / "out", "--store", folder / store]
    return seconds([*command, "--workers", str(workers)], 1)


@figure("sweep-two-workers", "vcm_sweep with two workers; its time with one (throughput 1.8 times)", 1 / 1.8)
def sweep_two_workers(repeats: int) -> float:
    """Time a sweep with one and with two workers, once each, into a new store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "scenes", SCENE_SEED, SWEEP_SCENES, 512, 384)
        one, two = (sweep_seconds(folder, folder / "scenes", workers, f"store{workers}") for workers in (1, 2))
        return two / one


@figure("sweep-again", "vcm_sweep asked for again, less the report; seconds", 2.0)
def sweep_again(repeats: int) -> float:
    """Time a sweep whose results are all there, and take off the time of its report alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "scenes", SCENE_SEED, 2, 512, 384)
        sweep_seconds(folder, folder / "scenes", 2, "store")
        again = min(sweep_seconds(folder, folder / "scenes", 2, "store") for _ in range(min(repeats, 5)))
        report = [executable("vcm_report"), folder / "out" / "anchor.json", "-o", folder / "report"]
        return again - seconds(report, min(repeats, 5))


def main() -> int:
    """Measure the chosen figures and print them as a table."""
    parser = argparse.ArgumentParser(description="Measure what the project promises about speed and memory.")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="figures whose names start so")
    parser.add_argument("--repeats", type=int, default=15, help="runs of which the fastest counts (default 15)")
    arguments = parser.parse_args()
    chosen = [one for one in FIGURES if one.name.startswith(tuple(arguments.only))]
    if not chosen:
        parser.error(f"no such figure; there are {', '.join(one.name for one in FIGURES)}")
    above = 0
    print(f"{'figure':<22}{'measured':>9}{'limit':>7}")
    for one in chosen:
        measured = one.measure(arguments.repeats)
        above += measured > one.limit
        print(f"{one.name:<22}{measured:>9.2f}{one.limit:>7.2f}  {one.what}{'  ABOVE' * (measured > one.limit)}")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
