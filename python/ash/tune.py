"""`ash.tune`: from a table to the best of many networks. Here are its arguments; ash/engine/run.py does the work."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from ash.callbacks.dispatch import read_callbacks
from ash.engine.run import TuningRun
from ash.executors.executor_argument import read_elsewhere
from ash.journal.identity import asked_of, seed_of
from ash.journal.journal import Journal, read_journal
from ash.options import read_options
from ash.result import Result
from ash.space.space import Space


def tune(
    X: Any,
    y: Any,
    space: Space | Mapping[str, Any] | None = None,
    *,
    candidates: int | str | None = "auto",
    eta: int = 2,
    min_epochs: int | None = None,
    max_rungs: int | None = None,
    epoch_rows: int | None = None,
    algorithm: str = "ash",
    promotion: str | None = None,
    training: str = "resume",
    schedule: str = "reproducible",
    workers: int = 32,
    teams: bool = True,
    threads: int | None = None,
    memory_limit: int | None = None,
    keep: int | None = None,
    validation: float | int | tuple[Any, Any] = 0.2,
    cv: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    missing: str = "indicator",
    unknown: str = "bucket",
    metric: str | None = None,
    task: str | None = None,
    time_limit: float | None = None,
    epoch_limit: int | None = None,
    target: float | None = None,
    seed: int | None = 0,
    progress: bool | None = None,
    callbacks: Sequence[Any] | None = None,
    journal: str | PathLike[str] | Journal | None = None,
    executor: Any = None,
    worker_timeout: float | None = 60.0,
) -> Result:
    """Train many networks on a table by asynchronous successive halving and return the best one.

    Parameters
    ----------
    X : array-like or DataFrame of shape (rows, features)
        Numbers, booleans, text and categories: NumPy arrays of any dtype and order, lists, frames of pandas or polars,
        pyarrow tables. Numbers are scaled by median and quartiles and clipped smoothly at 3 (arXiv:2407.04491, section
        3); a text or category column of at most 32 levels becomes a 0/1 feature a level, one of more levels statistics
        of the target that no row's own target enters (ordered target statistics, arXiv:1706.09516). In regressions on
        numbers alone whose rows recur, the targets of the most similar training rows are features too.
    y : array-like of shape (rows,) or (rows, outputs)
        Class labels of any dtype, or targets; several columns for regression only.
    space : Space or dict of domains by name, optional
        Where the candidates are drawn from; a space that suits the size of the table by default. Candidate 0 is its
        default configuration.
    candidates : int, "auto" or None
        How many; fewer when the space holds fewer. None: an endless stream, until the whole space (at most 2**31 - 1
        configurations) is drawn; it needs `time_limit`, `epoch_limit` or `target`, and takes no algorithm "sh".
        "auto": 128; or, with a `time_limit` and without `min_epochs` or `max_rungs`, a stream on a ladder that fills
        the time (`ash.plan`), decided as jobs end (`schedule="greedy"`).
    eta : int
        The reduction factor: of each rung the best 1/eta go on, with eta times the epochs.
    min_epochs : int, optional
        Epochs of a job in the lowest rung; 1, or what `ash.plan` finds.
    max_rungs : int, optional
        No more rungs than that.
    epoch_rows : int, optional
        Rows of an epoch at most: a pass over the table is cut into equal epochs, but for `batch_size="full"`. None: all
        rows trained on up to 100,000; of more, about 65,536, so that a rung is a number of updates and not of passes;
        or fewer, if that is what `ash.plan` finds.
    algorithm : {"ash", "sh", "random"}
        Asynchronous halving; halving with a barrier between rungs; every candidate up to the last rung.
    promotion : {"capped", "paper", "improving"}, optional
        "capped" never promotes more than floor(finished / eta); "paper" is Algorithm 2 of the source; "improving" is
        "paper" among those that did better in each rung than in the one below: where more training only fits the noise,
        the time goes to new candidates. By default "capped", "paper" for an endless stream, and "improving" where the
        ladder follows from `time_limit`.
    training : {"resume", "restart"}
        Whether a promoted candidate goes on from where it stands, or starts anew.
    schedule : {"reproducible", "greedy"}
        "reproducible": same data, space, arguments and seed, same outcome bit for bit (who was promoted when, every
        score, every weight) on any number of threads, with or without teams, whatever else the machine does, on every
        instruction set with fused multiply-add. `Result.digest` is a hash of that outcome, for two people to compare.
        Decisions are taken on a virtual clock, on which a job lasts as long as its multiply-adds, so a thread may
        have to wait for a result that really comes later. "greedy": decisions are taken as jobs really end, so with
        several threads two runs may differ; nothing ever waits. A run that `time_limit` or Ctrl-C has ended stops
        where it stands: what had finished by then depends on timing in both.
    workers : int
        Of the virtual clock: how many jobs run at the same virtual time, 1 to 65536. It is part of what determines
        the outcome; the number of threads is not. Threads beyond it find no job of their own and can only help
        others, in teams. "greedy" has none.
    teams : bool
        Whether threads without a job join running ones. Never changes the outcome of a reproducible run.
    threads : int, optional
        OMP_NUM_THREADS if set, else the CPUs that this process may use; -1 means all of them, -2 all but one.
    memory_limit : int, optional
        Bytes for the states (weights and moments) of waiting candidates; half of what the machine or cgroup has left
        by default. Beyond it the least promising ones are dropped, and trained again from scratch if they go up after
        all: that costs time and never changes the outcome of a reproducible run.
    keep : int, optional
        How many networks of the best candidates are kept for `Result.ensemble`, 1 to 1024; with `cv` only the best. By
        default 32, fewer where their predictions of the validation rows would take more than 256 MiB, or of a time that
        is planned for (`candidates="auto"`) more than a 25th. During the run the states of those candidates are never
        dropped, whatever `memory_limit`; the result holds 4 bytes a weight of each, and 4 a validation row and class or
        target. Never changes any other outcome.
    validation : float, int or (X, y)
        The share or number of rows that score the candidates and are not trained on, or a table of its own.
    cv : int, splitter or iterable of (training rows, validation rows), optional
        Cross-validation in place of `validation`: a candidate is trained on every fold as the parts of one job, and its
        score is the mean; the model is then trained on all rows. An int: so many shuffled folds, by class for
        classification. Any splitter of scikit-learn: groups, time series, ... Takes as many times the memory.
    groups : array-like of shape (rows,), optional
        What the splitter keeps together.
    sample_weight : array-like of shape (rows,), optional
        For how many rows each row counts, in training and in the score; 0: as if it were not there.
    missing : {"indicator", "error"}
        What to do with missing cells (None, NaN, null): put the median, and a feature that says so; or refuse them.
    unknown : {"bucket", "error"}
        What the model does with a level that was not seen in training: all of them are alike to it; or it refuses them.
    metric : str, optional
        accuracy (default), balanced_accuracy, log_loss or auc; r2 (default), rmse or mae. Higher is better: errors
        are negated.
    task : {"classification", "regression"}, optional
        Told from y when not given.
    time_limit : float, optional
        Seconds, from the call on, after which the run stops with what has finished.
    epoch_limit : int, optional
        Most epochs of all jobs together; the first job that would exceed it ends the run, after those that run.
    target : float, optional
        The score, in `metric`, that ends the run once a candidate reaches it. Errors are negated: -0.1 for a log_loss
        of 0.1.
    seed : int or None
        Of the split, the candidates and the training; None draws one, to be found in `Result.seed`.
    progress : bool, optional
        None: a live view on stderr when that is a terminal. True: in a notebook a live table, elsewhere plain lines
        when there is no terminal. False: silent.
    callbacks : sequence, optional
        Objects that are told of the start, of every finished job and of the end, by this thread: `ash.Callback` says
        how, and how one ends the run. `ash.callbacks` has some that log to other tools.
    journal : path or Journal, optional
        A file in which every result is kept as soon as it is decided on. The same call again, after whatever has ended
        the first one, goes on from it: a reproducible run with the same digest as one that was never interrupted, on
        any number of threads. More `candidates`, or a larger `time_limit`, `epoch_limit` or `target`, go on further;
        the time counts from the first call, without the pauses. With other data, another space or seed the call is
        refused. `ash.Journal` has more to choose, `ash.resume` goes on without the other arguments.
    executor : object with `submit`, optional
        Where jobs are done, with the same outcome as in threads of this process: a ``distributed.Client``, an
        ``mpi4py.futures.MPIPoolExecutor``, one of loky or `concurrent.futures`, or anything alike. It stays open. The
        data go once to each of its processes, a job is done by one thread of one of them, and there are no teams.
        `threads` is then how many jobs it does at a time, by default as many as it has workers (of Dask: threads of
        workers); as many again are on their way. With more than it has ranks, each rank of MPI has ``ceil(threads /
        ranks)`` threads. With fewer `workers` than jobs at a time some of its workers find no job.
    worker_timeout : float or None
        Seconds after which a run ends whose cluster of Dask has no worker any more. None: it waits.

    Returns
    -------
    Result
        Its `ended` says why it ended: "finished", "time_limit", "epoch_limit", "target", "stopped" (by a callback) or
        "interrupted". After Ctrl-C there is one too, if a job had finished; a second Ctrl-C raises at once.

    Raises
    ------
    SettingError
        An argument or the space is not allowed.
    DataError
        X or y cannot be learned from.
    NothingFinished
        The time was over, or a callback has stopped the run, before the first job ended.
    AllDiverged
        No candidate kept a finite loss.
    ExecutorFailed
        The executor has no worker left or is broken, a worker has other versions of ash or numpy, or one job has failed
        three times. With a journal, the same call goes on from what had finished.
    JournalError
        The journal cannot be used, is in use, is damaged, or holds another run; or cannot be written any more.
    KeyboardInterrupt
        Ctrl-C before the first job ended.
    Exception
        What a callback has raised.

    References
    ----------
    Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv:1810.05934.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> result = ash.tune(*load_wine(return_X_y=True), candidates=32, seed=0)
    >>> labels = result.model.predict(load_wine().data)
    """
    given = dict(locals())
    kept = read_journal(journal)
    elsewhere = read_elsewhere(executor, threads, worker_timeout)
    if seed is None:
        given["seed"] = seed_of(kept)
    options = read_options(given if elsewhere is None else {**given, "threads": None})
    run = TuningRun(
        X,
        y,
        space,
        options,
        sample_weight=sample_weight,
        validation=validation,
        cv=cv,
        groups=groups,
        asked=asked_of("ash.tune", given, options),
        callbacks=read_callbacks(callbacks),
        journal=kept,
        elsewhere=elsewhere,
    )
    return run.run()[0]
