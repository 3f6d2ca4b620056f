"""Converts dates and times, or text that spells them, to days since 1970-01-01; the time of day is the fraction.

    datetime64, date objects, series of dates      ->  microseconds  ->  days_of     ->  days
    learn_dates(texts)  ->  DateSpelling           ->  number(text)              ->  days

Times with a time zone become the days of the same instant in UTC; their wall clocks are kept beside it (time_zone.py).
A date from any source is first converted to whole microseconds, which are then split into days and the time of day. So
equal dates become bit-identical numbers.
"""

import datetime
import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash.data.arrays import is_missing
from ash.data.spelling import SAMPLE, Learned, Spelling, is_number_gap
from ash.errors import DataError

DAY = 86_400_000_000
"""Microseconds per day."""
TOO_DISTANT = "dates must be within 292,000 years of 1970, got {}: make such cells missing"
"""The message about a date whose microseconds exceed 64 bits."""
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_ORDERS: tuple[Literal["ymd", "mdy", "dmy"], ...] = ("ymd", "mdy", "dmy")
_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {word: month for month, name in enumerate(_NAMES, 1) for word in (name, name[:3])} | {"sept": 9}
_YEAR, _SHORT_YEAR = r"(?P<y>\d{4})", r"(?P<y>\d{4}|\d{2})"
_MONTH, _DAY, _SEP = r"(?P<m>\d{1,2}|[A-Za-z]{3,9})", r"(?P<d>\d{1,2})", r"(?P<sep>[-/. ])"
_DATES = {
    "ymd": rf"{_YEAR}(?P<sep>[-/.])(?P<m>\d{{1,2}})(?:(?P=sep){_DAY})?",
    "mdy": rf"{_MONTH}{_SEP}{_DAY}(?:(?P=sep)|, ?){_SHORT_YEAR}",
    "dmy": rf"{_DAY}{_SEP}{_MONTH}(?P=sep){_SHORT_YEAR}",
}
_TIME = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?(?: ?(?P<half>[AaPp][Mm]))?"
_ZONE = r"(?: ?(?P<zone>Z|UTC|[-+](?:0\d|1[0-4])(?::?[0-5]\d)?))?"
_FIRST_YEAR, _LAST_YEAR = 1800, 2199
"""The first and the last year allowed in a date without a day; text such as "2345-01" is more likely a part number."""
_CENTURY = 69  # two-digit years from 69 on are in the 1900s, smaller ones in the 2000s, as in POSIX


@dataclass(frozen=True)
class DateSpelling(Spelling):
    """How the text of a column spells dates.

    Attributes
    ----------
    order : "ymd", "mdy" or "dmy"
        The order of year, month and day. "ymd" is ISO 8601; slashes or points may replace its hyphens, and the day may
        be left out.
    """

    order: Literal["ymd", "mdy", "dmy"]
    kind: ClassVar[Literal["number", "date"]] = "date"

    def number(self, text: str) -> float:
        """Return days since 1970-01-01, or NaN for text that means a missing cell; raise ValueError for other text."""
        if (found := self._pattern.fullmatch(text.strip())) is None:
            if is_number_gap(text):
                return float("nan")
            raise ValueError(f"{text!r} is not a date in this spelling")
        return _days(found.groupdict())

    def offset(self, text: str) -> int | None:
        """Return by how many seconds the zone of a date that this spelling reads is ahead of UTC; None for no zone."""
        found = self._pattern.fullmatch(text.strip())
        return None if found is None or found["zone"] is None else _offset(found["zone"])

    def clock(self, text: str) -> float:
        """Return the days since 1970-01-01 on the wall clock of a date that this spelling reads."""
        found = self._pattern.fullmatch(text.strip())
        assert found is not None
        return _days({**found.groupdict(), "zone": None})

    @property
    def example(self) -> str:
        """Return a date in this spelling."""
        return {"ymd": "2026-03-31", "mdy": "3/31/2026", "dmy": "31.3.2026"}[self.order]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"{_DATES[self.order]}(?:[T ] *{_TIME}{_ZONE})?")


def _days(parts: dict[str, Any]) -> float:
    days, rest = divmod(_microseconds(_date(parts), parts), DAY)
    return days + rest / DAY


def _date(parts: dict[str, Any]) -> datetime.date:
    year, month = int(parts["y"]), parts["m"]
    if len(parts["y"]) == 2:
        year += 1900 if year >= _CENTURY else 2000
    if parts["d"] is None and not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"{year}-{month} is not a date")
    if not month.isdigit():
        month = _MONTHS.get(month.lower(), 0)  # 0 is not a month
    return datetime.date(year, int(month), int(parts["d"] or 1))


def _microseconds(date: datetime.date, parts: dict[str, Any]) -> int:
    hour, minute, second = (int(parts[name] or 0) for name in ("H", "M", "S"))
    if parts["half"] is not None:
        if not 1 <= hour <= 12:
            raise ValueError(f"{hour} {parts['half']} is not an hour")
        hour = hour % 12 + 12 * (parts["half"].lower() == "pm")
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("no time of day")
    seconds = 86_400 * (date.toordinal() - _EPOCH) + 3600 * hour + 60 * minute + second - _offset(parts["zone"] or "Z")
    return 1_000_000 * seconds + int((parts["f"] or "0")[:6].ljust(6, "0"))


def _offset(zone: str) -> int:
    if zone in ("Z", "UTC"):
        return 0
    digits = zone.replace(":", "")
    return int(digits[0] + "1") * (3600 * int(digits[1:3]) + 60 * int(digits[3:] or 0))


def date_spelling_from_json(data: Any) -> DateSpelling:
    """Return a date spelling from a model file; raise ValueError if it is invalid."""
    found = next((order for order in _ORDERS if isinstance(data, dict) and data == {"order": order}), None)
    if found is None:
        raise ValueError("a spelling of dates must have the order of year, month and day")
    return DateSpelling(found)


def learn_dates(texts: Set[str]) -> Learned:
    """Return how these texts spell dates.

    Parameters
    ----------
    texts : set of str
        The distinct cells of a column; not empty.
    """
    written = sorted(text for text in texts if not is_number_gap(text))
    sample = written[:: -(-len(written) // SAMPLE)] if written else []
    read = {spelling: list(filter(spelling.reads, sample)) for spelling in map(DateSpelling, _ORDERS)}
    most = max(map(len, read.values()), default=0)
    if not most:
        return Learned(None)
    fitting = [each for each in read if len(read[each]) == len(sample) and all(map(each.reads, written))]
    if not fitting:
        best = next(each for each in read if len(read[each]) == most)
        return Learned(None, next(text for text in written if not best.reads(text)), share=most / len(sample))
    is_open = any(fitting[0].number(text) != other.number(text) for other in fitting[1:] for text in sample)
    if is_open and all(re.match(r"\d+\.", text) for text in sample):  # with points, as in 31.12.26, the day comes first
        return Learned(fitting[1], sample[0])
    is_plain = fitting[0].order == "ymd" and all(re.match(r"\d{4}-\d\d-\d\d", text) for text in written)
    return Learned(fitting[0], "" if is_plain else max(sample, key=len), is_open)


def days_of(microseconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert microseconds since 1970-01-01 to days since 1970-01-01; missing values become NaN."""
    days, rest = np.divmod(microseconds, float(DAY))
    return np.asarray(days + rest / DAY)


def days_of_datetimes(values: NDArray[Any]) -> NDArray[np.float64]:
    """Convert datetime64 values of any unit to days since 1970-01-01; missing values become NaN.

    Raises
    ------
    DataError
        A date is so far from 1970 that its microseconds exceed 64 bits.
    """
    return days_of(_microseconds_of(values))


def _microseconds_of(values: NDArray[Any]) -> NDArray[np.float64]:
    microseconds = values.astype("datetime64[us]")
    there = ~np.isnat(values)
    if np.datetime_data(values.dtype)[0] not in ("us", "ns", "ps", "fs", "as"):  # else they fit, and days may wrap
        wrapped = there & (microseconds.astype("datetime64[D]") != values.astype("datetime64[D]"))
        if wrapped.any():
            raise DataError(TOO_DISTANT.format(values[wrapped][0]))
    return np.where(there, microseconds.astype(np.int64), np.nan)


def days_of_objects(cells: list[Any]) -> NDArray[np.float64]:
    """Convert dates and datetimes to days since 1970-01-01, of the instant in UTC; missing cells become NaN."""
    return days_of(np.array([_of_object(cell) for cell in cells], np.float64))


def clocks_of_objects(cells: list[Any]) -> NDArray[np.float64]:
    """Convert dates and datetimes to days since 1970-01-01 on their own wall clock; missing cells become NaN."""
    return days_of_objects([cell.replace(tzinfo=None) if getattr(cell, "tzinfo", None) else cell for cell in cells])


def is_date_type(kind: type) -> bool:
    """Return whether cells of this type are dates."""
    return issubclass(kind, (datetime.date, np.datetime64))


def _of_object(cell: Any) -> float:
    if isinstance(cell, np.datetime64):
        return float(_microseconds_of(np.array(cell)))
    if is_missing(cell):
        return float("nan")
    microseconds = DAY * (cell.toordinal() - _EPOCH)
    if not isinstance(cell, datetime.datetime):
        return float(microseconds)
    seconds = 3600 * cell.hour + 60 * cell.minute + cell.second
    zone = (cell.utcoffset() or datetime.timedelta()) // datetime.timedelta(microseconds=1)
    return float(microseconds + 1_000_000 * seconds + cell.microsecond - zone)


def date_text(days: float) -> str:
    """Convert days since 1970-01-01 to a date in ISO 8601, followed by the time unless it is midnight."""
    text = str(np.datetime64(round(days * DAY), "us"))
    return re.sub(r"(\.0{6}|0{3})$", "", text.removesuffix("T00:00:00.000000"))
