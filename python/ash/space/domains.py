"""Domains: the allowed values of one hyperparameter of a space, as a sequence of levels.

    ash.loguniform(1e-4, 1e-1)               0.0001 ... 0.1, any number between
    ash.loguniform(1e-4, 1e-1, levels=4)     0.0001 . 0.001 . 0.01 . 0.1
    ash.choice((64,), (128, 64))             (64,) . (128, 64)
    ash.uniform(0.8, 0.99).when(optimizer=("momentum", "nesterov"))

A domain is discretized once, when it is created. So a space is a finite grid of known size, from which candidates can
be drawn without repetition. Without ``levels=``, a log or uniform domain has about 10**9 to 10**10 levels, each of
which is computed when it is drawn (levels.py). Levels are computed by the module ``decimal``, which rounds exp and ln
correctly, so they are the same on every machine. For readability, listed levels are rounded to three significant digits
(of the value in a log domain, of the step in a uniform one). More digits are kept only if two levels would coincide.
The bounds and the default are kept exactly as given.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

from ash._utils.arguments import explained
from ash._utils.cached import cached_property
from ash._utils.checks import is_integer, is_number
from ash.errors import SettingError
from ash.space.levels import PRECISION, SMALLEST, EvenLevels, LogLevels, LongLevels, WholeLogLevels

MOST_LEVELS = 100_000  # maximum number of listed levels per domain; more are probably a mistake
LISTED = 1000
"""The levels of a range of whole numbers are listed if there are at most this many, unless ``log=True``."""
LARGEST_BOUND = 10**18
"""The largest magnitude of a whole-number domain's bounds, so that the length of its range fits into 63 bits."""
LOG_INTEGERS = "log integers"
INTEGERS, FLOATS = ("integers", LOG_INTEGERS), ("uniform", "log", "quantiles")
"""The kinds of whole-number domains, and the kinds of float domains. In a float domain, numbers between two levels are
also valid."""
KINDS = ("choice", *INTEGERS, *FLOATS)


@dataclass(frozen=True)
class Domain:
    """The levels, the default and the conditions of one hyperparameter; made by choice, integers, uniform or log.

    Attributes
    ----------
    levels : sequence
        All distinct values: in the given order for a choice, else in increasing order. Listed levels are a tuple;
        unlisted levels are a range or a sequence of lazily computed numbers.
    default : object
        One of the levels: the value in the default configuration (candidate 0).
    conditions : tuple of (name, value or tuple of values)
        The domain applies if each named hyperparameter has (one of) the given value(s).
    kind : str
        How the levels were made: "choice", "integers", "log integers", "uniform", "log" or "quantiles".

    Examples
    --------
    >>> import ash
    >>> domain = ash.uniform(0.8, 0.99).when(optimizer="momentum")
    >>> domain.default, domain.conditions
    (0.895, (('optimizer', 'momentum'),))
    """

    levels: Sequence[Any]
    default: Any
    conditions: tuple[tuple[str, Any], ...] = ()
    kind: str = "choice"

    @cached_property
    def drawn(self) -> Sequence[Any]:
        """The levels, each repeated according to its weight.

        All weights are 1, except for integers(log=True) without ``levels``.
        """
        if self.kind == LOG_INTEGERS and isinstance(self.levels, range):
            return WholeLogLevels(self.levels[0], self.levels[-1], self.default)
        return self.levels

    @property
    def has_list(self) -> bool:
        """Whether all levels are listed, rather than computed lazily."""
        return isinstance(self.levels, tuple)

    def has(self, value: Any) -> bool:
        """Return whether a value is a level, without enumerating levels that are not listed."""
        if isinstance(self.levels, range):
            return is_integer(value) and int(value) in self.levels
        return value in self.levels

    def spans(self, value: Any) -> bool:
        """Return whether a value is a listed level or, if levels are not listed, a number between the bounds."""
        return self.has(value) if self.has_list else is_number(value) and self.levels[0] <= value <= self.levels[-1]

    def takes(self, value: Any) -> bool:
        """Return whether a value is a level or, in a domain of floats, a number between the bounds."""
        if encode(value) in map(encode, self.levels) if self.has_list else self.has(value):
            return True
        return self.kind in FLOATS and is_number(value) and bool(self.levels[0] <= value <= self.levels[-1])

    def clipped(self, value: Any) -> Any:
        """Return the value, clipped to the bounds if it is a number and the levels of the domain are not listed."""
        return value if self.has_list or not is_number(value) else min(max(value, self.levels[0]), self.levels[-1])

    def moved(self, value: Any, share: float) -> Any:
        """Return the level reached from a value by a move of `share` times the range, clipped to the range.

        An option of a choice is returned unchanged.

        Parameters
        ----------
        value : object
            A value that the domain spans.
        share : float
            From -1 to 1; negative shares give lower levels.
        """
        if self.kind == "choice":
            return value
        levels = self.drawn
        place = bisect_left(levels, value) + round(share * len(levels))
        return levels[min(max(place, 0), len(levels) - 1)]

    def shown(self) -> str:
        """Return the levels for a message: the first ones, or the bounds."""
        if not self.has_list:
            return f"{self.levels[0]!r} to {self.levels[-1]!r}"
        return ", ".join(map(repr, self.levels[:10])) + ", ..." * (len(self.levels) > 10)

    def when(self, **conditions: Any) -> "Domain":
        """Return a copy of this domain that applies only if every condition holds.

        Parameters
        ----------
        **conditions
            ``name=value``, or ``name=(value, value)`` for several values. A tuple that is itself a value of that
            hyperparameter, such as ``hidden=(64, 32)``, is one value. Repeated calls add conditions.

        Raises
        ------
        SettingError
            No condition is given, or the domain already has a condition on the same name.
        """
        if not conditions:
            raise SettingError("when() needs a condition such as when(optimizer='adam')")
        for name, _ in self.conditions:
            if name in conditions:
                raise SettingError(
                    f"when({name}={conditions[name]!r}): {name} already has a condition: name all values in one"
                )
        added = tuple((name, _as_tuples(values)) for name, values in conditions.items())
        return replace(self, conditions=self.conditions + added)


def choice(*options: Any, default: Any = None) -> Domain:
    """Return a domain of the given options, in this order; by default the first is the default option.

    Lists become tuples. Duplicate options are removed (compared by type and value, so NaN equals itself).

    Parameters
    ----------
    *options
        Text, numbers, booleans, None, or tuples of these. A space of `ash.ASHSearchCV` also allows estimators. All
        options are drawn equally often if no condition depends on them.
    default : object, optional
        The option in the default configuration.

    Returns
    -------
    Domain

    Raises
    ------
    SettingError
        There are no options, the only option is a list, an option cannot be compared (an array, a dict, ...), or the
        default is not one of the options.

    Examples
    --------
    >>> import ash
    >>> ash.choice("adam", "momentum", default="momentum").default
    'momentum'
    """
    if not options:
        raise SettingError("choice() is empty: give at least one option")
    if len(options) == 1 and isinstance(options[0], list):
        text = ", ".join(map(repr, options[0]))
        raise SettingError(f"choice([{text}]) is one option, a list: give several options as choice({text})")
    if any(hasattr(option, "get_params") for option in options):  # the space of ASHSearchCV compares estimators
        return Domain(options, options[0] if default is None else default)
    levels = distinct([_as_tuples(option) for option in options])
    if default is None:
        return Domain(levels, levels[0])
    keys = [encode(level) for level in levels]
    if encode(default) not in keys:
        raise SettingError(f"choice(): default must be one of its options {levels!r}, got {default!r}")
    return Domain(levels, levels[keys.index(encode(default))])


def integers(
    low: int, high: int, step: int = 1, default: int | None = None, *, levels: int | None = None, log: bool = False
) -> Domain:
    """Return a domain of the integers low, low + step and so on, up to high at most.

    Parameters
    ----------
    low, high : int
        The bounds, from -10**18 to 10**18. With `log`, low is at least 1.
    step : int, default 1
        Distance between neighboring levels. With `levels` or `log` it must be 1.
    default : int, optional
        The value in the default configuration. If it is not given, it is the middle level, or about sqrt(low * high)
        with `log` and without `levels`.
    levels : int, optional
        Number of levels of a grid, which are evenly spaced, or in equal ratios with `log`. There are fewer if several
        levels round to the same whole number. A default that is not in the grid is added to it. Without `levels`, all
        of the integers low, low + step and so on can be drawn.
    log : bool, default False
        Whether numbers are drawn evenly in their logarithm. Without `levels`, each number k has a probability
        proportional to log((k + 1/2) / (k - 1/2)), nearly 1 / k. A configuration that was drawn before is replaced by
        a new draw.

    Returns
    -------
    Domain

    Raises
    ------
    SettingError
        A bound, step or default is not an integer; low > high; step is below 1 or above high - low (low == high is
        allowed); default is not one of the integers low, low + step and so on; levels is not an integer from 2 to
        100,000; or step is given with levels or log.

    Examples
    --------
    >>> import ash
    >>> ash.integers(10, 50, step=20).levels
    (10, 30, 50)
    >>> ash.integers(1, 10**6).default
    500000
    >>> ash.integers(1, 1000, levels=4, log=True).levels
    (1, 10, 100, 1000)
    """
    call = f"integers(low={low!r}, high={high!r}, step={step!r})"
    _check_integers(call, low, high, step, log)
    if step != 1 and (log or levels is not None):
        raise SettingError(f"{call} has a step together with levels= or log=True: give one of them")
    kind, every = LOG_INTEGERS if log else "integers", range(int(low), int(high) + 1, int(step))
    if levels is not None:
        found: Sequence[int] = _whole_levels(low, high, _count(call, low, high, levels), log)
    else:
        found = tuple(every) if len(every) == 1 or (len(every) <= LISTED and not log) else every
    if default is None:
        middle = _whole_middle(low, high) if log and levels is None else found[(len(found) - 1) // 2]
        return Domain(found, middle, kind=kind)
    if not is_integer(default) or int(default) not in every:
        raise SettingError(f"{call}: default must be one of its levels, got {default!r}")
    return Domain(found if levels is None else tuple(sorted({*found, int(default)})), int(default), kind=kind)


@explained()
def uniform(low: float, high: float, levels: int | None = None, default: float | None = None) -> Domain:
    """Return a domain of numbers from low to high, all equally likely.

    Parameters
    ----------
    low, high : float
        The bounds.
    levels : int, optional
        Number of levels of a grid, which are evenly spaced and rounded to three digits of the step. By default numbers
        are drawn from the whole range, in 10**9 to 10**10 even steps.
    default : float, optional
        The value in the default configuration, which is added if it is not a level. If it is not given, it is the
        middle level of a grid, or the middle of the whole range, rounded to three digits of high - low.

    Returns
    -------
    Domain

    Raises
    ------
    SettingError
        A bound or default is not a finite number; low > high; default is out of range; or levels is not an integer
        from 2 to 100,000.

    Examples
    --------
    >>> import ash
    >>> ash.uniform(0.8, 0.99).default
    0.895
    >>> ash.uniform(0, 1, levels=5).levels
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    call = f"uniform(low={low!r}, high={high!r})"
    _check_bounds(call, low, high)
    if levels is None:
        with localcontext(PRECISION):
            middle = (_decimal(low) + _decimal(high)) / 2
        return _long_domain("uniform", call, EvenLevels, (low, high), middle, default)
    count = _count(call, low, high, levels)
    with localcontext(PRECISION):
        start, stop = _decimal(low), _decimal(high)
        step = (stop - start) / max(1, count - 1)
        exact = [start + step * index for index in range(count)]
    return _rounded_domain("uniform", call, exact, [step] * count, (low, high), default)


@explained()
def loguniform(low: float, high: float, levels: int | None = None, default: float | None = None) -> Domain:
    """Return a domain of numbers from low to high, whose logarithms are drawn uniformly.

    Parameters
    ----------
    low, high : float
        The bounds, above 0; at least 1e-300 without `levels`.
    levels : int, optional
        Number of levels of a grid, which are in equal ratios and rounded to three digits. By default numbers are drawn
        from the whole range: 10**9 numbers in equal ratios.
    default : float, optional
        The value in the default configuration, which is added if it is not a level. If it is not given, it is the
        middle level of a grid, or the geometric mean of the bounds, rounded to three digits (more if the bounds are
        close).

    Returns
    -------
    Domain

    Raises
    ------
    SettingError
        A bound or default is not a finite number; low <= 0; low > high; default is out of range; or levels is not an
        integer from 2 to 100,000.

    Examples
    --------
    >>> import ash
    >>> ash.loguniform(1e-4, 1e-1).default
    0.00316
    >>> ash.loguniform(1e-4, 1e-1, levels=4).levels
    (0.0001, 0.001, 0.01, 0.1)
    """
    call = f"loguniform(low={low!r}, high={high!r})"
    _check_bounds(call, low, high)
    if low <= 0:
        raise SettingError(f"{call}: low must be above 0, since a log domain has no level at 0")
    if levels is None:
        if low < SMALLEST:
            raise SettingError(f"{call}: low must be at least {SMALLEST:g}, or give levels=")
        with localcontext(PRECISION):
            middle = (_decimal(low) * _decimal(high)).sqrt()
        return _long_domain("log", call, LogLevels, (low, high), middle, default)
    count = _count(call, low, high, levels)
    with localcontext(PRECISION):
        start, stop = _decimal(low), _decimal(high)
        ratio = (stop.ln() - start.ln()) / max(1, count - 1)
        exact = [(start.ln() + ratio * index).exp() for index in range(count)]
    return _rounded_domain("log", call, exact, exact, (low, high), default)


def long_domain(kind: str, low: float, high: float, step: int, default: float) -> Domain:
    """Return a domain of this kind from low to high whose levels are not listed."""
    if kind in INTEGERS:
        return integers(int(low), int(high), step, int(default), log=kind == LOG_INTEGERS)
    return {"uniform": uniform, "log": loguniform}[kind](low, high, default=default)


def distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values without duplicates, in the order of their first occurrence."""
    unique: dict[str, Any] = {}
    for value in values:
        unique.setdefault(encode(value), value)
    return tuple(unique.values())


def joined_levels(domains: Mapping[str, tuple[Domain, ...]]) -> dict[str, tuple[Any, ...]]:
    """Return, for each name, the levels of all its domains; of unlisted levels, only the first and the last."""
    return {
        name: distinct(
            level for one in several for level in (one.levels if one.has_list else (one.levels[0], one.levels[-1]))
        )
        for name, several in domains.items()
    }


def step_of(domain: Domain) -> int:
    """Return the greatest common divisor of the steps between a domain's whole numbers; 1 for "log integers"."""
    if isinstance(domain.levels, range):
        return domain.levels.step
    steps = (upper - lower for lower, upper in pairwise(domain.levels))
    return 1 if domain.kind == LOG_INTEGERS else math.gcd(*steps) or 1


def key_of(params: Mapping[str, Any]) -> str:
    """Return a text that is equal only for equal configurations."""
    return ",".join(f"{name}={encode(params[name])}" for name in sorted(params))


def encode(value: Any) -> str:
    """Return a text that is equal only for options of the same type and value; NaN equals itself.

    Raises
    ------
    SettingError
        The value is not None, text, bool, number, or a tuple or list of these.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, tuple | list):
        return f"({','.join(map(encode, value))})"
    if value is None or isinstance(value, str):
        return repr(value)
    if isinstance(value, bool):
        return f"bool {value}"
    if isinstance(value, Integral):
        return f"int {int(value)}"
    if isinstance(value, Real):
        return f"float {float(value)!r}"
    raise SettingError(
        f"an option must be text, a number or a tuple of them, got {value!r} of type {type(value).__name__}"
    )


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(part) for part in value) if isinstance(value, (tuple, list)) else value


def _check_bounds(call: str, low: float, high: float) -> None:
    if not (is_number(low) and is_number(high)):
        raise SettingError(f"{call}: both bounds must be finite numbers")
    if low > high:
        raise SettingError(f"{call}: low must not be above high")


def _check_integers(call: str, low: int, high: int, step: int, log: bool) -> None:
    if not all(map(is_integer, (low, high, step))):
        raise SettingError(f"{call}: all three must be integers")
    low, high, step = int(low), int(high), int(step)  # NumPy's integers may overflow
    if low > high:
        raise SettingError(f"{call}: low must not be above high")
    if max(-low, high) > LARGEST_BOUND:
        raise SettingError(f"{call}: both bounds must be from -10**18 to 10**18")
    if step < 1 or (low < high and step > high - low):
        raise SettingError(f"{call}: step must be at least 1 and at most high - low = {high - low}")
    if log and low < 1:
        raise SettingError(f"{call} has log=True: low must be at least 1")


def _count(call: str, low: float, high: float, levels: int) -> int:
    if not is_integer(levels) or not 2 <= levels <= MOST_LEVELS:
        raise SettingError(f"{call}: levels must be an integer from 2 to {MOST_LEVELS:,}, got {levels!r}")
    return 1 if low == high else int(levels)


def _decimal(value: float) -> Decimal:
    return Decimal(int(value)) if is_integer(value) else Decimal(repr(float(value)))


def _whole_middle(low: int, high: int) -> int:
    """Return the geometric mean of two whole numbers, rounded to three digits."""
    with localcontext(PRECISION):
        middle = (_decimal(low) * _decimal(high)).sqrt()
        return min(max(int(_rounded(middle, middle).to_integral_value()), low), high)


def _rounded(middle: Decimal, span: Decimal) -> Decimal:
    """Return `middle`, rounded to the decimal place of the third significant digit of `span`."""
    with localcontext(PRECISION):
        return middle.quantize(Decimal(1).scaleb(span.adjusted() - 2))


def _whole_levels(low: int, high: int, count: int, log: bool) -> tuple[int, ...]:
    """Return at most `count` whole numbers from low to high, evenly spaced or, if `log`, in equal ratios."""
    with localcontext(PRECISION):
        start, stop = Decimal(int(low)), Decimal(int(high))
        if log:
            start, stop = start.ln(), stop.ln()
        step = (stop - start) / max(1, count - 1)
        exact = [start + step * index for index in range(count)]
        inner = [int((value.exp() if log else value).to_integral_value()) for value in exact[1:-1]]
    return tuple(sorted({int(low), *inner, int(high)}))


def _long_domain(
    kind: str, call: str, levels: type[LongLevels], bounds: tuple[float, float], middle: Decimal, default: float | None
) -> Domain:
    """Return a domain whose levels are not listed; the default is the rounded middle unless one is given."""
    low, high = map(float, bounds)
    if default is None:
        with localcontext(PRECISION):
            span = _decimal(high) - _decimal(low)
            default = float(_rounded(middle, min(middle, span) if kind == "log" else span)) if span else low
    if not is_number(default) or not low <= default <= high:
        raise SettingError(f"{call}: default must be a number from low to high, got {default!r}")
    if low == high:
        return Domain((low,), low, kind=kind)
    return Domain(levels(low, high, float(default)), float(default), kind=kind)


def _rounded_domain(
    kind: str,
    call: str,
    exact: list[Decimal],
    scales: list[Decimal],
    bounds: tuple[float, float],
    default: float | None,
) -> Domain:
    """Return a domain of the levels `exact`, except that the inner ones are rounded.

    They are rounded to the third digit of their `scales`, or to the first later digit at which all levels differ.
    """
    low, high = map(float, bounds)
    for digits in range(3, 18):
        with localcontext(PRECISION):
            units = [Decimal(1).scaleb(scale.adjusted() - digits + 1) for scale in scales[1:-1]]
            inner = [float(value.quantize(unit)) for value, unit in zip(exact[1:-1], units, strict=True)]
        levels = [low, *inner, high] if len(exact) > 1 else [low]
        if all(left < right for left, right in pairwise(levels)):
            break
    else:
        raise SettingError(f"{call} has levels={len(exact)}, more than there are numbers between its bounds")
    if default is None:
        return Domain(tuple(levels), levels[(len(levels) - 1) // 2], kind=kind)
    if not is_number(default) or not low <= default <= high:
        raise SettingError(f"{call}: default must be a number from low to high, got {default!r}")
    return Domain(tuple(sorted({*levels, float(default)})), float(default), kind=kind)
