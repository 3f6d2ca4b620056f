"""Contains `Callback`, the base class for users' callbacks, and `Run`, the description of a run that they receive.

    on_start(run) -> on_job(job, params), once for each job -> on_end(result), or on_error(error)

A callback ends the run early by calling `run.stop()`, like Optuna's `study.stop()`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ash.history.history import WithOptions
from ash.history.records import JobRecord
from ash.options import RunOptions
from ash.space.space import Space

if TYPE_CHECKING:
    from ash.models.model import Model
    from ash.result import RunResult


class RungPlan(NamedTuple):
    """A rung of the ladder as planned before the run.

    Attributes
    ----------
    rung : int
        The number of the rung; the lowest is 0.
    epochs : int
        The epochs of each job in this rung.
    places : int or None
        The maximum number of candidates in this rung; None if the stream of candidates is endless.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> class ShowLadder(ash.Callback):
    ...     def on_start(self, run):
    ...         print([(plan.places, plan.epochs) for plan in run.rungs])
    >>> result = ash.tune(*load_wine(return_X_y=True), candidates=8, callbacks=ShowLadder())
    [(8, 1), (4, 2), (2, 4)]
    """

    rung: int
    epochs: int
    places: int | None


def rung_plans(ladder: Sequence[Mapping[str, int]], endless: bool) -> tuple[RungPlan, ...]:
    """Return the plan of each rung; `ladder` has the rungs in the form in which the core reports them."""
    return tuple(RungPlan(k, rung["epochs"], None if endless else rung["places"]) for k, rung in enumerate(ladder))


@dataclass(eq=False)
class Run(WithOptions):
    """A run that is about to start, as passed to `Callback.on_start`. Everything except `stop` is read-only.

    Attributes
    ----------
    options : RunOptions
        The checked arguments, with the seed drawn and the threads, metric, task and ladder determined.
    space : Space
        The space that candidates are drawn from: the given space, or the default for this table.
    candidates : int or None
        Number of candidates, at most the size of the space; None for an endless stream.
    rungs : tuple of RungPlan
        The rungs of the ladder, lowest first.
    feature_names : tuple of str or None
        Names of the columns of X, if it has any.
    classes : list or None
        The sorted labels; None for regression.
    training_rows, validation_rows : int
        Numbers of rows in the first fold; 0 for `ash.tune_function` and searches.
    folds : int
        Number of folds; 1 for a single split.
    resumed : int
        Number of jobs that the journal already has; `on_job` is not called for them.
    resumed_epochs : int
        Total epochs of these jobs.
    resumed_score : float
        The best score of these jobs; -inf if there is none.
    key : str or None
        Identifies the run in other tools: the same text in each call that resumes the run. None without a journal.
    model : Network, Ensemble or None
        The final model, set before `on_end`: `result.model` for `ash.tune`, `model_` for an estimator. None for
        `ash.tune_function` and searches.
    stopped : bool
        Whether `stop` has been called.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> class ShowRun(ash.Callback):
    ...     def on_start(self, run):
    ...         print(run.task, run.candidates, run.training_rows, run.validation_rows)
    >>> result = ash.tune(*load_wine(return_X_y=True), candidates=8, callbacks=ShowRun())
    classification 8 142 36
    """

    options: RunOptions
    space: Space
    candidates: int | None
    rungs: tuple[RungPlan, ...]
    feature_names: tuple[str, ...] | None
    classes: list[Any] | None
    training_rows: int
    validation_rows: int
    folds: int
    resumed: int = 0
    resumed_epochs: int = 0
    resumed_score: float = -math.inf
    key: str | None = None
    model: "Model | None" = None
    stopped: bool = False

    def stop(self) -> None:
        """Ask the run to end with the best result so far; thread-safe and idempotent.

        The run ends within about 50 ms, and `Result.ended` is then "stopped". Running jobs are dropped, so the set of
        finished jobs depends on timing, as with a time limit. `on_job` is still called for finished jobs. If `stop` is
        called in `on_start`, nothing is trained and NothingFinishedError is raised.
        """
        self.stopped = True


class Callback:
    """Base class for callbacks. Its methods do nothing; override those that you need.

    Any object with at least one of the methods is accepted. Pass one callback or a list of them as `callbacks` to
    `ash.tune`, `ash.tune_function`, an estimator or a search.

    Threads: all methods are called by the thread that called `ash.tune` or `fit`, never by a training thread, so
    callbacks need no locks. Training continues while a method runs. However, Ctrl-C, the time limit and the progress
    view wait until the method returns. Training with an endless stream waits, too, once all drawn candidates are used.

    Order: the methods of several callbacks are called in the order of the list. Jobs are reported in order of decision.
    With the reproducible schedule this order is the same on any number of threads; with "greedy" it is the order in
    which jobs finish. Jobs are reported in batches, at intervals of 50 ms or more. All jobs are reported before
    `on_end`. With a journal, a job is reported at most once, even if later calls resume the run. If a call dies after
    it has recorded jobs but before it has reported them, these jobs are never reported.

    Errors: no callback costs a result. An exception in `on_job` becomes a warning. The callback gets it in `on_error`,
    and is not called again; the run continues. An exception or Ctrl-C in `on_end` becomes a warning, since there is
    already a result. An exception in `on_start` is raised before anything is trained. Ctrl-C in `on_job` acts like
    Ctrl-C in the run. To end a run, call `Run.stop`.

    Cost: none without callbacks. With callbacks, a few microseconds per job in the calling thread, plus the time of the
    callbacks themselves.

    scikit-learn clones and pickles estimators together with their parameters. So a callback of an estimator must
    support `copy.deepcopy` and pickling, before and after a run. A clone uses its own copies of the callbacks.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> class EnoughJobs(ash.Callback):
    ...     def on_start(self, run):
    ...         self.run, self.jobs = run, 0
    ...
    ...     def on_job(self, job, params):
    ...         self.jobs += 1
    ...         if self.jobs == 20:
    ...             self.run.stop()
    >>> result = ash.tune(*load_wine(return_X_y=True), callbacks=[EnoughJobs()])
    """

    def on_start(self, run: Run) -> None:
        """Handle the start of a run, after the data are read and before the first job.

        Parameters
        ----------
        run : Run
            The run that is about to start.
        """

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        """Handle a finished or diverged job.

        Parameters
        ----------
        job : JobRecord
            The same record as later in `Result.jobs`, except that `core_seconds` may still lack the time of helping
            threads.
        params : dict
            The hyperparameters of the job's candidate.
        """

    def on_end(self, result: "RunResult") -> None:
        """Handle the result of a run; `result.ended` says how it ended.

        Parameters
        ----------
        result : Result or FunctionResult
            The result that `ash.tune` or `ash.tune_function` is about to return.
        """

    def on_error(self, error: BaseException) -> None:
        """Handle an error; called instead of `on_end`, and only if `on_start` has returned.

        Parameters
        ----------
        error : BaseException
            The error that ended the run and that `ash.tune` raises, or the exception of this callback's own `on_job`.
            An exception in this method is added to the error as a note, or to the warning of `on_job`.
        """
