"""`ash.callbacks.MLflow`: a run of ash as a run of MLflow, of which it asks only the fluent interface."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ash._utils.checks import whole
from ash._utils.installation import require_extra
from ash.callbacks.base import Run
from ash.callbacks.tracker import MOST_CANDIDATES, Tracker, best_candidates, labels, plain, totals
from ash.history.records import Point, curves

if TYPE_CHECKING:
    from ash.result import RunResult


class MLflow(Tracker):
    """Logs to MLflow: one run, below the active one if there is one, which is active itself while ash tunes.

    Parameters, "settings.<name>" of the run and the winner's hyperparameters; metrics `best_score` by the epochs of all
    jobs, `score` and `loss` of the winner by its own, epochs, jobs, candidates and wall_seconds; tags task, metric,
    ended, best_candidate and digest; artifacts model.safetensors (`ash.load`) and run.json (`Result.to_json`). Where
    to, is up to `mlflow.set_tracking_uri` and `mlflow.set_experiment`.

    Parameters
    ----------
    run_name : str, optional
        Of the run; MLflow makes one up by default.
    candidates : int
        So many of the best candidates get a nested run of their own: hyperparameters, scores and losses by epochs. At
        most 1000.
    tags : dict of str, optional
        Further tags.

    Raises
    ------
    MissingExtra
        mlflow is not installed.
    SettingError
        `candidates` is not allowed.
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

        below = mlflow.active_run() is not None
        self._id = mlflow.start_run(run_name=self.run_name, nested=below, tags=self.tags).info.run_id
        mlflow.log_params({f"settings.{name}": value for name, value in run.settings.items()}, run_id=self._id)

    def _log(self, best_score: float, epochs: int) -> None:
        import mlflow

        mlflow.log_metrics({"best_score": best_score}, step=epochs, run_id=self._id)

    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        import mlflow

        mlflow.log_metrics(totals(result), step=result.epochs, run_id=self._id)
        client, points = mlflow.MlflowClient(), curves(result.jobs, result.options.training)
        for name, value in labels(result).items():
            client.set_tag(self._id, name, value)
        _log_candidate(result, result.best_candidate, points, str(self._id))
        for file in files:
            mlflow.log_artifact(str(file), run_id=self._id)
        for candidate in best_candidates(result, self.candidates):
            nested = client.create_run(  # which run is the active one makes no difference to it
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


def _log_candidate(result: "RunResult", candidate: int, points: Mapping[int, Sequence[Point]], run_id: str) -> None:
    import mlflow

    params: dict[str, Any] = plain(result.params[candidate])
    mlflow.log_params(params, run_id=run_id)
    for point in points[candidate]:
        mlflow.log_metrics({"score": point.score, "loss": point.loss}, step=point.epochs, run_id=run_id)
