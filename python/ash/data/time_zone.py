"""Time zones of date columns: how far local time is ahead of UTC, as tables that are stored with a model.

    "Europe/Berlin"  ->  zone_named  ->  TimeZone  ->  local(days in UTC)  ->  days on the wall clock

A model keeps the table of its zone. So it predicts the same on any machine, even one without a database of time zones,
and the table can be exported.
"""

import datetime
import re
import zoneinfo
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash._utils.checks import is_list_of
from ash.errors import DataError

OWN = ""
"""The zone of a column whose times have different offsets from UTC, as text such as "2026-03-31T14:30+02:00" has."""
TICKS = 864_000_000
"""Ticks per day. Local times are computed in tenths of a millisecond, so that midnight is always a whole day."""
_TICKS_PER_SECOND = TICKS // 86_400
_FIRST, _LAST = -2_208_988_800, 4_102_444_800  # 1900 and 2100, in seconds since 1970
_STEP = 5 * 86_400  # no zone changed its offset twice within five days
_MOST_STARTS = 10_000
_MOST_OFFSET = 86_400
_FIXED = re.compile(r"(?:UTC|GMT)?([-+])(\d\d):?(\d\d)?")


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
        seconds = int(found[1] + "1") * (3600 * int(found[2]) + 60 * int(found[3] or 0))
        return TimeZone(offset_name(seconds), (), (seconds,))
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        todo = "install the package tzdata, or convert the times to another zone"
        raise DataError(f"the time zone {name!r} is not known on this machine: {todo}") from None
    starts, offsets = [], [_offset(_FIRST, zone)]
    for first in range(_FIRST, _LAST, _STEP):
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
    if not is_sound or not all(_FIRST <= start <= _LAST for start in starts):
        raise ValueError(f"{where} has an invalid time zone")
    return TimeZone(data["name"], tuple(starts), tuple(offsets))


def _are_offsets(data: Any) -> bool:
    return is_list_of(data, int) and all(abs(each) <= _MOST_OFFSET for each in data)
