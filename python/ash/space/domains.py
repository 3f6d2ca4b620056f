"""Domains of hyperparameters: what one name of a space may be, as a short list of levels.

    ash.log(1e-4, 1e-1, levels=4)            0.0001 . 0.001 . 0.01 . 0.1
    ash.choice((64,), (128, 64))             (64,) . (128, 64)
    ash.uniform(0.8, 0.99).when(optimizer=("momentum", "nesterov"))

A domain is discretized once, when it is made, so that a space is a finite grid whose size is known and which can be
drawn from without repetition. Levels are computed in decimal arithmetic (module ``decimal``: exp and ln correctly
rounded), never by the C library, and rounded to three significant digits (of the value in a log domain, of the step in
a uniform one), to more only where two levels would coincide: they are the same on every machine, and pleasant to read.
The bounds and the default are kept exactly as given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

from ash._utils.checks import is_integer, is_number
from ash.errors import SettingError

MOST_LEVELS = 100_000  # of one domain: more is a mistake, and costs memory
_PRECISION = Context(prec=40)
_PER_DECADE = 10  # usual levels of a log domain: steps of 1.26, a tenth of a decade
_USUAL_LEVELS = 21  # of a uniform domain


@dataclass(frozen=True)
class Domain:
    """The levels of one hyperparameter, its default, and when it applies. Made by choice, integers, uniform or log.

    Attributes
    ----------
    levels : tuple
        All values, distinct, in the order in which they were given.
    default : object
        One of the levels: the value in the default configuration (candidate 0).
    conditions : tuple of (name, value or tuple of values)
        The domain applies where each named hyperparameter has (one of) its value(s).
    kind : str
        "choice", "integers", "uniform" or "log": how the levels were made.
    """

    levels: tuple[Any, ...]
    default: Any
    conditions: tuple[tuple[str, Any], ...] = ()
    kind: str = "choice"

    def when(self, **conditions: Any) -> "Domain":
        """Return this domain, to apply only where every condition holds.

        Parameters
        ----------
        **conditions
            ``name=value``, or ``name=(value, value)`` for several. A tuple that is itself a value of that
            hyperparameter, such as ``hidden=(64, 32)``, is one value. Repeated calls add conditions.

        Raises
        ------
        SettingError
            No condition, or a second one on the same name.
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
    """Return a domain of the options given, in this order; the default is the first unless named.

    Lists become tuples. An option given twice is kept once (compared by type and value, so that NaN equals itself).

    Raises
    ------
    SettingError
        No options, nothing but a list of them, one that cannot be compared (an array, a dict, ...), or a default that
        is not among them.
    """
    if not options:
        raise SettingError("choice() is empty: give at least one option")
    if len(options) == 1 and isinstance(options[0], list):
        text = ", ".join(map(repr, options[0]))
        raise SettingError(f"choice([{text}]) is one option, a list: give several options as choice({text})")
    levels = distinct([_as_tuples(option) for option in options])
    if default is None:
        return Domain(levels, levels[0])
    keys = [encode(level) for level in levels]
    if encode(default) not in keys:
        raise SettingError(f"choice(): default must be one of its options {levels!r}, got {default!r}")
    return Domain(levels, levels[keys.index(encode(default))])


def integers(low: int, high: int, step: int = 1, default: int | None = None) -> Domain:
    """Return the domain low, low + step and so on, up to high at most; the default is the middle level unless named.

    Raises
    ------
    SettingError
        A bound, step or default that is no integer; low > high; a step below 1 or above high - low (but low == high is
        one level); a default that is no level; more than 100,000 levels.
    """
    call = f"integers(low={low!r}, high={high!r}, step={step!r})"
    if not all(is_integer(value) for value in (low, high, step)):
        raise SettingError(f"{call}: all three must be integers")
    _check_order(call, low, high)
    if step < 1 or (low < high and step > high - low):
        raise SettingError(f"{call}: step must be at least 1 and at most high - low = {high - low}")
    levels = range(int(low), int(high) + 1, int(step))
    if len(levels) > MOST_LEVELS:
        raise SettingError(
            f"{call} has {len(levels):,} levels, at most {MOST_LEVELS:,} are allowed: take a larger step"
        )
    if default is None:
        return Domain(tuple(levels), levels[(len(levels) - 1) // 2], kind="integers")
    if not is_integer(default) or default not in levels:
        raise SettingError(f"{call}: default must be one of its levels, got {default!r}")
    return Domain(tuple(levels), int(default), kind="integers")


def uniform(low: float, high: float, levels: int | None = None, default: float | None = None) -> Domain:
    """Return a domain of evenly spaced levels from low to high (21 unless named), rounded as the module says.

    The default is the middle level unless named; one that is not a level becomes one more.

    Raises
    ------
    SettingError
        A bound or default that is no finite number; low > high; default outside; levels no integer from 2 to 100,000.
    """
    call = f"uniform(low={low!r}, high={high!r})"
    _check_bounds(call, low, high)
    count = _count(call, low, high, _USUAL_LEVELS if levels is None else levels)
    with localcontext(_PRECISION):
        start, stop = _decimal(low), _decimal(high)
        step = (stop - start) / max(1, count - 1)
        exact = [start + step * index for index in range(count)]
    return _rounded_domain("uniform", call, exact, [step] * count, (low, high), default)


def log(low: float, high: float, levels: int | None = None, default: float | None = None) -> Domain:
    """Return a domain of levels from low to high in equal ratios (ten a decade unless named), rounded.

    The default is the middle level unless named; one that is not a level becomes one more.

    Raises
    ------
    SettingError
        A bound or default that is no finite number; low <= 0; low > high; default outside; levels no integer from 2 to
        100,000.
    """
    call = f"log(low={low!r}, high={high!r})"
    _check_bounds(call, low, high)
    if low <= 0:
        raise SettingError(f"{call}: low must be above 0, since a log domain has no level at 0")
    with localcontext(_PRECISION):
        start, stop = _decimal(low), _decimal(high)
        decades = stop.log10() - start.log10()
        count = _count(call, low, high, max(2, round(decades * _PER_DECADE) + 1) if levels is None else levels)
        ratio = (stop.ln() - start.ln()) / max(1, count - 1)
        exact = [(start.ln() + ratio * index).exp() for index in range(count)]
    return _rounded_domain("log", call, exact, exact, (low, high), default)


def distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values without repetitions, each where it stood first."""
    unique: dict[str, Any] = {}
    for value in values:
        unique.setdefault(encode(value), value)
    return tuple(unique.values())


def joined_levels(domains: Mapping[str, tuple[Domain, ...]]) -> dict[str, tuple[Any, ...]]:
    """Return the levels of each name, those of several domains joined."""
    return {name: distinct(level for each in several for level in each.levels) for name, several in domains.items()}


def encode(value: Any) -> str:
    """Return a text that is equal for equal options only: of one type and value, NaN equal to itself.

    Raises
    ------
    SettingError
        The value is none of None, text, bool, number, or a tuple or list of these.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (tuple, list)):
        return f"({','.join(encode(part) for part in value)})"
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


def _check_order(call: str, low: float, high: float) -> None:
    if low > high:
        raise SettingError(f"{call}: low must not be above high")


def _check_bounds(call: str, low: float, high: float) -> None:
    for bound in (low, high):
        if not is_number(bound):
            raise SettingError(f"{call}: both bounds must be finite numbers")
    _check_order(call, low, high)


def _count(call: str, low: float, high: float, levels: int) -> int:
    if not is_integer(levels) or not 2 <= levels <= MOST_LEVELS:
        raise SettingError(f"{call}: levels must be an integer from 2 to {MOST_LEVELS:,}, got {levels!r}")
    return 1 if low == high else int(levels)


def _decimal(value: float) -> Decimal:
    return Decimal(int(value)) if is_integer(value) else Decimal(repr(float(value)))


def _rounded_domain(
    kind: str,
    call: str,
    exact: list[Decimal],
    scales: list[Decimal],
    bounds: tuple[float, float],
    default: float | None,
) -> Domain:
    """Return a domain of levels rounded to three digits of their scales, to more while they are not increasing."""
    low, high = map(float, bounds)
    for digits in range(3, 18):
        with localcontext(_PRECISION):
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
