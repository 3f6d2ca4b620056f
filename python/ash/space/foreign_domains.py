"""Converts lists, ranges and the distributions of other libraries to ash's domains.

    [3, 5, 8], a range, a 1-d array        ash.choice(3, 5, 8)
    FloatDistribution(1e-3, 1, log=True)   ash.loguniform(1e-3, 1)   with `step`: a choice of its values
    IntDistribution(1, 9, step=2)          ash.integers(1, 9, 2)     with log: ash.integers(1, 9, log=True)
    CategoricalDistribution([...])         the choices
    scipy.stats.uniform(loc, scale)        ash.uniform(loc, loc + scale)
    scipy.stats.loguniform(a, b)           ash.loguniform(a, b)
    scipy.stats.randint(low, high)         ash.integers(low, high - 1)
    any other scipy.stats distribution     its 1,001 quantiles 0.0005, 0.0015, ...; the median is the default; equal
                                           quantiles of a discrete distribution are one value

None of these libraries is imported here, since a caller that passes such an object has already imported its library.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ash.errors import SettingError
from ash.space.domains import MOST_LEVELS, Domain, choice, distinct, integers, loguniform, uniform

QUANTILES = 1001
"""Number of levels of the domain for any other scipy.stats distribution."""


def as_domain(value: Any) -> Domain:
    """Return the domain for a list, a range, a 1-d array or a distribution; return a domain unchanged.

    Any other value becomes the only level of a domain.

    Raises
    ------
    SettingError
        The value is empty, is an unknown distribution, or has bounds that are not allowed.
    """
    if isinstance(value, Domain):
        return value
    if isinstance(value, list | range) or (isinstance(value, np.ndarray) and value.ndim == 1):
        if len(value) == 0:
            raise SettingError("it is empty; give at least one value")
        return choice(*(tuple(one) if isinstance(one, list) else one for one in value))
    kind = type(value).__name__
    if type(value).__module__.startswith("optuna.distributions"):
        if kind not in _OPTUNA:
            raise SettingError("a distribution that ash does not know")
        return _OPTUNA[kind](value)
    if hasattr(value, "ppf") and not hasattr(value, "dist"):
        raise SettingError(
            "a distribution without its parameters; give a frozen one, such as scipy.stats.uniform(0, 1)"
        )
    return _of_scipy(value) if hasattr(value, "ppf") else Domain((value,), value)


def levels_of(distribution: Any) -> Sequence[Any]:
    """Return the levels of an Optuna distribution, each repeated by its weight."""
    return tuple(distribution.choices) if hasattr(distribution, "choices") else as_domain(distribution).drawn


def drawn_level(distribution: Any, seed: int, number: int, name: str) -> Any:
    """Return a level of an Optuna distribution, chosen by a hash of the seed, the trial number and the name."""
    levels = levels_of(distribution)
    digest = hashlib.blake2b(f"{seed}\n{number}\n{name}".encode(), digest_size=16).digest()
    return levels[int.from_bytes(digest, "big") * len(levels) >> 128]


def _float(distribution: Any) -> Domain:
    low, high, step = distribution.low, distribution.high, distribution.step
    count = 0 if step is None else round((high - low) / step) + 1
    if step is None or count > MOST_LEVELS:
        return (loguniform if distribution.log else uniform)(low, high)
    return choice(*(low + index * step for index in range(count)))


def _int(distribution: Any) -> Domain:
    return integers(distribution.low, distribution.high, distribution.step, log=distribution.log)


_OPTUNA: dict[str, Callable[[Any], Domain]] = {
    "FloatDistribution": _float,
    "IntDistribution": _int,
    "CategoricalDistribution": lambda distribution: choice(*distribution.choices),
}


def _of_scipy(distribution: Any) -> Domain:
    try:
        with np.errstate(all="ignore"):
            name, (low, high) = distribution.dist.name, map(float, distribution.support())
    except TypeError:
        raise SettingError("a distribution of several numbers; give one of a single number") from None
    if name == "uniform":
        return uniform(low, high)
    if name in ("loguniform", "reciprocal") and low > 0 and np.isclose(distribution.median() ** 2, low * high):
        return loguniform(low, high)  # otherwise it is shifted by `loc`
    if name == "randint":
        return integers(int(low), int(high))
    quantiles = distribution.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES).tolist()
    if not np.isfinite(quantiles).all():
        raise SettingError("a distribution with quantiles that are not finite")
    if hasattr(distribution, "pmf") and all(map(float.is_integer, quantiles)):
        return choice(*map(int, quantiles), default=int(quantiles[QUANTILES // 2]))
    return Domain(distinct(quantiles), quantiles[QUANTILES // 2], kind="quantiles")
