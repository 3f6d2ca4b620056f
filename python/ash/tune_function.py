"""`ash.tune_function`: asynchronous successive halving over anything that can be trained further."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from ash.callbacks.base import Callback, Run, rung_plans
from ash.callbacks.dispatch import Reporter, read_callbacks
from ash.errors import SettingError
from ash.executors.executor_argument import check_submit, workers_of
from ash.function.answers import Train
from ash.function.clock import read_costs
from ash.function.function_identity import code_of, identity_of
from ash.function.function_run import FunctionRun
from ash.function.job_runners import CallingThread, JobRunners, RunnerThreads, Submitted
from ash.function.sources import read_first, read_sampler, source_of
from ash.history.history import History
from ash.journal.identity import seed_of
from ash.journal.journal import Journal, NullJournal, read_journal
from ash.options import FunctionOptions, read_function_options
from ash.result import FunctionResult
from ash.space.function_space import FunctionSpace
from ash.space.space import read_space

PROCESSES = "processes"


def tune_function(
    train: Train,
    space: Any,
    *,
    candidates: int | None = 128,
    eta: int = 2,
    min_epochs: int = 1,
    max_rungs: int | None = None,
    algorithm: str = "ash",
    promotion: str | None = None,
    training: str = "resume",
    schedule: str | None = None,
    workers: int = 32,
    costs: Any = None,
    threads: int | None = None,
    executor: Any = None,
    job_limit: float | None = None,
    most_failures: int | None = 100,
    memory_limit: int | None = None,
    time_limit: float | None = None,
    epoch_limit: int | None = None,
    target: float | None = None,
    sampler: Any = None,
    first: Sequence[dict[str, Any]] | History | str | PathLike[str] | Journal | None = None,
    seed: int | None = 0,
    progress: bool | None = None,
    callbacks: Callback | Sequence[Callback] | None = None,
    journal: str | PathLike[str] | Journal | None = None,
) -> FunctionResult:
    """Tune a function that trains something further, and return the best hyperparameters and what they have led to.

    Parameters
    ----------
    train : callable
        ``train(params, epochs, state) -> (score, state)``. `params`: a dict of hyperparameters, its own. `epochs`: how
        many to train, of whatever unit: rounds, trees, passes. `state`: what the last job of this candidate gave back,
        None in the first; with ``training="restart"`` always None. The score is a finite number, higher is better. A
        score alone may be given back where there is no state.
        A job that raises, or gives back something else, has failed: its candidate goes no further, its traceback is on
        record, and the run goes on.
    space : FunctionSpace or dict
        Domains of the hyperparameters by name: `ash.choice`, `ash.integers`, `ash.uniform`, `ash.log`, a list of
        values, one value, a distribution of Optuna, or a frozen one of scipy.stats.
    candidates : int or None, default 128
        How many; fewer where the space holds fewer. None: a stream that a limit or target ends.
    eta, min_epochs, max_rungs, algorithm, promotion
        The ladder, as for `ash.tune`: rung ``k`` trains ``min_epochs * eta**k`` epochs.
    training : {"resume", "restart"}, default "resume"
        Whether a candidate that goes up is trained further from its state, or from scratch: the same epochs.
    schedule : {"reproducible", "greedy"} or None
        None: "reproducible" with `costs`, where the outcome depends on arguments and scores alone, on any number of
        threads; else "greedy", where decisions are taken as jobs end. The result says which.
    workers : int, default 32
        Virtual workers of the reproducible schedule.
    costs : callable or FunctionResult, optional
        How long a job lasts on the virtual clock, in any unit: ``costs(params, epochs) -> float``, positive; or an
        earlier result, whose seconds an epoch count. It need not be exact: it decides on the order of decisions.
    threads : int or None
        How many jobs at a time. None: as for `ash.tune`; of an executor, as many as it has workers. With 1, and neither
        executor nor `job_limit`, they are done in the calling thread.
    executor : None, "processes", or an object with `submit`
        Where jobs are done. None: threads of this process. "processes": child processes, where a job that hangs can be
        killed, and one that crashes costs nothing but its candidate; `train` and states are pickled (by cloudpickle).
        An executor of `concurrent.futures`, loky or mpi4py, or a ``distributed.Client``, is used as it is, and stays
        open; a client of Dask gets the function once a worker.
    job_limit : float or None
        Seconds that a job may take. One that takes longer has failed: a process is killed; a thread, or the worker of
        an executor, cannot be, and there is one fewer until it comes back.
    most_failures : int or None, default 100
        So many in a row, in order of decision, end the run. None: any number.
    memory_limit : int, optional
        Bytes for the states of waiting candidates; half of what the machine or cgroup has left by default. Beyond it
        the least promising ones are written to files of this process, which go with the run; where the disk is full, or
        a state cannot be pickled, it is dropped, and its candidate trained again if it goes up after all. Numbers,
        text, arrays and what comes from another process are counted as they are; other objects as the pickle of one of
        their type in the same rung.
    sampler : None, "sobol" or a sampler of Optuna
        Where candidates come from. None: a draw without repetition, the default configuration first. "sobol": points
        that fill the space evenly. A sampler such as ``optuna.samplers.TPESampler(seed=0)`` is asked for one at a time,
        and told the score that each had in the first rung, in order of decision; it may repeat itself.
    first : sequence of dict, result, or path or Journal, optional
        Configurations to be tried before those, each once: what is known to be good. Numbers may lie between the levels
        of `ash.uniform` and `ash.log`. Of an earlier result, or of the journal of an earlier run: its ten best ones,
        the best first; those that are not of this space are left out with a warning.
    time_limit, epoch_limit, target, seed, progress
        As for `ash.tune`. A time limit is looked at between jobs: those of threads that still run are left alone.
    callbacks : Callback or sequence of them, optional
        Told of start, jobs and end; see `ash.Callback`.
    journal : path or Journal, optional
        A file that keeps every result as soon as its job has ended. The same call again goes on where this one was
        ended, by a limit, Ctrl-C, a crash or whatever; where the schedule is reproducible, to the digest of a run
        without a break. More candidates, rungs, epochs or time extend it. Failures are results, and are not tried
        again. States are pickles, which run code when they are loaded, so none of an earlier process is: a candidate
        that goes up is trained again through its rungs below first, and so is the best one in the end; with
        ``training="restart"`` only the best one, in its rung. Another space, seed, `first` or sampler, other options or
        another name of the function are refused. Another source of the function is a warning: people mend it and go
        on, and what it calls could not be compared anyway.

    Returns
    -------
    FunctionResult
        `best_params`, `best_score`, `best_state`, and the whole story.

    Raises
    ------
    SettingError
        An argument that is not allowed, before anything runs.
    AllFailed
        Every job has failed; the message has a table of causes.
    NothingFinished
        A limit or a callback has ended the run before the first job did.
    JournalError
        The journal cannot be used, is in use (JournalLocked), is damaged (JournalCorrupt), or holds another run.
    BaseException
        SystemExit and the like, raised by `train` in a thread of this process, end the run and come out of it.

    Examples
    --------
    >>> import ash
    >>> def train(params, epochs, state):
    ...     epochs += state or 0
    ...     return -((params["x"] - 0.3) ** 2) - 1 / epochs, epochs
    >>> result = ash.tune_function(train, {"x": ash.uniform(0, 1)}, candidates=16, costs=lambda params, epochs: epochs)
    >>> result.schedule
    'reproducible'
    """
    given = dict(locals())
    _check_train(train)
    _check_executor(executor)
    kept = read_journal(journal)
    if seed is None:
        given["seed"] = seed_of(kept)
    options = read_function_options({**given, "threads": None} if _is_foreign(executor) else given)
    if _is_foreign(executor):
        options = replace(options, threads=workers_of(executor, threads))
    cost = read_costs(costs)
    domains, sampler = read_space(space, FunctionSpace), read_sampler(sampler)
    known, told = read_first(first, domains, options.candidates), read_callbacks(callbacks)
    identity = None if kept is None else identity_of(train, domains, options, costs, sampler, known)
    with _opened(kept) as recorder:
        if identity is not None:
            recorder.agree(identity, options, {"by": "ash.tune_function"}, code_of(train, costs))
        source = source_of(known, domains, options, sampler, recorder.params)
        with _places(train, options, executor) as places, Reporter(told) as reporter:
            run = FunctionRun(places, source, domains, options, cost, recorder)
            reporter.start(_description(options, domains, run, len(recorder.restored)), recorder.restored)
            result = run.run(reporter)
            reporter.end(result, None)
    return result


def _opened(journal: Journal | None) -> NullJournal:
    """Return what records the run, which is nothing without a journal."""
    if journal is None:
        return NullJournal()
    from ash.function.function_journal import FunctionJournal  # with sqlite3

    return FunctionJournal(journal)


def _description(options: FunctionOptions, space: FunctionSpace, run: FunctionRun, resumed: int) -> Run:
    """Return what callbacks are told in the beginning."""
    endless = options.candidates is None
    return Run(
        options=options,
        space=space,
        candidates=None if endless else run.count,
        rungs=rung_plans(run.rungs, endless),
        feature_names=None,
        classes=None,
        training_rows=0,
        validation_rows=0,
        folds=1,
        resumed=resumed,
    )


def _check_train(train: Any) -> None:
    """Raise SettingError unless it can be called as it will be, as far as it says how it can."""
    words = f"train={train!r} is not allowed; give a function of parameters, epochs and state"
    if not callable(train):
        raise SettingError(words)
    try:
        signature = inspect.signature(train)
    except ValueError:  # one in C that does not say
        return
    try:
        signature.bind({}, 1, None)
    except TypeError as error:
        raise SettingError(f"{words}: it takes {signature}, {error}") from None


def _check_executor(executor: Any) -> None:
    if isinstance(executor, str) and executor != PROCESSES:
        raise SettingError(f"executor={executor!r} is not allowed; give {PROCESSES!r}, an object with submit, or None")
    if _is_foreign(executor):
        check_submit(executor)


def _is_foreign(executor: Any) -> bool:
    return executor is not None and not isinstance(executor, str)


def _places(train: Train, options: FunctionOptions, executor: Any) -> JobRunners:
    limit, count = options.job_limit, options.threads
    if _is_foreign(executor):
        return Submitted(train, count, limit, executor)
    if executor == PROCESSES:
        from ash.function.processes import Processes

        return Processes(train, count, limit)
    return CallingThread(train) if count == 1 and limit is None else RunnerThreads(train, count, limit)
