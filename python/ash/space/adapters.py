"""Domains out of what users of other libraries have: lists, distributions of Optuna, frozen ones of scipy.stats.

    [3, 5, 8]                              the values
    FloatDistribution(1e-3, 1, log=True)   ash.log(1e-3, 1)          with step: its values
    IntDistribution(1, 9, step=2)          ash.integers(1, 9, 2)     with log: whole numbers of ash.log
    CategoricalDistribution([...])         the choices
    scipy.stats.uniform(loc, scale)        ash.uniform(loc, loc + scale)
    scipy.stats.loguniform(a, b)           ash.log(a, b)
    scipy.stats.randint(low, high)         ash.integers(low, high - 1)
    any other of scipy                     its 21 quantiles

Nothing of these libraries is imported: whoever has such an object has done so.
"""

from collections.abc import Callable
from typing import Any

from ash.space.domains import Domain, choice, distinct, integers, log, uniform

QUANTILES = 21


def foreign_domain(value: Any) -> Domain | None:
    """Return the domain of a list or of a distribution, None for anything else.

    Raises
    ------
    SettingError
        Its bounds are not allowed, or it is empty.
    """
    if isinstance(value, list) and not any(isinstance(one, Domain) for one in value):
        return choice(*(tuple(one) if isinstance(one, list) else one for one in value))
    kind = type(value).__name__
    if type(value).__module__.startswith("optuna.") and kind in _OPTUNA:
        return _OPTUNA[kind](value)
    if hasattr(value, "ppf") and hasattr(value, "dist"):
        return _of_scipy(value)
    return None


def _float(given: Any) -> Domain:
    if given.step is None:
        return (log if given.log else uniform)(given.low, given.high)
    count = round((given.high - given.low) / given.step) + 1
    return choice(*(given.low + place * given.step for place in range(count)))


def _int(given: Any) -> Domain:
    if not given.log:
        return integers(given.low, given.high, given.step)
    return choice(*distinct(round(level) for level in log(given.low, given.high).levels))


_OPTUNA: dict[str, Callable[[Any], Domain]] = {
    "FloatDistribution": _float,
    "IntDistribution": _int,
    "CategoricalDistribution": lambda given: choice(*given.choices),
}


def _of_scipy(given: Any) -> Domain:
    name, (low, high) = given.dist.name, map(float, given.support())
    if name == "uniform":
        return uniform(low, high)
    if name in ("loguniform", "reciprocal"):
        return log(low, high)
    if name == "randint":
        return integers(int(low), int(high))
    levels = [given.ppf((place + 0.5) / QUANTILES).item() for place in range(QUANTILES)]
    whole = hasattr(given, "pmf") and all(level == round(level) for level in levels)
    middle = levels[QUANTILES // 2]
    if whole:
        return choice(*map(int, levels), default=int(middle))
    return choice(*levels, default=middle)
