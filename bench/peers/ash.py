"""`ash.tune` in the form of a peer: on raw numbers, with its defaults, and with the peers' validation rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ash
from bench.figures import timed
from bench.peers.task import Found, Tables, Task


def tune(task: Task, tables: Tables, candidates: int) -> ash.Result:
    """Run `ash.tune` on all CPUs."""
    validation = (tables.x_validation, tables.y_validation)
    space = task.shared.ours()
    return ash.tune(
        tables.x, tables.y, space, candidates=candidates, validation=validation, random_state=task.seed, verbose=0
    )


@contextmanager
def ready(task: Task, tables: Tables, folder: Path) -> Iterator[Callable[[], Found]]:
    """Run a tiny search first, so that all code is loaded before the clock starts; yield the function to time."""
    tune(task, tables, 2)
    yield lambda: _run(task, tables)


def _run(task: Task, tables: Tables) -> Found:
    seconds, result = timed(lambda: tune(task, tables, task.candidates))
    before = seconds - result.wall_seconds  # seconds outside of the threads' run, counted as if all were before it
    log: list[dict[str, Any]] = [
        {"time": before + job.end, "epochs": job.epochs, "score": None if job.diverged else job.score}
        for job in result.jobs
    ]
    return Found(result.best_score, lambda: result.model.predict(tables.x_test), log)
