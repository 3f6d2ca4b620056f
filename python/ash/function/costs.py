"""How long a job of a function lasts on the virtual clock: what the user says, or what an earlier run has taken."""

import json
from collections.abc import Callable
from typing import Any

from ash._utils.checks import is_number
from ash.errors import SettingError
from ash.result import FunctionResult
from ash.space.hyperparameters import Params

Cost = Callable[[Params, int], float]
"""Of parameters and epochs."""


def read_costs(costs: Any) -> Cost | None:
    """Return the argument `costs` of `ash.tune_function` as a function that gives positive numbers, or None.

    Raises
    ------
    SettingError
        It is neither a function nor a result; or, when the function is called, what it gives is no positive number.
    """
    if costs is None:
        return None
    if isinstance(costs, FunctionResult):
        return _recorded(costs)
    if not callable(costs):
        raise SettingError(
            f"costs={costs!r} is not allowed; give a function of parameters and epochs, or the result of an earlier run"
        )

    def cost(params: Params, epochs: int) -> float:
        value = costs(params, epochs)
        if not is_number(value) or not value > 0:
            raise SettingError(f"costs gave {value!r} for {params} and {epochs} epochs; a positive number is needed")
        return float(value)

    return cost


def _recorded(result: FunctionResult) -> Cost:
    """Return the mean seconds of an epoch with the same parameters, or of all where there was nobody like that."""
    seconds: dict[str, float] = {}
    epochs: dict[str, int] = {}
    for job in result.jobs:
        key = _key(result.params[job.candidate])
        seconds[key] = seconds.get(key, 0.0) + job.end - job.start
        epochs[key] = epochs.get(key, 0) + job.epochs
    usual = max(sum(seconds.values()) / sum(epochs.values()), 1e-9)
    rates = {key: max(seconds[key] / epochs[key], 1e-9) for key in seconds}
    return lambda params, count: count * rates.get(_key(params), usual)


def _key(params: Params) -> str:
    return json.dumps(params, sort_keys=True)
