"""Defines the options of all entry points in one table, and checks them before a run starts.

An option is a field of `Options` or `FunctionOptions`. The field is annotated with an `Option`, which holds the default
of the option, its check, the entry points that take it, and whether it affects the results, the order of the jobs or
the end of a run. Entry points take a few common options as arguments, and the others as fields of a `SearchConfig`. A
test compares signatures, docstrings and the command line with the table (tests/engine/test_options.py). Data,
callbacks, journals and executors are not options, as they have no plain value.

    arguments, config -> read_options, read_function_options -> Options, FunctionOptions
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from inspect import signature
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias, get_origin, get_type_hints

import numpy as np

from ash._utils.arguments import explained
from ash._utils.checks import is_integer, is_number, one_of, read_score, read_seconds, whole, yes_or_no
from ash._utils.machine import default_limit, threads_of
from ash.errors import SettingError
from ash.ladder import ALGORITHMS, PROMOTIONS
from ash.metrics import TASKS
from ash.run_record import FUNCTION
from ash.space.boosters import BOOSTERS, LIGHTGBM, MODELS, NETWORK, require_booster
from ash.space.hyperparameters import OF_THE_RUN

Missing: TypeAlias = Literal["indicator", "error"]
Unknown: TypeAlias = Literal["bucket", "error"]
Infinite: TypeAlias = Literal["error", "missing"]

MISSING: tuple[Missing, ...] = ("indicator", "error")
UNKNOWN: tuple[Unknown, ...] = ("bucket", "error")
INFINITE: tuple[Infinite, ...] = ("error", "missing")
TRAININGS = ("resume", "restart")
SCHEDULES = ("reproducible", "greedy")
MAXIMIZE, MINIMIZE = "maximize", "minimize"
NEGATED = "neg_value"
"""The metric of a function whose values are minimized."""

WORKERS, WORKERS_A_THREAD = 32, 4
"""The default number of virtual workers, and their number per thread in a run that is planned for a time limit. With
more workers, candidates reach high rungs later. With fewer workers, threads are idle, or their results have to wait for
a decision."""
FEW_WORKERS = 8
"""The default number of virtual workers, for any number of threads, of a run that is planned for a `work_limit`, and of
a function without `time_limit`. With 32, samplers of small runs learn nothing (docs/guide/functions.md)."""

RANDOM, ADAPTIVE, SOBOL = "random", "adaptive", "sobol"
SAMPLERS = (ADAPTIVE, RANDOM, SOBOL)
"""How candidates are drawn: guided by the results, or, regardless of the results, at random or at even points."""

FROM_DTYPE = "from_dtype"
"""The value of `categorical_features` that, like None, names no columns to be treated as categories."""

BALANCED = "balanced"
"""The value of `class_weight` that gives all classes the same total weight."""

QUANTILE = "quantile"
LOSS_NAMES = ("squared_error", "absolute_error", QUANTILE, "poisson")
"""The losses of a regression, named as in HistGradientBoostingRegressor."""

AUTO = "auto"
CANDIDATES = 128
"""The number of candidates for candidates="auto" if no limit sets the size of the search."""

LARGEST = 2**31 - 1
"""The largest value of candidates, eta and epochs, so that the epochs of the last rung fit into 64 bits."""

MOST_WORKERS = 2**16
"""The maximum number of virtual workers. No machine has as many threads, and more workers would only delay promotions
and enlarge the virtual clock."""
WORKER_TIMEOUT = 60.0
"""The default of `worker_timeout`, in seconds."""

MOST_KEPT = 1024
"""The maximum number of networks that a run keeps; a decision moves at most this many entries of the list of kept
networks."""

LARGEST_COUNT = 2**63 - 1
"""The largest number of bytes or of summed epochs, since the core counts in 64 bits."""

LARGEST_SEED = 2**64 - 1

Caller: TypeAlias = Literal["tune", "estimators", "tune_function", "search", "command"]
TABLES: tuple[Caller, ...] = ("tune", "estimators")
FUNCTIONS: tuple[Caller, ...] = ("tune_function", "search")
ANY: tuple[Caller, ...] = TABLES + FUNCTIONS
COMMAND: tuple[Caller, ...] = ("command",)
_NAMES: dict[Caller, str] = {
    "tune": "ash.tune",
    "estimators": "ASHClassifier and ASHRegressor",
    "tune_function": "ash.tune_function",
}


@dataclass(frozen=True)
class Check:
    """The type of an argument and the function that checks its values.

    `type` is the name of the type in docstrings. ``read(name, value)`` returns the value in the form in which it is
    used, or raises SettingError if the value is not allowed.
    """

    type: str
    read: Callable[[str, Any], Any]


@dataclass(frozen=True)
class Option:
    """The properties of one option.

    Attributes
    ----------
    default : object
    check : Check
    callers : tuple of str
        The entry points that take the option as an argument (ARGUMENTS) or as a field of their `config`. The estimators
        and `ASHSearchCV` ("search") have some different defaults.
    decides : "results", "order", "end" or None
        The part of a run that depends on the option. "results": the result of each job. "order": only which jobs are
        run, and when. "end": how far the run goes. None: only time and memory. Runs that share a journal agree in all
        options that decide "results" or "order". `ash.resume` repeats all options whose `decides` is not None.
    planned : bool
        Whether a plan for a `time_limit` or `work_limit` may set the option; the journal keeps the planned value.
    """

    default: Any
    check: Check
    callers: tuple[Caller, ...]
    decides: Literal["results", "order", "end"] | None = None
    planned: bool = False


def _whole(low: int, high: int) -> Check:
    return Check("int", lambda name, value: whole(name, value, low, high))


def _word(*allowed: str) -> Check:
    return Check(f"{{{', '.join(map(json.dumps, allowed))}}}", lambda name, value: one_of(name, value, allowed))


def read_sampler(value: Any, algorithm: str = "random") -> Any:
    """Return a sampler: a name or an Optuna sampler, or for None the algorithm's default; else raise SettingError."""
    if value is None:
        return ADAPTIVE if algorithm == "ash" else RANDOM
    bases = {f"{each.__module__.partition('.')[0]}.{each.__name__}" for each in type(value).__mro__}
    if (isinstance(value, str) and value in SAMPLERS) or "optuna.BaseSampler" in bases:
        return value
    raise SettingError(
        f"sampler must be {', '.join(map(repr, SAMPLERS))}, or an Optuna sampler such as "
        f"optuna.samplers.TPESampler(seed=0), got {value!r}"
    )


def sampler_name(sampler: Any) -> str:
    """Return the name of a sampler; for an Optuna sampler, that of its class."""
    return sampler if isinstance(sampler, str) else type(sampler).__qualname__


def optuna_sampler_of(config: "SearchConfig | None") -> Any:
    """Return the Optuna sampler of a config, or None if it has none."""
    return None if config is None or isinstance(config.sampler, str) else config.sampler


def _optional(check: Check) -> Check:
    return Check(f"{check.type} or None", lambda name, value: None if value is None else check.read(name, value))


def _candidates(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if value == AUTO:
            return value
        raise SettingError(f"{name} must be an integer, {AUTO!r}, or None for a stream, got {value!r}")
    return None if value is None else whole(name, value, 1, LARGEST)


def read_seed(name: str, value: Any) -> int:
    """Return the seed for a `random_state`: the value itself if it is an integer, otherwise a number drawn from it."""
    if is_integer(value):
        return whole(name, value, 0, LARGEST_SEED)
    from sklearn.utils import check_random_state  # slow to import

    try:
        return int(check_random_state(value).randint(2**31 - 1))
    except ValueError as error:
        raise SettingError(f"{name}={value!r} cannot be used: {error}") from None


def _verbose(name: str, value: Any) -> int:
    if not isinstance(value, bool) and not is_integer(value):
        raise SettingError(f"{name} must be an integer, got {value!r}")
    return int(value)


def _columns(name: str, value: Any) -> tuple[str | int | bool, ...] | None:
    """Return the columns as a tuple of values of one type; None if `value` names no columns or is "from_dtype"."""
    if value is None or (isinstance(value, str) and value == FROM_DTYPE):
        return None
    is_list = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    cells: list[Any] = [None]
    if is_list:
        cells = [cell.item() if isinstance(cell, np.generic) else cell for cell in value]
    kinds = set(map(type, cells))
    if len(kinds) > 1 or not kinds <= {str, int, bool}:
        allowed = f"a list of names, of places from 0 on or of one bool per column, or {FROM_DTYPE!r}"
        raise SettingError(f"{name} must be {allowed}, got {value!r}")
    return tuple(cells) or None


def _class_weight(name: str, value: Any) -> str | tuple[tuple[Any, float], ...] | None:
    """Return "balanced" and None unchanged, and a dict of weights as (class, weight) pairs, which JSON can hold."""
    if value is None or (isinstance(value, str) and value == BALANCED):
        return value
    pairs = list(value.items()) if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else None
    if pairs is None or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise SettingError(f"{name} must be {BALANCED!r} or a dict of a weight for each label, got {value!r}")
    for label, weight in pairs:
        if not is_number(weight) or not 0 < weight < math.inf:
            raise SettingError(f"{name} must hold weights above 0, got {weight!r} for {label!r}")
    return tuple((label.item() if isinstance(label, np.generic) else label, float(weight)) for label, weight in pairs)


def _label(name: str, value: Any) -> Any:
    """Return a label as a plain Python value, which JSON can hold."""
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is not None and not isinstance(plain, str | bool | int | float):
        raise SettingError(f"{name} must be a label of y (text, a number or a boolean), got {value!r}")
    return plain


def _bytes(name: str, value: Any) -> int | None:
    return default_limit() if value is None else whole(name, value, 1, LARGEST_COUNT)


def _job_limit(name: str, value: Any) -> float | None:
    limit = read_seconds(name, value)
    if limit == 0:
        raise SettingError(f"{name} must be more than 0 seconds, got {value!r}")
    return limit


def _work(name: str, value: Any) -> float | None:
    if value is not None and not (is_number(value) and 0 < value < math.inf):
        raise SettingError(f"{name} must be a number of multiply-adds above 0, got {value!r}")
    return None if value is None else float(value)


def _share(name: str, value: Any) -> float | None:
    if value is not None and not (is_number(value) and 1e-6 <= value <= 1 - 1e-6):
        raise SettingError(f"{name} must be a number from 0.000001 to 0.999999, got {value!r}")
    return None if value is None else float(value)


def _models(name: str, value: Any) -> tuple[str, ...]:
    """Return the given kinds of models in the order of MODELS, without duplicates."""
    given = (value,) if isinstance(value, str) else value
    is_list = isinstance(given, list | tuple) and len(given) > 0
    if not is_list or not all(isinstance(each, str) and each in MODELS for each in given):
        raise SettingError(f"{name} must be {' or '.join(map(repr, MODELS))}, or a list of them, got {value!r}")
    for model in given:
        require_booster(f"{name}={value!r}", model)
    return tuple(model for model in MODELS if model in given)


def _threads_of_functions(name: str, value: Any) -> int:
    """Return the number of threads. For too many, the warning suggests an executor for jobs that mostly wait."""
    advice = f". Jobs that wait, for a server or a GPU, can run on executor=ThreadPoolExecutor({value})"
    return threads_of(name, value, advice)


_SWITCH = Check("bool", yes_or_no)
_SECONDS = Check("float or None", read_seconds)
_THREADS = Check("int or None", threads_of)
_THREADS_OF_FUNCTIONS = Check("int or None", _threads_of_functions)
_MEMORY = Check("int or None", _bytes)
_CATEGORICAL = Check('list of str, int or bool, "from_dtype" or None', _columns)
_CLASS_WEIGHT = Check('"balanced", dict or None', _class_weight)
_SAMPLER = Check(f"{_word(*SAMPLERS).type} or Optuna sampler", lambda name, value: sampler_name(read_sampler(value)))
_MODELS = Check(f"list of {_word(*MODELS).type}", _models)
_LABEL = Check("str, int, float, bool or None", _label)


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchConfig:
    """The options of a search that are rarely changed, passed as `config=`.

    A field that is None has the default given below. Fields are checked when the object is created. Passing a field to
    an entry point that does not use it is an error.

    Parameters
    ----------
    models : MODELS, optional
        The kinds of model in the default space: networks, and boosted trees of
        BOOSTERS.
        Default: networks and LightGBM if a `time_limit` sets the size of the search, or if neither a limit nor a number
        of candidates is given. The default is only networks if the number of candidates is given, if there is a
        `work_limit`, or if the table is sparse or has several targets. No effect if `space` is given, because its
        hyperparameter `model` sets the kind. Tables only.
    sampler : {"adaptive", "random", "sobol"} or Optuna sampler, optional
        How candidates are drawn. Default: "adaptive" if the search is planned (for a `time_limit`, a `work_limit` or
        the default work), else "random". "random" draws from the space regardless of the results, and "sobol" proposes
        points that fill the space evenly. "adaptive" starts
        with the default configuration and a few configurations that were good on other tables, if the space has them.
        Then every second candidate is drawn near a good candidate, and the better of networks and trees gets more
        candidates. "adaptive" needs ``candidates=None`` or a planned search. An Optuna sampler such as
        ``optuna.samplers.TPESampler(seed=0)`` is asked for one candidate at a time, and told the ranks of earlier ones.
        Each run works on a copy of it. Tables only: functions and searches over estimators have an argument `sampler`.
    eta : int, optional
        The reduction factor: the best 1/eta of each rung are promoted and trained eta times as long. Default 2.
    min_epochs : int, optional
        Epochs of a job in the lowest rung. Default 1; if the ladder is planned, the planned value (see `ash.plan`). In
        `ASHSearchCV` the default follows from `max_epochs`, so that the last rung ends at `max_epochs`.
    max_rungs : int, optional
        The maximum number of rungs. Default: as many as the candidates can fill; if the ladder is planned, the planned
        number (see `ash.plan`).
    algorithm : {"ash", "sh", "random"}, optional
        "ash", the default: asynchronous halving. "sh": halving with a barrier between rungs. "random": no halving,
        every candidate is trained up to the last rung.
    promotion : {"capped", "paper", "improving"}, optional
        The promotion rule of "ash". "capped" never promotes more than ``floor(finished / eta)`` candidates of a rung.
        "paper" is Algorithm 2 of Li et al. (MLSys 2020). "improving" is "paper", but only for candidates that did
        better than in the rung below. Default "capped"; "paper" for an endless stream; "improving" if the ladder is
        planned.
    training : {"resume", "restart"}, optional
        Whether a promoted candidate is trained further from its state ("resume", the default) or from scratch.
    schedule : {"reproducible", "greedy"}, optional
        "reproducible": decisions are made on a virtual clock, so the same data, arguments and seed give the same
        outcome bit for bit on any number of threads; see `Result.digest`. "greedy": decisions are made as jobs end, so
        two runs on several threads may differ. Default "reproducible".
    virtual_workers : int, optional
        The number of jobs that run at the same virtual time in the reproducible schedule, 1 to 65536. It affects the
        outcome, unlike the number of threads. If there are more threads than workers, the excess threads can only join
        running jobs, in teams. Default 32. If the ladder is planned: four per thread for a `time_limit`, 8 for a
        `work_limit` or the default work. Functions: 8, or four per thread for a `time_limit`; threads beyond the
        workers are idle.
    teams : bool, optional
        Whether threads without a job join running jobs, which never changes the outcome of a reproducible run. Default
        True. Tables only.
    epoch_rows : int, optional
        The maximum number of rows of an epoch. A pass over a larger table is cut into equal epochs, except for
        ``batch_size="full"``. Default: all training rows if there are at most 100,000, otherwise about 65,536; fewer if
        the ladder is planned and a longer epoch would take too much time (see `ash.plan`). Tables only.
    max_total_epochs : int, optional
        The maximum number of epochs of all jobs together. The first job that would exceed this limit ends the run.
    work_limit : float, optional
        The number of multiply-adds of all jobs together after which no job starts. This limit means the same amount of
        work on every machine. The ladder is planned for it, as for a `time_limit`. `Result.work` is the work that a run
        took. Tables only.
    stop_score : float, optional
        The score that ends the run once a candidate reaches it. Metrics that are errors are negated: -0.1 for a log
        loss of 0.1. With ``direction="minimize"`` it is a value as the function returns it: 0.1 ends the run at 0.1 or
        less.
    patience : int, optional
        End the run after this many jobs in a row without a new best score. Jobs are counted in order of decision, so a
        reproducible schedule ends at the same job on any number of threads.
    memory_limit : int, optional
        Bytes for the states of candidates: weights and moments. Beyond this limit, the states of the least promising
        waiting networks are dropped, and these networks are trained again if they are promoted after all. States of
        functions are written to files instead. Neither dropping nor writing states changes the outcome of a
        reproducible run. States of running and kept networks count, but are never dropped. The table, the scratch
        memory of the threads and the predictions of kept networks do not count. Default: half of the available memory
        of the machine or cgroup; for networks at most the memory that the rest of the run leaves free.
    keep : int, optional
        The number of best candidates whose networks `ash.tune` keeps for `Result.ensemble`, 1 to 1024. Default 32;
        fewer if predictions for the validation rows would take more than 256 MiB, or more than a 25th of the planned
        time or work. With folds at most 12 candidates are kept, since each has a network per fold.
    missing : {"indicator", "error"}, optional
        What to do with missing cells (None, NaN, null): impute the median and flag them by an indicator feature (the
        default), or raise an error. Tables only.
    unknown : {"bucket", "error"}, optional
        What to do with levels of a category that were not seen in training: treat all of them as one level (the
        default), or raise an error. Tables only.
    infinite : {"error", "missing"}, optional
        What to do with infinite numbers: raise an error (the default), or treat them as missing cells. Tables only.
    worker_timeout : float, optional
        Seconds without any worker in the Dask cluster after which the run ends. Default 60; with `math.inf` the run
        waits forever.
    job_limit : float, optional
        Seconds that a job of a function may take. A longer job counts as failed. If it runs in a process, the process
        is killed. Otherwise its thread, or the worker of the executor, is occupied until the job ends. Default: no
        limit. Functions and `ASHSearchCV` only.
    max_failures : int, optional
        The number of failures in a row, in order of decision, that ends the run. Default 100, but 10 before the first
        score. Functions and `ASHSearchCV` only.

    Raises
    ------
    SettingError
        A value is not allowed.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> config = ash.SearchConfig(eta=3, max_rungs=2)
    >>> model = ash.ASHClassifier(candidates=9, config=config, random_state=0).fit(*load_wine(return_X_y=True))
    >>> model.set_params(config__eta=2).config
    SearchConfig(eta=2, max_rungs=2)
    """

    models: Any = None
    sampler: Any = None
    eta: int | None = None
    min_epochs: int | None = None
    max_rungs: int | None = None
    algorithm: str | None = None
    promotion: str | None = None
    training: str | None = None
    schedule: str | None = None
    virtual_workers: int | None = None
    teams: bool | None = None
    epoch_rows: int | None = None
    max_total_epochs: int | None = None
    work_limit: float | None = None
    stop_score: float | None = None
    patience: int | None = None
    memory_limit: int | None = None
    keep: int | None = None
    missing: str | None = None
    unknown: str | None = None
    infinite: str | None = None
    worker_timeout: float | None = None
    job_limit: float | None = None
    max_failures: int | None = None

    def __post_init__(self) -> None:
        table = {**option_table(FunctionOptions), **option_table()}
        for name, value in self.given().items():
            table[name].check.read(name, value)

    def given(self) -> dict[str, Any]:
        """Return the fields that are not None, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def __repr__(self) -> str:
        """Return the constructor call, without the fields that are None."""
        return f"SearchConfig({', '.join(f'{name}={value!r}' for name, value in self.given().items())})"


if SearchConfig.__doc__:  # it is None if Python runs with -OO
    _titles = [each.title + (f" (extra `{each.extra}`)" if each.extra else "") for each in BOOSTERS.values()]
    SearchConfig.__doc__ = SearchConfig.__doc__.replace(" MODELS,", f" {_MODELS.type},").replace(
        "BOOSTERS", f"{', '.join(_titles[:-1])} and {_titles[-1]}"
    )
CONFIG_FIELDS = tuple(field.name for field in fields(SearchConfig))
SearchConfig.__init__ = explained()(SearchConfig.__init__)  # type: ignore[method-assign]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Checked options that runs on tables and runs of functions share.

    Defaults of `threads`, `promotion` and `schedule` are filled in, and `seed` is drawn if it was None, so that equal
    options describe the same run. `candidates` is None for an endless stream, and `workers` is None until the number of
    threads is known. If `worker_timeout` is None, the run waits forever.
    """

    candidates: Annotated[int | None, Option(AUTO, Check('int, "auto" or None', _candidates), TABLES + COMMAND, "end")]
    eta: Annotated[int, Option(2, _whole(2, LARGEST), ANY, "results")]
    min_epochs: Annotated[int, Option(None, _optional(_whole(1, LARGEST)), TABLES, "results", planned=True)]
    max_rungs: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST)), ANY, "end", planned=True)]
    algorithm: Annotated[str, Option("ash", _word(*ALGORITHMS), ANY + COMMAND, "order")]
    promotion: Annotated[str, Option(None, _optional(_word(*PROMOTIONS)), ANY, "order")]
    training: Annotated[str, Option("resume", _word(*TRAININGS), ANY, "results")]
    schedule: Annotated[str, Option(None, _optional(_word(*SCHEDULES)), ANY + COMMAND, "order")]
    virtual_workers: Annotated[int | None, Option(None, _optional(_whole(1, MOST_WORKERS)), ANY + COMMAND, "order")]
    teams: Annotated[bool, Option(True, _SWITCH, TABLES + COMMAND)]
    threads: Annotated[int, Option(None, _THREADS, ANY + COMMAND)]
    metric: Annotated[
        str | None, Option(None, Check("str, callable or None", lambda name, value: value), TABLES, "results")
    ]
    task: Annotated[str | None, Option(None, _optional(_word(*TASKS)), ("tune", "command"), "results")]
    time_limit: Annotated[float | None, Option(None, _SECONDS, ANY + COMMAND, "end")]
    max_total_epochs: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST_COUNT)), ANY + COMMAND, "end")]
    stop_score: Annotated[float | None, Option(None, Check("float or None", read_score), ANY + COMMAND, "end")]
    patience: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST_COUNT)), ANY + COMMAND, "end")]
    seed: Annotated[int, Option(0, Check("int, RandomState or None", read_seed), ANY + COMMAND, "results")]
    verbose: Annotated[int, Option(1, Check("int", _verbose), ANY)]
    worker_timeout: Annotated[float | None, Option(WORKER_TIMEOUT, _SECONDS, ANY + COMMAND)]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; options that an earlier version did not have get their defaults."""
        vars(self).update({name: option.default for name, option in option_table(type(self)).items()} | state)

    @property
    def least_score(self) -> float | None:
        """Return the score that ends the run, with the sign of scores in results: higher is better."""
        return self.stop_score


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Checked options of one run of `ash.tune`, as the user asked for them; `RunPlan` has what was decided.

    The default of `memory_limit` is filled in; it is None only if the system does not report its memory. `keep`,
    `epoch_rows` and `folds`, the number of folds, are None if they follow from the data. `planned` says whether the
    ladder will be planned from the time or work limit.
    """

    planned: bool
    models: Annotated[tuple[str, ...], Option((NETWORK,), _MODELS, TABLES, "results")]
    sampler: Annotated[str, Option(RANDOM, _SAMPLER, TABLES + COMMAND, "results")]
    epoch_rows: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST)), TABLES, "results", planned=True)]
    work_limit: Annotated[float | None, Option(None, Check("float or None", _work), TABLES + COMMAND, "end")]
    memory_limit: Annotated[int | None, Option(None, _MEMORY, ANY + COMMAND)]
    keep: Annotated[int | None, Option(None, _optional(_whole(1, MOST_KEPT)), ("tune",), planned=True)]
    folds: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST)), (), planned=True)]
    categorical_features: Annotated[
        tuple[str | int | bool, ...] | None, Option(None, _CATEGORICAL, TABLES + COMMAND, "results")
    ]
    class_weight: Annotated[Any, Option(None, _CLASS_WEIGHT, ("estimators",), "results")]
    pos_label: Annotated[Any, Option(None, _LABEL, ("tune", "estimators", "command"), "results")]
    loss: Annotated[str, Option(LOSS_NAMES[0], _word(*LOSS_NAMES), ("estimators",), "results")]
    quantile: Annotated[float | None, Option(None, Check("float or None", _share), ("estimators",), "results")]
    missing: Annotated[Missing, Option("indicator", _word(*MISSING), TABLES, "results")]
    unknown: Annotated[Unknown, Option("bucket", _word(*UNKNOWN), TABLES, "results")]
    infinite: Annotated[Infinite, Option("error", _word(*INFINITE), TABLES, "results")]


@dataclass(frozen=True, kw_only=True)
class RunPlan(Options):
    """What was decided for a run on a table: its `Options`, with a value wherever the user left the choice to ash.

    `keep` is None if it follows from the data, `max_rungs` if the ladder is as long as the candidates fill it, and
    `epoch_rows` if an epoch has all rows. If a plan has room for one rung only, `fuller` times as much time or work has
    room for two.
    """

    virtual_workers: int
    metric: str
    task: str
    folds: int
    fuller: float | None = None


@dataclass(frozen=True, kw_only=True)
class FunctionOptions(RunOptions):
    """Checked options of one run of `ash.tune_function`, as the user asked for them.

    `job_limit` is in seconds. `memory_limit` is in bytes, and None if the system does not report its memory.
    """

    candidates: Annotated[int | None, Option(128, _optional(_whole(1, LARGEST)), FUNCTIONS, "end")]
    min_epochs: Annotated[int, Option(1, _whole(1, LARGEST), FUNCTIONS, "results")]
    teams: Annotated[bool, Option(False, _SWITCH, ())]
    threads: Annotated[int, Option(None, _THREADS_OF_FUNCTIONS, FUNCTIONS)]
    metric: Annotated[str, Option("score", _word("score"), ())]
    task: Annotated[str, Option(FUNCTION, _word(FUNCTION), (), "results")]
    job_limit: Annotated[float | None, Option(None, Check("float or None", _job_limit), FUNCTIONS)]
    max_failures: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST)), FUNCTIONS)]
    error: Annotated[str, Option("record", _word("record", "raise"), ("tune_function",))]
    direction: Annotated[str, Option(MAXIMIZE, _word(MAXIMIZE, MINIMIZE), ("tune_function",), "results")]
    max_epochs: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST)), FUNCTIONS, "results")]
    memory_limit: Annotated[int | None, Option(None, _MEMORY, ANY)]

    @property
    def least_score(self) -> float | None:
        """Return the score that ends the run: `stop_score`, negated if values are minimized."""
        score = self.stop_score
        return -score if score is not None and self.direction == MINIMIZE else score


@dataclass(frozen=True, kw_only=True)
class FunctionPlan(FunctionOptions):
    """What was decided for a run of a function: its `FunctionOptions`, with the number of virtual workers."""

    virtual_workers: int


ARGUMENTS = {"metric": "scoring", "seed": "random_state", "threads": "n_jobs"}
"""The arguments from which some options are determined; all other options have the names of their arguments."""
_FILLED = ("min_epochs", "promotion", "schedule", "seed")
"""Options that may be None in a call, but have a value in a run and in its record."""
NEEDED = {"promotion": ("algorithm", "ash"), "virtual_workers": ("schedule", "reproducible")}
"""For each option that has an effect only if another option has a certain value: this other option and this value."""


def _options_of(kind: type[RunOptions]) -> Mapping[str, Option]:
    hints = get_type_hints(kind, include_extras=True)
    table = {name: hint.__metadata__[0] for name, hint in hints.items() if get_origin(hint) is Annotated}
    return MappingProxyType(table)


_TABLES: dict[type[RunOptions], Mapping[str, Option]] = {kind: _options_of(kind) for kind in (Options, FunctionOptions)}
OF_THE_RUN.update(_TABLES[Options])


def option_table(kind: type[RunOptions] = Options) -> Mapping[str, Option]:
    """Return the options by name, for a run on a table or for a run of a function."""
    return _TABLES[Options if issubclass(kind, Options) else FunctionOptions]


def option_names(kind: type[RunOptions] = Options, *, decides: str = "", caller: str = "") -> tuple[str, ...]:
    """Return the names of the options that `caller` accepts and that have this `decides`; "" stands for any."""
    return tuple(
        name
        for name, option in option_table(kind).items()
        if (not decides or option.decides == decides) and (not caller or caller in option.callers)
    )


def is_needed(name: str, options: RunOptions) -> bool:
    """Return whether an option has an effect, given the other options."""
    other, value = NEEDED.get(name, (None, None))
    return other is None or getattr(options, other) == value


def decided_workers(options: RunOptions) -> int:
    """Return the number of virtual workers of a run."""
    if options.virtual_workers is not None:
        return options.virtual_workers
    if options.schedule == "greedy" or (isinstance(options, Options) and not options.planned):
        return WORKERS
    if options.time_limit is None or (isinstance(options, Options) and options.work_limit is not None):
        return FEW_WORKERS
    return min(WORKERS_A_THREAD * options.threads, MOST_WORKERS)


def core_loss(options: Options) -> tuple[str, float]:
    """Return the core's name for the loss and its quantile level; absolute_error is the pinball loss at level 0.5."""
    level = 0.5 if options.quantile is None else options.quantile
    return {"absolute_error": "pinball", QUANTILE: "pinball"}.get(options.loss, options.loss), level


def read_config(caller: Caller, config: Any, search: type | None = None) -> SearchConfig:
    """Return the argument `config` of an entry point, or raise SettingError if the entry point cannot use it.

    `search` is the class of a search over estimators.
    """
    if config is None:
        return SearchConfig()
    if not isinstance(config, SearchConfig):
        raise SettingError(f"config must be an ash.SearchConfig(...), or None, got {config!r}")
    used = option_names(Options if caller in TABLES else FunctionOptions, caller=caller)
    called, arguments = (search.__name__, signature(search).parameters) if search else (_NAMES[caller], {"sampler"})
    for name, value in config.given().items():
        if name not in used:
            is_argument = name == "sampler" and name in arguments
            way = f"pass sampler= to {called}, not in the config" if is_argument else "leave it out"
            raise SettingError(f"config has {name}={value!r}, which has no effect in {called}: {way}")
    return config


def read_options(caller: Caller, given: Mapping[str, Any]) -> Options:
    """Return the checked options of `ash.tune` or of an estimator.

    Parameters
    ----------
    caller : str
        The entry point.
    given : dict
        The arguments of the entry point by name. Only options, `config`, `executor`, `validation` and `cv` are read.

    Raises
    ------
    SettingError
        An argument is not allowed, or two arguments contradict each other.
    """
    config = read_config(caller, given["config"])
    _check_together(config, given)
    checked = _checked(Options, {**given, **config.given(), **_threads_beside(given["executor"])})
    planned = False
    if checked["candidates"] == AUTO:
        # Without a limit, a run fills an amount of work that depends only on the table (planning.py).
        limits = [name for name in ("time_limit", "work_limit", "max_total_epochs") if checked[name] is not None]
        fills = limits != ["max_total_epochs"] and checked["algorithm"] == "ash"
        planned = fills and checked["min_epochs"] is None and checked["max_rungs"] is None
        checked["candidates"] = None if planned else CANDIDATES
    checked["min_epochs"] = checked["min_epochs"] or 1
    checked["promotion"] = checked["promotion"] or ("improving" if planned else _promotion(checked["candidates"]))
    checked["schedule"] = checked["schedule"] or "reproducible"
    if config.models is None and planned and checked["work_limit"] is None:
        checked["models"] = NETWORK, LIGHTGBM
    if config.sampler is None and planned:
        checked["sampler"] = ADAPTIVE
    options = Options(**checked, planned=planned)
    if options.sampler == ADAPTIVE and options.candidates is not None:
        raise SettingError(
            f"sampler='adaptive' needs an endless stream, but candidates={options.candidates}: pass candidates=None "
            "with a limit, or leave sampler out"
        )
    _check_needed(config, options)
    check_budget(options)
    return options


def recorded_options(caller: Caller, facts: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """Return the options of a repeated run, from its record's `facts` and, where these say nothing, from `given`.

    Raises
    ------
    SettingError
        A fact is missing or not allowed, the config has a field that the record determines, or it lacks the Optuna
        sampler of the recorded run.
    """
    config, table = read_config(caller, given["config"]), option_table()
    held = [name for name in config.given() if table[name].decides is not None or table[name].planned]
    if (name := facts.get("sampler", RANDOM)) not in SAMPLERS:
        sampler = optuna_sampler_of(config)
        if sampler is None or sampler_name(sampler) != name:
            raise SettingError(
                f"config.sampler={config.sampler!r}: pass the {name} of the run in the config. A record lacks it"
            )
        held.remove("sampler")
        facts = {**facts, "sampler": sampler}
    if held:
        raise SettingError(f"config has {', '.join(held)}, which cannot be given with record=: leave it out")
    known = {name: facts[name] for name in table.keys() & facts.keys()}
    given = {**given, **config.given(), **{ARGUMENTS.get(name, name): value for name, value in known.items()}}
    given |= _threads_beside(given["executor"])
    if lacking := [name for name in _FILLED if known.get(name) is None]:
        raise SettingError(f"record is damaged: it must hold {', '.join(lacking)}; pass an intact one")
    return Options(**_checked(Options, given), planned=False)


def read_function_options(given: Mapping[str, Any]) -> FunctionOptions:
    """Return the checked options of `ash.tune_function` from its arguments by name, including `costs`."""
    config = read_config("tune_function", given["config"])
    checked = _checked(FunctionOptions, {**given, **config.given()})
    checked["promotion"] = checked["promotion"] or _promotion(checked["candidates"])
    checked["schedule"] = checked["schedule"] or "reproducible"
    if checked["schedule"] == "greedy" and given["costs"] is not None:
        raise SettingError(
            "costs= has no effect with schedule='greedy', which has no virtual clock; leave one of them out"
        )
    if checked["max_epochs"] is not None and checked["max_epochs"] < checked["min_epochs"]:
        raise SettingError(
            f"max_epochs={checked['max_epochs']} is below min_epochs={checked['min_epochs']}, the epochs of the first "
            "rung: raise max_epochs, or lower min_epochs in the config"
        )
    if checked["direction"] == MINIMIZE:
        checked["metric"] = NEGATED
    options = FunctionOptions(**checked)
    _check_needed(config, options)
    if given["record"] is None:  # otherwise the record determines where the run ends
        check_budget(options)
    return options


def check_budget(options: RunOptions) -> None:
    """Raise SettingError if the limits of a run allow no job, or if the run would never end."""
    if options.max_total_epochs is not None and options.max_total_epochs < options.min_epochs:
        raise SettingError(
            f"max_total_epochs={options.max_total_epochs} allows no job: raise it to "
            f"min_epochs={options.min_epochs} or more"
        )
    if options.candidates is not None or (isinstance(options, Options) and options.planned):
        return
    limits = ("time_limit", "max_total_epochs", "work_limit", "stop_score", "patience")
    if all(getattr(options, name, None) is None for name in limits):
        work = "work_limit, " if hasattr(options, "work_limit") else ""
        given = f"time_limit, or max_total_epochs, {work}stop_score or patience in the config"
        raise SettingError(f"candidates=None never ends by itself: give {given}")
    if options.algorithm == "sh":
        raise SettingError("algorithm='sh' waits for whole rungs: give a number of candidates, not candidates=None")
    if options.algorithm == "random" and options.max_rungs is None and getattr(options, "max_epochs", None) is None:
        raise SettingError(
            "algorithm='random' with candidates=None needs max_rungs: an endless ladder has no last rung"
        )


def _check_together(config: SearchConfig, given: Mapping[str, Any]) -> None:
    """Raise SettingError if an argument or a field of the config has no effect because of another argument."""
    alone, folds = given["executor"] is None, given["cv"] is not None
    loss, quantile = given.get("loss", LOSS_NAMES[0]), given.get("quantile")
    if (loss == QUANTILE) != (quantile is not None):
        todo = (
            "pass quantile=, a number between 0 and 1" if quantile is None else "set loss='quantile' or drop quantile="
        )
        raise SettingError(f"loss={loss!r} and quantile={quantile!r} do not fit together: {todo}")
    if folds and given["validation"] is not None:
        raise SettingError("validation= and cv= are given; cv takes the place of validation, so leave one of them out")
    if alone and config.worker_timeout is not None:
        raise SettingError(f"worker_timeout={config.worker_timeout} has no effect without executor=; leave it out")
    if not alone and config.teams:
        raise SettingError("teams=True has no effect with executor=, whose workers share no memory; leave it out")


def _check_needed(config: SearchConfig, options: RunOptions) -> None:
    """Raise SettingError if a field of the config has no effect because of another option."""
    for name, (other, value) in NEEDED.items():
        given = getattr(config, name)
        if given is not None and not is_needed(name, options):
            actual = getattr(options, other)
            raise SettingError(
                f"{name}={given!r} has no effect with {other}={actual!r}; leave it out, or set {other}={value!r}"
            )


def _threads_beside(executor: Any) -> dict[str, None]:
    """Return the argument `n_jobs` of the calling process; with an executor, the user's `n_jobs` counts its jobs."""
    return {} if executor is None else {"n_jobs": None}


def _checked(kind: type[RunOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked value of each option: the given value, or the default."""
    checked = {}
    for name, option in option_table(kind).items():
        argument = ARGUMENTS.get(name, name)
        checked[name] = option.check.read(argument, given.get(argument, option.default))
    return checked


def _promotion(candidates: int | None) -> str:
    return "paper" if candidates is None else "capped"
