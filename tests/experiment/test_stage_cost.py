"""The cost of reduction and restoration over the pictures of a point."""

from __future__ import annotations

from typing import Any

from vcm_ref.experiment.stage_cost import mean_cost, stage_record
from vcm_ref.models.cost import PartCost, StageCost


def record(width: int, macs: int, parameters: int) -> dict[str, Any]:
    """A picture of ``width`` x 10 whose restoration costs twice as much as its reduction."""
    cost = StageCost(PartCost(macs, parameters), PartCost(2 * macs, parameters))
    return {"height": 10, "width": width, "cost": stage_record(cost)}


def test_the_cost_a_pixel_is_a_ratio_of_sums() -> None:
    """100 and 300 pixels, 1000 and 2001 products: not the mean of 10 and 6.67."""
    found = mean_cost([record(10, 1000, 7), record(30, 2001, 9)])
    assert found == {
        "reduction": {"macs": 1500, "macs_per_pixel": 3001 / 400, "parameters": 9},
        "restoration": {"macs": 3001, "macs_per_pixel": 6002 / 400, "parameters": 9},
    }


def test_without_reduction_there_is_no_cost() -> None:
    assert mean_cost([{"height": 10, "width": 10}]) == {}
    assert mean_cost([]) == {}
