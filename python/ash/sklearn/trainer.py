"""Defines the function that a search tunes: a job trains all folds of one candidate further, and scores each fold.

    params, epochs, [Resumable of fold 0, 1, ...] -> mean score, [Resumable, ...], results of the folds

The rows belong to the trainer. They are sent only once to each other process, with the trainer, and never with a job.
Threads: jobs of different candidates may run at the same time. A job changes only the trainer's `caches` and
`idle_threads`, which are thread-safe.
"""

import hashlib
import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.utils.metaestimators import _safe_split

from ash._utils.aliases import Facts
from ash.data.row_split import split_rows
from ash.data.table import Codes, numbered
from ash.errors import DataError, ThreadRefusedError
from ash.function.answers import Answer, Scored, Tunable, failure
from ash.journal.identity import NoIdentity
from ash.sklearn.cv_results import FoldInfo, JobInfo, read_info
from ash.sklearn.forecast import Point, forecast
from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import N_SAMPLES, Resumable, Rows, TransformerCache, params_at
from ash.sklearn.search_arguments import Scorers, SearchPlan
from ash.sklearn.search_threads import IdleThreads, capped, process_limited, thread_limited
from ash.space.domains import key_of
from ash.space.hyperparameters import Params

Indices = NDArray[np.int64]
Split = tuple[Indices, Indices]
SEEDS = 2**31 - 1
STOPPING = 0.1
"""The share of a fold's training rows on which boosting stops early, as `validation_fraction` of scikit-learn."""
EVALUATED = ("eval_set", "eval_X")
"""Parameters of `fit` with which users pass their own rows for early stopping."""


@dataclass(frozen=True)
class SearchTable:
    """All rows of a search, their folds and groups, and the parameters that are passed to the scorer."""

    rows: Rows
    splits: Sequence[Split]
    groups: Codes | None
    score: dict[str, Any]

    @property
    def training_rows(self) -> int:
        """Return the number of training rows of the smallest fold."""
        return min(len(train) for train, _ in self.splits)

    @property
    def class_count(self) -> int:
        """Return the number of classes; 1 for regression."""
        return 1 if self.rows.classes is None else len(self.rows.classes)


@dataclass(frozen=True)
class JobSettings:
    """The settings of a search that hold for each of its jobs."""

    eta: int
    restart: bool  # whether each rung trains from scratch
    forecasts: bool  # whether candidates are ranked by the score that is forecast for the next rung
    with_train: bool  # whether training rows are also scored
    refits: bool  # whether the best candidate will be fitted to all rows
    inner: int  # the number of threads that libraries may start in a job
    config: dict[str, Any]  # scikit-learn's configuration, with which each fold is trained


@dataclass(repr=False, kw_only=True)
class Trainer(Tunable):
    """Trains and scores candidates; `ash.tune_function` calls it for each job."""

    by: str  # the name of the search's class
    estimator: Any
    search: SearchPlan
    settings: JobSettings
    table: SearchTable
    scorers: Scorers
    constant: float | None  # the score of a constant prediction in the first fold, if known
    idle_threads: IdleThreads  # shared by all jobs in this process
    # The fitted transformers that candidates share: one cache per fold, then one per fold for early stopping.
    caches: Sequence[TransformerCache]
    failure_warning: ClassVar[type[Warning]] = FitFailedWarning
    here: bool = True  # whether jobs run in the process of the search; a pickled copy has False

    def __call__(self, params: Params, epochs: int, state: list[Resumable] | None) -> Scored | Answer:
        """Run a job: train all folds of a candidate further, and score them.

        If folds fail, return the failure of the first of them, with the results of the other folds.
        """
        with nullcontext() if self.here else process_limited(self.settings.inner), self.idle_threads.job():
            return self._job(params, epochs, state)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "here": False}

    def __repr__(self) -> str:
        return repr(self.estimator)

    @property
    def original(self) -> "Trainer":
        """Return the trainer itself, whose facts identify the run."""
        return self

    def identity(self) -> Facts:
        """Return facts for a journal that affect scores or promotions, such as the estimator, data and folds."""
        table, rows, scorers = self.table, self.table.rows, self.scorers
        own: dict[str, Any] = {"rungs": list(map(list, self.given_rungs))} if self.given_rungs else {}
        if table.groups is not None:
            own["groups"] = hash_of("groups", table.groups)
        if objects := self.search.space.objects.of:
            own["objects"] = hash_of("objects of the space", objects)
        return {
            **own,
            "estimator": f"{type(self.estimator).__name__}, {hash_of('estimator', self.estimator)}",
            "data": hash_of("X, y and parameters of fit", [rows.X, rows.y, rows.params, table.score]),
            "cv": f"{len(table.splits)} folds, {hash_of('cv', list(table.splits))}",
            "resource": self.search.way.resource,
            "max_epochs": self.search.rungs.max_epochs,
            "scoring": f"{scorers.ranks}, {hash_of('scoring', scorers.scorer)}",
            "forecast": self.settings.forecasts,
        }

    def plan(self) -> Facts:
        """Return a fact for the record: the threads of a job, which may affect scores."""
        return {"threads of a job": self.settings.inner}

    @property
    def given_rungs(self) -> tuple[tuple[int, int], ...]:
        """Return the candidates and epochs of each rung, or () if `ash.tune_function` computes the ladder."""
        return self.search.rungs.given

    def refit_seconds(self, infos: Iterable[Any]) -> float:
        """Return the estimated seconds for a refit on all rows, given the infos of the best candidate's jobs.

        The times of jobs on a part of the rows are scaled up in proportion to the number of rows.
        """
        told = [info for info in map(read_info, infos) if info is not None]
        if not self.settings.refits or not told:
            return 0.0
        jobs = told[-1:] if self.settings.restart or told[-1].why else told
        seconds = sum(float(np.mean([fold.fit_seconds for fold in info.folds])) for info in jobs)
        rows = self.table.training_rows
        trained = min(rows, told[-1].done) if self.search.way.resource == N_SAMPLES else rows
        return float(seconds * self.table.rows.count / max(1, trained))

    def prepared(self, params: Params) -> Any:
        """Return the unfitted estimator of a candidate.

        Each `random_state` that is None is set to the candidate's seed.
        """
        made = clone(self.estimator).set_params(**self.search.space.objects.copies(params))
        unset = {
            name: self.seed_of(params)
            for name, value in made.get_params(deep=True).items()
            if value is None and name.rpartition("__")[2] == "random_state"
        }
        return made.set_params(**unset)

    def seed_of(self, params: Params) -> int:
        """Return the seed of a candidate, which depends on its hyperparameters."""
        return seed_of_candidate(self.search.seed, self.search.space.objects.places(params))

    def _job(self, params: Params, epochs: int, state: list[Resumable] | None) -> Scored | Answer:
        if state is None:
            first = self.prepared(params)
            first.set_params(**capped(first, self.settings.inner))
            made = [first, *(clone(first) for _ in self.table.splits[1:])]
            way = way_of(first, self.search.way.resource) if self.search.space.objects.of else self.search.way
            state = [way.begin(each, self.seed_of(params)) for each in made]
        before = [under.done for under in state]
        work = [(number, under, self.search.rungs.missing(epochs, under.done)) for number, under in enumerate(state)]
        results = self.idle_threads.each(self._fold, work)
        folds, errors = tuple(fold for fold, _ in results), [error for _, error in results if error is not None]
        why = next((under.why for under in state if under.why), "")
        kept, done = (round(float(np.mean(each))) for each in ([u.kept for u in state], [u.done for u in state]))
        trained = done if why else round(float(np.mean([u.done - b for u, b in zip(state, before, strict=True)])))
        info = JobInfo(kept, trained, why, folds)
        if errors:
            return failure(errors[0])._replace(info=info)
        score = float(np.mean([self.scorers.ranking(fold.test) for fold in folds]))
        gains = [self._gain(under, fold, epochs) for under, fold in zip(state, folds, strict=True) if fold.curve]
        for under, fold in zip(state, folds, strict=True):
            under.score = self.scorers.ranking(fold.test)
            under.rest()
        is_last = self.search.rungs.is_top(epochs, self.settings.eta)
        expected = score + float(np.mean(gains)) if gains and not is_last else None
        return Scored(score, None if self.settings.restart else state, info, expected)

    def _gain(self, under: Resumable, fold: FoldInfo, epochs: int) -> float:
        """Return a fold's expected gain in score in the next rung.

        `epochs` is the number of epochs of this job in the core's ladder.
        """
        now, following = self.scorers.ranking(fold.test), epochs * self.settings.eta
        after = following if self.settings.restart else under.done + self.search.rungs.missing(following, under.done)
        return forecast(under.law, [*fold.curve, (under.done, now)], after) - now

    def _fold(self, fold: tuple[int, Resumable, int]) -> tuple[FoldInfo, Exception | None]:
        """Return the results of a fold, and the error if it failed."""
        began = time.perf_counter()
        try:
            with config_context(**self.settings.config), thread_limited(self.settings.inner):
                return self._trained_and_scored(*fold), None
        except ThreadRefusedError:  # no thread was available, which is not the estimator's fault
            raise
        except Exception as error:
            return FoldInfo({}, {}, time.perf_counter() - began, 0.0), error

    def _trained_and_scored(self, number: int, under: Resumable, epochs: int) -> FoldInfo:
        table, all_rows, (train, test) = self.table, self.table.rows, self.table.splits[number]
        began, before = time.perf_counter(), (under.done, under.score)
        cache, held_out = self.caches[number], None
        if under.stops and not any(name.rpartition("__")[2] in EVALUATED for name in all_rows.params):
            train, stopping = self._stopping_split(train)
            X, y = _safe_split(self.estimator, all_rows.X, all_rows.y, stopping, train)
            held_out = Rows(X, y, params_at(all_rows.params, stopping, all_rows.count), all_rows.classes)
            cache = self.caches[len(table.splits) + number]
        X, y = _safe_split(self.estimator, all_rows.X, all_rows.y, train)
        X_test, y_test = _safe_split(self.estimator, all_rows.X, all_rows.y, test, train)
        rows = Rows(X, y, params_at(all_rows.params, train, all_rows.count), all_rows.classes, cache, held_out)
        if epochs or under.why:  # without new epochs, the model is only scored again
            under.more(rows, epochs)
        fitted = time.perf_counter()
        tested = X_test, y_test, params_at(table.score, test, all_rows.count)
        scores = self.scorers.measure(under.predictor, *tested)
        scored = time.perf_counter()
        curve = self._curve(number, under, *before, tested)
        of_train = {}
        if self.settings.with_train:
            of_train = self.scorers.measure(under.predictor, X, y, params_at(table.score, train, all_rows.count))
        return FoldInfo(scores, of_train, fitted - began, scored - fitted, curve, under.rounds)

    def _stopping_split(self, training: Indices) -> Split:
        """Split the training rows of a fold into the rows to train on and the rows on which boosting stops early.

        The last rows are held out if the training rows of each fold precede its test rows, as in TimeSeriesSplit.
        Otherwise, they are drawn at random, by class, and in whole groups if the groups allow this.
        """
        table = self.table
        if table.groups is None and all(train.max() < test.min() for train, test in table.splits):
            count = ceil(STOPPING * len(training))
            return np.sort(training)[:-count], np.sort(training)[-count:]
        y, labels = np.asarray(table.rows.y), None
        if table.rows.classes is not None and y.ndim == 1:
            labels = np.unique(y[training], return_inverse=True)[1].astype(np.float64)
        groups = None if table.groups is None else numbered(table.groups[training])
        try:
            kept, held = split_rows(labels, len(training), STOPPING, self.search.seed, groups)
        except DataError:  # no group can be held out
            kept, held = split_rows(labels, len(training), STOPPING, self.search.seed)
        return training[kept], training[held]

    def _curve(self, number: int, under: Resumable, done: int, score: float | None, rows: Any) -> tuple[Point, ...]:
        """Return the earlier points of a fold's learning curve: (epochs, score) after the previous rung.

        In the first rung, return the point after half of the epochs. The point at 0 epochs, with the score of a
        constant prediction, precedes it if this score is known. To save predictions, the point after half of the epochs
        is measured only in the first fold.
        """
        if not self.settings.forecasts or not under.law or under.stopped:
            return ()
        if score is not None:
            return ((done, score),)
        half = 0 if number else under.done // 2
        early = under.at(half) if half else None
        known = None if early is None else self.scorers.ranking_of_other(early, *rows)
        if known is None:
            return ()
        return ((half, known),) if self.constant is None else ((0, self.constant), (half, known))


def hash_of(what: str, value: Any) -> str:
    """Return a hash of a value's contents; raise NoIdentity if the value cannot be pickled."""
    try:
        return str(joblib.hash(value))
    except Exception as error:
        raise NoIdentity(
            f"{what} cannot be pickled, as journal= and record= require: {error}; define it where it can be imported"
        ) from error


def seed_of_candidate(seed: int, params: Params) -> int:
    """Return a seed that depends on a candidate's hyperparameters, but not on when the candidate is drawn."""
    text = f"{seed}:{key_of(params)}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") % SEEDS


def constant_score(estimator: Any, table: SearchTable, scorers: Scorers) -> float | None:
    """Return the score of a constant prediction: the training rows' mean target, or their class frequencies.

    It is measured in the first fold, and the learning curve of boosting starts at it. Return None if the estimator is
    neither a classifier nor a regressor, or if the scorer needs more than predictions.
    """
    rows, (train, test) = table.rows, table.splits[0]
    if rows.y is None or not (is_classifier(estimator) or is_regressor(estimator)):
        return None
    constant = DummyClassifier(strategy="prior") if is_classifier(estimator) else DummyRegressor()
    _, y = _safe_split(estimator, rows.X, rows.y, train)
    X_test, y_test = _safe_split(estimator, rows.X, rows.y, test, train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # metrics may be undefined for a constant prediction
        constant.fit(np.zeros((len(train), 1)), y)
        return scorers.ranking_of_other(constant, X_test, y_test, params_at(table.score, test, rows.count))
