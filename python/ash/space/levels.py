"""Sequences of levels that are too long to be listed: increasing, lazily computed numbers.

    EvenLevels         of uniform(low, high): the multiples of a power of ten between the bounds, and the bounds
    LogLevels          of loguniform(low, high): 10**9 equal ratios from low to high
    WholeLogLevels     of integers(low, high, log=True): whole numbers, repeated according to their weights

Candidates are drawn from a finite grid without repetition, so a continuous domain is also a grid, with about 10**9
levels. Levels are computed by the module ``decimal``, which rounds exp and ln correctly, and never by the C library, so
they are the same on every machine. A level has at most 15 significant digits, since different decimals of this length
are never the same double. The bounds and the default are levels exactly as given; the default is added if it is not a
level already. Computing a level takes a few microseconds; finding the index of a level takes a binary search.
"""

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from ash._utils.cached import cached_property
from ash._utils.checks import is_number

PRECISION = Context(prec=40)
STEPS = 10**9
SMALLEST = 1e-300
"""The smallest bound of a log domain; doubles much closer to 0 have fewer digits."""
_DIGITS = 15
# Levels whose logarithms are at least this far apart differ after rounding to _DIGITS digits.
_LEAST_RATIO = Decimal("2e-14")


@dataclass(frozen=True)
class LongLevels(Sequence[Any]):
    """Numbers from low to high in order, including the default.

    Attributes
    ----------
    low, high : float or int
        The bounds, low < high.
    default : float or int
        Any number from low to high.
    """

    low: float
    high: float
    default: float

    @property
    @abstractmethod
    def _count(self) -> int:
        """The number of regular levels; a default that is an additional level is not counted."""

    @abstractmethod
    def _regular(self, place: int) -> float:
        """Return the level at index `place` among the regular levels."""

    @cached_property
    def _default_place(self) -> int:
        return bisect_left(range(self._count), self.default, key=self._regular)

    @cached_property
    def _extra(self) -> bool:
        """Whether the default is an additional level."""
        return self._regular(self._default_place) != self.default

    def __len__(self) -> int:
        """Return the number of levels."""
        return self._count + self._extra

    def __getitem__(self, place: Any) -> Any:
        """Return a level, or the levels of a slice as a tuple."""
        found = range(len(self))[place]
        return tuple(map(self._level, found)) if isinstance(found, range) else self._level(found)

    def _level(self, place: int) -> float:
        if place == self._default_place:
            return self.default
        return self._regular(place - (self._extra and place > self._default_place))

    def __contains__(self, value: object) -> bool:
        """Return whether a value is a level."""
        return is_number(value) and self.low <= value <= self.high and self[self._place(value)] == value

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the index of a level; raise ValueError if no index from `start` to `stop` has this level."""
        if value in self and self._place(value) in range(len(self))[start:stop]:
            return self._place(value)
        raise ValueError(f"{value!r} is not a level")

    def _place(self, value: float) -> int:
        return bisect_left(range(len(self)), value, key=self._level)


class EvenLevels(LongLevels):
    """Two doubles and the multiples of a power of ten between them: 10**9 to 10**10 levels, if enough doubles exist."""

    @cached_property
    def _multiples(self) -> tuple[int, int, int]:
        """The first and the last multiple, at or just beyond the bounds, and the exponent of the power of ten."""
        low, high = Decimal(repr(self.low)), Decimal(repr(self.high))
        span = PRECISION.subtract(high, low).adjusted()
        least = max(low.adjusted() if low else -400, high.adjusted() if high else -400) - _DIGITS + 1
        exponent = max(span - 9, least, Decimal(SMALLEST).adjusted())
        first = low.scaleb(-exponent, PRECISION).to_integral_value(ROUND_FLOOR)
        last = high.scaleb(-exponent, PRECISION).to_integral_value(ROUND_CEILING)
        return int(first), int(last), exponent

    @property
    def _count(self) -> int:
        first, last, _ = self._multiples
        return last - first + 1

    def _regular(self, place: int) -> float:
        first, _, exponent = self._multiples
        return min(max(float(f"{first + place}e{exponent}"), self.low), self.high)


class LogLevels(LongLevels):
    """Levels in equal ratios between two doubles of at least 1e-300, with only enough digits to keep them distinct."""

    @cached_property
    def _ratios(self) -> tuple[int, Decimal, Decimal, Context]:
        """The number of ratios, the logarithms of the first level and of a ratio, and the rounding context."""
        start, stop = (PRECISION.ln(Decimal(repr(bound))) for bound in (self.low, self.high))
        span = PRECISION.subtract(stop, start)
        count = min(STEPS, max(1, int(PRECISION.divide(span, _LEAST_RATIO))))
        step = PRECISION.divide(span, count)
        digits = min(_DIGITS, 1 - PRECISION.divide(step, 2).adjusted())
        return count, start, step, Context(prec=digits)

    @property
    def _count(self) -> int:
        return self._ratios[0] + 1

    def _regular(self, place: int) -> float:
        count, start, step, rounded = self._ratios
        if place in (0, count):
            return self.high if place else self.low
        return float(rounded.exp(PRECISION.fma(step, place, start)))


class WholeLogLevels(LongLevels):
    """Whole numbers from low (at least 1) to high in increasing order, repeated according to their weights.

    The range from log(low - 1/2) to log(high + 1/2) is split into 10**9 equal parts. Each part yields one level: the
    number whose logarithm is the middle of the part, rounded to a whole number. So the frequency of a number k is
    proportional to log((k + 1/2) / (k - 1/2)), which is nearly 1 / k. In a very long range, most of the large numbers
    do not occur.
    """

    @cached_property
    def _parts(self) -> tuple[Decimal, Decimal]:
        """The logarithm at the start of the first part, and half the length of a part."""
        start, stop = (
            PRECISION.ln(PRECISION.divide(Decimal(twice), 2)) for twice in (2 * self.low - 1, 2 * self.high + 1)
        )
        return start, PRECISION.divide(PRECISION.subtract(stop, start), 2 * STEPS)

    @property
    def _count(self) -> int:
        return STEPS

    def _regular(self, place: int) -> int:
        start, half = self._parts
        found = int(PRECISION.exp(PRECISION.fma(half, 2 * place + 1, start)).to_integral_value(ROUND_HALF_EVEN))
        return min(max(found, int(self.low)), int(self.high))
