"""The arguments of `ash.tune` and `ash.tune_function` that do not depend on the data, checked before anything runs."""

import secrets
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ash._utils.checks import is_number, one_of, optional_whole, read_seconds, whole, yes_or_no
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


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Checked arguments of one run, of whatever is trained.

    `threads` and `promotion` are resolved and `seed` is drawn, so equal options ask for the same run. `candidates` is
    None for an endless stream.
    """

    candidates: int | None
    eta: int
    min_epochs: int
    max_rungs: int | None
    algorithm: str
    promotion: str
    training: str
    schedule: str
    workers: int
    teams: bool
    threads: int
    metric: str | None
    task: str | None
    time_limit: float | None
    epoch_limit: int | None
    target: float | None
    seed: int
    progress: bool | None


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Checked arguments of one run of `ash.tune`.

    `memory_limit` is resolved, and None where the system does not say what there is, `keep` where it follows from the
    data. `planned`: the ladder is to follow from `time_limit`. `epoch_rows` is None for epochs of all rows, and until
    the data are known.
    """

    planned: bool
    epoch_rows: int | None
    memory_limit: int | None
    keep: int | None
    missing: Missing
    unknown: Unknown


def read_options(**given: Any) -> Options:
    """Return checked options.

    Parameters
    ----------
    **given
        The keyword arguments of `ash.tune` that are fields of `Options`, as the user gave them.

    Raises
    ------
    SettingError
        Naming the argument, its value and what is allowed.
    """
    check_metric(given["metric"])
    candidates, planned = _candidates(given, read_seconds("time_limit", given["time_limit"]))
    memory_limit = optional_whole("memory_limit", given["memory_limit"], LARGEST_COUNT)
    options = Options(
        **read_common(given, candidates, planned=planned),
        planned=planned,
        epoch_rows=optional_whole("epoch_rows", given["epoch_rows"], LARGEST),
        teams=yes_or_no("teams", given["teams"]),
        memory_limit=default_limit() if memory_limit is None else memory_limit,
        keep=optional_whole("keep", given["keep"], MOST_KEPT),
        metric=given["metric"],
        task=None if given["task"] is None else one_of("task", given["task"], TASKS),
        missing=one_of("missing", given["missing"], MISSING),
        unknown=one_of("unknown", given["unknown"], UNKNOWN),
    )
    check_budget(options)
    return options


def read_common(given: dict[str, Any], candidates: int | None, *, planned: bool = False) -> dict[str, Any]:
    """Return the fields of `RunOptions` that are read alike whatever is trained: all but metric and task."""
    return {
        "candidates": candidates,
        "eta": whole("eta", given["eta"], 2, LARGEST),
        "min_epochs": 1 if given["min_epochs"] is None else whole("min_epochs", given["min_epochs"], 1, LARGEST),
        "max_rungs": optional_whole("max_rungs", given["max_rungs"], LARGEST),
        "algorithm": one_of("algorithm", given["algorithm"], ALGORITHMS),
        "promotion": _promotion(given["promotion"], candidates, planned),
        "training": one_of("training", given["training"], TRAININGS),
        "schedule": one_of("schedule", given["schedule"], SCHEDULES),
        "workers": whole("workers", given["workers"], 1, MOST_WORKERS),
        "threads": resolve_threads(given["threads"]),
        "time_limit": read_seconds("time_limit", given["time_limit"]),
        "epoch_limit": optional_whole("epoch_limit", given["epoch_limit"], LARGEST_COUNT),
        "target": _target(given["target"]),
        "seed": _seed(given["seed"]),
        "progress": _progress(given["progress"]),
    }


def _candidates(given: dict[str, Any], time_limit: float | None) -> tuple[int | None, bool]:
    """Return how many candidates, and whether the ladder is to be planned: for "auto" with a time to fill."""
    value = given["candidates"]
    if not isinstance(value, str) or value != AUTO:
        if isinstance(value, str):
            raise SettingError(f"candidates={value!r} is not allowed; give a number, {AUTO!r}, or None for a stream")
        return (None if value is None else whole("candidates", value, 1, LARGEST)), False
    asked = [name for name in ("min_epochs", "max_rungs") if given[name] is not None]
    if time_limit is None or asked or given["algorithm"] != "ash":
        return CANDIDATES, False
    return None, True


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


def _promotion(value: Any, candidates: int | None, planned: bool) -> str:
    if value is None:
        return "improving" if planned else "paper" if candidates is None else "capped"
    return one_of("promotion", value, PROMOTIONS)


def _target(value: Any) -> float | None:
    if value is None:
        return None
    if not is_number(value):
        raise SettingError(f"target={value!r} is not allowed; give a finite score, or None for no target")
    return float(value)


def _seed(value: Any) -> int:
    if value is None:
        return secrets.randbits(32)
    return whole("seed", value, 0, LARGEST_SEED)


def _progress(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise SettingError(f"progress={value!r} is not allowed; it must be True, False or None")
    return value


@dataclass(frozen=True, kw_only=True)
class FunctionOptions(RunOptions):
    """Checked arguments of one run.

    `job_limit`: seconds; `most_failures` in a row, None for any number; `memory_limit`: bytes, None where the system
    does not say what there is.
    """

    job_limit: float | None
    most_failures: int | None
    memory_limit: int | None


def read_function_options(**given: Any) -> FunctionOptions:
    """Return checked options.

    Parameters
    ----------
    **given
        The keyword arguments of `ash.tune_function` that are fields of `FunctionOptions`, as the user gave them, and
        `costs`.

    Raises
    ------
    SettingError
        Naming the argument, its value and what is allowed.
    """
    candidates = given["candidates"]
    if candidates is not None:
        candidates = whole("candidates", candidates, 1, LARGEST)
    most, memory = given["most_failures"], given.get("memory_limit")
    options = FunctionOptions(
        **read_common({**given, "schedule": _schedule(given["schedule"], given["costs"])}, candidates),
        teams=False,
        metric="score",
        task=FUNCTION,
        job_limit=_job_limit(given["job_limit"]),
        most_failures=None if most is None else whole("most_failures", most, 1, LARGEST),
        memory_limit=default_limit() if memory is None else whole("memory_limit", memory, 1, LARGEST_COUNT),
    )
    check_budget(options)
    return options


def _schedule(value: Any, costs: Any) -> Any:
    if value is None:
        return "greedy" if costs is None else "reproducible"
    if value == "reproducible" and costs is None:
        raise SettingError(
            "schedule='reproducible' needs costs=, how long a job lasts on the virtual clock: a function of parameters "
            "and epochs, or an earlier result"
        )
    return value


def _job_limit(value: Any) -> float | None:
    limit = read_seconds("job_limit", value)
    if limit == 0:
        raise SettingError(f"job_limit={value!r} is not allowed; give more than 0 seconds, or None for no limit")
    return limit
