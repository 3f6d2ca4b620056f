"""The arguments of `ash.tune_function`, checked once before anything runs."""

from dataclasses import dataclass
from typing import Any

from ash.errors import SettingError
from ash.memory import default_limit
from ash.options import FUNCTION, LARGEST, LARGEST_COUNT, RunOptions, check_budget, read_common, read_seconds, whole


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
