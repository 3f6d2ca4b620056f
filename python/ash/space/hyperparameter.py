"""One row of the table of hyperparameters, and the checks of values that many rows share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ash._utils.checks import is_integer, is_number


class Hyperparameter(NamedTuple):
    """The default of a hyperparameter and the values that it may have.

    ``read`` returns the value in its plain form (int, float, str or tuple), or None for a value that is not allowed.
    ``models`` are the kinds of model that have the hyperparameter.
    """

    default: Any
    allowed: str
    read: Callable[[Any], Any]
    models: tuple[str, ...] = ()


def name_of(default: str, *names: str) -> Hyperparameter:
    """Return the row of a hyperparameter that is one of these names."""
    allowed = f"one of {', '.join(names)}"
    return Hyperparameter(
        default, allowed, lambda value: str(value) if isinstance(value, str) and value in names else None
    )


def number(default: float, low: float, high: float) -> Hyperparameter:
    """Return the row of a hyperparameter that is a number between two bounds, which are allowed."""

    def read(value: Any) -> float | None:
        return float(value) if is_number(value) and low <= value <= high else None

    return Hyperparameter(default, f"a number from {low:g} to {high:g}", read)


def integer(default: int, low: int, high: int) -> Hyperparameter:
    """Return the row of a hyperparameter that is a whole number between two bounds, which are allowed."""

    def read(value: Any) -> int | None:
        return int(value) if is_integer(value) and low <= value <= high else None

    return Hyperparameter(default, f"an integer from {low} to {high:,}", read)


def switch(default: bool) -> Hyperparameter:
    """Return the row of a hyperparameter that is True or False."""
    return Hyperparameter(
        default, "True or False", lambda value: bool(value) if isinstance(value, (bool, np.bool_)) else None
    )
