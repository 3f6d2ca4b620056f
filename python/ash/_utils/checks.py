"""Checks single arguments. NumPy's numbers are accepted like Python's, but booleans are not accepted as numbers."""

import inspect
import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard, TypeVar

from ash.errors import SettingError

Word = TypeVar("Word", bound=str)


def is_integer(value: Any) -> TypeGuard[int]:
    """Return whether the value is a Python or NumPy integer and not a bool."""
    return not isinstance(value, bool) and isinstance(value, Integral)


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether the value is a finite real Python or NumPy number and not a bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # raised for an integer that is too large for a float
        return False


def takes(function: Callable[..., Any], *arguments: Any) -> bool:
    """Return whether a function can be called with these arguments, judging by its signature."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # raised for a C function without a signature
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def near_names(name: str, names: Iterable[str], most: int = 3, likeness: float = 0.7) -> list[str]:
    """Return the names that are spelled most like `name`, the closest first.

    Case and the order of words separated by "_" are ignored, and words may be missing at the end. With a lower
    `likeness`, short names that merely share letters would match, such as "age" and "target".
    """
    import difflib  # imported late, since only errors need it

    name, by_lower = name.lower(), {one.lower(): one for one in reversed(list(names))}
    reordered = [one for one in by_lower if sorted(one.split("_")) == sorted(name.split("_"))]
    alike = difflib.get_close_matches(name, list(by_lower), most, likeness)
    longer = [one for one in by_lower if f"{one}_".startswith(f"{name}_") or name.startswith(f"{one}_")]
    return [by_lower[one] for one in dict.fromkeys([*reordered, *alike, *sorted(longer)])][:most]


def is_list_of(values: Any, kind: type) -> bool:
    """Return whether the value is a list whose items all have exactly this type (a bool is not an int)."""
    return isinstance(values, list) and all(type(value) is kind for value in values)


def check_seed(name: str, seed: Any) -> int:
    """Return the seed as an int, or raise SettingError unless it is an integer of at least 0."""
    if not is_integer(seed) or seed < 0:
        raise SettingError(f"{name} must be an integer of at least 0, got {seed!r}")
    return int(seed)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return `value` as an int, or raise SettingError unless it is an integer in low..high and not a bool."""
    if not is_integer(value) or not low <= value <= high:
        raise SettingError(f"{name} must be an integer from {low} to {high}, got {value!r}")
    return int(value)


def one_of(name: str, value: Any, allowed: tuple[Word, ...]) -> Word:
    """Return `value`, or raise SettingError unless it is one of `allowed`."""
    found = next((word for word in allowed if isinstance(value, str) and word == value), None)
    if found is None:
        raise SettingError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return found


def yes_or_no(name: str, value: Any) -> bool:
    """Return `value`, or raise SettingError unless it is a bool."""
    if not isinstance(value, bool):
        raise SettingError(f"{name} must be True or False, got {value!r}")
    return value


def read_seconds(name: str, value: Any) -> float | None:
    """Return a limit in seconds, or None for no limit (None or infinity)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except (OverflowError, TypeError, ValueError):
        seconds = math.nan
    if isinstance(value, bool | str) or not seconds >= 0:
        raise SettingError(f"{name} must be a number of seconds, 0 or more, or None for no limit, got {value!r}")
    return None if math.isinf(seconds) else seconds


def read_score(name: str, value: Any) -> float | None:
    """Return a finite score as a float, or None if the value is None."""
    if value is None:
        return None
    if not is_number(value):
        raise SettingError(f"{name} must be a finite score, or None, got {value!r}")
    return float(value)
