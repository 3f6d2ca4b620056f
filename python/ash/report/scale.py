"""From numbers to places on a chart, and the round numbers that are written on its axes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS = (1.0, 2.0, 5.0)
"""Of ticks, times a power of ten."""


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic scale from low, at the pixel `start`, to high, at `stop`; ticks need low < high."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: ArrayLike) -> NDArray[np.float64]:
        """Return the pixel of each value; the middle where low is high."""
        low, high, own = self._flat(self.low), self._flat(self.high), self._flat(value)
        share = (own - low) / (high - low) if high != low else np.full_like(own, 0.5)
        return np.asarray(self.start + share * (self.stop - self.start))

    def at(self, value: float) -> float:
        """Return the pixel of one value."""
        return float(self(value))

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Return round numbers from low to high, and how they are written."""
        values = _log_ticks(self.low, self.high, most) if self.log else _linear_ticks(self.low, self.high, most)
        return [(value, f"{value:.10g}") for value in values]

    def _flat(self, value: ArrayLike) -> NDArray[np.float64]:
        numbers = np.asarray(value, np.float64)
        return np.log(numbers) if self.log else numbers


def padded(low: float, high: float, share: float = 0.04) -> tuple[float, float]:
    """Return the ends of an axis with some room beyond the lowest and the highest value."""
    room = (high - low) * share if high > low else abs(high) * share or 1.0
    return low - room, high + room


def padded_log(low: float, high: float, share: float = 0.04) -> tuple[float, float]:
    """Return the same for a logarithmic axis."""
    bottom, top = padded(math.log(low), math.log(high), share)
    return math.exp(bottom), math.exp(top)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    if not high > low:
        return [low]
    step = next(one for one in _steps((high - low) / most) if (high - low) / one <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(place * step, digits) + 0.0 for place in range(first, last + 1)]


def _steps(least: float) -> list[float]:
    power = 10.0 ** math.floor(math.log10(least))
    return [step * power * factor for factor in (1.0, 10.0) for step in STEPS]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for digits in (STEPS, (1.0, 3.0), (1.0,)):
        found = [float(f"{digit:g}e{power}") for power in powers for digit in digits]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            return found or [low, high]
    return found[:: math.ceil(len(found) / most)]
