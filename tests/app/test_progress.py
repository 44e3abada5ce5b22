"""Progress where standard error is not a terminal: a line from time to time."""

from __future__ import annotations

import pytest

from vcm_ref.app.progress import progress


def test_lines_from_time_to_time(capsys: pytest.CaptureFixture[str]) -> None:
    """By a clock of our own: the first line after 10 s, then one a minute; none when all is done."""
    now = 100.0
    told = []
    with progress(40, "results", lambda: now) as advance:
        for seconds in (5, 5, 20, 39, 1, 3600, 1):
            now += seconds
            advance(1)
            told.append(capsys.readouterr().err)
        advance(33)
    assert told == [
        "",
        "2 of 40 results done, 0:00:10 elapsed, about 0:03:10 left\n",
        "",
        "",
        "5 of 40 results done, 0:01:10 elapsed, about 0:08:10 left\n",
        "6 of 40 results done, 1:01:10 elapsed, about 5:46:37 left\n",
        "",
    ]
    assert capsys.readouterr().err == ""


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(0, "results"):
        pass
    assert capsys.readouterr().err == ""


def test_what_was_done_before_counts_but_took_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with progress(100, "steps", lambda: now) as advance:
        advance(50, before=True)
        now = 10.0
        advance(10, "loss 0.5")
    told = "60 of 100 steps done, 0:00:10 elapsed, about 0:00:40 left; loss 0.5\n"
    assert capsys.readouterr().err == told
