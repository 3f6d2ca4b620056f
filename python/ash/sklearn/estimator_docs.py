"""Contains the docstrings of the estimators and of the search, which are longer than the classes and share parts."""

import textwrap
from collections.abc import Callable, Sequence
from typing import TypeVar

from ash.metrics import METRIC_OF_LOSS, METRICS
from ash.models.decision import TUNED

Class = TypeVar("Class", bound=type)

_TEXT = """{first}

Many networks are trained by asynchronous successive halving. With a `time_limit`, boosted trees are trained too if
LightGBM is installed (see `models` of the config). The best model, or an ensemble of the best, makes the predictions.
The same data, parameters and `random_state` give the same model, bit for bit, on any number of threads and for any
order of the rows. Runs with a `time_limit` or with ``schedule="greedy"`` are exceptions.

Parameters
----------
space : ash.Space or dict of domains by name, optional
    Where candidates are drawn from. Default: a space that suits the table.
{loss}candidates : int, "auto" or None, default="auto"
    The number of candidates to try. "auto": as many as fit into `time_limit`, on a ladder planned for this limit
    (`ash.plan`). Without a limit, the ladder is planned for a fixed number of multiply-adds, about 20 s of one CPU core
    for tables with fewer than 5,000 rows, and in proportion to the rows of larger tables. So a seed gives the same
    model on any machine. "auto" means 128 if the config has an `epoch_limit` or sets the ladder. None: an endless
    stream, which must be ended by `time_limit`, or by `epoch_limit`, `work_limit`, `stop_score` or `patience` in the
    config.
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
n_jobs : int or None, default=-1
    The number of threads. -1: all CPUs available to this process. None: 1, or the setting of `joblib.parallel_config`.
    The number never exceeds OMP_NUM_THREADS. Within joblib or Dask, -1 means this thread's share of the CPUs. With an
    executor: the number of concurrent jobs.
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
_SEARCH_TEXT = """{first}

All candidates are trained briefly. The best half of those finished so far is trained further, and so on up the ladder
of `ash.tune_function`. In each fold, promoted candidates continue from their existing trees, rounds or weights, if
their library allows it. Otherwise they are trained from scratch, and `retrained_` says why.

Parameters
----------
estimator : estimator
    An estimator with scikit-learn's interface: forests, boosting (scikit-learn, LightGBM, XGBoost or CatBoost),
    anything with `partial_fit`, skorch nets (PyTorch), a Pipeline that ends in one of these, or anything with `fit`.
space : FunctionSpace, dict or list of dicts
    Domains of the estimator's parameters by name, as for `ash.tune_function`: lists, `ash.log`, scipy.stats
    distributions. Options may be objects, such as alternative estimators of a pipeline:
    ``{{"clf": [forest, svc], "clf__C": ...}}``. A nested parameter is searched only with the options that have it;
    ``.when(clf=svc)`` restricts a domain further. Each dict in a list of dicts is a separate space, and each candidate
    is drawn from one of them.
candidates : int or None, default=64
    The number of candidates to try. None: an endless stream, which must be ended by `time_limit`, or by `epoch_limit`,
    `stop_score` or `patience` in the config.
time_limit : float, optional
    Seconds for search and refit. No job is started once only the expected time of the refit is left.
resource : str, default="auto"
    What an epoch is. "auto": `n_estimators`, `max_iter`, `iterations` or `max_epochs` for estimators that can resume
    training; "epochs" (passes over the rows) for those with `partial_fit`; "n_samples" (rows in a fixed order) for all
    others, and for alternative estimators without a common resource. It can also be the name of any parameter that
    counts something; an estimator that cannot resume training by this parameter is trained from scratch in each rung,
    for all its epochs so far.
max_epochs : int or None, default=None
    Total epochs of a candidate after the top rung. None: as many as an ordinary fit takes (the estimator's own value of
    the resource, 64 passes, or all rows). The first rung has at least 1/21 of this total, rounded down: for 100 epochs
    the totals are 6, 18, 42 and 100. With `min_epochs` in the config, the first rung has that many epochs, and there
    are as many rungs as `max_epochs` allows.
scoring : str, callable, list, dict or None, default=None
    As in scikit-learn's searches. If there are several scores, `refit` names the score that ranks candidates.
cv : int, splitter, iterable of (training rows, test rows) or None, default=None
    As in scikit-learn's searches: None is 5 folds. One job trains all folds of a candidate. Splits are made once.
refit : bool, str or callable, default=True
    Whether the best candidate is fitted to all rows, for as many epochs as it had. A str or a function also means True.
    A str is the name of the score that ranks the candidates; a function takes `cv_results_` and returns `best_index_`.
error_score : "raise" or number, default=nan
    The score in `cv_results_` of a fold that failed; the other folds keep theirs. A candidate with a failed fold is not
    promoted, and ranks last even if `error_score` is a number. "raise": the first error ends the search.
return_train_score : bool, default=False
    Whether training rows are scored too.
forecast : bool, default=True
    Whether forests and boosting are promoted by their forecast score in the next rung, since deep trees pay off only
    when many are averaged, and low learning rates only after many rounds. For this, one fold is also scored after half
    of the epochs of the first rung.
costs, sampler, first
    As for `ash.tune_function`; `first` may be the `result_` of an earlier search. Without `costs` the virtual duration
    of a job is its number of epochs, so the schedule is reproducible unless the config has ``schedule="greedy"``.
n_jobs : int or None, default=-1
    The number of concurrent jobs, as for `ash.ASHClassifier`. Libraries may start ``CPUs // jobs`` threads in each job.
    skorch nets on a GPU (``device="cuda"`` or ``"mps"``) are trained one at a time, unless `n_jobs` is positive.
random_state : int, RandomState or None, default=None
    Seeds the candidates, and the estimator if its own `random_state` is None.
verbose : int, default=0
    1: show the progress on stderr, if that is a terminal. 2: in notebooks and logs too.
callbacks : ash.Callback, sequence of them or None, default=None
    Objects that are notified of the start, each finished job and the end; each can end the search.
journal : str, path-like, ash.Journal or None, default=None
    A file to which each result is written within 50 ms. Calling `fit` again with the same rows, estimator and
    parameters resumes the search, if `random_state` is an int or None (None: the journal's seed is used). The file
    does not contain estimators, so promoted candidates are trained again.
executor : None, "processes", or an object with `submit`, default=None
    Where jobs run, as for `ash.tune_function`. None: in threads, which also share the folds of a job if there are fewer
    jobs than threads. The exceptions are `HistGradientBoosting` and skorch nets on a CPU, for which threads would wait
    for the GIL. For these, None means processes if the estimator and the scorer can be pickled.
record : ash.RunRecord or None, default=None
    ``result_.record`` of an earlier fit. With this record and the same rows, the same search repeats that fit,
    independently of the clock, on any number of threads. The libraries get as many threads per job as in that fit.
config : ash.SearchConfig or None, default=None
    All other options: the ladder, the schedule, limits. Its fields are parameters too: ``set_params(config__eta=3)``.

Attributes
----------
best_params_, best_score_, best_index_, best_estimator_, cv_results_, scorer_, n_splits_, refit_time_, multimetric_
    As in scikit-learn's searches. `cv_results_` has one row per candidate, for its job in the highest rung, with this
    `rung` and the total epochs (`resource`) of that job. A parameter that counts epochs is in `params` too. The best
    candidate has the best score in the highest rung that any candidate has finished.
best_epochs_ : int
    Epochs of the best candidate; with early stopping, the mean over the folds of the best number of rounds.
resource_ : str
    What an epoch is.
continued_ : bool
    Whether all promoted candidates were trained further from their state.
retrained_ : dict of str to int
    The reasons why jobs trained from scratch, and the number of jobs for each.
trained_ : int
    Total epochs trained, including repeated ones. An epoch counts once, although it trains all folds.
result_ : ash.FunctionResult
    The whole run: jobs, rungs, plots, report. `result_.best_state` has the estimators of the folds.
classes_, n_features_in_, feature_names_in_
    As in the best estimator.

See Also
--------
ash.HalvingSearchCV : The same search with the names of scikit-learn's `HalvingRandomSearchCV`.
ash.tune_function : The same ladder for any function.
ash.ASHClassifier : Networks of the native core.

Notes
-----
LightGBM, XGBoost and CatBoost with `early_stopping_rounds` hold out a tenth of the training rows of each fold: by
class, in whole groups, or the last rows if the test rows follow the training rows. Each round is scored on these rows
by the metric of the library (`eval_metric`). The model with the best number of rounds is scored by `scoring` on the
test rows. The refit has this number of rounds and does not stop early. scikit-learn's estimators that hold out their
own rows for early stopping (`early_stopping`, `n_iter_no_change`) do so within each rung.

Forecasts assume that the error of the mean of t trees shrinks as 1/t. The score of boosting starts at the score of a
constant prediction, and each of the first rounds closes a constant share of the gap to the final score. Later the score
grows by a constant amount whenever the rounds grow by the same factor. The `loss` of a job in `result_` is its negated
forecast, or its negated score if there is no forecast. The `loss` ranks the candidates and guides a `sampler`, but does
not decide which candidate is the best.

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
>>> search = ash.ASHSearchCV(RandomForestClassifier(n_estimators=15), space, candidates=4, cv=2)
>>> search.fit(X, y).resource_, search.continued_
('n_estimators', True)
"""


def _listed(names: Sequence[str]) -> str:
    """Return names as a list in words, with line breaks before the end of a docstring's line."""
    text = f"{', '.join(names[:-1])} and {names[-1]}"
    return "\n    ".join(textwrap.wrap(text, 90, break_on_hyphens=False))


def documented(kind: str, score: str) -> Callable[[Class], Class]:
    """Return a decorator that completes the docstring of a "classifier" or "regressor" with default scoring `score`."""
    loss = _LOSS.replace("{of_losses}", _listed([*METRIC_OF_LOSS.values()]))

    def complete(estimator: Class) -> Class:
        estimator.__doc__ = _TEXT.format(
            first=estimator.__doc__,
            score=score,
            classes=_CLASSES if kind == "classifier" else "",
            class_weight=_CLASS_WEIGHT.format(tuned=_listed(TUNED)) if kind == "classifier" else "",
            metrics=_listed(METRICS["classification" if kind == "classifier" else "regression"]),
            loss=loss if kind == "regressor" else "",
            name=estimator.__name__,
            loader="load_wine" if kind == "classifier" else "load_diabetes",
        )
        return estimator

    return complete


def documented_search(search: Class) -> Class:
    """Complete the docstring of a search class with the text of `ASHSearchCV`."""
    search.__doc__ = _SEARCH_TEXT.format(first=search.__doc__)
    return search
