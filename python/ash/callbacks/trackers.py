"""Callbacks that log a run to other tools (`MLflow`, `TensorBoard` and `WandB`), and their base class `Tracker`.

At the start they log the settings. During the run they log the best score so far against the total epochs. At the end
they log the winner's hyperparameters, its score after each number of epochs, and files. If a journal resumes the run,
they continue with the best score and the epochs of the earlier calls.

The tool is called only at the start, whenever the best score rises, and at the end, so the number of calls hardly
depends on the number of jobs. A callback holds open objects of the tool only during a run, so that it can be copied and
pickled. The package of a tool is imported when its callback is used.
"""

import math
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ash._utils.checks import whole
from ash._utils.installation import require_extra
from ash.callbacks.base import Callback, Run
from ash.history.records import METRICS, JobRecord, Point, curves
from ash.result import Result

if TYPE_CHECKING:
    from ash.result import RunResult

RUN_TAG = "ash.run"
"""The MLflow tag that holds `Run.key` and, if it is given, the name of the MLflow run."""
MOST_CANDIDATES = 1000
"""The maximum number of candidates that are logged as separate runs; each needs its own files or database rows."""


class Tracker(Callback, ABC):
    """Base class of callbacks that log a run to a tool; subclasses implement four abstract methods."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._epochs = 0
        self._best = -math.inf

    def on_start(self, run: Run) -> None:
        """Open the tool's run and log the settings."""
        self._run, self._epochs, self._best = run, run.resumed_epochs, run.resumed_score
        with self._closed_on_error():
            self._open(run)

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        """Log the score if it is the best so far."""
        self._epochs += job.epochs
        if not job.diverged and job.score > self._best:
            self._best = job.score
            self._log(job.score, self._epochs)

    def on_end(self, result: "RunResult") -> None:
        """Log the outcome and close the tool's run."""
        with self._closed_on_error(), TemporaryDirectory() as folder:
            self._log(result.best_score, self._epochs)
            self._finish(result, self._files(result, Path(folder)))
        self._run = None
        self._close(None)

    def on_error(self, error: BaseException) -> None:
        """Close the tool's run and mark it as failed."""
        self._run = None
        self._close(error)

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        """Close the tool's run if the tool itself raises an error, since `on_error` is not called in this case."""
        try:
            yield
        except BaseException as error:
            self.on_error(error)
            raise

    def _files(self, result: "RunResult", folder: Path) -> list[Path]:
        """Write the run as JSON, and the final model if there is one; return the paths of the files."""
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
        """Open the tool's run and log the settings."""

    @abstractmethod
    def _log(self, best_score: float, epochs: int) -> None:
        """Log the best score so far; `epochs` is the total over all jobs."""

    @abstractmethod
    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        """Log the outcome and the files."""

    @abstractmethod
    def _close(self, error: BaseException | None) -> None:
        """Close the tool's run; `error` is None if the run has a result."""


def _totals(result: "RunResult") -> dict[str, float]:
    """Return a run's totals (epochs, jobs and so on), and the further metrics of its best job."""
    return {
        **{f"{METRICS}.{name}": value for name, value in getattr(result, "best_metrics", {}).items()},
        "epochs": result.epochs,
        "jobs": len(result.columns["rung"]),
        "candidates": len(result.params),
        "wall_seconds": result.wall_seconds,
    }


def _labels(result: "RunResult") -> dict[str, str]:
    """Return the facts about a run that are logged as text."""
    return {
        "task": result.task,
        "metric": result.metric,
        "ended": result.ended,
        "best_candidate": str(result.best_candidate),
        "digest": result.digest,
    }


def best_candidates(result: "RunResult", most: int) -> list[int]:
    """Return the numbers of the `most` best scored candidates, best first (ties: lower loss, then lower number)."""
    rows = [row for row in result.candidates if not math.isnan(row["score"])]
    rows.sort(key=lambda row: (-row["score"], row["loss"], row["candidate"]))
    return [row["candidate"] for row in rows[:most]]


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """Return `params` with tuples and None replaced by text ("(64, 32)", "None"), since the tools lack these types."""
    return {name: str(value) if value is None or isinstance(value, tuple) else value for name, value in params.items()}


class MLflow(Tracker):
    """Logs to MLflow as one run, which is active while ash tunes; a run that was active before becomes its parent.

    Logged parameters are the run's settings as "settings.<name>", and the winner's hyperparameters. Logged metrics are
    `best_score` (against the total epochs of all jobs), the winner's `score` and `loss` (against its own epochs), the
    totals epochs, jobs, candidates and wall_seconds, and for `ash.tune_function` the best job's further metrics as
    "metrics.<name>". Tags are task, metric, ended, best_candidate and digest. Artifacts are model.safetensors (for
    `ash.load`, if there is a final model) and run.json (from `Result.to_json`). Choose the destination with
    `mlflow.set_tracking_uri` and `mlflow.set_experiment`.

    With a journal, the tag "ash.run" identifies the run. A call that resumes a journal continues the MLflow run of the
    earlier call, which it finds in the same experiment by this tag and `run_name`. MLflow cannot change a parameter, so
    the settings remain those of the first call, and an interrupted run logs no winner and no nested runs before it is
    resumed and ends. If the run ended, and later has more time or more candidates, it is logged as a new MLflow run.

    Parameters
    ----------
    run_name : str, optional
        Name of the run; MLflow makes one up by default.
    candidates : int
        How many of the best candidates get their own nested run, with hyperparameters, and with score and loss after
        each number of epochs. At most 1000.
    tags : dict of str, optional
        Further tags.

    Raises
    ------
    MissingExtraError
        mlflow is not installed.
    SettingError
        `candidates` is not allowed.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> result = ash.tune(X, y, candidates=8, callbacks=ash.callbacks.MLflow("wine"))
    """

    def __init__(
        self, run_name: str | None = None, *, candidates: int = 0, tags: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        require_extra("ash.callbacks.MLflow", "mlflow", "mlflow")
        self.run_name = run_name
        self.candidates = whole("candidates", candidates, 0, MOST_CANDIDATES)
        self.tags = dict(tags or {})
        self._id: str | None = None

    def _open(self, run: Run) -> None:
        import mlflow

        key = run.key if run.key is None or self.run_name is None else f"{run.key} {self.run_name}"
        above, before = mlflow.active_run(), None if key is None else _open_run(key)
        tags = self.tags if key is None else {RUN_TAG: key, **self.tags}
        started = mlflow.start_run(
            None if before is None else before.info.run_id, run_name=self.run_name, nested=above is not None, tags=tags
        )
        self._id = started.info.run_id
        known = {} if before is None else before.data.params
        settings = {f"settings.{name}": value for name, value in run.settings.items()}
        mlflow.log_params({name: value for name, value in settings.items() if name not in known}, run_id=self._id)

    def _log(self, best_score: float, epochs: int) -> None:
        import mlflow

        mlflow.log_metrics({"best_score": best_score}, step=epochs, run_id=self._id)

    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        import mlflow

        mlflow.log_metrics(_totals(result), step=result.epochs, run_id=self._id)
        client, points = mlflow.MlflowClient(), curves(result.jobs, result.options.training)
        for name, value in _labels(result).items():
            client.set_tag(self._id, name, value)
        for file in files:
            mlflow.log_artifact(str(file), run_id=self._id)
        if result.interrupted and self._run is not None and self._run.key is not None:
            return  # the call that resumes the run may find another winner, and MLflow cannot change a parameter
        _log_candidate(result, result.best_candidate, points, str(self._id))
        for candidate in best_candidates(result, self.candidates):
            nested = client.create_run(  # unlike mlflow.start_run, create_run does not depend on the active run
                client.get_run(self._id).info.experiment_id,
                run_name=f"candidate {candidate}",
                tags={"mlflow.parentRunId": self._id},
            )
            _log_candidate(result, candidate, points, nested.info.run_id)
            client.set_terminated(nested.info.run_id)

    def _close(self, error: BaseException | None) -> None:
        import mlflow

        if self._id is not None:
            interrupted = isinstance(error, KeyboardInterrupt)
            mlflow.end_run("FINISHED" if error is None else "KILLED" if interrupted else "FAILED")
        self._id = None


def _open_run(key: str) -> Any:
    """Return the MLflow run of an earlier call that has this key and is not complete, or None."""
    import mlflow

    active = mlflow.active_run()  # with two callbacks, this may be the run that the other one continues
    others = () if active is None else (active.info.run_id,)
    named = f"tags.`{RUN_TAG}` LIKE '{key.split()[0]}%'"  # without the name of the run, which may contain quotes
    for run in mlflow.search_runs(filter_string=named, output_format="list"):
        is_open = run.data.tags.get("ended", "interrupted") == "interrupted"
        if is_open and run.data.tags[RUN_TAG] == key and run.info.run_id not in others:
            return run
    return None


def _log_candidate(result: "RunResult", candidate: int, points: Mapping[int, Sequence[Point]], run_id: str) -> None:
    import mlflow

    params: dict[str, Any] = _plain(result.params[candidate])
    mlflow.log_params(params, run_id=run_id)
    for point in points[candidate]:
        mlflow.log_metrics({"score": point.score, "loss": point.loss}, step=point.epochs, run_id=run_id)


class TensorBoard(Tracker):
    """Writes event files for `tensorboard --logdir`: the curve of the best score while ash tunes, then the outcome.

    TensorFlow is not needed. Besides the curve, `logdir` contains the settings and the outcome as text,
    model.safetensors (for `ash.load`, if there is a final model) and run.json (from `Result.to_json`). A subfolder such
    as "candidate 17" has the hyperparameters of that candidate, shown in the tab HPARAMS, and its score and loss
    against its own epochs.

    Parameters
    ----------
    logdir : path-like
        The folder of this run, created if it does not exist. Use a new folder for each run.
    candidates : int
        How many of the best candidates get a folder with their hyperparameters, scores and losses. At most 1000.

    Raises
    ------
    MissingExtraError
        tensorboard is not installed.
    SettingError
        `candidates` is not allowed.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> result = ash.tune(X, y, candidates=8, callbacks=ash.callbacks.TensorBoard("runs/wine"))
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
        _add_event(self._writer, _markdown_table("settings", run.settings), 0, time.time())
        self._writer.flush()

    def _log(self, best_score: float, epochs: int) -> None:
        _add_event(self._writer, _scalar_values(best_score=best_score), epochs, time.time())
        self._writer.flush()

    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        outcome = _markdown_table("outcome", _labels(result) | result.best_params)
        _add_event(self._writer, outcome, result.epochs, time.time())
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
    with closing(EventFileWriter(str(folder))) as writer:
        _add_event(writer, hparams_pb(_plain(result.params[candidate]), trial_id=folder.name), 0, began)
        for point in points:
            _add_event(writer, _scalar_values(score=point.score, loss=point.loss), point.epochs, began + point.seconds)


def _add_event(writer: Any, summary: Any, step: int, wall_time: float) -> None:
    from tensorboard.compat.proto.event_pb2 import Event

    writer.add_event(Event(wall_time=wall_time, step=step, summary=summary))


def _scalar_values(**values: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _markdown_table(tag: str, values: Mapping[str, Any]) -> Any:
    """Return the values as a Markdown table, in an event summary with this tag."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text import metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    rows = "\n".join(["| name | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())])
    about = metadata.create_summary_metadata(display_name=tag, description="")
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=make_tensor_proto(rows.encode()))])


class WandB(Tracker):
    """Logs to Weights & Biases as one run: the active run (`wandb.run`), which stays open, or else a new run.

    The config has the run's `settings` and, at the end, `best_params`. The history has `best_score` against the total
    `epochs` of all jobs, and the winner's `score` and `loss` against `winner_epochs`. The summary has best_score,
    epochs, jobs, candidates, wall_seconds, task, metric, ended, best_candidate and digest, and for `ash.tune_function`
    the best job's further metrics as "metrics.<name>". A table `all_candidates` has one row per candidate. An artifact
    of type "model" has model.safetensors (for `ash.load`, if there is a final model) and run.json (from
    `Result.to_json`). A call that resumes a journal continues the run of the earlier call.

    Parameters
    ----------
    **init
        Arguments of `wandb.init`, such as project, name, group, tags, or mode="offline". With a journal, `id` is by
        default an identifier of the run, and `resume` is "allow".

    Raises
    ------
    MissingExtraError
        wandb is not installed.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> tracker = ash.callbacks.WandB(project="wine", mode="disabled")  # "online" by default
    >>> result = ash.tune(X, y, candidates=8, callbacks=tracker)
    """

    def __init__(self, **init: Any) -> None:
        super().__init__()
        require_extra("ash.callbacks.WandB", "wandb", "wandb")
        self.init = init
        self._live: Any = None
        self._own = False

    def _open(self, run: Run) -> None:
        import wandb

        self._own = wandb.run is None
        known = {} if run.key is None else {"id": run.key, "resume": "allow"}
        self._live = wandb.init(**{**known, **self.init}) if self._own else wandb.run
        self._live.config.update({"settings": run.settings}, allow_val_change=True)
        self._live.define_metric("best_score", step_metric="epochs")
        for name in ("score", "loss"):
            self._live.define_metric(name, step_metric="winner_epochs")

    def _log(self, best_score: float, epochs: int) -> None:
        self._live.log({"best_score": best_score, "epochs": epochs})

    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        import wandb

        for point in curves(result.jobs, result.options.training)[result.best_candidate]:
            self._live.log({"score": point.score, "loss": point.loss, "winner_epochs": point.epochs})
        self._live.config.update({"best_params": result.best_params}, allow_val_change=True)
        self._live.summary.update(_totals(result) | _labels(result))
        columns = ["candidate", "rungs", "epochs", "score", "loss", "diverged"]
        names = sorted({name for params in result.params for name in params})
        rows = [[*(row[name] for name in columns), *_cells(row["params"], names)] for row in result.candidates]
        self._live.log({"all_candidates": wandb.Table(columns=columns + names, data=rows)})
        artifact = wandb.Artifact(f"ash-{self._live.id}", type="model", metadata=_totals(result) | _labels(result))
        for file in files:
            artifact.add_file(str(file))
        self._live.log_artifact(artifact)

    def _close(self, error: BaseException | None) -> None:
        if self._live is not None and self._own:
            self._live.finish(exit_code=0 if error is None else 1)
        self._live = None


def _cells(params: dict[str, Any], names: list[str]) -> list[str | None]:
    """Return the text of each hyperparameter in `names`, or None if it is missing; a table column has only one type."""
    known = _plain(params)
    return [str(known[name]) if name in known else None for name in names]
