"""What counts as an integer and as a number where a user passes one: NumPy's too, booleans not."""

import math
from numbers import Integral, Real
from typing import Any, TypeGuard

from ash.errors import SettingError


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether the value is an integer of Python or NumPy, and no bool."""
    return not isinstance(value, bool) and isinstance(value, Integral)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether the value is a finite real number of Python or NumPy, and no bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def check_seed(seed: Any) -> int:
    """Return the seed as an int, or raise SettingError unless it is an integer of at least 0."""
    if not is_integer(seed) or seed < 0:
        raise SettingError(f"seed={seed!r} is not allowed: give an integer of at least 0.")
    return int(seed)
