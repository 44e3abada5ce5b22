"""Settings of levels: reconstruction points lie where the values are that the encoder gives a level."""

from __future__ import annotations

import numpy as np
import pytest

from vcm_ref.codec.coefficients import default_tables
from vcm_ref.codec.coefficients.rdoq import choose_levels
from vcm_ref.configuration import Configuration
from vcm_ref.encoding.level_settings import level_format


@pytest.mark.parametrize("weight", [0.05, 0.1, 0.15])
def test_reconstruction_goes_with_the_weight(weight: float) -> None:
    """Of Laplacian values, those of a level are on the average within 1/8 of a step of their point."""
    configuration = Configuration({"codec": {"name": "coefficients", "qp": 32, "rdoq": weight}})
    levels = level_format(configuration, 32, model_tables=False).levels
    assert levels is not None
    one, more = levels.offsets
    values = np.random.default_rng(1).laplace(0, 0.7 * 0.95 ** np.arange(48)[:, None, None], (48, 26, 26))
    chosen = np.abs(choose_levels(values, default_tables(), weight, (one / 32, more / 32))[0])
    rest = 32 * (np.abs(values) - chosen)
    assert abs(float(rest[chosen == 1].mean()) - one) < 4
    assert abs(float(rest[chosen > 1].mean()) - more) < 4
