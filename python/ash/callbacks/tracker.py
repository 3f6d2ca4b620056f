"""What the callbacks that log a run to other tools have in common.

    settings | best score so far, by the epochs of all jobs | winner: hyperparameters, scores by epochs, files

The tool is asked seldom, however many jobs there are: in the beginning, whenever the best score rises, and in the end.
A callback holds what the tool has opened only while a run lasts, so that it can be copied and pickled.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ash.callbacks.base import Callback, Run
from ash.history.records import JobRecord
from ash.result import Result

if TYPE_CHECKING:
    from ash.result import RunResult

MOST_CANDIDATES = 1000
"""That have a run of their own: each takes files or rows of a database."""


class Tracker(Callback, ABC):
    """Tells a tool of a run; each tool says how by the four abstract methods."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._epochs = 0
        self._best = -math.inf

    def on_start(self, run: Run) -> None:
        """Open a run of the tool and log the settings."""
        self._run, self._epochs, self._best = run, 0, -math.inf
        with self._closed_on_error():
            self._open(run)

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        """Log the score if it is the best so far."""
        self._epochs += job.epochs
        if not job.diverged and job.score > self._best:
            self._best = job.score
            self._log(job.score, self._epochs)

    def on_end(self, result: "RunResult") -> None:
        """Log the outcome and close the run of the tool."""
        with self._closed_on_error(), TemporaryDirectory() as folder:
            self._log(result.best_score, self._epochs)
            self._finish(result, self._files(result, Path(folder)))
        self._run = None
        self._close(None)

    def on_error(self, error: BaseException) -> None:
        """Close the run of the tool as one that has failed."""
        self._run = None
        self._close(error)

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        """Close the run of the tool where it fails itself: nobody else calls `on_error` then."""
        try:
            yield
        except BaseException as error:
            self.on_error(error)
            raise

    def _files(self, result: "RunResult", folder: Path) -> list[Path]:
        """Write the story of the run, and the model that predicts in the end if there is one; return where."""
        files, predicts = [folder / "run.json"], None if self._run is None else self._run.model
        result.to_json(files[0])
        if predicts is None and isinstance(result, Result):
            predicts = result.model
        if predicts is not None:
            files.insert(0, folder / "model.safetensors")
            predicts.save(files[0])
        return files

    @abstractmethod
    def _open(self, run: Run) -> None:
        """Open a run of the tool and log the settings."""

    @abstractmethod
    def _log(self, best_score: float, epochs: int) -> None:
        """Log the best score after so many epochs of all jobs."""

    @abstractmethod
    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        """Log the outcome."""

    @abstractmethod
    def _close(self, error: BaseException | None) -> None:
        """Close the run of the tool."""


def totals(result: "RunResult") -> dict[str, float]:
    """Return what a run took, as numbers."""
    return {
        "epochs": result.epochs,
        "jobs": len(result.columns["rung"]),
        "candidates": len(result.params),
        "wall_seconds": result.wall_seconds,
    }


def labels(result: "RunResult") -> dict[str, str]:
    """Return what a run was, as text."""
    return {
        "task": result.task,
        "metric": result.metric,
        "ended": result.ended,
        "best_candidate": str(result.best_candidate),
        "digest": result.digest,
    }


def best_candidates(result: "RunResult", most: int) -> list[int]:
    """Return so many of the best candidates, the best first (ties: lower loss, candidate); the diverged are none."""
    rows = [row for row in result.candidates if not math.isnan(row["score"])]
    rows.sort(key=lambda row: (-row["score"], row["loss"], row["candidate"]))
    return [row["candidate"] for row in rows[:most]]


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Return hyperparameters with what the tools have no type for as text: "(64, 32)", "None"."""
    return {name: str(value) if value is None or isinstance(value, tuple) else value for name, value in params.items()}
