"""`ash.HalvingRandomSearchCV`: `ash.ASHSearchCV` with the interface of scikit-learn's `HalvingRandomSearchCV`.

    iteration    candidates      total resources of each            n_candidates=60, factor=3, min_resources=20
        0            60                  20
        1            20                  60                         candidates: previous number / factor, rounded up
        2             7                 180                         resources:  previous number * factor
        3             3                 540

Each iteration is a rung. All rungs are passed to the core explicitly, since the core's own ladder would round down and
omit the last iteration.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from os import PathLike
from typing import Any

import numpy as np

from ash._utils.arguments import explained
from ash._utils.checks import is_number, whole, yes_or_no
from ash.callbacks.base import Callback
from ash.errors import SettingError
from ash.journal.journal import Journal
from ash.options import CONFIG_FIELDS, LARGEST, RANDOM, SearchConfig
from ash.result import FunctionResult
from ash.run_record import RunRecord
from ash.sklearn.cv_results import JobInfo, ResultRow, ResultTable, job_rows
from ash.sklearn.param_distributions import NAME, drawn_candidates, with_lists
from ash.sklearn.resumable.choose import Way
from ash.sklearn.resumable.protocol import N_SAMPLES
from ash.sklearn.search_arguments import SearchPlan
from ash.sklearn.search_cv import ASHSearchCV
from ash.sklearn.search_ladder import Rungs
from ash.sklearn.trainer import SearchTable, Trainer

AUTO, EXHAUST, SMALLEST = "auto", "exhaust", "smallest"
MOST_ITERATIONS = 63
OF_THE_LADDER = {"eta": "factor", "min_epochs": "min_resources", "max_rungs": "max_resources"}
"""Fields that this search refuses in a config, each with the argument that replaces the field."""


@dataclass(frozen=True, kw_only=True)
class Iterations(Rungs):
    """The rungs of a search as scikit-learn counts them.

    `resources` are a candidate's total resources after each rung. `required` and `possible` are the search's
    `n_required_iterations_` and `n_possible_iterations_`.
    """

    resources: tuple[int, ...]
    max_resources: int
    required: int
    possible: int


class HalvingRandomSearchCV(ASHSearchCV):
    """Randomized search by asynchronous halving, with the names of scikit-learn's class.

    All candidates are trained with few resources, such as trees or rows. The best of them get `factor` times the
    resources, and so on. Parameters, attributes and the columns of `cv_results_` have scikit-learn's names and
    meanings, so a program only has to change one import:
    ``from ash import HalvingRandomSearchCV``. The differences are listed under Notes.

    Parameters
    ----------
    estimator : estimator
        An estimator with scikit-learn's interface, as for `ash.ASHSearchCV`.
    param_distributions : dict
        For each parameter a list of values, a scipy.stats distribution, or a domain such as
        ``ash.loguniform(1e-3, 1)``. Values are None, text, booleans, finite numbers, tuples of these, or objects such
        as estimators. A list of such dicts defines several spaces.
    n_candidates : int or "exhaust", default="exhaust"
        Number of candidates in the first iteration. "exhaust": ``max_resources_ // min_resources_``, so that the last
        iteration can use `max_resources`.
    factor : int or float, default=3
        In each iteration the best ``1 / factor`` of the candidates (rounded up) are promoted. They get `factor` times
        the resources.
    resource : str, default="n_samples"
        The resource that increases with each iteration: rows, or a parameter of the estimator that takes positive
        integers, such as "n_estimators".
    max_resources : int or "auto", default="auto"
        The maximum resources of a candidate. "auto": the number of rows. A resource other than rows requires an int.
    min_resources : int, "smallest" or "exhaust", default="smallest"
        The resources of the first iteration. "smallest": 1; for rows it is ``n_splits * 2``, which is multiplied by
        the number of classes for classification. "exhaust": the largest number with which the last iteration stays
        within `max_resources`; this requires an int as `n_candidates`.
    aggressive_elimination : bool, default=False
        Whether to repeat the first iteration, without more resources, if `max_resources` allows too few iterations to
        get down to `factor` candidates. Each repetition eliminates candidates. Estimators whose training can be resumed
        are not trained again in a repetition, and keep their scores.
    cv : int, splitter, iterable of (training rows, test rows) or None, default=5
        As in scikit-learn's searches. Splits are made once, so a splitter may shuffle.
    scoring : str, callable, list, dict or None, default=None
        As in scikit-learn's searches. If there are several scores, `refit` names the score that ranks candidates.
    refit : bool, str or callable, default=True
        Whether the best candidate is refitted on all rows. A str or a function also means True. A str is the name of
        the score that ranks the candidates; a function takes `cv_results_` and returns `best_index_`.
    error_score : "raise" or number, default=nan
        The score in `cv_results_` of a fold that failed; the other folds keep theirs. A candidate with a failed fold is
        not promoted, and ranks last even if `error_score` is a number. "raise": the first error ends the search.
    return_train_score : bool, default=True
        Whether to score training rows as well.
    random_state : int, RandomState or None, default=None
        Seeds the draw of candidates, and the estimator if its own `random_state` is None. The same candidates are drawn
        as in scikit-learn.
    n_jobs : int or None, default=None
        The number of concurrent jobs, as for `ash.ASHSearchCV`.
    verbose : int, default=0
        Above 0: show the progress on stderr.
    time_limit : float, optional
        Seconds for search and refit, as for `ash.ASHSearchCV`.
    first : list of dict, result, path, ash.Journal, Optuna study or None, default=None
        Configurations to try before drawn configurations, as for `ash.ASHSearchCV`. They count as candidates.
    callbacks : ash.Callback, sequence of them or None, default=None
        Objects that are notified of the start, each finished job and the end; each can end the search.
    journal : str, path-like, ash.Journal or None, default=None
        A file to which each result is written within 50 ms. Calling `fit` again with the same rows, estimator and
        parameters resumes the search, if `random_state` is an int or None (None: the journal's seed is used).
    executor : None, "processes", or an object with `submit`, default=None
        Where jobs run, as for `ash.ASHSearchCV`.
    record : ash.RunRecord or None, default=None
        The record of an earlier fit with an int as `random_state`. With this record, the same search repeats that fit,
        as for `ash.ASHSearchCV`.
    config : ash.SearchConfig or None, default=None
        All other options, such as ``algorithm="sh"``. The fields of `config` are also parameters:
        ``set_params(config__virtual_workers=8)``. Instead of the fields `eta`, `min_epochs` and `max_rungs`, set the
        arguments `factor`, `min_resources` and `max_resources`.

    Attributes
    ----------
    n_resources_, n_candidates_ : list of int
        For each iteration, the total resources of a candidate, and the number of candidates that were trained.
    n_remaining_candidates_ : int
        ``ceil(n_candidates_[-1] / factor)``.
    min_resources_, max_resources_ : int
        The resources of the first iteration, and the maximum resources of any iteration.
    n_iterations_, n_possible_iterations_, n_required_iterations_ : int
        The numbers of iterations that were run, that `max_resources_` allows, and that are needed to get down to
        `factor` candidates.
    cv_results_ : dict of arrays
        As in scikit-learn: one row per candidate and iteration (`iter`, `n_resources`). The rows of an iteration are in
        the order in which candidates were drawn.
    best_index_, best_params_, best_score_, best_estimator_
        The index, parameters, score and estimator of the best row of the last iteration.
    scorer_, n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in scikit-learn's searches.
    best_epochs_, resource_, continued_, retrained_, trained_, result_
        As in `ash.ASHSearchCV`.

    See Also
    --------
    ash.ASHSearchCV : The same search with ash's own names; it promotes forests and boosting by forecast scores.

    Notes
    -----
    Differences from scikit-learn:

    - The training of a promoted candidate is resumed from its trees, rounds or weights if its library allows this, and
      `n_resources` is the candidate's total. scikit-learn trains from scratch in each iteration.
    - A candidate is promoted as soon as it is among the best of the candidates that have finished so far, so no job
      waits for the last job of an iteration. As many candidates are promoted as in scikit-learn, but not always the
      same candidates. With ``config=ash.SearchConfig(algorithm="sh")`` each iteration is finished first, and then the
      best candidates are promoted.
    - Rows are drawn once, so the rows of an iteration are a subset of the next iteration's rows. Only training folds
      are subsampled. Test folds are always complete, so that scores are less noisy and comparable across iterations.
    - Each configuration is tried only once. The number of iterations is computed exactly: 243 candidates with
      ``factor=3`` take six iterations, whereas scikit-learn's rounded logarithm gives five.
    - `sklearn.experimental` need not be imported.

    References
    ----------
    Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv:1810.05934.

    Examples
    --------
    >>> from ash import HalvingRandomSearchCV
    >>> from scipy.stats import randint
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> distributions = {"max_depth": [3, None], "min_samples_split": randint(2, 11)}
    >>> forest = RandomForestClassifier(random_state=0)
    >>> search = HalvingRandomSearchCV(
    ...     forest, distributions, resource="n_estimators", max_resources=10, random_state=0
    ... ).fit(X, y)
    >>> search.n_candidates_, search.n_resources_, search.best_params_["n_estimators"]
    ([10, 4, 2], [1, 3, 9], 9)
    """

    forecast, sampler, costs = False, RANDOM, None
    _space_argument = NAME

    @explained(CONFIG_FIELDS)
    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: int | str = EXHAUST,
        factor: float = 3,
        resource: str = N_SAMPLES,
        max_resources: int | str = AUTO,
        min_resources: int | str = SMALLEST,
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        time_limit: float | None = None,
        first: Any = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        journal: str | PathLike[str] | Journal | None = None,
        executor: Any = None,
        record: RunRecord | None = None,
        config: SearchConfig | None = None,
    ) -> None:
        self.estimator, self.param_distributions, self.n_candidates = estimator, param_distributions, n_candidates
        self.factor, self.resource, self.max_resources = factor, resource, max_resources
        self.min_resources, self.aggressive_elimination = min_resources, aggressive_elimination
        self.cv, self.scoring, self.refit = cv, scoring, refit
        self.error_score, self.return_train_score, self.random_state = error_score, return_train_score, random_state
        self.n_jobs, self.verbose, self.time_limit, self.first = n_jobs, verbose, time_limit, first
        self.callbacks, self.journal, self.executor = callbacks, journal, executor
        self.record, self.config = record, config

    def _given_space(self) -> Any:
        return with_lists(self.param_distributions)

    def _plan(self, table: SearchTable, way: Way) -> SearchPlan:
        self._factor()  # if it is invalid, nothing is drawn
        most = self._most(table, way)
        least = self._least(table, way, most)
        count = most // least if self.n_candidates == EXHAUST else whole("n_candidates", self.n_candidates, 1, LARGEST)
        # If `random_state` is None, a journal needs a seed, since later calls must draw the same candidates. In all
        # other cases, candidates are drawn from `random_state` itself, as in scikit-learn.
        seed = self._seed() if self.random_state is None and self.journal is not None else None
        state = self.random_state if seed is None else seed
        distributions, warns = self.param_distributions, self.n_candidates != EXHAUST
        space, first = drawn_candidates(distributions, count, state, self.estimator, self.first, warns=warns)
        rungs = self._iterations(len(first), least, most, table, way)
        return SearchPlan(space, way, len(first), first, rungs, self._seed() if seed is None else seed)

    def _factor(self) -> float:
        if not is_number(self.factor) or not self.factor > 1:
            raise SettingError(f"factor must be a number above 1, got {self.factor!r}")
        return self.factor

    def _most(self, table: SearchTable, way: Way) -> int:
        """Return the resources of a candidate that is trained to the end."""
        rows = table.rows.count if way.resource == N_SAMPLES else None
        if isinstance(self.max_resources, str) and self.max_resources == AUTO:
            if rows is None:
                raise SettingError(
                    "resource can only be 'n_samples' when max_resources='auto': give max_resources=, the most "
                    f"{way.resource} of a candidate"
                )
            return rows
        return whole("max_resources", self.max_resources, 1, LARGEST if rows is None else rows)

    def _least(self, table: SearchTable, way: Way, most: int) -> int:
        """Return a candidate's resources in the first iteration; a lower bound if `min_resources` is "exhaust"."""
        if isinstance(self.min_resources, str) and self.min_resources in (SMALLEST, EXHAUST):
            if self.min_resources == self.n_candidates == EXHAUST:
                raise SettingError(
                    "n_candidates and min_resources cannot be both set to 'exhaust': give a number for one of them"
                )
            least = 2 * len(table.splits) * table.class_count if way.resource == N_SAMPLES else 1
        else:
            least = whole("min_resources", self.min_resources, 1, LARGEST)
        if least > most:
            raise SettingError(
                f"min_resources_={least} is greater than max_resources_={most}: lower min_resources, or raise "
                "max_resources"
            )
        return least

    def _iterations(self, candidates: int, least: int, most: int, table: SearchTable, way: Way) -> Iterations:
        """Return the iterations of a search, with each rung's number of candidates and epochs (or rows) per job."""
        factor = self._factor()
        required = 1 + _times(factor, candidates)
        if self.min_resources == EXHAUST:
            least = max(least, int(most // factor ** (required - 1)))
        possible = 1 + _times(factor, most // least)
        aggressive = yes_or_no("aggressive_elimination", self.aggressive_elimination)
        count = required if aggressive else min(required, possible)
        if count > MOST_ITERATIONS:
            raise SettingError(f"factor={factor!r} takes {count} iterations, more than {MOST_ITERATIONS}: raise it")
        replayed = max(0, required - possible) if aggressive else 0
        resources = [min(most, int(factor ** max(0, number - replayed) * least)) for number in range(count)]
        totals = resources
        if way.resource == N_SAMPLES:
            totals = [max(1, total * table.training_rows // table.rows.count) for total in totals]
        restart = self._config().training == "restart"
        epochs = totals if restart else [after - before for before, after in zip([0, *totals], totals, strict=False)]
        places = [candidates]
        while len(places) < len(epochs):
            places.append(ceil(places[-1] / factor))
        given, limits = tuple(zip(places, epochs, strict=True)), {"required": required, "possible": possible}
        return Iterations(epochs[0], count, given=given, resources=tuple(resources), max_resources=most, **limits)

    def _config(self) -> SearchConfig:
        config = super()._config()
        for field, argument in OF_THE_LADDER.items():
            if (value := getattr(config, field)) is not None:
                raise SettingError(f"config has {field}={value}, which is {argument}= here: leave it out of the config")
        return replace(config, eta=max(2, round(self._factor())))

    def _keep(self, result: FunctionResult, trainer: Trainer) -> ResultRow:
        best = super()._keep(result, trainer)
        iterations = trainer.search.rungs
        assert isinstance(iterations, Iterations)
        self.min_resources_, self.max_resources_ = iterations.resources[0], iterations.max_resources
        self.n_required_iterations_, self.n_possible_iterations_ = iterations.required, iterations.possible
        self.n_candidates_ = np.bincount(self.cv_results_["iter"]).tolist()
        self.n_iterations_ = len(self.n_candidates_)
        self.n_resources_ = list(iterations.resources[: self.n_iterations_])
        self.n_remaining_candidates_ = ceil(self.n_candidates_[-1] / self.factor)
        return best

    def _rows(self, result: FunctionResult, infos: list[JobInfo | None], trainer: Trainer) -> ResultTable:
        assert isinstance(trainer.search.rungs, Iterations)
        return job_rows(result, infos, trainer.search.rungs.resources)


def _times(factor: float, most: int) -> int:
    """Return the largest integer n for which ``factor**n`` is at most `most`."""
    near = int(log(most, factor))  # due to rounding, this is too small by 1 for most=243 and factor=3
    return near + 1 if factor ** (near + 1) <= most else near
