"""The arguments of `ash.tune` that do not depend on the data, checked once before anything runs."""

import math
import secrets
from dataclasses import dataclass
from typing import Any

from ash.cpus import resolve_threads
from ash.errors import SettingError
from ash.metrics import check_metric
from ash.scalars import is_integer
from ash.targets import TASKS

ALGORITHMS = ("ash", "sh", "random")
PROMOTIONS = ("capped", "paper")
TRAININGS = ("resume", "restart")

LARGEST = 2**31 - 1
"""Of candidates, eta and epochs: with it, the epochs of the last rung fit into 64 bits."""

LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True)
class Options:
    """Checked arguments of one run.

    `threads` is resolved and `seed` is drawn, so equal options ask for the same run.
    """

    candidates: int
    eta: int
    min_epochs: int
    max_rungs: int | None
    algorithm: str
    promotion: str
    training: str
    schedule: str
    threads: int
    metric: str | None
    task: str | None
    time_limit: float | None
    seed: int
    progress: bool | None


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
    return Options(
        candidates=whole("candidates", given["candidates"], 1, LARGEST),
        eta=whole("eta", given["eta"], 2, LARGEST),
        min_epochs=whole("min_epochs", given["min_epochs"], 1, LARGEST),
        max_rungs=None if given["max_rungs"] is None else whole("max_rungs", given["max_rungs"], 1, LARGEST),
        algorithm=one_of("algorithm", given["algorithm"], ALGORITHMS),
        promotion=one_of("promotion", given["promotion"], PROMOTIONS),
        training=one_of("training", given["training"], TRAININGS),
        schedule=_schedule(given["schedule"]),
        threads=resolve_threads(given["threads"]),
        metric=given["metric"],
        task=None if given["task"] is None else one_of("task", given["task"], TASKS),
        time_limit=_time_limit(given["time_limit"]),
        seed=_seed(given["seed"]),
        progress=_progress(given["progress"]),
    )


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return `value` as an int, or raise SettingError unless it is an integer in low..high (bool is none)."""
    if not is_integer(value) or not low <= value <= high:
        raise SettingError(f"{name}={value!r} is not allowed; only integers in {low}..{high} are")
    return int(value)


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return `value`, or raise SettingError unless it is one of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise SettingError(f"{name}={value!r} is not allowed; it must be one of {', '.join(map(repr, allowed))}")
    return value


def _schedule(value: Any) -> str:
    if value == "reproducible":
        raise SettingError("schedule='reproducible' comes with the next version; this one knows only 'greedy'")
    return one_of("schedule", value, ("greedy",))


def _time_limit(value: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if isinstance(value, bool | str) or not seconds >= 0:
        raise SettingError(f"time_limit={value!r} is not allowed; give seconds, zero or more, or None for no limit")
    return None if math.isinf(seconds) else seconds


def _seed(value: Any) -> int:
    if value is None:
        return secrets.randbits(32)
    return whole("seed", value, 0, LARGEST_SEED)


def _progress(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise SettingError(f"progress={value!r} is not allowed; it must be True, False or None")
    return value
