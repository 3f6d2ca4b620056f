"""Candidates of `param_distributions`, as scikit-learn draws them, and the space of ash that holds them.

{"depth": [3, None], "alpha": loguniform(1e-3, 1)}  --ParameterSampler-->  [{"depth": None, "alpha": 0.017}, ...]
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.model_selection import ParameterSampler
from sklearn.utils import check_random_state

from ash._utils.machine import check_room
from ash._utils.user_warnings import warn_user
from ash.errors import SettingError
from ash.space.domains import Domain, choice, key_of
from ash.space.foreign_domains import as_domain
from ash.space.function_space import FunctionSpace, plain_value
from ash.space.hyperparameters import Params


def drawn_candidates(distributions: Any, count: int, random_state: Any, *, warns: bool) -> list[Params]:
    """Return `count` different candidates; if there are fewer, return all of them, and warn if `warns`.

    Raises
    ------
    SettingError
        It is no dict of lists and distributions, or a value is none that a space may have.
    """
    if isinstance(distributions, list | tuple):
        raise SettingError(
            "param_distributions is a list of dicts, which is not supported yet: search one dict at a time"
        )
    if not isinstance(distributions, Mapping) or not distributions:
        raise SettingError(f"param_distributions must be a dict that is not empty, got {distributions!r}")
    try:
        generator = check_random_state(random_state)
    except ValueError as error:
        raise SettingError(f"random_state={random_state!r} cannot be used: {error}") from None
    if any(hasattr(given, "rvs") for given in distributions.values()):  # else there are as many as the lists make
        check_room("n_candidates", count, sys.getsizeof(dict(distributions)), "lower n_candidates")
    found: dict[str, Params] = {}
    before = -1
    while before < len(found) < count:
        before = len(found)
        for params in _drawn(distributions, count - before, generator):
            plain = {name: _plain(name, value) for name, value in params.items()}
            found.setdefault(key_of(plain), plain)
    if len(found) < count and warns:
        warn_user(f"n_candidates={count} exceeds the {len(found)} possible configurations; all of them are used")
    return list(found.values())


def drawn_space(distributions: Mapping[str, Any], drawn: Sequence[Params]) -> FunctionSpace:
    """Return a space that has all of these candidates."""
    return FunctionSpace(
        **{name: _domain(given, [params[name] for params in drawn]) for name, given in distributions.items()}
    )


def _drawn(distributions: Mapping[str, Any], count: int, generator: Any) -> list[Params]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The total space of parameters")
        try:
            return list(ParameterSampler(distributions, count, random_state=generator))
        except (TypeError, ValueError) as error:
            raise SettingError(f"param_distributions cannot be used: {error}") from None


def _plain(name: str, value: Any) -> Any:
    try:
        return plain_value(value)
    except SettingError as error:
        raise SettingError(f"param_distributions: {name}={value!r}: {error}") from None


def _domain(given: Any, drawn: list[Any]) -> Domain:
    """Return the range of a distribution that ash knows; else the values that were drawn."""
    if hasattr(given, "rvs"):
        try:
            domain = as_domain(given)
        except SettingError:  # such as one without its parameters
            return choice(*drawn)
        if domain.kind in ("uniform", "log", "integers"):
            return domain
    return choice(*drawn)
