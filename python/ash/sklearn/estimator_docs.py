"""Contains the docstrings of both estimators, which are longer than the classes and share most parts."""

import textwrap
from collections.abc import Sequence
from typing import TypeVar

from ash.metrics import METRIC_OF_LOSS, METRICS
from ash.models.decision import TUNED

Class = TypeVar("Class", bound=type)

_TEXT = """{first}

Many networks are trained by asynchronous successive halving. With a `time_limit`, boosted trees are trained too (see
`models` of the config). The best model, or an ensemble of the best, makes the predictions. The same data, parameters
and `random_state` give the same model, bit for bit, on any number of threads and for any order of the rows. Runs with a
`time_limit` or with ``schedule="greedy"`` are exceptions.

Parameters
----------
space : ash.Space or dict of domains by name, optional
    Where candidates are drawn from. Default: a space that suits the table.
{loss}candidates : int, "auto" or None, default="auto"
    The number of candidates to try. "auto": as many as fit into `time_limit`, on a ladder planned for this limit
    (`ash.plan`). Without a limit, the ladder is planned for a fixed number of multiply-adds, about 20 s of one CPU core
    for tables with fewer than 5,000 rows, and in proportion to the rows of larger tables. So a seed gives the same
    model on any machine. "auto" means 128 if the config has a `max_total_epochs` or sets the ladder. None: an endless
    stream, which must be ended by `time_limit`, or by `max_total_epochs`, `work_limit`, `stop_score` or `patience` in
    the config.
time_limit : float, optional
    Seconds that `fit` may take, from reading the table to the refit.
first : sequence of dict, result, path, ash.Journal, Optuna study or None, default=None
    Configurations to try before all others. A dict must name all hyperparameters that apply; if it does not fit the
    space, an error is raised. An earlier result (such as `result_`), journal or study contributes its ten best
    configurations.
scoring : str, callable or None, default=None
    The score that ranks candidates: the name of a scikit-learn scorer, or `scorer(estimator, X, y)`; {score} by
    default. Other scorers than those that the native core computes itself block the training threads while they run.
    The core computes {metrics}.
categorical_features : list of str, int or bool, "from_dtype" or None, default=None
    Numeric columns to treat as categories: names, positions from 0, or one bool per column. None, or "from_dtype":
    only columns of a categorical dtype. Text that does not spell numbers is always a category.
{class_weight}validation : float, int, (X, y), (X, y, weights) or None, default=None
    The share or number of rows held out to score the candidates, or a separate table. None: five folds for a table
    with fewer than 5,000 rows, else 0.2. Also 0.2 if the search is planned for a `time_limit` of less than a second per
    250 rows, if no class has five rows, or if `scoring` is undefined on a fold without a class that has fewer than five
    rows. Each training part has rows of all classes; the only row of a class is not validated.
cv : int, splitter, iterable of (training rows, validation rows) or None, default=None
    Cross-validation instead of `validation`. The score of a candidate is its mean over the folds. The models of all
    folds predict together unless `ensemble` is 1. If the training parts are not all rows but one of several similar
    parts, as for TimeSeriesSplit or a single pair, the selected candidates are trained on all rows instead. Memory
    grows with the number of folds.
ensemble : int, default=16
    The maximum number of draws of the ensemble (`Result.ensemble`). 1: only the best model predicts; after
    cross-validation, it is trained again on all rows. Prediction time is the sum over the members. With
    cross-validation, an ensemble has the models of all folds as members, except for the splits named at `cv`.
refit : bool, default=True
    Whether the selected networks are fine-tuned on all rows. The fine-tuning is one cycle, half as long as a network's
    last cycle, and starts at 0.3 of the learning rate. Selected boosted trees are trained on all rows from scratch. No
    effect with a separate validation table, or with cross-validation in which each fold trains on all rows but its own
    part. With other splits, such as TimeSeriesSplit, False keeps the models of all folds.
n_jobs : int or None, default=None
    The number of threads. None and -1: all CPUs available to this process; for None, `joblib.parallel_config` may set
    another number. The number never exceeds OMP_NUM_THREADS. Within joblib or Dask, None and -1 mean this thread's
    share of the CPUs. With an executor: the number of concurrent jobs; None and -1: one for each of its workers.
random_state : int, RandomState or None, default=None
    Seeds the split, the candidates and the training. Pass an int for the same model each time.
verbose : int, default=0
    1: show the progress on stderr, if that is a terminal. 2: in notebooks and logs too.
callbacks : ash.Callback, sequence of them or None, default=None
    Objects that are notified of the start, each finished job and the end; each can end the search.
journal : str, path-like, ash.Journal or None, default=None
    A file to which each result is written within 50 ms. Calling `fit` again with the same data and parameters resumes
    the run after any interruption, if `random_state` is an int or None (None: the journal's seed is used). The space of
    a later call may be larger if it contains the earlier space.
executor : object with `submit` or None, default=None
    Where networks are trained, as for `ash.tune`. A clone has the same executor.
config : ash.SearchConfig or None, default=None
    All other options. Its fields are parameters too: ``set_params(config__eta=3)``.
record : ash.RunRecord or None, default=None
    `result_.record` of an earlier fit, or the `record` of its model. That fit is repeated, independently of the clock.
    Pass the same rows, and leave out the parameters on which the outcome depends, since the record has them.

Attributes
----------
best_params_ : dict
    Hyperparameters of the best candidate.
best_score_ : float
    The validation score of that candidate; higher is better. It is optimistic, since the candidate was chosen for it.
    Labels are scored as the most probable classes, with the factors of `class_weight` and without a tuned decision.
estimated_score_, estimated_score_std_error_ : float
    An estimate of the score of `model_` on new rows, in the metric of `scoring`, and its standard error;
    `ash.Result` describes the method. It is the score to report.
oof_prediction_ : ndarray of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_classes)
    Targets, or probabilities of classes, predicted by the ensemble for each row of X while it was held out. The mean
    for a row that was held out more than once, NaN for a row that never was.
cv_results_ : dict of arrays
    One row per candidate: params, param_<name>, split<fold>_test_score, mean_test_score, std_test_score,
    rank_test_score, rungs, epochs, fit_time.
model_ : ash.Network, ash.Trees or ash.Ensemble
    The model that predicts; it has a method `save`.
result_ : ash.Result
    The whole run, with jobs, rungs, plots and digest; `result_.model` is the model of the best candidate.
{classes}n_features_in_ : int
    The number of columns of X.
feature_names_in_ : ndarray of shape (n_features_in_,)
    The column names of X, if it had any.
n_iter_ : int
    Epochs for which the best candidate was trained in the search.

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
_CLASS_WEIGHT = """class_weight : "balanced", dict or None, default=None
    Factors for the weights of rows, in training, in the score and in the decision. A dict has one factor per label;
    labels that it does not name have factor 1. "balanced": all classes count equally. Probabilities are those of the
    data, without these factors.
pos_label : str, int, float, bool or None, default=None
    Of two classes, the positive one of f1, precision, recall and average precision. None: the label 1, or True, as in
    scikit-learn; if there is none, these metrics are refused.
decision_threshold : "auto", float or None, default="auto"
    The probability above which the positive class is predicted. None: 0.5, so the most probable class is predicted.
    "auto": the threshold is tuned on the held-out rows for accuracy with `class_weight`, and for
    {tuned}.
    With more than two classes, a weight of each class is tuned instead. For other scores, "auto" is None, or the
    decision that follows from `class_weight`.
"""
_LOSS = """loss : {"squared_error", "absolute_error", "quantile", "poisson"}, default="squared_error"
    The training loss of the networks. "squared_error" predicts the mean, "absolute_error" the median, and "quantile"
    the quantile given by `quantile`. "poisson" predicts the mean of one non-negative target, such as a count; its
    predictions are above 0. Unless `scoring` is given, the last three losses rank candidates by
    {of_losses}, respectively.
    If no training target is negative, no prediction is below the smallest training target.
quantile : float or None, default=None
    The quantile to predict, between 0 and 1. Required by ``loss="quantile"``, not allowed with other losses.
"""
_CLASSES = """classes_ : ndarray of shape (n_classes,)
    The sorted labels.
decision_threshold_ : float, or ndarray of shape (n_classes,)
    The probability above which the positive class (the second one if there is no label 1 and no `pos_label`) is
    predicted. With more than two classes: weights with the sum 1; the class with the largest product of weight and
    probability is predicted.
"""


def _listed(names: Sequence[str]) -> str:
    """Return names as a list in words, with line breaks before the end of a docstring's line."""
    text = f"{', '.join(names[:-1])} and {names[-1]}"
    return "\n    ".join(textwrap.wrap(text, 90, break_on_hyphens=False))


def documented(estimator: Class) -> Class:
    """Complete the docstring of an estimator's class."""
    task = vars(estimator)["_task"]
    classifies = task == "classification"
    estimator.__doc__ = _TEXT.format(
        first=estimator.__doc__,
        score="accuracy" if classifies else "r2",
        classes=_CLASSES if classifies else "",
        class_weight=_CLASS_WEIGHT.format(tuned=_listed(TUNED)) if classifies else "",
        metrics=_listed(METRICS[task]),
        loss="" if classifies else _LOSS.replace("{of_losses}", _listed([*METRIC_OF_LOSS.values()])),
        name=estimator.__name__,
        loader="load_wine" if classifies else "load_diabetes",
    )
    return estimator
