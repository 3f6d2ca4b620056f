"""`ash.callbacks.WandB`: a run of ash as a run of Weights & Biases."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ash._utils.installation import require_extra
from ash.callbacks.base import Run
from ash.callbacks.tracker import Tracker, labels, plain, totals
from ash.history.records import curves

if TYPE_CHECKING:
    from ash.result import RunResult


class WandB(Tracker):
    """Logs to Weights & Biases: one run, the current one (`wandb.run`) if there is one, which then stays open.

    Config: `settings` of the run, and in the end `best_params`; history: `best_score` by `epochs` of all jobs, `score`
    and `loss` of the winner by `winner_epochs`; summary: best_score, epochs, jobs, candidates, wall_seconds, task,
    metric, ended, best_candidate, digest; a table `all_candidates` with a row each; an artifact of type "model" with
    model.safetensors (`ash.load`) and run.json (`Result.to_json`).

    Parameters
    ----------
    **init
        Arguments of `wandb.init`, such as project, name, group, tags, or mode="offline".

    Raises
    ------
    MissingExtra
        wandb is not installed.
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
        self._live = wandb.init(**self.init) if self._own else wandb.run
        self._live.config.update({"settings": run.settings})
        self._live.define_metric("best_score", step_metric="epochs")
        for name in ("score", "loss"):
            self._live.define_metric(name, step_metric="winner_epochs")

    def _log(self, best_score: float, epochs: int) -> None:
        self._live.log({"best_score": best_score, "epochs": epochs})

    def _finish(self, result: "RunResult", files: list[Path]) -> None:
        import wandb

        for point in curves(result.jobs, result.options.training)[result.best_candidate]:
            self._live.log({"score": point.score, "loss": point.loss, "winner_epochs": point.epochs})
        self._live.config.update({"best_params": result.best_params})
        self._live.summary.update(totals(result) | labels(result))
        columns = ["candidate", "rungs", "epochs", "score", "loss", "diverged"]
        names = sorted({name for params in result.params for name in params})
        rows = [[*(row[name] for name in columns), *_texts(row["params"], names)] for row in result.candidates]
        self._live.log({"all_candidates": wandb.Table(columns=columns + names, data=rows)})
        artifact = wandb.Artifact(f"ash-{self._live.id}", type="model", metadata=totals(result) | labels(result))
        for file in files:
            artifact.add_file(str(file))
        self._live.log_artifact(artifact)

    def _close(self, error: BaseException | None) -> None:
        if self._live is not None and self._own:
            self._live.finish(exit_code=0 if error is None else 1)
        self._live = None


def _texts(params: dict[str, Any], names: list[str]) -> list[str | None]:
    """Return hyperparameters as text, since a column of a table has one type; None where there is none."""
    known = plain(params)
    return [str(known[name]) if name in known else None for name in names]
