"""Running batches of tasks, on workers of any kind."""

from __future__ import annotations

from typing import Any

from vcm_ref.experiment.tasks import Batch, RunBatches, Task, TaskError


def results(run: RunBatches, *batches: Batch) -> dict[str, Any]:
    """All that comes back, each once; errors as exit code and message."""
    found = {}
    for name, _, result in run(iter(batches)):
        assert name not in found
        found[name] = (result.exit_code, result.message) if isinstance(result, TaskError) else result
    return found


def kept(name: str, function: Any, *arguments: Any) -> Task:
    return Task(name, function, arguments, "x")
