"""Contains the results of runs: `Result` for tables and `FunctionResult` for functions, subclasses of `History`.

Charts, reports and exports are imported only when a method needs them.
"""

import html
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash._utils.checks import one_of, whole, yes_or_no
from ash._utils.display import (
    counted,
    format_table,
    html_table,
    show,
    show_param,
    show_params,
    show_seconds,
    shown_estimate,
)
from ash.errors import AllFailedError, NothingFinishedError, SettingError
from ash.history.history import History
from ash.history.json_files import finite, to_json, write_trace
from ash.history.records import METRICS, Columns
from ash.history.validation import winner_on_held_out
from ash.models.ensemble import Ensemble, Member
from ash.models.estimated_score import estimate
from ash.models.inspection import MOST_COLUMNS, PartialDependence, Sample, importances, partial_dependence
from ash.models.model_pool import MOST_DRAWS, Kept
from ash.options import MINIMIZE, FunctionPlan, RunPlan
from ash.run_record import SHORT_DIGEST, RunRecord
from ash.space.boosters import MODELS, NETWORK
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import model_of

if TYPE_CHECKING:
    import optuna

    from ash.report.chart import Chart
    from ash.report.story import Story
    from ash.simulation.simulate import Simulation

ENDED = {
    "finished": "",
    "stop_score": ", stop score reached",
    "patience": ", no better score within the patience",
    "max_total_epochs": ", epoch limit reached",
    "work_limit": ", work limit reached",
    "time_limit": ", stopped by the time limit",
    "stopped": ", stopped by a callback",
    "interrupted": ", interrupted",
}
"""For each way in which a run of networks can end, the words for it in the summary."""

CAUSES_SHOWN = 10


class RunResult(History):
    """The methods that `Result` and `FunctionResult` share; they display, analyze and export a run."""

    def plot(self) -> "Chart":
        """Draw score against epochs, with one line per candidate and the winner on top."""
        from ash.report.ladder import curves_chart

        return curves_chart(self._story())

    def plot_timeline(self) -> "Chart":
        """Draw when each thread trained which rung: one bar per job, and pale hatched bars where a thread helped."""
        from ash.report.threads import timeline_chart

        return timeline_chart(self._story())

    def plot_ladder(self) -> "Chart":
        """Draw each job's score, rung and outcome, and the lowest score that a barrier would have promoted per rung."""
        from ash.report.ladder import ladder_chart

        return ladder_chart(self._story())

    def plot_scaling(self, threads: int | Sequence[int] | None = None) -> "Chart":
        """Draw the simulated and the measured speed-up of this run, and upper bounds, against the number of threads.

        The simulation uses this run's costs. In the legend, W is the work of all jobs, D the largest work of one
        candidate, and p the number of threads. The plot also shows successive halving (SH) with barriers, which waits
        for each rung to end and has no teams. The curve of SH assumes that all jobs of a rung take the same time, so it
        may be above the bounds. The measured speed-up of this run is `core_seconds / wall_seconds`.

        Parameters
        ----------
        threads : int or sequence of int, optional
            Numbers of threads besides those of the run; powers of two by default.
        """
        from ash.report.threads import scaling_chart

        return scaling_chart(self._story(), threads)

    def simulate(self, threads: int | Sequence[int] | None = None, **changes: Any) -> "Simulation":
        """Simulate this run on any number of threads, with its own ladder, schedule, costs and scores.

        By default teams are simulated if this run had teams. In this case, the recorded core seconds include the
        overhead of sharing jobs.

        Parameters
        ----------
        threads : int or sequence of int, optional
            Numbers of threads; powers of two by default.
        **changes
            Arguments of `ash.simulate` that should differ from this run.

        Raises
        ------
        SettingError
            An argument is not allowed.
        """
        from ash.simulation.simulate import simulate_result

        return simulate_result(self, **({} if threads is None else {"threads": threads}), **changes)

    def trace(self, path: str | os.PathLike[str]) -> None:
        """Write the run's timeline as a trace file, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

        The trace has one row per thread, with the thread's own jobs and the jobs that it helped with (category "team").
        For the reproducible schedule the trace also has one row per virtual worker; the virtual clock is scaled to the
        length of the run.

        Parameters
        ----------
        path : path-like
            The file, in the Trace Event Format (JSON). An existing file is replaced atomically.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        write_trace(self, path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return the whole record of the run as JSON, or write it to a file; ash/history/json_files.py lists the keys.

        The JSON has settings, space, candidates, jobs, rungs, the best job, digest, costs and versions. It does not
        have the weights, which `model.save` writes. NaN and infinity are null.

        Parameters
        ----------
        path : path-like, optional
            The file; an existing file is replaced atomically. By default the text is returned.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        return to_json(self, path)

    def to_optuna(self, storage: Any = None, study_name: str | None = None, *, pruned: bool = True) -> "optuna.Study":
        """Return the run as an Optuna study, for Optuna's plots, importances, storages and dashboard.

        Each candidate that has finished a job becomes a trial. The trial has the hyperparameters, the score after each
        number of epochs, the best score as its value, and the times of its jobs. The trial of a candidate that diverged
        has the state FAIL and no value, except the trial of the best candidate. A trial's user attributes are
        candidate, rung, loss, digest (a hash of its last weights), and the further metrics of its best job. The study
        has the run's direction, and its settings as a user attribute. Writing a trial to SQLite takes about 20 ms.

        Parameters
        ----------
        storage : str or optuna storage, optional
            The storage of the study, such as "sqlite:///study.db"; in memory by default.
        study_name : str, optional
            A name that is not yet in the storage; Optuna makes one up by default.
        pruned : bool
            Whether candidates that did not reach the highest rung are PRUNED, so that Optuna's importances and most
            plots leave them out. False makes them COMPLETE, although they were scored after fewer epochs.

        Raises
        ------
        MissingExtraError
            optuna is not installed.
        SettingError
            The name is already in the storage. On any error nothing is left in the storage.
        """
        from ash.history.optuna_study import to_study

        return to_study(self, storage, study_name, yes_or_no("pruned", pruned))

    def hyperparameter_importance(self) -> dict[str, float]:
        """Return the importance of each hyperparameter for the rank of a candidate.

        This is the permutation importance of a random forest (Breiman, Machine Learning 45, 2001), computed by
        scikit-learn, seeded and on one thread. The forest predicts a candidate's rank from its hyperparameters.
        Candidates rank by the rung that they reached, then by their score in it; diverged candidates come last. The
        importance is measured on held-out candidates (five folds), so a hyperparameter that is pure noise has no
        importance, however many values it has. A conditional hyperparameter is shuffled among the candidates that have
        it. The effect of its presence is credited to the hyperparameter in its condition. ash/history/importance.py
        explains these choices.

        Returns
        -------
        dict of str to float
            Shares that add up to 1. A hyperparameter with only one value has NaN. All are NaN if there are fewer than
            20 candidates with a job, or if the forest explains nothing. The dict is empty if there are no
            hyperparameters. The shares depend only on the recorded jobs, so runs with equal `digest` have equal
            importances.
        """
        from ash.history.importance import importance_of

        return importance_of(self).shares

    def plot_importance(self) -> "Chart":
        """Draw the shares of `hyperparameter_importance`, the largest on top."""
        from ash.report.hyperparameters import importance_chart

        return importance_chart(self._story())

    def plot_parameter(self, name: str) -> "Chart":
        """Draw the best score of each candidate against a hyperparameter; higher rungs have larger and brighter points.

        Parameters
        ----------
        name : str
            The hyperparameter. The axis is logarithmic for `ash.loguniform`; the levels of a choice are equally spaced.

        Raises
        ------
        SettingError
            No candidate has a hyperparameter of this name.
        """
        from ash.report.hyperparameters import parameter_chart

        return parameter_chart(self._story(), name)

    def plot_parallel(self) -> "Chart":
        """Draw parallel coordinates: an axis per varying hyperparameter and one for the score, a line per candidate."""
        from ash.report.candidates import parallel_chart

        return parallel_chart(self._story())

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole run as one HTML file, which any browser opens without network access.

        The report shows the ladder, learning curves, hyperparameters and their importance, the winner on the validation
        rows, candidates, threads, scaling and settings. The same result gives the same bytes on the same installation.
        The reports of two runs with the same digest differ only in times, threads, machine and settings.

        Parameters
        ----------
        path : path-like
            The file; an existing file is replaced atomically.

        Returns
        -------
        Path
            The same path.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        from ash.report import write_report

        return write_report(self, path)

    def __repr__(self) -> str:
        """Return a summary in a few lines: best score, cost, digest, best hyperparameters and the ladder."""
        table = format_table(*self._ladder_table())
        return "\n".join([*self._headlines(), "", *show_params(self.best_params), "", *table])

    def _repr_html_(self) -> str:
        """Return the summary of `__repr__` as HTML for a notebook."""
        params = [[name, show_param(value)] for name, value in self.best_params.items()]
        headlines = "<br>".join(map(html.escape, self._headlines()))
        return f"<p>{headlines}</p>{html_table([], params)}{html_table(*self._ladder_table())}"

    def _story(self) -> "Story":
        from ash.report.story import Story

        return Story(self)

    def _headlines(self) -> list[str]:
        """Return lines of text with the best score, the cost of the run, and its digest."""
        raise NotImplementedError

    def _ladder_table(self) -> tuple[list[str], list[list[Any]]]:
        """Return the table of the rungs: column names and rows."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False, eq=False)
class Result(RunResult):
    """The outcome of `ash.tune`. Immutable; it can be pickled.

    Attributes
    ----------
    model : Network or Trees
        The model with the highest score (ties: lower loss, lower candidate, lower rung). With folds it is trained again
        on all rows for the same number of epochs. It is instead the model of one fold in the `result_` of an estimator
        with an ensemble of the folds' models, or if training on all rows diverged, was interrupted or had no time left.
    kept : ash.models.model_pool.Kept or None
        Models of the best candidates with their validation predictions, for `ensemble`; None in the pickle of an
        estimator.
    sample : ash.models.inspection.Sample or None
        A sample of the validation rows, for `feature_importance`; None for tables with more than 200 columns, and in
        the pickle of an estimator.
    best_candidate, best_rung : int
        The candidate and the rung that `model` comes from.
    params : tuple of dict
        The hyperparameters of every candidate, indexed by its number.
    columns : dict of str to ndarray
        The fields of `jobs` as arrays; rows are the finished jobs in order of decision.
    assists : dict of str to ndarray
        The times when threads helped with jobs of other threads: candidate, rung, thread, start and end (seconds since
        the start of the run), and busy (the seconds of work between start and end).
    memory : dict of str to int
        Memory of waiting states: `limit` and `peak_bytes` (in bytes), `dropped` (the number of dropped states), and
        `retrained_epochs` (the number of epochs that were trained again to restore dropped states).
    fold_scores : dict of str to ndarray
        For each job that has not diverged, in the order of `columns`: candidate, rung, and scores [jobs, folds].
    ladder : list of dict
        The counts of each rung, as the core reports them.
    options : RunPlan
        The checked arguments of the run, with the values that were decided for it.
    space : Space
        The space that the candidates were drawn from.
    ended : str
        How the run ended: "finished", "stop_score", "patience", "max_total_epochs", "work_limit", "time_limit",
        "stopped" (by a callback) or "interrupted".
    started : datetime
        The time when the threads were started, in UTC. The times of jobs are seconds since then. If the run was
        resumed, this is when its first call began, and the times of jobs do not count the seconds between calls.
    wall_seconds : float
        Seconds from the start of the threads to the end of the last one, summed over the calls of a resumed run.
    record : RunRecord
        The record that repeats the run: ``ash.tune(X, y, record=result.record)``.
    oof_prediction : ndarray of shape (rows,), (rows, outputs) or (rows, classes)
        Targets, or probabilities of classes, predicted for each row of X while it was held out: by the model that the
        run returns, before it was trained on all rows. The mean for a row that was held out more than once, NaN for a
        row that never was.
    estimated_score, estimated_score_std_error : float
        An estimate of the score on new rows, in `metric`, of the model that the run returns: of `model`, or for the
        `result_` of an estimator of its `model_`; and the standard error of this estimate. Unlike `best_score`, it is
        not optimistic: what is decided by the held-out rows (rank, members and weights of an ensemble, calibration) is
        decided anew without each part of these rows before this part is scored, and the gain that is left from the
        choice among many candidates is subtracted. ash/models/estimated_score.py has the method and its sources. A
        group counts once in the standard error. With a user's function, the standard error follows from the
        differences between the folds, and is NaN without folds. Both are NaN if fewer than two groups were held out.
    decision_weights : ndarray of shape (classes,), or None
        The weights of the classes in the decision of the same model as for `estimated_score`; None if the most
        probable class is predicted.

    Notes
    -----
    Methods that draw return an `ash.Chart`, which a notebook shows and which can be saved as an SVG file.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> result = ash.tune(X, y, candidates=8)
    >>> [rung["finished"] for rung in result.rungs]
    [8, 4, 2]
    >>> labels = result.model.predict(X)
    """

    options: RunPlan
    model: Member
    kept: Kept | None
    sample: Sample | None
    memory: dict[str, int]
    fold_scores: Columns
    record: RunRecord
    oof_prediction: NDArray[np.float64]
    estimated_score: float = math.nan  # these defaults are for pickles of earlier versions
    estimated_score_std_error: float = math.nan
    decision_weights: NDArray[np.float64] | None = None

    @property
    def best_score(self) -> float:
        """Return the validation score of the best candidate in `metric`; higher is better, errors are negated.

        It is optimistic, since the candidate was chosen for it; see `estimated_score`.
        """
        return self.model.validation_score

    @property
    def validation_pool(self) -> Kept | None:
        """Return `kept`, under the name that all kinds of `History` have for it."""
        return self.kept

    @property
    def inspected(self) -> tuple[Member, Sample] | tuple[None, None]:
        """Return `model` and `sample`, or (None, None) if there is no sample."""
        return (None, None) if self.sample is None else (self.model, self.sample)

    @property
    def work(self) -> float:
        """Return the multiply-adds of all finished jobs (see `SearchConfig.work_limit`); 0 for a greedy schedule."""
        return float((self.columns["virtual_end"] - self.columns["virtual_start"]).sum())

    def own_story(self) -> dict[str, Any]:
        """Return the JSON entries of the estimated score, of the memory and of the record."""
        estimate = {"score": self.estimated_score, "std_error": self.estimated_score_std_error}
        return {"estimated": estimate, "memory": self.memory, "record": self.record.to_json()}

    def ensemble(self, size: int = 16) -> Ensemble:
        """Return a weighted mean of the models that the run has kept, selected by their validation predictions.

        The method is greedy selection with replacement (Caruana et al., Ensemble Selection from Libraries of Models,
        ICML 2004). It starts with `model`, the next four models and the best model of the other type (network or
        trees), except those that are clearly worse than `model`. Each further draw adds the model whose addition gives
        the mean the lowest validation loss. For classification, this loss is the log loss if the metric is the log
        loss, otherwise the squared error of the probabilities. For regression it is the `loss` of the estimator, by
        default the squared error. The draws up to the lowest loss are kept. A model that is drawn twice has twice the
        weight. With folds, a candidate is selected by its predictions for the validation rows of all folds, and its
        models of all folds become members. The ensemble's score on the validation rows is optimistic. Its prediction
        time is the sum over its members.

        Parameters
        ----------
        size : int
            The maximum number of draws, 1 to 1024. With 1 the ensemble consists of `model` only.

        Returns
        -------
        Ensemble
            The ensemble. It depends only on the recorded jobs: runs with equal `digest` have equal ensembles, bit for
            bit.

        Raises
        ------
        SettingError
            `size` is not allowed, `kept` is None, or the models of the folds must not predict together, since they were
            not trained on all rows but their own part (as with TimeSeriesSplit).
        """
        size = whole("size", size, 1, MOST_DRAWS)
        kept = winner_on_held_out(self, "ensemble()")
        if not kept.tiled:
            raise SettingError(
                "an ensemble needs folds that each train on all rows but their own part, unlike the cv of this run; "
                "use ASHClassifier or ASHRegressor with this cv, which train the ensemble on all rows"
            )
        ensemble = kept.ensemble(size)
        refit: tuple[int, ...] = ()
        if size == 1 and len(kept.members[0]) > 1:
            metric, score = ensemble.metric, ensemble.validation_score
            ensemble = Ensemble([self.model], np.ones(1), metric=metric, validation_score=score)
            ensemble, refit = ensemble.with_decision(self.model.decision_weights), self.record.refit
        ensemble.estimated_score, ensemble.estimated_score_std_error = estimate(kept, size, self.fold_scores)
        arguments = {**self.record.arguments, "ensemble": size, "refit": False}
        ensemble.record = replace(self.record, arguments=arguments, refit=refit, model=ensemble.digest)
        return ensemble

    def feature_importance(self, model: Member | Ensemble | None = None) -> dict[str, float]:
        """Return by how much a model's score falls when the cells of each column are shuffled, largest fall first.

        This is the permutation importance (Breiman, Machine Learning 45, 2001) on at most 1,000 of the validation rows,
        averaged over five shuffles. The model was selected on these rows. With `cv` and after a refit it was also
        trained on them. For other rows use ``sklearn.inspection.permutation_importance``. Redundant columns share their
        importance.

        Parameters
        ----------
        model : Network, Trees or Ensemble, optional
            A model of this run, such as `model_` of the estimator; by default `model`.

        Returns
        -------
        dict of str to float
            Importances by column name, or by x0, x1, ... if columns have no names. The units are those of `metric`. If
            a function scored the run, the units are those of the log loss or the root mean squared error. Equal models
            have equal importances.

        Raises
        ------
        SettingError
            `sample` is None.
        """
        falls = importances(model or self.model, self._sample("feature_importance")).mean(axis=1)
        order = np.argsort(-falls, kind="stable").tolist()
        return {self._column_names()[place]: float(falls[place]) for place in order}

    def partial_dependence(self, column: str | int, model: Member | Ensemble | None = None) -> PartialDependence:
        """Return a model's mean prediction for several values of a column, each assigned to all rows in turn.

        The method is that of Friedman, Annals of Statistics 29, 2001. The rows are those of `feature_importance`. The
        mean includes combinations of values that never occur in the data, so be careful if columns are correlated.

        Parameters
        ----------
        column : str or int
            The column's name, or its position, counted from 0.
        model : Network, Trees or Ensemble, optional
            As for `feature_importance`.

        Returns
        -------
        PartialDependence
            Its `values` are up to 20 quantiles of a numeric or date column, or the 10 most frequent levels of a
            category. Its `predictions` are an array [values, outputs] of mean class probabilities or mean targets.

        Raises
        ------
        SettingError
            There is no such column, or `sample` is None.
        """
        sample, names = self._sample("partial_dependence"), self._column_names()
        if isinstance(column, str):
            column = names.index(one_of("column", column, names))
        place = whole("column", column, 0, len(names) - 1)
        return partial_dependence(model or self.model, sample, place)

    def _sample(self, what: str) -> Sample:
        if self.sample is None:
            raise SettingError(
                f"{what} needs validation rows, which a run keeps for at most {MOST_COLUMNS:,} columns, and which the "
                "pickle of an estimator leaves out; use sklearn.inspection with your own rows"
            )
        return self.sample

    def _column_names(self) -> tuple[str, ...]:
        schema = self.model.encoding.schema
        return schema.names or tuple(f"x{place}" for place in range(len(schema.columns)))

    def plot_held_out(self, output: int = 0) -> "Chart":
        """Draw the winner's predictions for the validation rows: a confusion matrix, or predicted against true targets.

        The winner was selected on these rows, so the plot is optimistic.

        Parameters
        ----------
        output : int
            The number of the target to draw, counted from 0; 0 for classification.

        Raises
        ------
        SettingError
            `kept` is None, or there is no such output.
        """
        from ash.report.winner import held_out_chart

        return held_out_chart(self._story(), output)

    def plot_calibration(self) -> "Chart":
        """Draw how often the winner was right on the validation rows, against its predicted probability.

        Raises
        ------
        SettingError
            `kept` is None, or the run was a regression.
        """
        from ash.report.winner import calibration_chart

        return calibration_chart(self._story())

    def _headlines(self) -> list[str]:
        jobs, memory = len(self.columns["rung"]), self.memory
        dropped = f", {memory['dropped']} dropped, {counted(memory['retrained_epochs'], 'epoch')} retrained"
        estimated = shown_estimate(self.estimated_score, self.estimated_score_std_error)
        repeats = " (its record repeats it)" if self.ended in ("time_limit", "stopped", "interrupted") else ""
        if self.options.schedule == "greedy" and self.threads > 1:
            repeats = " (of this run only: greedy)"
        return [
            *([] if math.isnan(self.estimated_score) else [f"estimated {self.metric} on new rows {estimated}"]),
            f"best {self.metric} {show(self.best_score)} by candidate {self.best_candidate} in rung {self.best_rung}",
            f"{counted(len(self.params), 'candidate')}{self._models()}, {counted(jobs, 'job')},"
            f" {counted(self.epochs, 'epoch')} in {show_seconds(self.wall_seconds)}"
            f" on {counted(self.threads, 'thread')} ({self.utilization:.0%} busy), seed {self.seed}"
            f"{ENDED[self.ended]}",
            f"digest {self.digest[:SHORT_DIGEST]}{repeats};"
            f" states of at most {memory['peak_bytes'] / 1e6:.3g} MB{dropped * (memory['dropped'] > 0)}",
        ]

    def _models(self) -> str:
        """Return the number of candidates per kind of model as text; empty if all candidates are networks."""
        counts = Counter(map(model_of, self.params))
        shown = ", ".join(f"{counts[model]} {model}" for model in MODELS if counts[model])
        return f" ({shown})" * bool(counts.keys() - {NETWORK})

    def _ladder_table(self) -> tuple[list[str], list[list[Any]]]:
        names = ["rung", "epochs", "places", "finished", "promoted"]
        names += ["recall", "rank_correlation", "diverged", "best_score"]
        if self.options.candidates is None:
            names.remove("places")
        header = [f"best {self.metric}" if name == "best_score" else name for name in names]
        shares = ("recall", "rank_correlation")
        shown = [{name: f"{rung[name]:.2f}" for name in shares if not math.isnan(rung[name])} for rung in self.rungs]
        rows = [{**rung, **texts} for rung, texts in zip(self.rungs, shown, strict=True)]
        return header, [[row[name] for name in names] for row in rows]


class FailureRecord(NamedTuple):
    """The record of a job without a score: how it ended, and its traceback or another description.

    `kind` is "failed" (the function raised, or did not return a score), "late" (the job exceeded `job_limit`) or "died"
    (its process or executor failed). `text` is the traceback or description.
    """

    candidate: int
    rung: int
    epochs: int
    kind: str
    text: str


@dataclass(frozen=True, repr=False, eq=False)
class FunctionResult(RunResult):
    """The outcome of `ash.tune_function`. Immutable; it can be pickled if the state can.

    Attributes
    ----------
    best_candidate, best_rung : int
        The candidate with the highest score in the highest rung that has a score (ties: lower candidate), and this
        rung. If a candidate has reached `stop_score`, it is the best.
    best_state : object
        The state that the function returned with that score.
    failures : tuple of FailureRecord
        The jobs without a score, in order of decision.
    memory : dict of str to int
        Memory of waiting states. `limit` and `peak_bytes` are about states in memory. `spilled` is the number of states
        that were written to files, `dropped` the number of states that were deleted because there was no room for files
        either. `retrained_epochs` counts all epochs that were trained again, including those that restored states of an
        earlier process.
    infos : tuple
        Further facts about each of `jobs`: its metrics, or for `ash.ASHSearchCV` the scores of the folds; None for
        a job without such facts. Facts read from a journal have only JSON types.
    params : tuple of dict
        The hyperparameters of every candidate, indexed by its number.
    columns : dict of str to ndarray
        The fields of `jobs` as arrays; rows are the finished jobs in order of decision. The ladder ranked candidates by
        the score, or for `ash.ASHSearchCV` by the score forecast for the next rung. `loss` is the ranking value,
        negated.
    assists : dict of str to ndarray
        Empty, since threads do not help each other with the jobs of a function.
    ladder : list of dict
        The counts of each rung, as the core reports them.
    options : FunctionPlan
        The checked arguments of the run.
    space : FunctionSpace
        The space that the candidates were drawn from.
    ended : str
        How the run ended: "finished", "stop_score", "patience", "max_total_epochs", "time_limit", "stopped" (by a
        callback), "interrupted" or "failures" (too many in a row).
    started : datetime
        The time when the run started, in UTC. The times of jobs are seconds since then. If the run was resumed, this is
        when its first call began, and the times of jobs do not count the seconds between calls.
    wall_seconds : float
        Seconds from the start of the run to the end of the last job, summed over the calls of a resumed run.
    record : RunRecord or None
        The record that repeats the run: make the same call with ``record=result.record``. None if `train` or an object
        that it holds cannot be pickled, since ash could not check that the call is the same.

    Notes
    -----
    Methods that draw return an `ash.Chart`, which a notebook shows and which can be saved as an SVG file.

    Examples
    --------
    >>> import ash
    >>> def train(params, epochs, state):
    ...     return -abs(params["x"] - 0.3)
    >>> result = ash.tune_function(train, {"x": [0.1, 0.2, 0.3, 0.4]}, candidates=4)
    >>> result.best_params
    {'x': 0.3}
    """

    TABLES: ClassVar[tuple[str, ...]] = (*RunResult.TABLES, "failures")

    options: FunctionPlan
    space: FunctionSpace
    best_state: Any
    failures: tuple[FailureRecord, ...]
    memory: dict[str, int]
    infos: tuple[Any, ...]
    record: RunRecord | None

    @property
    def schedule(self) -> str:
        """Return "reproducible" if promotions do not depend on timing, else "greedy"."""
        return self.options.schedule

    @property
    def metrics(self) -> tuple[dict[str, float], ...]:
        """Return the further metrics of each of `jobs`, as given to `Outcome`; an empty dict if a job has none."""
        return tuple(info.get(METRICS, {}) if isinstance(info, dict) else {} for info in self.infos)

    @cached_property
    def candidate_metrics(self) -> tuple[dict[str, float], ...]:
        """Return the further metrics of each candidate's best job, whose score is in `candidates`."""
        best: dict[int, tuple[tuple[float, float], dict[str, float]]] = {}
        for job, metrics in zip(self.jobs, self.metrics, strict=True):
            rank = job.score, -job.loss
            if not job.diverged and (job.candidate not in best or rank > best[job.candidate][0]):
                best[job.candidate] = rank, metrics
        return tuple(best[number][1] if number in best else {} for number in range(len(self.params)))

    @property
    def best_metrics(self) -> dict[str, float]:
        """Return the further metrics of the best job."""
        own = (self.columns["candidate"] == self.best_candidate) & (self.columns["rung"] == self.best_rung)
        return dict(self.metrics[int(np.flatnonzero(own)[0])])

    @property
    def best_value(self) -> float:
        """Return the best score as `train` returned it: `best_score`, negated if the direction is "minimize"."""
        return -self.best_score if self.options.direction == MINIMIZE else self.best_score

    def own_story(self) -> dict[str, Any]:
        """Return the JSON entries of failures, of the record, and of any metrics (one dict per decided job)."""
        metrics = {"metrics": list(map(finite, self.metrics))} if any(self.metrics) else {}
        record = None if self.record is None else self.record.to_json()
        return {**metrics, "failures": self.rows("failures"), "record": record}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table as flat rows.

        Parameters
        ----------
        table : {"candidates", "jobs", "rungs", "failures"}
            As for `to_pandas`.
        """
        if table == "failures":
            return [failure._asdict() for failure in self.failures]
        rows = super().rows(table)
        found = {"jobs": self.metrics, "candidates": self.candidate_metrics}.get(table, ())
        names = sorted({name for metrics in found for name in metrics})
        for row, metrics in zip(rows, found, strict=False):
            row |= {f"{METRICS}.{name}": metrics.get(name) for name in names}
        return rows

    def __repr__(self) -> str:
        """Return a summary like that of `Result`, followed by the causes of failures."""
        return "\n".join([super().__repr__(), *(["", causes(self.failures)] if self.failures else [])])

    def _repr_html_(self) -> str:
        """Return the summary of `__repr__` as HTML for a notebook."""
        return super()._repr_html_() + f"<pre>{html.escape(causes(self.failures))}</pre>" * bool(self.failures)

    def _headlines(self) -> list[str]:
        ended = "" if self.ended == "finished" else f", ended: {self.ended}"
        return [
            f"{'value' if self.options.direction == MINIMIZE else 'score'} {show(self.best_value)} by candidate "
            f"{self.best_candidate} after {counted(self.best_epochs, 'epoch')}, in rung {self.best_rung}",
            f"{counted(len(self.params), 'candidate')}, {counted(len(self.columns['rung']), 'job')}, "
            f"{counted(self.epochs, 'epoch')} in {show_seconds(self.wall_seconds)}, {self.threads} at a time, "
            f"seed {self.seed}{ended}",
            f"digest {self.digest[:SHORT_DIGEST]}, schedule {self.schedule}, {counted(len(self.failures), 'failure')}",
        ]

    def _ladder_table(self) -> tuple[list[str], list[list[Any]]]:
        names = ["finished", "promoted", "diverged"]
        epochs = [rung["epochs"] for rung in self.rungs]
        totals = epochs if self.options.training == "restart" else accumulate(epochs)
        best, sign = ("best_value", -1) if self.options.direction == MINIMIZE else ("best_score", 1)
        rows = [
            [rung["rung"], total, *(rung[name] for name in names), sign * rung["best_score"]]
            for rung, total in zip(self.rungs, totals, strict=True)
        ]
        return ["rung", "total epochs", *names, best], rows


def causes(failures: Sequence[FailureRecord]) -> str:
    """Return a table of the causes of failures, most frequent first: count, kind, and last line of the text."""
    found = Counter((failure.kind, (failure.text.strip().splitlines() or [""])[-1][:200]) for failure in failures)
    shown = [(count, kind, line) for (kind, line), count in found.most_common(CAUSES_SHOWN)]
    more = [f"and {len(found) - CAUSES_SHOWN} more causes"] if len(found) > CAUSES_SHOWN else []
    return "\n".join([*format_table(["jobs", "end", "cause"], shown), *more])


def interruption(result: Result | FunctionResult, journal: object) -> str:
    """Return the message for an interrupted run: how many jobs finished, and whether the same call resumes the run."""
    rest = "" if journal is None else "; the same call continues from the journal"
    return f"interrupted after {counted(len(result.columns['rung']), 'job')}{rest}"


def no_score(ended: str, failures: Sequence[FailureRecord], seconds: float) -> BaseException:
    """Return the exception for a run that ended after `seconds` seconds without any score."""
    if ended == "interrupted":
        return KeyboardInterrupt()
    if failures:
        cut = ", which ended the run (max_failures in the config allows more)" if ended == "failures" else ""
        which = "the only job" if len(failures) == 1 else f"all {len(failures)} jobs"
        return AllFailedError(f"{which} failed{cut}:\n{causes(failures)}")
    if ended == "max_total_epochs":
        return NothingFinishedError("max_total_epochs allows no job: raise it, or lower max_epochs or min_epochs")
    if ended == "stopped":
        return NothingFinishedError(
            f"a callback stopped the run after {show_seconds(seconds)}, before the first job ended"
        )
    return NothingFinishedError(
        f"time_limit was over after {show_seconds(seconds)}, before the first job ended; give a larger time_limit"
    )
