"""The course of a training as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vcm_ref.errors import ConfigError
from vcm_ref.experiment.report.drawing import COLOURS, GREY, MARKERS, house_style, new_figure, saved
from vcm_ref.files.atomic import atomic_file


def need_matplotlib() -> None:
    """Raise `ConfigError` where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError("the curve of the losses needs matplotlib: pip install 'vcm-ref[training]'") from error


def draw_curve(path: Path, history: Sequence[Mapping[str, float]], best_step: int) -> None:
    """Draw the losses of ``history``, one entry a selection with its ``step``, as PNG; ``best_step`` is marked."""
    with house_style():
        figure = new_figure(6, 3.5)
        axes = figure.subplots()
        steps = [entry["step"] for entry in history]
        names = [key for key in history[-1] if key != "step"]
        for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
            axes.plot(steps, [entry[name] for entry in history], color=colour, marker=marker, label=name)
        axes.axvline(best_step, color=GREY, linestyle="--", label="best")
        axes.set(xlabel="step", ylabel="loss", yscale="log")
        axes.legend()
        content = saved(figure, "curve")["curve.png"]
    with atomic_file(path) as file:
        file.write(content)
