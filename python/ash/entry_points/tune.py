"""Contains `ash.tune`, which reads the arguments of a run; ash/engine/run.py does the work."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from ash._utils.arguments import explained
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Callback
from ash.callbacks.dispatch import read_callbacks
from ash.engine.repeat import repeated
from ash.engine.run import run_table
from ash.engine.stages import Asked
from ash.executors.executor_argument import pool_of
from ash.journal.identity import asked_of, seed_of
from ash.journal.journal import Journal, read_journal
from ash.options import CONFIG_FIELDS, SearchConfig, optuna_sampler_of, read_options
from ash.result import Result, interruption
from ash.run_record import TUNE, RunRecord
from ash.scoring.fold_scoring import read_scoring
from ash.space.space import Space


@explained(CONFIG_FIELDS)
def tune(
    X: Any,
    y: Any,
    space: Space | Mapping[str, Any] | None = None,
    *,
    candidates: int | str | None = "auto",
    time_limit: float | None = None,
    first: Any = None,
    scoring: str | Callable[..., Any] | None = None,
    task: str | None = None,
    pos_label: Any = None,
    categorical_features: Any = None,
    validation: float | int | tuple[Any, ...] | None = None,
    cv: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: Any = 0,
    verbose: int = 1,
    callbacks: Callback | Sequence[Callback] | None = None,
    journal: str | PathLike[str] | Journal | None = None,
    executor: Any = None,
    config: SearchConfig | None = None,
    record: RunRecord | None = None,
) -> Result:
    """Train many models on a table by asynchronous successive halving (arXiv:1810.05934) and return the best one.

    Parameters
    ----------
    X : array-like or DataFrame of shape (rows, features)
        An array, list, data frame or sparse matrix of numbers, booleans, dates, text, categories and missing cells.
    y : array-like of shape (rows,) or (rows, outputs)
        Class labels of any dtype, or targets. Only regression allows several columns.
    space : Space or dict of domains by name, optional
        The space that candidates are drawn from; by default a space that suits the table.
    candidates : int, "auto" or None
        "auto": as many as fit into `time_limit`, or into about 20 s of one CPU core. None: endless, up to a limit.
    time_limit : float, optional
        Seconds after which the run stops and returns the best model so far.
    first : sequence of dict, result, path, Journal or Optuna study, optional
        Configurations to try first; see `ash.tune_function`. A dict must name all hyperparameters that apply.
    scoring : str, callable or None
        Ranks candidates: accuracy or r2 by default, a metric, a scikit-learn scorer, or ``scorer(estimator, X, y)``.
    task : {"classification", "regression"}, optional
        The task; by default it is inferred from y.
    pos_label : str, int, float, bool or None
        Of two classes, the positive one of f1, precision, recall and average precision; by default 1.
    categorical_features : list of str, int or bool, "from_dtype" or None
        Numeric columns to treat as categories: names, positions or one bool per column.
    validation : float, int, (X, y) or (X, y, weights), optional
        The share or number of rows held out to score candidates, or a table. Default: 0.2; five folds below 5,000 rows.
    cv : int, splitter or iterable of (training rows, validation rows), optional
        Cross-validation instead of `validation`; the final model is trained on all rows. An int is the number of folds.
    groups : array-like of shape (rows,), optional
        A label for each row, such as a person. Rows with the same label are never on both sides of a split.
    sample_weight : array-like of shape (rows,), optional
        The weight of each row in training and in the score.
    n_jobs : int or None
        The number of threads; None, -1: all CPUs, at most OMP_NUM_THREADS. With an executor: its concurrent jobs.
    random_state : int, RandomState or None
        Seeds the split, the candidates and the training. With None a seed is drawn and stored in `Result.seed`.
    verbose : int
        1: a live view if stderr is a terminal. 2: in notebooks and logs as well. 0: nothing is shown.
    callbacks : Callback or sequence of them, optional
        Objects that are notified of jobs and can end the run; see `ash.Callback`.
    journal : path or Journal, optional
        A file that records each result. The same call, a call with a larger space, or `ash.resume` resumes the run.
    executor : object with `submit`, optional
        Runs the jobs elsewhere: a Dask client, or an executor of mpi4py, loky or `concurrent.futures`.
    config : SearchConfig, optional
        All other options, for example for the ladder, the schedule, memory and missing cells.
    record : RunRecord, optional
        `Result.record` of a run to repeat, independently of the clock. Pass the same rows, and no other settings.

    Returns
    -------
    Result
        `model` is the best model; `ended` says why the run ended. After Ctrl-C the result covers the finished jobs.

    Raises
    ------
    SettingError, DataError
        An argument is not allowed (SettingError), or X or y cannot be used (DataError). Nothing was trained.
    NothingFinishedError, KeyboardInterrupt
        A limit or callback (NothingFinishedError), or Ctrl-C, ended the run before the first job finished.
    AllDivergedError, ExecutorFailedError, JournalError
        No finite loss, a broken executor or an unusable journal; the attribute `result` is the result so far, if any.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> result = ash.tune(*load_wine(return_X_y=True), candidates=32, random_state=0)
    >>> labels = result.model.predict(load_wine().data)
    """
    file = read_journal(journal)
    given: dict[str, Any] = {"candidates": candidates, "time_limit": time_limit, "verbose": verbose}
    given |= {"scoring": scoring, "task": task, "pos_label": pos_label, "categorical_features": categorical_features}
    given |= {"validation": validation, "cv": cv, "executor": executor, "config": config}
    given |= {"n_jobs": n_jobs, "random_state": random_state}
    if record is None:
        metric, own = read_scoring(scoring, pos_label=pos_label)
        seed = seed_of(file) if random_state is None else random_state
        options = read_options("tune", {**given, "scoring": metric, "random_state": seed})
        about = {"space": space, "first": first, "validation": validation, "cv": cv, "scoring": own}
        about["sampler"] = optuna_sampler_of(config)
        asked = Asked(options=options, call=asked_of(TUNE, given, options), **about)
    else:
        asked = repeated("tune", tune, {**given, "space": space, "first": first}, record)
    result, _ = run_table(
        X,
        y,
        asked,
        sample_weight=sample_weight,
        groups=groups,
        callbacks=read_callbacks(callbacks),
        journal=file,
        pool=None if executor is None else pool_of(executor, n_jobs, asked.options.worker_timeout),
    )
    if result.interrupted and record is None:
        warn_user(f"the run was {interruption(result, journal)}")
    return result
