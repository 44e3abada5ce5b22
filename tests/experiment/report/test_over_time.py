"""The rate over time: of each picture, and the mean of each group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vcm_ref.experiment.curve import Curve
from vcm_ref.experiment.report.method import Method
from vcm_ref.experiment.report.over_time import drawn_over_time, found_over_time


def made(sizes: list[int], group: int | None = None, frame_rate: str | None = "10", failed: int = 0) -> Method:
    """A method of two points, of which the second has pictures of these sizes."""
    points: list[dict[str, Any]] = [
        {"qp": qp, "bpp": 1.0, "metrics": {"agreement": 0.5}, "failed": [{}] * failed, "pictures": own}
        for qp, own in ((32, []), (38, [{"id": number, "bytes": size} for number, size in enumerate(sizes)]))
    ]
    data = {"name": "street", **({} if frame_rate is None else {"frame_rate": frame_rate})}
    configuration = {} if group is None else {"group": group}
    anchor = {"data": data, "configuration": configuration, "points": points}
    return Method(Curve("m", "agreement", (), None, "here"), Path("m.json"), anchor)


def test_pictures_and_groups_by_hand() -> None:
    """At 10 pictures a second, 100 bytes a picture are 8 kbit/s."""
    (alone,) = found_over_time([made([100, 200, 300])])
    assert (alone.qp, alone.starts, alone.rates, alone.end) == (38, [0.0, 0.1, 0.2], [8.0, 16.0, 24.0], 0.3)
    (grouped,) = found_over_time([made([300, 0, 0, 50], group=3)])
    assert grouped.starts == [0.0, 0.3]
    assert grouped.rates == [pytest.approx(8.0), pytest.approx(4.0)]


def test_what_has_no_time_or_failed_is_left_out() -> None:
    assert found_over_time([made([1], frame_rate=None), made([1], failed=1)]) == []


def test_the_figure_is_the_same_bytes_again() -> None:
    first, again = (drawn_over_time(found_over_time([made([100, 200])])) for _ in range(2))
    assert sorted(first) == ["over_time.png", "over_time.svg"]
    assert first == again
