"""From a configuration and the first picture's features to the stage PCA: how many components each layer keeps."""

from __future__ import annotations

import numpy as np

from ..bitstream.elements import MAX_OWN_COMPONENTS
from ..bitstream.values import Grid
from ..configuration import Configuration
from ..conversion.grids import default_grid
from ..conversion.reduction import Pca
from ..conversion.reduction.pca import TensorComponents
from ..conversion.reduction.pca_analysis import Components, components_of
from ..feature_set import FeatureSet

#: So many components a layer keeps at most where the configuration says nothing.
MOST_COMPONENTS = 64
#: Of a component that is worth its bits: its root mean square in quantisation steps, as measured (docs/results.md).
LEAST_SIZE = 1.25


def pca_stage(configuration: Configuration, features: FeatureSet) -> Pca:
    """The stage for pictures like this one. Raises :class:`~vcm_ref.errors.ConfigError` where it would do nothing."""
    names = list(features.layers)
    numbers = configuration.per_layer("reduction.components", names, None)
    shares = configuration.per_layer("reduction.energy", names, None)
    most = configuration.get("reduction.most_components", MOST_COMPONENTS)
    for name, number, share in zip(names, numbers, shares, strict=True):
        if number is not None and share is not None:
            raise configuration.error("reduction.energy", f"layer {name} has both a number and an energy; give one")
        if number is not None and number > MAX_OWN_COMPONENTS:
            told = f"layer {name} shall keep {number} components; at most {MAX_OWN_COMPONENTS} can be coded"
            raise configuration.error("reduction.components", told)
    if configuration.get("reduction.most_components") is not None and None not in numbers:
        raise configuration.error("reduction.most_components", "has no effect where every layer has a number")
    parameters = []
    for layer, number, share, qp in zip(
        features.layers.values(), numbers, shares, _qps(configuration, names), strict=True
    ):
        few_positions = number is None and share is None and layer[0].size < len(layer)
        if number == 0 or few_positions:
            parameters.append(TensorComponents())
            continue
        found = components_of(layer, number or most)
        components = number or _enough(found, share, qp)
        parameters.append(TensorComponents.fitted(found, components))
    if not any(own.components for own in parameters):
        raise configuration.error(
            "reduction.components", "no layer keeps a component; give a number, or a number for each layer"
        )
    return Pca(parameters)


def _qps(configuration: Configuration, names: list[str]) -> list[int]:
    """The QP at which each layer's maps would be coded."""
    all_names = [f"{name}{ending}" for ending in (".maps", ".coefficients", "") for name in names]
    offsets = configuration.per_layer("codec.qp_offset", all_names, 0)
    return [configuration.get("codec.qp") + offset for offset in offsets[: len(names)]]


def _enough(found: Components, share: float | None, qp: int) -> int:
    """The fewest components with that share of the energy.

    Without a share, those whose root mean square is above ``LEAST_SIZE`` quantisation steps of VVC at that QP; and as
    many more as it takes for a frame that is not a strip, which would cost more than they do.
    """
    if share is not None:
        explained = 0.0
        for count, energy in enumerate(found.energies.tolist(), 1):
            explained += energy
            if explained >= share * found.total:
                return count
        return len(found.energies)
    span = float(found.maps.max() - found.maps.min())
    least = LEAST_SIZE * span / 1023
    unit = len(found.coefficients) * found.maps.shape[1] * least * least
    size = found.energies / unit if span else found.energies
    above = int(np.count_nonzero(size * size * size > 2.0 ** (qp - 4)))  # the step is 2 ** ((qp - 4) / 6)
    return next(count for count in range(max(1, above), 2 * above + 4) if not _is_strip(default_grid(count + 1)))


def _is_strip(grid: Grid) -> bool:
    return grid.columns > 2 * grid.rows
