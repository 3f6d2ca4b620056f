"""`ash.callbacks.TensorBoard`: a run of ash as event files, written by the package tensorboard, without TensorFlow.

logdir/                 best_score by the epochs of all jobs; settings as text; model.safetensors, run.json
    candidate 17/       its hyperparameters for the tab HPARAMS, score and loss by its own epochs
"""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ash._utils.checks import whole
from ash._utils.installation import require_extra
from ash.callbacks.base import Run
from ash.callbacks.tracker import MOST_CANDIDATES, Tracker, best_candidates, labels, plain
from ash.history.records import Point, curves

if TYPE_CHECKING:
    from ash.result import RunResult


class TensorBoard(Tracker):
    """Writes event files that `tensorboard --logdir` shows: the curve of the best score while ash tunes, then the rest.

    Parameters
    ----------
    logdir : path-like
        The folder of this run, made where it is missing; take another one for each run.
    candidates : int
        So many of the best candidates have a folder with their hyperparameters, scores and losses. At most 1000.

    Raises
    ------
    MissingExtra
        tensorboard is not installed.
    SettingError
        `candidates` is not allowed.
    """

    def __init__(self, logdir: str | os.PathLike[str], *, candidates: int = 16) -> None:
        super().__init__()
        require_extra("ash.callbacks.TensorBoard", "tensorboard", "tensorboard")
        self.logdir = Path(logdir)
        self.candidates = whole("candidates", candidates, 0, MOST_CANDIDATES)
        self._writer: Any = None

    def _open(self, run: Run) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(self.logdir))
        _add(self._writer, _text("settings", run.settings), 0, time.time())
        self._writer.flush()

    def _log(self, best_score: float, epochs: int) -> None:
        _add(self._writer, _scalars(best_score=best_score), epochs, time.time())
        self._writer.flush()

    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        _add(self._writer, _text("outcome", labels(result) | result.best_params), result.epochs, time.time())
        for file in files:
            shutil.copy(file, self.logdir)
        points = curves(result.jobs, result.options.training)
        for candidate in best_candidates(result, self.candidates):
            _write_candidate(result, candidate, points[candidate], self.logdir / f"candidate {candidate}")

    def _close(self, error: BaseException | None) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def _write_candidate(result: "RunResult", candidate: int, points: Sequence[Point], folder: Path) -> None:
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    began = result.started.timestamp()
    writer = EventFileWriter(str(folder))
    try:
        _add(writer, hparams_pb(plain(result.params[candidate]), trial_id=folder.name), 0, began)
        for point in points:
            _add(writer, _scalars(score=point.score, loss=point.loss), point.epochs, began + point.seconds)
    finally:
        writer.close()


def _add(writer: Any, summary: Any, step: int, wall_time: float) -> None:
    from tensorboard.compat.proto.event_pb2 import Event

    writer.add_event(Event(wall_time=wall_time, step=step, summary=summary))


def _scalars(**values: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _text(tag: str, values: Mapping[str, Any]) -> Any:
    """Return a table in Markdown."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text import metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    rows = "\n".join(["| name | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())])
    about = metadata.create_summary_metadata(display_name=tag, description="")
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=make_tensor_proto(rows.encode()))])
