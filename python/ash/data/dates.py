"""Converts dates and times, or text that spells them, to days since 1970-01-01; the time of day is the fraction.

    datetime64, date objects, series of dates      ->  microseconds  ->  days_of     ->  days
    learn_dates(texts)  ->  DateSpelling           ->  number(text)              ->  days
    "Europe/Berlin"     ->  zone_named  ->  TimeZone  ->  local(days in UTC)     ->  days on the wall clock

A date from any source is first converted to whole microseconds, which are then split into days and the time of day. So
equal dates become bit-identical numbers.

Times with a time zone become the days of the same instant in UTC; their wall clocks are kept beside it. A model keeps
the table of its zone, which says how far local time is ahead of UTC. So it predicts the same on any machine, even one
without a database of time zones, and the table can be exported.
"""

import datetime
import re
import zoneinfo
from bisect import bisect_right
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash._utils.checks import is_list_of
from ash.data.arrays import is_missing
from ash.data.spelling import SAMPLE, Learned, Spelling, is_number_gap, nearly
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
OWN = ""
"""The zone of a column whose times have different offsets from UTC, as text such as "2026-03-31T14:30+02:00" has."""
TICKS = 864_000_000
"""Ticks per day. Local times are computed in tenths of a millisecond, so that midnight is always a whole day."""
_TICKS_PER_SECOND = TICKS // 86_400
_FIRST_SECOND, _LAST_SECOND = -2_208_988_800, 4_102_444_800  # 1900 and 2100, in seconds since 1970
_STEP = 5 * 86_400  # no zone changed its offset twice within five days
_MOST_STARTS = 10_000
_MOST_OFFSET = 86_400
_FIXED = re.compile(r"(?:UTC|GMT)?([-+]\d\d:?(?:\d\d)?)")


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
        return None if found is None or found["zone"] is None else _ahead(found["zone"])

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
    seconds = 86_400 * (date.toordinal() - _EPOCH) + 3600 * hour + 60 * minute + second - _ahead(parts["zone"] or "Z")
    return 1_000_000 * seconds + int((parts["f"] or "0")[:6].ljust(6, "0"))


def _ahead(zone: str) -> int:
    """Return the offset of a zone that is written as "Z", "UTC" or like "+02:00"."""
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
    spellings = list(map(DateSpelling, _ORDERS))
    fitting = [each for each in spellings if sample and all(map(each.reads, sample)) and all(map(each.reads, written))]
    if not fitting:
        return nearly(spellings, written, sample)
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


@dataclass(frozen=True)
class TimeZone:
    """A time zone.

    Attributes
    ----------
    name : str
        The zone's name, such as "Europe/Berlin", "UTC" or "+02:00".
    starts : tuple of int
        When the offset changes, in seconds since 1970-01-01 UTC, ascending. Changes before 1900 or after 2100 are left
        out.
    offsets : tuple of int
        By how many seconds local time is ahead of UTC, before the first change and after each change.
    """

    name: str
    starts: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def is_utc(self) -> bool:
        """Whether local time is always UTC."""
        return self.offsets == (0,)

    def local(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert days since 1970-01-01 in UTC to days since 1970-01-01 on the wall clock; NaN stays NaN."""
        if self.is_utc:
            return days
        ticks = np.rint(days * TICKS)
        starts, offsets = self._ticks
        whole, rest = np.divmod(ticks + offsets[np.searchsorted(starts, ticks, "right")], float(TICKS))
        return np.asarray(whole + rest / TICKS)

    @cached_property
    def _ticks(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return ticks_of(self.starts), ticks_of(self.offsets)

    def to_json(self) -> dict[str, Any]:
        """Return the zone as JSON that `zone_from_json` reads."""
        return {"name": self.name, "starts": list(self.starts), "offsets": list(self.offsets)}


@dataclass(frozen=True)
class OwnOffsets:
    """The zone of times with different offsets: each time has its own wall clock.

    Attributes
    ----------
    least, most : int
        The range of the offsets in training, in seconds.
    """

    least: int
    most: int

    @property
    def name(self) -> str:
        """The range of the offsets, for messages."""
        return f"offsets from {offset_name(self.least)} to {offset_name(self.most)}"

    def to_json(self) -> dict[str, Any]:
        """Return the zone as JSON that `zone_from_json` reads."""
        return {"least": self.least, "most": self.most}


ANY_ZONE = TimeZone("unknown", (), (0,))
"""The zone in a model of an earlier version. Such a model takes times with and without a zone, and reads all in UTC."""


def ticks_of(seconds: Iterable[int]) -> NDArray[np.float64]:
    """Convert whole seconds to ticks."""
    return np.array([_TICKS_PER_SECOND * each for each in seconds], np.float64)


def offset_name(seconds: int) -> str:
    """Return the name of the zone with this fixed offset: "UTC", or like "+02:00"."""
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return text + (f":{rest:02}" if rest else "") if seconds else "UTC"


@lru_cache(maxsize=256)
def zone_named(name: str) -> TimeZone:
    """Return the zone with a name of the IANA database, or with a fixed offset such as "+02:00" or "UTC+02:00".

    Raises
    ------
    DataError
        This machine does not know the zone.
    """
    if name == "UTC":
        return TimeZone(name, (), (0,))
    if (found := _FIXED.fullmatch(name)) is not None:
        seconds = _ahead(found[1])
        return TimeZone(offset_name(seconds), (), (seconds,))
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        todo = "install the package tzdata, or convert the times to another zone"
        raise DataError(f"the time zone {name!r} is not known on this machine: {todo}") from None
    starts, offsets = [], [_offset(_FIRST_SECOND, zone)]
    for first in range(_FIRST_SECOND, _LAST_SECOND, _STEP):
        if (after := _offset(first + _STEP, zone)) != offsets[-1]:
            within = range(first, first + _STEP + 1)
            before = offsets[-1]
            starts.append(within[bisect_right(within, False, key=lambda second: _offset(second, zone) != before)])
            offsets.append(after)
    return TimeZone(name, tuple(starts), tuple(offsets))


def _offset(seconds: int, zone: datetime.tzinfo) -> int:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=seconds)
    return round((moment.astimezone(zone).utcoffset() or datetime.timedelta()).total_seconds())


def zone_of_offsets(offsets: Collection[int | None], where: str) -> str | None:
    """Return the zone of times with these offsets in seconds: None if they have none, OWN if they have different ones.

    Raises
    ------
    DataError
        Some times have an offset and others have none; the message starts with `where`.
    """
    known = {offset for offset in offsets if offset is not None}
    if not known:
        return None
    if None in offsets:
        raise DataError(f"{where} holds times with and without a time zone: give all of them a zone, or none")
    return offset_name(known.pop()) if len(known) == 1 else OWN


def zone_of_objects(moments: Iterable[Any], where: str) -> str | None:
    """Return the zone of date objects that are not missing; see `zone_of_offsets`.

    Times with the same zone of the IANA database have this zone.
    """
    names: set[str | None] = set()
    offsets: set[int | None] = set()
    for moment in moments:
        zone = getattr(moment, "tzinfo", None)
        offset = None if zone is None else moment.utcoffset()
        offsets.add(None if offset is None else round(offset.total_seconds()))
        names.add(getattr(zone, "key", None) or getattr(zone, "zone", None))
    found = zone_of_offsets(offsets, where)
    name = names.pop() if len(names) == 1 else None
    return found if found is None or name is None else name


def zone_from_json(data: Any, where: str) -> TimeZone | OwnOffsets | None:
    """Return a zone from a model file, which is not trusted; raise ValueError if it is invalid."""
    if data is None:
        return None
    if isinstance(data, dict) and data.keys() == {"least", "most"} and _are_offsets(list(data.values())):
        return OwnOffsets(data["least"], data["most"])
    is_known = isinstance(data, dict) and data.keys() == {"name", "starts", "offsets"} and type(data["name"]) is str
    if not is_known or not _are_offsets(data["offsets"]) or not is_list_of(data["starts"], int):
        raise ValueError(f"{where} has an invalid time zone")
    starts, offsets = data["starts"], data["offsets"]
    is_sound = len(offsets) == len(starts) + 1 <= _MOST_STARTS and starts == sorted(set(starts))
    if not is_sound or not all(_FIRST_SECOND <= start <= _LAST_SECOND for start in starts):
        raise ValueError(f"{where} has an invalid time zone")
    return TimeZone(data["name"], tuple(starts), tuple(offsets))


def _are_offsets(data: Any) -> bool:
    return is_list_of(data, int) and all(abs(each) <= _MOST_OFFSET for each in data)
