"""Contains `ash.tune_function`, which tunes any training function by asynchronous successive halving."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

from ash._utils.aliases import Facts
from ash._utils.arguments import explained
from ash._utils.checks import whole
from ash._utils.display import counted
from ash._utils.threads import ContextsOfProcess
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Callback, Run, rung_plans
from ash.callbacks.dispatch import Reporter, read_callbacks
from ash.engine.repeat import check_same, earlier_of, plan_of, record_of, repeat_of
from ash.errors import SettingError
from ash.executors.executor_argument import check_submit, pool_of, workers_of
from ash.function.answers import Tunable
from ash.function.clock import read_costs, rungs_below
from ash.function.forms import WholeTrainer, read_train
from ash.function.job_runners import CallingThread, JobRunners, RunnerThreads, Submitted
from ash.function.objective import TRIAL, is_whole
from ash.function.run import FunctionRun, Planned
from ash.function.sources import source_of
from ash.journal.first import read_first
from ash.journal.identity import NoIdentity, code_of, facts_of_function, identity_of, seed_of
from ash.journal.journal import Journal, NullFunctionJournal, read_journal
from ash.options import (
    ADAPTIVE,
    CONFIG_FIELDS,
    LARGEST,
    MOST_WORKERS,
    RANDOM,
    FunctionOptions,
    FunctionPlan,
    SearchConfig,
    decided_workers,
    read_function_options,
    read_sampler,
)
from ash.result import FunctionResult, interruption
from ash.run_record import TUNE_FUNCTION, RunRecord, warn_of_difference
from ash.sampling import count_of
from ash.space.domains import integers
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params
from ash.space.space import read_space

PROCESSES = "processes"
STEPS = ("max_epochs", "min_epochs", "max_rungs", "eta", "promotion")
"""Options for ladders with several rungs; they have no effect if `train` trains each candidate once."""


@explained(CONFIG_FIELDS)
def tune_function(
    train: Any,
    space: Any = None,
    *,
    candidates: int | None = 128,
    time_limit: float | None = None,
    direction: str = "maximize",
    max_epochs: int | None = None,
    costs: Any = None,
    sampler: Any = None,
    first: Any = None,
    n_jobs: int | None = None,
    random_state: Any = 0,
    verbose: int = 1,
    callbacks: Callback | Sequence[Callback] | None = None,
    journal: str | PathLike[str] | Journal | None = None,
    executor: Any = None,
    error: str = "record",
    record: RunRecord | None = None,
    config: SearchConfig | None = None,
) -> FunctionResult:
    """Find the hyperparameters with which a training function scores best; return them and the trained state.

    Parameters
    ----------
    train : callable
        The training function, in one of the forms below. `params` is a dict of hyperparameters. An epoch is any unit of
        training (a round, a tree, a pass).

        - A function, ``train(params) -> score``, which trains a model completely. Each candidate is trained once, so
          the ladder has one rung of one epoch. The function may also return (score, state).
        - A function, ``train(params, epochs, state) -> (score, state)``, which trains for `epochs` more epochs. `state`
          is the state returned by the previous call for this candidate. It is None in the first call, and always None
          with ``training="restart"``. A function without a state may return only the score.
        - A generator function, ``train(params)``, which yields a score, or (score, state), after each epoch. It is
          paused between jobs. If jobs run in another process, each job restarts the generator and advances it to the
          epoch that it had reached.
        - A function, ``train(params, report)``, which calls ``report(score)`` after each epoch and waits there between
          jobs. ``report`` also takes ``state=`` and ``metrics=``. Once the candidate will not be trained further,
          ``report`` raises `Retired` if it got a state. Else it returns False, and raises `Retired` in the next call.
          This form suits the training loops of libraries that have callbacks.
        - A class: ``train(params)`` creates an object with the methods ``fit_more(epochs)`` and ``score()``. The object
          is the state.
        - An Optuna objective, wrapped by `ash.from_optuna`.

        Within a job `current_job` tells which candidate is being trained, and has a directory for checkpoints.

        A score is a number, or an `Outcome`, which adds further metrics. It is an error if the first job returns
        anything else.
    space : FunctionSpace or dict
        Domains of the hyperparameters by name: `ash.choice`, `ash.integers`, `ash.uniform`, `ash.loguniform`, a list of
        values, a single value, an Optuna distribution, or a frozen scipy.stats distribution. Leave it out with
        `ash.from_optuna`.
    candidates : int or None
        How many candidates to try, at most the size of the space. None means no limit, and requires `time_limit`, or
        `max_total_epochs`, `stop_score` or `patience` in the config.
    time_limit : float, optional
        Seconds after which no further job is started. The run does not wait for jobs that are still running in other
        threads. With ``n_jobs=1`` a job in the calling thread is finished first.
    direction : {"maximize", "minimize"}
        Whether higher or lower scores are better. With "minimize" all scores in the result and in callbacks are
        negated, so that higher is better. `FunctionResult.best_value` and `stop_score` are not negated; they have the
        sign of the values that `train` returns.
    max_epochs : int, optional
        The maximum number of epochs of a candidate, summed over its jobs. The rungs are planned from the top: the
        highest rung ends at ``max_epochs``, the next lower rung at ``max_epochs // eta``, and so on. There are as many
        rungs as the candidates can fill. By default the ladder starts with `min_epochs`, and rung ``k`` trains
        ``min_epochs * eta**k`` more epochs. Required for an Optuna objective that reports.
    costs : callable or FunctionResult, optional
        How long a job takes on the virtual clock, in any unit: a function ``costs(params, epochs) -> float`` with
        positive values, or an earlier result, whose seconds per epoch are used. By default it is the job's number of
        epochs. Costs need not be exact. They keep 16 and more threads busy if an epoch takes some candidates five
        times as long as others; the outcome depends on costs, but not on the number of threads.
    sampler : {"adaptive", "random", "sobol"} or Optuna sampler, optional
        How candidates are proposed.

        - "adaptive", the default, draws the default configuration first, and then at random without repetition. Once
          eight candidates have a score, two of three draws are near a good candidate.
        - "random" draws at random only. It is the default for the algorithms "sh" and "random".
        - "sobol" proposes points that fill the space evenly.
        - An Optuna sampler such as ``optuna.samplers.TPESampler(seed=0)`` is asked for one candidate at a time. It is
          told the rank of each candidate instead of the score. Candidates rank by the highest rung in which they have
          a score, then by that score. A repeated proposal is not run again. After 20 repetitions in a row a candidate
          is drawn at random. The run works on a copy of the sampler.

        "adaptive" and Optuna samplers learn from scores. In a greedy run on several threads, their candidates depend
        on which job ends first. Optuna objectives allow only "adaptive" and "random".
    first : sequence of dict, result, path, Journal or Optuna study, optional
        Configurations to try before all others. A dict that does not fit the space is an error. An earlier result,
        journal or study contributes its ten best configurations. In these, missing names get their defaults, with a
        warning. Configurations that do not fit the space are left out, also with a warning. With `ash.from_optuna` a
        dict may omit names; their values are drawn.
    n_jobs : int or None
        The number of jobs that run at a time, as for `ash.tune`. With an executor object, None and -1 mean its number
        of workers (with Dask, the number of all their threads). With ``n_jobs=1``, no executor and no `job_limit`,
        functions and classes run in the calling thread.
    random_state, verbose, callbacks
        As for `ash.tune`.
    journal : path or Journal, optional
        A file to which each result is written within 50 ms. The same call resumes the run after any interruption. A
        call with more candidates or a larger limit extends the run. States of earlier calls are not loaded. So if a
        resumed run promotes a candidate of an earlier call, it first trains the candidate again through its lower
        rungs, unless `train` keeps checkpoints instead of returning states (`current_job`). A space that contains the
        earlier one is accepted: recorded candidates are kept, and new ones come from the larger space. Any other space,
        another seed and another function name are refused. If the function's source code has changed, there is a
        warning; a changed Optuna objective is refused.
    executor : None, "processes", or an object with `submit`
        Where jobs run. None means threads of this process. "processes" means child processes, which can be killed;
        `train` and states are pickled by cloudpickle. Or pass a `distributed.Client`, or an executor of
        `concurrent.futures`, loky or mpi4py; ash does not close it.
    error : {"record", "raise"}
        What happens when a job raises. With "record" its candidate is not promoted, its traceback is in `failures`, and
        the run continues; the first traceback is also shown at once. With "raise" the run ends with `JobFailedError`. A
        score that is not finite also counts as a failure.
    record : RunRecord, optional
        `FunctionResult.record` of an earlier run. The same call with this record repeats that run, without
        using a clock. The run ends after the recorded number of decisions. Jobs that exceeded `job_limit` in the
        recorded run, or whose process died, fail at once. The number of threads may differ if the scores of `train`
        depend only on its arguments.
    config : SearchConfig, optional
        All other options, for example for the ladder, the schedule and limits.

    Returns
    -------
    FunctionResult
        The result, with `best_params`, `best_score`, `best_state` and the whole history.

    Raises
    ------
    SettingError
        An argument is not allowed, and nothing has run. Or the first job returned something other than a score.
    JobFailedError
        A job failed, with ``error="raise"``.
    AllFailedError
        Every job failed; the message has a table of causes.
    NothingFinishedError
        A limit or a callback ended the run before the first job finished.
    JournalError
        The journal cannot be used or holds another run.
    BaseException
        `train` raised SystemExit or a similar exception. This and every other error that ends a run with finished jobs
        has the attribute `result`: the `FunctionResult` so far.

    Examples
    --------
    >>> import ash
    >>> def train(params, epochs, state):
    ...     epochs += state or 0
    ...     return -((params["x"] - 0.3) ** 2) - 1 / epochs, epochs
    >>> result = ash.tune_function(train, {"x": ash.uniform(0, 1)}, candidates=16)
    >>> result.schedule
    'reproducible'
    """
    kept, told = read_journal(journal), read_callbacks(callbacks)
    repeat = None if record is None else repeat_of(record)
    given: dict[str, Any] = {"candidates": candidates, "time_limit": time_limit, "direction": direction}
    given |= {"max_epochs": max_epochs, "costs": costs, "n_jobs": n_jobs, "verbose": verbose}
    given |= {"random_state": random_state}
    asked = _options({**given, "error": error, "record": record, "config": config}, kept, executor)
    train, cost = read_train(train, asked), read_costs(costs)
    trains_once = _trains_once(train, asked, max_epochs, config)
    if train.is_objective:
        domains, searched = _space_of_trials(space, sampler), None
    else:
        domains = searched = read_space(space, FunctionSpace)
    sampler, known = read_sampler(sampler, asked.algorithm), read_first(first, searched, asked.candidates)
    identity = _identity(kept is not None or record is not None, train, domains, asked, costs, sampler, known)
    with _opened(kept) as recorder:
        plan = _planned(asked, record, recorder, trains_once=trains_once)
        if identity is not None:
            identity["settings"] |= _resolved(plan, [] if searched is None else known, domains, sampler)
        facts = {**plan_of(plan), **train.plan()}
        if record is not None and identity is not None:
            recorder.before, _ = earlier_of(record)
            check_same(record, {**identity, "settings": {**identity["settings"], **facts}})
        recorder.agree(identity or {}, plan, {"by": TUNE_FUNCTION}, code_of(train, costs))
        recorded = None if identity is None else partial(record_of, {"by": train.by}, identity, facts)
        source = source_of(known, searched, plan, sampler, recorder)
        planned = Planned(train, domains, plan, cost, source, recorder, repeat, recorded)
        with ContextsOfProcess() as contexts, Reporter(told) as reporter:
            run = FunctionRun(planned, contexts.enter_context(_places(train, plan, executor)))
            reporter.start(_description(plan, domains, run), recorder)
            result = run.run(reporter)
            if result.record is not None:
                recorder.sign(result.record)
                if record is not None:
                    warn_of_difference(record, result.record)
            reporter.end(result, None)
    if record is None:
        _warn_of_end(result, journal, train, asked)
    return result


def _warn_of_end(result: FunctionResult, journal: Any, train: Tunable, options: FunctionOptions) -> None:
    """Warn if the run was interrupted, or if a training loop ended within a rung and `max_epochs` is not given."""
    if result.interrupted:
        warn_user(f"the run was {interruption(result, journal)}")
    if train.ended is not None and options.max_epochs is None:
        epochs, used = train.ended
        warn_user(
            f"train ended after {counted(epochs, 'epoch')}, and its last score was used for {used}: the ladder is "
            f"longer than the loop. If the loop always ends there, pass max_epochs={epochs}"
        )


def _identity(
    is_needed: bool, train: Tunable, space: FunctionSpace, options: FunctionOptions, *others: Any
) -> Facts | None:
    """Return the identity of a run; if it cannot be determined, raise NoIdentity if `is_needed`, else return None."""
    try:
        return identity_of(options, space, facts_of_function(train, *others))
    except NoIdentity:
        if is_needed:
            raise
        return None


def _options(given: dict[str, Any], journal: Journal | None, executor: Any) -> FunctionOptions:
    """Return the checked options; a seed of None is replaced by the seed of the record or the journal."""
    _check_executor(executor)
    if given["random_state"] is None:
        given["random_state"] = seed_of(journal) if given["record"] is None else given["record"].settings.get("seed")
    if _is_foreign(executor):
        asked = read_function_options({**given, "n_jobs": None})
        return replace(asked, threads=workers_of(executor, given["n_jobs"], asked.worker_timeout))
    asked, config = read_function_options(given), given["config"]
    if config is not None and config.worker_timeout is not None:
        raise SettingError(
            f"worker_timeout={config.worker_timeout} has no effect with executor={executor!r}; leave it out"
        )
    return asked


def _trains_once(train: Tunable, asked: FunctionOptions, max_epochs: int | None, config: SearchConfig | None) -> bool:
    """Return whether `train` trains each candidate once, so that the ladder has a single rung.

    Raises SettingError if options for several rungs are given although `train` trains each candidate once.
    """
    is_objective = train.is_objective and is_whole(asked)
    if not is_objective and not isinstance(train, WholeTrainer):
        return False
    what, instead = "train(params)", "write train(params, epochs, state) to train in steps"
    if is_objective:
        what, instead = "an objective without max_epochs", "give max_epochs, the number of reports of a full trial"
    fields = {} if config is None else config.given()
    for name in STEPS:
        value = max_epochs if name == "max_epochs" else fields.get(name)
        if value not in (None, 1):
            raise SettingError(
                f"{name}={value!r} has no effect with {what}, which trains each candidate once: leave it out, or "
                f"{instead}"
            )
    return True


def _planned(
    asked: FunctionOptions, record: RunRecord | None, journal: NullFunctionJournal, *, trains_once: bool
) -> FunctionPlan:
    """Return what is decided from the options: the number of virtual workers, and whether there is one rung.

    A repeated run has no time limits and no patience, since the record determines where it ends.
    """
    workers = asked.virtual_workers or _workers(record) or journal.virtual_workers()
    decided: dict[str, Any] = {"virtual_workers": decided_workers(replace(asked, virtual_workers=workers))}
    if workers is None and asked.schedule == "reproducible" and asked.threads > decided["virtual_workers"]:
        warn_user(
            f"at most {decided['virtual_workers']} of {asked.threads} threads will run jobs: pass config="
            f"ash.SearchConfig(virtual_workers={asked.threads}). The outcome depends on virtual_workers, not on the "
            "number of threads"
        )
    if trains_once:
        decided["max_rungs"] = 1
    if record is not None:
        decided |= dict.fromkeys(("time_limit", "job_limit", "patience"))
    return FunctionPlan(**{**vars(asked), **decided})


def _resolved(plan: FunctionPlan, first: Sequence[Params], space: FunctionSpace, sampler: Any) -> Facts:
    """Return derived settings that identify a run: the number of workers and, with `max_epochs`, the rungs' epochs.

    A ladder that is planned from `max_epochs` depends on the number of candidates.
    """
    if plan.max_epochs is None:
        return {"virtual_workers": plan.virtual_workers}
    count = count_of(first, space, plan.candidates, sampler)
    rungs = [epochs for _, epochs in rungs_below(plan, count)]
    return {"virtual_workers": plan.virtual_workers, "epochs of the rungs": rungs}


def _workers(record: RunRecord | None) -> int | None:
    """Return the number of virtual workers in a record, or None if `record` is None."""
    given = None if record is None else record.settings.get("virtual_workers")
    return None if record is None else whole("virtual_workers of the record", given, 1, MOST_WORKERS)


def _opened(journal: Journal | None) -> NullFunctionJournal:
    """Return the open journal of the run, or a NullFunctionJournal if `journal` is None."""
    if journal is None:
        return NullFunctionJournal()
    from ash.function.journal import FunctionJournal  # imported late, since it imports sqlite3

    return FunctionJournal(journal)


def _description(plan: FunctionPlan, space: FunctionSpace, run: FunctionRun) -> Run:
    """Return the description of the run that callbacks receive at the start."""
    endless = plan.candidates is None
    return Run(
        options=plan,
        space=space,
        candidates=None if endless else run.count,
        rungs=rung_plans(run.rungs, endless),
        feature_names=None,
        classes=None,
        training_rows=0,
        validation_rows=0,
        folds=1,
    )


def _space_of_trials(space: Any, sampler: Any) -> FunctionSpace:
    """Return the space for an Optuna objective: the number of the trial is the only hyperparameter.

    Raises SettingError if `space` is given, or a `sampler` that an objective does not allow.
    """
    if space is not None:
        raise SettingError("space must be left out with ash.from_optuna, whose objective suggests the values")
    if sampler is not None and not (isinstance(sampler, str) and sampler in (ADAPTIVE, RANDOM)):
        raise SettingError(
            f"sampler must be {ADAPTIVE!r} or {RANDOM!r} with ash.from_optuna, whose objective suggests the values, "
            f"got {sampler!r}"
        )
    return FunctionSpace(**{TRIAL: integers(0, LARGEST)})


def _check_executor(executor: Any) -> None:
    if isinstance(executor, str) and executor != PROCESSES:
        raise SettingError(f"executor must be {PROCESSES!r}, an object with submit, or None, got {executor!r}")
    if _is_foreign(executor):
        check_submit(executor)


def _is_foreign(executor: Any) -> bool:
    return executor is not None and not isinstance(executor, str)


def _places(train: Tunable, plan: FunctionPlan, executor: Any) -> JobRunners:
    limit, count = plan.job_limit, plan.threads
    if _is_foreign(executor):
        return Submitted(train, pool_of(executor, count, plan.worker_timeout), limit)
    if executor == PROCESSES:
        from ash.function.processes import Processes

        return Processes(train, count, limit)
    return CallingThread(train) if count == 1 and limit is None else RunnerThreads(train, count, limit)
