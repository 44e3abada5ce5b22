"""The options of executables that state confidence intervals."""

from __future__ import annotations

import argparse

from ..errors import ConfigError
from ..experiment.bootstrap import Bootstrap
from .arguments import real_number, whole_number

_MOST_RESAMPLES = 1_000_000
_LEAST_RESAMPLES = 100


def add_bootstrap_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how confidence intervals are made."""
    usual = Bootstrap()
    parser.add_argument(
        "--resamples",
        type=whole_number(0, _MOST_RESAMPLES),
        default=usual.resamples,
        metavar="N",
        help=f"resamples of the pictures for confidence intervals; 0: no intervals (default: {usual.resamples})",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=usual.seed,
        metavar="N",
        help=f"seed of the draw (default: {usual.seed})",
    )
    parser.add_argument(
        "--level",
        type=real_number(0.5, 0.999),
        default=usual.level,
        metavar="SHARE",
        help=f"level of the confidence intervals, from 0.5 to 0.999 (default: {usual.level})",
    )


def chosen_bootstrap(arguments: argparse.Namespace) -> Bootstrap:
    """How the arguments want intervals. Raises :class:`ConfigError` for too few resamples."""
    if 0 < arguments.resamples < _LEAST_RESAMPLES:
        raise ConfigError(
            f"--resamples {arguments.resamples}: an interval needs at least {_LEAST_RESAMPLES}; use 0 for no intervals"
        )
    return Bootstrap(arguments.resamples, arguments.seed, arguments.level)
