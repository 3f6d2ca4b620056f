"""The features of a date in addition to its days since 1970-01-01: parts that recur every year, month, week or day.

    month          one-hot, 12 features
    weekday        one-hot, 7 features, from Monday on
    day            1 to 31
    hour           0 to 24, with a fraction
    year
    day_of_year    1 to 366

Parts are those of the column's time zone. A date column has only those parts in which its training cells differ. The
parts of a row depend only on that row.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers

MONTHS, WEEKDAYS = range(1, 13), ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_THURSDAY = 3  # the weekday of 1970-01-01


def _day_of(unit: str, days: Numbers) -> Numbers:
    """Return the number of the day in its month ("M") or year ("Y"), from 1 on."""
    dates = _dates(days)
    first = dates.astype(f"datetime64[{unit}]").astype("datetime64[D]")
    return dates.astype(np.float64) - first.astype(np.float64) + 1


def _dates(days: Numbers) -> NDArray[np.datetime64]:
    return np.floor(days).astype(np.int64).astype("datetime64[D]")


PARTS: dict[str, Callable[[Numbers], Numbers]] = {
    "month": lambda days: (_dates(days).astype("datetime64[M]").astype(np.int64) % 12).astype(np.float64),
    "weekday": lambda days: (np.floor(days) + _THURSDAY) % len(WEEKDAYS),
    "day": partial(_day_of, "M"),
    "hour": lambda days: (days - np.floor(days)) * 24,
    "year": lambda days: _dates(days).astype("datetime64[Y]").astype(np.float64) + 1970,
    "day_of_year": partial(_day_of, "Y"),
}
"""Each function takes days without NaN, and returns level numbers from 0 if the part has levels, else values."""
LEVELS: dict[str, Sequence[str]] = {"month": tuple(map(str, MONTHS)), "weekday": WEEKDAYS}
"""The levels of the one-hot parts."""


def width(part: str) -> int:
    """Return how many features a part has."""
    return len(LEVELS.get(part, "1"))


def part_names(part: str) -> list[str]:
    """Return, for each feature of a part, the suffix that the feature's name adds to the column's name."""
    return [f"{part}={level}" for level in LEVELS[part]] if part in LEVELS else [part.replace("_", " ")]


def varying_parts(days: Numbers) -> tuple[str, ...]:
    """Return the parts in which days differ, ignoring NaN."""
    known = days[~np.isnan(days)]
    return tuple(part for part, of in PARTS.items() if len(known) and np.ptp(of(known)) > 0)


def put_parts(block: Numbers, parts: Sequence[str], days: Numbers) -> None:
    """Write the features of these parts into `block`; for a missing day, one-hot features stay 0 and values are NaN."""
    known = np.flatnonzero(~np.isnan(days))
    first = 0
    for part in parts:
        values = PARTS[part](days[known])
        if part in LEVELS:
            block[known, first + values.astype(np.int64)] = 1.0
        else:
            block[:, first] = np.nan
            block[known, first] = values
        first += width(part)
