"""`Callback`, the base of the user's own, and `Run`, what it is told about a run.

    on_start(run) -> on_job(job, params), once for each job -> on_end(result), or on_error(error)

Whoever wants to end the run early calls `run.stop()`, as `study.stop()` of Optuna.
"""

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
    """A rung of the ladder as it is planned before the run.

    Attributes
    ----------
    rung : int
        Its number; the lowest is 0.
    epochs : int
        Of a job in this rung.
    places : int or None
        How many candidates it has room for; None where the stream of candidates is endless.

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
    """Return the plan of each rung of a ladder, as the core reports it."""
    return tuple(RungPlan(k, rung["epochs"], None if endless else rung["places"]) for k, rung in enumerate(ladder))


@dataclass(eq=False)
class Run(WithOptions):
    """A run that is about to begin, as `Callback.on_start` sees it. All but `stop` is there to be read.

    Attributes
    ----------
    options : RunOptions
        The checked arguments: seed drawn, threads, metric, task and the ladder resolved.
    space : Space
        Where the candidates come from: the one given, or the default one of this table.
    candidates : int or None
        How many, after a space that holds fewer; None for an endless stream.
    rungs : tuple of RungPlan
        The ladder, the lowest first.
    feature_names : tuple of str or None
        Names of the columns of X, if it has any.
    classes : list or None
        The sorted labels; None for regression.
    training_rows, validation_rows : int
        Of the first fold.
    folds : int
        1 without `cv`.
    resumed : int
        Jobs that a journal holds already: they are not told again.
    model : Network, Ensemble or None
        What predicts in the end, from `on_end` on: `result.model` for `ash.tune`, for an estimator its `model_`.
    stopped : bool
        Whether somebody has called `stop`.

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
    model: "Model | None" = None
    stopped: bool = False

    def stop(self) -> None:
        """Ask the run to end, with the best network so far; from any thread, any number of times.

        It ends within about 50 ms and then is `ended` "stopped". Jobs that run are dropped, so what has finished by
        then depends on timing, as for a time limit; jobs that had finished are still told. In `on_start`: before
        anything is trained, which raises NothingFinished.
        """
        self.stopped = True


class Callback:
    """Told of a run by its methods, none of which does anything here: override those that you need.

    Any object with at least one of them will do. Pass a list of them as `callbacks` to `ash.tune` or to an estimator.

    Threads: all are called by the thread that called `ash.tune` or `fit`, never by one of those that train, which go on
    meanwhile. So nothing here needs a lock, and no network waits; but while a method runs, Ctrl-C, time limit and
    progress wait for it, and so does an endless stream once what has been drawn of it is used up.

    Order: the methods of several callbacks are called in the order of the list. Jobs are told in order of decision, so
    under the reproducible schedule they come in the same order on any number of threads; "greedy": as they finish. They
    are told in batches, every 50 ms or later, and all of them before `on_end`. With a journal a job is told once at
    most in all calls: what was written down when a call died is not told by the next.

    Errors: an exception of `on_start` or `on_job` ends the run, and comes out of `ash.tune` as it is once the threads
    have ended; one of `on_end` becomes a warning, since there is a result by then. Ctrl-C in one is Ctrl-C in the run.

    Cost: without callbacks none. With them a few microseconds a job, beside what they do themselves, of the calling
    thread alone.

    scikit-learn clones estimators with their parameters, and pickles them: a callback that is to take part must be
    copied by `copy.deepcopy` and pickled before and after a run. A clone tells its own copies.

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
        """Take notice of a run: the data are read, and the first job begins as soon as all have returned.

        Parameters
        ----------
        run : Run
            What is about to begin.
        """

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        """Take notice of a finished job, a diverged one too.

        Parameters
        ----------
        job : JobRecord
            As in `Result.jobs`; `core_seconds` may still lack a thread that has helped.
        params : dict
            The hyperparameters of its candidate.
        """

    def on_end(self, result: "RunResult") -> None:
        """Take notice of the result, whatever ended the run: `result.ended` says what.

        Parameters
        ----------
        result : Result or FunctionResult
            What `ash.tune` or `ash.tune_function` is about to return.
        """

    def on_error(self, error: BaseException) -> None:
        """Take notice that there is no result: called in place of `on_end`, once `on_start` has returned.

        Parameters
        ----------
        error : BaseException
            What ended the run, and comes out of `ash.tune`. What is raised here is noted in it.
        """
