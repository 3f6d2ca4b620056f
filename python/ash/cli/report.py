"""Writes the results of `ash-tune`: files in a folder, and a report on the terminal."""

import csv
import json
import math
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ash._utils.display import show, shown_estimate
from ash._utils.installation import versions
from ash.cli.repeat import HeldOut
from ash.errors import SettingError
from ash.history.json_files import finite
from ash.models.model import Model
from ash.result import Result

MODEL = "model.safetensors"
LONGER = {"time_limit": "--time-limit", "max_total_epochs": "--max-total-epochs", "work_limit": "--work-limit"}
"""For each limit that can end a run, the option that raises the limit."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets run a text cell as a formula if it starts with one of these characters; an apostrophe in front of
the text prevents this."""

FOUND = ("best_candidate", "best_rung", "best_params", "settings", "rungs")
SPENT = ("epochs", "wall_seconds", "core_seconds", "utilization", "memory", "ended", "digest")
"""Attributes of a result that its summary contains under the same names."""


@dataclass(frozen=True)
class Report:
    """A finished run of the command: its data, estimator, score on the held-out rows, and journal."""

    name: str
    part: HeldOut
    estimator: Any
    test_score: float
    journal: str | None = None

    @property
    def result(self) -> Result:
        """The result of the run."""
        result: Result = self.estimator.result_
        return result


def shown_decision(model: Model) -> str:
    """Return a text about how a classifier with decision weights decides."""
    assert model.classes_ is not None and model.decision_weights is not None
    labels = [str(label) for label in model.classes_.tolist()]
    if len(labels) == 2:
        positive = labels[1 if model.positive is None else model.positive]
        return f"{positive!r} if its probability is above {show(model.decision_threshold)}"
    weights = map(show, model.decision_weights.tolist())
    pairs = ", ".join(f"{label} {weight}" for label, weight in zip(labels, weights, strict=True))
    return f"the largest product of probability and weight ({pairs})"


def check_outputs(folder: Path, summary: str | None, overwrite: bool) -> None:
    """Raise SettingError or OSError, before any training, if the files cannot be written.

    An existing model is overwritten only if `overwrite` is set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MODEL).exists() and not overwrite:
        raise SettingError(f"{folder / MODEL} already exists: pass --force to overwrite it, or another --out")
    with tempfile.TemporaryFile(dir=folder):
        pass
    if summary is not None:
        with Path(summary).open("a", encoding="utf-8"):
            pass


def write_files(report: Report, folder: Path, summary: str | None) -> list[str]:
    """Write model, tables and report to a folder, and the summary if it has a path; return all paths."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / MODEL
    report.estimator.save(model)
    files = [str(model)]
    for table in ("candidates", "jobs"):
        path = folder / f"{table}.csv"
        write_csv(path, report.result.rows(table))
        files.append(str(path))
    files.append(str(report.result.report(folder / "report.html")))
    if summary is not None:
        text = json.dumps(summarize(report), indent=2, allow_nan=False)
        Path(summary).write_text(text + "\n", encoding="utf-8")
        files.append(summary)
    return files


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV with one column per key; a cell is empty if its row lacks the key or its value is NaN."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(cell, names))
        writer.writerows([cell(row.get(name)) for name in names] for row in rows)


def cell(value: Any) -> str:
    """Return a value as a CSV cell: numbers in full precision, tuples as JSON, formulas with an apostrophe in front."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, tuple):
        return json.dumps(value)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return repr(value)


def summarize(report: Report) -> dict[str, Any]:
    """Return a summary of the run as JSON values; NaN and infinity become null."""
    result = report.result
    classes = result.model.classes_
    summary = {
        "data": report.name,
        "target": report.part.data.target,
        "task": result.model.task,
        "rows": len(report.part.rest),
        "test_rows": len(report.part.test),
        "features": result.model.n_features_in_,
        "classes": None if classes is None else classes.tolist(),
        "metric": result.metric,
        "estimated_score": result.estimated_score,
        "estimated_score_std_error": result.estimated_score_std_error,
        "decision_threshold": None if classes is None else np.asarray(report.estimator.decision_threshold_).tolist(),
        "validation_score": result.best_score,
        "test_score": report.test_score,
        **{name: getattr(result, name) for name in FOUND},
        "candidates": len(result.params),
        "jobs": len(result.columns["rung"]),
        **{name: getattr(result, name) for name in SPENT},
        "versions": versions(),
    }
    return {key: finite(value) for key, value in summary.items()}


def print_report(report: Report, files: Sequence[str]) -> None:
    """Print the data, the outcome and the ladder; the last lines are the score, the files and the next command."""
    result = report.result
    classes = result.model.classes_
    kind = "regression" if classes is None else f"{len(classes)} classes"
    print(
        f"{report.name}: {len(report.part.rest)} rows to tune on, {len(report.part.test)} held out as the test part; "
        f"{result.model.n_features_in_} columns, {kind} of {report.part.data.target!r}"
    )
    print(result)
    print(f"model: {report.estimator.model_!r}")
    if report.estimator.model_.decision_weights is not None:
        print(f"decision: {shown_decision(report.estimator.model_)}")
    if report.journal is not None:
        again = "the same command"
        if result.ended in LONGER:
            again += f" with a larger {LONGER[result.ended]}"
        print(f"journal {report.journal}: {again} resumes it, and ash-tune show {report.journal} shows it")
    elif result.ended in LONGER:
        print(
            f"stopped by its limit: raise {LONGER[result.ended]} to search longer; --journal FILE makes a run resumable"
        )
    print()
    estimated = shown_estimate(result.estimated_score, result.estimated_score_std_error)
    print(f"{result.metric} on new rows: {show(report.test_score)} on the test part; estimated {estimated}")
    print(f"files: {', '.join(files)}")
    print(f"predict new rows: ash-tune predict {shlex.quote(files[0])} NEW.csv")
