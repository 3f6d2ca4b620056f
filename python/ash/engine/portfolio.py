"""The portfolio: configurations that were good on other tables, which a stream of candidates begins with.

portfolio.json lists them by task and number of training rows. A hyperparameter that is not named has the default of the
space; a configuration without `model` is a network.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from ash.space.hyperparameters import Params


def portfolio(task: str, rows: int) -> tuple[Params, ...]:
    """Return the configurations for a task and a number of training rows, the first to try first."""
    found = [
        part["candidates"] for part in _parts() if part["task"] == task and rows < (part["rows below"] or rows + 1)
    ]
    return tuple({name: _plain(value) for name, value in params.items()} for params in found[0]) if found else ()


@cache
def _parts() -> list[dict[str, Any]]:
    text = files("ash.engine").joinpath("portfolio.json").read_text("utf-8")
    parts: list[dict[str, Any]] = json.loads(text)
    return parts


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
