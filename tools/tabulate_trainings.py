"""Measure several trainings of some networks, and print one table over them, as Han et al.'s Table 2 is.

    python tools/tabulate_trainings.py anchors/refnet/msfc.yaml --data scenes/instances.json --restored restored

The methods of the sweep file are called ``NETWORK_SEED.POINT``, as in ``top_down_0.8_bits``. Of each training, a folder
``RESTORED/NETWORK_SEED`` of tools/restore_unquantised.py may have the layers without quantisation. A cell has the mean
over the trainings, its interval over the pictures (95 %, percentile bootstrap; all resampled alike), and the least and
the greatest of the trainings. With two networks, a column has the first one's lead over the second, with its interval.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from vcm_ref.app.experiment import raise_failures, results_progress
from vcm_ref.experiment.anchor import rate
from vcm_ref.experiment.bootstrap import Bootstrap
from vcm_ref.experiment.given_files import GivenFeatures
from vcm_ref.experiment.machines import machines
from vcm_ref.experiment.method import Method
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import Measured, run_sweep
from vcm_ref.experiment.sweep_file import Overrides, load_sweep
from vcm_ref.experiment.uncertainty import single_point

METRICS = {"AP": "box AP", "mask_AP": "mask AP"}
FLOAT = "float"
BOOTSTRAP = Bootstrap()


class Cell(NamedTuple):
    """One metric of one network at one point: over the trainings, and in the resamples of the pictures."""

    values: list[float]
    resampled: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """The mean over the trainings."""
        return float(np.mean(self.values))

    def __str__(self) -> str:
        spread = f"; {min(self.values):.3f}–{max(self.values):.3f}" if len(self.values) > 1 else ""
        return f"{self.mean:.3f} {_interval(self.resampled)}{spread}"


def parted(name: str) -> tuple[str, str, str]:
    """Network, seed and point of a method's name."""
    training, _, point = name.partition(".")
    network, _, seed = training.rpartition("_")
    if not (network and seed and point):
        raise SystemExit(f"{name}: a method's name is NETWORK_SEED.POINT")
    return network, seed, point


def cell(points: Iterable[Measured], metric: str) -> Cell:
    """A metric over the points of several trainings, which are resampled alike."""
    values, samples = [], []
    for point in points:
        values.append(point.metrics[metric])
        samples.append(single_point(point.records, [metric], point.tally(), BOOTSTRAP).points[0][metric])
    return Cell(values, np.mean(samples, 0))


def lead(first: Cell, second: Cell) -> str:
    """How far the first is ahead, with the interval of the difference."""
    return f"{first.mean - second.mean:+.3f} {_interval(first.resampled - second.resampled)}"


def _interval(samples: NDArray[np.float64]) -> str:
    found = BOOTSTRAP.interval(samples)
    return f"[{found.low:.3f}, {found.high:.3f}]" if found.known else "[–]"


def _bpp(points: Iterable[Measured]) -> tuple[str, str]:
    """The mean rate over the trainings: every byte, and in Han et al.'s accounting."""
    rates = [rate(point.records.values()) for point in points]
    shown = []
    for key in ("bpp", "han2022_bpp"):
        found = [one.get(key, 0.0) for one in rates]
        shown.append(f"{np.mean(found):.4f}" if all(found) else "–")
    return shown[0], shown[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="One table over several trainings of some networks.")
    parser.add_argument("sweep", type=Path, help="a sweep file whose methods are called NETWORK_SEED.POINT")
    parser.add_argument("--data", type=Path, required=True, help="the data set")
    parser.add_argument(
        "--restored", type=Path, metavar="FOLDER", help="layers without quantisation, a folder a training"
    )
    parser.add_argument("--images", type=Path, help="folder of the pictures (default: as the data set says)")
    parser.add_argument("--pictures", type=int, help="only the first N pictures (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="in every configuration")
    parser.add_argument("--only", nargs="+", default=[], metavar="METHOD", help="only these methods (default: all)")
    parser.add_argument("--store", type=Path, default=Path("vcm_store"), help="as of vcm_sweep (default: vcm_store)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args(argv)
    overrides = Overrides(
        arguments.data, arguments.images, arguments.pictures, methods=arguments.only, settings=arguments.set
    )
    sweep = load_sweep(arguments.sweep, overrides).sweep
    methods: list[Method] = list(sweep.methods)
    trainings = dict.fromkeys("_".join(parted(method.name)[:2]) for method in methods)
    if arguments.restored is not None:
        methods = [
            *(
                GivenFeatures(f"{name}.{FLOAT}", folder=arguments.restored / name, items=sweep.items)
                for name in trainings
                if (arguments.restored / name).is_dir()
            ),
            *methods,
        ]
    with (
        Store(arguments.store) as store,
        machines(arguments.workers) as run_batches,
        results_progress(always_told=True) as begin,
    ):
        outcome = run_sweep(replace(sweep, methods=methods), store, run_batches, begin)
        raise_failures(outcome)
        points: dict[str, dict[str, list[Measured]]] = defaultdict(lambda: defaultdict(list))
        for method in methods:
            network, _, point = parted(method.name)
            points[point][network].append(outcome.points[method.name, method.qps[0]])
        networks = list(dict.fromkeys(parted(method.name)[0] for method in methods))
        for metric, title in METRICS.items():
            if metric not in outcome.uncompressed.metrics:
                continue
            rows = [["uncompressed", "–", "–", str(cell([outcome.uncompressed], metric))]]
            for point, by_network in points.items():
                cells = [cell(by_network[network], metric) if by_network[network] else None for network in networks]
                row = [
                    point,
                    *_bpp(chain.from_iterable(by_network.values())),
                    *("" if one is None else str(one) for one in cells),
                ]
                if len(cells) == 2 and cells[0] is not None and cells[1] is not None:
                    row.append(lead(cells[0], cells[1]))
                rows.append(row)
            columns = [title, "bpp", "bpp (Han et al.)", *networks, "lead"][: 3 + len(networks) + (len(networks) == 2)]
            print(tabulate(rows, columns, tablefmt="github", disable_numparse=True), end="\n\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
