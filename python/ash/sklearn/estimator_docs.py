"""The docstrings of the estimators: parameters and attributes that both share are written once."""

from collections.abc import Callable
from typing import TypeVar

Class = TypeVar("Class", bound=type)

_TEXT = """{first}

Many networks are trained by asynchronous successive halving; the best one predicts, or an average of the best. Same
data, parameters and `random_state`: same model, bit for bit, on any number of threads; the order of the rows makes no
difference either.

Parameters
----------
space : ash.Space, optional
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


def documented(kind: str, score: str) -> Callable[[Class], Class]:
    """Return a decorator that completes the docstring of an estimator.

    Parameters
    ----------
    kind : "classifier" or "regressor"
    score : str
        The default of `scoring`.
    """

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
