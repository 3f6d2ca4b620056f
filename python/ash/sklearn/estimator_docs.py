"""The docstrings of the estimators and of the search, which are longer than the classes; what is shared stands once."""

from collections.abc import Callable
from typing import TypeVar

Class = TypeVar("Class", bound=type)

_TEXT = """{first}

Many networks are trained by asynchronous successive halving; the best one predicts, or an average of the best. Same
data, parameters and `random_state`: same model, bit for bit, on any number of threads; the order of the rows makes no
difference either.

Parameters
----------
space : ash.Space or dict of domains by name, optional
    Where the candidates are drawn from; one that suits the size of the table by default.
candidates : int, "auto" or None, default="auto"
    How many; None for an endless stream, which `time_limit`, `epoch_limit` or `target` must end. "auto": 128, or with
    a `time_limit` as many as it holds, on a ladder that suits it (`ash.plan`).
eta, min_epochs, max_rungs, epoch_rows, algorithm, promotion, training, schedule, workers, memory_limit
    As for `ash.tune`.
validation : float, int, (X, y) or None, default=None
    The share or number of rows that score the candidates and are not trained on, or a table of its own. None: 0.2; but
    five folds (`cv`) of a table of fewer than 1,000 rows where a time is to be filled (`time_limit` with "auto"
    candidates), if there are five rows of each class.
cv : int, splitter, iterable of (training rows, validation rows) or None, default=None
    Cross-validation in place of `validation`: the score of a candidate is the mean over folds, which are the parts of
    one job; what predicts is then trained on all rows. Takes as many times the memory.
ensemble : int, default=16
    Most draws of an ensemble (`Result.ensemble`), which predicts, in the time of its members together. 1: the best
    network predicts alone. With `cv` it is selected by the validation rows of all folds; where they are fewer than
    1,000, by which nobody can select, the best five predict in equal shares.
refit : bool, default=True
    Whether the networks that predict are trained on with the validation rows too, for one cycle of the learning rate as
    long as their last one; with `cv` they are trained on all rows from scratch in any case. No part with a
    validation table of its own.
scoring : str, callable or None, default=None
    What the candidates are ranked by: a scorer of scikit-learn by name or `scorer(estimator, X, y)`, or a metric of
    `ash.tune`; {score} by default. What the core computes itself (accuracy, balanced_accuracy, neg_log_loss, roc_auc,
    r2, neg_root_mean_squared_error, neg_mean_absolute_error) is fast; another one holds up the threads while it runs.
time_limit : float, optional
    Seconds that `fit` takes, reading and ensemble included; what has been trained by then is used.
epoch_limit : int, optional
    Most epochs of all jobs together.
target : float, optional
    The validation score that ends the search.
missing : {{"indicator", "error"}}, default="indicator"
    Missing cells: the median, and a feature that says so; or an error.
unknown : {{"bucket", "error"}}, default="bucket"
    A category in `predict` that was not there in `fit`: all such are alike; or an error.
n_jobs : int or None, default=-1
    Threads; -1: all that this process may use. None: 1, or what `joblib.parallel_config` says. Never more than
    OMP_NUM_THREADS, which joblib and Dask set in their worker processes; in their worker threads -1 is this thread's
    share, 1 for joblib's. So nested parallelism does not oversubscribe.
random_state : int, RandomState or None, default=None
    Of the split, the candidates and the training; an int for the same model each time.
verbose : int, default=0
    Above 0: the progress on stderr.
callbacks : sequence or None, default=None
    Objects that are told of the search while it goes on, and may end it: `ash.Callback`. A clone, as in a search of
    scikit-learn, tells deep copies of its own.
journal : str, path-like, ash.Journal or None, default=None
    A file in which every result is kept as soon as it is there; `fit` again with the same data and parameters, after
    whatever has ended the first, goes on from it. With a `random_state` that is no int it is another run each time.
executor, worker_timeout
    Where networks are trained, as for `ash.tune`; a positive `n_jobs` is then its `threads`. A function of `scoring`
    cannot be sent there. A clone has the same executor.

Attributes
----------
best_params_ : dict
    Hyperparameters of the best candidate.
best_score_ : float
    The validation score of that candidate's network; higher is better.
cv_results_ : dict of arrays
    A row a candidate: params, param_<name>, mean_test_score, rank_test_score, rungs, epochs, fit_time.
model_ : ash.Network or ash.Ensemble
    What predicts, with `save`.
result_ : ash.Result
    The whole run: `result_.model` is the best network; jobs, rungs, plots, digest.
{classes}n_features_in_ : int
feature_names_in_ : ndarray of shape (n_features_in_,)
    If X had column names.
n_iter_ : int
    Epochs that the best network was trained for.

References
----------
Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv:1810.05934.

Examples
--------
>>> from ash import {name}
>>> from sklearn.datasets import {loader}
>>> X, y = {loader}(return_X_y=True)
>>> predictions = {name}(candidates=16, random_state=0).fit(X, y).predict(X)
"""
_CLASSES = """classes_ : ndarray of shape (n_classes,)
    The sorted labels.
"""
_SEARCH_TEXT = """{first}

Many candidates are trained a little, the best quarter of them (of those that there are, nobody waits for a rung to
fill) is trained on, and so on: `ash.tune_function`. Those that go up go on from the trees, rounds or weights that they
have, in each fold of the cross-validation, where the library allows it; what cannot go on is trained anew, and the
search says so.

Parameters
----------
estimator : estimator
    Of scikit-learn's kind: forests, boosting of scikit-learn, LightGBM, XGBoost or CatBoost, anything with
    `partial_fit`, nets of skorch (PyTorch), a Pipeline that ends in one of these, or anything else with `fit`.
space : FunctionSpace or dict
    Domains of its parameters by name, as for `ash.tune_function`: lists, `ash.log`, distributions of scipy.stats.
resource : str, default="auto"
    What an epoch is one of. "auto": `n_estimators`, `max_iter`, `iterations` or `max_epochs` of estimators that go on;
    "epochs", passes over the rows, of those with `partial_fit`; else "n_samples", rows of a fixed order. Or the name of
    a parameter that counts something: an estimator that does not go on by it is trained anew for all its epochs.
min_epochs, max_epochs, max_rungs : int or None
    Epochs of the first rung; epochs that a candidate has in all after the last one; number of rungs. By default
    `max_epochs` is what the estimator would take in one fit (its own value of the resource; 64 passes; all rows), and
    the first rung has a 21st of it or more, rounded down: of 100 epochs 4, 20 and 100. Unless `min_epochs` is given a
    candidate that goes all the way has just `max_epochs`.
candidates : int or None, default=64
    How many; None for an endless stream, which `time_limit`, `epoch_limit` or `target` must end.
eta : int, default=4
    Of each rung the best ``1/eta`` go up: 4 as in the paper of ASHA, since libraries spend on beginning a job what a
    lower one would save.
algorithm, promotion, training
    The ladder, as for `ash.tune_function`.
forecast : bool, default=True
    Whether candidates go up by what their score is expected to be after the next rung, where that is known from the
    kind of model, forests and boosting, and not by the score: deep trees pay when many are averaged, low learning rates
    after many rounds. In the first rung one fold is scored after half of its epochs too.
schedule : {{"reproducible", "greedy"}} or None, default=None
    None: "reproducible", on a clock on which a job lasts as long as it has epochs, or as `costs` says: the same
    decisions on any number of threads, if the estimator gives the same scores.
executor : None, "processes", or an object with `submit`, default=None
    Where jobs are done, as for `ash.tune_function`. None: threads, in which folds of a job are trained too where there
    are more of them than jobs; processes for `HistGradientBoosting` and nets of skorch (unless on a GPU), which would
    wait for Python's lock, if they and the scorer can be pickled.
workers, costs, sampler, first, job_limit, most_failures, time_limit, epoch_limit, target, callbacks
    As for `ash.tune_function`; in `epoch_limit` and costs an epoch is one of all folds.
memory_limit : int or None, default=None
    Bytes of estimators that wait in memory; beyond it they wait in files, as for `ash.tune_function`.
journal : str, path-like, ash.Journal or None, default=None
    A file in which every result is kept as soon as it is there; `fit` again with the same rows, estimator and
    parameters, after whatever has ended the first, goes on from it. Estimators are not loaded from files: those that go
    up are trained again. With a `random_state` that is no int it is another run each time.
scoring : str, callable, list, dict or None
    As in scikit-learn's searches; of several scores `refit` names the one that ranks candidates.
cv : int, splitter, iterable of (training rows, test rows) or None, default=None
    As in scikit-learn's searches: None is 5 folds. One job trains all folds of a candidate. Splits are made once.
refit : bool, str or callable, default=True
    Whether the best candidate is fitted to all rows, for as many epochs as it had; the name of the score that ranks; or
    a function of `cv_results_` that gives `best_index_`.
error_score : "raise" or number, default=nan
    What stands in `cv_results_` for candidates whose first job has failed; "raise": the first error ends the search.
return_train_score : bool, default=False
    Whether training rows are scored too.
n_jobs : int or None, default=-1
    Jobs at a time, as for `ash.ASHClassifier`. Each may start CPUs // jobs threads in its libraries, no more.
random_state : int, RandomState or None, default=None
    Of the candidates; and of the estimator, where its own `random_state` is None: a number of this one and the
    hyperparameters.
verbose : int, default=0
    Above 0: the progress on stderr.

Attributes
----------
best_params_, best_score_, best_index_, best_estimator_, cv_results_, scorer_, n_splits_, refit_time_, multimetric_
    As of scikit-learn's searches. A row of `cv_results_` is a candidate, of the job in which it had its best score,
    with the `rung` and the epochs in all (`resource`) of it; a parameter that counts epochs stands in `params` too.
best_epochs_ : int
    Epochs of the best candidate.
resource_ : str
    What an epoch is one of.
continued_ : bool
    Whether all candidates that went up were trained on from where they stood.
retrained_ : dict of str to int
    Why jobs have trained anew, and how many have.
trained_ : int
    Epochs that have been trained in all, each of all folds; with those that were trained again.
result_ : ash.FunctionResult
    The whole run: jobs, rungs, plots, report. `result_.best_state` has the estimators of the folds.
classes_, n_features_in_, feature_names_in_
    Of the best estimator.

See Also
--------
ash.tune_function : The same ladder for any function.
ash.ASHClassifier : Networks of the native core.

Notes
-----
An estimator that stops early by itself (`early_stopping`, `n_iter_no_change`) does so within each rung.

Forecasts: the mean of t trees is 1/t from what it tends to; the first rounds of boosting come nearer by equal shares,
from the score of a constant on, and later a score grows by as much whenever rounds grow by the same factor. The `loss`
of a job of `result_` is its forecast negated. It ranks, also for a `sampler`; best is who has the best score.

References
----------
Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv:1810.05934.

Examples
--------
>>> import ash
>>> from sklearn.datasets import load_wine
>>> from sklearn.ensemble import RandomForestClassifier
>>> X, y = load_wine(return_X_y=True)
>>> space = {{"max_features": [1, 2, 4], "min_samples_leaf": [1, 2, 5]}}
>>> search = ash.ASHSearchCV(RandomForestClassifier(n_estimators=15), space, candidates=4, cv=2, random_state=0)
>>> search.fit(X, y).resource_, search.continued_
('n_estimators', True)
"""


def documented(kind: str, score: str) -> Callable[[Class], Class]:
    """Return what completes the docstring of a "classifier" or "regressor", whose default of `scoring` is `score`."""

    def complete(estimator: Class) -> Class:
        estimator.__doc__ = _TEXT.format(
            first=estimator.__doc__,
            score=score,
            classes=_CLASSES if kind == "classifier" else "",
            name=estimator.__name__,
            loader="load_wine" if kind == "classifier" else "load_diabetes",
        )
        return estimator

    return complete


def documented_search(search: Class) -> Class:
    """Complete the docstring of the search."""
    search.__doc__ = _SEARCH_TEXT.format(first=search.__doc__)
    return search
