"""Test runs with a journal: whole and interrupted runs, and the parts of a result that must be equal."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from sklearn.datasets import load_diabetes

import ash
from callback_help import X, Y, decided
from config_help import configured, split_once
from fault_help import small_space

JOBS = 16 + 8 + 4 + 2
"""The number of jobs of a run with 16 candidates."""
EPOCHS = 8
"""The number of epochs of a job in the first rung."""


def run(journal: Any, *callbacks: Any, **changes: Any) -> ash.Result:
    """Do the run that the journal tests use (16 candidates on the wine table), and return its result."""
    settings = {"candidates": 16, "min_epochs": EPOCHS, "n_jobs": 2, "random_state": 5, "verbose": 0, **changes}
    x, y = settings.pop("data", (X, Y))
    space = settings.pop("space", small_space(learning_rate=ash.loguniform(1e-3, 1e-1, levels=2000)))
    return ash.tune(x, y, space, callbacks=callbacks, journal=journal, **configured(split_once(settings)))


def stopped(journal: Any, jobs: int, **changes: Any) -> ash.Result:
    """Do the same run as `run`, but with an epoch limit that ends it after `jobs` jobs of the first rung."""
    limit = jobs * changes.get("min_epochs", EPOCHS)
    return run(journal, **{**changes, "max_total_epochs": limit})


def outcome(result: ash.Result) -> list[Any]:
    """Return everything that a journal must restore: the decisions in order, without times and threads."""
    jobs = [
        (*decided(job), job.worker, job.virtual_start, job.virtual_end, repr(job.training_loss)) for job in result.jobs
    ]
    return [jobs, result.digest, result.best_params, result.best_score, result.rungs, result.ended]


def copy(journal: Path, to: Path) -> Path:
    for file in journal.parent.glob(f"{journal.name}*"):
        target = to.with_name(to.name + file.name.removeprefix(journal.name))
        shutil.copytree(file, target) if file.is_dir() else shutil.copy(file, target)
    return to


def rows(journal: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(journal)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def recorded(journal: Path) -> list[tuple[int, int]]:
    """Return the candidate and rung of each recorded job, decided or not, in order."""
    decided = rows(journal, "SELECT candidate, rung FROM jobs")
    held = rows(journal, "SELECT value FROM facts WHERE name = 'held'")
    undecided = [(candidate, rung) for (text,) in held for _, candidate, rung, *_ in json.loads(text)]
    return sorted({*decided, *undecided})


def change(journal: Path, statement: str, *values: Any) -> None:
    connection = sqlite3.connect(journal)
    try:
        with connection:
            connection.execute(statement, values)
    finally:
        connection.close()


def with_states(patch: Any) -> None:
    """Make all runs write states to the journal, however long writing takes."""
    for name, value in (("SHARE", 1e6), ("END_SHARE", 1e6), ("MOST_AT_END", 1e6), ("WORTH", 0.0)):
        patch.setattr(f"ash.journal.state_cache.{name}", value)


def regression() -> dict[str, Any]:
    return {"data": load_diabetes(return_X_y=True)}
