"""The options of a run: the one table of them, and their checks before anything runs.

An option is a field of `Options` or `FunctionOptions`, annotated with an `Option`: its default, its check, the entry
points that take it, and what it decides. Whatever else needs a list of options calls `option_names`. A test compares
signatures, docstrings and the command line with the table (tests/engine/test_options.py). Data, callbacks, journals and
executors have no plain value, so they are no options.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_origin, get_type_hints

from ash._utils.checks import one_of, read_seconds, read_target, whole, yes_or_no
from ash._utils.machine import default_limit, resolve_threads
from ash.errors import SettingError
from ash.ladder import ALGORITHMS, PROMOTIONS
from ash.metrics import TASKS, check_metric

Missing: TypeAlias = Literal["indicator", "error"]
Unknown: TypeAlias = Literal["bucket", "error"]

MISSING: tuple[Missing, ...] = ("indicator", "error")
UNKNOWN: tuple[Unknown, ...] = ("bucket", "error")
TRAININGS = ("resume", "restart")
SCHEDULES = ("reproducible", "greedy")

FUNCTION = "function"
"""What `task` says of a function of the user's."""

AUTO = "auto"
CANDIDATES = 128
"""How many "auto" is, where there is no time to fill."""

LARGEST = 2**31 - 1
"""Of candidates, eta and epochs: with it, the epochs of the last rung fit into 64 bits."""

MOST_WORKERS = 2**16
"""More than any machine has threads; more would only make promotions later and the clock larger."""

MOST_KEPT = 1024
"""Networks that a run keeps: a decision moves so many entries at most."""

LARGEST_COUNT = 2**63 - 1
"""Of bytes, and of epochs added up: what the core counts in."""

LARGEST_SEED = 2**64 - 1

Caller: TypeAlias = Literal["tune", "estimators", "tune_function", "search", "command"]
TABLES: tuple[Caller, ...] = ("tune", "estimators")
FUNCTIONS: tuple[Caller, ...] = ("tune_function", "search")
ANY: tuple[Caller, ...] = TABLES + FUNCTIONS
COMMAND: tuple[Caller, ...] = ("command",)


@dataclass(frozen=True)
class Check:
    """What values an argument may have: `type` in the words of docstrings, and ``read(name, value)``.

    `read` returns the value as it is used, or raises SettingError.
    """

    type: str
    read: Callable[[str, Any], Any]


@dataclass(frozen=True)
class Option:
    """What is known of one option.

    Attributes
    ----------
    default : object
    check : Check
    callers : tuple of str
        The entry points that take it under this name. The estimators take some others by scikit-learn's names (n_jobs,
        random_state, verbose, scoring), and `ASHSearchCV`, "search", has some other defaults.
    decides : "results", "order", "end" or None
        What depends on it: each result; only which jobs there are, and when; how far the run goes; or nothing but time
        and memory. Runs of one journal agree in the first two; `ash.resume` repeats all but the last.
    planned : bool
        Whether a plan for `time_limit` may fix it; the journal keeps what was planned.
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


def _optional(check: Check) -> Check:
    return Check(f"{check.type} or None", lambda name, value: None if value is None else check.read(name, value))


def _candidates(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if value == AUTO:
            return value
        raise SettingError(f"{name}={value!r} is not allowed; give a number, {AUTO!r}, or None for a stream")
    return None if value is None else whole(name, value, 1, LARGEST)


def _metric(name: str, value: Any) -> Any:
    check_metric(value)
    return value


def _seed(name: str, value: Any) -> int:
    return secrets.randbits(32) if value is None else whole(name, value, 0, LARGEST_SEED)


def _progress(name: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise SettingError(f"{name}={value!r} is not allowed; it must be True, False or None")
    return value


def _bytes(name: str, value: Any) -> int | None:
    return default_limit() if value is None else whole(name, value, 1, LARGEST_COUNT)


def _job_limit(name: str, value: Any) -> float | None:
    limit = read_seconds(name, value)
    if limit == 0:
        raise SettingError(f"{name}={value!r} is not allowed; give more than 0 seconds, or None for no limit")
    return limit


_SWITCH = Check("bool", yes_or_no)
_SECONDS = Check("float or None", read_seconds)
_THREADS = Check("int or None", lambda name, value: resolve_threads(value))
_MEMORY = Check("int or None", _bytes)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Checked options of one run, of whatever is trained.

    `threads` and `promotion` are resolved and `seed` is drawn, so equal options ask for the same run. `candidates` is
    None for an endless stream.
    """

    candidates: Annotated[int | None, Option(AUTO, Check('int, "auto" or None', _candidates), TABLES + COMMAND, "end")]
    eta: Annotated[int, Option(2, _whole(2, LARGEST), ANY, "results")]
    min_epochs: Annotated[int, Option(None, _optional(_whole(1, LARGEST)), TABLES, "results", planned=True)]
    max_rungs: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST)), ANY, "end", planned=True)]
    algorithm: Annotated[str, Option("ash", _word(*ALGORITHMS), ANY + COMMAND, "order")]
    promotion: Annotated[str, Option(None, _optional(_word(*PROMOTIONS)), ANY, "order")]
    training: Annotated[str, Option("resume", _word(*TRAININGS), ANY, "results")]
    schedule: Annotated[str, Option("reproducible", _word(*SCHEDULES), TABLES + COMMAND, "order")]
    workers: Annotated[int, Option(32, _whole(1, MOST_WORKERS), ANY + COMMAND, "order")]
    teams: Annotated[bool, Option(True, _SWITCH, ("tune",))]
    threads: Annotated[int, Option(None, _THREADS, ("tune", "tune_function", "command"))]
    metric: Annotated[str | None, Option(None, Check("str or None", _metric), ("tune",), "results")]
    task: Annotated[str | None, Option(None, _optional(_word(*TASKS)), ("tune", "command"), "results")]
    time_limit: Annotated[float | None, Option(None, _SECONDS, ANY, "end")]
    epoch_limit: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST_COUNT)), ANY, "end")]
    target: Annotated[float | None, Option(None, Check("float or None", read_target), ANY, "end")]
    seed: Annotated[int, Option(0, Check("int or None", _seed), ("tune", "tune_function", "command"), "results")]
    progress: Annotated[bool | None, Option(None, Check("bool or None", _progress), ("tune", "tune_function"))]


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Checked options of one run of `ash.tune`.

    `memory_limit` is resolved, and None where the system does not say what there is; `keep` is None where it follows
    from the data. `planned`: the ladder is to follow from `time_limit`. `epoch_rows` is None for epochs of all rows,
    and until the data are known.
    """

    planned: bool
    epoch_rows: Annotated[int | None, Option(None, _optional(_whole(1, LARGEST)), TABLES, "results", planned=True)]
    memory_limit: Annotated[int | None, Option(None, _MEMORY, ANY + COMMAND)]
    keep: Annotated[int | None, Option(None, _optional(_whole(1, MOST_KEPT)), ("tune",), planned=True)]
    missing: Annotated[Missing, Option("indicator", _word(*MISSING), TABLES, "results")]
    unknown: Annotated[Unknown, Option("bucket", _word(*UNKNOWN), TABLES, "results")]


@dataclass(frozen=True, kw_only=True)
class FunctionOptions(RunOptions):
    """Checked options of one run of `ash.tune_function`.

    `job_limit`: seconds; `most_failures` in a row, None for any number; `memory_limit`: bytes, None where the system
    does not say what there is.
    """

    candidates: Annotated[int | None, Option(128, _optional(_whole(1, LARGEST)), FUNCTIONS, "end")]
    min_epochs: Annotated[int, Option(1, _whole(1, LARGEST), FUNCTIONS, "results")]
    schedule: Annotated[str, Option(None, _optional(_word(*SCHEDULES)), FUNCTIONS, "order")]
    metric: Annotated[str, Option("score", _word("score"), ())]
    task: Annotated[str, Option(FUNCTION, _word(FUNCTION), (), "results")]
    job_limit: Annotated[float | None, Option(None, Check("float or None", _job_limit), FUNCTIONS)]
    most_failures: Annotated[int | None, Option(100, _optional(_whole(1, LARGEST)), FUNCTIONS)]
    memory_limit: Annotated[int | None, Option(None, _MEMORY, ANY)]


def option_table(kind: type[RunOptions] = Options) -> dict[str, Option]:
    """Return the options of a run of a table, or of a function, by name."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if get_origin(hint) is Annotated}


def option_names(kind: type[RunOptions] = Options, *, decides: str = "", caller: str = "") -> tuple[str, ...]:
    """Return the names of the options that decide on something, or that an entry point takes."""
    return tuple(
        name
        for name, option in option_table(kind).items()
        if (not decides or option.decides == decides) and (not caller or caller in option.callers)
    )


def read_options(given: Mapping[str, Any]) -> Options:
    """Return the checked options of `ash.tune`, of its arguments by name; others in `given` are left alone.

    Raises
    ------
    SettingError
        Naming the argument, its value and what is allowed.
    """
    checked = _checked(Options, given)
    planned = False
    if checked["candidates"] == AUTO:
        fills = checked["time_limit"] is not None and checked["algorithm"] == "ash"
        planned = fills and checked["min_epochs"] is None and checked["max_rungs"] is None
        checked["candidates"] = None if planned else CANDIDATES
    checked["min_epochs"] = checked["min_epochs"] or 1
    checked["promotion"] = checked["promotion"] or ("improving" if planned else _promotion(checked["candidates"]))
    options = Options(**checked, planned=planned)
    check_budget(options)
    return options


def read_function_options(given: Mapping[str, Any]) -> FunctionOptions:
    """Return the checked options of `ash.tune_function`, of its arguments by name, `costs` too; as `read_options`."""
    checked = _checked(FunctionOptions, {**given, "teams": False, "metric": "score", "task": FUNCTION})
    checked["promotion"] = checked["promotion"] or _promotion(checked["candidates"])
    if checked["schedule"] is None:
        checked["schedule"] = "greedy" if given["costs"] is None else "reproducible"
    elif checked["schedule"] == "reproducible" and given["costs"] is None:
        raise SettingError(
            "schedule='reproducible' needs costs=, how long a job lasts on the virtual clock: a function of parameters "
            "and epochs, or an earlier result"
        )
    options = FunctionOptions(**checked)
    check_budget(options)
    return options


def check_budget(options: RunOptions) -> None:
    """Refuse a run that could not begin, and one that could not end."""
    if options.epoch_limit is not None and options.epoch_limit < options.min_epochs:
        raise SettingError(
            f"epoch_limit={options.epoch_limit} is not allowed; it must be at least min_epochs={options.min_epochs}, "
            "the epochs of the first job"
        )
    if options.candidates is not None:
        return
    if options.time_limit is None and options.epoch_limit is None and options.target is None:
        raise SettingError("candidates=None needs time_limit, epoch_limit or target: an endless stream must be stopped")
    if options.algorithm == "sh":
        raise SettingError("algorithm='sh' waits for whole rungs; it needs a number of candidates, not candidates=None")
    if options.algorithm == "random" and options.max_rungs is None:
        raise SettingError(
            "algorithm='random' with candidates=None needs max_rungs: an endless ladder has no last rung"
        )


def _checked(kind: type[RunOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: option.check.read(name, given[name]) for name, option in option_table(kind).items()}


def _promotion(candidates: int | None) -> str:
    return "paper" if candidates is None else "capped"
