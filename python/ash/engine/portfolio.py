"""Reads the portfolio: configurations that were good on other tables, and that the adaptive sampler draws early.

portfolio.json lists the configurations by task and number of training rows. A configuration without `model` is a
network, and gets the values of RECIPE. Hyperparameters that a configuration does not name have the space's defaults.
"""

import json
import math
from functools import cache
from importlib.resources import files
from typing import Any

from ash.space.hyperparameters import Params

RECIPE: Params = {"optimizer": "adamw", "parametrization": "ntk", "input_scaling": True, "parametric_activation": True}
"""The values with which all networks of the portfolio were trained. In the default space they are constants."""


def portfolio(task: str, rows: int) -> tuple[Params, ...]:
    """Return the configurations for a task and a number of training rows, in the order in which to try them."""
    fitting = (part for part in _parts() if part["task"] == task and rows < (part["rows below"] or math.inf))
    return tuple(map(_full, next(fitting, {"candidates": []})["candidates"]))


@cache
def _parts() -> list[dict[str, Any]]:
    return list(json.loads(files("ash.engine").joinpath("portfolio.json").read_text("utf-8")))


def _full(params: Params) -> Params:
    own = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    return own if "model" in own else RECIPE | own
